"""E-mails reach the mailbox once, whatever the mail server or the sender suffers."""

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import pytest
from chassis.database import Database
from chassis.runtime import Runtime
from chassis.testing import Bench
from contracts.notifications import MessageFailed, MessageSent
from notifications.mail import MailServerAway, pause_after
from notifications.sender import WORKING_MAX, lease, send_due, send_for_ever
from notifications.settings import Settings
from pydantic import ValidationError

from .conftest import Purchase, told
from .mail_server import Mailbox, free_port, mail_server

# A sender of its own process, as it runs beside the others; it dies by the server's hand.
SENDER = """
import asyncio, sys
from datetime import datetime, UTC
from chassis.database import Database
from notifications.sender import send_due
from notifications.settings import Settings

async def main():
    settings = Settings()
    sys.stdin.readline()
    await send_due(Database(settings.database_url, "sender"), settings, lambda: datetime.now(UTC))

asyncio.run(main())
"""


def later(by: timedelta = timedelta()) -> Callable[[], datetime]:
    """A clock that runs ahead."""
    return lambda: datetime.now(UTC) + by


def settings_for(db: Database, port: int) -> Settings:
    url = db.engine.url.render_as_string(hide_password=False)
    return Settings.model_validate(
        {"database_url": url, "smtp_port": port, "mail_poll_s": 0.05, "mail_timeout_s": 5}
    )


async def mails(desk: Bench, order: Purchase) -> list[tuple[str, str | None]]:
    """State and reason of the order's e-mails."""
    seen = await told(desk, order.order_id)
    return [(one["state"], one["reason"]) for one in seen if one["channel"] == "email"]


def body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


async def test_an_email_arrives_as_it_was_written(desk: Bench, db: Database) -> None:
    """Kazakh letters, both bodies and the headers that mail programs look at survive the way."""
    order, port, mailbox = Purchase(), free_port(), Mailbox()
    await desk.deliver(order.card(language="kk"), order.placed())
    with mail_server(port, mailbox):
        assert await send_due(db, settings_for(db, port), later()) == 1
    [mail] = mailbox.accepted
    assert mail["Subject"] == "10045 тапсырысы қабылданды"
    assert mail["To"] == "aino@home.example"
    assert mail["From"] == "orders@demo.example"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Content-Language"] == "kk"
    assert mail["Date"] is not None
    assert "Сәлеметсіз бе, Aino Virtanen!" in body(mail, "plain")
    assert "Сәлеметсіз бе, Aino Virtanen!" in body(mail, "html")
    assert await mails(desk, order) == [("sent", None)]
    said = [one for one in await desk.said(MessageSent) if one.channel == "email"]
    assert [one.order_id for one in said] == [order.order_id]
    assert mail["Message-ID"] == f"<{said[0].message_id}@demo.example>"


async def test_many_mails_share_a_connection_and_keep_their_order(
    desk: Bench, db: Database
) -> None:
    """Thirty changes are thirty e-mails in their order, over one connection."""
    order, port, mailbox = Purchase(), free_port(), Mailbox()
    await desk.deliver(order.card(), order.placed())
    await desk.deliver(*[order.lines_changed(quantity) for quantity in range(1, 30)])
    with mail_server(port, mailbox):
        assert await send_due(db, settings_for(db, port), later()) == 30
    assert mailbox.connections == 1
    totals = [
        line
        for mail in mailbox.accepted
        for line in body(mail, "plain").splitlines()
        if line.startswith("Total:")
    ]
    assert totals[1:] == [f"Total: €{200 * quantity:,}.00" for quantity in range(1, 30)]


async def test_a_server_that_is_away_loses_nothing_and_comes_back(
    desk: Bench, db: Database
) -> None:
    """Orders go on while the mail server is away; when it is back every e-mail goes out once."""
    order, port, mailbox = Purchase(), free_port(), Mailbox()
    settings = settings_for(db, port)
    await desk.deliver(order.card(), order.placed())
    for hours in range(8):
        with pytest.raises(MailServerAway):
            await send_due(db, settings, later(timedelta(hours=hours)))
    await desk.deliver(order.progressed(status="ready"))
    assert await mails(desk, order) == [("queued", None), ("queued", None)]
    with mail_server(port, mailbox):
        await send_due(db, settings, later())
        await send_due(db, settings, later(timedelta(days=1)))
    assert mailbox.shown == [
        "Order 10045 has been accepted",
        "Order 10045 is ready for pick-up",
    ]
    assert len(mailbox.accepted) == 2
    assert await mails(desk, order) == [("sent", None), ("sent", None)]


async def test_the_sender_goes_on_by_itself(desk: Bench, db: Database) -> None:
    """The timer that runs in the service finds the server again without anybody's help."""
    order, port, mailbox = Purchase(), free_port(), Mailbox()
    await desk.deliver(order.card(), order.placed())
    runtime = Runtime(settings_for(db, port), db, None, {})

    async def all_sent() -> bool | None:
        return await mails(desk, order) == [("sent", None)] or None

    sending = asyncio.create_task(send_for_ever(runtime))
    try:
        await asyncio.sleep(0)
        with mail_server(port, mailbox):
            assert await db.wait_until([], all_sent, seconds=20)
    finally:
        sending.cancel()
    assert mailbox.shown == ["Order 10045 has been accepted"]


