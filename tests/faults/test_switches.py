"""Faults 34 to 39 and 42: the switch, the watch and the way back."""

import json
import os
import shutil
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.conftest import amend, came_to, ended, kill_color, said, users, wait_for_step
from tests.world import World
from verdigris.errors import ExitStatus
from verdigris.model import Color, Outcome


@pytest.mark.parametrize("number", ["34", "35"])
def test_34_35_a_switch_that_is_not_observed_is_taken_back(live: World, number: str) -> None:
    """The route is written and the router does not follow: not complete within its time, so the users go back."""
    amend(live, "drain_seconds = 5", "drain_seconds = 5\nswitch_seconds = 1")
    folder = live.state / "router" / "users"
    with users(live) as traffic:
        process = live.start("release", "1.1.0")
        wait_for_step(live, "verify")
        folder.rename(folder.with_name("users.watched"))  # the router goes on watching that one
        shutil.copytree(folder.with_name("users.watched"), folder)
        code, output = ended(process)
        summary = traffic.stop()
    assert code == ExitStatus.ROLLED_BACK, output
    record = came_to(live, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, "1.0.0")
    assert "the switch was not observed" in said(record)
    assert summary.passed, summary
    assert not any("1.1.0" in who for who in summary.identities)


def test_34_where_the_way_back_is_not_observed_either_a_person_is_called(live: World) -> None:
    """The router answers nobody: neither the switch nor the way back can be seen: never a success."""
    amend(live, "drain_seconds = 5", "drain_seconds = 5\nswitch_seconds = 1")
    router = json.loads((live.state / "router" / "process.json").read_text())["pid"]
    process = live.start("release", "1.1.0")
    wait_for_step(live, "switch")
    os.kill(router, signal.SIGSTOP)
    try:
        code, output = ended(process, 90)
    finally:
        os.kill(router, signal.SIGCONT)
    assert code == ExitStatus.PERSON_NEEDED, output


def test_a_router_that_dies_in_the_watch_is_started_for_the_way_back(live_world: Callable[..., World]) -> None:
    """Without it nobody is served, and no color can be asked: users are back on 1.0.0 without a person."""
    world = live_world(watch=60)
    router = json.loads((world.state / "router" / "process.json").read_text())["pid"]
    process = world.start("release", "1.1.0")
    wait_for_step(world, "watch")
    os.kill(router, signal.SIGKILL)
    code, output = ended(process, 60)
    assert code == ExitStatus.ROLLED_BACK, output
    came_to(world, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, "1.0.0")
    assert not world.controller().platform.problems()
    assert world.controller().platform.answer(None).status == 200


class Held(threading.Thread):
    """One user with one request that is open until it is let go."""

    def __init__(self, world: World) -> None:
        super().__init__(daemon=True)
        self.url = f"{world.controller().platform.users().url}/hold"
        self.file = world.root / "versions" / "held"
        self.answer = ""

    def run(self) -> None:
        with urllib.request.urlopen(self.url, timeout=120) as answer:
            self.answer = f"{answer.status} {answer.headers['x-release']}"

    def let_go(self) -> None:
        self.file.unlink()
        self.join(10)


def _release_over_an_open_request(world: World, drain: float) -> "tuple[Held, subprocess.Popen[str]]":
    amend(world, "rollback_window = 600", "rollback_window = 0")
    amend(world, "drain_seconds = 5", f"drain_seconds = {drain}")
    held = Held(world)
    process = world.start("release", "1.1.0")
    wait_for_step(world, "verify")
    held.start()
    wait_for_step(world, "settle", "done")
    return held, process


def test_36_a_request_that_is_open_on_the_old_color_is_drained_by_count(live: World) -> None:
    """It began before the switch and ends after the watch: the old color is retired when it ended, and not before."""
    held, process = _release_over_an_open_request(live, 60)
    time.sleep(1)
    assert live.controller().platform.standing(Color.BLUE) is not None
    assert process.poll() is None
    held.let_go()
    code, output = ended(process)
    assert code == 0, output
    assert held.answer.startswith("200 color=blue;version=1.0.0"), held.answer
    record = came_to(live, Outcome.CONFIRMED, ExitStatus.CONFIRMED, "1.1.0")
    assert record.notes["old color"] == "blue drained and retired"
    assert live.controller().platform.standing(Color.BLUE) is None


def test_36_a_request_that_outlasts_the_drain_keeps_the_old_color(live: World) -> None:
    """The time to drain is over and a request is open: the old color stays, and the request is answered."""
    held, process = _release_over_an_open_request(live, 0.3)
    code, output = ended(process)
    held.let_go()
    assert code == 0, output
    assert held.answer.startswith("200 color=blue;version=1.0.0"), held.answer
    record = came_to(live, Outcome.CONFIRMED, ExitStatus.CONFIRMED, "1.1.0")
    assert "1 requests were still open on blue" in record.notes["draining"]
    assert live.controller().platform.standing(Color.BLUE) is not None


