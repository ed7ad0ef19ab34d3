"""The project's own step that makes every topic, with its partitions for life."""

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code
from contracts.topics import (
    FACT_RETENTION_DAYS,
    PARTITIONS,
    STATE_DELETE_RETENTION_DAYS,
    TOPICS,
    Topic,
)

from local.refusals import CannotStart

COPIES_MAX = 3  # Of each record, on as many brokers.
DAY_MS = 24 * 60 * 60 * 1000


def settings_of(topic: Topic) -> dict[str, str]:
    """How long a topic keeps what it is told."""
    if topic.compacted:
        retention_ms = STATE_DELETE_RETENTION_DAYS * DAY_MS
        return {"cleanup.policy": "compact", "delete.retention.ms": str(retention_ms)}
    return {"cleanup.policy": "delete", "retention.ms": str(FACT_RETENTION_DAYS * DAY_MS)}


async def make_topics(kafka: str, copies: int = 1) -> int:
    """Create the topics that are missing and say how many; those that exist are left alone."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka, request_timeout_ms=30_000)
    await admin.start()
    try:
        known = set(await admin.list_topics())
        missing = [
            NewTopic(topic.name, PARTITIONS, copies, topic_configs=settings_of(topic))
            for topic in TOPICS
            if topic.name not in known
        ]
        if not missing:
            return 0
        answer = await admin.create_topics(missing)
        for name, code, *_ in answer.topic_errors:
            if code not in (0, 36):  # 36: somebody else made it a moment ago.
                raise CannotStart(f"Kafka refused the topic {name}: {for_code(code).__name__}.")
        return len(missing)
    finally:
        await admin.close()
