"""A user of the environment's own: asks without pause through the users' address and never retries.

Open loop: the moments are planned beforehand, and latency counts from the intended moment, so a stall is seen whole
(coordinated omission). One request in four goes over a connection of its own.
"""

import contextlib
import functools
import http.client
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path

from verdigris import private_files
from verdigris.model import described
from verdigris.platform import Address
from verdigris.platform.bounds import LIMIT, Bounded
from verdigris.platform.connection import Connection, ask, connect
from verdigris.watch.samples import Sample

THREADS = (16, 200)
"""At least and at most; between them one for each probe a second, so answers of a second are borne without a queue."""
TIMEOUT = 5.0
FRESH = 4


class Probe:
    """Runs from ``start`` to ``stop``; ``finish`` writes its samples to ``out``.

    Args:
        rate: requests a second.
        clean: takes the secrets out of a text that an answer said.
    """

    _asking: dict[Connection, float] = {}
    """Who waits for an answer, and since when."""

    def __init__(
        self, users: Address, path: str, rate: float, header: str, out: Path, clean: Callable[[str], str] = str
    ) -> None:
        self.users = users
        self.clean = functools.cache(clean)  # what answers say of themselves is the same again and again
        self.path = path
        self.rate = rate
        self.header = header
        self.out = out
        self.samples: list[Sample] = []
        self._lock = threading.Condition()
        self._stopping = threading.Event()
        self._next = 0
        self._began = 0.0
        self._threads: list[threading.Thread] = []
        self._asking = {}

    def start(self) -> None:
        """Begin to ask."""
        private_files.folder(self.out.parent)
        private_files.opened(self.out, "ab").close()
        self._began = time.monotonic()
        number = int(min(max(self.rate, THREADS[0]), THREADS[1]))
        self._threads = [threading.Thread(target=self._run, name="probe", daemon=True) for _ in range(number)]
        for thread in self._threads:
            thread.start()

    def look_on(self, number: int, seconds: float) -> None:
        """Begin to ask, and wait for ``number`` answers at most ``seconds``."""
        self.start()
        self.wait_for(number, seconds)

    def stop(self) -> None:
        """Ask nothing more; waits for nothing, so that it may stand before a rollback."""
        self._stopping.set()

    def finish(self, deadline: float) -> None:
        """Wait for the last answers until ``deadline`` (``time.monotonic()``), and write what was seen.

        What cannot be written is only missing from the report (fault 44).
        """
        self.stop()
        if not self._threads:
            return
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        seen = sorted(self.since(0), key=lambda one: one.at)
        lines = (self._cleaned(sample).model_dump_json() + "\n" for sample in seen)
        with contextlib.suppress(OSError), private_files.opened(self.out, "wb") as file:
            file.writelines(line.encode() for line in lines)

    def _cleaned(self, sample: Sample) -> Sample:
        said = {name: self.clean(text) for name in ("identity", "error") if (text := getattr(sample, name))}
        return sample.model_copy(update=said)

    def planned(self, since: float) -> int:
        """How many requests were due since ``since`` (``time.monotonic()``) and could have been answered."""
        return int((time.monotonic() - max(since, self._began)) * self.rate)

    def wait_for(self, number: int, timeout: float) -> bool:
        """Wait until there are ``number`` samples."""
        with self._lock:
            return self._lock.wait_for(lambda: len(self.samples) >= number, timeout)

    def due(self) -> int:
        """How many requests were due by now; whatever is sent from now on has this number or a higher one."""
        return max(0, math.ceil((time.monotonic() - self._began) * self.rate)) if self._threads else 0

    def since(self, index: int) -> list[Sample]:
        """The samples from ``index`` on, in the order in which they ended."""
        with self._lock:
            return self.samples[index:]

    def waiting(self, before: float) -> bool:
        """Whether an answer is awaited to what was asked before ``before`` (``time.monotonic()``); it ends in time."""
        return any(sent < before for sent in list(self._asking.values()))

    def let_go(self, seconds: float) -> None:
        """Give up the requests that have waited for longer than ``seconds``, so that somebody is there to ask anew.

        Where the color that users leave does not answer, every thread waits for it, and the color that they get would
        seem to answer nobody. What was asked before the switch is not judged.
        """
        for connection, sent in list(self._asking.items()):
            if time.monotonic() - sent > seconds and isinstance(sock := connection.sock, Bounded):
                sock.cut()

    def _run(self) -> None:
        kept: dict[bool, Connection] = {}
        while not self._stopping.is_set():
            with self._lock:
                number, self._next = self._next, self._next + 1
            due = self._began + number / self.rate
            if self._stopping.wait(max(0.0, due - time.monotonic())):
                break
            secure = self.users.secure_url is not None and number % 2 == 1
            fresh = number % FRESH < FRESH // 2 and number % (2 * FRESH) < FRESH
            connection = None if fresh else kept.get(secure)
            if connection is None:
                connection = connect(self.users, secure=secure, timeout=TIMEOUT)
            self._asking[connection] = time.monotonic()
            try:
                sample = self._ask(connection, due, number, kept=not fresh and connection.sock is not None)
                with self._lock:
                    self.samples.append(sample)
                    self._lock.notify_all()
            finally:
                self._asking.pop(connection, None)  # when its sample is there: a watch ends when nobody waits
            if fresh:
                connection.close()
            else:
                kept[secure] = connection
        for connection in kept.values():
            connection.close()

    def _ask(self, connection: Connection, due: float, number: int, *, kept: bool) -> Sample:
        sent = time.time()
        status, header, error = None, None, ""
        try:
            answer = ask(connection, self.path, {"user-agent": "verdigris-probe"}, TIMEOUT, LIMIT)
            status, lines = answer.status, answer.lines(self.header)
            header = described(lines) if lines else None
        except (OSError, http.client.HTTPException) as failure:
            error = f"{type(failure).__name__}: {failure}"[:200]
        milliseconds = round(1000 * (time.monotonic() - due), 2)
        return Sample(
            at=sent, milliseconds=milliseconds, status=status, identity=header, kept=kept, error=error, number=number
        )
