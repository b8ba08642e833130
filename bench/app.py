"""A very small application that can do more than is asked of it: it says who it is, and streams.

The identity is made of RELEASE_COLOR, RELEASE_CONFIG and ``build.json`` in the working folder; it listens on PORT.
``/stream`` sends 20 events in a second, then its closing event; every other path answers at once.
"""

import asyncio
import contextlib
import json
import os
import signal
from pathlib import Path
from typing import cast

import httptools
import uvloop

KEEP_ALIVE = 75.0
"""Seconds after which an idle connection is closed; longer than any router keeps one."""
EVENTS = 20
PAUSE = 0.05


class User(asyncio.Protocol):
    """One connection."""

    identity = b""
    open = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to listen."""
        self.transport = cast("asyncio.Transport", transport)
        self.parser = httptools.HttpRequestParser(self)
        self.path = b"/"
        self.stream: asyncio.Task[None] | None = None
        self._rest()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        """Stop what runs for it."""
        self.idle.cancel()
        if self.stream:
            self.stream.cancel()

    def data_received(self, data: bytes) -> None:
        """Parse requests."""
        self.idle.cancel()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.close()

    def on_url(self, url: bytes) -> None:
        """Remember the path."""
        self.path = url

    def on_message_complete(self) -> None:
        """Answer."""
        keep = self.parser.should_keep_alive()
        head = b"HTTP/1.1 200 OK\r\nx-release: " + self.identity + (b"" if keep else b"\r\nconnection: close")
        if self.path == b"/stream":
            head += b"\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            self.transport.write(head)
            self.stream = asyncio.get_running_loop().create_task(self._stream(keep=keep))
            return
        self.transport.write(head + b"\r\ncontent-type: text/plain\r\ncontent-length: 6\r\n\r\nhello\n")
        self._done(keep=keep)

    async def _stream(self, *, keep: bool) -> None:
        for number in range(EVENTS):
            self._chunk(b"data: %d\n\n" % number)
            await asyncio.sleep(PAUSE)
        self._chunk(b"event: done\ndata: {}\n\n")
        self.transport.write(b"0\r\n\r\n")
        self._done(keep=keep)

    def _chunk(self, text: bytes) -> None:
        self.transport.write(b"%x\r\n%b\r\n" % (len(text), text))

    def _done(self, *, keep: bool) -> None:
        if keep:
            self._rest()
        else:
            self.transport.close()

    def _rest(self) -> None:
        self.idle = asyncio.get_running_loop().call_later(KEEP_ALIVE, self.transport.close)


async def main() -> None:
    """Serve until SIGTERM."""
    build = json.loads(Path("build.json").read_text(encoding="utf-8"))
    User.identity = (
        f"color={os.environ['RELEASE_COLOR']};version={build['version']};"
        f"build={build['build']};config={os.environ['RELEASE_CONFIG']}"
    ).encode()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(User, "127.0.0.1", int(os.environ["PORT"]), backlog=1024)
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()
    server.close()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(main())
