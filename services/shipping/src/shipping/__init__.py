"""Shipments and the hand-over."""
