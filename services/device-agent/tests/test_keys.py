"""Only what the agent's own hub sealed for it, and in time, is ever printed."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from device_agent.keys import AgentKeys, AlteredJob, ForeignJob, Identity, has_ended
from joserfc import jws


@pytest.fixture
def agent(hub_keys):
    return Identity(uuid4(), AgentKeys.make(), hub_keys.signing, ())


def sealed_for(hub_keys, agent, *orders, device_id=None):
    _, sealing = agent.keys.public()
    return hub_keys.seal(list(orders), device_id or agent.device_id, sealing)


def test_a_job_from_the_hub_is_opened_in_the_hubs_order(hub_keys, agent, order):
    """What the hub sealed for this agent comes out as it went in."""
    orders = (order(), order())
    assert agent.open(sealed_for(hub_keys, agent, *orders)) == orders


@pytest.mark.parametrize("position", [30, 200, -30])
def test_an_altered_job_is_refused(hub_keys, agent, order, position):
    """One letter changed on the way, wherever, and nothing is printed."""
    sealed = sealed_for(hub_keys, agent, order())
    letter = "A" if sealed[position] != "A" else "B"
    at = position % len(sealed)
    with pytest.raises(AlteredJob):
        agent.open(sealed[:at] + letter + sealed[at + 1 :])


def test_a_job_that_another_hub_sealed_is_refused(hub_keys, agent, order):
    """Who knows the agent's public key still cannot make it print."""
    stranger = type(hub_keys)()
    with pytest.raises(AlteredJob):
        agent.open(sealed_for(stranger, agent, order()))


def test_a_job_for_another_device_is_refused(hub_keys, agent, order):
    """A job of the hub that is addressed elsewhere is not printed here."""
    with pytest.raises(ForeignJob):
        agent.open(sealed_for(hub_keys, agent, order(), device_id=uuid4()))


def test_a_job_sealed_to_another_agents_key_cannot_be_read(hub_keys, agent, order):
    """The customer's name is for the addressee alone."""
    other = Identity(agent.device_id, AgentKeys.make(), hub_keys.signing, ())
    with pytest.raises(AlteredJob):
        agent.open(sealed_for(hub_keys, other, order()))


def test_something_else_that_the_hub_signed_is_not_a_job(hub_keys, agent):
    """A signature of the hub on another kind of message prints nothing."""
    with pytest.raises(AlteredJob):
        agent.open("not.a.sealed.job.at-all")


def test_a_job_ends_at_its_time(order):
    """At the end itself it is over already."""
    end = datetime(2026, 5, 11, tzinfo=UTC)
    assert not has_ended(order(expires_at=end), end - timedelta(seconds=1))
    assert has_ended(order(expires_at=end), end)


def test_the_keys_survive_a_restart():
    """The same agent proves itself with the same key."""
    keys = AgentKeys.make()
    again = AgentKeys.load(*keys.saved())
    signed = jws.deserialize_compact(again.prove("n", "me"), keys.signing, algorithms=["Ed25519"])
    assert b'"nonce":"n"' in (signed.payload or b"")
