"""E13, E14: the printer cannot print, and the agent dies with a paper just out."""

import contextlib
import time
from collections.abc import AsyncIterator

from demo.client import Body
from local.agent import config_file
from local.instance import write_private
from local.topology import AGENT, LOOPBACK

from faults.paper_printer import PaperPrinter
from faults.scene import Done, Scene
from faults.system import until

DEPOSIT = "4.00"


@contextlib.asynccontextmanager
async def real_printer(scene: Scene) -> AsyncIterator[PaperPrinter]:
    """The faults' own store prints on a printer that can fail; the others keep theirs."""
    printer = PaperPrinter()
    printer.start()
    config = config_file(scene.system.instance)
    usual = config.read_text()
    table = (
        f'\n[[printers]]\nstore = "{scene.chain.corner.code}"\nkind = "network"\n'
        f'host = "{LOOPBACK}"\nport = {printer.port}\n'
    )
    try:
        write_private(config, usual + table)
        await _restart_agent(scene)
        yield printer
    finally:
        write_private(config, usual)
        await _restart_agent(scene)
        printer.stop()


async def _restart_agent(scene: Scene) -> None:
    await scene.system.stop(AGENT)
    await scene.system.start(AGENT)
    await until(scene.agent_is_linked, "the agent's link")


async def _order_with_receipt(scene: Scene) -> Body:
    """An order with a deposit, whose receipt is on its way to the printer."""
    order = await scene.till.do("/orders", scene.order_body(scene.chain.corner.sku))
    payment = {
        "order_id": order["id"],
        "amount": DEPOSIT,
        "method": "cash",
        "store_id": scene.chain.corner.store_id,
    }
    await scene.till.do("/payments", payment)
    return order


async def _until_job(scene: Scene, order: Body, state: str, reason: str = "") -> None:
    """Wait until the order's one paper is in this state, for this reason."""

    async def shows() -> bool:
        jobs = (await scene.till.get("/print-jobs", order_id=order["id"]))["items"]
        return any(job["state"] == state and reason in (job["reason"] or "") for job in jobs)

    await until(shows, f"the receipt of {order['number']} {state} {reason}")


async def printer_in_trouble(scene: Scene) -> Done:
    """E13: out of paper, then the cover open; the hub is told why, and asks for it once mended."""
    wrong = []
    async with real_printer(scene) as printer:
        for trouble, reason in (("paper_out", "out of paper"), ("cover_open", "cover is open")):
            setattr(printer, trouble, True)
            order = await _order_with_receipt(scene)
            await _until_job(scene, order, "failed", reason)
            printed = len(printer.papers)
            setattr(printer, trouble, False)
            await scene.till.do("/print-jobs", {"order_id": order["id"], "reprint": True})
            await _until_job(scene, order, "printed")
            if len(printer.papers) != printed + 1:
                wrong.append(f"{len(printer.papers) - printed} papers for one wish after {reason}")
    return Done("out of paper, then the cover open", time.monotonic(), tuple(wrong))


async def power_cut_after_paper(scene: Scene) -> Done:
    """E14: the agent dies with the paper out and nothing noted: no second one comes by itself."""
    async with real_printer(scene) as printer:
        printer.silent_when_done = True
        order = await _order_with_receipt(scene)

        async def is_out() -> bool:
            return len(printer.papers) > 0

        await until(is_out, "the paper")
        await scene.system.kill(AGENT)
        printer.silent_when_done = False
        await _until_job(scene, order, "unknown")
        # One more order proves that the printer is served again, and in which order.
        await _until_job(scene, await _order_with_receipt(scene), "printed")
        papers = len(printer.papers)
    wrong = () if papers == 2 else (f"{papers} papers for two receipts, one of them in doubt",)
    return Done("the agent was killed with a paper just out", time.monotonic(), wrong)
