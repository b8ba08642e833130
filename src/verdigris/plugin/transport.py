"""httpx, led to where the target's names are reached; Host, SNI and verification stay the name's.

httpx has time-outs for each connect, read and write; an answer that drips for ever runs into none of them. Here a
request has a deadline for the whole, to the last byte of its answer, and a limit in bytes.
"""

import ssl
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx

from verdigris.platform import Address
from verdigris.platform.bounds import MEGABYTE, Bounds, TooLong, resolve
from verdigris.platform.connection import explain, trust
from verdigris.plugin.identity import BOOK
from verdigris.suites.evidence import Exchange

WHOLE = 60.0
"""Seconds for one request as a whole, a stream's last byte included."""
LIMIT = 256 * MEGABYTE
"""Bytes that one answer may have."""


class _Whole(float):
    """A time-out of httpx's that knows what is left of its whole request; httpcore hands it through to each read."""

    bounds: Bounds

    @classmethod
    def of(cls, each: float | None, bounds: Bounds) -> "_Whole":
        """The time-out of one step, within bounds that its request shares."""
        made = cls(bounds.seconds if each is None else each)
        made.bounds = bounds
        return made

    def left(self) -> float:
        """Seconds for the next step."""
        try:
            return min(self, self.bounds.left())
        except TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from None


class _Stream(httpcore.NetworkStream):
    """A connection that keeps to what each request may take as a whole."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self.inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if not isinstance(timeout, _Whole):
            return self.inner.read(max_bytes, timeout)
        try:
            data = self.inner.read(max_bytes, timeout.left())
            timeout.bounds.take(len(data))
        except httpcore.ReadTimeout:
            timeout.left()  # says so where it was the whole that was over
            raise
        except TooLong as error:
            raise httpcore.ReadError(str(error)) from None
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.inner.write(buffer, timeout.left() if isinstance(timeout, _Whole) else timeout)

    def close(self) -> None:
        self.inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = timeout.left() if isinstance(timeout, _Whole) else timeout
        return _Stream(self.inner.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self.inner.get_extra_info(info)


class _Backend(httpcore.SyncBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to one of the name's addresses; the name server is waited for in bounded time too."""
        seconds = timeout.left() if isinstance(timeout, _Whole) else timeout
        try:
            places = resolve(host, port, WHOLE if seconds is None else seconds)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        for index, (*_, place) in enumerate(places, start=1):
            share = seconds and seconds / (len(places) - index + 1)
            try:
                return _Stream(super().connect_tcp(place[0], port, share, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if index == len(places):
                    raise
        raise httpcore.ConnectError(f"the name {host} has no address")


class Whole(httpx.HTTPTransport):
    """One pool of connections; each request has a deadline for the whole and a limit in bytes."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        context = context or httpx.create_ssl_context(trust_env=False)
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=100,
            keepalive_expiry=5.0,
            network_backend=_Backend(),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send it; the bounds of the whole begin to run."""
        bounds = Bounds(WHOLE, LIMIT)
        timeouts = {name: _Whole.of(each, bounds) for name, each in request.extensions.get("timeout", {}).items()}
        timeouts = {name: _Whole.of(None, bounds) for name in ("connect", "read", "write")} | timeouts
        request.extensions = {**request.extensions, "timeout": timeouts}
        return super().handle_request(request)


class Named(httpx.BaseTransport):
    """One pool of connections for each name: a connection that was verified for one is never used for another."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.pools: dict[str, Whole] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send it.

        Raises:
            httpx.ConnectError: in words that say what is wrong with the name or its certificate.
        """
        name = request.url.host
        pool = self.pools.get(name) or self.pools.setdefault(name, Whole(trust(self.address.ca)))
        try:
            return pool.handle_request(self._led(request))
        except httpx.ConnectError as error:
            said = explain(error, self.address, str(request.url))
            BOOK.ledger.keep(Exchange(method=request.method, url=str(request.url), error=said))
            raise httpx.ConnectError(said, request=request) from error

    def close(self) -> None:
        """Close every connection."""
        for pool in self.pools.values():
            pool.close()

    def _led(self, request: httpx.Request) -> httpx.Request:
        if request.url.host not in self.address.names or self.address.connect is None:
            return request
        host, port = self.address.place(str(request.url))
        return httpx.Request(
            request.method,
            request.url.copy_with(host=host, port=port),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": request.url.host},
        )
