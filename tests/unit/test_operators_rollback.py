"""A rollback that an operator asks for, to its boundary: who is refused, who is moved, what is said of both colors."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.clock import Clock
from tests.unit.flow import ENVIRONMENT, GOOD, VERSIONS, Gate, Users
from tests.unit.made import record as made_record
from verdigris.errors import NotReady, PlatformError
from verdigris.flow import context as deploy_tools
from verdigris.flow import recovery, rollback
from verdigris.flow.context import Tools
from verdigris.model import Color, Deployment, Outcome, Record, Step
from verdigris.testing import FakePlatform

ONE, TWO, _ = GOOD
BLUE, GREEN = Color.BLUE, Color.GREEN


class Kept(FakePlatform):
    """Notes the order of what is done for a rollback."""

    done: tuple[object, ...] = ()

    def level(self, color: Color) -> None:
        """Note it."""
        self.done += ("level", color)

    def hold_connections(self) -> None:
        """Note it."""
        super().hold_connections()
        self.done += ("hold",)


class Looking(Users):
    """A probe that notes what it is asked, and whether the color to go back to was there then."""

    def look_on(self, number: int, seconds: float) -> None:
        """Note it."""
        assert isinstance(self.platform, Kept)
        self.platform.done += ("look on", number, seconds, self.platform.standing(BLUE) is not None)

    def stop(self) -> None:
        """Note it."""
        assert isinstance(self.platform, Kept)
        self.platform.done += ("stop",)


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    """Blue holds 1.0.0, kept; green 1.1.0, which has the users; both verified. No pause takes its time."""
    for module in (rollback, deploy_tools):
        monkeypatch.setattr(module, "time", Clock())
    platform = Kept(tmp_path, VERSIONS)
    for generation, (color, version) in enumerate(((BLUE, ONE), (GREEN, TWO)), 1):
        there = platform.stand_up(platform.prepare(version), color, generation)
        kept = "2026-06-01T00:00:00Z" if color is BLUE else None
        platform.remember(there.model_copy(update={"verified": True, "kept_until": kept}))
    platform.switch(GREEN, platform.live(), 2)
    platform.effects.clear()
    return platform


def standing(platform: FakePlatform, color: Color) -> Deployment:
    """What stands in a color."""
    found = platform.standing(color)
    assert found is not None
    return found


def tools(platform: FakePlatform, told: Callable[[str], None] = lambda _text: None) -> Tools:
    """What a rollback acts with."""
    environment = ENVIRONMENT.model_copy(update={"switch_seconds": 2})
    return Tools(platform, environment, Gate(), lambda: Looking(platform), 3, told=told)


def asked(platform: FakePlatform, to: Deployment | None, refusal: str = "") -> Record:
    """What a rollback came to."""
    *_, last = recovery.rollback(made_record(ONE, 3, action="rollback"), tools(platform), to, refusal)
    return last


def test_users_go_where_an_operator_sent_them(platform: Kept) -> None:
    """It is looked on from before they move, in the order that depends on nothing of who has them."""
    to, live = standing(platform, BLUE), standing(platform, GREEN)
    platform.following = 2
    last = asked(platform, to)
    assert (last.outcome, last.switched, last.verified) == (Outcome.ROLLED_BACK, True, True)
    assert (last.live, last.candidate, last.release) == (live, BLUE, to.release)
    assert (platform.live().color, platform.following) == (BLUE, 0)
    assert platform.done == ("level", BLUE, "look on", 10, 1.0, True, "hold", "stop")


def test_the_color_that_users_left_is_kept_and_theirs_is_not_any_more(platform: Kept) -> None:
    """The other way round than before."""
    asked(platform, standing(platform, BLUE))
    assert standing(platform, BLUE).kept_until is None
    assert standing(platform, GREEN).kept_until is not None


@pytest.mark.parametrize("kept", [None, "2026-06-01T00:00:00Z"])
def test_a_color_that_has_the_users_is_not_kept_until_a_day(platform: Kept, kept: str | None) -> None:
    """It is written only where that was remembered; where nothing stands there is nothing to forget."""
    platform.remember(standing(platform, BLUE).model_copy(update={"kept_until": kept}))
    before = platform.effects["remember"]
    recovery._let_live(BLUE, platform)
    assert (standing(platform, BLUE).kept_until, platform.effects["remember"] - before) == (None, int(kept is not None))
    platform.retire(BLUE)
    recovery._let_live(BLUE, platform)
    assert platform.standing(BLUE) is None


@pytest.mark.parametrize(("refusal", "said"), [("", recovery.NOTHING), ("twice in a row", "twice in a row")])
def test_a_rollback_to_nobody_is_refused(platform: Kept, refusal: str, said: str) -> None:
    """With the reason that was found out, or the usual one."""
    last = asked(platform, None, refusal)
    assert (last.outcome, [one.text for one in last.objections]) == (Outcome.REFUSED, [said])
    assert (platform.effects, platform.done) == ({}, ())


def test_a_rollback_of_nobodys_users_is_refused(platform: Kept) -> None:
    """There is nobody to move."""
    platform.move(None)
    last = asked(platform, standing(platform, BLUE))
    assert (last.outcome, [one.text for one in last.objections]) == (Outcome.REFUSED, [recovery.NOTHING])


def test_users_are_not_sent_to_what_was_never_verified(platform: Kept) -> None:
    """Whoever asks for it."""
    last = asked(platform, standing(platform, BLUE).model_copy(update={"verified": False}))
    assert (last.outcome, platform.effects) == (Outcome.REFUSED, {})
    assert [one.text for one in last.objections] == [f"blue {ONE} was never verified; users are not sent there"]


def failing(platform: FakePlatform, moment: str, error: Exception) -> None:
    """Let a moment fail for ever."""

    def hook(now: str) -> None:
        if now == moment:
            raise error

    platform.hook = hook


@pytest.mark.parametrize(
    ("spoil", "outcome", "live"),
    [
        pytest.param(
            lambda platform: failing(platform, "switch", PlatformError("no")),
            Outcome.PERSON_NEEDED,
            GREEN,
            id="the-platform-failed",
        ),
        pytest.param(
            lambda platform: failing(platform, "switch", NotReady("no")), Outcome.REFUSED, GREEN, id="it-was-refused"
        ),
        pytest.param(
            lambda platform: setattr(platform, "behind", GREEN), Outcome.PERSON_NEEDED, BLUE, id="some-stayed-behind"
        ),
    ],
)
def test_a_rollback_that_fails_is_refused_only_if_nobody_was_moved(
    platform: Kept, spoil: Callable[[FakePlatform], None], outcome: Outcome, live: Color
) -> None:
    """Otherwise an operator has to look; the probe ends in any case."""
    spoil(platform)
    last = asked(platform, standing(platform, BLUE))
    assert (last.outcome, platform.live().color, platform.done[-1]) == (outcome, live, "stop")


@pytest.mark.parametrize("of_it", [None, 2])
def test_a_color_that_was_taken_down_is_stood_up_before_anything_else(platform: Kept, of_it: int | None) -> None:
    """As verified, with the generation of the rollback, before it is sized or looked at."""
    to = standing(platform, BLUE)
    if of_it is None:
        platform.retire(BLUE)
    else:
        platform.remember(to.model_copy(update={"generation": of_it}))
        platform.tell(BLUE, running=False)
    asked(platform, to)
    again = standing(platform, BLUE)
    assert (again.generation, again.verified, platform.live().color) == (3, True, BLUE)
    assert platform.done[2:6] == ("look on", 10, 1.0, True)


# --- one that died --------------------------------------------------------------------------------------------------


def left(platform: FakePlatform, **changes: object) -> Record:
    """A rollback from green to blue that was about to move users."""
    to = standing(platform, BLUE)
    record = made_record(ONE, 3, action="rollback", step=Step.ROLLBACK, candidate=BLUE, release=to.release)
    return record.with_changes(live=standing(platform, GREEN), **changes)


@pytest.mark.parametrize(
    ("move", "switches"),
    [(lambda _platform: None, 1), (lambda platform: platform.move(BLUE), 0), (lambda platform: platform.move(None), 0)],
    ids=["not-yet-moved", "moved-already", "moved-by-somebody-else"],
)
def test_a_rollback_that_died_is_run_to_its_end(
    platform: Kept, move: Callable[[FakePlatform], None], switches: int
) -> None:
    """Users are moved where they were not; the color they left is kept in any case."""
    record = left(platform)
    move(platform)
    *_, last = recovery.recover(record, tools(platform))
    assert (last.outcome, last.switched, platform.effects["switch"]) == (Outcome.ROLLED_BACK, True, switches)
    assert standing(platform, GREEN).kept_until is not None


def test_a_rollback_of_nobody_that_died_keeps_nobody(platform: Kept) -> None:
    """It is over."""
    told: list[str] = []
    *_, last = recovery.recover(left(platform).with_changes(live=None), tools(platform, told.append))
    assert (last.outcome, last.switched, platform.effects["remember"], told) == (Outcome.ROLLED_BACK, True, 0, [])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        pytest.param(lambda _platform: None, "its watch was not finished; it stays", id="verified"),
        pytest.param(
            lambda platform: platform.remember(standing(platform, GREEN).model_copy(update={"verified": False})),
            "an unverified release has the users",
            id="not-verified",
        ),
        pytest.param(
            lambda platform: platform._write(platform.world.model_copy(update={"places": {}})),
            "an unverified release has the users",
            id="nothing-stands-there",
        ),
    ],
)
def test_a_first_release_that_died_says_whether_it_was_verified(
    platform: Kept, spoil: Callable[[FakePlatform], None], said: str
) -> None:
    """It is looked at where the users are, not where it would have been."""
    platform.remember(standing(platform, BLUE).model_copy(update={"verified": False}))
    spoil(platform)
    *_, last = recovery._first(made_record(TWO, 3, switched=True), tools(platform))
    assert last.outcome is Outcome.PERSON_NEEDED
    assert said in last.objections[-1].text
