"""Customers' cards: found by telephone, name or card number; erased on request."""
