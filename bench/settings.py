"""How long and how much each stage is, in a real run and in a short one."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Seconds, callers and counts of one run."""

    short: bool
    limit_s: int
    quiet_s: float
    warm_up_s: float
    accept_s: float
    accept_callers: int
    batch_s: float
    batch_members: int
    batch_callers: int
    flow_s: float
    flow_callers: int
    hot_s: float
    hot_rounds: int
    hot_goods: int
    latency_s: float
    journal_asks: int
    growth_from: int
    growth_to: int
    growth_s: float
    year_days: int
    year_batch: int
    year_at_once: int
    year_limit_s: float


FULL = Sizes(
    short=False,
    limit_s=8,
    quiet_s=60,
    warm_up_s=20,
    accept_s=60,
    accept_callers=64,
    batch_s=30,
    batch_members=500,
    batch_callers=2,
    flow_s=60,
    flow_callers=96,
    hot_s=12,
    hot_rounds=3,
    hot_goods=500,
    latency_s=45,
    journal_asks=200,
    growth_from=10_000,
    growth_to=1_000_000,
    growth_s=40,
    year_days=365,
    year_batch=500,
    year_at_once=3,
    year_limit_s=600,
)
SHORT = Sizes(
    short=True,
    limit_s=1,
    quiet_s=5,
    warm_up_s=1,
    accept_s=2,
    accept_callers=8,
    batch_s=1,
    batch_members=20,
    batch_callers=2,
    flow_s=3,
    flow_callers=8,
    hot_s=1,
    hot_rounds=1,
    hot_goods=20,
    latency_s=2,
    journal_asks=5,
    growth_from=1_000,
    growth_to=3_000,
    growth_s=2,
    year_days=1,
    year_batch=100,
    year_at_once=2,
    year_limit_s=300,
)
