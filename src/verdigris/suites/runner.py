"""Where a suite runs: a process of this machine, or a Job of the cluster. One contract, told here.

The gate says what is to be run and judges; a runner runs it where it belongs, brings its files to the folder of the
records while they grow, and ends it when it is told to, with everything that it started.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from verdigris.platform.base import Address

EVIDENCE = "evidence.jsonl"
OUTPUT = "output.log"
STILL = "verdigris: still running: "
"""How the line of the output begins by which a process says what keeps it after its closing line."""


@dataclass(frozen=True)
class Place:
    """Where a command runs: its Python, the project's folder, and the folder for its files."""

    python: str
    root: Path
    folder: Path


@dataclass(frozen=True)
class Task:
    """One run of a suite."""

    suite: str
    folder: Path
    """Where its files must be on this machine: evidence, output, JUnit, artifacts; they are not redacted there."""
    command: Callable[[Place], list[str]]
    env: Mapping[str, str]
    """Its variables beside those that every run in that place has."""
    seconds: float
    """How long it may take; the gate ends it, and a runner whose gate died must not let it run for longer."""
    held: int | None = None
    """A descriptor that says, as long as it is open, that somebody may still write to the folder."""


class Running(Protocol):
    """A run under way."""

    began: float | None
    """``time.monotonic()`` of its begin; ``None`` while it waits for its place."""
    exit_status: int | None
    ended: str
    """Where it was ended from outside, or never began: by what."""

    def wait(self, seconds: float) -> bool:
        """Bring what it wrote meanwhile; whether it is over. Waits about that long."""


class Runner(Protocol):
    """Runs suites in one place."""

    def address(self, target: str) -> Address:
        """Where ``live`` or a color is reached from there."""

    def secrets(self) -> frozenset[str]:
        """What its runs know beside the settings' secrets, and nobody may read in a record."""

    def start(self, task: Task) -> AbstractContextManager[Running]:
        """Start a run; at the end of the block nothing of it is left, whatever happened."""
