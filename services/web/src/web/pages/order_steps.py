"""What can be done on the order's page: each form asks the API once, and shows its refusal."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated
from uuid import UUID, uuid5

from contracts.identity import Right
from fastapi import APIRouter, Depends
from starlette.datastructures import FormData
from starlette.responses import Response

from web.api import ApiProblem
from web.jsons import Json
from web.pages.order import show
from web.visit import Visit, needs, see_other, sent_key

router = APIRouter(include_in_schema=False)
WAIT_SECONDS = 5
Step = Callable[[FormData], Awaitable[tuple[str, str]]]

Taker = Annotated[Visit, Depends(needs(Right.ORDERS_TAKE))]
Manager = Annotated[Visit, Depends(needs(Right.ORDERS_MANAGE))]
Till = Annotated[Visit, Depends(needs(Right.MONEY_TAKE))]
Returner = Annotated[Visit, Depends(needs(Right.MONEY_RETURN))]
Shipper = Annotated[Visit, Depends(needs(Right.SHIPMENTS_WRITE))]
Keeper = Annotated[Visit, Depends(needs(Right.HOLDS_WRITE))]
Printer = Annotated[Visit, Depends(needs(Right.PAPERS_PRINT))]

VERBS = {
    "agree": "agreed",
    "cancel": "cancelled",
    "close": "closed",
    "mark-for-removal": "marked",
    "restore": "restored",
}
STEP_OF = {"mark-for-removal": "mark"}


class DraftStays(ApiProblem):
    """The draft was saved under the form's key and cannot be posted: the next try needs another."""


async def do(visit: Visit, order_id: UUID, step: str, tab: str, work: Step) -> Response:
    """Does the step and shows its result, or the page again with the refusal at its form."""
    form = await visit.form()
    try:
        said, path = await work(form)
    except ApiProblem as problem:
        if problem.status in (401, 404):
            raise
        spent = {"key"} if isinstance(problem, DraftStays) else set()
        return await show(
            visit,
            order_id,
            tab,
            status=problem.status if problem.status < 500 else 503,
            refused={
                "step": step,
                "sentence": visit.sentence(problem),
                "problem": problem,
                "typed": {name: str(value) for name, value in form.items() if name not in spent},
            },
            open_step=step,
        )
    separator = "&" if "?" in path else "?"
    return see_other(f"/orders/{order_id}{path}{separator}said={said}")


def _text(form: FormData, name: str) -> str:
    return str(form.get(name, "")).strip()


def _verb(right: Right, verb: str) -> None:
    async def act(visit: Annotated[Visit, Depends(needs(right))], order_id: UUID) -> Response:
        async def work(form: FormData) -> tuple[str, str]:
            body: Json = {}
            if reason := _text(form, "reason"):
                body["reason"] = reason
            await visit.api.post(
                f"/orders/{order_id}/{verb}", body, sent_key(form), wait_seconds=WAIT_SECONDS
            )
            return VERBS[verb], ""

        return await do(visit, order_id, STEP_OF.get(verb, verb), "lines", work)

    router.add_api_route(f"/orders/{{order_id}}/{verb}", act, methods=["POST"], name=verb)


_verb(Right.ORDERS_TAKE, "agree")
_verb(Right.ORDERS_TAKE, "cancel")
_verb(Right.ORDERS_MANAGE, "close")
_verb(Right.ORDERS_MANAGE, "mark-for-removal")
_verb(Right.ORDERS_MANAGE, "restore")


@router.post("/orders/{order_id}/pay")
async def pay(visit: Till, order_id: UUID) -> Response:
    """Takes money, for the order or for one of its documents."""

    async def work(form: FormData) -> tuple[str, str]:
        body: Json = {
            "order_id": str(order_id),
            "amount": visit.language.typed_number(_text(form, "amount")),
            "method": _text(form, "method") or "cash",
            "store_id": _text(form, "store_id"),
        }
        if document := _text(form, "document_id"):
            body["document_id"] = document
        await visit.api.post("/payments", body, sent_key(form), wait_seconds=WAIT_SECONDS)
        return "paid", "/money"

    return await do(visit, order_id, "pay", "money", work)


@router.post("/orders/{order_id}/payments/{payment_id}/cancel")
async def cancel_payment(visit: Returner, order_id: UUID, payment_id: UUID) -> Response:
    """Takes a payment back; every status follows."""

    async def work(form: FormData) -> tuple[str, str]:
        await visit.api.post(
            f"/payments/{payment_id}/cancel", {"reason": _text(form, "reason")}, sent_key(form)
        )
        return "payment_cancelled", "/money"

    return await do(visit, order_id, f"payment-{payment_id}", "money", work)


