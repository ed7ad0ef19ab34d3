"""Sets papers in processes of their own, so that the service's loop never waits for one.

This module is both sides: `Press` in the service, and what runs as `python -m
billing.documents.press`. They speak in frames over a pipe; when the service dies, however it
dies, the pipe ends and so does the process.
"""

import asyncio
import json
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

TEMPLATE = Path(__file__).parent / "templates" / "paper.typ"
HEAD = struct.Struct("!?I")  # Whether it went well, and how many bytes follow.
PAPERS_MAX = 2_000  # Then a fresh process takes over, so that none grows for ever.


class PaperTookTooLong(Exception):
    """The paper was not set in time; the process was ended, the next paper gets a new one."""


class PaperNotSet(Exception):
    """The template refused the paper: a fault of ours."""


class Press:
    """Some processes that set papers, started when the first paper is asked for."""

    def __init__(self, processes: int, seconds_max: float) -> None:
        self._seconds_max = seconds_max
        self._idle: asyncio.Queue[_Worker | None] = asyncio.Queue()
        for _ in range(processes):
            self._idle.put_nowait(None)

    async def print(self, paper: Mapping[str, Any]) -> bytes:
        """The paper as a PDF; raises PaperTookTooLong or PaperNotSet."""
        data = json.dumps(paper).encode()
        try:
            async with asyncio.timeout(self._seconds_max):
                worker = await self._idle.get()
                try:
                    try:
                        worker, pdf = await _set(worker, data)
                    except (OSError, asyncio.IncompleteReadError):
                        # It was killed between two papers: once more, with a new one.
                        worker, pdf = await _set(None, data)
                except BaseException:
                    if worker is not None:
                        worker.end()
                    worker = None
                    raise
                finally:
                    self._idle.put_nowait(worker)
        except TimeoutError as error:
            raise PaperTookTooLong from error
        return pdf

    async def close(self) -> None:
        """End the processes."""
        while not self._idle.empty():
            worker = self._idle.get_nowait()
            if worker is not None:
                worker.end()
                await worker.process.wait()


class _Worker:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process, self.papers = process, 0

    def end(self) -> None:
        if self.process.returncode is None:
            self.process.kill()

    async def ask(self, data: bytes) -> bytes:
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None, "the pipe was asked for"
        assert stdout is not None, "the pipe was asked for"
        stdin.write(HEAD.pack(True, len(data)) + data)
        await stdin.drain()
        well, size = HEAD.unpack(await stdout.readexactly(HEAD.size))
        answer = await stdout.readexactly(size)
        if not well:
            raise PaperNotSet(answer.decode())
        return answer


async def _set(worker: _Worker | None, data: bytes) -> tuple[_Worker, bytes]:
    if worker is not None and worker.papers >= PAPERS_MAX:
        worker.end()
    if worker is None or worker.process.returncode is not None or worker.papers >= PAPERS_MAX:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "billing.documents.press",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        worker = _Worker(process)
    worker.papers += 1
    try:
        return worker, await worker.ask(data)
    except BaseException:
        worker.end()
        raise


def compile_paper(data: str) -> bytes:
    """Set one paper with typst and the fonts that typst itself brings."""
    import typst

    pdf: bytes = typst.compile(
        str(TEMPLATE), ignore_system_fonts=True, sys_inputs={"paper": data}, format="pdf"
    )
    return pdf


def serve(asked: BinaryIO, answered: BinaryIO) -> None:
    """Set one paper after the other until the pipe ends."""
    while head := asked.read(HEAD.size):
        _, size = HEAD.unpack(head)
        data = asked.read(size).decode()
        try:
            well, answer = True, compile_paper(data)
        except RuntimeError as error:  # What typst raises when it does not understand.
            well, answer = False, str(error).encode()
        answered.write(HEAD.pack(well, len(answer)) + answer)
        answered.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
