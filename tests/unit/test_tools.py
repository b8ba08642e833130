"""What a record comes to at its end, and what follows a move of users."""

from pathlib import Path

import pytest

from tests.unit.clock import Clock
from tests.unit.flow import ENVIRONMENT, VERSIONS, Gate, Users
from tests.unit.made import record as made_record
from verdigris.errors import Conflict, ExitStatus, Interrupted, NotReady, PlatformError, Refused, UsageError
from verdigris.flow import context
from verdigris.flow.context import Tools, finish, stopped, take_along, tolerate
from verdigris.model import Color, Kind, Objection, Outcome, Step
from verdigris.testing import FakePlatform


def acting(platform: FakePlatform, told: list[str]) -> Tools:
    """What follows a move of users acts with."""
    return Tools(platform, ENVIRONMENT, Gate(), lambda: Users(platform), told=told.append)


@pytest.mark.parametrize(
    ("action", "step", "kind", "outcome", "came_to", "status"),
    [
        ("release", Step.SETTLE, None, Outcome.CONFIRMED, Outcome.CONFIRMED, ExitStatus.CONFIRMED),
        ("release", Step.WATCH, Kind.FAILED, Outcome.ROLLED_BACK, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK),
        ("rollback", Step.ROLLBACK, None, Outcome.ROLLED_BACK, Outcome.ROLLED_BACK, ExitStatus.CONFIRMED),
        ("rollback", Step.ROLLBACK, None, Outcome.PERSON_NEEDED, Outcome.PERSON_NEEDED, ExitStatus.PERSON_NEEDED),
        ("release", Step.VERIFY, Kind.FAILED, Outcome.HELD, Outcome.HELD, ExitStatus.HELD_FAILED),
        ("release", Step.VERIFY, Kind.REFUSED, Outcome.HELD, Outcome.HELD, ExitStatus.REFUSED),
        ("release", Step.PREPARE, Kind.REFUSED, Outcome.HELD, Outcome.REFUSED, ExitStatus.REFUSED),
        ("release", Step.PREPARE, Kind.FAILED, Outcome.HELD, Outcome.HELD, ExitStatus.HELD_FAILED),
        ("rollback", Step.PREPARE, Kind.REFUSED, Outcome.REFUSED, Outcome.REFUSED, ExitStatus.REFUSED),
        ("release", Step.PREPARE, Kind.REFUSED, Outcome.ROLLED_BACK, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK),
    ],
)
def test_a_record_ends_with_its_outcome_and_its_exit_status(
    action: str, step: Step, kind: Kind | None, outcome: Outcome, came_to: Outcome, status: ExitStatus
) -> None:
    """What was held in its first step for a refusal is refused; a rollback that was asked for has succeeded."""
    found = (Objection(rule="any", kind=kind, text=""),) if kind else ()
    last = finish(made_record(action=action, step=step, objections=found), outcome)
    assert (last.step, last.outcome, last.exit_status) == (Step.DONE, came_to, status)


@pytest.mark.parametrize(
    ("step", "error", "outcome", "kind", "status"),
    [
        pytest.param(
            Step.PREPARE, RuntimeError(), Outcome.REFUSED, Kind.REFUSED, ExitStatus.REFUSED, id="in-its-first-step"
        ),
        pytest.param(
            Step.PREPARE, PlatformError("no"), Outcome.REFUSED, Kind.REFUSED, ExitStatus.REFUSED, id="the-platform"
        ),
        pytest.param(
            Step.PREPARE, UsageError("no"), Outcome.REFUSED, Kind.REFUSED, UsageError.exit_status, id="a-wrong-word"
        ),
        pytest.param(
            Step.VERIFY,
            RuntimeError(),
            Outcome.HELD,
            Kind.NOT_CONCLUSIVE,
            ExitStatus.HELD_NOT_CONCLUSIVE,
            id="a-librarys",
        ),
        pytest.param(
            Step.VERIFY,
            PlatformError("no"),
            Outcome.HELD,
            Kind.NOT_CONCLUSIVE,
            ExitStatus.HELD_NOT_CONCLUSIVE,
            id="the-platform-later",
        ),
        pytest.param(Step.VERIFY, Refused("no"), Outcome.HELD, Kind.REFUSED, Refused.exit_status, id="a-refusal-later"),
        pytest.param(Step.VERIFY, Conflict("no"), Outcome.HELD, Kind.REFUSED, Conflict.exit_status, id="a-conflict"),
        pytest.param(
            Step.VERIFY, NotReady("no"), Outcome.HELD, Kind.NOT_CONCLUSIVE, NotReady.exit_status, id="not-ready-later"
        ),
    ],
)
def test_a_run_that_broke_off_before_users_moved_says_what_it_came_to(
    step: Step, error: Exception, outcome: Outcome, kind: Kind, status: ExitStatus
) -> None:
    """An error of ours has its own exit status, one of the platform's or of a library says nothing of the release."""
    last = stopped(made_record(step=step), error, "because")
    assert (last.step, last.outcome, last.exit_status) == (Step.DONE, outcome, status)
    assert [(one.rule, one.kind, one.text) for one in last.objections] == [("refused", kind, "because")]


def test_what_must_run_once_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For as long as the platform gives it."""
    clock, platform = Clock(), FakePlatform(tmp_path, VERSIONS)
    monkeypatch.setattr(context, "time", clock)
    platform.following, told = 3, []
    take_along(Color.BLUE, acting(platform, told))
    assert (platform.following, clock.waits, told) == (0, 3, [])


def test_what_must_run_once_and_cannot_move_is_said(tmp_path: Path) -> None:
    """Users are where they belong all the same."""
    platform, told = FakePlatform(tmp_path, VERSIONS), []
    platform.faults["follow"] = PlatformError("no node")
    take_along(Color.BLUE, acting(platform, told))
    assert told == ["what must run once has not moved yet: no node"]


def test_what_follows_a_move_of_users_is_done_and_its_error_is_said(tmp_path: Path) -> None:
    """Of whatever type it is; a signal is none."""
    platform, told, done = FakePlatform(tmp_path, VERSIONS), [], []
    tolerate("it was not noted", lambda: done.append(1), acting(platform, told))
    assert (done, told) == ([1], [])

    def fail() -> None:
        raise PlatformError("a full disk")

    tolerate("it was not noted", fail, acting(platform, told))
    assert told == ["it was not noted: a full disk"]

    def interrupt() -> None:
        raise Interrupted("SIGTERM")

    with pytest.raises(Interrupted):
        tolerate("it was not noted", interrupt, acting(platform, told))
