"""A run of the command line that kills itself at an effect.

``python -m tests.crash.driver [--kill N | --at NAME] ROOT WORD...``: WORD... is the command line after ``verdigris``,
or ``pytest`` and its options.

Nothing of the product knows of it. Every changing verb of the platform, every durable write, every process that is
started or stopped and every line of the audit log is an *effect*; each has two points, just before it and just after
it. At point N, or at the first one of a name, the process kills itself with SIGKILL. Without either the points are
counted and named, so an effect that is added to the product is in the matrix by itself.
"""

import argparse
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

READS = {
    "address",
    "answer",
    "await_ready",
    "database_url",
    "end_of",
    "env",
    "health",
    "hold_connections",
    "known",
    "live",
    "log",
    "log_file",
    "observe",
    "open_requests",
    "problems",
    "record",
    "release_connections",
    "require_running",
    "service_url",
    "shortage",
    "standing",
    "users",
    "values",
}
"""The verbs of a platform that change nothing; whatever else it has is an effect."""
WRITERS = ("verdigris.state.journal", *(f"verdigris.platform.local{part}" for part in ("", ".envoy", ".process")))
"""The modules in which the durable write of a file is called by its name."""


class Points:
    """Counts the points as they are passed, and dies at one."""

    def __init__(self, kill: int | str | None, out: Path | None) -> None:
        self.kill = kill
        self.out = out
        self.passed: list[str] = []
        self.lock = threading.Lock()

    def pass_by(self, name: str) -> None:
        """Pass a point."""
        with self.lock:
            self.passed.append(name)
            if self.kill in (len(self.passed), name):
                os.kill(os.getpid(), signal.SIGKILL)
            if self.out is not None and self.kill is None:
                self.out.write_text(json.dumps(self.passed))

    def around(self, name: str, effect: Callable[..., Any]) -> Callable[..., Any]:
        """The effect with a point before it and one after it."""

        def wrapped(*values: Any, **named: Any) -> Any:
            self.pass_by(f"before {name}")
            done = effect(*values, **named)
            self.pass_by(f"after {name}")
            return done

        return wrapped


def plant(points: Points) -> None:
    """Put the points around every effect of this process."""
    from verdigris import controller
    from verdigris.platform.local import process
    from verdigris.state import audit

    opened = controller.open_platform

    def open_platform(settings: Any, environment: str) -> Any:
        platform = opened(settings, environment)
        for verb in dir(type(platform)):
            if not verb.startswith("_") and verb not in READS and callable(getattr(platform, verb)):
                setattr(platform, verb, points.around(verb, getattr(platform, verb)))
        return platform

    controller.open_platform = open_platform
    for name in WRITERS:
        module: Any = importlib.import_module(name)
        write = module.write_durably

        def named(path: Path, text: str, write: Callable[..., Any] = write) -> None:
            points.around(f"write of {path.parent.name}/{path.name}", write)(path, text)

        module.write_durably = named
    process.stop = points.around("stop of a process", process.stop)  # type: ignore[assignment]
    audit.AuditFile.append = points.around("audit", audit.AuditFile.append)  # type: ignore[method-assign]
    begin = subprocess.Popen.__init__
    started = points.around("start of a process", begin)
    subprocess.Popen.__init__ = started  # type: ignore[method-assign]


def main(plant: Callable[[Points], None]) -> int:
    """Run the words in ROOT, with the points planted; the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("--kill", type=int)
    parser.add_argument("--at")
    parser.add_argument("--out", type=Path)
    parser.add_argument("words", nargs=argparse.REMAINDER)
    chosen = parser.parse_args()
    out = chosen.out.resolve() if chosen.out else None
    os.chdir(chosen.root)
    plant(Points(chosen.kill or chosen.at, out))
    if chosen.words[0] == "pytest":
        import pytest

        return int(pytest.main(chosen.words[1:]))
    from verdigris.cli import main as command

    return command(chosen.words)


if __name__ == "__main__":
    sys.exit(main(plant))