@router.post("/orders/{order_id}/refund")
async def refund(visit: Returner, order_id: UUID) -> Response:
    """Gives money back, at most what is paid and not consumed."""

    async def work(form: FormData) -> tuple[str, str]:
        body = {
            "order_id": str(order_id),
            "amount": visit.language.typed_number(_text(form, "amount")),
            "method": _text(form, "method") or "cash",
            "store_id": _text(form, "store_id"),
        }
        await visit.api.post("/refunds", body, sent_key(form), wait_seconds=WAIT_SECONDS)
        return "refunded", "/money"

    return await do(visit, order_id, "refund", "money", work)


@router.post("/orders/{order_id}/documents")
async def issue(visit: Till, order_id: UUID) -> Response:
    """Issues a proforma or the invoice."""

    async def work(form: FormData) -> tuple[str, str]:
        body: Json = {"order_id": str(order_id), "kind": _text(form, "kind") or "invoice"}
        if (amount := _text(form, "amount")) and body["kind"] == "proforma":
            body["amount"] = visit.language.typed_number(amount)
        await visit.api.post("/documents", body, sent_key(form), wait_seconds=WAIT_SECONDS)
        return "issued", "/papers"

    return await do(visit, order_id, "invoice", "papers", work)


@router.post("/orders/{order_id}/hand-over")
async def hand_over(visit: Shipper, order_id: UUID) -> Response:
    """Hands goods over: the shipment is saved and posted; what is due now comes next."""

    async def work(form: FormData) -> tuple[str, str]:
        lines = [
            {
                "line_id": name.removeprefix("line-"),
                "quantity": visit.language.typed_number(str(value)),
            }
            for name, value in form.items()
            if name.startswith("line-") and str(value).strip() not in ("", "0")
        ]
        key = sent_key(form)
        shipment = await visit.api.post(
            "/shipments",
            {
                "order_id": str(order_id),
                "kind": _text(form, "kind") or "hand_over",
                "store_id": _text(form, "store_id"),
                "lines": lines,
            },
            key,
            wait_seconds=WAIT_SECONDS,
        )
        # A key of its own, so that the same form sent again posts the same shipment once.
        path = f"/shipments/{shipment['id']}"
        try:
            posted = await visit.api.post(
                f"{path}/post",
                {"override": True} if form.get("override") else {},
                str(uuid5(UUID(key), "post")),
                wait_seconds=WAIT_SECONDS,
            )
        except ApiProblem as problem:
            # An earlier try whose answer was lost may have posted it, or may be about to: then the
            # key stays.
            undecided = problem.unreachable or problem.type == "in-flight"
            if undecided or (await visit.api.get(path))["state"] != "draft":
                raise
            raise DraftStays(**vars(problem)) from problem
        if posted["state"] == "posted":
            due_now = posted.get("due_now") or "0"
            return "handed_over", f"/money?step=pay&amount={due_now}"
        return ("refused" if posted["state"] == "refused" else "posting"), ""

    return await do(visit, order_id, "hand_over", "lines", work)


@router.post("/orders/{order_id}/lines/{line_id}")
async def change_line(visit: Taker, order_id: UUID, line_id: UUID) -> Response:
    """Changes a line's quantity or price, if nobody changed the order meanwhile."""

    async def work(form: FormData) -> tuple[str, str]:
        body: Json = {}
        for name in ("quantity", "unit_price"):
            if (value := _text(form, name)) and value != _text(form, f"was_{name}"):
                body[name] = visit.language.typed_number(value)
        if body:
            path = f"/orders/{order_id}/lines/{line_id}"
            await visit.api.patch(path, body, _text(form, "etag"), sent_key(form))
        return "changed", ""

    return await do(visit, order_id, f"line-{line_id}", "lines", work)


@router.post("/orders/{order_id}/holds/{hold_id}/extend")
async def extend(visit: Keeper, order_id: UUID, hold_id: UUID) -> Response:
    """Keeps the goods longer."""

    async def work(form: FormData) -> tuple[str, str]:
        day = _text(form, "until")
        next_day = visit.language.begin_of(day, days_later=1)
        until = (next_day - timedelta(seconds=1)).isoformat() if next_day else day
        await visit.api.post(f"/holds/{hold_id}/extend", {"until": until}, sent_key(form))
        return "extended", ""

    return await do(visit, order_id, f"hold-{hold_id}", "lines", work)


@router.post("/orders/{order_id}/holds/{hold_id}/put-back")
async def put_back(visit: Keeper, order_id: UUID, hold_id: UUID) -> Response:
    """Returns the goods to stock; the line waits again."""

    async def work(form: FormData) -> tuple[str, str]:
        await visit.api.post(f"/holds/{hold_id}/put-back", {}, sent_key(form))
        return "put_back", ""

    return await do(visit, order_id, f"hold-{hold_id}", "lines", work)


@router.post("/orders/{order_id}/reprint")
async def reprint(visit: Printer, order_id: UUID) -> Response:
    """Prints a paper again, marked as a copy."""

    async def work(form: FormData) -> tuple[str, str]:
        body = {"order_id": str(order_id), "reprint": True}
        await visit.api.post("/print-jobs", body, sent_key(form))
        return "printed", "/papers"

    return await do(visit, order_id, "reprint", "papers", work)
