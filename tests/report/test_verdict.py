"""The verdict in one sentence, for every outcome."""

import pytest

from verdigris.errors import ExitStatus
from verdigris.model import Color, Kind, Objection, Outcome, Record, Step
from verdigris.reporting.report.verdict import reasons, verdict

from .folders import BLUE, GREEN, LIVE


def record(**changes: object) -> Record:
    base = Record(
        id="r", environment="local", version="1.2.0", actor="a", generation=1, started="2025-06-01T12:00:00Z",
        release=GREEN, live=LIVE, candidate=Color.GREEN, notes={"application": "chatbot"},
    )  # fmt: skip
    return base.model_copy(update=changes)


def objection(
    kind: Kind = Kind.FAILED, suite: str | None = "verification", text: str = "x", rule: str = "failure"
) -> Objection:
    return Objection(rule=rule, kind=kind, text=text, suite=suite)


HELD = {"outcome": Outcome.HELD, "exit_status": ExitStatus.HELD_FAILED}
GONE_BACK = {"outcome": Outcome.ROLLED_BACK, "exit_status": ExitStatus.ROLLED_BACK, "switched": True}
ASKED = {"action": "rollback", "version": "1.1.0", "candidate": Color.BLUE, "release": BLUE}


@pytest.mark.parametrize(
    ("changes", "sentence", "state"),
    [
        pytest.param(
            {**HELD, "objections": (objection(),)},
            "chatbot 1.2.0 was held: verification failed; users stayed on blue 1.1.0", "warn", id="held-failed",
        ),
        pytest.param(
            {**HELD, "objections": (objection(), objection(Kind.NOT_VALID, "smoke"))},
            "chatbot 1.2.0 was held: the evidence of smoke is not valid; users stayed on blue 1.1.0", "warn",
            id="not-valid-says-more-than-failed",
        ),
        pytest.param(
            {**HELD, "objections": (objection(), objection(Kind.NOT_VALID, rule="control"))},
            "chatbot 1.2.0 was held: verification failed on the live color too, so the environment is at fault and not "
            "the candidate; users stayed on blue 1.1.0", "warn", id="control-failed-too",
        ),
        pytest.param(
            {**HELD, "objections": (objection(suite=None, text="the candidate exited with 3; see its log\nmore"),)},
            "chatbot 1.2.0 was held: the candidate exited with 3; users stayed on blue 1.1.0", "warn", id="never-ready",
        ),
        pytest.param(
            {**HELD, "live": None, "objections": (objection(Kind.NOT_CONCLUSIVE, "performance"),)},
            "chatbot 1.2.0 was held: performance is not conclusive; no users were on it", "warn", id="first-held",
        ),
        pytest.param(
            {**GONE_BACK, "objections": (objection(suite="watch-smoke"), objection(suite=None, text="users wait"))},
            "chatbot 1.2.0 was rolled back: smoke in the watch failed and users wait; users are back on blue 1.1.0",
            "bad", id="rolled-back",
        ),
        pytest.param(
            {"outcome": Outcome.PERSON_NEEDED, "switched": True, "objections": (objection(suite=None, text="lost"),)},
            "chatbot 1.2.0 needs a person: lost; who has the users is not certain", "bad", id="person",
        ),
        pytest.param(
            {"outcome": Outcome.CONFIRMED},
            "chatbot 1.2.0 was confirmed: users are on green 1.2.0", "good", id="confirmed",
        ),
        pytest.param(
            {"outcome": Outcome.REFUSED, "objections": (objection(Kind.REFUSED, None, "frozen until Monday."),)},
            "chatbot 1.2.0 was refused: frozen until Monday; users stayed on blue 1.1.0", "warn", id="refused",
        ),
        pytest.param(
            {"outcome": Outcome.REFUSED, "objections": (objection(Kind.REFUSED, "smoke", rule="collect"),)},
            "chatbot 1.2.0 was refused: smoke cannot be run; users stayed on blue 1.1.0", "warn", id="not-collected",
        ),
        pytest.param(
            {**GONE_BACK, "objections": (objection(suite=None, text="users wait: for " + "long " * 20),)},
            "chatbot 1.2.0 was rolled back: users wait; users are back on blue 1.1.0", "bad", id="long-reason",
        ),
        pytest.param(
            {**ASKED, "outcome": Outcome.ROLLED_BACK, "exit_status": ExitStatus.CONFIRMED, "switched": True},
            "The rollback to chatbot 1.1.0 was done: users are on blue 1.1.0", "good", id="rollback-asked-for",
        ),
        pytest.param(
            {"action": "candidate", "outcome": Outcome.HELD, "exit_status": ExitStatus.CONFIRMED},
            "chatbot 1.2.0 was stood up for suites and taken down again: users stayed on blue 1.1.0", "good",
            id="candidate",
        ),
        pytest.param(
            {"step": Step.VERIFY, "notes": {}},
            "Release 1.2.0 has not finished: it stands at the step verify", "warn", id="not-finished",
        ),
        pytest.param(
            {**HELD, "switched": True},
            "chatbot 1.2.0 was held: the switch had been written, so see the timeline for who has the users", "warn",
            id="held-yet-switched",
        ),
    ],
)  # fmt: skip
def test_the_verdict_is_one_plain_sentence(changes: dict[str, object], sentence: str, state: str) -> None:
    """What became of it, why, and who has the users."""
    said = verdict(record(**changes))
    assert (said.sentence, said.state) == (sentence, state)


@pytest.mark.parametrize("status", list(ExitStatus))
def test_an_exit_status_stands_with_its_meaning(status: ExitStatus) -> None:
    """The number and its words come from the one table in the code."""
    said = verdict(record(outcome=Outcome.HELD, exit_status=status))
    assert (said.exit_status, said.meaning) == (str(int(status)), status.meaning)


def test_a_missing_exit_status_counts_as_unknown() -> None:
    """It is never taken for success."""
    said = verdict(record(outcome=Outcome.CONFIRMED))
    assert said.exit_status == "unknown"
    assert "unknown" in said.meaning


def test_reasons_are_grouped_the_worst_kind_first() -> None:
    """By kind, then by suite in the order they were raised."""
    found = reasons(
        (
            objection(text="1"),
            objection(Kind.NOT_VALID, "smoke", "2"),
            objection(text="3"),
            objection(suite=None, text="4"),
        )
    )
    shown = [(group.kind, group.suite, [item.value for item in group.items]) for group in found]
    assert shown == [
        ("not valid", "smoke", ["2"]),
        ("failed", "verification", ["1", "3"]),
        ("failed", "", ["4"]),
    ]