async def test_a_sender_killed_after_acceptance_shows_the_mail_once(
    desk: Bench, db: Database
) -> None:
    """kill -9 between the server's acceptance and our note: sent again, shown once."""
    order, port, mailbox = Purchase(), free_port(), Mailbox()
    settings = settings_for(db, port)
    await desk.deliver(order.card(), order.placed())
    with mail_server(port, mailbox):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            SENDER,
            stdin=asyncio.subprocess.PIPE,
            env={"HOLDFAST_DATABASE_URL": settings.database_url, "HOLDFAST_SMTP_PORT": str(port)},
        )
        mailbox.kills = process.pid
        await process.communicate(b"go\n")
        assert process.returncode == -9
        assert len(mailbox.accepted) == 1
        assert await mails(desk, order) == [("sending", None)]
        assert await send_due(db, settings, later()) == 0
        assert await send_due(db, settings, later(lease(settings))) == 1
    assert len(mailbox.accepted) == 2
    assert mailbox.shown == ["Order 10045 has been accepted"]
    assert await mails(desk, order) == [("sent", None)]


async def test_two_senders_never_take_the_same_mail(desk: Bench, db: Database) -> None:
    """Replicas share the work: forty e-mails are handed over forty times."""
    order, port, mailbox = Purchase(), free_port(), Mailbox()
    settings = settings_for(db, port)
    await desk.deliver(order.card(), order.placed())
    await desk.deliver(*[order.lines_changed(quantity) for quantity in range(1, 40)])
    with mail_server(port, mailbox):
        await asyncio.gather(
            send_due(db, settings, later()),
            send_due(db, settings, later()),
        )
    assert len(mailbox.accepted) == 40
    assert set(await mails(desk, order)) == {("sent", None)}


async def test_a_slow_server_gets_a_mail_from_one_sender(desk: Bench, db: Database) -> None:
    """While a sender may still be busy with its e-mail, another replica leaves it alone."""
    order, port, mailbox = Purchase(), free_port(), Mailbox()
    settings = settings_for(db, port)
    busy_max = WORKING_MAX + timedelta(seconds=settings.mail_max_s)
    await desk.deliver(order.card(), order.placed())
    mailbox.goes_on.clear()
    with mail_server(port, mailbox):
        slow = asyncio.create_task(send_due(db, settings, later()))
        assert await asyncio.to_thread(mailbox.asked.wait, 20)
        other = asyncio.create_task(send_due(db, settings, later(busy_max)))
        await asyncio.wait([other], timeout=1)
        mailbox.goes_on.set()
        assert (await slow, await other) == (1, 0)
    assert len(mailbox.accepted) == 1


async def test_a_mail_that_takes_too_long_is_broken_off_and_tried_again(
    desk: Bench, db: Database
) -> None:
    """A server that is slow word by word holds no e-mail beyond its time, and refused none."""
    order, port, mailbox = Purchase(), free_port(), Mailbox()
    settings = settings_for(db, port).model_copy(update={"mail_max_s": 0.5})
    await desk.deliver(order.card(), order.placed())
    mailbox.goes_on.clear()
    with mail_server(port, mailbox):
        with pytest.raises(MailServerAway, match="TimeoutError"):
            await send_due(db, settings, later())
        assert await mails(desk, order) == [("queued", "TimeoutError")]
        mailbox.goes_on.set()
        assert await send_due(db, settings_for(db, port), later(timedelta(seconds=3))) == 1
    assert await mails(desk, order) == [("sent", None)]
    assert len(mailbox.accepted) == 1
    assert await desk.said(MessageFailed) == []


async def test_an_address_refused_for_good_fails_alone(desk: Bench, db: Database) -> None:
    """A wrong address is given up with the server's code, without its words; the others go on."""
    gone, fine = Purchase("10045"), Purchase("10046")
    port, mailbox = free_port(), Mailbox()
    mailbox.answers["gone@home.example"] = "550 5.1.1 <gone@home.example> unknown"
    await desk.deliver(gone.card("gone@home.example"), fine.card(), gone.placed(), fine.placed())
    with mail_server(port, mailbox):
        await send_due(db, settings_for(db, port), later())
        await send_due(db, settings_for(db, port), later(timedelta(days=9)))
    assert await mails(desk, gone) == [("failed", "the mail server refused it (550 5.1.1)")]
    assert await mails(desk, fine) == [("sent", None)]
    [failed] = await desk.said(MessageFailed)
    assert failed.order_id == gone.order_id
    assert failed.reason == "the mail server refused it (550 5.1.1)"


