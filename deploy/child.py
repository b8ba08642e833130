"""A suite as a process of this machine, in a process group of its own.

The child gets an allow-list of variables, and ends with this process: see :mod:`deploy.lifeline`.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from deploy import lifeline
from deploy.model import Color
from deploy.platform import Address, Platform
from deploy.runner import EVIDENCE, OUTPUT, Place, Task

_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "SSL_CERT_FILE",
              "PLAYWRIGHT_BROWSERS_PATH", "VERDIGRIS_CHROMIUM")  # fmt: skip


class Child:
    """A process under way; implements :class:`deploy.runner.Running`."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self.began: float | None = time.monotonic()
        self.exit_status: int | None = None
        self.ended = ""

    def wait(self, seconds: float) -> bool:
        """Whether it is over; its files are where they belong already."""
        try:
            self.exit_status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        self.ended = f"killed by signal {-self.exit_status}" if self.exit_status < 0 else ""
        return True

    def end(self) -> None:
        """Kill the whole group; browsers and load generators go with their suite."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.exit_status = self.process.wait()


class LocalRunner:
    """Runs suites on this machine; implements :class:`deploy.runner.Runner`.

    Args:
        named: variables that are passed on beside those of every child.
    """

    def __init__(self, platform: Platform, root: Path, named: tuple[str, ...] = ()) -> None:
        self.platform = platform
        self.root = root
        self.named = named

    def address(self, target: str) -> Address:
        """Where the platform says it is reached from here."""
        return self.platform.users() if target == "live" else self.platform.address(Color(target))

    def secrets(self) -> frozenset[str]:
        """Nothing: a child knows what the settings name."""
        return frozenset()

    @contextlib.contextmanager
    def start(self, task: Task) -> Iterator[Child]:
        """Start the process; its group is killed at the end of the block."""
        place = Place(python=sys.executable, root=self.root, folder=task.folder)
        env = {key: os.environ[key] for key in (*_PASSED_ON, *self.named) if key in os.environ}
        env |= {**task.env, "VERDIGRIS_EVIDENCE": str(task.folder / EVIDENCE)}
        with (task.folder / OUTPUT).open("wb") as output, lifeline.held() as end:
            process = subprocess.Popen(
                task.command(place),
                cwd=self.root,
                env=env | {lifeline.VARIABLE: str(end)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(end,),
            )
            child = Child(process)
            try:
                yield child
            finally:
                child.end()
