"""The Kafka edge of holds: the commands of orders and shipping."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from chassis.ids import uuid7
from chassis.records import Received
from chassis.subscriptions import Subscriptions
from contracts import topics
from contracts.inventory import COMMANDS
from sqlalchemy.ext.asyncio import AsyncConnection

from inventory.holds import handlers

subscriptions = Subscriptions()


@subscriptions.follow(topics.INVENTORY_COMMANDS, handles=COMMANDS)
async def hold_and_hand_out(tx: AsyncConnection, received: Sequence[Received[Any]]) -> None:
    """Hold, release, extend and take out, as they come, a batch at a time."""
    commands = [(one.message, one.trace) for one in received]
    await handlers.obey_all(tx, commands, now=datetime.now(UTC), new_id=uuid7)
