"""Who looks at a page, read from the claims of the access token that identity signed."""

import base64
import json
from dataclasses import dataclass
from typing import Any

from contracts.identity import RIGHTS, Right, Role


@dataclass(frozen=True, slots=True)
class Visitor:
    account_id: str
    role: Role
    store_ids: frozenset[str] | None  # None: every store of the chain.
    customer_id: str | None

    @property
    def rights(self) -> frozenset[Right]:
        """What the role allows."""
        return RIGHTS[self.role]

    @property
    def is_customer(self) -> bool:
        return self.role is Role.CUSTOMER

    def may(self, right: str) -> bool:
        """Whether the role has this right, named as in the contracts."""
        return Right(right) in self.rights

    def sees_store(self, store_id: str | None) -> bool:
        """Whether the store is in the visitor's scope; a fact of no store concerns nobody."""
        if store_id is None or self.is_customer:
            return False
        return self.store_ids is None or store_id in self.store_ids


def visitor_of(claims: dict[str, Any]) -> Visitor:
    """The visitor that a token's claims describe."""
    stores = claims.get("stores")
    customer = claims.get("customer_id")
    return Visitor(
        account_id=str(claims["sub"]),
        role=Role(claims["role"]),
        store_ids=None if stores is None else frozenset(str(one) for one in stores),
        customer_id=None if customer is None else str(customer),
    )


def claims_of(token: str) -> dict[str, Any]:
    """The claims of a token that came straight from identity, so its signature is not asked."""
    body = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims
