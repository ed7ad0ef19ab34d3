"""An ESC/POS printer on a socket that can run out of paper, be opened, and stop half-way."""

import contextlib
import socket
import threading

from local.topology import LOOPBACK

STATUS, WHEN_DONE, STILL_OUT = b"\x10\x04", b"\x1dr", b"\x0c"
WELL, OFFLINE, COVER_OPEN, PAPER_STOP, PAPER_OUT = 0x12, 0x08, 0x04, 0x20, 0x60


class PaperPrinter(threading.Thread):
    """Says how it is, prints, and says when it is done, unless it is told to hold its tongue.

    mute: answers no question. dies_after: breaks the line after so many bytes. `printed` holds
    every byte that reached the paper, `papers` each paper that is out.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        self.cover_open = self.paper_out = False
        self.mute = self.silent_when_done = False
        self.dies_after: int | None = None
        self.printed = b""
        self.papers: list[bytes] = []

    def run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                self._serve(connection)

    def stop(self) -> None:
        """Listen no more."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # Wakes the thread that accepts.
        self._listener.close()

    def _serve(self, connection: socket.socket) -> None:
        unread, paper = b"", b""
        while data := connection.recv(4096):
            unread += data
            while unread:
                if len(unread) < 3 and (STATUS + WHEN_DONE).find(unread[:1]) >= 0:
                    break  # Perhaps the beginning of a question: the rest comes.
                if unread[:2] == STATUS:
                    if not self.mute:
                        connection.sendall(bytes([self._status(unread[2])]))
                    unread = unread[3:]
                elif unread[:2] == WHEN_DONE:
                    self.papers.append(paper)
                    unread, paper = unread[3:], b""
                    if not self.silent_when_done:
                        connection.sendall(STILL_OUT if self.paper_out else b"\x00")
                else:
                    paper, self.printed = paper + unread[:1], self.printed + unread[:1]
                    unread = unread[1:]
                    if self.dies_after is not None and len(self.printed) >= self.dies_after:
                        return

    def _status(self, question: int) -> int:
        answer = WELL
        if question == 1 and (self.cover_open or self.paper_out):
            answer |= OFFLINE
        if question == 2:
            answer |= (COVER_OPEN if self.cover_open else 0) | (PAPER_STOP if self.paper_out else 0)
        if question == 4 and self.paper_out:
            answer |= PAPER_OUT
        return answer
