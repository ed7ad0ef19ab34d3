"""Documents' HTTP edge: issue them, read them, print them."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from chassis.gather import Gatherer
from chassis.http import pages
from chassis.http.auth import Principal, allow
from chassis.http.fields import Amount, Body, Figure
from chassis.http.idempotency import Keyed
from chassis.http.pages import Cursor, Limit, Page
from chassis.http.problems import NotFound, Unavailable
from chassis.http.waiting import Wait, once_known
from chassis.ids import uuid7
from chassis.runtime import Here, Runtime
from contracts.billing import DocumentKind, DocumentState
from contracts.identity import Right
from contracts.money import round_half_up
from fastapi import APIRouter, Response
from pydantic import BaseModel

from billing.accounts.domain import UnknownOrder, UnknownStore
from billing.documents import domain, store
from billing.documents.domain import Document
from billing.documents.handlers import IssueDocument
from billing.documents.papers import paper_of
from billing.documents.press import PaperTookTooLong

router = APIRouter(tags=["documents"])

REFUSALS: dict[type[Exception], int] = {
    domain.OrderIsCancelled: 409,
    domain.AlreadyInvoiced: 409,
    domain.NothingLeftToInvoice: 409,
    domain.OrderOutOfSight: 404,
    domain.UnknownTerm: 422,
    domain.MoreThanTheOrder: 422,
}
PDF: dict[str, Any] = {"content": {"application/pdf": {}}, "description": "The paper."}
Reader = Annotated[Principal, allow(Right.MONEY_READ)]
Taker = Annotated[Principal, allow(Right.MONEY_TAKE)]
Customer = Annotated[Principal, allow(Right.OWN_READ)]
Documents = Gatherer[IssueDocument, Document]


class DocumentBody(Body):
    id: UUID | None = None
    order_id: UUID
    kind: DocumentKind
    term_id: UUID | None = None
    amount: Amount | None = None


class DocumentShown(BaseModel):
    id: UUID
    order_id: UUID
    number: str
    kind: DocumentKind
    term_id: UUID | None
    currency: str
    total: Figure
    credited: Figure
    advances: Figure
    paid: Figure
    due: Figure
    state: DocumentState
    issued_at: datetime


def show_document(one: Document) -> DocumentShown:
    return DocumentShown(
        id=one.document_id,
        order_id=one.order_id,
        number=one.number,
        kind=one.kind,
        term_id=one.term_id,
        currency=one.currency,
        total=one.total,
        credited=round_half_up(one.credited, one.currency),
        advances=one.advances,
        paid=one.paid,
        due=one.due,
        state=one.state,
        issued_at=one.issued_at,
    )


@router.post("/documents", status_code=201)
async def issue_document(
    body: DocumentBody, who: Taker, key: Keyed, wait: Wait, here: Here
) -> DocumentShown:
    """Issue a proforma or the invoice of an order."""
    command = IssueDocument(
        document_id=body.id or uuid7(),
        order_id=body.order_id,
        kind=body.kind,
        term_id=body.term_id,
        amount=body.amount,
        stores=who.store_ids,
        by=who.name,
        call=key.of(who),
        at=datetime.now(UTC),
    )
    documents: Documents = here.parts.documents
    made = await once_known(
        here.db, lambda: documents.do(command), (UnknownOrder, UnknownStore), wait
    )
    return show_document(made)


@router.get("/documents")
async def list_documents(
    order_id: UUID,
    who: Reader,
    here: Here,
    limit: Limit = pages.LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> Page[DocumentShown]:
    """The order's documents in the order of their issue."""
    begin = pages.after(cursor, pages.moment, UUID)
    async with here.db.reading() as tx:
        order_store = await store.store_of_order(tx, order_id)
        found = (await store.documents_of_orders(tx, [order_id])).get(order_id, [])
    if order_store is not None:
        who.require_store(order_store, "The order")
    rows = [one for one in found if begin is None or _position(one) > begin]
    return pages.page_of(rows, limit, show_document, _sort_key)


def _position(one: Document) -> tuple[datetime, UUID]:
    return one.issued_at, one.document_id


def _sort_key(one: Document) -> tuple[str, str]:
    return one.issued_at.isoformat(), str(one.document_id)


@router.get("/documents/{document_id}.pdf", response_class=Response, responses={200: PDF})
async def print_document(document_id: UUID, who: Reader, here: Here) -> Response:
    """The document as a PDF in the customer's language, with its figures as they are now."""
    async with here.db.reading() as tx:
        found = await store.find_paper(tx, document_id)
    if found is None:
        raise _not_found()
    who.require_store(found.store_id, "The document")
    return await _printed(here, found)


@router.get("/documents/{document_id}")
async def get_document(document_id: UUID, who: Reader, here: Here) -> DocumentShown:
    async with here.db.reading() as tx:
        found = await store.find_paper(tx, document_id)
    if found is None:
        raise _not_found()
    who.require_store(found.store_id, "The document")
    return show_document(found.document)


@router.get("/me/documents")
async def list_own_documents(
    who: Customer,
    here: Here,
    order_id: UUID | None = None,
    limit: Limit = pages.LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> Page[DocumentShown]:
    """The customer's own documents, the newest first."""
    if who.customer_id is None:
        return Page(items=[])
    async with here.db.reading() as tx:
        rows = await store.list_of_customer(
            tx, who.customer_id, order_id, pages.after(cursor, pages.moment, UUID), limit
        )
    return pages.page_of(rows, limit, show_document, _sort_key)


@router.get("/me/documents/{document_id}.pdf", response_class=Response, responses={200: PDF})
async def print_own_document(document_id: UUID, who: Customer, here: Here) -> Response:
    """A document of the customer's own as a PDF."""
    async with here.db.reading() as tx:
        found = await store.find_paper(tx, document_id)
    if found is None or who.customer_id is None or found.customer_id != who.customer_id:
        raise _not_found()
    return await _printed(here, found)


def _not_found() -> NotFound:
    return NotFound("The document was not found: check the id and that it is in your stores.")


async def _printed(here: Runtime, found: store.PaperCopy) -> Response:
    paper = paper_of(found, here.parts.paper_language, here.parts.zone)
    try:
        pdf = await here.parts.press.print(paper)
    except PaperTookTooLong as error:
        raise Unavailable(
            "The paper is not ready: try again in a moment.", headers={"Retry-After": "2"}
        ) from error
    name = f'inline; filename="{found.document.number}.pdf"'
    headers = {"Content-Disposition": name, "Cache-Control": "private, no-store"}
    return Response(pdf, media_type="application/pdf", headers=headers)
