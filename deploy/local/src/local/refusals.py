"""Why the system cannot start or stop, each said in one line that names what to do."""


class CannotStart(Exception):
    """The start cannot go on; the text is one line for the person at the terminal."""


class PortTaken(CannotStart):
    """A program that is not ours listens where this instance must."""

    def __init__(self, port: int, process: str, holder: str, variable_now: int) -> None:
        super().__init__(
            f"Port {port} (for {process}) is taken by {holder}: stop that program, or start "
            f"Holdfast elsewhere, for example HOLDFAST_PORT={variable_now + 100} make up."
        )


class DiskFull(CannotStart):
    """There is too little room for the databases and logs."""

    def __init__(self, folder: str, free_mib: int, needed_mib: int) -> None:
        super().__init__(
            f"Only {free_mib} MiB are free at {folder}, {needed_mib} MiB are needed: free some "
            "space, or set HOLDFAST_STATE to a folder on a larger disk."
        )


class ToolMissing(CannotStart):
    """A part that the workspace installs is not there."""

    def __init__(self, tool: str) -> None:
        super().__init__(f"{tool} is missing: run `make install`, it installs all parts again.")


class StartInProgress(CannotStart):
    """Another `up` or `down` of this state folder is running."""

    def __init__(self, pid: str) -> None:
        super().__init__(
            f"Another start or stop is running here (process {pid}): wait until it ends."
        )


class NotReadyInTime(CannotStart):
    """A part did not come up in the time that it is given."""

    def __init__(self, what: str, seconds: float, log: str) -> None:
        super().__init__(
            f"{what} was not ready after {seconds:.0f} s: see its log {log}, then run again."
        )
