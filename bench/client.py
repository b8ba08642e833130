"""A user's connection: HTTP/1.1 that never retries, and says exactly how a request was lost.

A connection that the server closes while no request is on it is no loss: a client sees the end and opens another. One
that is closed after the request was written and before its answer is whole has lost that request.
"""

import asyncio
import select
import ssl
import time
from collections import deque
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

import httptools

from verdigris.platform import Address


class Exchange:
    """One request and what became of it."""

    __slots__ = ("at", "connection", "deadline", "done", "ended", "identity", "intended", "kept", "marker", "over",
                 "request", "secure", "silence", "status", "stream")  # fmt: skip

    def __init__(self, request: bytes, intended: float, timeout: float, *, secure: bool, marker: bytes | None) -> None:
        self.request = request
        self.intended = intended
        """When it was due, ``time.monotonic()``."""
        self.deadline = intended + timeout
        self.silence = timeout
        """Seconds a stream may say nothing."""
        self.secure = secure
        self.stream = marker is not None
        self.marker = marker or b""
        self.ended = not self.marker
        """Whether a stream's closing event was seen."""
        self.at: float | None = None
        """When it was written, seconds since the epoch."""
        self.kept = False
        self.status: int | None = None
        self.identity: str | None = None
        self.done = False
        self.over: asyncio.Event | None = None
        """Set at a stream's end."""
        self.connection: Connection | None = None


Finished = Callable[[Exchange, str], None]


class Origin:
    """One scheme's address, with the connections that are kept alive to it."""

    def __init__(
        self, address: Address, header: str, pool: int, limit: int, finished: Finished, source: str | None = None
    ) -> None:
        parts = urlsplit(address.url)
        self.host = parts.hostname or ""
        self.place = address.place(address.url)
        self.source = (source, 0) if source else None
        self.authority = parts.netloc
        self.context = None
        self.secure = parts.scheme == "https"
        if self.secure:
            self.context = ssl.create_default_context(cafile=address.ca)
            self.context.set_alpn_protocols(["http/1.1"])
        self.header = header.lower().encode()
        self.pool = pool
        self.limit = limit
        self.finished = finished
        self.idle: deque[Connection] = deque()
        self.opening: set[asyncio.Task[None]] = set()
        self.open = 0
        self.closed_idle = 0

    def send(self, exchange: Exchange, *, fresh: bool) -> None:
        """Send over a kept connection that is idle, else over a new one: never behind another's answer."""
        if not fresh:
            for _ in range(len(self.idle)):
                connection = self.idle.popleft()
                if connection.quiet():
                    connection.begin(exchange)
                    return
                self.idle.append(connection)  # its end is about to be read
        if self.open >= self.limit:
            self.finished(exchange, f"{self.limit} connections are open; no more are opened")
            return
        task = asyncio.get_running_loop().create_task(self._open(exchange, persistent=not fresh))
        self.opening.add(task)
        task.add_done_callback(self.opening.discard)

    def close(self) -> None:
        """Close what is idle."""
        while self.idle:
            self.idle.popleft().close()

    async def _open(self, exchange: Exchange, *, persistent: bool) -> None:
        self.open += 1
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(self, persistent=persistent),
                *self.place,
                ssl=self.context,
                server_hostname=self.host if self.context else None,
                local_addr=self.source,
            )
        except (OSError, ssl.SSLError) as error:
            self.open -= 1
            self.finished(exchange, f"no connection ({type(error).__name__}: {error})")
        else:
            connection.begin(exchange)


class Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self, origin: Origin, *, persistent: bool) -> None:
        self.origin = origin
        self.persistent = persistent
        self.exchange: Exchange | None = None
        self.answered = 0
        self.closing = False
        self.closed = False
        self.to_the_end = False
        self.received = 0
        self.tail = b""

    # --- what a request does with it ---------------------------------------------------------------------------

    def quiet(self) -> bool:
        """Whether nothing, and so no end either, waits to be read: what a client looks at before it writes."""
        return not self.closing and not self.poll.poll(0)

    def begin(self, exchange: Exchange) -> None:
        """Write the request."""
        if exchange.done:  # it timed out while this was being opened
            self.close()
            return
        self.exchange = exchange
        self.to_the_end, self.received, self.tail = False, 0, b""
        self.parser = httptools.HttpResponseParser(self)
        exchange.connection = self
        exchange.kept = self.answered > 0
        exchange.at = time.time()
        if self.closed:
            self._lose("connection closed before the request could be written")
        else:
            self.transport.write(exchange.request)

    def close(self) -> None:
        """Close it from this side."""
        self.closing = True
        self.transport.close()

    # --- asyncio ------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        self.transport = cast("asyncio.Transport", transport)
        self.poll = select.poll()
        self.poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        exchange = self.exchange
        if exchange is None:  # an answer nobody asked for, such as 408: a client drops the connection
            self._forget()
            return
        self.received += len(data)
        if exchange.stream:
            exchange.deadline = time.monotonic() + exchange.silence
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            if self.exchange is not None:
                self._lose(f"answer cannot be parsed ({type(error).__name__}: {error})")

    def connection_lost(self, error: Exception | None) -> None:
        """The end: of an answer, of an idle connection, or of a request that is lost with it."""
        self.closed = True
        self.origin.open -= 1
        if self.exchange is None:
            self._forget()
        elif self.to_the_end and error is None and (self.exchange.status or 0) >= 200:
            self._complete(keep=False)
        else:
            reason = "" if error is None else f" ({type(error).__name__}: {error})"
            self._lose(f"connection closed after the request was written, {self._seen()}{reason}")

    # --- httptools ----------------------------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        """Look for the identity and for how the answer ends."""
        name = name.lower()
        if name == self.origin.header and self.exchange is not None:
            self.exchange.identity = value.decode("latin-1")
        elif name in (b"content-length", b"transfer-encoding"):
            self.to_the_end = False

    def on_message_begin(self) -> None:
        """An answer begins; until a header says otherwise it goes on to the connection's end."""
        self.to_the_end = True

    def on_headers_complete(self) -> None:
        """The status is known."""
        if self.exchange is not None:
            self.exchange.status = self.parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        """Look for a stream's closing event."""
        exchange = self.exchange
        if exchange is not None and not exchange.ended:
            self.tail += body
            exchange.ended = exchange.marker in self.tail
            self.tail = self.tail[-len(exchange.marker) :]

    def on_message_complete(self) -> None:
        """The answer is whole."""
        if self.exchange is None or self.parser.get_status_code() < 200:
            return  # 100 and 103 come before the answer
        self._complete(keep=self.persistent and self.parser.should_keep_alive())

    # ------------------------------------------------------------------------------------------------------------

    def _complete(self, *, keep: bool) -> None:
        exchange = self.exchange
        if exchange is None:
            return
        self.exchange = None
        self.answered += 1
        if keep and len(self.origin.idle) < self.origin.pool:
            self.origin.idle.append(self)
        else:
            self.close()
        if not exchange.ended:
            error = f"stream ended without its closing event, {self._seen(exchange)}"
        elif exchange.stream and exchange.status is not None and exchange.status >= 300:
            error = f"no stream: answered {exchange.status}"
        else:
            error = ""
        self.origin.finished(exchange, error)

    def _lose(self, error: str) -> None:
        exchange, self.exchange = self.exchange, None
        self.close()
        if exchange is not None:
            self.origin.finished(exchange, error)

    def _forget(self) -> None:
        if not self.closing:
            self.origin.closed_idle += 1
            self.close()
        if self in self.origin.idle:
            self.origin.idle.remove(self)

    def _seen(self, exchange: Exchange | None = None) -> str:
        exchange = exchange or self.exchange
        if not self.received or exchange is None:
            return "nothing was answered"
        return f"{exchange.status or 'part of the headers'} and {self.received} bytes had come"
