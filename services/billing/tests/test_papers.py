"""Papers as the customer gets them: printed, and read again."""

import asyncio
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from billing.app import service
from billing.documents.domain import Document
from billing.documents.handlers import IssueDocument, issue_documents
from billing.documents.papers import tax_shares, tongue_of
from billing.documents.press import PaperNotSet, Press
from billing.documents.words import LANGUAGES, words_of
from chassis.database import Database
from chassis.http.idempotency import Call
from chassis.ids import uuid7
from chassis.testing import bench
from pypdf import PdfReader

from .conftest import Shop, customer_state, line, open_shop, order_placed

EXPECTED = {
    "en": ("Invoice", "CUSTOMER", "Left to pay", "£1,734.50", "£1,234.50", "tax 20%", "2.5 kg"),
    "ru": ("Счёт-фактура", "Осталось оплатить", "1 734,50 £", "1 234,50 £", "НДС 20 %", "2,5 кг"),
    "bg": ("Фактура", "Остава за плащане", "1 734,50 GBP", "1 234,50 GBP", "ДДС 20 %", "2,5 кг"),
    "fi": ("Lasku", "Maksettavaa jäljellä", "1 734,50 £", "1 234,50 £", "ALV 20 %", "2,5 kg"),
    "kk": ("Шот-фактура", "Төлеуге қалды", "1 734,50 £", "1 234,50 £", "ҚҚС 20 %", "2,5 кг"),
}
NAMES = {
    "en": "Harriet Brown",
    "ru": "Анна Сергеевна Кузнецова",
    "bg": "Георги Димитров Ъгълов",
    "fi": "Päivi Hämäläinen",
    "kk": "Әйгерім Нұрланқызы Құрманбаева",
}
LINES = (
    line(1, "Oak chair", "1", Decimal("1700.0000")),
    line(2, "Coffee", "2.5", Decimal("13.8000"), unit="kg"),
)


