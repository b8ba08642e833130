"""Trouble at the calls of runs on the platform ``local``: what is wrong afterwards.

A *wrong end* is any of: users on a release that is neither the one before nor confirmed; a version that its watch
objected to with users; a run that does not end in time; a lock that is still held; an exit status that the command
line does not have; a next release that does not go through without an operator's help.
"""

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.trouble.driver import KINDS
from tests.world import World
from verdigris.errors import ExitStatus
from verdigris.model import Outcome

HERE = Path(__file__).resolve().parents[2]
SECONDS = 45.0
"""Within which a run with trouble has to be over: a good one takes about 6 on two cores that do other things too."""
RUNS = {"bad": ("release", "2.0.0"), "good": ("release", "1.1.0"), "rollback": ("rollback",), "recover": ("recover",)}
"""The commands: a release that its watch objects to, a good one, an operator's rollback, a recovery."""


@dataclass
class End:
    """One run with trouble."""

    run: str
    kind: str
    at: int
    call: str
    exit_status: int | None = None
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        said = "; ".join(self.wrong) or "ended safely"
        where = f"{self.run:8} {self.kind:22} at {self.at:4} {self.call:28}"
        return f"{where} exit {self.exit_status}, {self.seconds:.1f} s: {said}"


class Stage:
    """A world in which trouble is planted again and again; 1.0.0 has the users before each run but a rollback's."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.world = World(root, watch=1.0)
        self.world.version("1.0.0")
        self.world.version("1.1.0")
        self.world.version("2.0.0", "errors-with-users")
        self.world.up()
        self._release("1.0.0")

    def calls(self, run: str) -> list[str]:
        """The calls of a run without trouble, each after the step in which it is made."""
        self._ready(run)
        out = self.world.root / "calls.json"
        self._drive(run, "--out", str(out))
        return list(json.loads(out.read_text()))

    def meet(self, run: str, kind: str, at: int, call: str, *, step: str = "", go_on: bool = False) -> End:
        """A run that meets trouble, and what is wrong after it.

        Args:
            at: the number of the call, from 1; where a ``step`` is named, of its calls.
        """
        self._ready(run)
        before, found, began = self.world.live(), End(run, kind, at, call), time.monotonic()
        try:
            done = self._drive(run, "--kind", kind, "--at", str(at), *(("--step", step) if step else ()))
        except subprocess.TimeoutExpired:
            found.wrong.append(f"it did not end within {SECONDS:g} s")
            return found
        found.seconds, found.exit_status = time.monotonic() - began, done.returncode
        found.wrong += self._wrong(run, before, done)
        if go_on and not found.wrong:
            found.wrong += self._next()
        return found

    def _wrong(self, run: str, before: str | None, done: "subprocess.CompletedProcess[str]") -> Iterator[str]:
        live, record = self.world.live(), self.world.controller().journal.read().record
        outcome = record.outcome if record is not None else None
        if done.returncode not in {*map(int, ExitStatus)}:
            yield f"exit {done.returncode}: {(done.stdout + done.stderr)[-600:]}"
        if live == "2.0.0":
            yield "users are on the release that its watch objects to"
        if run == "good" and live == "1.1.0" and outcome is not Outcome.CONFIRMED:
            confirmed = record is not None and str(record.step) == "settle"  # said durably; recover only drains
            if not confirmed:
                yield f"users are on a release that was not confirmed ({outcome})"
        if run == "good" and live not in ("1.1.0", "1.0.0"):
            yield f"users are on {live}"
        if run == "recover" and live != "1.0.0":
            yield f"users are on {live}, whose watch was not finished"
        if run == "rollback" and live not in ("1.0.0", "1.1.0"):
            yield f"users are on {live}, before it was {before}"
        if self.world.controller().journal.holder() is not None:
            yield "the lock is still held"

    def _next(self) -> Iterator[str]:
        version = "1.1.0" if self.world.live() == "1.0.0" else "1.0.0"
        done = self.world.command("release", version)
        if done.returncode or self.world.live() != version:
            yield f"the next release ended with {done.returncode}: {(done.stdout + done.stderr)[-500:]}"

    def _ready(self, run: str) -> None:
        self.world.command("recover")
        if run == "rollback":
            self._release("1.0.0")
            self._release("1.1.0")
            return
        self._release("1.0.0")
        if run == "recover":
            process = self.world.start("release", "1.1.0")
            deadline = time.monotonic() + 40
            while time.monotonic() < deadline and self._step() != "watch":
                time.sleep(0.02)
            process.kill()
            process.communicate()

    def _step(self) -> str:
        record = self.world.controller().journal.read().record
        return str(record.step) if record is not None and not record.finished else ""

    def _release(self, version: str) -> None:
        if self.world.live() == version:
            return
        record = self.world.release(version)
        if record.outcome is not Outcome.CONFIRMED:
            raise RuntimeError(f"the world cannot be made ready: {record.objections}")

    def _drive(self, run: str, *options: str) -> "subprocess.CompletedProcess[str]":
        words = [sys.executable, "-m", "tests.trouble.driver", *options, str(self.world.root), *RUNS[run]]
        return subprocess.run(words, cwd=HERE, capture_output=True, text=True, timeout=SECONDS, check=False)


def chosen(calls: list[str], rng: random.Random, more: int) -> list[int]:
    """Numbers of calls, from 1: the first of each step, the last, and ``more`` of each drawn between them."""
    found: set[int] = set()
    for numbers in _by_step(calls):
        found |= {numbers[0], numbers[-1], *rng.sample(numbers, min(more, len(numbers)))}
    return sorted(found)


def drawn(calls: list[str], rng: random.Random) -> list[int]:
    """Numbers of calls, from 1: one of each step."""
    return [rng.choice(numbers) for numbers in _by_step(calls)]


def _by_step(calls: list[str]) -> list[list[int]]:
    steps: dict[str, list[int]] = {}
    for number, call in enumerate(calls, start=1):
        steps.setdefault(call.split()[0], []).append(number)
    return list(steps.values())


@contextmanager
def stage(root: Path) -> Iterator[Stage]:
    """A stage, taken down at the end of the block."""
    made = Stage(root)
    try:
        yield made
    finally:
        made.world.close()


__all__ = ["KINDS", "RUNS", "End", "Stage", "chosen", "drawn", "stage"]
