"""What users were left on, to the boundary: which run leaves them on it, who has it, and what ends it."""

from typing import Any

import pytest

from tests.unit.made import deployment, record, release
from verdigris.model import Color, Deployment, Kind, Moment, Objection, Outcome, Record, Step, Traffic
from verdigris.state.unconfirmed import Unconfirmed, after, left_by, users_since

BLUE, GREEN, LIVE = Color.BLUE, Color.GREEN, Color.LIVE
BEFORE = deployment(BLUE, "1.0.0")
WHY = tuple(Objection(rule="watch", kind=Kind.FAILED, text=text) for text in ("first", "second", "last"))


def moment(step: Step, at: str) -> Moment:
    """A line of the timeline."""
    return Moment(at=at, step=step, text="x")


def needed(**changes: Any) -> Record:
    """A release of 2.0.0 into green that ended with the word that a person is needed; 1.0.0 was live in blue."""
    made = record(live=BEFORE, candidate=GREEN, release=release(), switched=True, verified=True, objections=WHY)
    return made.with_changes(step=Step.DONE, outcome=Outcome.PERSON_NEEDED, **changes)


def left(color: Color = GREEN, **changes: Any) -> Unconfirmed:
    """2.0.0, on which users were left."""
    made = Unconfirmed(deployment=deployment(color), before=BEFORE, since="then", reason="last")
    return made.model_copy(update=changes)


def test_a_run_that_called_a_person_leaves_its_users_on_its_release() -> None:
    """With where they belong, since when, and the last reason."""
    found = left_by(needed(timeline=(moment(Step.SWITCH, "then"), moment(Step.WATCH, "later"))))
    assert found == left(deployment=deployment(verified=True))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"outcome": Outcome.HELD}, id="held"),
        pytest.param({"outcome": None, "step": Step.WATCH}, id="not-over"),
        pytest.param({"action": "rollback"}, id="a-rollback"),
        pytest.param({"switched": False}, id="never-switched"),
        pytest.param({"release": None}, id="of-no-release"),
        pytest.param({"candidate": None}, id="into-no-color"),
    ],
)
def test_any_other_run_does_not(changes: dict[str, Any]) -> None:
    """Its users never met its release, or were asked to."""
    assert left_by(needed().with_changes(**changes)) is None


def test_no_run_at_all_does_not() -> None:
    """And one without a reason says so."""
    assert left_by(None) is None
    found = left_by(needed(objections=()))
    assert found is not None
    assert found.reason == "no reason was recorded"


@pytest.mark.parametrize(
    ("color", "traffic", "has"),
    [
        pytest.param(GREEN, (GREEN, "2.0.0"), True, id="itself"),
        pytest.param(GREEN, (GREEN, "2.0.1"), True, id="edited-by-hand"),
        pytest.param(GREEN, (BLUE, "2.0.0"), False, id="another-color"),
        pytest.param(LIVE, (LIVE, "2.0.0"), True, id="itself-where-it-rolls"),
        pytest.param(LIVE, (LIVE, "2.0.1"), False, id="another-where-it-rolls"),
    ],
)
def test_it_has_the_users_or_not(color: Color, traffic: tuple[Color, str], has: bool) -> None:
    """What a person put in the one place there is, is that person's."""
    seen = Traffic(color=traffic[0], identity=deployment(*traffic).identity, token="1")
    assert left(color).has(seen) is has


def test_users_on_nobody_are_not_on_it() -> None:
    """There is no color that they could be on."""
    assert not left().has(Traffic(color=None, identity=None, token="1"))


@pytest.mark.parametrize(
    ("changes", "live", "stays"),
    [
        pytest.param({"outcome": Outcome.CONFIRMED}, deployment(), False, id="confirmed"),
        pytest.param({"outcome": Outcome.ROLLED_BACK, "action": "rollback"}, deployment(), False, id="asked-for"),
        pytest.param({"outcome": Outcome.HELD, "action": "rollback"}, BEFORE, True, id="a-rollback-held"),
        pytest.param({"outcome": Outcome.PERSON_NEEDED, "action": "rollback"}, deployment(), True, id="a-second-one"),
        pytest.param({"outcome": Outcome.ROLLED_BACK}, deployment(), True, id="rolled-back-onto-it"),
        pytest.param({"outcome": Outcome.ROLLED_BACK}, BEFORE, False, id="rolled-back-onto-another"),
        pytest.param({"outcome": Outcome.HELD}, deployment(), True, id="held-over-it"),
        pytest.param({"outcome": Outcome.HELD}, BEFORE, False, id="held-over-another"),
        pytest.param({"outcome": Outcome.HELD}, None, True, id="over-nobody-knows-whom"),
        pytest.param({"outcome": Outcome.HELD, "action": "candidate"}, BEFORE, True, id="a-candidate"),
        pytest.param({"outcome": None, "step": Step.PREPARE}, deployment(), True, id="begun"),
    ],
)
def test_a_later_run_ends_it_or_not(changes: dict[str, Any], live: Deployment | None, stays: bool) -> None:
    """It ends with users on a release that was confirmed or asked for, or on another one."""
    later = record("3.0.0", live=live).with_changes(**{"step": Step.DONE, **changes})
    present = left()
    assert after(present, later) == (present if stays else None)
    assert after(None, later) is None


def test_a_later_run_may_leave_them_on_another() -> None:
    """Then that is what they are on."""
    found = after(left(deployment=deployment(BLUE, "1.5.0")), needed())
    assert found is not None
    assert found.deployment.release.version == "2.0.0"


@pytest.mark.parametrize(
    ("timeline", "since"),
    [
        pytest.param([(Step.SWITCH, "1"), (Step.WATCH, "2"), (Step.DONE, "3")], "1", id="the-switch"),
        pytest.param([(Step.DEPLOY, "1"), (Step.WATCH, "2"), (Step.DONE, "3")], "2", id="what-was-last"),
        pytest.param([(Step.DONE, "3")], "2026-06-01T00:00:00.000Z", id="its-beginning"),
    ],
)
def test_users_are_on_it_since_they_were_moved(timeline: list[tuple[Step, str]], since: str) -> None:
    """Where that is not said, since the last thing that was done."""
    assert users_since(record(timeline=tuple(moment(*one) for one in timeline))) == since
