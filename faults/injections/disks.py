"""E8: the disk is full, under PostgreSQL or under Kafka, and then it is not.

A full disk needs a disk that may be filled: for root, each of the two has a small tmpfs of its own
for the whole run. Where nobody may mount, the fault is skipped and the report says so.
"""

import asyncio
import contextlib
import os
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import psutil
from local.instance import Instance
from local.postgres import data_folder
from local.topology import KAFKA, POSTGRES

from faults.scene import Done, Scene, Skipped

SIZE_GIB = 2
MEMORY_FREE_GIB_MIN = 4 * SIZE_GIB  # Two of them, full, and the system itself beside them.
FILLER = "filled-on-purpose"
CHUNK = b"\0" * (1 << 20)


def folders(instance: Instance) -> dict[str, Path]:
    """Where each of the two keeps what it stores."""
    return {POSTGRES: data_folder(instance), KAFKA: instance.folder("kafka") / "data"}


@contextlib.contextmanager
def small_disks(instance: Instance) -> Iterator[None]:
    """Put both folders on a tmpfs of their own while the run lasts, if that is allowed here."""
    mounted = [path for path in folders(instance).values() if _mount(path)]
    try:
        yield
    finally:
        for path in mounted:
            unmount(path)


def unmount_all(instance: Instance) -> None:
    """Take away what a run that was cut short has left mounted."""
    for path in folders(instance).values():
        if path.is_mount():
            unmount(path)


def unmount(path: Path) -> None:
    subprocess.run(["umount", "--lazy", str(path)], check=False, capture_output=True)


def _mount(path: Path) -> bool:
    free_gib = psutil.virtual_memory().available / 2**30
    if os.geteuid() != 0 or free_gib < MEMORY_FREE_GIB_MIN:
        return False
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    options = ["-t", "tmpfs", "-o", f"size={SIZE_GIB}g,mode=0700", "tmpfs", str(path)]
    try:
        done = subprocess.run(["mount", *options], check=False, capture_output=True)
    except OSError:  # No mount here at all.
        return False
    return done.returncode == 0


def filling(name: str) -> Callable[[Scene], Awaitable[Done]]:
    """The fault that fills this server's disk."""

    async def fill(scene: Scene) -> Done:
        folder = folders(scene.system.instance)[name]
        if not folder.is_mount():
            raise Skipped(f"{folder.name} is on no disk of its own: that needs root and memory")
        filler = folder / FILLER
        seconds = scene.seconds(5, 20)
        try:
            await asyncio.to_thread(_fill, filler)
            ends_at = time.monotonic() + seconds
            while time.monotonic() < ends_at:  # What is freed meanwhile is taken too.
                await asyncio.sleep(0.2)
                await asyncio.to_thread(_fill, filler)
        finally:
            filler.unlink(missing_ok=True)
        return Done(f"the disk under {name} was full for {seconds:.0f} s", time.monotonic())

    return fill


def _fill(path: Path) -> None:
    """Add to the file until there is no byte left."""
    with contextlib.suppress(OSError), path.open("ab", buffering=0) as file:
        for size in (len(CHUNK), 4096):
            with contextlib.suppress(OSError):
                while file.write(CHUNK[:size]) == size:
                    pass


fill_postgres = filling(POSTGRES)
fill_kafka = filling(KAFKA)
