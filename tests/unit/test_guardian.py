"""When the guardian ends a holder, and when it leaves it in peace: real processes, and a worker that only notes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.made import record
from verdigris.guardian import process as guardian_module
from verdigris.guardian.process import Guardian, Worker
from verdigris.model import Step
from verdigris.state.journal import Journal, JournalFile
from verdigris.state.lock_holder import end, holder_of

HOLD = """
import sys
from pathlib import Path
from verdigris.state.journal import JournalFile
with JournalFile(Path(sys.argv[1])).lock(sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""
NOTE = """
import sys
for line in sys.stdin:
    with open(sys.argv[1], "a") as file:
        file.write(line)
    if "why" in line:
        print("done", flush=True)
"""


class Stage:
    """A folder with a lock and a journal, holders, and a guardian that is made to look."""

    def __init__(self, folder: Path) -> None:
        self.file = JournalFile(folder)
        self.notes = folder / "notes"
        self.guardian = Guardian(folder, Worker([sys.executable, "-c", NOTE, str(self.notes)], "text"), 1.0)
        self.started: list[subprocess.Popen[str]] = []

    def at(self, step: Step) -> None:
        """The journal stands at a step."""
        self.file.write(Journal(record=record("1.1.0").at(step, "x")))

    def hold(self, action: str = "release of 1.1.0") -> "subprocess.Popen[str]":
        """A process that holds the lock and does nothing else."""
        words = [sys.executable, "-c", HOLD, str(self.file.folder), action]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    def look(self, seconds: float) -> None:
        """Look again and again."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(min(self.guardian.look(), 0.05))

    def asked(self) -> list[str]:
        """Why the worker was asked to finish, each time."""
        lines = [json.loads(line) for line in self.notes.read_text().splitlines()] if self.notes.exists() else []
        return [line["why"] for line in lines if "why" in line]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A stage on which a holder may be stopped for half a second, and a watch may be silent for one."""
    monkeypatch.setattr(guardian_module, "STOPPED", 0.5)
    monkeypatch.setattr(guardian_module, "SILENT", 1.0)
    made = Stage(tmp_path / "local")
    yield made
    made.guardian.worker.dismiss()
    for process in made.started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("step", [step for step in Step if step is not Step.DONE])
def test_a_run_that_is_left_is_finished_at_any_step(stage: Stage, step: Step) -> None:
    """Nobody holds the lock: the worker is asked, and no reason is given, for it died by itself."""
    stage.at(step)
    stage.look(0.5)
    assert stage.asked()
    assert set(stage.asked()) == {""}


def test_a_finished_run_is_nothing(stage: Stage) -> None:
    """No worker is started for it."""
    stage.at(Step.DONE)
    stage.look(0.5)
    assert stage.guardian.worker.process is None
    assert stage.asked() == []


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"record": 7}', '{"record": {}}', "[" * 100_000])
def test_a_journal_that_cannot_be_read_is_not_acted_on(stage: Stage, text: str) -> None:
    """A command says what is wrong with it; the guardian goes on looking."""
    stage.file.folder.mkdir()
    stage.file.path.write_text(text)
    stage.look(0.3)
    assert stage.asked() == []


@pytest.mark.parametrize("step", [Step.SWITCH, Step.WATCH, Step.ROLLBACK])
def test_a_holder_that_shows_no_work_is_ended(stage: Stage, step: Step) -> None:
    """It neither writes the journal nor touches the lock, while users may be on its release."""
    process = stage.hold()
    stage.at(step)
    stage.look(0.7)
    assert process.poll() is None
    stage.look(1.5)
    assert process.poll() == -signal.SIGKILL
    assert f"(pid {process.pid}) showed no sign of work for 1 s at the step {step}" in stage.asked()[0]


@pytest.mark.parametrize("step", [Step.PREPARE, Step.MIGRATE, Step.DEPLOY, Step.VERIFY, Step.SETTLE])
def test_a_holder_may_take_its_time_where_users_are_safe(stage: Stage, step: Step) -> None:
    """A build, a suite, a drain may last long, or be stopped: nobody is on a release that is not proven."""
    process = stage.hold()
    stage.at(step)
    stage.look(1.3)
    process.send_signal(signal.SIGSTOP)
    stage.look(1.0)
    assert process.poll() is None
    assert stage.asked() == []


