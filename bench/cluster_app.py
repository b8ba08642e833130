"""The application of ``python -m bench cluster``, in a pod: it says who it is, streams, and drains. Nothing but Python.

``/stream`` sends 20 events in a second, then its closing event; every other path answers at once. Told to end by
SIGTERM it serves on for DRAIN_SECONDS and closes each connection after its answer; then it closes those that nobody
used, finishes the streams in flight, and ends.
"""

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import ClassVar, cast

DRAIN_SECONDS = float(os.environ.get("DRAIN_SECONDS", "3"))
EVENTS = 20
PAUSE = 0.05


class User(asyncio.Protocol):
    """One connection; it never ends because it is idle."""

    identity: ClassVar[bytes] = b""
    leaving: ClassVar[bool] = False
    """Whether each answer says that its connection is closed."""
    ending: ClassVar[bool] = False
    """Whether connections are closed that said otherwise."""
    everyone: ClassVar[set["User"]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to listen."""
        self.transport = cast("asyncio.Transport", transport)
        self.received = b""
        self.stream: asyncio.Task[None] | None = None
        self.everyone.add(self)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio names it
        """Stop what runs for it."""
        self.everyone.discard(self)
        if self.stream:
            self.stream.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer a request when its head is whole; nobody sends a body."""
        self.received += data
        if b"\r\n\r\n" in self.received:
            head, _, self.received = self.received.partition(b"\r\n\r\n")
            self._answer(head.lower())

    def _answer(self, head: bytes) -> None:
        keep = not self.leaving and b"\r\nconnection: close" not in head
        said = b"HTTP/1.1 200 OK\r\nx-release: " + self.identity + (b"" if keep else b"\r\nconnection: close")
        if head.split(b" ", 2)[1] == b"/stream":
            said += b"\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            self.transport.write(said)
            self.stream = asyncio.get_running_loop().create_task(self._stream(keep=keep))
            return
        self.transport.write(said + b"\r\ncontent-type: text/plain\r\ncontent-length: 6\r\n\r\nhello\n")
        if not keep:
            self.transport.close()

    async def _stream(self, *, keep: bool) -> None:
        for number in range(EVENTS):
            self._chunk(b"data: %d\n\n" % number)
            await asyncio.sleep(PAUSE)
        self._chunk(b"event: done\ndata: {}\n\n")
        self.transport.write(b"0\r\n\r\n")
        self.stream = None
        if not keep or self.ending:
            self.transport.close()

    def _chunk(self, text: bytes) -> None:
        self.transport.write(b"%x\r\n%b\r\n" % (len(text), text))


async def main() -> None:
    """Serve until SIGTERM, and leave politely."""
    build = json.loads(Path("build.json").read_text(encoding="utf-8"))
    User.identity = (
        f"color={os.environ['RELEASE_COLOR']};version={build['version']};"
        f"build={build['build']};config={os.environ['RELEASE_CONFIG']}"
    ).encode()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(User, os.environ["HOST"], int(os.environ["PORT"]), backlog=1024)
    told = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, told.set)
    await told.wait()
    User.leaving = True
    await asyncio.sleep(DRAIN_SECONDS)
    User.ending = True
    server.close()
    for user in [user for user in User.everyone if user.stream is None]:
        user.transport.close()
    while User.everyone:
        await asyncio.sleep(PAUSE)


if __name__ == "__main__":
    asyncio.run(main())
