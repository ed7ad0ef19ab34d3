"""The sender: takes e-mails that are due and hands them to the mail server, for ever."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import structlog
from aiosmtplib import SMTP
from chassis import outbox
from chassis.database import Database
from chassis.outbox import Said
from chassis.runtime import Runtime
from contracts.notifications import MessageFailed, MessageSent
from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncConnection

from notifications import messages
from notifications.mail import MailServerAway, connected, hand_over, pause_after
from notifications.messages import DueMail, Outcome
from notifications.settings import Settings

log = structlog.get_logger()
TAKEN_MAX = 20
WORKING_MAX = timedelta(seconds=5)  # No further mail is begun after it.
WRITING_MAX = timedelta(seconds=10)  # For the database, before the first mail and after the last.
BROKE_OFF = timedelta(seconds=2)
PAUSE_FIRST_S = 1.0
MAILS = Counter("holdfast_mails_total", "E-mails handed over.", ["outcome"])

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


def lease(settings: Settings) -> timedelta:
    """How long mails that were taken are one sender's own: longer than it can be busy with them.

    What a sender that died had taken is due again when it ends. Should two hand the same mail over
    after all, receivers see by its Message-ID that it is one.
    """
    return WORKING_MAX + timedelta(seconds=settings.mail_max_s) + WRITING_MAX


async def send_for_ever(runtime: Runtime) -> None:
    """Send what is due. While the server is away, try again after a pause that doubles."""
    settings = runtime.settings
    assert isinstance(settings, Settings)
    pause_s = PAUSE_FIRST_S
    while True:
        try:
            await send_due(runtime.db, settings, utc_now)
        except MailServerAway as error:
            log.warning("the mail server is away", error=str(error), again_in_s=pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, settings.mail_pause_max_s)
            continue
        pause_s = PAUSE_FIRST_S
        await asyncio.sleep(settings.mail_poll_s)


async def send_due(db: Database, settings: Settings, clock: Clock) -> int:
    """Hand over every e-mail that is due, several on one connection; how many were taken.

    MailServerAway when the server does not take them now: they stay as they were.
    """
    async with db.reading() as tx:
        if not await messages.is_due(tx, clock()):
            return 0
    count, ours_for = 0, lease(settings)
    async with connected(settings) as client:
        while True:
            taken = await db.run(lambda tx: messages.take_due(tx, clock(), ours_for, TAKEN_MAX))
            if not taken:
                return count
            await _send(db, client, taken, settings, clock)
            count += len(taken)


async def _send(
    db: Database, client: SMTP, taken: Sequence[DueMail], settings: Settings, clock: Clock
) -> None:
    """Hand over one by one, and write down what came of it, also when the server goes away."""
    outcomes: list[Outcome] = []
    away: MailServerAway | None = None
    stop_at = clock() + WORKING_MAX
    for mail in taken:
        if away is not None or clock() > stop_at:
            outcomes.append(Outcome(mail, "queued", again_at=mail.at, tried=False))
            continue
        try:
            outcomes.append(await hand_over(client, mail, settings, clock()))
        except MailServerAway as error:
            away = error
            # It may be this message that the server breaks at: the others go before it.
            again_at = clock() + pause_after(mail.attempts, BROKE_OFF)
            outcomes.append(Outcome(mail, "queued", str(error), again_at))
    now = clock()
    await db.run(lambda tx: _write_down(tx, outcomes, now))
    for outcome in outcomes:
        MAILS.labels(outcome.state).inc()
    if away is not None:
        raise away


async def _write_down(tx: AsyncConnection, outcomes: Sequence[Outcome], now: datetime) -> None:
    ours = await messages.finish(tx, outcomes)
    said = [_said(one, now) for one in outcomes if one.mail.id in ours and one.state != "queued"]
    await outbox.say(tx, said)


def _said(outcome: Outcome, now: datetime) -> Said:
    mail = outcome.mail
    fact: MessageSent | MessageFailed
    if outcome.state == "sent":
        fact = MessageSent(
            message_id=mail.id,
            order_id=mail.order_id,
            channel="email",
            caused_by=mail.event_id,
            at=now,
        )
    else:
        fact = MessageFailed(
            message_id=mail.id,
            order_id=mail.order_id,
            channel="email",
            caused_by=mail.event_id,
            at=now,
            reason=outcome.reason or "",
        )
    return Said(fact, version=1, trace=mail.trace)
