"""A real trading day of a real chain, fed through the public API as its stores would."""