def _signal_in_the_watch(world: World, before: Callable[[], object]) -> tuple[int, str]:
    """A release that is told to stop in its watch, after something was done."""
    process = world.start("release", "1.1.0")
    wait_for_step(world, "watch")
    before()
    process.send_signal(signal.SIGTERM)
    return ended(process, 90)


@pytest.fixture
def watched(live_world: Callable[..., World]) -> World:
    """A world whose watch lasts."""
    return amend(live_world(watch=20), "drain_seconds = 5", "drain_seconds = 5\nswitch_seconds = 2")


def _part(world: World) -> Path:
    """The file that a route is written to before it is renamed; a folder of its name is in the way."""
    return world.state / "router" / "users" / ".routes.json.part"


def _block(world: World) -> None:
    """No route can be written, and the one that was prepared is gone."""
    _part(world).mkdir()
    shutil.rmtree(world.state / "router" / "ways")


def test_37_a_rollback_that_cannot_be_written_calls_a_person(watched: World) -> None:
    """The way back cannot be written until its time is over: exit status 15, and users are served where they are."""
    with users(watched) as traffic:
        code, output = _signal_in_the_watch(watched, lambda: _block(watched))
        summary = traffic.stop()
    assert code == ExitStatus.PERSON_NEEDED, output
    record = came_to(watched, Outcome.PERSON_NEEDED, ExitStatus.PERSON_NEEDED, "1.1.0")
    assert "the rollback failed" in said(record)
    assert summary.passed, summary
    for words in (("release", "1.0.0"), ("plan", "1.0.0"), ("down",)):
        done = watched.command(*words)
        assert done.returncode == ExitStatus.REFUSED, done.stderr
        assert "run 'verdigris recover --env local'" in done.stdout + done.stderr
    assert watched.command("status", "--exit-code").returncode == ExitStatus.PERSON_NEEDED
    _part(watched).rmdir()
    assert watched.command("recover").returncode == ExitStatus.CONFIRMED
    assert watched.command("status", "--exit-code").returncode == ExitStatus.CONFIRMED
    came_to(watched, Outcome.ROLLED_BACK, ExitStatus.CONFIRMED, "1.0.0")


def test_37_a_rollback_that_cannot_be_written_at_first_is_tried_again(watched: World) -> None:
    """What stood in the way is gone after a moment: rolled back."""

    def block() -> None:
        _block(watched)
        threading.Timer(1.0, _part(watched).rmdir).start()

    code, output = _signal_in_the_watch(watched, block)
    assert code == ExitStatus.ROLLED_BACK, output
    came_to(watched, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, "1.0.0")


def test_69_a_rollback_needs_no_room_for_a_route(watched: World) -> None:
    """The route back was written before the switch; where none can be written any more, it is renamed into place."""
    with users(watched) as traffic:
        code, output = _signal_in_the_watch(watched, _part(watched).mkdir)
        summary = traffic.stop()
    assert code == ExitStatus.ROLLED_BACK, output
    came_to(watched, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, "1.0.0")
    assert summary.passed, summary


def test_38_an_old_color_that_is_dead_is_restored_before_users_go_back(watched: World) -> None:
    """It is started again, proven to answer as itself, and only then the users move: none of them loses a request."""
    with users(watched) as traffic:
        code, output = _signal_in_the_watch(watched, lambda: kill_color(watched, "1.0.0"))
        time.sleep(0.3)
        summary = traffic.stop()
    assert code == ExitStatus.ROLLED_BACK, output
    came_to(watched, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, "1.0.0")
    assert summary.passed, summary


def test_39_where_the_old_color_cannot_serve_either_users_stay(watched: World) -> None:
    """It is dead and does not start any more: users stay on the better color, and a person is called."""

    def ruin() -> None:
        watched.version("1.0.0", "exits-at-once")
        kill_color(watched, "1.0.0")

    with users(watched) as traffic:
        code, output = _signal_in_the_watch(watched, ruin)
        summary = traffic.stop()
    assert code == ExitStatus.PERSON_NEEDED, output
    came_to(watched, Outcome.PERSON_NEEDED, ExitStatus.PERSON_NEEDED, "1.1.0")
    assert summary.passed, summary


def test_42_a_person_who_moves_users_in_the_watch_is_not_fought(watched: World) -> None:
    """Somebody sends the users back by hand: they are where they belong, and the release ends as rolled back."""
    platform = watched.controller().platform
    process = watched.start("release", "1.1.0")
    wait_for_step(watched, "watch")
    platform.switch(Color.BLUE, platform.live(), 99)
    code, output = ended(process, 90)
    assert code == ExitStatus.ROLLED_BACK, output
    came_to(watched, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, "1.0.0")
