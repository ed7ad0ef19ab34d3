"""The journal, the order's page and its steps, as a clerk and a manager use them."""

import csv
import re
from decimal import Decimal
from io import StringIO

import pytest
from contracts.identity import Role
from web.pages.order_view import goods_of, money_of, steps_of
from web.visitor import Visitor

from . import fake_data as data
from .conftest import SignIn, form_key, form_token
from .fake_api import Chain, Refused

READY = data.id_of("order S01-000412")
WAITING = data.id_of("order S02-000093")
SHIPPED = data.id_of("order S01-000398")


def visitor(role: Role) -> Visitor:
    return Visitor("someone", role, None, None)


def order(**over: object) -> data.Json:
    return data.order_of("S01-1", lines=[("KET-17", "5", "2", "1", "2")], **over)


def test_the_bars_show_what_is_where() -> None:
    """Five ordered, two handed over, two held and one awaited are shown as just that."""
    goods = goods_of(order())
    found = (goods.ordered, goods.handed_over, goods.held, goods.awaiting)
    assert [str(one) for one in found] == ["5", "2", "2", "1"]
    assert money_of(order(paid="300.00")).overpaid == Decimal("50.50")


@pytest.mark.parametrize(
    ("over", "step", "reason"),
    [
        ({"status": "pending_approval"}, "hand_over", "Agree the order first."),
        ({"status": "agreed"}, "agree", "The order is agreed already."),
        ({"status": "cancelled"}, "pay", "The order is cancelled."),
        ({"status": "ready"}, "cancel", "Goods are handed over already; close the order instead."),
        ({"status": "ready", "paid": "249.50"}, "pay", "Nothing is left to pay."),
        ({"status": "closed"}, "close", "The order is closed already."),
        ({"marked": True}, "pay", "The order is marked for removal; restore it first."),
    ],
)
def test_a_step_that_cannot_be_done_says_why(over: data.Json, step: str, reason: str) -> None:
    """What is impossible now is named with its reason, not hidden."""
    steps = steps_of(order(**over), [], visitor(Role.MANAGER))
    assert steps[step].reason == reason


def test_a_cashier_cannot_give_money_back() -> None:
    """The role's limit is a reason too."""
    steps = steps_of(order(paid="10"), [], visitor(Role.CASHIER))
    assert steps["refund"].reason == "Your role does not allow this; ask a manager."
    assert steps_of(order(paid="10"), [], visitor(Role.MANAGER))["refund"].possible


async def test_the_journal_keeps_its_filters_in_the_address(chain: Chain, sign_in: SignIn) -> None:
    """The address alone shows the same selection again, with days as the API's times."""
    client = await sign_in("manager")
    page = await client.get("/orders?status=ready&from=2026-11-01")
    assert "S01-000412" in page.text
    assert "S01-000411" not in page.text
    assert ("GET", "/orders") in {(method, path) for method, path, *_ in chain.asked}
    assert 'value="2026-11-01"' in page.text


async def test_the_export_is_exactly_what_is_shown(sign_in: SignIn) -> None:
    """The file has the selection's orders and no others, with names instead of ids."""
    client = await sign_in("manager")
    answer = await client.get("/orders.csv?channel=counter")
    rows = list(csv.DictReader(StringIO(answer.text.removeprefix("\ufeff"))))
    assert [row["number"] for row in rows] == [
        "S01-000412",
        "S01-000398",
        "S01-000377",
        "S01-000365",
    ]
    assert rows[0]["store"] == "Harbour Street"
    assert rows[0]["due"] == "158.80"


async def test_a_name_cannot_become_a_formula(chain: Chain, sign_in: SignIn) -> None:
    """A customer called =1+1 stays text in a spreadsheet."""
    chain.orders[READY]["customer"]["name"] = "=HYPERLINK(1)"
    answer = await (await sign_in("manager")).get("/orders.csv?status=ready")
    assert "'=HYPERLINK(1)" in answer.text


async def test_a_payment_is_taken_once_however_often_the_form_is_sent(
    chain: Chain, sign_in: SignIn
) -> None:
    """The key was minted with the page: sending the form twice posts one payment."""
    client = await sign_in("cashier")
    page = (await client.get(f"/orders/{READY}")).text
    form = {
        "csrf": form_token(page),
        "key": form_key(page, f"/orders/{READY}/pay"),
        "amount": "1 00,80",
        "method": "card",
        "store_id": data.STORES[0]["id"],
    }
    before = len(chain.payments)
    first = await client.post(f"/orders/{READY}/pay", data=form)
    second = await client.post(f"/orders/{READY}/pay", data=form)
    assert first.headers["location"] == second.headers["location"]
    assert len(chain.payments) == before + 1
    assert chain.payments[-1]["amount"] == "100.80"
    shown = await client.get(first.headers["location"])
    assert "The payment is posted." in shown.text
    assert "€58.00" in shown.text


