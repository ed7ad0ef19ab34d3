"""A printer for the tests: it can run out of paper, be opened, and stop half-way."""

import contextlib
import socket
import threading


class PaperPrinter(threading.Thread):
    """An ESC/POS printer on a socket: it answers how it is, prints, and says when it is done."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.cover_open = self.paper_out = self.mute = self.never_done = False
        self.dies_after: int | None = None
        self.printed = b""
        self.papers = 0

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        buffer = b""
        while data := connection.recv(4096):
            buffer += data
            while buffer:
                if buffer[:2] == b"\x10\x04":
                    if len(buffer) < 3:
                        break
                    self._answer_status(connection, buffer[2])
                    buffer = buffer[3:]
                elif buffer == b"\x1d" or buffer == b"\x1dr":
                    break
                elif buffer[:2] == b"\x1dr":
                    buffer = buffer[3:]
                    self.papers += 1
                    if not self.never_done:
                        connection.sendall(b"\x0c" if self.paper_out else b"\x00")
                else:
                    self.printed += buffer[:1]
                    buffer = buffer[1:]
                    if self.dies_after is not None and len(self.printed) >= self.dies_after:
                        return

    def _answer_status(self, connection: socket.socket, question: int) -> None:
        if self.mute:
            return
        answer = 0x12
        if question == 1 and (self.cover_open or self.paper_out):
            answer |= 0x08
        if question == 2:
            answer |= (0x04 if self.cover_open else 0) | (0x20 if self.paper_out else 0)
        if question == 4 and self.paper_out:
            answer |= 0x60
        connection.sendall(bytes([answer]))

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # Wakes the thread that accepts.
        self.listener.close()
