"""The users: an open loop of requests planned beforehand, and streams that are always in flight.

Latency is measured from the intended start, so that a request that could not be sent in time shows the whole wait.
"""

import asyncio
import contextlib
import gc
import itertools
import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.client import Exchange, Origin
from bench.summary import Summary, Tally
from verdigris.platform import Address

CONNECTIONS = 8_000
"""The most connections that are open at a time, for each scheme."""
STREAM_PAUSE = 0.05
"""Seconds before a stream that was lost at once is followed by the next."""


@dataclass(frozen=True)
class Plan:
    """What the users do."""

    url: str
    secure_url: str | None = None
    ca: str | None = None
    connect: str | None = None
    """The host, or host:port, that is connected to in place of what DNS says of the URL's name."""
    source: str | None = None
    """The address that users come from; ``None``: whichever the machine takes."""
    rate: float = 200.0
    """Requests a second, streams left out."""
    seconds: float | None = None
    """``None``: until it is stopped."""
    paths: tuple[str, ...] = ("/",)
    stream_path: str | None = None
    stream_body: str | None = None
    """With a body the stream is asked for by POST, as JSON."""
    stream_end: str | None = None
    """What a whole stream has in it, beside its terminating chunk: ``data: [DONE]``, ``event: done``."""
    streams: int = 4
    """Streams in flight at any time."""
    header: str = "x-release"
    new_share: float = 0.25
    """The share of requests that come over a connection of their own."""
    secure_share: float = 0.5
    """The share that comes by HTTPS, where there is a ``secure_url``."""
    pool: int = 16
    """Connections that are kept alive, for each scheme."""
    timeout: float = 10.0
    arrivals: str = "poisson"
    """``poisson`` or ``even``."""
    seed: int = 1
    wait: bool = False
    """Wait until the URL answers below 500 before anything counts."""


