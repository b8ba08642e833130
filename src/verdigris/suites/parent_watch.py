"""A suite ends with everything it started, and with whoever started it: a small process between the two sees to both.

    python -I lifeline.py END[,HELD] COMMAND...

A process group is not enough: what calls ``setsid`` or forks twice is in another one. So this process asks the kernel
to become the parent of every descendant whose own parent ends (a *subreaper*), runs the command, and kills what is left
of it when the command ends. It holds the reading end of a pipe; the kernel closes the other end when the controller
dies, however it dies, and then all of it is killed at once. HELD is the lock of the folder that the suite writes to: it
is this process's until nothing of the suite is left that could write there.

It is run as a script and needs the standard library only: what a suite has installed cannot change it.
"""

import contextlib
import ctypes
import os
import resource
import select
import signal
import sys
import time
from pathlib import Path

MARK = "VERDIGRIS_SUITE_RUN"
"""The variable of every process of a run; the rest is found by it where there is no subreaper, or it was killed."""
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "SSL_CERT_FILE",
             "PLAYWRIGHT_BROWSERS_PATH", "VERDIGRIS_CHROMIUM")  # fmt: skip
"""The variables that a suite is given wherever it runs; what selects tests or changes Python is not among them."""
SAID = "verdigris: ended what the suite left running: "
"""How the line of the output begins that names the processes that were left."""
_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36
_PATIENCE = 10.0
"""Seconds for everything to end; a process in an uninterruptible wait ends later, and holds nobody up."""


def adopt() -> None:
    """Become the parent of every descendant whose own parent ends; Linux only."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def end_all() -> list[str]:
    """Kill and reap every child of this process until there is none; what they were.

    Only children are killed: a pid of a child that was not reaped yet cannot have been given to somebody else. Whoever
    they started becomes a child by their end, and is killed in the next turn.
    """
    ended: dict[int, str] = {}
    deadline = time.monotonic() + _PATIENCE
    while _reaped() and time.monotonic() < deadline:
        for pid, name in _children():
            ended.setdefault(pid, f"{name} (pid {pid})")
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.002)
    return list(ended.values())


def _reaped() -> bool:
    """Take what ended; whether there is still a child."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _children() -> list[tuple[int, str]]:
    """The children of this process, and what they are called; nothing where there is no ``/proc``."""
    found, me = [], str(os.getpid())
    with contextlib.suppress(FileNotFoundError):
        for process in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if process.name.isdigit():
                    stat = (process / "stat").read_text(encoding="utf-8", errors="replace")
                    before, _, after = stat.rpartition(")")
                    if after.split()[1] == me:
                        found.append((int(process.name), before.partition("(")[2]))
    return found


def sweep(mark: str) -> None:
    """Kill whatever carries the mark of a run, whoever's child it is, until nothing does."""
    import psutil

    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                    process.kill()
                    found.append(process)
        if not found:
            return
        psutil.wait_procs(found, timeout=1)


def main(end: int, held: list[int], command: list[str]) -> int:
    """Run the command until it ends or the pipe says that its starter did; its exit status, negative for a signal."""
    adopt()
    for mine in (end, *held):
        os.set_inheritable(mine, False)
    told: list[int] = []
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: told.append(number))
    events = select.poll()  # select(2) bears no descriptor above 1,023, which a starter of many files may pass
    for descriptor in (end, woken):
        events.register(descriptor, select.POLLIN)
    child = _start(command)
    status: int | None = None
    while status is None and not told:
        if end in [descriptor for descriptor, _ in events.poll()]:
            break
        os.read(woken, 4096)
        status = _status_of(child)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)  # where there is no subreaper, this much is sure
    left = end_all()
    if sys.platform != "linux":
        sweep(os.environ.get(MARK, ""))
    if left and status is not None:
        os.write(2, f"\n{SAID}{', '.join(left[:10])}\n".encode())
    return status if status is not None else 1


def _start(command: list[str]) -> int:
    """Start the command in a session of its own; it dies with this process, should somebody kill that."""
    child = os.fork()
    if child:
        return child
    try:
        os.setsid()
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        _prctl(_SET_PDEATHSIG, signal.SIGKILL)
        os.execvp(command[0], command)  # noqa: S606 - the command is the harness's own
    except OSError as error:
        os.write(2, f"{command[0]} cannot be started: {error.strerror}\n".encode())
    os._exit(127)


def _status_of(child: int) -> int | None:
    """Take what ended; the exit status of the child where it was that."""
    found: int | None = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == child:
                found = os.waitstatus_to_exitcode(ended[1])
    return found


def _leave(status: int) -> None:
    """End as the command did, by its signal too."""
    if status < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(-status, signal.SIG_DFL) if -status not in (signal.SIGKILL, signal.SIGSTOP) else None
        os.kill(os.getpid(), -status)
    os._exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    _end, *_held = map(int, sys.argv[1].split(","))
    _leave(main(_end, _held, sys.argv[2:]))
