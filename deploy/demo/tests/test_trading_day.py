"""A small day from the baskets to the table, against a system in memory."""

from datetime import timedelta
from pathlib import Path

from demo import figures, report
from demo.client import Api
from demo.figures import Compared
from demo.orders import Failure, Trade, trade_days
from demo.plan import Plan, plan_orders
from demo.run_file import RunFile
from demo.setup import knows_run, open_stores, read_settings
from rich.console import Console

from .fake_api import FakeApi, new_id
from .samples import NOW, basket, days_of

DAYS = days_of(
    [
        basket(1101, (1, "10.00"), (3, "9.99")),
        basket(2007, (2, "3.33"), household=1770),
        basket(3009, (5, "7.01"), (1, "0.00"), household=20, store=357),
        basket(4000, (7, "1.00"), (1, "4.49"), store=357),
        basket(5101, (1, "0.01")),
        basket(6101, (1, "0.00")),
    ]
)


async def trade(fake: FakeApi, state: Path, stop_after: int | None = None) -> list[Failure]:
    """Feed the small day; `stop_after` gives up after so many orders, as a kill would."""
    async with Api("http://shop", "m", "p", transport=fake.transport()) as api:
        run = RunFile.at(state, DAYS.first, DAYS.count, new_id)
        if not run.begun or not await knows_run(api, run):
            run.begin(await read_settings(api), NOW)
        plans = plan_orders(DAYS, run.settings)
        places = await open_stores(api, run, DAYS, plans, lambda _: None)
        failures = await trade_days(Trade(api, run, places), plans[:stop_after], _ignore)
        if stop_after is None and not failures:
            run.finish(NOW + timedelta(minutes=1))
    return failures


async def count(fake: FakeApi, state: Path) -> list[Compared]:
    """The table of the small day."""
    async with Api("http://shop", "m", "p", transport=fake.transport()) as api:
        run = RunFile.at(state, DAYS.first, DAYS.count, new_id)
        plans = plan_orders(DAYS, run.settings)
        places = await open_stores(api, run, DAYS, plans, lambda _: None)
        expected = report.expect(plans, run)
        quiet = Console(quiet=True)
        reading = await report.read(
            api, run, places, expected, quiet, NOW, patience=report.Patience(0.2, 0.5, 0.05)
        )
    return report.compare_all(expected, reading, None)


def _ignore(plan: Plan) -> None:
    """Progress is not looked at."""


def differing(rows: list[Compared]) -> set[str]:
    """The names of the figures that do not agree."""
    return {row.figure.name for row in rows if not row.agrees}


async def test_the_day_is_counted_the_same_twice(tmp_path: Path) -> None:
    """All baskets become closed and paid orders, and every figure agrees."""
    fake = FakeApi()
    assert await trade(fake, tmp_path) == []
    rows = await count(fake, tmp_path)
    assert differing(rows) == set()
    through_api = {row.figure: row.through_api for row in rows}
    assert through_api[figures.main_status("closed")] == 6
    assert through_api[figures.financial_status("paid")] == 6
    assert through_api[figures.SHIPMENTS] == 8
    assert through_api[figures.EMAILS] == 11
    assert through_api[figures.papers("deposit_receipt", "printed")] == 5


async def test_answers_lost_and_services_away_do_not_change_the_table(tmp_path: Path) -> None:
    """Every fifth answer is lost after its effect and every seventh call fails before it."""
    fake = FakeApi(lose=lambda call: call % 5 == 0, fail=lambda call: call % 7 == 0)
    assert await trade(fake, tmp_path) == []
    assert len(fake.orders) == 6
    assert differing(await count(fake, tmp_path)) == set()


async def test_a_run_that_was_stopped_goes_on_and_ends_with_the_same_table(tmp_path: Path) -> None:
    """Orders taken before the stop are not taken again, and nothing is sent when it is finished."""
    fake = FakeApi()
    await trade(fake, tmp_path, stop_after=3)
    assert len(fake.orders) == 3
    await trade(fake, tmp_path)
    assert len(fake.orders) == 6
    assert differing(await count(fake, tmp_path)) == set()
    keys = set(fake.kept)
    await trade(fake, tmp_path)
    assert set(fake.kept) == keys


async def test_an_emptied_system_gets_a_new_run(tmp_path: Path) -> None:
    """A run file left over from a deleted system is not believed."""
    await trade(FakeApi(), tmp_path)
    fresh = FakeApi()
    assert await trade(fresh, tmp_path) == []
    assert differing(await count(fresh, tmp_path)) == set()


async def test_a_doubled_message_differs(tmp_path: Path) -> None:
    """One e-mail too many is a difference of the e-mails alone."""
    fake = FakeApi()
    await trade(fake, tmp_path)
    messages = fake.rows["messages"]
    messages.append(next(row for row in messages if row["channel"] == "email"))
    assert differing(await count(fake, tmp_path)) == {"e-mails sent"}


async def test_a_paper_of_unknown_outcome_was_handed_to_the_printer(tmp_path: Path) -> None:
    """A printer cut off in the middle is told of and differs from nothing; a failed one differs."""
    fake = FakeApi()
    await trade(fake, tmp_path)
    fake.rows["print-jobs"][0]["state"] = "unknown"
    assert differing(await count(fake, tmp_path)) == set()
    fake.rows["print-jobs"][0]["state"] = "failed"
    assert differing(await count(fake, tmp_path)) == {
        "deposit_receipt failed",
        "deposit_receipt handed to a printer",
    }


async def test_a_doubled_order_differs(tmp_path: Path) -> None:
    """An order that no basket made, in the run's stores and time, is found in the journal."""
    fake = FakeApi()
    await trade(fake, tmp_path)
    order = next(iter(fake.orders.values()))
    fake.orders["doubled"] = order | {"id": "doubled"}
    assert differing(await count(fake, tmp_path)) == {"taken in these stores meanwhile"}


async def test_a_lost_payment_differs(tmp_path: Path) -> None:
    """A payment that is not there is missed in the money by method and by purpose."""
    fake = FakeApi()
    await trade(fake, tmp_path)
    fake.rows["payments"].pop(0)
    names = differing(await count(fake, tmp_path))
    assert len(names) == 3


async def test_refused_goods_are_named_and_do_not_stop_the_others(tmp_path: Path) -> None:
    """One basket's trouble is told with its number; the rest of the day goes on."""
    fake = FakeApi(refuse_goods_of="N1")
    failures = await trade(fake, tmp_path)
    assert len(failures) == 1
    assert "refused" in failures[0].why
    assert differing(await count(fake, tmp_path)) != set()


async def test_mails_of_the_runs_orders_are_counted_in_the_catcher(tmp_path: Path) -> None:
    """Mails of other orders are left out; each of the run's counts once."""
    fake = FakeApi()
    await trade(fake, tmp_path)
    mails = [{"subject": "Order N1 is ready"}, {"subject": "Order N99 is ready"}]
    async with Api("http://shop", "m", "p", transport=fake.transport()) as api:
        run = RunFile.at(tmp_path, DAYS.first, DAYS.count, new_id)
        plans = plan_orders(DAYS, run.settings)
        places = await open_stores(api, run, DAYS, plans, lambda _: None)
        expected = report.expect(plans, run)
        quick = report.Patience(0.2, 0.5, 0.05)
        quiet = Console(quiet=True)
        reading = await report.read(api, run, places, expected, quiet, NOW, patience=quick)
    wanted, caught = report.caught_mails(mails, expected, reading)
    assert wanted[figures.CAUGHT] == 11
    assert caught[figures.CAUGHT] == 1
