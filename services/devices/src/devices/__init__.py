"""Devices in the stores: who they are, what they print, and the hub that they connect to."""
