"""A run of the command line that meets trouble at the n-th call it makes to its platform or its journal.

``python -m tests.trouble.driver --kind KIND --at N ROOT WORD...``: WORD... is the command line after ``verdigris``.
With ``--out FILE`` and without ``--at`` the calls are counted and named, each with the step it is made in.
"""

import argparse
import json
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.trouble.planted import RAISED, Proxy, Trouble, raising


def _broken_pipe(descriptor: int) -> None:
    """Whoever read the output is gone."""
    reading, writing = os.pipe()
    os.close(reading)
    os.dup2(writing, descriptor)
    os.close(writing)


def _blocked_pipe() -> None:
    """Whoever reads the output does not read: the pipe is full, and stays so while its reader lives."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while os.write(writing, b"x" * 65536):
            pass
    except BlockingIOError:
        os.set_blocking(writing, True)
    os.dup2(writing, 1)
    os.close(writing)

    def read_at_last() -> (
        None
    ):  # a reader that goes on for ever would hold the process, as a terminal does after Ctrl-S
        threading.Event().wait(12)
        os.close(reading)

    threading.Thread(target=read_at_last, daemon=True).start()


def _full_disk() -> None:
    """No file can grow: what a process writes ends with EFBIG, as on a full disk with ENOSPC."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def _no_descriptors() -> None:
    """Every descriptor that this process may have is in use."""
    highest = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    try:
        while True:
            os.dup(0)
    except OSError:
        return


def _no_threads() -> None:
    """No thread can be started any more."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    threading.Thread.start = refuse  # type: ignore[method-assign]


def _shallow() -> None:
    """Almost nothing is left of the stack."""
    depth, frame = 0, sys._getframe()
    while frame is not None:
        depth, frame = depth + 1, frame.f_back  # type: ignore[assignment]
    sys.setrecursionlimit(depth + 12)


KINDS: dict[str, Callable[[], object]] = {
    **{f"raises-{kind}": raising(kind) for kind in RAISED},
    "stdout-gone": lambda: _broken_pipe(1),
    "stdout-blocked": _blocked_pipe,
    "stderr-gone": lambda: _broken_pipe(2),
    "both-closed": lambda: (os.close(1), os.close(2)),
    "sighup": lambda: os.kill(os.getpid(), signal.SIGHUP),
    "sigterm": lambda: os.kill(os.getpid(), signal.SIGTERM),
    "sigquit": lambda: os.kill(os.getpid(), signal.SIGQUIT),
    "sigpipe": lambda: os.kill(os.getpid(), signal.SIGPIPE),
    "sigusr1": lambda: os.kill(os.getpid(), signal.SIGUSR1),
    "sigtstp": lambda: os.kill(os.getpid(), signal.SIGTSTP),
    "full-disk": _full_disk,
    "no-descriptors": _no_descriptors,
    "no-threads": _no_threads,
    "shallow-stack": _shallow,
    "surrogates": lambda: None,
}
"""What is planted, by its name."""


class _Steps:
    """Names each call with the step that was journaled last."""

    def __init__(self, trouble: Trouble) -> None:
        self.trouble = trouble
        self.step = "lock"

    def journal(self, subject: Any) -> Any:
        """The journal, which also says which step it is."""
        write = subject.write

        def noting(journal: Any) -> None:
            write(journal)
            if journal.record is not None:
                self.step = str(journal.record.step)

        subject.write = noting
        return Proxy(subject, self.trouble, "journal")


class _Opened(Proxy):
    """A platform whose journal meets the trouble too."""

    @property
    def journal(self) -> Any:
        """One journal for the whole run."""
        found = self.__dict__.get("_journal")
        if found is None:
            found = self.__dict__["_journal"] = self._steps.journal(self._subject.journal)
        return found


def plant(trouble: Trouble) -> _Steps:
    """Put the proxies into this process."""
    from verdigris import controller

    steps, opened = _Steps(trouble), controller.open_platform

    def open_platform(settings: Any, environment: str) -> Any:
        proxy = _Opened(opened(settings, environment), trouble, "platform")
        proxy.__dict__["_steps"] = steps
        return proxy

    controller.open_platform = open_platform
    return steps


def main() -> int:
    """Run the words in ROOT; the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("--kind", choices=sorted(KINDS))
    parser.add_argument("--at", type=int, default=0)
    parser.add_argument("--step", help="count the calls of this step only")
    parser.add_argument("--out", type=Path)
    parser.add_argument("words", nargs=argparse.REMAINDER)
    chosen = parser.parse_args()
    out = chosen.out.resolve() if chosen.out else None
    os.chdir(chosen.root)
    trouble = Trouble(KINDS.get(chosen.kind, lambda: None), chosen.at, surrogates=chosen.kind == "surrogates")
    steps, named = plant(trouble), []
    meet = trouble.meet

    def noting(name: str) -> None:
        named.append(f"{steps.step} {name}")
        if chosen.step in (None, steps.step):
            meet(name)

    trouble.meet = noting  # type: ignore[method-assign]
    from verdigris.cli import entry

    sys.argv = ["verdigris", *chosen.words]
    try:
        entry()
    finally:
        if out is not None:
            out.write_text(json.dumps(named))
    return 0


if __name__ == "__main__":
    main()
