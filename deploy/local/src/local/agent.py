"""The demo's device agent: one for all stores, with a virtual printer in each."""

import json
import os
import subprocess
import sys
from pathlib import Path

from local.instance import Instance, time_zone, write_private
from local.owner import new_key, signed_in
from local.topology import API, LOOPBACK

NAME = "demo agent"


def config_file(instance: Instance) -> Path:
    """The agent's own settings, written when it is enrolled."""
    return instance.folder("agent") / "agent.toml"


def is_enrolled(instance: Instance) -> bool:
    """Whether the hub knows the agent, by what the agent's own journal says."""
    config = config_file(instance)
    if not config.exists():
        return False
    done = subprocess.run(
        [sys.executable, "-m", "device_agent.app", "status"],
        env={**os.environ, "HOLDFAST_AGENT_CONFIG": str(config)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 0 and "not enrolled" not in done.stdout


def enrol(instance: Instance, gateway_url: str) -> None:
    """Ask the hub for a one-time code, as the demo's owner, and write it for the agent."""
    with signed_in(gateway_url, "Enrolling the device agent") as client:
        body = {"name": NAME, "store_ids": []}  # No store named: it serves all of them.
        answer = client.post("/devices/enrolment-codes", json=body, headers=new_key())
        code = answer.raise_for_status().json()["code"]
    write_private(config_file(instance), config_text(instance, code))


def settle(instance: Instance) -> None:
    """Write the settings of an enrolled agent anew: brought back, it may have moved."""
    if config_file(instance).exists():
        write_private(config_file(instance), config_text(instance))


def config_text(instance: Instance, code: str | None = None) -> str:
    """The agent's settings in TOML; the one-time code is for its first start alone."""
    folder = instance.folder("agent")
    papers = instance.folder("agent", "papers")
    link = f"ws://{LOOPBACK}:{instance.ports.gateway}{API}/agents/link"
    lines = {"url": link, "journal": str(folder / "journal.sqlite")}
    lines["time_zone"] = time_zone()
    if code is not None:
        lines["enrolment_code"] = code
    head = "".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items())
    return f'{head}\n[printer]\nkind = "virtual"\nfolder = {json.dumps(str(papers))}\n'
