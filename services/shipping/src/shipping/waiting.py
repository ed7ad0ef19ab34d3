"""Waiting for news: of orders that a request is early for, and of what posting brings."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TypeVar
from uuid import UUID

from chassis.database import Database
from chassis.gather import Gatherer
from chassis.http.waiting import KNOWN_DEFAULT_S, refusal_of, wait_until, worth_waiting
from fastapi_problem.error import Problem

from shipping import domain
from shipping.domain import Shipment
from shipping.handlers import Answer, DraftShipment, PostShipment

C = TypeVar("C", DraftShipment, PostShipment)


def alone(gatherer: Gatherer[C, Shipment]) -> Callable[[Sequence[C]], Awaitable[Sequence[Answer]]]:
    """A single request's way into the group of those that arrive with it."""

    async def submit(commands: Sequence[C]) -> Sequence[Answer]:
        try:
            return [await gatherer.do(commands[0])]
        except (domain.Refused, Problem) as refusal:
            return [refusal]

    return submit


def _may_be_late(answer: Answer) -> bool:
    """Whether a refusal may turn out differently once news that is on its way arrives."""
    if isinstance(answer, domain.UnknownOrder | domain.UnknownStore):
        return worth_waiting(answer.reference)
    return isinstance(answer, domain.MayBeLate)


async def patiently(
    db: Database,
    submit: Callable[[Sequence[C]], Awaitable[Sequence[Answer]]],
    commands: Sequence[C],
    wait: float | None,
) -> list[Answer]:
    """Submit, and submit again for a while what the copies of orders may be too late for."""
    answers = list(await submit(commands))
    late = [n for n, answer in enumerate(answers) if _may_be_late(answer)]

    async def again() -> bool | None:
        waiting = [n for n in late if _may_be_late(answers[n])]
        for n, answer in zip(waiting, await submit([commands[n] for n in waiting]), strict=True):
            answers[n] = answer
        return None if any(_may_be_late(answers[n]) for n in late) else True

    if late:
        keys = {str(_awaited(answers[n])) for n in late}
        await wait_until(db, keys, again, KNOWN_DEFAULT_S if wait is None else wait)
    return [refusal_of(one) if isinstance(one, Exception) else one for one in answers]


def _awaited(answer: Answer) -> UUID:
    """The order or the store whose news may change the answer."""
    if isinstance(answer, domain.UnknownStore):
        return answer.reference
    assert isinstance(answer, domain.MayBeLate)
    return answer.order_id


async def settled(
    db: Database,
    questions: Gatherer[Collection[UUID], dict[UUID, Shipment]],
    shipments: Sequence[Shipment],
    wait: float | None,
) -> Sequence[Shipment]:
    """The shipments as they are once all are settled, or when the wait is over."""
    if not wait or all(one.settled or one.state == "draft" for one in shipments):
        return shipments
    newest = {one.id: one for one in shipments}

    async def probe() -> bool | None:
        waiting = [one.id for one in newest.values() if not one.settled]
        newest.update(await questions.do(waiting))
        return True if all(one.settled for one in newest.values()) else None

    await wait_until(db, {str(one.order_id) for one in shipments}, probe, wait)
    return [newest[one.id] for one in shipments]
