"""The guardian of a local environment: it finishes what a dead deployer left, within a second and without a person.

Between the switch and the end of the watch the users are on a release that one process looks at. If that process is
killed, the kernel lets go of its lock and nothing else happens: this one sees it and has ``recover`` run. It waits for
a moment that may never come and must be there then, so it is small (the standard library only) and has a second process
do the work. That one is started when a run begins, so that it has everything loaded if the run dies, and ends with it.

It never asks for the lock to find out whether it is held, for that would get in the way of the commands that want it;
see :mod:`verdigris.state.lock_holder`. What decides is the lock itself, which ``recover`` takes like every command:
whoever else has it acts, and the guardian does not.

A holder that is alive but does nothing is as bad as a dead one while users are on its release: one that is stopped
(Ctrl-Z, a debugger), or hangs. The time of the lock's file, or of the journal, shows that it is at work. If it shows
nothing, the holder is killed, and its lock is free.
"""

import argparse
import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from verdigris.state.lock_holder import Seen, end, holder_of

IDLE, BUSY = 0.2, 0.05
"""Seconds between two looks: while nothing goes on, and during a run."""
STOPPED = 3.0
"""Seconds for which a holder may be stopped while users are on its release."""
SILENT = 20.0
"""Seconds in which a watch must have shown that it is at work."""
WORKING = 600.0
"""Seconds for which one attempt to finish a run may last."""
SHORTEST, LONGEST = 0.1, 30.0
"""Seconds between two attempts, the first and the last ones; there is no last attempt."""
HELD = 0.5
"""Seconds until it looks again where somebody else has the lock and cannot be seen."""
LOG_LIMIT = 1_000_000
"""Bytes of its log, which is emptied then."""


class Worker:
    """The process that finishes runs: loaded before it is needed, and gone when nothing is left to do."""

    def __init__(self, command: list[str], text: str) -> None:
        self.command = command
        self.text = text
        self.process: subprocess.Popen[str] | None = None
        self.asked: float | None = None

    def start(self) -> None:
        """Have it there."""
        if self.process is not None:
            return
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._tell({"settings": self.text})

    def is_process(self, pid: int) -> bool:
        """Whether that is it."""
        return self.process is not None and self.process.pid == pid

    def finish(self, why: str) -> None:
        """Ask it to finish the interrupted run."""
        self.asked = time.monotonic()
        self._tell({"why": why})

    def answer(self) -> str:
        """What became of it: ``done``, ``held`` by somebody else, ``failed``, or nothing so far."""
        if self.process is None or self.process.stdout is None:
            return ""
        if self.asked is not None and time.monotonic() - self.asked > WORKING:
            self.process.kill()
        if not select.select([self.process.stdout], [], [], 0)[0]:
            return ""
        line = self.process.stdout.readline().strip()
        if not line:  # it ended, whyever
            self.dismiss()
            return "failed"
        self.asked = None
        return line

    def dismiss(self) -> None:
        """Let it go, and wait for it: nothing is left as a zombie."""
        if self.process is None:
            return
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = self.asked = None

    def _tell(self, message: dict[str, str]) -> None:
        assert self.process is not None and self.process.stdin is not None  # noqa: S101, PT018
        with contextlib.suppress(OSError):  # it died: its answer says so
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()


