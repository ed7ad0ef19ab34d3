"""The table at the end: each figure from the input and through the API, side by side."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import httpx
from rich.console import Console
from rich.table import Table

from demo import expectations, figures, readings
from demo.client import Api, Body
from demo.figures import Compared, Tally, compare, differences, total_of
from demo.orders import Failure, order_name
from demo.plan import Plan
from demo.run_file import RunFile
from demo.setup import Places

NAMED_ORDERS_MAX = 20


@dataclass(frozen=True)
class Patience:
    """How long messages and papers are waited for.

    A broker that was killed is back within a minute; only then is a silence worth believing.
    """

    quiet_seconds: float = 90.0
    deadline_seconds: float = 600.0
    pause_seconds: float = 2.0


DEFAULT_PATIENCE = Patience()


@dataclass
class Reading:
    """What the API says, order by order; `told` lags and is read again until it settles."""

    settled: dict[str, Tally]
    told: dict[str, Tally]
    whole: list[Tally]  # Figures of no single order.
    journal: dict[str, Body]


@dataclass(frozen=True)
class Expected:
    """What the input says, order by order."""

    settled: Mapping[str, Tally]
    told: Mapping[str, Tally]
    whole: Sequence[Tally]


def expect(plans: Sequence[Plan], run: RunFile) -> Expected:
    """All expectations, under the ids that the run minted for its orders."""
    ids = {run.id_of(order_name(plan)): plan for plan in plans}
    return Expected(
        settled={order_id: expectations.tally_order(plan) for order_id, plan in ids.items()},
        told={order_id: expectations.tally_told(plan) for order_id, plan in ids.items()},
        whole=[expectations.tally_stock(plans), expectations.tally_meanwhile(plans)],
    )


async def read(
    api: Api,
    run: RunFile,
    places: Places,
    expected: Expected,
    console: Console,
    now: datetime,
    patience: Patience = DEFAULT_PATIENCE,
) -> Reading:
    """Everything through the API, waiting for messages and papers to settle."""
    end = (run.finished_at or now) + timedelta(seconds=1)
    with console.status("Reading the orders back"):
        settled = await readings.read_each(api, expected.settled, readings.read_order, _nothing)
        journal = await readings.read_journal(api, places, run.started_at, end)
        stock = await readings.read_stock(api, places)
    told = await _read_told(api, expected.told, console, patience)
    return Reading(settled, told, [stock, readings.tally_meanwhile(journal)], journal)


def caught_mails(
    mails: Sequence[Body], expected: Expected, reading: Reading
) -> tuple[Tally, Tally]:
    """How many e-mails name the run's orders: expected, and in the mail catcher's list."""
    numbers = {
        str(order["number"])
        for order_id, order in reading.journal.items()
        if order_id in expected.settled
    }
    found = sum(not numbers.isdisjoint(str(mail["subject"]).split()) for mail in mails)
    told = total_of(expected.told.values()).get(figures.EMAILS, Decimal(0))
    return {figures.CAUGHT: told}, {figures.CAUGHT: Decimal(found)}


async def read_catcher(url: str) -> list[Body] | None:
    """The mails that the catcher holds, each once; None when there is no catcher."""
    try:
        async with httpx.AsyncClient(timeout=10.0, trust_env=False) as http:
            response = await http.get(url)
            found: list[Body] = response.raise_for_status().json()
            return found
    except httpx.HTTPError:
        return None


async def _read_told(
    api: Api, expected: Mapping[str, Tally], console: Console, patience: Patience
) -> dict[str, Tally]:
    """Messages and papers may lag: read until they are as expected, or fall silent."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + patience.deadline_seconds
    told: dict[str, Tally] = {}
    lagging: Iterable[str] = list(expected)
    changed_at = clock()
    with console.status("Reading messages and papers") as status:
        while True:
            fresh = await readings.read_each(api, lagging, readings.read_told, _nothing)
            if any(told.get(order_id) != tally for order_id, tally in fresh.items()):
                changed_at = clock()
            told |= fresh
            lagging = [
                order_id
                for order_id, tally in expected.items()
                if differences(tally, told[order_id])
            ]
            if not lagging or clock() > deadline or clock() - changed_at > patience.quiet_seconds:
                return told
            status.update(f"Waiting for messages and papers of {len(lagging)} orders")
            await asyncio.sleep(patience.pause_seconds)


def compare_all(
    expected: Expected, reading: Reading, mails: Sequence[Body] | None
) -> list[Compared]:
    """The rows of the table; the catcher's only if there is one."""
    wanted, caught = caught_mails(mails, expected, reading) if mails is not None else ({}, {})
    return compare(
        total_of([*expected.settled.values(), *expected.told.values(), *expected.whole, wanted]),
        total_of([*reading.settled.values(), *reading.told.values(), *reading.whole, caught]),
    )


def table_of(rows: Sequence[Compared]) -> Table:
    """The table, differences in red."""
    table = Table(title="The day, counted twice", title_justify="left")
    table.add_column("")
    table.add_column("from the input", justify="right")
    table.add_column("through the API", justify="right")
    table.add_column("")
    section = ""
    for row in rows:
        if row.figure.section != section:
            section = row.figure.section
            table.add_section()
            table.add_row(f"[bold]{section}[/bold]")
        name = f"  {row.figure.name}" + (f", {row.figure.unit}" if row.figure.unit else "")
        table.add_row(
            name,
            _shown(row, row.from_input),
            _shown(row, row.through_api),
            "agrees"
            if row.agrees
            else f"differs by {_shown(row, row.through_api - row.from_input)}",
            style=None if row.agrees else "bold red",
        )
    return table


def print_differing_orders(
    console: Console, plans: Sequence[Plan], run: RunFile, expected: Expected, reading: Reading
) -> None:
    """Name the orders whose own figures differ, so that one can look at them."""
    named = 0
    for plan in plans:
        order_id = run.id_of(order_name(plan))
        rows = [
            *differences(expected.settled[order_id], reading.settled[order_id]),
            *differences(expected.told[order_id], reading.told[order_id]),
        ]
        if not rows:
            continue
        named += 1
        if named > NAMED_ORDERS_MAX:
            console.print("  and more orders")
            return
        said = "; ".join(
            f"{row.figure.section.lower()}, {row.figure.name}: "
            f"{row.from_input} expected, {row.through_api} found"
            for row in rows
        )
        console.print(f"  order {order_id} of basket {plan.basket.id}: {said}", style="red")


def print_unknown_papers(console: Console, reading: Reading) -> None:
    """Say how many papers may or may not have come out of a printer that was cut off."""
    unknown = total_of(reading.told.values()).get(figures.UNKNOWN_PAPERS)
    if unknown:
        console.print(
            f"{unknown} of the papers have an unknown outcome: the agent was cut off while they "
            "were printed. They are not printed again silently.",
            style="yellow",
        )


def print_failures(console: Console, failures: Sequence[Failure]) -> None:
    """Name the baskets that did not get through."""
    for failure in failures[:NAMED_ORDERS_MAX]:
        console.print(
            f"  basket {failure.plan.basket.id}: {failure.why}", style="red", markup=False
        )
    if len(failures) > NAMED_ORDERS_MAX:
        console.print(f"  and {len(failures) - NAMED_ORDERS_MAX} more baskets", style="red")


def _shown(row: Compared, amount: object) -> str:
    return f"{amount:,.2f}" if row.figure.unit else f"{amount:,f}"


def _nothing() -> None:
    """No progress is shown for a single reading."""
