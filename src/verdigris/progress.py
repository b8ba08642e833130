"""The audience of a run: a terminal, a CI log, or nobody. It can neither stop a run nor hold it up.

A reader that goes away, a terminal that is closed or stopped with Ctrl-S, a full disk under a log, a character that the
output cannot encode: each of these ends or blocks whoever writes. So nothing that acts ever writes: it puts its line
into a bounded queue, and a thread of its own writes, whose errors end only the line.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

from verdigris.model import Record
from verdigris.private_files import fill_standard
from verdigris.suites.evidence import Evidence

WAITING = 2_000
"""Lines that may wait for a reader who does not read; later ones are dropped."""


class Watcher(Protocol):
    """Who is told of the progress."""

    def record(self, record: Record) -> None:
        """A state was journaled; its effect comes next."""

    def told(self, text: str) -> None:
        """Something worth a line happened."""

    def suite(self, suite: str, evidence: Evidence) -> None:
        """A suite got on."""

    def watched(self, seconds: float, samples: int, lost: int) -> None:
        """The watch got on."""


class Silent:
    """A watcher that says nothing."""

    def record(self, record: Record) -> None: ...
    def told(self, text: str) -> None: ...
    def suite(self, suite: str, evidence: Evidence) -> None: ...
    def watched(self, seconds: float, samples: int, lost: int) -> None: ...


class Detached:
    """Hands everything to ``watcher`` in a thread of its own; no method raises or waits.

    Args:
        watcher: who writes.
        redact: takes secrets out of each line before it is written.
    """

    def __init__(self, watcher: Watcher, redact: Callable[[str], str]) -> None:
        self.watcher = watcher
        self.redact = redact
        self._lines: queue.Queue[Callable[[], None]] = queue.Queue(WAITING)
        self._thread: threading.Thread | None = None

    def record(self, record: Record) -> None:
        """A state was journaled, redacted already."""
        self._put(partial(self.watcher.record, record))

    def told(self, text: str) -> None:
        """Something worth a line happened."""
        self._put(lambda: self.watcher.told(self.redact(text)))

    def suite(self, suite: str, evidence: Evidence) -> None:
        """A suite got on."""
        self._put(partial(self.watcher.suite, suite, evidence))

    def watched(self, seconds: float, samples: int, lost: int) -> None:
        """The watch got on."""
        self._put(partial(self.watcher.watched, seconds, samples, lost))

    def drain(self, seconds: float) -> bool:
        """Wait until everything was written, at most ``seconds``; whether it was."""
        deadline = time.monotonic() + seconds
        while self._lines.unfinished_tasks and time.monotonic() < deadline:
            if self._thread is None or not self._thread.is_alive():
                return False
            time.sleep(0.005)
        return not self._lines.unfinished_tasks

    def _put(self, line: Callable[[], None]) -> None:
        with contextlib.suppress(Exception):  # a full queue, or a machine that gives no thread: the line is lost
            self._lines.put_nowait(line)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._write, name="output", daemon=True)
                self._thread.start()

    def _write(self) -> None:
        while True:
            line = self._lines.get()
            try:
                fill_standard()  # or the line would go into whatever file was opened since the output was closed
                line()
            except BaseException:  # noqa: BLE001, S110 - whatever it is, it ends this line and nothing else
                pass
            finally:
                self._lines.task_done()
