"""Stores, how they hold goods, and their warehouses."""
