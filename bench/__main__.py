"""`python -m bench`: measure; `python -m bench profile SERVICES`: see where their time goes."""

import signal
import sys
from typing import Annotated

import typer
from local.refusals import CannotStart
from rich.console import Console

from bench import profiles
from bench.limit import CannotMeasure
from bench.run import NAMES, run
from bench.settings import FULL, SHORT

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)
console = Console(highlight=False)


@app.callback(invoke_without_command=True)
def bench(
    context: typer.Context,
    short: Annotated[bool, typer.Option(help="Every stage tiny: to see that it works.")] = False,
    stages: Annotated[str, typer.Option(help="These alone, with commas between them.")] = "",
) -> None:
    """Measure every stage on fresh systems; no figure, however slow, makes it fail."""
    if context.invoked_subcommand is not None:
        return
    wanted = [name.strip() for name in stages.split(",") if name.strip()] or list(NAMES)
    unknown = sorted(set(wanted) - set(NAMES))
    if unknown:
        raise CannotMeasure(f"There is no stage {unknown[0]}: choose from {', '.join(NAMES)}.")
    result, _ = run(wanted, SHORT if short else FULL, console)
    if short and result["not_measured"]:
        raise typer.Exit(1)  # A short run is made to see that every stage works.


@app.command()
def profile(
    services: Annotated[str, typer.Argument(help="One or more, with commas between them.")],
    seconds: Annotated[int, typer.Option(help="How long to look.")] = 20,
    journey: Annotated[str, typer.Option(help="The load: accept, batch or flow.")] = "flow",
) -> None:
    """Show where services, or PostgreSQL, spend their time under load: in docs/performance."""
    profiles.profile(services.split(","), seconds, journey, console)


def main() -> None:
    """Run; what cannot be done is one line and exit code 1."""
    # Being ended from outside is an end like any other: the system that was started goes down.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        app()
    except (CannotStart, CannotMeasure) as refusal:
        console.print(str(refusal), style="red", markup=False, soft_wrap=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