def text_of(pdf: bytes) -> str:
    """The text of all pages, with every kind of space made plain."""
    pages = PdfReader(io.BytesIO(pdf)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


def plain(text: str) -> str:
    return " ".join(text.split())


async def print_invoice(shop: Shop, language: str, name: str, number_of_lines: int = 2) -> str:
    """An invoice of a customer of this language, 500 paid in advance, as text."""
    key = f"customer {language}"
    await shop.bench.deliver(customer_state(key, name, language))
    lines = tuple(
        LINES[n % 2].model_copy(update={"position": n + 1}) for n in range(number_of_lines)
    )
    total = sum((one.amount for one in lines), Decimal(0))
    placed = order_placed(shop.store_id, total, customer_key=key, currency="GBP", lines=lines)
    await shop.bench.deliver(placed)
    proforma = await shop.document(placed.order_id, "proforma", amount="500")
    await shop.pay(placed.order_id, "500", proforma["id"])
    invoice = await shop.document(placed.order_id, "invoice")
    answer = await shop.bench.http.get(f"/documents/{invoice['id']}.pdf")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/pdf"
    assert invoice["number"] in answer.headers["content-disposition"]
    text = text_of(answer.content)
    assert invoice["number"] in text
    return text


@pytest.mark.parametrize("language", LANGUAGES)
async def test_invoice_in_the_customers_language(shop: Shop, language: str) -> None:
    """The printed invoice has its words, figures and the customer's name in the language."""
    text = await print_invoice(shop, language, NAMES[language])
    for expected in (*EXPECTED[language], NAMES[language], "Corner Shop", "S1-000042", "Oak chair"):
        assert plain(expected) in text, f"{expected!r} is not on the paper: {text}"


async def test_long_invoice_numbers_its_pages(shop: Shop) -> None:
    """An invoice of 90 lines has several pages, each with its number and the table's head."""
    text = await print_invoice(shop, "en", "Harriet Brown", 90)
    assert "Page 1 of 3" in text
    assert "Page 3 of 3" in text
    assert text.count("Quantity") == 3


async def test_invoice_of_the_new_years_night(db: Database) -> None:
    """At 02:30 on 1 January in Almaty number and dates are of the new year, as the clock is."""
    almaty, night = ZoneInfo("Asia/Almaty"), datetime(2026, 12, 31, 21, 30, tzinfo=UTC)
    async with bench(service, db, timezone="Asia/Almaty") as billing:
        shop = await open_shop(billing, "S1", "Corner Shop")
        placed = order_placed(shop.store_id, Decimal(10))
        ordered = night - timedelta(hours=1)
        await billing.deliver(placed.model_copy(update={"placed_at": ordered}))
        command = IssueDocument(
            document_id=uuid7(),
            order_id=placed.order_id,
            kind="invoice",
            term_id=None,
            amount=None,
            stores=None,
            by="clerk",
            call=Call("clerk", "an invoice", b""),
            at=night,
        )
        [invoice] = await db.run(lambda tx: issue_documents(tx, [command], almaty))
        assert isinstance(invoice, Document)
        answer = await billing.http.get(f"/documents/{invoice.document_id}.pdf")
    assert invoice.number == "I-S1-2027-000001"
    assert text_of(answer.content).count("1 January 2027") == 2


async def test_name_that_looks_like_markup(shop: Shop) -> None:
    """What a customer is called is printed as it is, never obeyed."""
    name = '#panic("x") *bold* $a$ \\ <b>'
    assert plain(name) in await print_invoice(shop, "en", name)


async def test_erased_customer_is_not_named(shop: Shop) -> None:
    """A paper of an order without a known customer names none."""
    order = await shop.order("10")
    invoice = await shop.document(order, "invoice")
    answer = await shop.bench.http.get(f"/documents/{invoice['id']}.pdf")
    assert "Customer at the counter" in text_of(answer.content)


def test_every_language_has_every_word() -> None:
    """No translator left a phrase out."""
    phrases = set(words_of("ru"))
    assert len(phrases) > 25
    for language in LANGUAGES[1:]:
        words = words_of(language)
        assert set(words) == phrases
        assert all(words.values()), language


def test_unknown_language_falls_back() -> None:
    """A variant counts as its language; an unknown one as the store's own."""
    assert tongue_of("fi-FI", "en", "EUR", UTC).language == "fi"
    assert tongue_of("de", "ru", "EUR", UTC).language == "ru"
    assert tongue_of(None, "xx", "EUR", UTC).language == "en"


def test_tax_is_inside_the_price() -> None:
    """120 at 20% contain 20 of tax; half of the order contains half of it."""
    lines = [
        {"amount": "120.00", "tax_rate": "20"},
        {"amount": "110.00", "tax_rate": "10"},
        {"amount": "50.00", "tax_rate": "0"},
    ]
    whole = tax_shares(lines, Decimal(280), "EUR")
    assert whole == [(Decimal(20), Decimal("20.00")), (Decimal(10), Decimal("10.00"))]
    half = tax_shares(lines, Decimal(140), "EUR")
    assert half == [(Decimal(20), Decimal("10.00")), (Decimal(10), Decimal("5.00"))]
    assert tax_shares([], Decimal(0), "EUR") == []


async def test_press_goes_on_after_its_process_was_killed() -> None:
    """A killed process costs no paper, a bad paper costs only itself."""
    press = Press(1, 30)
    paper = {
        **dict.fromkeys(("seller", "seller_label", "seller_code", "customer", "number"), "x"),
        **dict.fromkeys(("customer_label", "title", "due_label", "due", "state", "page"), "x"),
        **{name: [] for name in ("facts", "lines", "sums", "notes")},
        "columns": ["a", "b", "c", "d", "e"],
        "language": "en",
        "settled": False,
        "void": False,
    }
    try:
        assert (await press.print(paper)).startswith(b"%PDF")
        worker = await press._idle.get()
        assert worker is not None
        worker.process.kill()
        await worker.process.wait()
        press._idle.put_nowait(worker)
        with pytest.raises(PaperNotSet):
            await press.print({})
        both = await asyncio.gather(press.print(paper), press.print(paper))
        assert all(pdf.startswith(b"%PDF") for pdf in both)
    finally:
        await press.close()
