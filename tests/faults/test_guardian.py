"""The guardian: a run that died is finished at once, by nobody, and whoever acts is left in peace."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.crash.matrix import strays
from tests.faults.conftest import came_to, ended, journaled, remember_a_run, said, stand, users, wait_for_step
from tests.world import World
from verdigris.errors import ExitStatus
from verdigris.guardian.process import SILENT, STOPPED
from verdigris.model import Outcome, Record
from verdigris.platform.local import guarding
from verdigris.platform.local.process import marked

BACK = 2.0
"""Seconds after a death in which users must be back."""


@pytest.fixture
def guarded(make_world: Callable[..., World]) -> World:
    """A world with a guardian, in which 1.0.0 is live, 1.1.0 is good and a watch does not end by itself."""
    world = make_world(guardian=True, watch=60)
    world.version("1.0.0")
    world.version("1.1.0")
    return stand(world.up())


def until(condition: Callable[[], object], seconds: float) -> float:
    """Wait until it holds; how long that took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise AssertionError(f"not so within {seconds} s")
        time.sleep(0.01)
    return time.monotonic() - began


def watched(world: World, *words: str) -> "subprocess.Popen[str]":
    """A release whose watch began."""
    process = world.start("release", "1.1.0", *words)
    wait_for_step(world, "watch")
    return process


def guardian(world: World) -> psutil.Process:
    """The process."""
    return psutil.Process(int((world.state / "guardian.lock").read_text()))


def log(world: World) -> str:
    """What it logged."""
    return (world.state / "logs" / "guardian.log").read_text()


def free(world: World) -> bool:
    """Whether the run is finished, and nobody holds the environment."""
    return journaled(world).finished and world.controller().journal.holder() is None


def finished(world: World, outcome: Outcome, status: ExitStatus, live: str, seconds: float = 20) -> Record:
    """It is finished by itself, as it has to be, with one line in the audit log and nothing left over."""
    until(lambda: free(world), seconds)
    record = came_to(world, outcome, status, live)
    assert sum(line.release == record.id for line in world.controller().platform.audit.entries()) == 1
    until(lambda: not list(strays(world)), 10)
    return record


def test_03_users_are_back_within_two_seconds_of_a_kill_in_the_watch(guarded: World) -> None:
    """Nobody runs a command, and no user loses a request."""
    with users(guarded) as traffic:
        process = watched(guarded)
        assert guarded.live() == "1.1.0"
        process.kill()
        assert until(lambda: guarded.live() == "1.0.0", 20) < BACK
        finished(guarded, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, "1.0.0")
        process.communicate()
        summary = traffic.stop()
    assert summary.passed, summary
    again = guarded.command("recover")
    assert (again.returncode, again.stdout.strip()) == (0, "nothing was left to recover")


@pytest.mark.parametrize("text", [None, "{"], ids=["removed", "damaged"])
def test_a_journal_that_is_lost_before_its_run_dies_is_put_back(guarded: World, text: str | None) -> None:
    """Nobody but the guardian knows of the run then; what was damaged is kept for a look."""
    process, journal = watched(guarded), guarded.state / "journal.json"
    until(lambda: guardian(guarded).children(), 10)  # it has seen that a run is under way
    before = json.loads(journal.read_text())["generation"]
    if text is None:
        journal.unlink()
    else:
        journal.write_text(text)
    process.kill()
    process.communicate()
    until(lambda: guarded.live() == "1.0.0", 20)
    until(journal.exists, 5)
    finished(guarded, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, "1.0.0")
    assert guarded.journal()["generation"] == before + 1
    assert (guarded.state / "journal.json.damaged").exists() is (text is not None)
    assert "was removed or damaged; it was put back" in log(guarded)


def test_03_the_next_run_is_guarded_too(guarded: World) -> None:
    """Twice in a row, and the worker that did it is gone in between."""
    for _ in range(2):
        process = watched(guarded)
        process.kill()
        process.communicate()
        finished(guarded, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, "1.0.0")
        until(lambda: not guardian(guarded).children(), 10)


def test_01_a_kill_before_the_switch_is_finished_as_well(guarded: World) -> None:
    """The candidate is taken away, held; users never noticed."""
    process = guarded.start("release", "1.1.0")
    wait_for_step(guarded, "verify")
    process.kill()
    process.communicate()
    record = finished(guarded, Outcome.HELD, ExitStatus.HELD_NOT_CONCLUSIVE, "1.0.0")
    assert record.candidate is not None
    assert guarded.controller().platform.standing(record.candidate) is None


