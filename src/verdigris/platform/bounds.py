"""What one exchange may take as a whole: seconds to its last byte, and bytes.

A socket's own time-out counts from byte to byte: whoever sends one byte a second never runs into it. So the time-out is
set anew before each read, to what is left of the whole, and every byte is counted. That holds for the status line, for
headers, for the ends of chunks, for informational answers and for the body alike, because all of them are read here.
"""

import contextlib
import io
import math
import queue
import socket
import threading
import time
from typing import Any

MEGABYTE = 1 << 20
LIMIT = 64 * MEGABYTE
"""Bytes that one answer may have."""
Place = tuple[str, int]


class TooLong(OSError):  # noqa: N818 - what the answer was
    """An answer has more bytes than it may have."""


class Bounds:
    """A deadline and a number of bytes; armed anew for each exchange."""

    def __init__(self, seconds: float, limit: int = LIMIT) -> None:
        self.arm(seconds, limit)

    def arm(self, seconds: float, limit: int = LIMIT) -> None:
        """Begin an exchange that may take so long from now on, and so many bytes."""
        self.seconds, self.limit = seconds, limit
        self.deadline, self.bytes = time.monotonic() + seconds, 0

    @property
    def late(self) -> TimeoutError:
        """What is raised when the time is over."""
        return TimeoutError(f"the answer did not end within {self.seconds:.3g} s")

    def left(self) -> float:
        """The seconds that are left.

        Raises:
            TimeoutError: where none are.
        """
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise self.late
        return left

    def take(self, number: int) -> None:
        """Count bytes that were read.

        Raises:
            TooLong: where they are more than the limit.
        """
        self.bytes += number
        if self.bytes > self.limit:
            said = f"{self.limit / MEGABYTE:g} MiB" if self.limit >= MEGABYTE else f"{self.limit} bytes"
            raise TooLong(f"the answer is longer than {said}")


class Bounded:
    """A socket that keeps to bounds whatever is done with it; the rest is the socket's own."""

    def __init__(self, sock: socket.socket, bounds: Bounds, each: float = math.inf) -> None:
        self.sock = sock
        self.bounds = bounds
        self.each = each
        """Seconds for one read, where that is less than is left of the whole."""

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        """A file to read from, as ``http.client`` wants it."""
        return io.BufferedReader(_Reader(self.sock, self.bounds, self.each))

    def sendall(self, data: Any) -> None:
        """Send everything."""
        self.sock.settimeout(self.bounds.left())
        try:
            self.sock.sendall(data)
        except TimeoutError:
            raise self.bounds.late from None

    def cut(self) -> None:
        """End what another thread waits for on it; that thread sees an error of the socket's."""
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)  # not that of TLS, which takes the reader's state away

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sock, name)


class _Reader(io.RawIOBase):
    def __init__(self, sock: socket.socket, bounds: Bounds, each: float) -> None:
        self.sock = sock
        self.each = each
        self.raw = sock.makefile("rb", buffering=0)  # the socket stays open for as long as this is
        self.bounds = bounds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self.sock.settimeout(min(self.each, self.bounds.left()))
        try:
            number = self.raw.readinto(buffer)
        except TimeoutError:
            self.bounds.left()
            if math.isinf(self.each):
                raise self.bounds.late from None
            raise
        self.bounds.take(number or 0)
        return number

    def close(self) -> None:
        self.raw.close()
        super().close()


def resolve(host: str, port: int, seconds: float) -> list[Any]:
    """What ``getaddrinfo`` says, in bounded time.

    A resolver cannot be told how long it may take, so it is asked in a thread of its own, which is left to itself where
    it does not answer. What is a number already is nobody's to resolve.

    Raises:
        socket.gaierror: where it does not resolve, or not in time.
    """
    with contextlib.suppress(OSError, UnicodeError):
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    found: queue.SimpleQueue[list[Any] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except UnicodeError as error:
            found.put(socket.gaierror(socket.EAI_NONAME, f"not a name: {error}"))
        except OSError as error:
            found.put(error)

    threading.Thread(target=ask, name=f"resolve {host}", daemon=True).start()
    try:
        answer = found.get(timeout=max(seconds, 0.0))
    except queue.Empty:
        raise socket.gaierror(socket.EAI_AGAIN, f"no answer within {seconds:.3g} s") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def dial(place: Place, seconds: float) -> socket.socket:
    """A connection, made within ``seconds`` with all of the name's addresses together.

    Raises:
        socket.gaierror: where the name does not resolve.
        OSError: where nobody takes the connection.
    """
    deadline = time.monotonic() + seconds
    places = resolve(*place, seconds)
    failed: OSError = TimeoutError(f"no connection within {seconds:.3g} s")
    for index, (family, kind, protocol, _, where) in enumerate(places):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(left / (len(places) - index))  # one that is silent leaves the others their share
            sock.connect(where)
        except OSError as error:
            sock.close()
            failed = failed if isinstance(error, TimeoutError) else error
        else:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(max(deadline - time.monotonic(), 0.001))
            return sock
    raise failed
