"""The Kafka edge: wishes to print, reports of agents on Kafka, names of customers and stores."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog
from chassis.records import Received
from chassis.subscriptions import Subscriptions
from contracts import topics
from contracts.agent_link import JobReport
from contracts.devices import PrintPaper, PrintReported
from contracts.inventory import StoreState
from contracts.orders import CustomerErased, CustomerState
from sqlalchemy.ext.asyncio import AsyncConnection

from devices import handlers, registry
from devices.domain import ProofRefused
from devices.handlers import Asked
from devices.seals import check_report
from devices.settings import JobSettings

log = structlog.get_logger()
subscriptions = Subscriptions()
lifetime = JobSettings().lifetime


@subscriptions.follow(topics.DEVICES_COMMANDS, handles=(PrintPaper,))
async def obey_wishes_to_print(tx: AsyncConnection, received: Sequence[Received[Any]]) -> None:
    asked = [Asked(one.message, one.trace) for one in received]
    await handlers.ask_for_papers(tx, asked, datetime.now(UTC), lifetime)


@subscriptions.follow(topics.PRINT_RESULTS, handles=(PrintReported,))
async def follow_print_results(tx: AsyncConnection, received: Sequence[Received[Any]]) -> None:
    """Only what a device signed with its own key counts; the topic itself proves nothing."""
    said: list[PrintReported] = [one.message for one in received]
    known = await registry.get_devices(tx, list({one.device_id for one in said}))
    reports: dict[UUID, list[JobReport]] = defaultdict(list)
    for one in said:
        device = known.get(one.device_id)
        if device is None or device.revoked_at is not None:
            log.warning("report of no device", device_id=str(one.device_id))
            continue
        try:
            reports[device.id].append(check_report(one.proof, device.signing_key))
        except ProofRefused:
            # Parking it would let a forger hold up the true report behind it.
            log.warning("report without proof", device_id=str(device.id), job_id=str(one.job_id))
    for device_id, of_device in reports.items():
        await handlers.record_reports(tx, device_id, of_device, datetime.now(UTC))


@subscriptions.follow(topics.CUSTOMERS, handles=(CustomerState, CustomerErased))
async def follow_customers(tx: AsyncConnection, received: Sequence[Received[Any]]) -> None:
    newest: dict[str, dict[str, str | None]] = {}
    for one in received:
        message = one.message
        erased = isinstance(message, CustomerErased)
        newest[message.customer_key] = {
            "customer_key": message.customer_key,
            "name": None if erased else message.name,
            "language": None if erased else message.language,
        }
    await registry.keep_customers(tx, list(newest.values()))


@subscriptions.follow(topics.STORES, handles=(StoreState,))
async def follow_stores(tx: AsyncConnection, received: Sequence[Received[Any]]) -> None:
    newest = {
        one.message.store_id: {
            "id": one.message.store_id,
            "code": one.message.code,
            "name": one.message.name,
        }
        for one in received
    }
    await registry.keep_stores(tx, list(newest.values()))
