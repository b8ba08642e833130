"""The process that holds an environment's lock on this machine, looked at without asking for the lock.

Asking for a lock to find out whether it is held gets in the way of whoever wants it. The lock's file names its holder,
and the kernel says whether that process still is there, has the file open, and does anything. The standard library
only: the guardian is to stay small.
"""

import contextlib
import fcntl
import json
import os
import signal
from pathlib import Path
from typing import NamedTuple


class Seen(NamedTuple):
    """A holder, as the kernel knows it: proc_pid_stat(5), fields 1, 3 and 22."""

    pid: int
    state: str
    start: str
    action: str = ""
    """What it says that it does, such as ``release of 1.1.0``."""

    @property
    def stopped(self) -> bool:
        """Whether it does nothing until somebody lets it go on: Ctrl-Z, a debugger."""
        return self.state in ("T", "t")


def seen(pid: int) -> Seen | None:
    """A process that runs; ``None`` where it ended, or where there is no ``/proc`` to tell."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        fields = stat.rpartition(")")[2].split()
        return Seen(pid, fields[0], fields[19]) if fields[0] not in ("Z", "X") else None
    except (OSError, LookupError):
        return None


def holder_of(lock: Path) -> Seen | None:
    """Who holds a lock; ``None`` where that process is gone, is another user's, or the file names none."""
    try:
        named = json.loads(lock.read_bytes())
        found = seen(int(named["pid"]))
        wanted = lock.stat()
        files = list(Path(f"/proc/{found.pid}/fd").iterdir()) if found is not None else []
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    for file in files:
        with contextlib.suppress(OSError):
            if found is not None and os.path.samestat(file.stat(), wanted):
                return found._replace(action=str(named.get("action")))
    return None  # the number was given to another process since


def end(lock: Path, holder: Seen) -> bool:
    """Kill a holder, if it is still that very process and has the lock; whether it was killed.

    Raises:
        OSError: where it may not be.
    """
    handle = os.pidfd_open(holder.pid)  # from here on the number cannot be another process's
    try:
        present = holder_of(lock)
        if present is None or (present.pid, present.start) != (holder.pid, holder.start) or not _is_locked(lock):
            return False
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        return True
    finally:
        os.close(handle)


def _is_locked(lock: Path) -> bool:
    with lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
