"""The listener of an API server in trouble: HTTP/1.1 over TLS, and port-forwards carried through."""

import contextlib
import http.client
import select
import socket
import ssl
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol
from urllib.parse import SplitResult

TIMEOUT = 30.0
HOP_BY_HOP = ("connection", "transfer-encoding", "content-length", "keep-alive")
Answer = tuple[int, dict[str, str], bytes]
Fault = Callable[["Handler"], Answer | None]
"""What becomes of a request: an answer, or none, whereupon its connection ends."""


def passed(handler: "Handler") -> Answer:
    """Nothing goes wrong."""
    return handler.forward()


class Behind(Protocol):
    """What a listener asks."""

    context: ssl.SSLContext
    real: SplitResult
    with_token: ssl.SSLContext
    as_admin: ssl.SSLContext
    server: "Server | None"
    connections: set[socket.socket]

    def fault_of(self, handler: "Handler") -> Fault:
        """What befalls a request."""


class Server(ThreadingHTTPServer):
    """Accepts in one thread and shakes hands in the connection's own."""

    daemon_threads = True
    block_on_close = False
    trouble: Behind

    def finish_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        """Serve a connection."""
        try:
            secured = self.trouble.context.wrap_socket(request, server_side=True)
        except OSError:
            return
        self.trouble.connections.add(secured)
        try:
            self.RequestHandlerClass(secured, client_address, self)  # type: ignore[arg-type]
        except OSError:
            pass  # the caller gave up
        finally:
            self.trouble.connections.discard(secured)
            with contextlib.suppress(OSError):
                secured.close()


class Handler(BaseHTTPRequestHandler):
    """One connection to the proxy."""

    protocol_version = "HTTP/1.1"
    server: Server

    def handle_one_request(self) -> None:
        """Take a request in, and do with it what the rules say."""
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        self.content = self.rfile.read(int(self.headers.get("content-length") or 0))
        trouble = self.server.trouble
        if trouble.server is not self.server:
            self.close_connection = True
            return
        fault = trouble.fault_of(self)
        if "upgrade" in self.headers and fault is passed:
            self.close_connection = True
            self.tunnel()
            return
        answer = fault(self)
        self.close_connection = self.close_connection or answer is None or trouble.server is not self.server
        if answer is not None:
            self._give(*answer)

    def _give(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(body)

    @property
    def context(self) -> ssl.SSLContext:
        """As whom the real API server is asked."""
        trouble = self.server.trouble
        return trouble.with_token if "authorization" in self.headers else trouble.as_admin

    def forward(self) -> Answer:
        """Let the real API server do it."""
        place = self.server.trouble.real
        real = http.client.HTTPSConnection(place.hostname or "", place.port, timeout=TIMEOUT, context=self.context)
        try:
            real.request(self.command, self.path, self.content or None, dict(self.headers))
            answer = real.getresponse()
            headers = {name: value for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP}
            return answer.status, headers, answer.read()
        finally:
            real.close()

    def tunnel(self) -> None:
        """Carry bytes both ways for what is no longer HTTP: a port-forward."""
        place = self.server.trouble.real
        plain = socket.create_connection((place.hostname or "", place.port or 443), TIMEOUT)
        with self.context.wrap_socket(plain, server_hostname=place.hostname) as real:
            head = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
            real.sendall(f"{self.requestline}\r\n{head}\r\n".encode())
            _carry_both(real, self.connection)

    def until_given_up(self) -> None:
        """Wait until the caller ends the connection."""
        self.connection.settimeout(TIMEOUT)
        with contextlib.suppress(OSError):
            self.connection.recv(1)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _carry_both(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until one end has said all; one thread, as a TLS socket bears no second."""
    ways = {one: other, other: one}
    with contextlib.suppress(OSError, ValueError):
        while True:
            select.select(list(ways), [], [], 1.0)
            for source, sink in ways.items():
                source.setblocking(False)
                try:
                    data = source.recv(65536)
                except (ssl.SSLWantReadError, BlockingIOError):
                    continue
                finally:
                    source.settimeout(TIMEOUT)
                if not data:
                    return
                sink.sendall(data)
