"""Servers that misbehave in known ways, one way each."""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable

IDENTITY = "color=blue;version=1;build=b1;config=c1"
GOOD = f"HTTP/1.1 200 OK\r\nx-release: {IDENTITY}\r\ncontent-length: 2\r\n\r\nok".encode()
STREAM = f"HTTP/1.1 200 OK\r\nx-release: {IDENTITY}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
EVENT = b"9\r\ndata: 1\n\n\r\n"
CLOSING = b"d\r\nevent: done\n\n\r\n"
TERMINATOR = b"0\r\n\r\n"

Behaviour = Callable[["Call"], bool]
"""What is done with a request; whether the connection goes on."""


class Call:
    """One request as a server sees it."""

    def __init__(self, server: "Server", connection: socket.socket, number: int, head: bytes) -> None:
        self.server = server
        self.connection = connection
        self.number = number
        self.path = head.split()[1].decode()
        self.closes = b"connection: close" in head.lower()

    def say(self, answer: bytes) -> bool:
        """Send; the connection goes on."""
        self.connection.sendall(answer)
        return not self.closes

    def say_and_close(self, answer: bytes) -> bool:
        """Send, and the end of the connection in the same packet."""
        self.connection.send(answer, getattr(socket, "MSG_MORE", 0))
        self.connection.shutdown(socket.SHUT_WR)
        return False

    def reset(self) -> bool:
        """Reset the connection."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False


class Server:
    """A server in threads, one a connection; by HTTPS with a context."""

    def __init__(self, behaviour: Behaviour, context: ssl.SSLContext | None = None) -> None:
        self.behaviour = behaviour
        self.context = context
        self.lock = threading.Lock()
        self.requests = 0
        self.connections = 0
        self.sources: set[str] = set()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, (source, _) = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.sources.add(source)
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            stack.enter_context(connection)
            head = b""
            while part := connection.recv(65536):
                head += part
                if not head.endswith(b"\r\n\r\n"):
                    continue
                with self.lock:
                    self.requests += 1
                    number = self.requests
                if not self.behaviour(Call(self, connection, number, head)):
                    return
                head = b""