@pytest.mark.parametrize("action", ["up", "down"])
def test_who_moves_nobody_is_never_ended(stage: Stage, action: str) -> None:
    """``up`` stands colors up again over a watch that was interrupted, for as long as that takes."""
    process = stage.hold(action)
    stage.at(Step.WATCH)
    stage.look(1.5)
    assert process.poll() is None


def test_a_watch_that_beats_is_never_ended(stage: Stage) -> None:
    """The time of the lock's file says that it goes on."""
    process = stage.hold()
    stage.at(Step.WATCH)
    for _ in range(6):
        stage.look(0.4)
        stage.file.beat()
    assert process.poll() is None


def test_a_short_stop_is_nothing_and_a_long_one_is_the_end(stage: Stage) -> None:
    """Stops are not added up."""
    process = stage.hold()
    stage.at(Step.WATCH)
    for _ in range(4):
        process.send_signal(signal.SIGSTOP)
        stage.look(0.25)
        process.send_signal(signal.SIGCONT)
        stage.look(0.1)
        stage.file.beat()
    assert process.poll() is None
    process.send_signal(signal.SIGSTOP)
    stage.look(0.9)
    assert process.poll() == -signal.SIGKILL
    assert "was stopped (state T) for 0.5 s" in stage.asked()[0]


def test_a_pause_of_the_guardian_itself_is_nobodys_fault(stage: Stage) -> None:
    """A machine that slept: holder and guardian wake together, and the holder is given its time."""
    process = stage.hold()
    stage.at(Step.WATCH)
    stage.look(0.2)
    time.sleep(1.5)
    stage.look(0.2)
    assert process.poll() is None


def test_a_worker_that_fails_is_asked_again_less_and_less_often(stage: Stage) -> None:
    """The time between two attempts grows, and there is always another one."""
    stage.guardian.worker.command = [sys.executable, "-S", "-c", "import sys; sys.exit(1)"]
    stage.at(Step.WATCH)
    stage.look(1.5)
    grown = stage.guardian.pause
    assert grown > guardian_module.SHORTEST
    stage.guardian.pause = guardian_module.LONGEST
    stage.guardian.not_before = 0.0
    stage.look(0.5)
    assert stage.guardian.pause == guardian_module.LONGEST


def test_a_holder_is_seen_without_its_lock_being_touched(stage: Stage) -> None:
    """What it does stands in the file; that it has it open, the kernel says."""
    process = stage.hold("release of 1.1.0")
    seen = holder_of(stage.file.folder / "lock")
    assert seen is not None
    assert (seen.pid, seen.action, seen.stopped) == (process.pid, "release of 1.1.0", False)
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
    holder = stage.file.holder()
    assert holder is not None
    assert holder.stopped
    assert f"(pid {process.pid}, stopped, since" in str(holder)


def test_only_who_has_the_lock_is_ended(stage: Stage) -> None:
    """A process of the same number that started at another time is not: its name was given away."""
    process = stage.hold()
    lock = stage.file.folder / "lock"
    seen = holder_of(lock)
    assert seen is not None
    assert not end(lock, seen._replace(start="1"))
    assert process.poll() is None
    assert end(lock, seen)
    assert process.wait(5) == -signal.SIGKILL
    assert holder_of(lock) is None


def test_who_has_the_file_open_without_the_lock_is_not_ended(stage: Stage) -> None:
    """A reader whose number stands in the file by accident."""
    stage.file.folder.mkdir()
    lock = stage.file.folder / "lock"
    with lock.open("w+") as file:
        file.write(json.dumps({"pid": os.getpid(), "action": "x"}))
        file.flush()
        seen = holder_of(lock)
        assert seen is not None
        assert not end(lock, seen)


def test_a_command_waits_for_a_guardian_that_finishes_a_run(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next release is not refused because the last one is being cleaned up."""
    monkeypatch.setenv("VERDIGRIS_ACTOR", "guardian")
    process = stage.hold("recover")
    assert process.stdin is not None
    waiting = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(stage.file.folder), "release of 1.1.0"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "VERDIGRIS_ACTOR": "a person"},
    )
    stage.started.append(waiting)
    time.sleep(1)
    assert waiting.poll() is None
    process.communicate("")
    assert waiting.stdout is not None
    assert waiting.stdout.readline() == "held\n"
