"""Every check and every test, in the order in which a mistake is found soonest.

Two instances, beside the one that people use: the tests of the parts share a PostgreSQL and a
Kafka, the stories have a whole system of their own, for the tests' records must not reach it.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from local.instance import REPOSITORY, Instance
from local.postgres import superuser_url, trust_the_machine
from local.supervision import Supervisor
from local.topology import LOOPBACK, Ports

PARTS = Instance(Ports(18_080), REPOSITORY / ".holdfast" / "test")
STORIES = Instance(Ports(18_200), REPOSITORY / ".holdfast" / "e2e")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def environment_of(instance: Instance) -> dict[str, str]:
    """What tests are told of the instance that they run against."""
    return {
        "HOLDFAST_TEST_POSTGRES": superuser_url(instance),
        "HOLDFAST_KAFKA": instance.kafka,
        "HOLDFAST_STATE": str(instance.state),
        "HOLDFAST_PORT": str(instance.ports.gateway),
        "HOLDFAST_URL": f"http://{LOOPBACK}:{instance.ports.gateway}",
        "HOLDFAST_MAILS": f"http://{LOOPBACK}:{instance.ports.mail_list}/mails",
    }


def packages() -> list[Path]:
    """The folder of sources of every member of the workspace."""
    members = ("libs/*", "services/*", "deploy/*")
    found = (path for member in members for path in sorted(REPOSITORY.glob(f"{member}/src")))
    return [path for path in found if any(path.rglob("*.py"))]


def part_tests() -> list[str]:
    """Every folder of tests but the stories; those whose files take longest first."""
    members = ("deploy/*", "services/*", "libs/*")
    found = (path for member in members for path in sorted(REPOSITORY.glob(f"{member}/tests")))
    return [
        "tests/faults",
        *(str(path.relative_to(REPOSITORY)) for path in found if any(path.rglob("test_*.py"))),
        "tests/house",
        "tests/bench",
    ]


def run(command: Sequence[str], environment: Mapping[str, str] = os.environ) -> bool:
    """Run a command in the repository and say whether it went well."""
    return subprocess.run(command, cwd=REPOSITORY, env=environment, check=False).returncode == 0


def tool(name: str) -> str:
    """A program of the workspace."""
    return str(Path(sys.executable).with_name(name))


def checks() -> bool:
    """Style, shape, types and who may import whom; all of them, even when one fails."""
    sources = packages()
    modules = [f"--package={path.name}" for source in sources for path in source.iterdir()
               if (path / "__init__.py").exists()]  # fmt: skip
    modules += ["--package=bench", "--package=faults"]
    types = {**os.environ, "MYPYPATH": os.pathsep.join(map(str, [*sources, REPOSITORY]))}
    good = [
        run([tool("ruff"), "check", "--quiet", "."]),
        run([tool("ruff"), "format", "--check", "--quiet", "."]),
        run([tool("mypy"), "--no-error-summary", *modules], types),
        run([tool("lint-imports"), "--no-logo"]),
    ]
    names = ("ruff check", "ruff format", "mypy", "lint-imports")
    for name, fine in zip(names, good, strict=True):
        print(f"{name}: {'passed' if fine else 'FAILED'}", flush=True)
    return all(good)


def local(instance: Instance, *command: str, quiet: bool = True) -> bool:
    """Give an instance a command of its own command line."""
    where = {"HOLDFAST_STATE": str(instance.state), "HOLDFAST_PORT": str(instance.ports.gateway)}
    output = subprocess.DEVNULL if quiet else None
    done = subprocess.run(
        [sys.executable, "-m", "local", *command],
        cwd=REPOSITORY,
        env={**os.environ, **where},
        check=False,
        stdout=output,
        stderr=output,
    )
    return done.returncode == 0


@contextlib.contextmanager
def running(instance: Instance, *options: str, fresh: bool = False) -> Iterator[dict[str, str]]:
    """An instance that is up while its tests run; one that was up before stays up."""
    if fresh:
        local(instance, "reset")
    was_up = Supervisor(instance).is_running()
    try:
        if not local(instance, "up", *options, quiet=False):
            raise SystemExit(1)
        yield {**os.environ, **environment_of(instance)}
    finally:
        if not was_up:
            local(instance, "down")


def find_browser() -> dict[str, str]:
    """Chromium for the browser tests: this machine's, or else installed now."""
    named = os.environ.get("HOLDFAST_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing Chromium", flush=True)
        run(["apt-get", "update", "-qq"])
        run(["apt-get", "install", "-qq", "--yes", "--no-install-recommends", "chromium"])
        found = shutil.which("chromium")
    if found is None:
        run([sys.executable, "-m", "playwright", "install", "chromium"])
        return {}  # Playwright finds its own.
    return {"HOLDFAST_CHROMIUM": found}


def parts() -> bool:
    """The tests of every library and service, on a real PostgreSQL and a real Kafka."""
    browser = find_browser()
    with running(PARTS, "--only", "postgres,kafka") as environment:
        trust_the_machine(PARTS)
        # Two at a time, a file as a whole, in our order: a long file at the end is waited for.
        side_by_side = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
        return run([tool("pytest"), "-q", *side_by_side, *part_tests()], {**environment, **browser})


def stories() -> bool:
    """The stories through the gateway, on a whole system that has just been made."""
    browser = find_browser()
    with running(STORIES, fresh=True) as environment:
        trust_the_machine(STORIES)
        # The drill first: the stories then run in what it has brought back.
        return run([tool("pytest"), "-q", "tests/drill", "tests/e2e"], {**environment, **browser})


def bench_short() -> bool:
    """Every stage of the bench, tiny: that it works, never how fast."""
    return run([sys.executable, "-m", "bench", "--short"])


def faults_short() -> bool:
    """A few real faults on a system of its own, judged afterwards; never fails on a time."""
    return run([sys.executable, "-m", "faults", "--short"])


def main() -> None:
    """Run what is named, or all of it in this order; fail when any fails."""
    named = {
        "checks": checks,
        "parts": parts,
        "stories": stories,
        "faults-short": faults_short,
        "bench-short": bench_short,
    }
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    wanted = [*named] if sys.argv[1:] == ["all"] else sys.argv[1:]
    try:
        results = [named[name]() for name in wanted]
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    raise SystemExit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
