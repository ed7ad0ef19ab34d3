"""The house rules that a machine can check: rules in prose that nothing checks are forgotten."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINES_MAX = 400
FUNCTION_LINES_MAX = 70
NAMELESS = {"utils", "common", "base", "helpers", "interfaces", "managers", "misc"}


def tracked(pattern: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", pattern], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).exists()]


SOURCES = [path for path in tracked("*.py") if "tests" not in path.parts]
EVERYTHING = [path for path in tracked("*") if path.suffix in {".py", ".md", ".toml", ".yaml"}]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_a_file_fits_in_400_lines() -> None:
    """A longer one becomes a folder of the same name."""
    long = [name(p) for p in tracked("*.py") if len(p.read_text().splitlines()) > LINES_MAX]
    assert long == []


def test_a_function_fits_in_70_lines() -> None:
    """One screen, one thought."""
    long = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > FUNCTION_LINES_MAX:
                    long.append(f"{name(path)}:{node.name} {length}")
    assert long == []


def test_every_room_has_a_name() -> None:
    """No drawer for what nobody could name."""
    assert [name(p) for p in tracked("*.py") if NAMELESS & {p.stem, *p.parts}] == []


def test_subscribers_acknowledge_after_they_handled() -> None:
    """FastStream's default acknowledges first and loses records: the policy is named each time."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "subscriber":
                words = {word.arg: word.value for word in node.keywords}
                policy = words.get("ack_policy")
                assert policy is not None, f"{name(path)}:{node.lineno} names no ack_policy"
                assert getattr(policy, "attr", "") == "NACK_ON_ERROR", f"{name(path)}:{node.lineno}"


def test_batches_are_never_published_without_their_keys() -> None:
    """publish_batch ignores keys and scatters an aggregate over all partitions."""
    assert [name(p) for p in SOURCES if "publish_batch" in p.read_text()] == []


@pytest.mark.parametrize("path", tracked("services/*/src/*/subscribers.py"), ids=name)
def test_subscribers_are_named_for_what_they_do(path: Path) -> None:
    """`follow_orders`, never `on_order`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.AsyncFunctionDef):
            assert not node.name.startswith("on_"), node.name


def test_every_test_says_its_story_in_a_sentence() -> None:
    """A failing test must say which story broke."""
    silent = []
    for path in tracked("*test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            if is_function and node.name.startswith("test_") and not ast.get_docstring(node):
                silent.append(f"{name(path)}:{node.name}")
    assert silent == []


def test_nothing_is_patched() -> None:
    """Fakes are written by hand; a patched test passes when its subject is gone."""
    patched = re.compile(r"unittest\.mock|monkeypatch\.setattr|mocker\b")
    me = Path(__file__)
    found = [name(p) for p in tracked("*test_*.py") if p != me and patched.search(p.read_text())]
    assert found == []


def test_every_service_has_the_same_rooms() -> None:
    """README, Dockerfile and tests in each; migrations where it owns a database."""
    for service in sorted((ROOT / "services").iterdir()):
        if not service.is_dir() or not (service / "pyproject.toml").exists():
            continue
        for room in ("README.md", "Dockerfile", "tests", "pyproject.toml"):
            assert (service / room).exists(), f"{service.name} has no {room}"
        if service.name not in ("web", "device-agent"):
            assert (service / "alembic.ini").exists(), f"{service.name} has no alembic.ini"


def test_no_machine_and_no_package_host_is_named() -> None:
    """The repository installs from any mirror and names no path of one machine."""
    hosts = [
        "pypi" + ".org",
        "pythonhosted" + ".org",
        "registry.npmjs" + ".org",
        "repo1" + ".maven",
    ]
    paths = ["/work/" + "main", "/root/" + ".pyenv"]
    for path in [*EVERYTHING, *tracked("*.lock"), *tracked("Makefile"), *tracked("*.json")]:
        text = path.read_text(errors="replace")
        assert not [word for word in (*hosts, *paths) if word in text], name(path)
