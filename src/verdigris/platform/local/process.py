"""Processes that outlive the command that started them.

Each is known by pid and start time, so a pid that was given to somebody else is never taken for ours; and each carries
a mark in its environment, so one that was started an instant before its starter died is found all the same.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from verdigris import private_files
from verdigris.errors import PlatformError
from verdigris.model import Value
from verdigris.state.journal import write_durably

MARK = "VERDIGRIS_PROCESS"
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE")


class Started(Value):
    """A process as it is remembered."""

    pid: int
    start_time: float
    """What the kernel says of its start; a step of the wall clock does not move it on Linux."""


def passed_on() -> dict[str, str]:
    """The variables of this process that a process it starts is given."""
    return {key: os.environ[key] for key in _PASSED_ON if key in os.environ}


def start(
    command: Sequence[str],
    *,
    mark: str,
    log: Path,
    cwd: Path,
    env: Mapping[str, str],
    record: Path,
) -> Started:
    """Start a process group of its own and remember it in ``record``.

    Raises:
        PlatformError: where the command cannot be started.
    """
    private_files.folder(log.parent)
    environment = passed_on() | dict(env) | {MARK: mark}
    try:
        with private_files.opened(log, "ab") as output:
            child = subprocess.Popen(
                list(command),
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        raise PlatformError(f"{command[0]} cannot be started: {error.strerror}") from None
    _children[child.pid] = child
    started = Started(pid=child.pid, start_time=_start_time(child.pid) or 0)
    try:
        write_durably(record, started.model_dump_json())
    except OSError as error:
        raise PlatformError(f"{record}: what was started cannot be remembered: {error.strerror}") from None
    return started


_children: dict[int, "subprocess.Popen[bytes]"] = {}
"""Those this command started itself; they have to be waited for."""


def remembered(record: Path) -> Started | None:
    """What ``record`` remembers."""
    try:
        return Started.model_validate_json(record.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def running(started: Started | None) -> bool:
    """Whether that very process runs."""
    return started is not None and _process(started) is not None


def _process(started: Started) -> psutil.Process | None:
    if started.pid in _children and _children[started.pid].poll() is not None:
        return None
    if _start_time(started.pid) != started.start_time:
        return None
    try:
        process = psutil.Process(started.pid)
        return None if _zombie(process) else process
    except psutil.NoSuchProcess:
        return None


def _zombie(process: psutil.Process) -> bool:
    """Whether it ended and only waits for its parent.

    A process whose first thread ended is shown as a zombie while its other threads still run, or still have its files:
    its ports are free with the last of them.
    """
    try:
        return process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1
    except psutil.ZombieProcess:  # macOS tells nothing more of one
        return True


def _start_time(pid: int) -> float | None:
    """Linux: ticks since boot, proc_pid_stat(5) field 22; elsewhere seconds since the epoch."""
    if sys.platform == "linux":
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        return float(stat.rpartition(")")[2].split()[19])
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return None


def exit_code(started: Started) -> int | None:
    """Its exit code, where this command started it and it ended."""
    child = _children.get(started.pid)
    return child.poll() if child else None


def marked(mark: str) -> list[psutil.Process]:
    """Every process that carries ``mark``, whoever started it."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark and not _zombie(process):
                found.append(process)
    return found


def stop(mark: str, record: Path, *, grace: float = 10.0, how: signal.Signals = signal.SIGTERM) -> bool:
    """Stop what carries ``mark``: first asked, after ``grace`` seconds killed. Whether there was anything."""
    processes = marked(mark)
    started = remembered(record)
    if started is not None and (known := _process(started)) is not None and known not in processes:
        processes.append(known)
    pids = {process.pid for process in processes}
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.ppid() not in pids:  # what it started itself, it stops itself
                process.send_signal(how)
    left = _wait(processes, grace)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    if left := _wait(left, 5):
        raise PlatformError(f"pid {', '.join(str(p.pid) for p in left)} cannot be stopped")
    if started is not None and started.pid in _children:
        _children.pop(started.pid).wait()
    record.unlink(missing_ok=True)
    return bool(processes)


def _wait(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait until they ended; those that did not. One that its parent never waits for, has ended all the same."""
    deadline = time.monotonic() + seconds
    while left := [process for process in processes if not _ended(process)]:
        if time.monotonic() >= deadline:
            return left
        time.sleep(0.02)
    return []


def _ended(process: psutil.Process) -> bool:
    if process.pid in _children and _children[process.pid].poll() is not None:
        return True
    try:
        return not process.is_running() or _zombie(process)
    except psutil.NoSuchProcess:
        return True


def tail(log: Path, lines: int = 8) -> str:
    """The last lines of a log, for a message."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 16_384))
            text = file.read().decode(errors="replace")
    except OSError:
        return "(it logged nothing)"
    kept = [line for line in text.splitlines() if line.strip()][-lines:]
    return "\n".join(f"    {line[:300]}" for line in kept) or "(it logged nothing)"


def wait_until(condition: Callable[[], bool], deadline: float, pause: float = 0.02) -> bool:
    """Poll ``condition()`` until it is true or ``deadline`` (``time.monotonic()``) has passed."""
    while True:
        if condition():
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(pause)
