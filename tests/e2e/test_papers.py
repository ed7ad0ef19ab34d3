"""Stories of paper: what a till's printer puts out, read byte by byte as a printer reads it."""

import os
import re
from datetime import datetime
from pathlib import Path

import pytest
import zxingcpp
from device_agent.preview import picture
from PIL import Image

from .chain import Json, Store, soon

WIDTH_DOTS = 576  # 80 mm, the width of the embedded default's virtual printers.
INK_SHARE_MIN = 0.01
CODE_PAGES = {0: "cp437", 17: "cp866", 19: "cp858"}
CUT_MARK = "[cut]"
# What a till's printer is told besides letters, each with the bytes that follow it.
COMMANDS = re.compile(
    rb"\x1b@|\x1b[!Ea3d].|\x1bt(?P<page>.)|\x1d[hwH].|(?P<cut>\x1dV[AB].)"
    rb"|\x1dk\x49(?P<bars>.)|(?P<drawn>\x1dv0\x00(?P<width>..)(?P<height>..))",
    re.DOTALL,
)


def text_of(paper: bytes) -> str:
    """The letters on the paper, by the code page in force; it fails on any other command."""
    page, text, at = CODE_PAGES[0], "", 0
    while at < len(paper):
        found = COMMANDS.match(paper, at)
        if found is None:
            assert paper[at] >= 0x20 or paper[at] == 0x0A, f"control byte {paper[at]:#x} at {at}"
            text += paper[at : at + 1].decode(page)
            at += 1
            continue
        at = found.end()
        if found["page"]:
            page = CODE_PAGES[found["page"][0]]
        elif found["cut"]:
            text += CUT_MARK
        elif found["bars"]:
            at += found["bars"][0]
        elif found["drawn"]:
            width, height = (int.from_bytes(found[side], "little") for side in ("width", "height"))
            at += width * height
    return text


def parts_of(paper: bytes) -> tuple[str, str]:
    """The customer's part and the one that goes with the goods; a cut ends each."""
    customers, goods, rest = text_of(paper).split(CUT_MARK)
    assert rest.strip() == ""
    return customers, goods


def figures(text: str) -> list[str]:
    """The part's lines with their blanks made one."""
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def papers_of(job: Json) -> dict[int, bytes]:
    """Every paper of this job that came out of any store's virtual printer, by its number."""
    folder = Path(os.environ["HOLDFAST_STATE"]) / "agent" / "papers"
    found = folder.glob(f"*/*-{job['id']}-*.bin")
    return {int(path.stem.rpartition("-")[2]): path.read_bytes() for path in found}


def printed(store: Store, order: Json, copies: int = 1) -> Json:
    """The order's print job, once this many papers of it are out."""

    def out() -> Json | None:
        for job in store.by.get("/print-jobs", order_id=order["id"])["items"]:
            if job["state"] == "printed" and job["copies"] == copies:
                return dict(job)
        return None

    return soon(out, f"paper {copies} of the deposit receipt", seconds=60)


def ink_share(image: Image.Image) -> float:
    """How much of the paper is black."""
    return sum(image.convert("L").histogram()[:128]) / (image.width * image.height)


@pytest.fixture
def paid(store: Store) -> Json:
    """Three at 100, nominally held, with a deposit of 120 paid at the counter."""
    order = store.take("3", "100.00")
    store.pay(order, "120.00")
    return order


def test_07_a_deposit_prints_a_receipt_in_two_parts(store: Store, paid: Json) -> None:
    """Scenario 7: the second part names the customer, the hold's end date and the remainder."""
    papers = papers_of(printed(store, paid))
    assert list(papers) == [1]
    customers, goods = map(figures, parts_of(papers[1]))
    until = datetime.fromisoformat(store.show(paid)["hold"]["until"])
    held_until = f"Held until {until:%b} {until.day}, {until:%Y %H:%M}"
    for part, its_name in ((customers, "Customer's part"), (goods, "Goes with the goods")):
        assert its_name in part
        assert held_until in part
        assert "Left to pay €180.00" in part
        assert not [line for line in part if "COPY" in line]
    assert f"Order {paid['number']}" in customers
    assert "Paid now €120.00" in customers
    assert "Ada Byron" in goods
    assert paid["number"] in goods
    assert f"{paid['lines'][0]['description']} 3 pc" in goods


def test_07_the_receipts_barcode_is_the_orders_number(store: Store, paid: Json) -> None:
    """Scenario 7: drawn as the printer would, both parts can be scanned to find the order."""
    image = picture(papers_of(printed(store, paid))[1], WIDTH_DOTS)
    assert ink_share(image) > INK_SHARE_MIN
    codes = [(code.format.name, code.text) for code in zxingcpp.read_barcodes(image)]
    assert codes == [("Code128", paid["number"])] * 2


def test_07_a_reprint_says_copy_and_a_job_is_printed_once(store: Store, paid: Json) -> None:
    """Scenario 7: asked for again, one more paper comes out; the same request brings no other."""
    job = printed(store, paid)
    original = papers_of(job)
    headers = {"Idempotency-Key": f"again-{job['id']}"}
    for _ in range(2):
        store.by.post("/print-jobs", {"job_id": job["id"]}, headers=headers)
        again = printed(store, paid, copies=2)
    assert again["id"] == job["id"]
    papers = papers_of(job)
    assert sorted(papers) == [1, 2]
    assert papers[1] == original[1]
    for part in parts_of(papers[2]):
        assert "* COPY 1 *" in figures(part)


def test_07_a_deposit_repeated_after_a_lost_answer_prints_once(store: Store) -> None:
    """Scenario 7: the till sends the payment twice with one key; one payment, one paper."""
    order = store.take("1", "100.00")
    body = {"order_id": order["id"], "amount": "40.00", "method": "cash", "store_id": store.id}
    headers = {"Idempotency-Key": f"deposit-{order['id']}"}
    first, second = (store.by.post("/payments", body, headers=headers) for _ in range(2))
    assert first["id"] == second["id"]
    # A second payment of its own: its paper comes after any that the repetition would bring.
    store.pay(order, "10.00")

    def both() -> list[Json] | None:
        jobs = store.by.get("/print-jobs", order_id=order["id"])["items"]
        over = [job for job in jobs if job["state"] == "printed"]
        return jobs if len(over) == len(jobs) >= 2 else None

    jobs = soon(both, "a paper for each payment", seconds=60)
    assert len(jobs) == 2
    assert [len(papers_of(job)) for job in jobs] == [1, 1]