def test_a_command_that_gives_up_its_lock_with_work_left_counts_as_dead(guarded: World) -> None:
    """It may have crashed with a traceback: what counts is the journal and the lock, not how the process ended."""
    process = watched(guarded)
    process.kill()
    process.communicate()
    finished(guarded, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, "1.0.0")
    journal = guarded.controller().journal
    with journal.lock("release of 1.1.0"):
        record = journaled(guarded)
        journal.write_record(record.with_changes(step=record.timeline[0].step, outcome=None, exit_status=None))
        lines = log(guarded)
        until(lambda: len(guardian(guarded).children()) == 1, 10)  # it is ready, and waits for the lock
        time.sleep(0.3)
        assert "was left at" not in log(guarded)[len(lines) :]
    until(lambda: free(guarded), 20)
    assert "was left at prepare" in log(guarded)[len(lines) :]


def test_a_holder_that_is_stopped_in_the_watch_is_ended(guarded: World) -> None:
    """Ctrl-Z, a debugger: nobody watches, so it is killed, and the record says why."""
    process = watched(guarded)
    process.send_signal(signal.SIGSTOP)
    until(lambda: guarded.live() == "1.0.0", STOPPED + 10)
    record = finished(guarded, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, "1.0.0")
    assert process.wait(10) == -signal.SIGKILL
    process.communicate()
    assert f"(pid {process.pid}) was stopped (state T) for 3 s" in said(record)
    assert "was stopped" in guarded.controller().platform.audit.entries()[-1].reason


def test_a_holder_that_hangs_in_the_watch_is_ended(guarded: World) -> None:
    """It lives, and looks at nothing any more: killed like one that is stopped, only later."""
    hangs = (
        "import sys; from verdigris import cli; from verdigris.watch import monitor; monitor.TICK = 3600;"
        "cli.main(sys.argv[1:])"
    )
    words = [sys.executable, "-c", hangs, "release", "1.1.0"]
    process = subprocess.Popen(words, cwd=guarded.root, stdout=subprocess.DEVNULL)
    wait_for_step(guarded, "watch")
    until(lambda: guarded.live() == "1.0.0", SILENT + 10)
    record = finished(guarded, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, "1.0.0")
    assert process.wait(10) == -signal.SIGKILL
    assert f"(pid {process.pid}) showed no sign of work for 20 s at the step watch" in said(record)


def test_a_holder_that_is_stopped_before_the_switch_is_left_alone(guarded: World) -> None:
    """Users are on a release that was verified; when it wakes it goes on."""
    process = guarded.start("release", "1.1.0")
    wait_for_step(guarded, "verify")
    process.send_signal(signal.SIGSTOP)
    time.sleep(STOPPED + 1)
    assert process.poll() is None
    process.send_signal(signal.SIGCONT)
    wait_for_step(guarded, "watch")
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == ExitStatus.ROLLED_BACK


@pytest.mark.parametrize("spoiled", ["", "application = 7\n", "[environments.dev]\nplatform = 'none'\n"])
def test_settings_that_were_spoiled_in_the_watch_do_not_keep_users_there(guarded: World, spoiled: str) -> None:
    """What counts is how they were when the run began."""
    process = watched(guarded)
    (guarded.root / "environments.toml").rename(guarded.root / "good.toml")
    (guarded.root / "environments.toml").write_text(spoiled)
    process.kill()
    process.communicate()
    good = guarded.root / "good.toml"
    until(lambda: _finished_on_disk(guarded), 20)
    good.rename(guarded.root / "environments.toml")
    finished(guarded, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, "1.0.0")


def _finished_on_disk(world: World) -> bool:
    return bool(world.journal()["record"]["step"] == "done")


def test_its_worker_that_dies_is_replaced(guarded: World) -> None:
    """With settings that nobody can read any more, too: those of its own beginning have to do."""
    process = watched(guarded)
    until(lambda: guardian(guarded).children(), 10)
    good = (guarded.root / "environments.toml").read_text()
    (guarded.root / "environments.toml").unlink()
    for child in guardian(guarded).children():
        child.kill()
    process.kill()
    process.communicate()
    until(lambda: _finished_on_disk(guarded), 20)
    (guarded.root / "environments.toml").write_text(good)
    finished(guarded, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, "1.0.0")


def test_a_recovery_that_fails_is_tried_again(guarded: World) -> None:
    """The journal cannot be written for a while: once it can be, the run is finished."""
    process = watched(guarded)
    journal = guarded.state / "journal.json"
    hindrance = guarded.state / ".journal.json.part"
    hindrance.mkdir()
    try:
        process.kill()
        process.communicate()
        until(lambda: "cannot be written" in log(guarded), 20)
        assert not _finished_on_disk(guarded)
    finally:
        hindrance.rmdir()
    assert journal.exists()
    finished(guarded, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, "1.0.0", seconds=40)


