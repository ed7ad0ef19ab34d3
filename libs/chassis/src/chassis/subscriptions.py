"""What a service listens to: its subscribers.py declares it, `consumer` and `bus` carry it out."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.message import Command, Fact, Message, Republish, State
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis import outbox
from chassis.records import Received

Handler = Callable[[AsyncConnection, Sequence[Received[Any]]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscriber: a topic, the types it handles, those it ignores, and its plural handler."""

    name: str
    topic: str
    handles: tuple[type[Message], ...]
    ignores: tuple[type[Message], ...]
    handler: Handler

    @property
    def kind(self) -> type[Message]:
        """Command, Fact or State: decides how a second delivery is recognised."""
        for kind in (Command, State, Fact):
            if all(issubclass(message, kind) for message in self.handles):
                return kind
        raise AssertionError(f"{self.name} mixes commands, facts and states")


class Subscriptions:
    """Collects a service's subscribers."""

    def __init__(self) -> None:
        self.all: list[Subscription] = []

    def follow(
        self,
        topic: str,
        handles: Iterable[type[Message]],
        ignores: Iterable[type[Message]] = (),
    ) -> Callable[[Handler], Handler]:
        """Declare the decorated function as the topic's subscriber, named like the function.

        It is given new records only, in order per key, as one batch in one transaction that is
        committed together with the note that they were seen.
        """

        def register(handler: Handler) -> Handler:
            name = getattr(handler, "__name__", topic)
            subscription = Subscription(name, topic, tuple(handles), tuple(ignores), handler)
            assert subscription.kind  # A mixture is refused while the module is imported.
            self.all.append(subscription)
            return handler

        return register


def obey_commands(service: str, own: Sequence[Subscription]) -> list[Subscription]:
    """The service's subscriptions, with `republish` answered on its commands topic."""
    topic = f"{service}.commands"

    async def republish(tx: AsyncConnection, received: Sequence[Received[Any]]) -> None:
        for one in received:
            wish = one.message
            await outbox.say_again(tx, wish.topic, wish.key, wish.from_version)

    result: list[Subscription] = []
    served = False
    for subscription in own:
        if subscription.topic == topic:
            served = True
            result.append(_with_republish(subscription, republish))
        else:
            result.append(subscription)
    if not served:
        result.append(Subscription("republish_facts", topic, (Republish,), (), republish))
    return result


def _with_republish(subscription: Subscription, republish: Handler) -> Subscription:
    async def obey(tx: AsyncConnection, received: Sequence[Received[Any]]) -> None:
        wishes = [one for one in received if isinstance(one.message, Republish)]
        own = [one for one in received if not isinstance(one.message, Republish)]
        await republish(tx, wishes)
        if own:
            await subscription.handler(tx, own)

    return Subscription(
        subscription.name,
        subscription.topic,
        (*subscription.handles, Republish),
        subscription.ignores,
        obey,
    )
