"""The whole of a release, on real processes behind a real Envoy."""

from collections.abc import Callable

import pytest

from tests.world import World
from verdigris.errors import ExitStatus
from verdigris.model import Outcome, Step

WHOLE = "color={color};version={version};build={build};config={config}"


def test_the_first_release_is_verified_and_confirmed(world: World) -> None:
    """Nobody is live, and the release is proven all the same."""
    record = world.release("1.0.0")
    assert record.exit_status is ExitStatus.CONFIRMED
    assert [suite.verdict for suite in record.suites] == ["passed", "passed"]
    assert world.live() == "1.0.0"


def test_a_good_release_takes_the_users_and_the_old_color_is_kept(world: World) -> None:
    """The second release goes to the other color; the first is kept for the rollback window."""
    first, second = world.release("1.0.0"), world.release("1.1.0")
    assert second.outcome is Outcome.CONFIRMED
    assert first.candidate is not None
    assert second.candidate is first.candidate.other
    kept = world.controller().platform.standing(first.candidate)
    assert kept is not None
    assert kept.release.version == "1.0.0"
    assert kept.kept_until is not None


def test_a_release_that_fails_its_suite_is_held(world: World) -> None:
    """The users stay where they were, and the reason names the test."""
    world.version("2.0.0", "wrong-status")
    world.release("1.0.0")
    record = world.release("2.0.0")
    assert record.exit_status is ExitStatus.HELD_FAILED
    assert world.live() == "1.0.0"
    assert "test_home_is_served" in record.objections[0].text


def test_a_release_that_fails_its_watch_is_rolled_back(world: World) -> None:
    """Slow for users only: every suite passes, the watch does not."""
    world.version("2.0.0", "errors-with-users")
    world.release("1.0.0")
    record = world.release("2.0.0")
    assert record.exit_status is ExitStatus.ROLLED_BACK
    assert Step.ROLLBACK in [moment.step for moment in record.timeline]
    assert world.live() == "1.0.0"


def test_a_rollback_on_a_persons_word_moves_the_users_back(world: World) -> None:
    """After a confirmed release, one command moves the users to the release before it."""
    world.release("1.0.0")
    world.release("1.1.0")
    done = world.command("rollback", "--reason", "a person says so")
    assert done.returncode == 0, done.stdout + done.stderr
    assert world.live() == "1.0.0"


def test_a_rollback_restores_a_color_that_was_taken_down(world: World) -> None:
    """The release before stood no more; it is stood up again, and only then the users move."""
    world.release("1.0.0")
    record = world.release("1.1.0")
    assert record.live is not None
    world.controller().platform.retire(record.live.color)
    assert world.command("rollback").returncode == 0
    assert world.live() == "1.0.0"


def test_a_release_is_the_same_through_pytest(world: World) -> None:
    """``pytest --release`` hands over to the command line, with its exit status."""
    done = world.pytest("--release", "1.0.0", "--env", "local")
    assert done.returncode == 0, done.stdout + done.stderr
    assert world.live() == "1.0.0"


def test_a_candidate_stands_for_the_time_of_its_tests(world: World) -> None:
    """``pytest --candidate`` stands a version up in the idle color, tests it, and takes it down."""
    world.release("1.0.0")
    done = world.pytest("-m", "smoke", "--env", "local", "--candidate", "1.1.0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "expecting green 1.1.0" in done.stdout
    platform = world.controller().platform
    assert world.live() == "1.0.0"
    assert platform.standing(platform.live().color.other) is None  # type: ignore[union-attr]


def test_tests_that_hit_the_live_color_by_mistake_make_no_proof(make_world: Callable[..., World]) -> None:
    """A suite that asks the users' address instead of its target is not valid, and nothing is promoted."""
    world = make_world()
    world.suite(
        "smoke", f'def test_users(http):\n    assert http.get("http://127.0.0.1:{world.port}/").status_code == 200\n'
    )
    world.version("1.0.0")
    world.version("1.1.0")
    world.up()
    from verdigris.model import Color

    platform = world.controller().platform
    deployment = platform.stand_up(platform.prepare("1.0.0"), Color.BLUE, 1)
    platform.remember(deployment.model_copy(update={"verified": True}))
    platform.switch(Color.BLUE, platform.live(), 1)
    record = world.release("1.1.0")
    assert record.exit_status is ExitStatus.HELD_NOT_VALID
    assert world.live() == "1.0.0"


def test_an_identity_that_is_written_with_spaces_and_in_another_order_is_taken_everywhere(world: World) -> None:
    """Readiness, the suites, the switch and the watch compare it as parsed: the release is confirmed."""
    world.release("1.0.0")
    written = "config={config}; build={build};  region=x ; version={version}; color={color}"
    record = world.release(world.version("1.2.0", identities=[written]))
    assert record.outcome is Outcome.CONFIRMED, record.objections
    assert world.live() == "1.2.0"


@pytest.mark.parametrize(
    "identities",
    [
        pytest.param(2 * [WHOLE], id="the-same-twice"),
        pytest.param([WHOLE, "color=blue"], id="another-beside-it"),
        pytest.param(["color={color};version={version}", "build={build};config={config}"], id="two-halves"),
    ],
)
def test_a_release_that_says_who_it_is_in_two_headers_is_held(
    make_world: Callable[..., World], identities: list[str]
) -> None:
    """Joined they may look like one that neither said; the message says that there were two."""
    world = make_world(ready_seconds=1).up()
    record = world.release(world.version("1.0.0", identities=identities))
    assert record.exit_status is ExitStatus.HELD_FAILED
    assert "2 identity headers, expected is one" in record.objections[0].text
    assert world.live() is None
