"""Catalogue, customers, orders and the order's process."""