class Guardian:
    """Guards the environment whose state is in ``folder``.

    Args:
        patience: seconds that a switch or a rollback may take without a word.
    """

    def __init__(self, folder: Path, worker: Worker, patience: float) -> None:
        self.journal, self.lock = folder / "journal.json", folder / "lock"
        self.worker = worker
        # by step: seconds without a sign of work. In these the users may be on a release that is not confirmed.
        self.limits = {"switch": patience, "watch": SILENT, "rollback": patience}
        self.signs: object = None
        self.alive = self.looked = time.monotonic()
        self.stopped: float | None = None
        self.ended = ""
        self.pause, self.not_before = SHORTEST, 0.0
        self.read: tuple[object, str] = (None, "")
        self.unfinished = b""
        """The journal as it was when its run was unfinished: without it nobody would know of the run."""

    def look(self) -> float:
        """Look once, and do what is to be done; seconds until the next look."""
        present = time.monotonic()
        if present - self.looked > STOPPED / 2:  # it was paused itself, with the whole machine maybe
            self.alive, self.stopped, self.unfinished = present, None, b""  # what it knows may be of long ago
            self.read = (None, "")
        self.looked = present
        answer = self.worker.answer()
        if answer == "failed":
            self.pause = min(2 * self.pause, LONGEST)
        if answer in ("failed", "held"):
            self.not_before = present + (self.pause if answer == "failed" else HELD)
        step = self._step()
        if not step:
            self.pause, self.not_before, self.ended = SHORTEST, 0.0, ""
            if self.worker.asked is None:
                self.worker.dismiss()
            return IDLE
        holder = holder_of(self.lock)
        if holder is not None:
            self._judge(step, holder, present)
        if present >= self.not_before:
            self.worker.start()
            if holder is None and self.worker.asked is None:
                self.worker.finish(self.ended)
        return BUSY

    def _step(self) -> str:
        """At which step the journal stands; nothing where no run is unfinished."""
        try:
            found = self.journal.stat()
            version = (found.st_ino, found.st_mtime_ns, found.st_size)
            if version != self.read[0]:
                text = self.journal.read_bytes()
                record = json.loads(text).get("record") or {"step": "done"}
                self.read = (version, "" if record["step"] == "done" else str(record["step"]))
                self.unfinished = text if self.read[1] else b""
        except (OSError, ValueError, LookupError, AttributeError, TypeError, RecursionError):
            return self._lost()
        return self.read[1]

    def _lost(self) -> str:
        """At which step a run stands whose journal was removed or damaged; nothing if none was written yet.

        As long as the lock is held, its holder writes the next one. After that nobody knows but this process.
        """
        if self.unfinished and holder_of(self.lock) is None:
            part = self.journal.with_name(".journal.json.kept")
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
                with open(part, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                    file.write(self.unfinished)
                    file.flush()
                    os.fsync(file.fileno())
                if self.journal.exists():  # it is damaged, and may be wanted for a look
                    self.journal.rename(self.journal.with_name("journal.json.damaged"))
                part.rename(self.journal)
                say(f"the journal of a run at {self.read[1]} was removed or damaged; it was put back")
        return self.read[1] if self.unfinished else ""

    def _judge(self, step: str, holder: Seen, present: float) -> None:
        """End a holder that is alive and does nothing while users are on its release."""
        signs = (holder.pid, holder.start, step, _time_of(self.lock), _time_of(self.journal))
        if signs != self.signs:
            self.signs, self.alive = signs, present
        self.stopped = (self.stopped or present) if holder.stopped else None
        if step not in self.limits or holder.action in ("up", "down"):  # those take their time and move nobody
            return
        if self.stopped is not None and present - self.stopped >= STOPPED:
            self._end(holder, f"was stopped (state {holder.state}) for {STOPPED:g} s at the step {step}")
        elif present - self.alive >= self.limits[step]:
            self._end(holder, f"showed no sign of work for {self.limits[step]:g} s at the step {step}")

    def _end(self, holder: Seen, why: str) -> None:
        """Kill it; where it was the guardian's own worker, the next one tries again."""
        self.alive, self.stopped = time.monotonic(), None
        try:
            if not end(self.lock, holder):
                return
        except OSError as error:
            say(f"pid {holder.pid} {why} and cannot be ended: {error}")
            return
        say(f"pid {holder.pid} {why}, while users were on a release that is not confirmed: it was killed")
        if not self.worker.is_process(holder.pid):
            self.ended = f"its process (pid {holder.pid}) {why}; the guardian ended it"


def _time_of(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def say(text: str) -> None:
    """A line in its log, which is bounded; a full disk takes nothing but the line."""
    with contextlib.suppress(OSError, ValueError):
        if os.fstat(1).st_size > LOG_LIMIT:
            os.ftruncate(1, 0)
        os.write(1, f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {text}\n".encode(errors="replace"))


def guard(folder: Path, settings: Path, environment: str, patience: float) -> int:
    """Guard until told to stop, or until the environment's folder is gone; two never do."""
    with open(folder / "guardian.lock", "ab", opener=lambda path, flags: os.open(path, flags, 0o600)) as own:
        try:
            fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        with contextlib.suppress(OSError):
            os.ftruncate(own.fileno(), 0)
            os.write(own.fileno(), str(os.getpid()).encode())
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        text = ""
        with contextlib.suppress(OSError):
            text = settings.read_bytes().decode(errors="replace")
        module = "verdigris.guardian.process"
        command = [sys.executable, "-m", module, "--finish", str(folder), str(settings), environment]
        guardian = Guardian(folder, Worker(command, text), patience)
        say(f"guarding {environment}")
        while _is_there(folder / "guardian.lock", own.fileno()):
            try:
                pause = guardian.look()
            except Exception as error:  # noqa: BLE001 - whatever it is, it goes on looking
                say(f"{type(error).__name__}: {error}")
                pause = 1.0
            time.sleep(pause)
        guardian.worker.dismiss()
    return 0


def _is_there(path: Path, descriptor: int) -> bool:
    """Whether the file it holds is still the environment's; in a folder that was removed there is nothing to guard."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False


def main(words: list[str] | None = None) -> int:
    """``python -m verdigris.guardian.process``: guard, or with ``--finish`` be the worker."""
    parser = argparse.ArgumentParser(prog="python -m verdigris.guardian.process")
    parser.add_argument("--finish", action="store_true")
    parser.add_argument("--patience", type=float, default=120)
    parser.add_argument("folder", type=Path)
    parser.add_argument("settings", type=Path)
    parser.add_argument("environment")
    chosen = parser.parse_args(words)
    if chosen.finish:
        from verdigris.guardian.interrupted import work

        return work(chosen.settings, chosen.environment)
    return guard(chosen.folder, chosen.settings, chosen.environment, chosen.patience)


if __name__ == "__main__":
    sys.exit(main())
