"""What every service needs and no service is about: outbox, relay, consumers, database, HTTP, logs, telemetry."""