async def test_a_message_refused_for_now_rests_and_goes_out(desk: Bench, db: Database) -> None:
    """Greylisting: the e-mail is tried again after a minute and arrives."""
    order, port, mailbox = Purchase(), free_port(), Mailbox()
    mailbox.data_answers = ["451 4.7.1 come back later"]
    settings = settings_for(db, port)
    await desk.deliver(order.card(), order.placed())
    with mail_server(port, mailbox):
        await send_due(db, settings, later())
        assert await mails(desk, order) == [("queued", "the mail server refused it (451 4.7.1)")]
        assert await send_due(db, settings, later(timedelta(seconds=50))) == 0
        assert await send_due(db, settings, later(timedelta(seconds=70))) == 1
    assert await mails(desk, order) == [("sent", None)]


async def test_a_message_refused_for_days_is_given_up(desk: Bench, db: Database) -> None:
    """After five days of "not now" the message fails, and others learn of it."""
    order, port, mailbox = Purchase(), free_port(), Mailbox()
    mailbox.data_answers = ["451 4.7.1 later", "451 4.7.1 later"]
    await desk.deliver(order.card(), order.placed())
    with mail_server(port, mailbox):
        await send_due(db, settings_for(db, port), later())
        await send_due(db, settings_for(db, port), later(timedelta(days=6)))
    [(state, reason)] = await mails(desk, order)
    assert state == "failed"
    assert reason == "the mail server refused it (451 4.7.1), for 5 days"
    assert len(await desk.said(MessageFailed)) == 1


async def test_a_server_that_closes_in_the_middle_gets_the_rest_later(
    desk: Bench, db: Database
) -> None:
    """421 after two e-mails: nothing fails, and the rest goes out once it takes mail again."""
    order, port, mailbox = Purchase(), free_port(), Mailbox()
    settings = settings_for(db, port)
    await desk.deliver(order.card(), order.placed(), *[order.lines_changed(n) for n in (1, 2, 3)])
    with mail_server(port, mailbox):
        await send_due(db, settings, later())
        await desk.deliver(order.lines_changed(4), order.lines_changed(3))
        mailbox.data_answers = ["421 4.3.2 going down"]
        with pytest.raises(MailServerAway):
            await send_due(db, settings, later())
        assert [state for state, _ in await mails(desk, order)][-2:] == ["queued", "queued"]
        await send_due(db, settings, later(timedelta(seconds=3)))
    assert len(mailbox.accepted) == 6
    assert {state for state, _ in await mails(desk, order)} == {"sent"}


@pytest.mark.parametrize("address", ["no address at all", "two@a.example, two@b.example", "a@\nb"])
async def test_an_address_that_is_none_fails_alone(desk: Bench, db: Database, address: str) -> None:
    """What cannot be an address is given up at once and holds up nobody."""
    wrong, fine = Purchase("10045"), Purchase("10046")
    port, mailbox = free_port(), Mailbox()
    await desk.deliver(wrong.card(address), fine.card(), wrong.placed(), fine.placed())
    with mail_server(port, mailbox):
        await send_due(db, settings_for(db, port), later())
    assert [state for state, _ in await mails(desk, wrong)] == ["failed"]
    assert await mails(desk, fine) == [("sent", None)]
    assert [mail["To"] for mail in mailbox.accepted] == ["aino@home.example"]


async def test_an_address_with_other_letters_needs_a_server_that_takes_it(
    desk: Bench, db: Database
) -> None:
    """SMTPUTF8: written to where the server can, given up where it cannot."""
    first, second = Purchase("10045"), Purchase("10046")
    port, mailbox = free_port(), Mailbox()
    await desk.deliver(first.card("айгүл@home.example"), first.placed())
    with mail_server(port, mailbox):
        await send_due(db, settings_for(db, port), later())
    await desk.deliver(second.card("айгүл@home.example"), second.placed())
    with mail_server(port, mailbox, enable_SMTPUTF8=False):
        await send_due(db, settings_for(db, port), later())
    assert [mail["To"] for mail in mailbox.accepted] == ["айгүл@home.example"]
    assert await mails(desk, first) == [("sent", None)]
    assert await mails(desk, second) == [("failed", "the address cannot be written to")]


def test_pauses_double_to_an_hour() -> None:
    """A message that is refused for now is tried less and less often, but each hour at least."""
    pauses = [pause_after(attempts) for attempts in range(20)]
    assert pauses[:3] == [timedelta(minutes=1), timedelta(minutes=2), timedelta(minutes=4)]
    assert pauses[-1] == timedelta(hours=1)


@pytest.mark.parametrize("sender", ["orders", "@shop.example", "orders@shop.example\nBcc: x@y.z"])
def test_a_sender_that_is_no_address_is_refused_at_the_start(sender: str) -> None:
    """A mistake in HOLDFAST_MAIL_FROM is seen when the service starts, not hours later."""
    with pytest.raises(ValidationError, match="HOLDFAST_MAIL_FROM"):
        Settings.model_validate({"database_url": "postgresql://x", "mail_from": sender})
