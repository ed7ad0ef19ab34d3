"""Device registry, print jobs and the hub that store agents connect to."""
