"""The agent's command line: run it, look at its journal, make pictures of its papers."""

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import structlog
import typer

from device_agent.journal import Journal
from device_agent.keys import Identity
from device_agent.link import HubRefused, Link, LinkBroken, enrol, keep_trying
from device_agent.press import Press
from device_agent.preview import NotEscPos, picture
from device_agent.scanners import Desk
from device_agent.scribe import Scribe
from device_agent.settings import (
    WIDTH_DOTS,
    AgentSettings,
    SettingsRefused,
    config_path,
    load,
)

if TYPE_CHECKING:
    from device_agent.bus import Bus

EXIT_SETTINGS, EXIT_REVOKED = 2, 3
log = structlog.get_logger("agent")
cli = typer.Typer(help=__doc__, no_args_is_help=False, add_completion=False)
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


async def become_known(settings: AgentSettings, scribe: Scribe, path: Path) -> Identity:
    """Who the agent is: from the journal, or by enrolling with the code in the settings.

    While there is no good code it waits, and reads the settings again before each try, so that a
    new code needs no restart.
    """
    known = await scribe.write(Journal.identity)
    if known:
        return known
    keys = await scribe.write(Journal.keys)
    found: list[Identity] = []

    async def attempt(worked: Callable[[], None]) -> None:
        try:
            now_set = load(path)
        except SettingsRefused as error:  # Half written, perhaps.
            raise LinkBroken(str(error)) from error
        if not now_set.enrolment_code:
            raise LinkBroken("not enrolled: put an enrolment_code into the settings")
        found.append(await enrol(now_set.url, now_set.enrolment_code, keys, settings.transport))

    await keep_trying(attempt, once=True)
    await scribe.write(Journal.enrolled, found[0])
    log.info("enrolled", device_id=str(found[0].device_id))
    return found[0]


async def serve(settings: AgentSettings, path: Path, clock: Clock) -> None:
    """Print and scan until told to stop."""
    scribe = Scribe(Journal(settings.journal))
    press = Press(settings, scribe, clock)
    desk = Desk(scribe, clock)
    try:
        identity = await become_known(settings, scribe, path)
        store_id: UUID | None = identity.store_ids[0] if len(identity.store_ids) == 1 else None
        await press.recover()
        parts = (identity, press, scribe, desk.scanned, clock)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_transport(settings, *parts).run())
            tasks.create_task(press.watch())
            for scanner in settings.scanners:
                tasks.create_task(desk.follow(scanner, store_id))
    finally:
        await press.close()
        await scribe.close()


def _transport(settings: AgentSettings, *parts: Any) -> "Link | Bus":
    if settings.transport == "kafka" and settings.kafka:
        from device_agent.bus import Bus  # Most stores never need Kafka's client.

        return Bus(settings.kafka, *parts)
    return Link(settings.url, *parts)


async def _until_told(settings: AgentSettings, path: Path) -> None:
    work = asyncio.create_task(serve(settings, path, utc_now))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await work


def _log_to_stdout(level: str) -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.dict_tracebacks,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
    )


def _settings() -> tuple[AgentSettings, Path]:
    try:
        path = config_path()
        return load(path), path
    except SettingsRefused as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_SETTINGS) from error


@cli.callback(invoke_without_command=True)
def main(context: typer.Context) -> None:
    """Without a command the agent runs."""
    if context.invoked_subcommand is None:
        run()


@cli.command()
def run() -> None:
    """Serve the stores until told to stop."""
    settings, path = _settings()
    _log_to_stdout(settings.log_level)
    try:
        asyncio.run(_until_told(settings, path))
    except* HubRefused as group:
        log.error("stopped", reason=str(group.exceptions[0]))
        sys.exit(EXIT_REVOKED)


@cli.command()
def status() -> None:
    """Who this agent is and how many jobs are in each state."""
    settings, _ = _settings()
    journal = Journal(settings.journal)
    identity = journal.identity()
    typer.echo(f"device: {identity.device_id if identity else 'not enrolled'}")
    for state, count in sorted(journal.states().items()):
        typer.echo(f"{state}: {count}")
    journal.close()


@cli.command()
def render(
    paper: Annotated[Path, typer.Argument(help="A .bin of a virtual printer, or its folder.")],
    image: Annotated[Path | None, typer.Argument(help="Where the picture goes.")] = None,
    paper_width_mm: Annotated[int, typer.Option(help="58 or 80.")] = 80,
) -> None:
    """Draw what a paper looks like; for a folder, every paper that has no picture yet."""
    if paper.is_dir():
        for one in sorted(paper.rglob("*.bin")):
            if not one.with_suffix(".png").exists():
                _draw(one, one.with_suffix(".png"), paper_width_mm)
    else:
        _draw(paper, image or paper.with_suffix(".png"), paper_width_mm)


def _draw(paper: Path, image: Path, paper_width_mm: int) -> None:
    if paper_width_mm not in WIDTH_DOTS:
        raise typer.BadParameter("paper is 58 or 80 mm wide")
    try:
        picture(paper.read_bytes(), WIDTH_DOTS[paper_width_mm]).save(image, optimize=True)
    except (OSError, NotEscPos) as error:
        typer.echo(f"{paper}: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(str(image))


if __name__ == "__main__":
    cli()
