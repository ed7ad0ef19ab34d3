"""What a store tells its agent: one TOML file, named by HOLDFAST_AGENT_CONFIG."""

import os
import re
import tomllib
from datetime import tzinfo
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from contracts.agent_link import Transport
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from device_agent.encoding import CODE_PAGES, Paper

CONFIG_VARIABLE = "HOLDFAST_AGENT_CONFIG"
WIDTH_DOTS: dict[int, int] = {58: 384, 80: 576}


class SettingsRefused(Exception):
    """The settings cannot be used; the text says what to mend."""


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class PrinterSettings(Strict):
    """One printer."""

    store: str | None = None
    """The code or id of the store that it stands in."""
    paper_width_mm: Literal[58, 80] = 80
    """The paper roll."""
    code_pages: dict[str, int] = Field(default_factory=lambda: _numbered("cp858", "cp866"))
    """Tried in this order: a list of names, or a table with the printer's own numbers."""

    @field_validator("code_pages", mode="before")
    @classmethod
    def _names_or_numbers(cls, value: object) -> object:
        """A list of names takes Epson's numbers; a table gives the printer's own."""
        return _numbered(*map(str, value)) if isinstance(value, list) else value

    @property
    def paper(self) -> Paper:
        return Paper(WIDTH_DOTS[self.paper_width_mm], tuple(self.code_pages.items()))


def _numbered(*names: str) -> dict[str, int]:
    unknown = [name for name in names if name not in CODE_PAGES]
    if unknown:
        raise ValueError(f"unknown code page {unknown[0]}; give it as a table with its number")
    return {name: CODE_PAGES[name] for name in names}


class AnsweringPrinter(PrinterSettings):
    """A printer that says how it is; `answers = false` is for those that never do."""

    answers: bool = True
    """False for a printer that never says how it is."""
    answer_timeout_s: float = Field(default=2, gt=0, le=60)
    """How long it may take to say how it is."""
    confirm_timeout_s: float = Field(default=20, gt=0, le=300)
    """How long it may take to say that a paper is out."""


class NetworkPrinter(AnsweringPrinter):
    kind: Literal["network"]
    host: str
    """Its address."""
    port: int = 9100
    """Its port."""


class UsbPrinter(AnsweringPrinter):
    kind: Literal["usb"]
    vendor_id: int
    """As the bus calls its maker."""
    product_id: int
    """As the bus calls the product."""


class SerialPrinter(AnsweringPrinter):
    kind: Literal["serial"]
    device: str
    """The port, such as /dev/ttyS0."""
    baud_rate: int = 9600
    """Its speed."""


class FilePrinter(PrinterSettings):
    """A device file such as /dev/usb/lp0, or any file that something else reads."""

    kind: Literal["file"]
    path: Path
    """The file."""


class VirtualPrinter(PrinterSettings):
    """A folder: each paper is kept as its bytes; `render` makes a picture when one is wanted."""

    kind: Literal["virtual"]
    folder: Path
    """The folder; each store has one of its own in it."""


Printer = Annotated[
    NetworkPrinter | UsbPrinter | SerialPrinter | FilePrinter | VirtualPrinter,
    Field(discriminator="kind"),
]


class ScannerSettings(Strict):
    name: str
    """What its scans say that they come from."""
    store_id: UUID | None = None
    """Its store; not needed when the agent serves one."""


class EvdevScanner(ScannerSettings):
    """A scanner that types; it is grabbed, so that nothing else sees its keys."""

    kind: Literal["evdev"]
    device: str
    """Such as /dev/input/by-id/usb-scanner-event-kbd."""


class SerialScanner(ScannerSettings):
    kind: Literal["serial"]
    device: str
    """The port, such as /dev/ttyS0."""
    baud_rate: int = 9600
    """Its speed."""


class StdinScanner(ScannerSettings):
    kind: Literal["stdin"]


Scanner = Annotated[EvdevScanner | SerialScanner | StdinScanner, Field(discriminator="kind")]


class AgentSettings(Strict):
    url: str
    """Where the hub's link is: `ws://` or `wss://`."""
    enrolment_code: str | None = None
    """A one-time code, read again until it is good; not needed afterwards."""
    journal: Path
    """The file with its keys, jobs and scans: keep it, and keep it private."""
    transport: Transport = "websocket"
    """`kafka` for private networks."""
    kafka: str | None = None
    """Kafka's addresses, for that transport."""
    time_zone: str = "UTC"
    """Of the times on receipts."""
    printer: Printer | None = None
    """For every store that has none of its own."""
    printers: tuple[Printer, ...] = ()
    """One for each store that is named."""
    scanners: tuple[Scanner, ...] = ()
    """What reads codes here."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least serious lines that are written."""

    @field_validator("url")
    @classmethod
    def _is_a_web_socket(cls, url: str) -> str:
        if not re.match(r"wss?://", url):
            raise ValueError("the hub's address begins with ws:// or wss://")
        return url

    @field_validator("time_zone")
    @classmethod
    def _is_a_time_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"no time zone is called {name}") from error
        return name

    @property
    def zone(self) -> tzinfo:
        return ZoneInfo(self.time_zone)

    def printer_for(self, store_id: UUID, store_code: str) -> "Printer | None":
        """The store's own printer, else the one for every store, else none."""
        for printer in self.printers:
            if printer.store in (store_code, str(store_id)):
                return printer
        return self.printer


def config_path() -> Path:
    named = os.environ.get(CONFIG_VARIABLE)
    if not named:
        raise SettingsRefused(f"Set {CONFIG_VARIABLE} to the agent's TOML file.")
    return Path(named)


def load(path: Path) -> AgentSettings:
    """The settings in this file; refused with one line on what to mend."""
    try:
        settings = AgentSettings.model_validate(tomllib.loads(path.read_text()))
    except OSError as error:
        raise SettingsRefused(f"Cannot read {path}: {error.strerror}.") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsRefused(f"{path} is not TOML: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise SettingsRefused(f"{path}: {where}: {first['msg']}.") from error
    if settings.transport == "kafka" and not settings.kafka:
        raise SettingsRefused(f"{path}: transport kafka needs `kafka`, the brokers' addresses.")
    return settings
