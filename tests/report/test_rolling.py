"""The report of a release where the strategy is rolling: no color, no switch, and users who met both releases."""

from pathlib import Path

import pytest

from verdigris.errors import ExitStatus
from verdigris.model import Color, Deployment, Kind, Objection, Outcome, Step
from verdigris.reporting import report
from verdigris.reporting.report import files, probe
from verdigris.watch.samples import Sample

from .folders import BEGAN, BLUE, GREEN, SMOKE, VERIFICATION, record, suite
from .page import parse

OLD, NEW = BLUE.identity(Color.LIVE), GREEN.identity(Color.LIVE)
LIVE = Deployment(color=Color.LIVE, release=BLUE, generation=6, deployed="2025-05-30T09:00:00.000Z", verified=True)
STEPS = (
    (0.0, Step.PREPARE, "the lock, who is live, the artifact, every test"),
    (4.0, Step.MIGRATE, "the database goes to what 1.2.0 needs"),
    (6.0, Step.DEPLOY, "1.2.0 takes the place of 1.1.0; users meet it from here on"),
    (16.0, Step.VERIFY, "smoke, verification against what users get"),
    (24.0, Step.WATCH, "for 20 s (short)"),
)
NOTES = {
    "application": "chatbot",
    "left out": "performance",
    "deploy observed": "12 ms after it was ready, 18 answers on kept and 9 on fresh connections",
    "lost in the deploy": "0 of 500 requests of the users' probe",
    "profile": "watch short",
}


def write_probe(root: Path, *, back: float | None = None) -> None:
    """50 requests a second; from the deploy on ever more of them are the new release's, and the other way back."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / "probe.jsonl").open("w") as file:
        for number in range((44 if back is None else 41) * 50 - 250):
            at = 5 + number / 50
            share = min(1.0, max(0.0, (at - 8) / 6))
            if back is not None:
                share = min(share, max(0.0, 1 - (at - back - 1) / 6))
            new = (number * 37 % 100) / 100 < share
            who = NEW if new else OLD
            one = Sample(
                at=BEGAN + at, milliseconds=4 + number % 7 + (3 if new else 0), status=200, identity=who.header(),
                kept=number % 5 != 0,
            )  # fmt: skip
            file.write(one.model_dump_json() + "\n")


def confirmed(root: Path) -> Path:
    """A good one."""
    write_probe(root)
    suites = tuple(suite(root, name, tests) for name, tests in (("smoke", SMOKE), ("verification", VERIFICATION)))
    return record(
        root, *STEPS, (44.0, Step.SETTLE, "confirmed; it stays where it stands"), (44.0, Step.DONE, "confirmed"),
        live=LIVE, candidate=Color.LIVE, suites=suites, outcome=Outcome.CONFIRMED, exit_status=ExitStatus.CONFIRMED,
        switched=True, verified=True, notes=NOTES,
    )  # fmt: skip


def undone(root: Path) -> Path:
    """One that users got errors from."""
    write_probe(root, back=30.0)
    suites = tuple(suite(root, name, tests) for name, tests in (("smoke", SMOKE), ("verification", VERIFICATION)))
    return record(
        root, *STEPS, (30.0, Step.ROLLBACK, "users go back to 1.1.0"), (41.0, Step.DONE, "rolled back"),
        live=LIVE, candidate=Color.LIVE, suites=suites, outcome=Outcome.ROLLED_BACK, exit_status=ExitStatus.ROLLED_BACK,
        switched=True, verified=True, notes=NOTES,
        objections=(Objection(rule="slow", kind=Kind.FAILED, text="3 windows in a row were slower than 500 ms"),),
    )  # fmt: skip


def taken_away(root: Path) -> Path:
    """A first one that never became ready."""
    return record(
        root, *STEPS[:3], (30.0, Step.ROLLBACK, "the first release is taken away again"), (31.0, Step.DONE, "held"),
        live=None, candidate=Color.LIVE, outcome=Outcome.HELD, exit_status=ExitStatus.HELD_FAILED,
        objections=(Objection(rule="not-ready", kind=Kind.FAILED, text="1.2.0 in live was not ready in time"),),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        pytest.param(
            confirmed, "chatbot 1.2.0 was confirmed: smoke and verification passed; users are on 1.2.0", id="confirmed"
        ),
        pytest.param(
            undone,
            "chatbot 1.2.0 was rolled back: 3 windows in a row were slower than 500 ms; users are back on 1.1.0",
            id="undone",
        ),
        pytest.param(
            taken_away,
            "chatbot 1.2.0 was held: 1.2.0 in live was not ready in time; it was the first release and was taken away "
            "again",
            id="taken-away",
        ),
    ],
)
def test_the_verdict_names_versions_and_no_place(tmp_path: Path, make: object, sentence: str) -> None:
    """There is one place only, so it is not worth a word."""
    html = report.write(make(tmp_path)).read_text(encoding="utf-8")  # type: ignore[operator]
    assert sentence in parse(html).text
    assert "switch" not in parse(html).text


def test_the_plot_tells_the_release_before_from_the_one_after(tmp_path: Path) -> None:
    """All answers say ``live``; by version they are told apart, and none of them is left out of the plot."""
    found = files.read(undone(tmp_path))
    seen = probe.view(found.record, found.samples)
    assert seen is not None
    rates = {name: sum(values) for name, values in seen.bins.rates.items() if any(values)}
    assert set(rates) == {"before", "after"}
    width = seen.bins.edges[1] - seen.bins.edges[0]
    assert round(sum(rates.values()) * width) == seen.requests
    assert (seen.names["before"], seen.names["after"]) == ("1.1.0", "1.2.0")
    assert [mark.name for mark in seen.marks] == ["deploy", "verify", "watch", "rollback"]
    assert seen.zero == "the deploy"
    assert seen.near == ()


def test_the_turn_of_the_answers_is_told_from_the_deploy(tmp_path: Path) -> None:
    """When the first user met the new release, and when the last one left it."""
    found = files.read(undone(tmp_path))
    seen = probe.view(found.record, found.samples)
    assert seen is not None
    told = {fact.name: fact.value for fact in seen.facts}
    assert told["first new answer"].startswith("2.")
    assert "after the deploy was begun" in told["first new answer"]
    assert told["first new answer"].endswith("by 1.2.0")
    assert told["last new answer"].endswith("by 1.2.0")
    assert told["first old answer again"].endswith("by 1.1.0")
