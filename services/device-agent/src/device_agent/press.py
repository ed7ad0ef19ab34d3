"""From a sealed job to paper: open, journal, print once, note how it ended."""

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog
from contracts.agent_link import PrintOrder
from contracts.devices import JobState

from device_agent.encoding import encode
from device_agent.journal import JobKey, Journal
from device_agent.keys import Identity, has_ended
from device_agent.printers import (
    PaperInDoubt,
    Printer,
    PrinterNotReady,
    build,
    key_of,
    safe_name,
)
from device_agent.receipts import deposit_receipt
from device_agent.scribe import Scribe
from device_agent.settings import AgentSettings

log = structlog.get_logger("press")
ENDED = "the job's time was over before it could be printed"
STOP_S = 10
NO_PRINTER = "no printer is set up for this store"


def name_of(order: PrintOrder) -> str:
    """What the paper is called where papers have names."""
    return f"{safe_name(order.order_number)}-{order.job_id}-{order.copy_number}"


class Press:
    """Prints each job of the journal once, one paper at a time on each printer."""

    def __init__(
        self, settings: AgentSettings, scribe: Scribe, clock: Callable[[], datetime]
    ) -> None:
        self._settings = settings
        self._scribe = scribe
        self._clock = clock
        self._printers: dict[str, Printer] = {}
        self._queues: dict[str, asyncio.Queue[PrintOrder]] = {}
        self._workers: list[asyncio.Task[None]] = []
        self._printing: set[str] = set()
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stopping = False
        self.finished = asyncio.Event()  # Something is over and not reported yet.

    async def recover(self) -> None:
        """Take up what the last run left: doubts are reported, what is not out is printed."""
        now = self._clock()
        for order in await self._scribe.write(Journal.recover, self._came_out, now):
            self._enqueue(order)
        self.finished.set()

    def _came_out(self, order: PrintOrder) -> bool | None:
        options = self._settings.printer_for(order.store_id, order.store_code)
        return build(options, order.store_code).came_out(name_of(order)) if options else None

    async def accept(self, identity: Identity, sealed: str) -> int:
        """Journal what is inside before anything else; a job that is known already is not printed.

        How many are new is the answer. SealRefused: the hub did not seal this for this agent.
        """
        orders = identity.open(sealed)
        now = self._clock()
        new = await self._scribe.write(Journal.take_jobs, orders, now)
        for order in new:
            self._enqueue(order)
        if len(new) < len(orders):
            self.finished.set()
        return len(new)

    def _enqueue(self, order: PrintOrder) -> None:
        options = self._settings.printer_for(order.store_id, order.store_code)
        key = key_of(options, order.store_code) if options else ""
        if key not in self._queues:
            self._queues[key] = asyncio.Queue()
            if options:
                self._printers[key] = build(options, order.store_code)
            worker = asyncio.create_task(self._print_queue(key), name=key)
            worker.add_done_callback(self._worker_ended)
            self._workers.append(worker)
        self._queues[key].put_nowait(order)

    def _worker_ended(self, worker: asyncio.Task[None]) -> None:
        error = None if worker.cancelled() else worker.exception()
        if error is not None and not self._broken.done():
            self._broken.set_exception(error)

    async def watch(self) -> None:
        """Raise what ended a printer's worker: without a journal nothing is printed."""
        await self._broken

    async def _print_queue(self, key: str) -> None:
        queue, printer = self._queues[key], self._printers.get(key)
        while not self._stopping:
            order = await queue.get()
            self._printing.add(key)
            state, reason = await self._print(order, printer)
            job, now = JobKey(order.job_id, order.copy_number), self._clock()
            await self._scribe.write(Journal.finish, job, state, reason, now)
            self._printing.discard(key)
            log.info("job_over", job_id=str(order.job_id), state=state, reason=reason)
            self.finished.set()

    async def _print(
        self, order: PrintOrder, printer: Printer | None
    ) -> tuple[JobState, str | None]:
        now = self._clock()
        if has_ended(order, now):
            return "failed", ENDED
        if printer is None:
            return "failed", NO_PRINTER
        job = JobKey(order.job_id, order.copy_number)
        await self._scribe.write(Journal.start_printing, job, now)
        try:
            await asyncio.to_thread(self._put, order, printer)
        except PrinterNotReady as error:
            return "failed", str(error)
        except PaperInDoubt as error:
            return "unknown", str(error)
        except Exception as error:
            # A fault of ours: no byte may be trusted, and the next paper must still come out.
            log.exception("job_broke", job_id=str(order.job_id))
            return "unknown", f"the agent failed: {type(error).__name__}"
        return "printed", None

    def _put(self, order: PrintOrder, printer: Printer) -> None:
        data = encode(deposit_receipt(order, self._settings.zone), printer.paper)
        printer.put(data, name_of(order))

    async def close(self) -> None:
        """Take nothing more up, and let each paper that is printing now come to its end.

        One that takes too long is found `printing` at the next start, and is in doubt.
        """
        self._stopping = True
        for worker in self._workers:
            if worker.get_name() not in self._printing:
                worker.cancel()
        if self._workers:
            await asyncio.wait(self._workers, timeout=STOP_S)
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
