"""What ``status`` says after a trouble: the alarm first, and nothing that calms anybody without a reason."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.conftest import ended, remember_a_run, stand, wait_for_step
from tests.world import World
from verdigris.errors import ExitStatus


@pytest.fixture
def live(make_world: Callable[..., World]) -> World:
    """A world without a guardian, in which 1.0.0 was released and 1.1.0 is good; a watch takes 3 s."""
    world = make_world(watch=3)
    world.version("1.0.0")
    world.version("1.1.0")
    stand(world.up())
    return world


def status(world: World) -> tuple[int, list[str], dict[str, Any]]:
    """The exit status for scripts, the lines for persons, and the document."""
    words, document = world.command("status", "--exit-code"), world.command("status", "--json", "--exit-code")
    assert words.returncode == document.returncode
    assert "Traceback" not in words.stderr + document.stderr
    return words.returncode, words.stdout.splitlines(), json.loads(document.stdout)


def line(lines: list[str], key: str) -> str:
    """What is said under a key."""
    return next(text.removeprefix(key).strip() for text in lines if text.startswith(f"{key} "))


def killed_at(world: World, step: str, how: signal.Signals = signal.SIGKILL) -> "subprocess.Popen[str]":
    """A release of 1.1.0 that got a signal at a step."""
    process = world.start("release", "1.1.0")
    wait_for_step(world, step)
    process.send_signal(how)
    if how is signal.SIGKILL:
        process.communicate()
    return process


def test_a_release_that_nobody_watches_is_the_first_line(live: World) -> None:
    """Since when, and the command that ends it; after it everything is as it was, and said so."""
    killed_at(live, "watch")
    moved = next(one["at"] for one in live.journal()["record"]["timeline"] if one["step"] == "switch")
    code, lines, content = status(live)
    assert code == ExitStatus.PERSON_NEEDED
    said = "users are on green 1.1.0, a release that nobody watches: its release died at the step watch"
    assert lines[0] == f"{said}, since {moved}; run: verdigris recover --env local"
    assert content["alarm"] == {"text": said, "since": moved, "command": "verdigris recover --env local"}
    assert content["problems"][0] == lines[0]
    assert live.command("recover").returncode == 0
    code, lines, content = status(live)
    assert code == 0
    assert "alarm" not in content
    assert lines[0].startswith("environment")
    assert line(lines, "green").startswith("1.1.0, running, verified, then rolled back by its watch: the run died")
    assert content["green"]["rolled_back"].startswith("by its watch: the run died at watch")
    assert "rolled_back" not in content["blue"]


def test_the_first_line_is_red_on_a_terminal(live: World) -> None:
    """And plain text in a file."""
    killed_at(live, "watch")
    terminal, theirs = pty.openpty()
    words = [sys.executable, "-m", "verdigris", "status"]
    done = subprocess.run(words, cwd=live.root, stdout=theirs, timeout=60, check=False)
    shown = os.read(terminal, 4096).decode()
    assert done.returncode == 0
    assert shown.startswith("\x1b[31m\x1b[1musers are on green 1.1.0"), shown
    assert "\x1b" not in live.command("status").stdout


def test_a_stopped_holder_watches_nothing(live: World) -> None:
    """It is alive, and the alarm is raised all the same."""
    process = killed_at(live, "watch", signal.SIGSTOP)
    try:
        code, lines, content = status(live)
        assert code == ExitStatus.PERSON_NEEDED
        assert f"its release is stopped at the step watch (pid {process.pid})" in lines[0]
        assert content["alarm"]["command"] == f"kill -KILL {process.pid}; verdigris recover --env local"
        assert f"(pid {process.pid}, stopped, since" in line(lines, "now")
    finally:
        process.send_signal(signal.SIGCONT)
        process.communicate(timeout=60)


def test_a_run_that_died_before_the_switch_is_a_problem_and_no_alarm(live: World) -> None:
    """Users never met it: exit status 10, and what to do."""
    killed_at(live, "verify")
    code, lines, content = status(live)
    assert code == ExitStatus.HELD_FAILED
    assert "alarm" not in content
    assert line(lines, "problems") == "a release of 1.1.0 died at verify; run: verdigris recover --env local"


def test_the_last_release_is_the_last_finished_one_while_another_runs(make_world: Callable[..., World]) -> None:
    """And a release on its way is no problem."""
    world = make_world(watch=60)
    world.version("1.0.0")
    world.version("1.1.0")
    stand(world.up())
    assert ended(killed_at(world, "watch", signal.SIGTERM))[0] == ExitStatus.ROLLED_BACK
    first = world.journal()["record"]["id"]
    process = world.start("release", "1.1.0")
    wait_for_step(world, "watch")
    code, lines, content = status(world)
    assert code == 0
    assert content["last"] == {"id": first, "action": "release", "outcome": "rolled back", "exit_status": 13}
    assert line(lines, "last") == f"release {first}: rolled back (exit 13)"
    assert "release of 1.1.0 by" in line(lines, "now")
    assert "rolled back" not in line(lines, "green")
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == ExitStatus.ROLLED_BACK


def test_a_release_that_its_watch_took_back_says_so_until_it_is_confirmed(live: World) -> None:
    """With the watch's reason."""
    live.version("2.0.0", "errors-with-users")
    assert live.command("release", "2.0.0").returncode == ExitStatus.ROLLED_BACK
    _, lines, _ = status(live)
    assert "2.0.0, running, verified, then rolled back by its watch: " in line(lines, "green")
    assert "blue 1.0.0" in line(lines, "live")
    live.version("2.0.0")
    assert live.command("release", "2.0.0").returncode == 0
    assert "rolled back" not in "\n".join(status(live)[1])


