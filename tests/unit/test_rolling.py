"""What decides the way back where the strategy is rolling: who met the candidate, and who stands there."""

from pathlib import Path

import pytest

from tests.unit.flow import ENVIRONMENT, GOOD, VERSIONS, Gate, Users
from tests.unit.made import record as made_record
from verdigris.errors import Conflict, PlatformError
from verdigris.flow import rolling
from verdigris.flow.context import Tools
from verdigris.model import Color, Deployment, Outcome, Record, Step
from verdigris.testing import FakePlatform

ONE, TWO, THREE = GOOD
LIVE = Color.LIVE


class Tidied(FakePlatform):
    """Counts how often what a run left beside its release was taken away."""

    def tidy(self) -> None:
        """Count it."""
        self.effects["tidy"] += 1


@pytest.fixture
def platform(tmp_path: Path) -> FakePlatform:
    """1.1.0 stands where 1.0.0 stood, verified."""
    platform = Tidied(tmp_path, VERSIONS, strategy="rolling")
    for generation, version in enumerate((ONE, TWO), 1):
        there = platform.stand_up(platform.prepare(version), LIVE, generation)
        platform.remember(there.model_copy(update={"verified": True}))
    return platform


def stood(platform: FakePlatform, version: str) -> Deployment:
    """A release as it stood in the one place."""
    release = platform.prepare(version)
    return Deployment(color=LIVE, release=release, generation=1, deployed="2026-01-01T00:00:00.000Z", verified=True)


def left(platform: FakePlatform, step: Step, **changes: object) -> Record:
    """What a release of 1.1.0 over 1.0.0 left."""
    record = made_record(TWO, 2, release=platform.prepare(TWO), candidate=LIVE, live=stood(platform, ONE))
    return record.with_changes(step=step, switched=True, **changes)


def tools(platform: FakePlatform) -> Tools:
    """What a recovery acts with."""
    return Tools(platform, ENVIRONMENT, Gate(), lambda: Users(platform), 3)


@pytest.mark.parametrize(
    ("step", "written", "untouched"),
    [
        pytest.param(Step.DEPLOY, False, True, id="a-deploy-before-its-first-effect"),
        pytest.param(Step.DEPLOY, True, False, id="a-deploy-that-wrote"),
        pytest.param(Step.VERIFY, False, False, id="a-later-step"),
        pytest.param(Step.WATCH, True, False, id="a-later-step-that-wrote"),
    ],
)
def test_users_did_not_meet_a_candidate_whose_deploy_wrote_nothing(
    platform: FakePlatform, step: Step, written: bool, untouched: bool
) -> None:
    """Only that: what is later, or was written, they may have met."""
    traffic = platform.live()
    if written:
        platform.move(LIVE)
    assert rolling._untouched(left(platform, step), platform, traffic) is untouched


def test_a_platform_that_cannot_be_asked_may_have_been_touched(platform: FakePlatform) -> None:
    """What is not known is not taken for good."""
    record, traffic = left(platform, Step.DEPLOY), platform.live()
    platform.faults["live"] = PlatformError("silent")
    assert rolling._untouched(record, platform, traffic) is False


@pytest.mark.parametrize(
    ("stands", "live", "known"),
    [
        pytest.param(None, ONE, True, id="nothing"),
        pytest.param(TWO, ONE, True, id="the-candidate"),
        pytest.param(ONE, ONE, True, id="who-was-live-before"),
        pytest.param(THREE, ONE, False, id="another"),
        pytest.param(THREE, None, False, id="another-where-nobody-was-live"),
        pytest.param(TWO, None, True, id="the-candidate-where-nobody-was-live"),
    ],
)
def test_what_an_operator_put_there_is_not_fought(
    platform: FakePlatform, stands: str | None, live: str | None, known: bool
) -> None:
    """Known is what the run itself put there, and what it took the place of."""
    record = left(platform, Step.WATCH).with_changes(live=stood(platform, live) if live else None)
    platform.retire(LIVE)
    if stands is not None:
        platform.stand_up(platform.prepare(stands), LIVE, 2)
    if known:
        rolling._require_known(record, platform)
    else:
        with pytest.raises(Conflict, match="stands there: somebody changed it"):
            rolling._require_known(record, platform)


@pytest.mark.parametrize(
    ("step", "stands", "outcome", "live", "said"),
    [
        pytest.param(Step.SETTLE, TWO, Outcome.CONFIRMED, TWO, "", id="confirmed-and-stands"),
        pytest.param(
            Step.SETTLE,
            ONE,
            Outcome.ROLLED_BACK,
            ONE,
            "the run died at settle, and what it confirmed does not stand any more",
            id="confirmed-and-replaced",
        ),
        pytest.param(
            Step.SETTLE,
            None,
            Outcome.ROLLED_BACK,
            ONE,
            "the run died at settle, and what it confirmed does not stand any more",
            id="confirmed-and-gone",
        ),
        pytest.param(
            Step.WATCH,
            TWO,
            Outcome.ROLLED_BACK,
            ONE,
            "the run died at watch, before its watch was over",
            id="not-confirmed",
        ),
    ],
)
def test_what_a_dead_run_left_with_users_is_confirmed_or_undone(
    platform: FakePlatform, step: Step, stands: str | None, outcome: Outcome, live: str, said: str
) -> None:
    """Confirmed only if the record says so and the release stands there still."""
    record = left(platform, step)
    if stands != TWO:
        platform.retire(LIVE)
    if stands == ONE:
        platform.stand_up(platform.prepare(ONE), LIVE, 2)
    *_, last = rolling.recover(record, tools(platform))
    assert (last.outcome, [one.text for one in last.objections]) == (outcome, [said] if said else [])
    identity = platform.live().identity
    assert identity is not None
    assert identity.version == live


def test_what_a_dead_run_left_before_users_met_it_is_held(platform: FakePlatform) -> None:
    """Nothing is undone, for nothing was done to what users have."""
    platform.effects.clear()
    *_, last = rolling.recover(left(platform, Step.MIGRATE).with_changes(switched=False), tools(platform))
    assert (last.outcome, platform.effects) == (Outcome.HELD, {"tidy": 1})
    assert [one.text for one in last.objections] == ["the run died at migrate; users never met the candidate"]
