"""A suite as a process of this machine, with everything it starts.

The child gets an allow-list of variables. It ends with this process, and nothing that it started outlives it, in
whatever session: see :mod:`verdigris.suites.parent_watch`.
"""

import contextlib
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from verdigris.model import Color
from verdigris.platform import Address, Platform
from verdigris.suites import parent_watch
from verdigris.suites.runner import EVIDENCE, OUTPUT, Place, Task

_PATIENCE = 15.0
"""Seconds for the end of everything that a suite started; the lifeline itself needs fewer."""


class Child:
    """A process under way; implements :class:`verdigris.suites.runner.Running`.

    Args:
        process: the lifeline, which ends as the suite did.
        line: the end of its pipe; everything ends when it is closed.
        mark: what every process of the run carries.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", line: int, mark: str) -> None:
        self.process = process
        self.line = line
        self.mark = mark
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
        """End everything of it; browsers, load generators and what was forgotten go with their suite."""
        over = self.exit_status is not None and self.exit_status >= 0
        os.close(self.line)
        try:
            self.exit_status = self.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            over = False
        if not over or sys.platform != "linux":  # the lifeline may have been killed, or stopped, by the suite itself
            self.process.kill()
            self.exit_status = self.process.wait()
            parent_watch.sweep(self.mark)


class LocalRunner:
    """Runs suites on this machine; implements :class:`verdigris.suites.runner.Runner`.

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
        """Start the process; at the end of the block everything that it started is killed."""
        place = Place(python=sys.executable, root=self.root, folder=task.folder)
        mark = uuid.uuid4().hex
        env = {key: os.environ[key] for key in (*parent_watch.PASSED_ON, *self.named) if key in os.environ}
        env |= {**task.env, "VERDIGRIS_EVIDENCE": str(task.folder / EVIDENCE), parent_watch.MARK: mark}
        theirs, ours = os.pipe()
        given = (theirs,) if task.held is None else (theirs, task.held)
        try:
            with (task.folder / OUTPUT).open("wb") as output:
                process = subprocess.Popen(
                    [sys.executable, "-I", parent_watch.__file__, ",".join(map(str, given)), *task.command(place)],
                    cwd=self.root,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=given,
                )
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        child = Child(process, ours, mark)
        try:
            yield child
        finally:
            child.end()
