"""The bench: how fast the whole system is, against the limit of its own database, in one run."""
