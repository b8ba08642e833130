"""Faults 11 to 25, 40, 41: the candidate, its artifact, its migration and what it depends on."""

import json
import sqlite3
import time
from collections.abc import Callable

import pytest

from tests.faults.conftest import came_to, ended, kill_color, release_folder, rules, said, stand, users, wait_for_step
from tests.world import World
from verdigris.errors import ExitStatus
from verdigris.flow.recovery import idle_color
from verdigris.model import Outcome

SLEEPS = """
import time
def test_it_takes_a_while(http):
    assert http.get("/").status_code == 200
    time.sleep(2)
    assert http.get("/").status_code == 200
"""
BUDGET = """
def test_home_is_quick(http):
    assert http.get("/").elapsed.total_seconds() < 0.3
"""


def in_the_test(world: World) -> None:
    """Wait until the test that sleeps had its first answer."""
    path = release_folder(world) / "smoke" / "evidence.jsonl"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not (path.exists() and '"started"' in path.read_text()):
        time.sleep(0.02)
    time.sleep(0.7)


def test_11_traffic_that_moved_while_it_verified_stops_the_release(live: World) -> None:
    """Another write of the users' route during the run: the compare-and-swap finds it, and nobody is moved."""
    with users(live) as traffic:
        process = live.start("release", "1.1.0")
        wait_for_step(live, "verify")
        path = live.state / "router" / "users" / "routes.json"
        document = json.loads(path.read_text())
        document["version_info"] = document["version_info"].replace("1:", "99:", 1)
        path.with_name("other").write_text(json.dumps(document))
        path.with_name("other").rename(path)
        code, output = ended(process)
        summary = traffic.stop()
    assert code == ExitStatus.REFUSED, output
    record = came_to(live, Outcome.HELD, ExitStatus.REFUSED, "1.0.0")
    assert "conflict" in rules(record)
    assert summary.passed, summary


def test_13_a_version_that_does_not_exist_is_refused(live: World) -> None:
    """No artifact: exit status 2 with the versions there are; nothing stands in the idle color."""
    done = live.command("release", "9.9.9")
    assert done.returncode == ExitStatus.USAGE
    assert "there are: 1.0.0, 1.1.0" in done.stdout + done.stderr
    came_to(live, Outcome.REFUSED, ExitStatus.USAGE, "1.0.0")
    assert live.controller().platform.standing(idle_color(live.controller().platform.live())) is None


def test_13_an_artifact_of_another_version_is_refused(live: World) -> None:
    """The manifest says another version than the one asked for."""
    live.version("1.2.0")
    (live.root / "versions" / "1.2.0").rename(live.root / "versions" / "1.3.0")
    assert live.release("1.3.0").exit_status is ExitStatus.USAGE
    assert live.live() == "1.0.0"


@pytest.mark.parametrize("more", [{"says_build": "bother"}, {"says_version": "1.0.0"}], ids=["build", "version"])
def test_13_what_runs_another_build_than_it_should_is_found_out(live: World, more: dict[str, str]) -> None:
    """It answers as something else than was deployed: held at once, long before the deadline."""
    live.version("2.0.0", **more)
    began = time.monotonic()
    record = live.release("2.0.0")
    assert record.exit_status is ExitStatus.HELD_FAILED
    assert "not what was deployed" in said(record)
    assert time.monotonic() - began < 8
    came_to(live, Outcome.HELD, ExitStatus.HELD_FAILED, "1.0.0")


def test_14_a_release_that_exits_at_once_is_held_at_once(live_world: Callable[..., World]) -> None:
    """Its process ends: held with its exit code and its last words, long before the deadline for ready."""
    world = live_world(ready_seconds=60)
    world.version("2.0.0", "exits-at-once")
    with users(world) as traffic:
        began = time.monotonic()
        record = world.release("2.0.0")
        seconds = time.monotonic() - began
        summary = traffic.stop()
    assert "exit code 3" in said(record)
    assert "the fault was planted" in said(record)
    assert seconds < 20
    came_to(world, Outcome.HELD, ExitStatus.HELD_FAILED, "1.0.0")
    assert summary.passed, summary


@pytest.mark.parametrize("fault", ["never-ready", "flaps"], ids=["15_never_ready", "16_readiness_flaps"])
def test_15_16_a_release_that_is_not_ready_for_a_while_is_held_at_the_deadline(
    live_world: Callable[..., World], fault: str
) -> None:
    """Never ready, or ready only for moments: held when the deadline passes, with what was seen last."""
    world = live_world(ready_seconds=1.5)
    world.version("2.0.0", fault)
    record = world.release("2.0.0")
    assert "not ready within 1.5 s" in said(record)
    came_to(world, Outcome.HELD, ExitStatus.HELD_FAILED, "1.0.0")


def test_17_a_candidate_killed_under_test_is_held(live: World) -> None:
    """As the kernel kills what takes too much memory: the candidate is gone, users never met it."""
    live.suite("smoke", SLEEPS)
    with users(live) as traffic:
        process = live.start("release", "1.1.0")
        wait_for_step(live, "verify")
        in_the_test(live)
        kill_color(live, "1.1.0")
        code, output = ended(process)
        summary = traffic.stop()
    assert code == ExitStatus.HELD_FAILED, output
    record = came_to(live, Outcome.HELD, ExitStatus.HELD_FAILED, "1.0.0")
    assert "candidate-gone" in rules(record), said(record)
    assert summary.passed, summary


