"""`python -m faults`: real faults on a system of its own, under load from real baskets."""

import asyncio
import contextlib
import logging
import random
import shutil
import signal
import sys
from typing import Annotated

import httpx
import stamina
import typer
from demo.client import NotNow, Refused
from local import suite
from local.instance import REPOSITORY
from rich.console import Console

from faults.chain import CannotSetUp
from faults.injections import CODES
from faults.injections.disks import small_disks, unmount_all
from faults.report import Report
from faults.run import FLOWS_A_SECOND, FLOWS_A_SECOND_SHORT, ROUNDS, Wanted, carry_out, told
from faults.system import INSTANCE, NeverHappened, System

RESULTS = REPOSITORY / "faults" / "results"
SHORT_SEED = 7
CANNOT_BEGIN = (CannotSetUp, NeverHappened, Refused, NotNow, httpx.RequestError, ExceptionGroup)


def main(
    minutes: Annotated[float, typer.Option(help="How long faults are injected.")] = 30.0,
    seed: Annotated[int | None, typer.Option(help="Of all chance; drawn when not given.")] = None,
    only: Annotated[str, typer.Option(help="These faults alone, as E1,E3.")] = "",
    rate: Annotated[float | None, typer.Option(help="Flows a second.")] = None,
    short: Annotated[bool, typer.Option(help="A few faults once; never fails on a time.")] = False,
    clear: Annotated[bool, typer.Option(help="Stop and forget what a run has left.")] = False,
) -> None:
    """Break a running system in every way that the quality page names, and judge what is left."""
    console = Console(highlight=False)
    if clear:
        good = suite.local(INSTANCE, "reset", quiet=False)
        unmount_all(INSTANCE)
        shutil.rmtree(INSTANCE.state, ignore_errors=True)
        raise SystemExit(0 if good else 1)
    codes = [code.strip().upper() for code in only.split(",") if code.strip()]
    unknown = sorted(set(codes) - set(CODES))
    if unknown:
        console.print(f"There is no fault {unknown[0]}: choose from {', '.join(CODES)}.")
        raise SystemExit(2)
    if seed is None:
        seed = SHORT_SEED if short else random.SystemRandom().randrange(1_000_000)
    console.print(f"Seed {seed}")
    stamina.instrumentation.set_on_retry_hooks([])  # Retries are expected, not news.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # So that the system is taken down.
    usual = FLOWS_A_SECOND_SHORT if short else FLOWS_A_SECOND
    wanted = Wanted(seed, minutes, short, codes, rate or usual)
    fills_disks = "E8" in codes if codes else not short
    disks = small_disks(INSTANCE) if fills_disks else contextlib.nullcontext()
    shutil.rmtree(INSTANCE.state / ROUNDS, ignore_errors=True)
    with disks, suite.running(INSTANCE, fresh=True):
        try:
            report = asyncio.run(carry_out(wanted, System(INSTANCE), console))
        except CANNOT_BEGIN as error:
            console.print(f"The run could not be made: {told(error)}", style="red", markup=False)
            raise SystemExit(1) from None
    finish(report, console)


def finish(report: Report, console: Console) -> None:
    """Write and print the report; the exit code says whether the system kept its promises."""
    folder = INSTANCE.state / "results" if report.short else RESULTS
    path = report.write(folder)
    console.print(report.text(), markup=False)
    console.print(f"Written to {path.relative_to(REPOSITORY)}")
    if report.violations or (report.missed and not report.short):
        raise SystemExit(1)


if __name__ == "__main__":
    typer.run(main)