async def test_a_refused_amount_is_said_next_to_its_field(chain: Chain, sign_in: SignIn) -> None:
    """The API's sentence stands at the field, and what was typed is still there."""
    client = await sign_in("cashier")
    page = (await client.get(f"/orders/{READY}")).text
    form = {
        "csrf": form_token(page),
        "key": form_key(page, f"/orders/{READY}/pay"),
        "amount": "-7",
        "method": "cash",
        "store_id": data.STORES[0]["id"],
    }
    answer = await client.post(f"/orders/{READY}/pay", data=form)
    assert answer.status_code == 422
    assert 'id="pay-amount-refusal" role="alert">Type an amount above 0.' in answer.text
    assert 'value="-7"' in answer.text
    assert len(chain.payments) == 1


@pytest.mark.parametrize("chosen", [0, 1, None])
async def test_a_refused_payment_keeps_its_document(
    chain: Chain, sign_in: SignIn, chosen: int | None
) -> None:
    """After a refusal the payment is for what was chosen, also for the order as a whole."""
    client = await sign_in("cashier")
    for number in ("P-1", "P-2"):
        chain.documents.append(
            {
                "id": data.id_of(number),
                "order_id": READY,
                "kind": "proforma",
                "number": number,
                "state": "open",
                "due": "50.00",
                "total": "50.00",
                "advances": "0.00",
                "paid": "0.00",
            }
        )
    ids = [one["id"] for one in chain.documents]
    page = (await client.get(f"/orders/{READY}/money")).text
    assert selected(page) == [ids[-1]]
    form = {
        "csrf": form_token(page),
        "key": form_key(page, f"/orders/{READY}/pay"),
        "amount": "-7",
        "document_id": "" if chosen is None else ids[chosen],
    }
    answer = await client.post(f"/orders/{READY}/pay", data=form)
    assert selected(answer.text) == ([] if chosen is None else [ids[chosen]])


def selected(page: str) -> list[str]:
    """The documents that the payment's form has chosen; none is the order as a whole."""
    return re.findall(r'<option value="([^"]+)" selected>', page.split('id="pay-document"')[1])


@pytest.mark.parametrize(("step", "field"), [("refund", "refund"), ("documents", "document")])
async def test_a_refused_step_fills_no_other_form(sign_in: SignIn, step: str, field: str) -> None:
    """An amount that was refused as a refund or a proforma is not the amount to pay."""
    client = await sign_in("manager")
    page = (await client.get(f"/orders/{READY}")).text
    key = form_key(page, f"/orders/{READY}/{step}")
    form = {"csrf": form_token(page), "key": key, "amount": "-7", "kind": "proforma"}
    answer = await client.post(f"/orders/{READY}/{step}", data=form)
    amounts = re.findall(r'id="(\w+)-amount" name="amount"[^>]* value="([^"]*)"', answer.text)
    assert dict(amounts) == {"pay": "158.80", "refund": "", "document": ""} | {field: "-7"}
    assert form_key(answer.text, f"/orders/{READY}/{step}") == key
    assert form_key(answer.text, f"/orders/{READY}/pay") != key


async def test_goods_handed_over_lead_to_what_is_due(chain: Chain, sign_in: SignIn) -> None:
    """Handing over saves and posts one shipment, and the till asks what is due now."""
    client = await sign_in("cashier")
    page = (await client.get(f"/orders/{READY}")).text
    lines = {f"line-{line['id']}": line["held"] for line in chain.orders[READY]["lines"]}
    form = {
        "csrf": form_token(page),
        "key": form_key(page, f"/orders/{READY}/hand-over"),
        "kind": "hand_over",
        "store_id": data.STORES[0]["id"],
        **lines,
    }
    answer = await client.post(f"/orders/{READY}/hand-over", data=form)
    assert "step=pay&amount=158.80" in answer.headers["location"]
    assert [shipment["state"] for shipment in chain.shipments] == ["posted"]
    posts = [headers for method, path, _, headers in chain.asked if path.endswith("/post")]
    assert posts[0]["prefer"] == "wait=5"
    await client.post(f"/orders/{READY}/hand-over", data=form)
    assert len(chain.shipments) == 1


@pytest.mark.parametrize(
    ("status", "state", "stays"), [(409, "draft", False), (409, "posting", True), (503, "", True)]
)
async def test_a_hand_over_can_be_corrected_after_its_refusal(
    chain: Chain, sign_in: SignIn, status: int, state: str, stays: bool
) -> None:
    """A draft that cannot be posted leaves the form a new key; an unknown outcome does not."""
    client = await sign_in("cashier")
    action = f"/orders/{READY}/hand-over"
    page = (await client.get(f"/orders/{READY}")).text
    kettle = chain.orders[READY]["lines"][0]["id"]
    form = {"csrf": form_token(page), "key": form_key(page, action), f"line-{kettle}": "2"}
    draft = {"id": data.id_of("draft"), "order_id": READY, "state": state, "lines": []}
    draft |= {"kind": "hand_over", "due_now": None, "at": data.iso()}
    chain.answers[form["key"]] = (201, draft)
    chain.shipments.append(draft)
    with chain.refusing(f"/shipments/{draft['id']}/post", Refused(status, "One is left.")):
        answer = await client.post(action, data=form)
    assert answer.status_code == status
    assert (form_key(answer.text, action) == form["key"]) is stays
    if not stays:
        again = form | {"key": form_key(answer.text, action), f"line-{kettle}": "1"}
        assert (await client.post(action, data=again)).status_code == 303
        assert [one["state"] for one in chain.shipments] == ["draft", "posted"]


