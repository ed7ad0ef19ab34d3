"""A real trading day through the public API."""
