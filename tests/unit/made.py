"""Values that are good, for tests to spoil one thing at a time."""

from datetime import date
from typing import Any

from verdigris.model import Color, Deployment, Identity, Record, Release
from verdigris.platform.base import Health
from verdigris.settings import WatchSettings
from verdigris.state.audit import Entry, entry
from verdigris.suites.evidence import Closed, Collected, Evidence, Tested
from verdigris.suites.rules import Case
from verdigris.watch.rules import View
from verdigris.watch.samples import Sample

EXPECTED = Identity(color=Color.GREEN, version="2.0.0", build="b2", config="c0")
OTHER = EXPECTED.model_copy(update={"color": Color.BLUE})
IDS = ("smoke/test_a.py::test_one", "smoke/test_a.py::test_two", "smoke/test_a.py::test_three")
TODAY = date(2026, 6, 1)


def ran(test: str, outcome: str = "passed", **more: Any) -> Tested:
    """A test that asked the candidate once."""
    facts = {"identities": {EXPECTED.header(): 1}, "answers": 1, "calls": 1, "phases": ("setup", "call", "teardown")}
    return Tested.model_validate({"id": test, "outcome": outcome, **facts, **more})


def collected(**changes: Any) -> Collected:
    """The first line of a good run."""
    line = Collected(
        suite="smoke", environment="local", target="green", expected=EXPECTED.header(), ids=IDS, asserts=True
    )
    return line.model_copy(update=changes)


def evidence(*tests: Tested, **changes: Any) -> Evidence:
    """A complete run in which each of the frozen tests passed, or had the outcome that ``tests`` give it."""
    given = {test.id: test for test in tests}
    tests = tuple(given.get(test) or ran(test) for test in IDS)
    failed = any(test.outcome in ("failed", "error") for test in tests)
    closed = Closed(exit_status=int(failed), tests=len(tests))
    return Evidence(collected=collected(), tests=tests, closed=closed).model_copy(update=changes)


def case(*tests: Tested, **changes: Any) -> Case:
    """What the rules judge, without an objection where nothing is changed."""
    made = Case(suite="smoke", evidence=evidence(*tests), frozen=IDS, expected=EXPECTED, today=TODAY)
    return made.model_copy(update=changes)


def sample(**changes: Any) -> Sample:
    """A user's request, answered at once by the release."""
    good = Sample(at=0.0, milliseconds=5.0, status=200, identity=EXPECTED.header(), kept=False)
    return good.model_copy(update=changes)


def view(**changes: Any) -> View:
    """A watch that sees nothing wrong: two seconds at ten probes each."""
    window = tuple(sample(at=number / 10) for number in range(10))
    made = View(
        settings=WatchSettings(rate=10, answer_ms=100, within=0.9, strikes=2),
        expected=EXPECTED,
        samples=window + window,
        planned=20,
        windows=(window, window),
        health=Health(running=True, instance="1"),
    )
    return made.model_copy(update=changes)


def release(version: str = "2.0.0") -> Release:
    """A release of that version."""
    return Release(version=version, build=f"b{version[0]}", config="c0", artifact=f"fake:{version}")


def deployment(color: Color = Color.GREEN, version: str = "2.0.0", **changes: Any) -> Deployment:
    """A release that stands in a color."""
    made = Deployment(color=color, release=release(version), generation=1, deployed="2026-06-01T00:00:00.000Z")
    return made.model_copy(update=changes)


def record(version: str = "2.0.0", generation: int = 1, **changes: Any) -> Record:
    """A release at its beginning."""
    made = Record(
        id=f"local-{generation}-{version}",
        environment="local",
        version=version,
        actor="a person",
        generation=generation,
        started="2026-06-01T00:00:00.000Z",
        required=("smoke", "verification"),
    )
    return made.model_copy(update=changes)


def audited(release: str, **changes: Any) -> Entry:
    """A line of the audit log, about a release that was confirmed."""
    made = entry(
        actor="a person",
        action="release",
        environment="shop",
        release=release,
        from_identity=None,
        to_identity=None,
        outcome="confirmed",
        exit_status=0,
    )
    return made.model_copy(update=changes)