def test_a_run_that_ends_by_itself_is_none_of_its_business(guarded: World) -> None:
    """Its worker was ready, did nothing, and is gone; the guardian is as small as before."""
    process = watched(guarded)
    until(lambda: guardian(guarded).children(), 10)
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == ExitStatus.ROLLED_BACK
    until(lambda: not guardian(guarded).children(), 10)
    assert "was left at" not in log(guarded)
    assert guardian(guarded).memory_info().rss < 40_000_000


def test_a_guardian_that_died_is_missed_and_comes_back_with_the_next_command(guarded: World) -> None:
    """``status`` says so; ``release``, like every command that acts, starts it again."""
    first = guardian(guarded)
    first.kill()
    until(lambda: not first.is_running() or first.status() == psutil.STATUS_ZOMBIE, 10)
    remember_a_run(guarded)
    status = guarded.command("status", "--exit-code")
    assert "the guardian does not run, so nobody finishes a run that dies: run 'verdigris up'" in status.stdout
    assert status.returncode == ExitStatus.HELD_FAILED
    process = watched(guarded)
    assert guardian(guarded).pid != first.pid
    process.kill()
    process.communicate()
    finished(guarded, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, "1.0.0")
    assert guarded.command("status", "--exit-code").returncode == 0


@pytest.mark.parametrize("verb", ["up", "recover", "rollback"])
def test_every_command_that_acts_starts_it_again(guarded: World, verb: str) -> None:
    """Whatever else the command comes to."""
    first = guardian(guarded)
    first.kill()
    guarded.command(verb)
    assert guardian(guarded).pid != first.pid
    assert guarding.problem(guarded.controller().platform) is None  # type: ignore[arg-type]


def test_two_guardians_never_guard(guarded: World) -> None:
    """A second one ends at once, by the first one's lock."""
    first = guardian(guarded)
    second = subprocess.run(first.cmdline(), cwd=first.cwd(), timeout=20, check=False, capture_output=True)
    assert second.returncode == 0
    assert first.is_running()
    assert guardian(guarded).pid == first.pid


def test_up_starts_no_second_one_and_down_leaves_none(guarded: World) -> None:
    """It belongs to the environment like its router, and goes with it; nothing is left over."""
    first = guardian(guarded)
    assert guarded.command("up").stdout == "local is up already\n"
    assert guardian(guarded).pid == first.pid
    platform = guarded.controller().platform
    done = guarded.command("down")
    assert done.stdout.startswith("stopped: guardian"), done.stdout
    assert not marked(f"{platform.mark}:guardian")  # type: ignore[attr-defined]
    assert guarded.command("release", "1.1.0").returncode == ExitStatus.REFUSED
    assert not marked(f"{platform.mark}:guardian")  # type: ignore[attr-defined]


def test_up_stops_it_if_the_settings_want_none(guarded: World) -> None:
    """Then nobody misses it either."""
    path = guarded.root / "environments.toml"
    path.write_text(path.read_text().replace("guardian = true", "guardian = false"))
    guarded.command("up")
    platform = guarded.controller().platform
    assert not marked(f"{platform.mark}:guardian")  # type: ignore[attr-defined]
    assert platform.problems() == []


def test_it_ends_with_its_folder(guarded: World, tmp_path: Path) -> None:
    """Somebody removed the environment's state by hand: nothing is left to guard."""
    process = guardian(guarded)
    aside = tmp_path / "aside"
    shutil.move(guarded.state, aside)
    try:
        until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, 10)
    finally:
        shutil.move(aside, guarded.state)


def test_an_up_that_takes_its_time_is_not_taken_for_a_run_that_hangs(guarded: World) -> None:
    """After a reboot ``up`` holds the lock over a watch that was interrupted; the guardian waits for it."""
    process = watched(guarded)
    os.kill(guardian(guarded).pid, signal.SIGKILL)
    process.kill()
    process.communicate()
    holder = guarded.start("up")
    with guarded.controller().journal.lock("up"):
        holder.wait(30)  # refused: it is held
        holder.communicate()
        platform = guarded.controller().platform
        guarding.start(platform)  # type: ignore[arg-type]
        until(lambda: guardian(guarded).children(), 10)
        time.sleep(STOPPED + 1)
        assert guarded.live() == "1.1.0"
    finished(guarded, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, "1.0.0")


def test_a_number_that_went_to_another_process_is_no_holder(guarded: World) -> None:
    """The lock's file names a dead run, and its pid is somebody else's since: the run is finished all the same."""
    process = watched(guarded)
    process.kill()
    process.communicate()
    finished(guarded, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, "1.0.0")
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        journal = guarded.controller().journal
        named = {"pid": stranger.pid, "actor": "x", "action": "release of 1.1.0", "since": "2026-01-01T00:00:00Z"}
        (guarded.state / "lock").write_text(json.dumps(named))
        record = journaled(guarded)
        journal.write_record(record.with_changes(step=record.timeline[0].step, outcome=None, exit_status=None))
        until(lambda: free(guarded), 20)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
