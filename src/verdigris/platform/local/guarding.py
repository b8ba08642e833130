"""The guardian's process on this machine: a process of the environment, like its router, that ``down`` stops.

It is started by ``up`` and by every command that finds it dead. It keeps the variables of the command that started it:
a color that is stood up again may need secrets that are named by them.
"""

import os
import sys
import time
from pathlib import Path

from verdigris.errors import PlatformError
from verdigris.platform.local import process
from verdigris.platform.local.machine import Machine
from verdigris.state.journal import GUARDIAN

MODULE = "verdigris.guardian.process"
HOME = Path(__file__).resolve().parents[3]
"""Where the harness is imported from; a project may have a folder of the same name."""


def runs(machine: Machine) -> bool:
    """Whether it runs."""
    return process.running(process.remembered(machine.record(GUARDIAN)))


def problem(machine: Machine) -> str | None:
    """What is wrong with it, or ``None``."""
    if not machine.local.guardian or runs(machine):
        return None
    return "the guardian does not run, so nobody finishes a run that dies: run 'verdigris up'"


def start(machine: Machine) -> bool:
    """Start it where it is wanted and does not run; stop it where it is not wanted. Whether it was started.

    Raises:
        PlatformError: where it does not stay.
    """
    if not machine.local.guardian:
        stop(machine)
        return False
    if runs(machine):
        return False
    stop(machine)  # one that nobody remembers
    record, log = machine.record(GUARDIAN), machine.log_file(GUARDIAN)
    record.parent.mkdir(parents=True, exist_ok=True)
    settings = machine.settings.path
    name = machine.root.name
    started = process.start(
        [sys.executable, "-m", MODULE, "--patience", f"{_patience(machine):g}", str(machine.root), str(settings), name],
        mark=f"{machine.mark}:{GUARDIAN}",
        log=log,
        cwd=HOME,
        env=os.environ,
        record=record,
    )
    own, pid = machine.root / f"{GUARDIAN}.lock", str(started.pid)
    if not process.wait_until(lambda: _says(own) == pid or not process.running(started), time.monotonic() + 10):
        raise PlatformError(f"the guardian does not begin within 10 s; it logged last:\n{process.tail(log)}")
    if not process.running(started):
        raise PlatformError(f"the guardian ended at once; it logged last:\n{process.tail(log)}")
    return True


def _says(own: Path) -> str:
    try:
        return own.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def stop(machine: Machine) -> bool:
    """Stop it, and its worker; whether it ran."""
    return machine.stop(GUARDIAN, grace=5)


def _patience(machine: Machine) -> float:
    """Seconds that a switch or a rollback may take: a color that is stood up again, written to and observed."""
    environment = machine.environment
    return 30 + machine.local.ready_seconds + environment.drain_seconds + 3 * environment.switch_seconds
