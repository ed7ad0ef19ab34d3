"""A town: every service in one process, on real databases, with Kafka played from a seed."""
