"""Money's HTTP edge."""

from fastapi import APIRouter

from billing.accounts.http import payments, refunds, statements
from billing.accounts.http.scope import REFUSALS

router = APIRouter()
for part in (payments, refunds, statements):
    router.include_router(part.router)

__all__ = ["REFUSALS", "router"]