def test_18_a_release_killed_after_the_switch_is_rolled_back(live: World) -> None:
    """Users' requests fail for as long as it takes to see it, and no longer."""
    with users(live) as traffic:
        process = live.start("release", "1.1.0")
        wait_for_step(live, "watch")
        killed = time.time()
        kill_color(live, "1.1.0")
        code, output = ended(process)
        time.sleep(0.5)
        summary = traffic.stop()
        lost = [sample.at - killed for sample in traffic.samples() if sample.lost]
    assert code == ExitStatus.ROLLED_BACK, output
    came_to(live, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, "1.0.0")
    assert all(-0.5 < at < 3 for at in lost), lost
    assert summary.requests > len(lost)


@pytest.mark.parametrize("number", ["19", "24"])
def test_19_24_what_is_down_for_both_colors_says_nothing_of_the_candidate(live: World, number: str) -> None:
    """A dependency is down: the same tests fail on the live color too, so the evidence is not valid."""
    down = live.root / "versions" / "down"
    down.touch()
    record = live.release("1.1.0")
    assert "control" in rules(record), said(record)
    came_to(live, Outcome.HELD, ExitStatus.HELD_NOT_VALID, "1.0.0")


def test_20_what_is_down_for_the_candidate_alone_is_its_failure(live: World) -> None:
    """The live color passes the same tests: the candidate failed, and is held."""
    live.version("2.0.0", "wrong-status")
    with users(live) as traffic:
        record = live.release("2.0.0")
        summary = traffic.stop()
    assert "control" not in rules(record), said(record)
    came_to(live, Outcome.HELD, ExitStatus.HELD_FAILED, "1.0.0")
    assert summary.passed, summary


MIGRATE = """
import sqlite3, sys
database = sqlite3.connect({path!r}, isolation_level=None)
database.execute("BEGIN")
database.execute("CREATE TABLE half (id INTEGER)")
database.execute("UPDATE level SET number = number + 1")
{last}
database.execute("COMMIT")
print("level 2")
"""


def test_21_a_migration_that_fails_leaves_the_level_as_it_was(make_world: Callable[..., World]) -> None:
    """It fails half way: held, its words in the record, the level unchanged, the lock free, the next release works."""
    world = make_world(local='migrate = ["{python}", "{root}/migrate.py"]')
    path = world.root / "application.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE level (number INTEGER)")
        database.execute("INSERT INTO level VALUES (1)")
    world.version("1.0.0")
    world.version("1.1.0")
    stand(world.up())
    script = world.root / "migrate.py"
    script.write_text(MIGRATE.format(path=str(path), last='sys.exit("the migration was planted to fail")'))
    record = world.release("1.1.0")
    assert "planted to fail" in said(record)
    came_to(world, Outcome.HELD, ExitStatus.HELD_FAILED, "1.0.0")
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT number FROM level").fetchone() == (1,)
        assert not database.execute("SELECT name FROM sqlite_master WHERE name = 'half'").fetchall()
    assert world.controller().journal.holder() is None
    script.write_text(MIGRATE.format(path=str(path), last=""))
    proven = world.release("1.1.0")
    assert proven.outcome is Outcome.CONFIRMED
    assert "what migrates is not proved" in proven.notes["rehearsed"]
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT number FROM level").fetchone() == (2,)


def test_25_a_slow_candidate_fails_its_budget(live: World) -> None:
    """Every answer is right and late: the test of the budget fails, and the release is held."""
    live.suite("smoke", BUDGET)
    live.version("2.0.0", "slow")
    record = live.release("2.0.0")
    assert "test_home_is_quick" in said(record)
    came_to(live, Outcome.HELD, ExitStatus.HELD_FAILED, "1.0.0")


def test_40_what_answers_users_is_not_what_the_record_says(live: World) -> None:
    """The record of the live color names another build than the one that answers: refused, nothing touched."""
    path = live.state / "colors" / "blue.json"
    content = json.loads(path.read_text())
    content["release"]["build"] = "bother"
    path.write_text(json.dumps(content))
    done = live.command("release", "1.1.0")
    assert done.returncode == ExitStatus.REFUSED
    assert "users are answered by" in done.stdout
    platform = live.controller().platform
    assert platform.standing(idle_color(platform.live())) is None


def test_41_a_candidate_that_was_restarted_while_it_was_verified_is_not_proven(live: World) -> None:
    """Half of the evidence is of another process than the one that would get the users."""
    live.suite("smoke", SLEEPS)
    process = live.start("release", "1.1.0")
    wait_for_step(live, "verify")
    in_the_test(live)
    platform = live.controller().platform
    deployment = platform.standing(idle_color(platform.live()))
    assert deployment is not None
    kill_color(live, "1.1.0")
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and platform.health(deployment.color).running:
        time.sleep(0.01)
    platform.start(str(deployment.color), deployment)  # type: ignore[attr-defined]
    code, output = ended(process)
    assert code == ExitStatus.HELD_NOT_VALID, output
    record = came_to(live, Outcome.HELD, ExitStatus.HELD_NOT_VALID, "1.0.0")
    assert "candidate-changed" in rules(record), said(record)
