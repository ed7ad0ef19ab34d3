"""The demo's agent: its settings belong to the place where its instance lies."""

import shutil
import tomllib
from pathlib import Path

from local import agent
from local.instance import Instance, write_private
from local.topology import Ports


def test_an_agent_that_was_brought_back_lives_in_its_new_place(tmp_path: Path) -> None:
    """Another folder and port: it keeps its journal there and asks at that door, without a code."""
    before, after = (Instance(Ports(port), tmp_path / str(port)) for port in (8080, 9080))
    write_private(agent.config_file(before), agent.config_text(before, "one-time"))
    shutil.copytree(before.folder("agent"), after.folder() / "agent")

    agent.settle(after)

    settings = tomllib.loads(agent.config_file(after).read_text())
    assert settings == {
        "url": "ws://127.0.0.1:9080/api/v1/agents/link",
        "journal": str(after.state / "agent" / "journal.sqlite"),
        "time_zone": "UTC",
        "printer": {"kind": "virtual", "folder": str(after.state / "agent" / "papers")},
    }


def test_without_an_agent_nothing_is_written(tmp_path: Path) -> None:
    """An instance that never had one is brought back without settings of one."""
    instance = Instance(Ports(8080), tmp_path)
    agent.settle(instance)
    assert not agent.config_file(instance).exists()
