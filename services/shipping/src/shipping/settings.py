"""Shipping is told nothing beyond what every service is told."""

from chassis.settings import DatabaseSettings


class Settings(DatabaseSettings):
    """The settings of every service with a database."""
