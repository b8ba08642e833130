"""Fault 66: answers that never end, from the candidate, from who is live, and from the color to go back to."""

import time
from collections.abc import Callable

import pytest

from tests.faults.conftest import amend, came_to, ended, said, users, wait_for_step
from tests.world import World
from verdigris.errors import ExitStatus
from verdigris.model import Outcome

HOW = ["body", "header", "status", "chunk"]


@pytest.mark.parametrize(
    ("how", "fast"), [*((how, False) for how in HOW), ("body", True)], ids=[*HOW, "body-as-fast-as-it-goes"]
)
def test_66_a_release_that_drips_from_its_first_user_on_is_rolled_back(
    live_world: Callable[..., World], how: str, fast: bool
) -> None:
    """A byte each 0.3 s never runs into a socket's time-out: the deadline is of the whole answer, and users go back."""
    world = amend(live_world(watch=6), "drain_seconds = 5", "drain_seconds = 1\nswitch_seconds = 3")
    world.version("2.0.0", "drips-with-users", how=how, fast=fast)
    process = world.start("release", "2.0.0")
    wait_for_step(world, "switch", "watch", "rollback", "done")
    moved = time.monotonic()
    code, output = ended(process, 60)
    assert code == ExitStatus.ROLLED_BACK, output
    came_to(world, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, "1.0.0")
    assert time.monotonic() - moved < 25, output


def test_66_what_users_wait_for_at_the_end_of_a_watch_is_waited_for(live_world: Callable[..., World]) -> None:
    """One answer in ten never ends, and the watch is shorter than the patience of the probe."""
    world = amend(live_world(watch=2), "drain_seconds = 5", "drain_seconds = 1")
    world.version("2.0.0", "drips-now-and-then")
    record = world.release("2.0.0")
    assert "users' requests fail" in said(record)
    came_to(world, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, "1.0.0")


@pytest.mark.parametrize("how", HOW)
def test_66_a_release_whose_readiness_never_ends_is_held(live_world: Callable[..., World], how: str) -> None:
    """Held at the deadline for ready and one short answer, with what was seen; users never met it."""
    world = live_world(ready_seconds=2)
    world.version("2.0.0", "drips-at-readyz", how=how)
    with users(world) as traffic:
        began = time.monotonic()
        record = world.release("2.0.0")
        seconds = time.monotonic() - began
        summary = traffic.stop()
    assert "not ready within 2 s" in said(record)
    assert "did not end within" in said(record)
    assert seconds < 2 + 3 + 4, "ready_seconds, one answer, and the rest of a release"
    came_to(world, Outcome.HELD, ExitStatus.HELD_FAILED, "1.0.0")
    assert summary.passed, summary


def test_66_an_old_color_that_drips_does_not_hold_up_a_rollback(live_world: Callable[..., World]) -> None:
    """It runs, and was verified: users are back within seconds; that it was not observed is said with status 15."""
    world = amend(live_world(watch=20), "drain_seconds = 5", "drain_seconds = 1\nswitch_seconds = 3")
    world.version("1.0.0", "drips-when-told")
    world.command("down")
    world.command("up")
    process = world.start("release", "1.1.0")
    wait_for_step(world, "watch")
    (world.root / "versions" / "drips").touch()
    process.terminate()
    asked = time.monotonic()
    while world.live() != "1.0.0":
        assert time.monotonic() - asked < 10, "users are still on the release"
        time.sleep(0.05)
    back = time.monotonic() - asked
    code, output = ended(process, 60)
    assert code == ExitStatus.PERSON_NEEDED, output
    assert back < 6, output
    record = came_to(world, Outcome.PERSON_NEEDED, ExitStatus.PERSON_NEEDED, "1.0.0")
    assert "the rollback was not observed" in said(record)


def test_66_a_live_color_that_drips_does_not_hold_up_prepare(live_world: Callable[..., World]) -> None:
    """Who is live is looked at in bounded time, and its suites are run on the candidate then."""
    world = live_world()
    world.version("1.0.0", "drips-when-told")
    world.command("down")
    world.command("up")
    (world.root / "versions" / "drips").touch()
    process = world.start("release", "1.1.0")
    wait_for_step(world, "verify", timeout=15)
    process.terminate()
    code, output = ended(process)
    assert code == ExitStatus.HELD_NOT_CONCLUSIVE, output


@pytest.mark.parametrize("how", ["body", "silent"])
def test_66_a_release_that_mends_a_live_color_that_does_not_answer_is_confirmed(
    live_world: Callable[..., World], how: str
) -> None:
    """The probe's requests to the old color are given up at the switch; the new one is judged by its own."""
    world = amend(live_world(), "drain_seconds = 5", "drain_seconds = 1")
    world.version("1.0.0", "drips-when-told", how=how)
    world.command("down")
    world.command("up")
    (world.root / "versions" / "drips").touch()
    record = world.release("1.1.0")
    assert record.outcome is Outcome.CONFIRMED, said(record)
    came_to(world, Outcome.CONFIRMED, ExitStatus.CONFIRMED, "1.1.0")
