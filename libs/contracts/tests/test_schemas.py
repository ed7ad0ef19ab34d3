"""Contracts change by additions only: what was promised to followers stays true."""

import json
from pathlib import Path
from typing import Any

import pytest
from contracts.catalogue import MESSAGES
from contracts.message import Message
from contracts.topics import BY_NAME, TOPICS

SCHEMAS = Path(__file__).parents[1] / "schemas"


def golden(message: type[Message]) -> dict[str, Any]:
    path = SCHEMAS / f"{message.TYPE}.json"
    assert path.exists(), f"{path.name} is missing: run `make schemas` and commit it"
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def removals(before: Any, now: Any, at: str = "") -> list[str]:
    """What the golden schema promised and the class no longer does."""
    if isinstance(before, dict):
        if not isinstance(now, dict):
            return [f"{at}: was an object"]
        found = []
        for key, value in before.items():
            if key in ("description", "title", "required"):
                continue
            if key not in now:
                found.append(f"{at}/{key}: is gone")
            else:
                found += removals(value, now[key], f"{at}/{key}")
        return found
    if isinstance(before, list):
        return [f"{at}: lost {value!r}" for value in before if value not in now]
    return [] if before == now else [f"{at}: was {before!r}, is {now!r}"]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.TYPE)
def test_a_message_keeps_what_it_promised(message: type[Message]) -> None:
    """A field that a follower reads is never removed, renamed or given another type."""
    assert removals(golden(message), message.model_json_schema()) == []


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.TYPE)
def test_a_new_field_is_optional(message: type[Message]) -> None:
    """Records that are already on the bus must still be read after a field was added."""
    before = set(golden(message).get("required", []))
    assert set(message.model_json_schema().get("required", [])) <= before


def test_the_golden_schemas_are_complete() -> None:
    """No schema is left of a message that is gone: a follower may still wait for it."""
    assert {path.stem for path in SCHEMAS.glob("*.json")} == {m.TYPE for m in MESSAGES}


def test_the_comparison_sees_a_break() -> None:
    """A renamed field, a lost choice and a changed type are each found."""
    before = {"properties": {"a": {"type": "string"}, "kind": {"enum": ["x", "y"]}}}
    now = {"properties": {"b": {"type": "string"}, "kind": {"enum": ["x"]}}}
    assert len(removals(before, now)) == 2
    assert removals({"type": "string"}, {"type": "integer"}) != []


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.TYPE)
def test_a_message_has_a_topic_and_a_key(message: type[Message]) -> None:
    """Every message but `republish`, which goes to any commands topic, has a known topic."""
    if message.TYPE != "republish.v1":
        assert message.TOPIC in BY_NAME
    assert message.KEY in {*message.model_fields, *dir(message)}
    assert message.TYPE.rsplit(".v", 1)[1].isdigit()


PERSONAL = {"name", "phone", "email", "address", "customer_name", "username"}


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.TYPE)
def test_personal_data_travels_on_one_topic_only(message: type[Message]) -> None:
    """Names, addresses and telephone numbers are fields of the customers' topic alone."""
    named_things = {"item_state.v1", "store_state.v1", "customer_state.v1"}
    if message.TYPE not in named_things:
        assert not PERSONAL & set(message.model_fields)


def test_topics_have_one_name_each() -> None:
    """Each topic stands once in the list that creates them."""
    assert len({topic.name for topic in TOPICS}) == len(TOPICS)
