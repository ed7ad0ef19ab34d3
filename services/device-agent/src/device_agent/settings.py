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
    model_config = ConfigDict(extra="forbid", frozen=True)


class PrinterSettings(Strict):
    """One printer; `store` is the code or id of the store that it stands in."""

    store: str | None = None
    paper_width_mm: Literal[58, 80] = 80
    code_pages: dict[str, int] = Field(default_factory=lambda: _numbered("cp858", "cp866"))

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
    answer_timeout_s: float = Field(default=2, gt=0, le=60)
    confirm_timeout_s: float = Field(default=20, gt=0, le=300)


class NetworkPrinter(AnsweringPrinter):
    kind: Literal["network"]
    host: str
    port: int = 9100


class UsbPrinter(AnsweringPrinter):
    kind: Literal["usb"]
    vendor_id: int
    product_id: int


class SerialPrinter(AnsweringPrinter):
    kind: Literal["serial"]
    device: str
    baud_rate: int = 9600


class FilePrinter(PrinterSettings):
    """A device file such as /dev/usb/lp0, or any file that something else reads."""

    kind: Literal["file"]
    path: Path


class VirtualPrinter(PrinterSettings):
    """A folder: each paper is kept as its bytes; `render` makes a picture when one is wanted."""

    kind: Literal["virtual"]
    folder: Path


Printer = Annotated[
    NetworkPrinter | UsbPrinter | SerialPrinter | FilePrinter | VirtualPrinter,
    Field(discriminator="kind"),
]


class ScannerSettings(Strict):
    name: str
    store_id: UUID | None = None


class EvdevScanner(ScannerSettings):
    """A scanner that types; it is grabbed, so that nothing else sees its keys."""

    kind: Literal["evdev"]
    device: str


class SerialScanner(ScannerSettings):
    kind: Literal["serial"]
    device: str
    baud_rate: int = 9600


class StdinScanner(ScannerSettings):
    kind: Literal["stdin"]


Scanner = Annotated[EvdevScanner | SerialScanner | StdinScanner, Field(discriminator="kind")]


class AgentSettings(Strict):
    url: str  # Where the hub's link is: ws:// or wss://.
    enrolment_code: str | None = None
    journal: Path
    transport: Transport = "websocket"
    kafka: str | None = None
    time_zone: str = "UTC"
    printer: Printer | None = None  # For every store that has none of its own.
    printers: tuple[Printer, ...] = ()
    scanners: tuple[Scanner, ...] = ()
    log_level: Literal["debug", "info", "warning", "error"] = "info"

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