async def test_a_lost_answer_is_said_and_the_key_stays(chain: Chain, sign_in: SignIn) -> None:
    """When the outcome is unknown the page says so, and the same form may be sent again."""
    client = await sign_in("manager")
    page = (await client.get(f"/orders/{WAITING}")).text
    form = {"csrf": form_token(page), "key": form_key(page, f"/orders/{WAITING}/agree")}
    with chain.refusing(f"/orders/{WAITING}/agree", Refused(503, "")):
        answer = await client.post(f"/orders/{WAITING}/agree", data=form)
    assert answer.status_code == 503
    assert form_key(answer.text, f"/orders/{WAITING}/agree") == form["key"]
    again = await client.post(f"/orders/{WAITING}/agree", data=form)
    assert again.status_code == 303
    assert chain.orders[WAITING]["status"] == "agreed"


async def test_a_service_that_is_away_takes_only_its_part_of_the_page(
    chain: Chain, sign_in: SignIn
) -> None:
    """Without billing the order is still shown, and the page says what cannot be read."""
    client = await sign_in("manager")
    with chain.refusing("/payments", Refused(503, "")):
        page = await client.get(f"/orders/{READY}/money")
    assert page.status_code == 200
    assert "Payments cannot be read at the moment" in page.text
    assert "S01-000412" in page.text


async def test_a_line_changed_by_somebody_else_is_not_overwritten(
    chain: Chain, sign_in: SignIn
) -> None:
    """The change goes with the version that the page showed, and sends only what changed."""
    client = await sign_in("manager")
    line = chain.orders[READY]["lines"][0]
    page = (await client.get(f"/orders/{READY}")).text
    form = {
        "csrf": form_token(page),
        "key": form_key(page, f"/orders/{READY}/lines/{line['id']}"),
        "etag": '"3"',
        "quantity": "3",
        "was_quantity": "2",
        "unit_price": "49.9000",
        "was_unit_price": "49.9000",
    }
    answer = await client.post(f"/orders/{READY}/lines/{line['id']}", data=form)
    assert answer.status_code == 303
    _, _, body, headers = chain.asked[-1]
    assert body == {"quantity": "3"}
    assert headers["if-match"] == '"3"'
    assert headers["idempotency-key"] == form["key"]


async def test_marking_can_be_undone(chain: Chain, sign_in: SignIn) -> None:
    """An order marked for removal can be brought back from the page that says so."""
    client = await sign_in("manager")
    page = (await client.get(f"/orders/{WAITING}")).text
    form = {"csrf": form_token(page), "key": form_key(page, f"/orders/{WAITING}/mark-for-removal")}
    answer = await client.post(f"/orders/{WAITING}/mark-for-removal", data=form)
    page = (await client.get(answer.headers["location"])).text
    assert "data-for-seconds" in page
    form = {"csrf": form_token(page), "key": form_key(page, f"/orders/{WAITING}/restore")}
    await client.post(f"/orders/{WAITING}/restore", data=form)
    assert chain.orders[WAITING]["marked"] is False


@pytest.mark.parametrize("tab", ["", "/money", "/papers", "/messages", "/timeline"])
async def test_every_tab_is_an_address(sign_in: SignIn, tab: str) -> None:
    """Each tab opens by its own address, for every state of an order."""
    client = await sign_in("manager")
    for one in (READY, WAITING, SHIPPED):
        page = await client.get(f"/orders/{one}{tab}")
        assert page.status_code == 200
        assert page.text.count('aria-current="page"') >= 2


async def test_an_invoice_is_a_pdf_of_the_same_site(chain: Chain, sign_in: SignIn) -> None:
    """Issued documents are opened from our own address with the visitor's right."""
    client = await sign_in("cashier")
    page = (await client.get(f"/orders/{SHIPPED}")).text
    form = {
        "csrf": form_token(page),
        "key": form_key(page, f"/orders/{SHIPPED}/documents"),
        "kind": "invoice",
    }
    answer = await client.post(f"/orders/{SHIPPED}/documents", data=form)
    page = (await client.get(answer.headers["location"])).text
    document = chain.documents[0]["id"]
    assert f'href="/documents/{document}.pdf"' in page
    paper = await client.get(f"/documents/{document}.pdf")
    assert paper.content.startswith(b"%PDF")
    assert "The order has its invoice already." in page


async def test_a_customer_sees_the_own_order(sign_in: SignIn) -> None:
    """The personal account shows how far the order is and what is left to pay."""
    client = await sign_in("customer")
    listed = (await client.get("/my/orders")).text
    assert "S01-000412" in listed
    page = (await client.get(f"/my/orders/{READY}")).text
    assert "€158.80" in page
    assert "Stoneware mug" in page
    assert (await client.get("/my/messages")).status_code == 200