def test_a_release_that_a_person_took_back_says_so(live: World) -> None:
    """With the person's reason."""
    assert live.command("release", "1.1.0").returncode == 0
    assert live.command("rollback", "--reason", "the colors are ugly").returncode == 0
    _, lines, content = status(live)
    assert "verified, then rolled back on request: the colors are ugly" in line(lines, "green")
    assert content["last"]["action"] == "rollback"


def test_a_person_who_is_needed_is_called_in_the_first_line(make_world: Callable[..., World]) -> None:
    """A first release that its watch objects to has nothing to go back to: users are on it, and it is said."""
    world = make_world()
    world.version("2.0.0", "errors-with-users")
    world.up()
    assert world.command("release", "2.0.0").returncode == ExitStatus.PERSON_NEEDED
    code, lines, content = status(world)
    assert code == ExitStatus.PERSON_NEEDED
    assert lines[0].startswith("a person is needed: users are on blue 2.0.0, which was not confirmed: ")
    assert "run: verdigris verify --env local" in lines[0]
    assert content["alarm"]["text"] in content["problems"][0]


@pytest.mark.parametrize("what", ["removed", "torn", "part"])
def test_a_journal_that_is_lost_or_cannot_be_written_is_the_first_line(live: World, what: str) -> None:
    """Users are on 1.0.0, no guardian runs, and nobody could say what they are on, or finish what comes next."""
    journal, part = live.state / "journal.json", live.state / ".journal.json.part"
    remember_a_run(live)
    kept = journal.read_text()
    if what == "part":
        part.mkdir()
    elif what == "torn":
        journal.write_text(kept[:100])
    else:
        journal.unlink()
    code, lines, content = status(live)
    assert code == ExitStatus.PERSON_NEEDED
    assert lines[0].startswith("users are on blue 1.0.0, and nothing")
    assert content["live"]["version"] == "1.0.0"
    if what == "part":
        part.rmdir()
    else:
        journal.write_text(kept)
    assert status(live)[0] == 0


def test_a_release_whose_end_cannot_be_journaled_says_so(live: World) -> None:
    """A folder is in the way from the watch on: users are back, and the run, its report and ``status`` say the rest."""
    process, part = live.start("release", "1.1.0"), live.state / ".journal.json.part"
    wait_for_step(live, "watch")
    part.mkdir()
    process.send_signal(signal.SIGTERM)
    code, output = ended(process)
    assert code == ExitStatus.ROLLED_BACK, output
    assert "the journal cannot be written, and it still says that this run stands at the step watch" in output
    assert live.live() == "1.0.0"
    code, lines, _ = status(live)
    assert code == ExitStatus.PERSON_NEEDED
    assert "the release of 1.1.0 did not end, as far as it says, at the step watch" in lines[0]
    part.rmdir()
    assert live.command("recover").returncode == 0
    assert status(live)[0] == 0
