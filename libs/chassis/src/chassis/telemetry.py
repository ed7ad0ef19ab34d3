"""Metrics for Prometheus, and traces that travel through HTTP, the outbox and Kafka."""

import os
import re
from contextvars import ContextVar

from fastapi import FastAPI
from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import Counter, Gauge, Histogram

TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
# The trace that the current request or record belongs to, when no exporter is set.
_traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)

REQUESTS = Histogram(
    "holdfast_request_seconds",
    "Time to answer a request.",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
RECORDS = Counter("holdfast_records_total", "Records consumed.", ["subscriber", "outcome"])
BATCH_SECONDS = Histogram("holdfast_batch_seconds", "Time a batch took.", ["subscriber"])
LAG = Gauge("holdfast_consumer_lag", "Records not yet consumed.")
RELAYED = Counter("holdfast_relayed_total", "Outbox rows sent to Kafka.")
OUTBOX_AGE = Gauge("holdfast_outbox_age_seconds", "Age of the oldest unsent outbox row.")
PARKED = Gauge("holdfast_parked", "Records parked and not resolved.")


def trace_service(app: FastAPI, service: str, endpoint: str | None) -> None:
    """Export spans of HTTP, SQL and Kafka when an endpoint is set; otherwise cost nothing."""
    if endpoint is None:
        return
    provider = TracerProvider(resource=Resource.create({"service.name": f"holdfast-{service}"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    trace.set_tracer_provider(provider)
    FastAPIInstrumentor.instrument_app(app, excluded_urls="healthz,readyz,metrics")
    AsyncPGInstrumentor().instrument()  # type: ignore[no-untyped-call]
    HTTPXClientInstrumentor().instrument()


def continue_trace(traceparent: str | None) -> None:
    """Take over the caller's trace, or begin one."""
    known = traceparent is not None and TRACEPARENT.fullmatch(traceparent)
    _traceparent.set(traceparent if known else None)


def traceparent() -> str:
    """The W3C traceparent for what is said now: the current span's, the request's, or a new one."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier.get("traceparent") or _traceparent.get() or _new_traceparent()


def _new_traceparent() -> str:
    """A trace of its own, marked as not sampled."""
    made = f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-00"
    _traceparent.set(made)
    return made
