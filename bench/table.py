"""The run on the terminal: figures against bars, CPU time by process, and what was not measured."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.results import BARS, figure_at

LAST = ("system", "generator")


def print_result(console: Console, result: Mapping[str, Any]) -> None:
    """Everything that a reader of one screen wants to know."""
    console.print(bars_table(result))
    console.print(rates_table(result["stages"]))
    if result["cpu_ms_per_order"]:
        console.print(costs_table(result["cpu_ms_per_order"]))
    for stage, why in result["not_measured"].items():
        console.print(f"Not measured: {stage}: {why}", style="yellow", markup=False)
    machine = ", ".join(f"{name} {value}" for name, value in result["machine"].items())
    console.print(f"{machine}; commit {result['commit']}", markup=False)


def bars_table(result: Mapping[str, Any]) -> Table:
    """Each figure beside its bar."""
    table = Table("what", "figure", "bar", "", title="Against the bars", title_justify="left")
    for bar in BARS:
        figure = figure_at(result, bar.path)
        sign = "≥" if bar.least else "≤"
        wanted = f"{sign} {bar.value:g} {bar.unit}".rstrip()
        if figure is None:
            table.add_row(bar.what, "not measured", wanted, "")
            continue
        verdict = "[green]holds[/green]" if bar.holds(figure) else "[red]does not hold[/red]"
        table.add_row(bar.what, f"{figure:,.3g} {bar.unit}".rstrip(), wanted, verdict)
    return table


def rates_table(stages: Mapping[str, Mapping[str, Any]]) -> Table:
    """The stages that have a rate, with what was behind when the load ended."""
    columns = ("stage", "orders", "a second", "limit", "behind s", "stolen", "failures")
    table = Table(*columns, title="Rates", title_justify="left")
    for name, stage in stages.items():
        if "per_s" not in stage:
            continue
        behind = stage.get("behind_at_end_s", stage.get("drained_s"))
        table.add_row(
            name,
            f"{stage['orders']:,}",
            f"{stage['per_s']:,}",
            f"{stage['limit_per_s']:,}" if "limit_per_s" in stage else "",
            "never" if behind is None else f"{behind:g}",
            f"{100 * stage['stolen']:.1f}%",
            str(sum(stage.get("failures", {}).values()) or ""),
        )
    return table


def costs_table(costs: Mapping[str, Mapping[str, float]]) -> Table:
    """CPU ms an order of each process, the generator's apart."""
    table = Table("process", *costs, title="CPU ms an order", title_justify="left")
    named = {process for one in costs.values() for process in one}
    first = max(costs.values(), key=len)
    ordered = sorted(named - set(LAST), key=lambda process: -first.get(process, 0.0))
    for process in [*ordered, *(name for name in LAST if name in named)]:
        if process == LAST[0]:
            table.add_section()
        table.add_row(process, *(f"{one.get(process, 0):.2f}" for one in costs.values()))
    return table
