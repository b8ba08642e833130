"""Looks at a suite while it runs: is there still progress, is its evidence still the one it began, is it within bounds?

A suite that broke a limit is ended at once, with the reason; nothing that it wrote then counts as a pass.
"""

import json
import os
import time
from pathlib import Path

from verdigris.settings import SuiteSettings
from verdigris.suites import evidence, plain_files
from verdigris.suites.runner import EVIDENCE, OUTPUT, STILL, Running

OUTPUT_LIMIT = 64 * 1024 * 1024
"""Bytes that a suite may print."""
FOLDER_LIMIT = 1024 * 1024 * 1024
"""Bytes of all its files."""
FOLDER_LOOK = 1.0
"""Seconds between two looks at all files."""
LINGER = 25.0
"""Seconds that a process may take to end after its closing line, where it does not say itself what keeps it."""


class Watchdog:
    """Watches one run; ``look`` says why it must be ended.

    Args:
        folder: where its files are.
    """

    def __init__(self, folder: Path, settings: SuiteSettings) -> None:
        self.folder = folder
        self.written = folder / EVIDENCE
        self.settings = settings
        self.size = -1
        self.moved = time.monotonic()
        self.grown = False
        """Whether the evidence grew since the last look."""
        self._file: tuple[int, int] | None = None
        self._closed_at: float | None = None
        self._looked = self.moved

    def look(self, running: Running) -> str:
        """Why the run must be ended now; nothing where it goes on."""
        present = time.monotonic()
        size = self.size
        if problem := self.spoilt() or self._too_much(present):
            return problem
        self.grown = self.size != size
        if self.grown:
            self.moved = present
        if self._closed_at is None and self.grown and self._closing() is not None:
            self._closed_at = present
        if running.began is None:
            self.moved = present  # it waits for its place, which the runner gives a limit of its own
        elif present - running.began > self.settings.deadline:
            return self._after_all(present) or f"its deadline of {self.settings.deadline:g} s passed"
        if self._closed_at is not None:
            return self._stays(present)
        return (
            f"it hangs: nothing ended for {self.settings.hang:g} s" if present - self.moved > self.settings.hang else ""
        )

    def spoilt(self) -> str:
        """What became of the evidence that must not: replaced, cut, removed, or no file any more."""
        try:
            found = os.lstat(self.written)
        except OSError as error:
            return f"its evidence is gone: {error.strerror}" if self._file is not None else ""
        if what := plain_files.kind(found.st_mode):
            return f"its evidence is {what}, not a file"
        file, before = (found.st_dev, found.st_ino), self.size
        if self._file not in (None, file):
            return "its evidence was replaced by another file while it ran"
        self._file, self.size = file, found.st_size
        if found.st_size < before:
            return f"its evidence was cut from {before:,} to {found.st_size:,} bytes while it ran"
        if found.st_size > evidence.LIMIT:
            return f"its evidence is larger than {evidence.LIMIT:,} bytes"
        return ""

    def _too_much(self, present: float) -> str:
        """A limit in bytes that it is beyond."""
        try:
            printed = os.lstat(self.folder / OUTPUT).st_size
        except OSError:
            printed = 0
        if printed > OUTPUT_LIMIT:
            return f"it printed more than {OUTPUT_LIMIT:,} bytes"
        if present - self._looked < FOLDER_LOOK:
            return ""
        self._looked = present
        if plain_files.sizes(self.folder, FOLDER_LIMIT) > FOLDER_LIMIT:
            return f"its files take more than {FOLDER_LIMIT:,} bytes"
        return ""

    def _closing(self) -> int | None:
        """How many tests its closing line counts, where it is written."""
        last = plain_files.tail(self.written, 4096).removesuffix("\n").rpartition("\n")[2]
        try:
            content = json.loads(last)
            return int(content["tests"]) if content["kind"] == "closed" else None
        except (ValueError, KeyError, TypeError, RecursionError):
            return None

    def _stays(self, present: float) -> str:
        """Why a process is ended that stays after its closing line."""
        assert self._closed_at is not None  # noqa: S101
        if self._said() or present - self._closed_at > min(LINGER, max(self.settings.hang, 1.0)):
            return self._after_all(present)
        return ""

    def _said(self) -> str:
        lines = plain_files.tail(self.folder / OUTPUT, 65536).splitlines()
        return next((line.removeprefix(STILL) for line in reversed(lines) if line.startswith(STILL)), "")

    def _after_all(self, present: float) -> str:
        if self._closed_at is None:
            return ""
        tests, said = self._closing(), self._said()
        seconds = present - self._closed_at
        return (
            f"all {tests} tests ended and its process did not end within {seconds:.0f} s after them"
            + (f": {said}" if said else "")
            + "; end or join what a test starts"
        )