class Generator:
    """One run of a plan."""

    def __init__(self, plan: Plan, out: Path | None = None, ready: Callable[[], None] | None = None) -> None:
        self.plan = plan
        self.random = random.Random(plan.seed)
        self.tally = Tally()
        self.ready = ready
        self.out = out.open("w", encoding="utf-8") if out else None
        self.lines: list[str] = []
        self.flying: set[Exchange] = set()
        self.stopping = asyncio.Event()
        self.landed = asyncio.Event()
        self.planned = 0
        self.offsets = self._offsets()
        self.due = 0.0
        self.origins = [self._origin(plan.url)]
        if plan.secure_url:
            self.origins.append(self._origin(plan.secure_url))
        self.gets = [
            [[self._get(origin, path, fresh) for path in plan.paths] for fresh in (False, True)]
            for origin in self.origins
        ]

    def stop(self) -> None:
        """Send nothing more; what is in flight is waited for."""
        self.stopping.set()

    async def run(self) -> Summary:
        """Run the plan to its end, or until it is stopped."""
        gc.freeze()
        loop = asyncio.get_running_loop()
        if self.plan.wait:
            await self._until_live()
        self.start = time.monotonic()
        self.due = next(self.offsets)
        background = [loop.create_task(self._sweep())]
        streams = self.plan.streams if self.plan.stream_path else 0
        background += [loop.create_task(self._stream(number)) for number in range(streams)]
        self._pump()
        await self.stopping.wait()
        seconds = time.monotonic() - self.start
        while self.flying:  # each has a deadline
            self.landed.clear()
            await self.landed.wait()
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        for origin in self.origins:
            origin.close()
        self._flush()
        if self.out:
            self.out.close()
        return self.tally.summary(
            closed_idle=sum(origin.closed_idle for origin in self.origins),
            planned=self.planned,
            planned_rate=self.plan.rate,
            seconds=seconds,
        )

    # --- what is sent -------------------------------------------------------------------------------------------

    def _offsets(self) -> Iterator[float]:
        """Seconds from the start at which a request is due; they depend on nothing that is answered."""
        offset, pause = 0.0, 1 / self.plan.rate
        while self.plan.seconds is None or offset < self.plan.seconds:
            yield offset
            offset += pause if self.plan.arrivals == "even" else self.random.expovariate(self.plan.rate)

    def _pump(self) -> None:
        if self.stopping.is_set():
            return
        present = time.monotonic() - self.start
        while self.due <= present:
            self._fire(self.start + self.due)
            try:
                self.due = next(self.offsets)
            except StopIteration:
                self.stop()
                return
        asyncio.get_running_loop().call_later(max(0.001, self.due - present), self._pump)

    def _fire(self, intended: float) -> None:
        self.planned += 1
        fresh = self.random.random() < self.plan.new_share
        secure = len(self.origins) > 1 and self.random.random() < self.plan.secure_share
        requests = self.gets[secure][fresh]
        origin = self.origins[secure]
        exchange = Exchange(
            requests[self.planned % len(requests)], intended, self.plan.timeout, secure=origin.secure, marker=None
        )
        self.flying.add(exchange)
        origin.send(exchange, fresh=fresh)

    async def _stream(self, number: int) -> None:
        """One stream after the other, by HTTP and HTTPS, over new and kept connections."""
        for turn in itertools.count(number):
            secure, fresh = len(self.origins) > 1 and turn % 2 == 1, turn % 4 >= 2
            origin = self.origins[secure]
            marker = (self.plan.stream_end or "").encode()
            request = self._ask(origin, str(self.plan.stream_path), self.plan.stream_body, fresh=fresh)
            exchange = Exchange(request, time.monotonic(), self.plan.timeout, secure=origin.secure, marker=marker)
            exchange.over = asyncio.Event()
            self.flying.add(exchange)
            origin.send(exchange, fresh=fresh)
            await exchange.over.wait()
            if exchange.status is None or not exchange.ended:
                await asyncio.sleep(STREAM_PAUSE)
            if self.stopping.is_set():
                return

    def _get(self, origin: Origin, path: str, fresh: int) -> bytes:
        return self._ask(origin, path, None, fresh=bool(fresh))

    def _ask(self, origin: Origin, path: str, body: str | None, *, fresh: bool) -> bytes:
        lines = [f"{'GET' if body is None else 'POST'} {path} HTTP/1.1", f"host: {origin.authority}", "accept: */*"]
        lines += ["user-agent: verdigris-users"]
        lines += ["connection: close"] if fresh else []
        if body is not None:
            lines += ["content-type: application/json", f"content-length: {len(body.encode())}"]
        return ("\r\n".join(lines) + "\r\n\r\n" + (body or "")).encode()

    # --- what becomes of it -------------------------------------------------------------------------------------

    def _finished(self, exchange: Exchange, error: str) -> None:
        if exchange.done:
            return
        exchange.done = True
        self.flying.discard(exchange)
        self.landed.set()
        if exchange.over:
            exchange.over.set()
        status = None if error else exchange.status
        if status is not None and status >= 500:
            error = f"answered {status}"
        milliseconds = (time.monotonic() - exchange.intended) * 1000
        sample = {
            "at": exchange.at or time.time(),
            "milliseconds": round(milliseconds, 3),
            "status": status,
            "identity": exchange.identity,
            "kept": exchange.kept,
            "error": error,
        }
        self.tally.add(sample, stream=exchange.stream, secure=exchange.secure)
        if self.out:
            self.lines.append(json.dumps(sample))
        if self.ready:
            self.ready()
            self.ready = None

    async def _sweep(self) -> None:
        """Write samples out, and give up what is past its deadline."""
        while True:
            await asyncio.sleep(0.1)
            self._flush()
            present = time.monotonic()
            for exchange in [exchange for exchange in self.flying if exchange.deadline < present]:
                if exchange.connection is not None:
                    exchange.connection.exchange = None
                    exchange.connection.close()
                what = "silent" if exchange.stream else "not answered"
                self._finished(exchange, f"{what} for {exchange.silence:g} s")

    def _flush(self) -> None:
        if self.out and self.lines:
            self.out.write("\n".join(self.lines) + "\n")
            self.out.flush()
            self.lines.clear()

    async def _until_live(self) -> None:
        """Ask, uncounted, until there is an answer below 500."""
        request = self._ask(self.origins[0], self.plan.paths[0], None, fresh=True)
        while not self.stopping.is_set():
            with contextlib.suppress(OSError, asyncio.TimeoutError, ValueError, IndexError):
                async with asyncio.timeout(2):
                    reader, writer = await asyncio.open_connection(
                        *self.origins[0].place, local_addr=self.origins[0].source
                    )
                    writer.write(request)
                    status = int((await reader.readline()).split()[1])
                    writer.close()
                if status < 500:
                    return
            await asyncio.sleep(0.02)

    def _origin(self, url: str) -> Origin:
        address = Address(url=url, ca=self.plan.ca, connect=self.plan.connect)
        return Origin(address, self.plan.header, self.plan.pool, CONNECTIONS, self._finished, self.plan.source)


def as_arguments(plan: Plan) -> list[str]:
    """The plan as the command line takes it."""
    arguments: list[str] = []
    values: dict[str, Any] = vars(plan)
    for name, value in values.items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            arguments.append(option)
        elif isinstance(value, tuple):
            arguments += [option, ",".join(value)]
        elif value is not None and value is not False:
            arguments += [option, str(value)]
    return arguments
