"""The reference of settings says everything, and nothing that was true once."""

import importlib
import re
from collections.abc import Iterator

import pytest
from local.topology import SERVICES
from pydantic_settings import BaseSettings

from .settings_reference import CONTAINERS, PAGE, ROOT, START_UP, asked_by_compose, page

VARIABLE = re.compile(r"\bHOLDFAST_[A-Z][A-Z_]*[A-Z]\b(?!_)")
# Told by one part of start-up to another, and of no use to anybody else.
OWN = {"HOLDFAST_SUPERVISED", "HOLDFAST_TEST_POSTGRES", "HOLDFAST_URL", "HOLDFAST_MAILS"}


def classes(of: type[BaseSettings] = BaseSettings) -> Iterator[type[BaseSettings]]:
    """Every settings class of the project that is loaded."""
    ours = {"chassis", *(service.module for service in SERVICES)}
    for kind in of.__subclasses__():
        if kind.__module__.split(".")[0] in ours:
            yield kind
        yield from classes(kind)


def test_the_page_is_what_the_code_says() -> None:
    """After a change of settings: `make settings`."""
    assert PAGE.read_text() == page()


def test_every_setting_of_every_service_is_on_the_page() -> None:
    """With a sentence of its own."""
    for service in SERVICES:
        importlib.import_module(f"{service.module}.app")
    rows = PAGE.read_text().splitlines()
    found = list(classes())
    assert len(found) > len(SERVICES)
    for kind in found:
        for name in kind.model_fields:
            told = [row for row in rows if row.startswith(f"| `HOLDFAST_{name.upper()}` | ")]
            assert any(len(row.split(" | ")) == 4 for row in told), f"{kind.__module__}: {name}"


@pytest.mark.parametrize("place", ["docker-compose.yml", "Makefile", "deploy", "README.md"])
def test_every_variable_that_is_read_or_named_is_on_the_page(place: str) -> None:
    """Whoever meets a variable finds it explained."""
    path = ROOT / place
    files = [path] if path.is_file() else sorted(path.glob("*/src/**/*.py"))
    named = {name for file in files for name in VARIABLE.findall(file.read_text())}
    assert named or place == "README.md"
    assert sorted(named - OWN - set(VARIABLE.findall(PAGE.read_text()))) == []


def test_nothing_is_explained_that_is_gone() -> None:
    """The hand-written sentences are of variables that something still reads."""
    start_up = "".join(path.read_text() for path in sorted(ROOT.glob("deploy/*/src/**/*.py")))
    assert [name for name, *_ in START_UP if name not in start_up] == []
    asked = set(asked_by_compose())
    for general in CONTAINERS:
        assert any(general.format(s.name.upper()) in asked for s in SERVICES), general
