"""What a recovery decides by: where users are, what stands there, what the dead run had written."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.flow import ENVIRONMENT, GOOD, VERSIONS, Gate, Users
from tests.unit.made import deployment
from tests.unit.made import record as made_record
from verdigris.errors import PlatformError, Refused, UsageError
from verdigris.flow import recovery
from verdigris.flow.context import Tools
from verdigris.model import COLORS, Color, Deployment, Kind, Objection, Outcome, Record, Step
from verdigris.state.journal import Journal
from verdigris.testing import FakePlatform
from verdigris.testing.world import Place

ONE, TWO, THREE = GOOD
BLUE, GREEN, LIVE = Color.BLUE, Color.GREEN, Color.LIVE
LATER = "2026-06-01T12:00:00Z"


class Tidied(FakePlatform):
    """Counts how often what a run left beside the colors was taken away."""

    def tidy(self) -> None:
        """Count it."""
        self.effects["tidy"] += 1


@pytest.fixture
def platform(tmp_path: Path) -> FakePlatform:
    """Blue holds 1.0.0 and has the users; green 1.1.0; both verified."""
    platform = Tidied(tmp_path, VERSIONS)
    for generation, (color, version) in enumerate(((BLUE, ONE), (GREEN, TWO)), 1):
        there = platform.stand_up(platform.prepare(version), color, generation)
        platform.remember(there.model_copy(update={"verified": True}))
    platform.switch(BLUE, platform.live(), 2)
    platform.effects.clear()
    return platform


@pytest.fixture
def rolling(tmp_path: Path) -> FakePlatform:
    """1.1.0 is live in the one place there is."""
    platform = FakePlatform(tmp_path / "rolling", VERSIONS, strategy="rolling")
    platform.stand_up(platform.prepare(TWO), LIVE, 2)
    return platform


def standing(platform: FakePlatform, color: Color, **changes: object) -> Deployment:
    """What stands in a color, after something about it was changed."""
    there = platform.standing(color)
    assert there is not None
    if changes:
        platform.remember(there.model_copy(update=changes))
    return there.model_copy(update=changes)


def nothing_in(platform: FakePlatform, color: Color) -> None:
    """Somebody takes away what stands there, whoever has the users."""
    places = {other: place for other, place in platform.world.places.items() if other is not color}
    platform._write(platform.world.model_copy(update={"places": places}))


# --- recover ------------------------------------------------------------------------------------------------------


def left(platform: FakePlatform, step: Step, **changes: object) -> Record:
    """What a release of green beside blue left."""
    record = made_record(TWO, 2, release=standing(platform, GREEN).release, candidate=GREEN)
    return record.with_changes(step=step, live=standing(platform, BLUE), **changes)


def recover(platform: FakePlatform, record: Record, *, broke_off: bool = False, generation: int = 3) -> list[Record]:
    """Its records."""
    tools = Tools(platform, ENVIRONMENT, Gate(), lambda: Users(platform), generation)
    return list(recovery.recover(record, tools, broke_off=broke_off))


@pytest.mark.parametrize("step", [Step.PREPARE, Step.MIGRATE, Step.DEPLOY, Step.VERIFY, Step.SWITCH])
def test_a_run_that_died_before_users_moved_is_held_and_its_candidate_taken_away(
    platform: FakePlatform, step: Step
) -> None:
    """Users are not on it, and its record says that they never were."""
    records = recover(platform, left(platform, step))
    assert [one.step for one in records] == [Step.DEPLOY, Step.DONE]
    assert (records[-1].outcome, platform.live().color, platform.standing(GREEN)) == (Outcome.HELD, BLUE, None)
    assert [one.text for one in records[-1].objections] == [f"the run died at {step}; users were never moved"]


@pytest.mark.parametrize("step", [Step.WATCH, Step.ROLLBACK, Step.SETTLE])
def test_a_run_that_died_with_users_back_already_is_rolled_back(platform: FakePlatform, step: Step) -> None:
    """Its record says that they were moved, and they are where they were: nothing more is done."""
    (last,) = recover(platform, left(platform, step, switched=True))
    assert (last.outcome, platform.effects) == (Outcome.ROLLED_BACK, {})


@pytest.mark.parametrize(
    ("changes", "stays"),
    [
        pytest.param({"kept_until": LATER}, True, id="kept-from-before"),
        pytest.param({"release": deployment(GREEN, THREE).release}, True, id="of-another-release"),
        pytest.param({}, False, id="its-own"),
    ],
)
def test_only_what_the_dead_run_stood_up_is_taken_away(
    platform: FakePlatform, changes: dict[str, object], stays: bool
) -> None:
    """The color that users may go back to is not touched."""
    record = left(platform, Step.DEPLOY)
    standing(platform, GREEN, **changes)
    assert recover(platform, record)[-1].outcome is Outcome.HELD
    assert (platform.standing(GREEN) is not None) is stays


@pytest.mark.parametrize(
    ("there", "ours"),
    [
        pytest.param(None, True, id="nothing"),
        pytest.param(deployment(), True, id="its-own"),
        pytest.param(deployment(kept_until=LATER), False, id="its-own-and-kept"),
        pytest.param(deployment(version=ONE), False, id="another"),
        pytest.param(deployment(version=ONE, kept_until=LATER), False, id="another-and-kept"),
    ],
)
def test_what_stands_in_the_candidates_color_came_from_the_run_or_not(there: Deployment | None, ours: bool) -> None:
    """What has a window to be kept for had the users before."""
    assert recovery._ours(there, made_record(release=deployment().release)) is ours


def test_a_run_that_had_no_candidate_yet_leaves_nothing_to_take_away(platform: FakePlatform) -> None:
    """It is held where it was."""
    records = recover(platform, left(platform, Step.PREPARE).with_changes(candidate=None))
    assert [one.step for one in records] == [Step.PREPARE, Step.DONE]
    assert (records[-1].outcome, platform.effects) == (Outcome.HELD, {"tidy": 1})


def test_where_nobody_has_the_users_nobody_was_moved(platform: FakePlatform) -> None:
    """A run without a color and users without one do not make a release."""
    platform.move(None)
    record = left(platform, Step.PREPARE).with_changes(candidate=None, live=None)
    assert recover(platform, record)[-1].outcome is Outcome.HELD
    platform.move(None)
    assert recover(platform, left(platform, Step.SWITCH))[-1].outcome is Outcome.HELD


def test_a_run_that_knew_no_release_yet_moved_nobody(platform: FakePlatform) -> None:
    """Whoever has the users in its color had them before."""
    platform.move(GREEN)
    record = left(platform, Step.PREPARE).with_changes(release=None)
    assert recover(platform, record)[-1].outcome is Outcome.HELD
    assert platform.live().color is GREEN


@pytest.mark.parametrize("step", [Step.SWITCH, Step.WATCH, Step.ROLLBACK])
def test_a_run_that_died_with_users_on_the_candidate_is_rolled_back(platform: FakePlatform, step: Step) -> None:
    """A watch that was not finished proves nothing."""
    platform.move(GREEN)
    last = recover(platform, left(platform, step))[-1]
    assert (last.outcome, last.switched, platform.live().color) == (Outcome.ROLLED_BACK, True, BLUE)
    assert [one.text for one in last.objections] == [f"the run died at {step}, before its watch was over"]
    assert last.notes["recovered"] == f"found at {step}, users on green"


def test_a_run_that_brings_itself_back_says_nothing_of_a_death(platform: FakePlatform) -> None:
    """It has said why already."""
    platform.move(GREEN)
    last = recover(platform, left(platform, Step.WATCH), broke_off=True)[-1]
    assert (last.outcome, last.objections, "recovered" in last.notes) == (Outcome.ROLLED_BACK, (), False)


def test_a_run_that_died_after_it_had_confirmed_is_confirmed(platform: FakePlatform) -> None:
    """What is left is the old color."""
    platform.move(GREEN)
    last = recover(platform, left(platform, Step.SETTLE))[-1]
    assert (last.outcome, last.switched, platform.live().color) == (Outcome.CONFIRMED, True, GREEN)


def test_a_first_release_that_died_in_its_watch_needs_an_operator(platform: FakePlatform) -> None:
    """There is nothing to go back to."""
    platform.move(GREEN)
    last = recover(platform, left(platform, Step.WATCH).with_changes(live=None))[-1]
    assert (last.outcome, last.switched, platform.live().color) == (Outcome.PERSON_NEEDED, True, GREEN)


def test_a_rollback_that_died_in_its_beginning_is_held(platform: FakePlatform) -> None:
    """It was not said whereto."""
    (last,) = recover(platform, left(platform, Step.PREPARE, action="rollback"))
    assert (last.outcome, platform.effects) == (Outcome.HELD, {})


def test_where_it_rolls_a_run_is_recovered_as_it_rolls(rolling: FakePlatform) -> None:
    """Users never met what was not written yet."""
    record = made_record(THREE, 2, release=rolling.prepare(THREE), candidate=LIVE)
    last = recover(rolling, record)[-1]
    assert [one.text for one in last.objections] == ["the run died at prepare; users never met the candidate"]


@pytest.mark.parametrize(("of_it", "of_the_run"), [(2, 7), (7, 2)])
def test_a_recovery_acts_with_the_newer_generation(platform: FakePlatform, of_it: int, of_the_run: int) -> None:
    """Of the run that died and of its own."""
    record = left(platform, Step.WATCH).with_changes(generation=of_it)
    assert recover(platform, record, generation=of_the_run)[-1].generation == 7


def test_a_run_into_a_place_that_is_none_any_more_is_not_guessed_at(platform: FakePlatform) -> None:
    """The strategy was changed since."""
    with pytest.raises(Refused, match="a release into live was left here, and the strategy was changed since"):
        recover(platform, left(platform, Step.DEPLOY).with_changes(candidate=LIVE))


# --- what follows -------------------------------------------------------------------------------------------------


def objecting(*texts: str) -> tuple[Objection, ...]:
    """So many reasons."""
    return tuple(Objection(rule="any", kind=Kind.FAILED, text=text) for text in texts)


@pytest.mark.parametrize(
    ("outcome", "live", "found", "said"),
    [
        pytest.param(Outcome.PERSON_NEEDED, deployment(), objecting("a", "b", "c"), "back: c$", id="said-last"),
        pytest.param(Outcome.PERSON_NEEDED, deployment(), (), "nobody knows why", id="nothing-said"),
        pytest.param(Outcome.PERSON_NEEDED, None, objecting("a"), None, id="a-first-release"),
        pytest.param(Outcome.ROLLED_BACK, deployment(), objecting("a"), None, id="rolled-back"),
        pytest.param(None, None, (), None, id="nothing-at-all"),
    ],
)
def test_the_next_release_waits_for_one_that_could_not_be_taken_back(
    outcome: Outcome | None, live: Deployment | None, found: tuple[Objection, ...], said: str | None
) -> None:
    """Where there was somebody to go back to; a first release is replaced by a good one."""
    record = made_record(outcome=outcome, live=live, objections=found)
    if said is None:
        recovery.require_ended(record)
        return
    with pytest.raises(PlatformError, match=said):
        recovery.require_ended(record)


def test_a_candidate_stands_up_beside_who_is_live(platform: FakePlatform) -> None:
    """In the color that serves nobody; where an environment rolls, there is none."""
    assert recovery.idle_color(platform.live(), COLORS) is GREEN
    assert recovery.idle_color(platform.live()) is GREEN
    with pytest.raises(UsageError):
        recovery.idle_color(platform.live(), (LIVE,))


# --- who was live before ------------------------------------------------------------------------------------------

BEFORE = deployment(BLUE, THREE)
"""Who was live before a release that could not be taken back."""
KEPT = {"kept_until": LATER}
REMEMBERED = deployment(GREEN, THREE)


def previous(platform: FakePlatform, journal: Journal) -> str | None:
    """The color and the version."""
    found = recovery.previous(platform, journal)
    return f"{found.color} {found.release.version}" if found else None


@pytest.mark.parametrize(
    ("changes", "remembered", "found"),
    [
        pytest.param(KEPT, REMEMBERED, f"green {TWO}", id="kept"),
        pytest.param(KEPT, None, f"green {TWO}", id="kept-and-nobody-remembered"),
        pytest.param({}, REMEMBERED, f"green {THREE}", id="a-candidate-that-was-held"),
        pytest.param({}, None, None, id="a-candidate-and-nobody-remembered"),
        pytest.param({**KEPT, "verified": False}, REMEMBERED, f"green {THREE}", id="kept-and-not-verified"),
        pytest.param({**KEPT, "verified": False}, None, None, id="kept-not-verified-and-nobody-remembered"),
        pytest.param(None, REMEMBERED, f"green {THREE}", id="taken-down"),
        pytest.param(None, None, None, id="nothing"),
        pytest.param(None, deployment(BLUE, THREE), None, id="who-is-remembered-in-the-live-color"),
    ],
)
def test_who_was_live_before_is_kept_or_remembered(
    platform: FakePlatform, changes: dict[str, object] | None, remembered: Deployment | None, found: str | None
) -> None:
    """Never a candidate, and never in the color that is live."""
    if changes is None:
        platform.retire(GREEN)
    else:
        standing(platform, GREEN, **changes)
    assert previous(platform, Journal(previous=remembered)) == found


def test_where_nobody_is_live_nobody_was_before(platform: FakePlatform) -> None:
    """Users on no color are not moved to one by a rollback."""
    standing(platform, GREEN, **KEPT)
    platform.move(None)
    assert previous(platform, Journal(previous=REMEMBERED)) is None


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        pytest.param({}, f"blue {THREE}", id="could-not-be-taken-back"),
        pytest.param({"outcome": Outcome.ROLLED_BACK}, f"green {TWO}", id="was-taken-back"),
        pytest.param({"switched": False}, f"green {TWO}", id="never-switched"),
        pytest.param({"candidate": GREEN}, f"green {TWO}", id="its-color-is-not-live"),
        pytest.param({"live": None}, f"green {TWO}", id="nobody-was-live-before"),
        pytest.param({"release": deployment(BLUE, THREE).release}, f"green {TWO}", id="another-is-live-now"),
    ],
)
def test_who_was_live_before_a_release_that_could_not_be_taken_back(
    platform: FakePlatform, changes: dict[str, object], found: str
) -> None:
    """It is who that release took the place of, as long as it is that release which has the users."""
    standing(platform, GREEN, **KEPT)
    last = made_record(release=standing(platform, BLUE).release, candidate=BLUE, live=BEFORE, switched=True)
    last = last.with_changes(outcome=Outcome.PERSON_NEEDED).with_changes(**changes)
    assert previous(platform, Journal(record=last)) == found


def test_where_nothing_stands_in_the_live_color_a_record_names_nobody(platform: FakePlatform) -> None:
    """What cannot be compared is not believed."""
    last = made_record(release=standing(platform, BLUE).release, candidate=BLUE, live=BEFORE, switched=True)
    standing(platform, GREEN, **KEPT)
    nothing_in(platform, BLUE)
    assert previous(platform, Journal(record=last.with_changes(outcome=Outcome.PERSON_NEEDED))) == f"green {TWO}"


@pytest.mark.parametrize(
    ("remembered", "found"),
    [
        pytest.param(deployment(LIVE, ONE), f"live {ONE}", id="another-release"),
        pytest.param(None, None, id="nobody"),
        pytest.param(deployment(BLUE, ONE), None, id="in-a-color-that-is-none-any-more"),
    ],
)
def test_where_it_rolls_who_was_live_before_is_who_is_remembered(
    rolling: FakePlatform, remembered: Deployment | None, found: str | None
) -> None:
    """In the one place there is."""
    assert previous(rolling, Journal(previous=remembered)) == found


def test_where_it_rolls_who_is_live_was_not_before(rolling: FakePlatform) -> None:
    """And where nothing stands, nobody can be told from it."""
    assert previous(rolling, Journal(previous=standing(rolling, LIVE))) is None
    nothing_in(rolling, LIVE)
    assert previous(rolling, Journal(previous=deployment(LIVE, ONE))) is None


# --- where a rollback goes ----------------------------------------------------------------------------------------

TAKEN_BACK = deployment(GREEN, THREE)
"""The release that users were moved away from by the last rollback."""


@pytest.mark.parametrize(
    ("kept", "journal", "found"),
    [
        pytest.param(True, Journal(), TWO, id="who-is-kept"),
        pytest.param(True, Journal(taken_back=TAKEN_BACK), TWO, id="who-is-kept-and-another-was-taken-back"),
        pytest.param(False, Journal(previous=REMEMBERED), THREE, id="who-is-remembered"),
        pytest.param(False, Journal(previous=REMEMBERED, taken_back=TAKEN_BACK), None, id="who-was-taken-back"),
        pytest.param(False, Journal(taken_back=TAKEN_BACK), None, id="nobody-but-who-was-taken-back"),
    ],
)
def test_a_rollback_does_not_go_to_what_the_last_one_took_back(
    platform: FakePlatform, kept: bool, journal: Journal, found: str | None
) -> None:
    """It says what to type for that."""
    if kept:
        standing(platform, GREEN, **KEPT)
    to, text = recovery.destination(platform, journal)
    assert (to.release.version if to else None) == found
    assert text == (
        ""
        if found
        else f"the users were moved away from {THREE} by the last rollback, and are on blue {ONE}; "
        f"to move them onto {THREE} again, add --to {THREE}"
    )


def test_a_rollback_without_a_goal_says_that_there_is_none(platform: FakePlatform) -> None:
    """Where no other release was live before, or nobody is live at all."""
    assert recovery.destination(platform, Journal()) == (None, recovery.NOTHING)
    platform.move(None)
    assert recovery.destination(platform, Journal(taken_back=TAKEN_BACK)) == (None, recovery.NOTHING)


def test_a_live_color_of_which_nothing_is_known_is_called_so(platform: FakePlatform) -> None:
    """The refusal of a second rollback needs no name."""
    nothing_in(platform, BLUE)
    _, text = recovery.destination(platform, Journal(taken_back=TAKEN_BACK))
    assert "and are on blue an unknown release" in text


GREEN_TWO = f"green {TWO}"


@pytest.mark.parametrize(
    ("to", "journal", "found"),
    [
        pytest.param(TWO, Journal(), GREEN_TWO, id="what-stands-there"),
        pytest.param("green", Journal(), GREEN_TWO, id="its-color"),
        pytest.param(THREE, Journal(previous=REMEMBERED), f"green {THREE}", id="what-is-remembered-there"),
        pytest.param(THREE, Journal(taken_back=TAKEN_BACK), f"green {THREE}", id="what-was-taken-back"),
        pytest.param("green", Journal(previous=REMEMBERED), GREEN_TWO, id="its-color-is-first-what-stands-there"),
        pytest.param(ONE, Journal(), f"the users are on blue {ONE} already", id="what-is-live"),
        pytest.param("blue", Journal(), f"the users are on blue {ONE} already", id="the-live-color"),
        pytest.param(THREE, Journal(), f"known there: {TWO}", id="nobody-there"),
        pytest.param(THREE, Journal(previous=deployment(BLUE, THREE)), f"known there: {TWO}", id="in-the-live-color"),
        pytest.param(
            "9.9.9", Journal(previous=REMEMBERED, taken_back=TAKEN_BACK), f"known there: {TWO}, {THREE}", id="neither"
        ),
    ],
)
def test_a_rollback_goes_to_what_was_named(platform: FakePlatform, to: str, journal: Journal, found: str) -> None:
    """In the other color, by its version or by its color; or it says who is known there."""
    goal, text = recovery.destination(platform, journal, to)
    if goal is None:
        assert text.startswith(f"--to {to}: ")
        assert text.endswith(found)
    else:
        assert (f"{goal.color} {goal.release.version}", text) == (found, "")


@pytest.mark.parametrize("spoil", [lambda it: it.move(None), lambda it: nothing_in(it, BLUE)], ids=["live", "standing"])
def test_where_nobody_is_live_nobody_is_moved_to_what_was_named(
    platform: FakePlatform, spoil: Callable[[FakePlatform], object]
) -> None:
    """There are no users to move."""
    spoil(platform)
    assert recovery.destination(platform, Journal(), TWO) == (
        None,
        f"--to {TWO}: nobody is live, so there is nobody to move; release a version",
    )


def test_the_live_release_is_no_goal_though_it_is_remembered_elsewhere(platform: FakePlatform) -> None:
    """A rollback to the same release would move users for nothing."""
    same = standing(platform, BLUE).model_copy(update={"color": GREEN})
    nothing_in(platform, GREEN)
    goal, text = recovery.destination(platform, Journal(previous=same), "green")
    assert (goal, text.endswith("known there: none")) == (None, True)


def test_where_it_rolls_a_named_release_is_remembered_in_the_one_place(rolling: FakePlatform) -> None:
    """What stands there is live, and is no goal."""
    before = deployment(LIVE, ONE)
    assert recovery.destination(rolling, Journal(previous=before), ONE) == (before, "")
    goal, text = recovery.destination(rolling, Journal(previous=standing(rolling, LIVE)), THREE)
    assert (goal, text.endswith("known there: none")) == (None, True)


# --- whose time is over -------------------------------------------------------------------------------------------

NOW = datetime(2026, 6, 1, tzinfo=UTC)


class Frozen(datetime):
    """It is always the same time."""

    @classmethod
    def now(cls, tz: object = None) -> datetime:
        """That time."""
        assert tz is UTC
        return NOW


def until(seconds: float) -> dict[str, str]:
    """Kept for so long from now on."""
    return {"kept_until": (NOW + timedelta(seconds=seconds)).isoformat()}


@pytest.mark.parametrize(
    ("act", "retired"),
    [
        pytest.param(lambda it: standing(it, GREEN, **until(-1)), GREEN, id="its-window-is-over"),
        pytest.param(lambda it: standing(it, GREEN, **until(0)), None, id="its-window-ends-now"),
        pytest.param(lambda it: standing(it, GREEN, **until(1)), None, id="its-window-is-open"),
        pytest.param(lambda it: None, None, id="it-was-never-kept"),
        pytest.param(lambda it: nothing_in(it, GREEN), None, id="nothing-stands-there"),
        pytest.param(lambda it: standing(it, BLUE, **until(-1)), None, id="it-has-the-users-again"),
        pytest.param(lambda it: (standing(it, GREEN, **until(-1)), it.move(None)), None, id="nobody-is-live"),
        pytest.param(
            lambda it: (standing(it, GREEN, **until(-1)), it.tell(GREEN, open_requests=1)), None, id="still-asked"
        ),
        pytest.param(
            lambda it: (standing(it, GREEN, **until(1)), it.tell(GREEN, open_requests=1)), None, id="asked-and-open"
        ),
        pytest.param(
            lambda it: (standing(it, GREEN, **until(-1)), standing(it, BLUE, **until(-1))), GREEN, id="both-are-kept"
        ),
        pytest.param(
            lambda it: (standing(it, BLUE, **until(-1)), it.move(GREEN), nothing_in(it, GREEN)), BLUE, id="blue"
        ),
    ],
)
def test_an_old_color_is_taken_down_when_its_time_is_over(
    platform: FakePlatform,
    monkeypatch: pytest.MonkeyPatch,
    act: Callable[[FakePlatform], object],
    retired: Color | None,
) -> None:
    """And nobody asks it any more; who has the users is never taken down."""
    monkeypatch.setattr(recovery, "datetime", Frozen)
    act(platform)
    before: dict[Color, Place] = platform.world.places
    found = recovery.retire_overdue(platform)
    assert (found.color if found else None) is retired
    assert {color for color in before if color not in platform.world.places} == ({retired} if retired else set())
