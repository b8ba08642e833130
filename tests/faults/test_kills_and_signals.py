"""Faults 1 to 6, 30 to 33: the run is killed, told to stop, or meets another."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.faults.conftest import came_to, ended, journaled, users, wait_for_step
from tests.world import World
from verdigris.errors import ExitStatus
from verdigris.model import Outcome, Step


def _kill_at(world: World, step: str) -> None:
    process = world.start("release", "1.1.0")
    wait_for_step(world, step)
    process.kill()
    process.communicate()


def test_01_sigkill_before_the_switch_holds(live: World) -> None:
    """Killed while it verifies: users stay where they are, recover takes the candidate away."""
    with users(live) as traffic:
        _kill_at(live, "verify")
        assert live.command("recover").returncode == 0
        summary = traffic.stop()
    record = came_to(live, Outcome.HELD, ExitStatus.HELD_NOT_CONCLUSIVE, "1.0.0")
    assert record.candidate is not None
    assert live.controller().platform.standing(record.candidate) is None
    assert summary.passed, summary


def test_01_the_next_run_recovers(live: World) -> None:
    """Nobody ran recover: the next release does it first, and is confirmed."""
    _kill_at(live, "deploy")
    done = live.command("release", "1.1.0")
    assert done.returncode == 0, done.stdout
    assert "recovering" in done.stdout
    came_to(live, Outcome.CONFIRMED, ExitStatus.CONFIRMED, "1.1.0")


def test_02_sigkill_when_the_switch_was_sent_goes_back(live: World) -> None:
    """The switch stands in the world, its answer was never seen: recover reads the world and takes the users back."""
    import subprocess
    import sys

    here = Path(__file__).resolve().parents[2]
    driver = [sys.executable, "-m", "tests.crash.driver", "--at", "after write of users/routes.json"]
    with users(live) as traffic:
        assert live.release("1.1.0").outcome is Outcome.CONFIRMED
        done = subprocess.run([*driver, str(live.root), "release", "1.0.0"], cwd=here, check=False, timeout=90)
        assert done.returncode == -signal.SIGKILL
        assert live.live() == "1.0.0"
        assert journaled(live).step is Step.SWITCH
        assert live.command("recover").returncode == 0
        summary = traffic.stop()
    came_to(live, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, "1.1.0")
    assert summary.passed, summary


def test_03_sigkill_in_the_watch_never_counts_as_success(live: World) -> None:
    """Half a watch proves nothing: recover takes the users back and loses none of their requests."""
    with users(live) as traffic:
        _kill_at(live, "watch")
        assert live.live() == "1.1.0"
        assert live.command("recover").returncode == 0
        summary = traffic.stop()
    came_to(live, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, "1.0.0")
    assert summary.passed, summary


def test_04_sigkill_in_the_rollback_is_run_again(live: World) -> None:
    """Killed while it rolls back: recover ends the rollback, and a second recover has nothing to do."""
    live.version("2.0.0", "errors-with-users")
    process = live.start("release", "2.0.0")
    wait_for_step(live, "rollback")
    process.kill()
    process.communicate()
    assert live.command("recover").returncode == 0
    came_to(live, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, "1.0.0")
    again = live.command("recover")
    assert (again.returncode, again.stdout.strip()) == (0, "nothing was left to recover")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_05_a_signal_before_the_switch_holds(live: World, number: signal.Signals) -> None:
    """SIGTERM or SIGINT while it verifies: held, users untouched, the lock free, exit status 12."""
    with users(live) as traffic:
        process = live.start("release", "1.1.0")
        wait_for_step(live, "verify")
        process.send_signal(number)
        code, output = ended(process)
        summary = traffic.stop()
    assert code == ExitStatus.HELD_NOT_CONCLUSIVE, output
    assert number.name in output
    came_to(live, Outcome.HELD, ExitStatus.HELD_NOT_CONCLUSIVE, "1.0.0")
    assert live.controller().journal.holder() is None
    assert summary.passed, summary


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_05_a_signal_in_the_watch_rolls_back(live: World, number: signal.Signals) -> None:
    """After the switch a signal means: back. Exit status 13, and no user lost a request."""
    with users(live) as traffic:
        process = live.start("release", "1.1.0")
        wait_for_step(live, "watch")
        process.send_signal(number)
        code, output = ended(process)
        summary = traffic.stop()
    assert code == ExitStatus.ROLLED_BACK, output
    came_to(live, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, "1.0.0")
    assert summary.passed, summary


def test_05_a_signal_ends_pytest_candidate_and_takes_it_down(live: World) -> None:
    """pytest runs no teardown on SIGTERM by itself; under ``--candidate`` it does, and the candidate goes."""
    live.suite("smoke", "import time\ndef test_long(http):\n    http.get('/')\n    time.sleep(20)\n")
    import subprocess
    import sys

    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-m", "smoke", "--env", "local", "--candidate", "1.1.0"],
        cwd=live.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 30
    wait_for_step(live, "deploy")
    while time.monotonic() < deadline and live.controller().platform.answer(_idle(live)).status != 200:
        time.sleep(0.05)
    time.sleep(0.5)
    process.terminate()
    code, output = ended(process)
    assert code == 2, output
    assert live.controller().platform.standing(_idle(live)) is None
    assert journaled(live).finished
    assert live.live() == "1.0.0"


def _idle(world: World):  # type: ignore[no-untyped-def]
    from verdigris.flow.recovery import idle_color

    return idle_color(world.controller().platform.live())


def test_06_a_second_signal_does_not_break_what_the_first_began(live: World) -> None:
    """Ctrl-C twice: the second is kept, the end is as after one, and nothing is left to recover."""
    process = live.start("release", "1.1.0")
    wait_for_step(live, "watch")
    process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    code, output = ended(process)
    assert code == ExitStatus.ROLLED_BACK, output
    came_to(live, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, "1.0.0")


def test_06_a_signal_is_taken_where_the_starter_ignored_it(live: World) -> None:
    """``nohup`` and background jobs of a shell ignore SIGINT: the handlers are the run's own."""
    import subprocess
    import sys

    process = subprocess.Popen(
        [sys.executable, "-m", "verdigris", "release", "1.1.0"],
        cwd=live.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    wait_for_step(live, "verify")
    process.send_signal(signal.SIGINT)
    code, output = ended(process)
    assert code == ExitStatus.HELD_NOT_CONCLUSIVE, output
    came_to(live, Outcome.HELD, ExitStatus.HELD_NOT_CONCLUSIVE, "1.0.0")


def test_30_of_two_deployers_one_wins(live: World) -> None:
    """The second is refused before it touches anything, and is told who holds the environment."""
    first = live.start("release", "1.1.0")
    wait_for_step(live, "prepare", "deploy", "verify")
    before = (live.state / "audit.jsonl").exists()
    second = live.command("release", "1.0.0")
    assert second.returncode == ExitStatus.REFUSED
    assert f"pid {first.pid}" in second.stderr
    assert journaled(live).version == "1.1.0"
    assert (live.state / "audit.jsonl").exists() == before
    code, output = ended(first)
    assert code == 0, output
    came_to(live, Outcome.CONFIRMED, ExitStatus.CONFIRMED, "1.1.0")
    assert [path.name for path in (live.root / "reports").iterdir()] == [journaled(live).id]


def test_31_a_dead_holders_lock_is_taken_over_with_a_higher_generation(live: World) -> None:
    """The kernel lets go of a dead holder's lock; the next run takes a higher generation and recovers first."""
    process = live.start("release", "1.1.0")
    wait_for_step(live, "verify")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    generation = live.journal()["generation"]
    assert live.controller().journal.holder() is None
    assert live.release("1.1.0").outcome is Outcome.CONFIRMED
    assert live.journal()["generation"] > generation


def test_32_a_paused_holder_keeps_the_lock_and_goes_on_when_it_wakes(live: World) -> None:
    """A holder that sleeps is not dead: nobody takes over, so there is nothing it could destroy when it wakes."""
    process = live.start("release", "1.1.0")
    wait_for_step(live, "verify")
    os.kill(process.pid, signal.SIGSTOP)
    try:
        for words in (("release", "1.1.0"), ("recover",), ("rollback",)):
            assert live.command(*words).returncode == ExitStatus.REFUSED
    finally:
        os.kill(process.pid, signal.SIGCONT)
    code, output = ended(process)
    assert code == 0, output
    came_to(live, Outcome.CONFIRMED, ExitStatus.CONFIRMED, "1.1.0")


@pytest.mark.parametrize("hours", [-1, 1])
def test_33_a_jump_of_the_wall_clock_changes_no_deadline(
    live: World, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock jumps by an hour while it verifies: deadlines are monotonic, the release is confirmed in its time."""
    from verdigris.suites import execution

    real, shift = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + shift[0])
    watch = execution._watch

    def jumping(*values, **named):  # type: ignore[no-untyped-def]
        shift[0] = hours * 3600.0
        return watch(*values, **named)

    monkeypatch.setattr(execution, "_watch", jumping)
    began = time.monotonic()
    record = live.release("1.1.0")
    assert record.outcome is Outcome.CONFIRMED, record.objections
    assert shift[0]
    assert time.monotonic() - began < 60
