"""The billing service put together."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import tzinfo

from chassis.gather import Gatherer
from chassis.http.repeats import run_once_each
from chassis.runtime import Runtime
from chassis.service import Service

import billing.accounts.handlers as accounts_handlers
import billing.accounts.http as accounts_http
import billing.accounts.subscribers as accounts_subscribers
import billing.documents.handlers as documents_handlers
import billing.documents.http as documents_http
import billing.documents.subscribers as documents_subscribers
from billing.accounts.handlers import PostPayment
from billing.accounts.store import Payment
from billing.documents.domain import Document
from billing.documents.handlers import IssueDocument
from billing.documents.press import Press
from billing.settings import Settings


@dataclass(frozen=True, slots=True)
class Parts:
    """What the edges have at hand beside the database."""

    post_payments: Callable[[Sequence[PostPayment]], Awaitable[Sequence[Payment | Exception]]]
    payments: Gatherer[PostPayment, Payment]
    documents: Gatherer[IssueDocument, Document]
    press: Press
    paper_language: str
    zone: tzinfo


@asynccontextmanager
async def start(runtime: Runtime) -> AsyncIterator[Parts]:
    """Make what the edges need; give it back at the end."""
    settings = runtime.settings
    assert isinstance(settings, Settings)
    zone = settings.timezone

    async def post_payments(commands: Sequence[PostPayment]) -> Sequence[Payment | Exception]:
        return await run_once_each(
            runtime.db, lambda tx: accounts_handlers.post_payments(tx, commands)
        )

    async def issue_documents(commands: Sequence[IssueDocument]) -> Sequence[Document | Exception]:
        return await run_once_each(
            runtime.db, lambda tx: documents_handlers.issue_documents(tx, commands, zone)
        )

    press = Press(settings.paper_processes, settings.paper_seconds_max)
    try:
        yield Parts(
            post_payments=post_payments,
            payments=Gatherer(post_payments),
            documents=Gatherer(issue_documents),
            press=press,
            paper_language=settings.paper_language,
            zone=zone,
        )
    finally:
        await press.close()


service = Service(
    "billing",
    Settings,
    routers=(accounts_http.router, documents_http.router),
    subscriptions=(
        *accounts_subscribers.subscriptions.all,
        *documents_subscribers.subscriptions.all,
    ),
    refusals={**accounts_http.REFUSALS, **documents_http.REFUSALS},
    start=start,
    title="Holdfast billing",
)


def main() -> None:
    """Serve with the environment's settings."""
    service.run()


if __name__ == "__main__":
    main()
