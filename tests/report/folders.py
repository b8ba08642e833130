"""Realistic folders of releases, one function an outcome: what a controller leaves, made without one."""

import json
import struct
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from verdigris.errors import ExitStatus
from verdigris.model import (
    Color,
    Deployment,
    Kind,
    Moment,
    Objection,
    Outcome,
    Record,
    Release,
    Step,
    SuiteResult,
    Value,
)
from verdigris.suites.evidence import Closed, Collected, Exchange, Started, Stranger, Tested
from verdigris.watch.samples import Sample

BEGAN = 1_748_779_200.0
BLUE = Release(version="1.1.0", build="5c01d9a3", config="9f3c21aa", migration="0002", artifact="artifacts/1.1.0")
GREEN = Release(version="1.2.0", build="e77a10b4", config="9f3c21aa", migration="0003", artifact="artifacts/1.2.0")
LIVE = Deployment(color=Color.BLUE, release=BLUE, generation=6, deployed="2025-05-30T09:00:00.000Z", verified=True)
OLD, NEW = BLUE.identity(Color.BLUE).header(), GREEN.identity(Color.GREEN).header()

SMOKE = [
    Tested(id=f"smoke/{name}", outcome="passed", seconds=seconds, critical=True, identities={NEW: number})
    for name, seconds, number in (
        ("test_health.py::test_every_health_endpoint_answers", 0.021, 2),
        ("test_pages.py::test_every_page_is_served[/]", 0.034, 1),
        ("test_pages.py::test_every_page_is_served[/history]", 0.029, 1),
        ("test_pages.py::test_static_assets_are_served", 0.061, 4),
        ("test_api.py::test_a_conversation_can_be_begun", 0.048, 2),
    )
]
VERIFICATION = [
    Tested(id=f"verification/{name}", outcome="passed", seconds=seconds, identities={NEW: 3})
    for name, seconds in (
        ("test_api.py::test_every_described_call_answers[GET /api/conversations]", 0.112),
        ("test_api.py::test_every_described_call_answers[POST /api/conversations]", 0.131),
        ("test_browser.py::test_a_message_is_sent_and_answered", 2.84),
        ("test_database.py::test_the_schema_is_at_the_release_s_level", 0.043),
        ("test_provider.py::test_the_provider_is_reached", 0.207),
        ("test_metrics.py::test_every_required_metric_is_there", 0.018),
    )
]
LOAD = [
    Tested(
        id="performance/test_load.py::test_the_load_profile_stays_in_its_budgets", outcome="passed", seconds=31.2,
        identities={NEW: 4120},
        figures={"requests": 4120, "rate /s": 137.3, "p50 ms": 11.2, "p95 ms": 38.6, "p99 ms": 71.4, "error rate": 0},
    )
]  # fmt: skip
BROKEN = Tested(
    id="verification/test_api.py::test_every_described_call_answers[POST /api/conversations]",
    outcome="failed",
    seconds=0.131,
    critical=True,
    reason="AssertionError: POST /api/conversations answered 500, expected 201\n"
    "verification/test_api.py:41: in test_every_described_call_answers\n"
    "    assert answer.status_code == check.status\nE   assert 500 == 201",
    identities={NEW: 3},
    exchanges=(
        Exchange(
            method="GET", url="https://localhost:7443/api/conversations", status=200, milliseconds=12.4,
            identity=NEW, response_body='{"conversations": []}',
        ),
        Exchange(
            method="POST", url="https://localhost:7443/api/conversations", status=500, milliseconds=88.1,
            identity=NEW, request_body='{"title": "From verification", "tenant": "verdigris"}',
            response_body='{"error": "column \\"last_used_at\\" of relation \\"conversations\\" does not exist"}',
        ),
    ),
)  # fmt: skip
SHOWN = Tested(
    id="verification/test_browser.py::test_a_message_is_sent_and_answered",
    outcome="failed",
    seconds=15.2,
    reason="TimeoutError: the answer did not appear within 15 s; the page shows: Something went wrong",
    identities={NEW: 5},
    exchanges=(
        Exchange(method="POST", url="https://localhost:7443/api/c/1/stream", error="ReadTimeout: no byte for 15 s"),
    ),
    artifacts=("artifacts/message.png", "artifacts/trace.zip"),
)


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def png(width: int = 480, height: int = 270) -> bytes:
    """A picture: a page with a bar on top."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    dark, light = b"\x1d\x6b\x5c" * width, b"\xf1\xf5\xf3" * width
    rows = b"".join(b"\0" + (dark if row < 34 else light) for row in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def suite(
    root: Path, folder: str, tests: list[Tested], *, verdict: str = "passed", closed: bool = True, expected: str = NEW
) -> SuiteResult:
    """Write a suite's folder and give its result."""
    place = root / folder
    place.mkdir(parents=True, exist_ok=True)
    name = folder.rsplit("-", 1)[-1]
    lines: list[Value] = [
        Collected(
            suite=name, environment="local", target="candidate", expected=expected, ids=tuple(t.id for t in tests),
            profile="standard" if name == "performance" else "",
        )
    ]  # fmt: skip
    for test in tests:
        lines += [Started(id=test.id), test]
    bad = sum(test.outcome in ("failed", "error") for test in tests)
    if closed:
        lines.append(Closed(exit_status=1 if bad else 0, tests=len(tests)))
    (place / "evidence.jsonl").write_text("".join(json.dumps(line.model_dump(mode="json")) + "\n" for line in lines))
    (place / "junit.xml").write_text("<testsuites/>")
    (place / "output.log").write_text(
        f"\x1b[1m{len(tests)} tests\x1b[0m\n" + "".join(f"{t.id} {t.outcome}\n" for t in tests)
    )
    (place / "artifacts").mkdir(exist_ok=True)
    for artifact in (artifact for test in tests for artifact in test.artifacts if artifact.startswith("artifacts/")):
        (place / artifact).write_bytes(png() if artifact.endswith(".png") else b"PK\x03\x04")
    return SuiteResult(
        suite=folder, verdict=verdict, collected=len(tests), passed=sum(t.outcome == "passed" for t in tests),
        failed=bad, skipped=sum(t.outcome == "skipped" for t in tests), seconds=sum(t.seconds for t in tests) + 0.7,
        folder=folder,
    )  # fmt: skip


def probe(
    root: Path, *, begin: float, end: float, switch: float, back: float | None = None, lost: Iterable[float] = ()
) -> None:
    """Write a probe of 50 requests a second: blue, green from ``switch``, blue again from ``back``."""
    dead = list(lost)
    with (root / "probe.jsonl").open("w") as file:
        for number in range(int((end - begin) * 50)):
            at = begin + number / 50
            green = at >= switch + 0.004 and (back is None or at < back + 0.004)
            wobble = (number * 7919) % 101 / 101
            slow = 2.2 if green else 1.0
            gone = any(0 <= at - moment < 0.4 for moment in dead) and number % 2 == 0
            sample = Sample(
                at=at, milliseconds=1002.0 if gone else (3 + 4 * wobble + 25 * wobble**24) * slow,
                status=None if gone else 200, identity=None if gone else NEW if green else OLD,
                kept=number % 5 != 0, error="ReadTimeout: no byte for 1 s" if gone else "",
            )  # fmt: skip
            file.write(sample.model_dump_json() + "\n")


def record(root: Path, *moments: tuple[float, Step, str], **changes: object) -> Path:
    """Write ``release.json`` with a timeline of seconds since the start."""
    timeline = tuple(Moment(at=iso(BEGAN + at), step=step, text=text) for at, step, text in moments)
    base = Record(
        id="20250601-120000-1.2.0", environment="local", version="1.2.0", actor="maren@example.org", generation=7,
        started=iso(BEGAN), step=Step.DONE, release=GREEN, live=LIVE, candidate=Color.GREEN,
        required=("smoke", "verification"), timeline=timeline,
        notes={"application": "chatbot", "left out": "performance", "profile": "short watch"},
    )  # fmt: skip
    root.mkdir(parents=True, exist_ok=True)
    (root / "release.json").write_text(base.model_copy(update=changes).model_dump_json(indent=1))
    return root


BEFORE = (
    (0.0, Step.PREPARE, "took the lock; generation 7"),
    (0.4, Step.PREPARE, "live is blue 1.1.0; collected smoke 5, verification 6"),
    (2.9, Step.MIGRATE, "0002 to 0003; 1.1.0 still passes smoke on it"),
    (4.1, Step.DEPLOY, "releasing 1.2.0 into green"),
    (6.2, Step.VERIFY, "smoke on green"),
    (7.1, Step.VERIFY, "verification on green"),
)
NOTES = {
    "application": "chatbot", "left out": "performance", "profile": "short watch",
    "switch observed": "0.004 s over 36 kept and 9 fresh connections",
}  # fmt: skip


def confirmed(root: Path) -> Path:
    suites = (
        suite(root, "smoke", SMOKE),
        suite(root, "verification", VERIFICATION),
        suite(root, "performance", LOAD),
        suite(root, "watch-smoke", SMOKE),
    )
    probe(root, begin=BEGAN + 42, end=BEGAN + 75.5, switch=BEGAN + 44.0)
    return record(
        root, *BEFORE,
        (11.2, Step.VERIFY, "performance on green"),
        (44.0, Step.SWITCH, "from blue to green"),
        (44.1, Step.WATCH, "30 s"),
        (74.2, Step.SETTLE, "blue drains; kept until 12:11:14"),
        (75.6, Step.DONE, "confirmed"),
        suites=suites, outcome=Outcome.CONFIRMED, exit_status=ExitStatus.CONFIRMED, switched=True, verified=True,
        required=("smoke", "verification", "performance"),
        notes={key: value for key, value in NOTES.items() if key != "left out"},
    )  # fmt: skip


def held_failed(root: Path) -> Path:
    tests = [VERIFICATION[0], BROKEN, SHOWN, *VERIFICATION[3:]]
    suites = (suite(root, "smoke", SMOKE), suite(root, "verification", tests, verdict="failed"))
    return record(
        root, *BEFORE, (26.4, Step.DONE, "held; green is kept for a look"),
        suites=suites, outcome=Outcome.HELD, exit_status=ExitStatus.HELD_FAILED,
        objections=tuple(
            Objection(
                rule="failure", kind=Kind.FAILED, suite="verification",
                text=f"{test.id} failed: {test.reason.splitlines()[0]}",
            )
            for test in (BROKEN, SHOWN)
        ),
    )  # fmt: skip


def held_not_valid(root: Path) -> Path:
    stranger = Stranger(url="https://localhost:7443/", status=200, seen=OLD, expected=NEW)
    odd = SMOKE[1].model_copy(update={"strangers": (stranger,), "identities": {OLD: 1}})
    skipped = SMOKE[4].model_copy(update={"outcome": "skipped", "reason": "Skipped: no test tenant"})
    suites = (suite(root, "smoke", [SMOKE[0], odd, *SMOKE[2:4], skipped], verdict="not valid"),)
    return record(
        root, *BEFORE[:5], (7.0, Step.DONE, "held"),
        suites=suites, outcome=Outcome.HELD, exit_status=ExitStatus.HELD_NOT_VALID,
        objections=(
            Objection(
                rule="identity", kind=Kind.NOT_VALID, suite="smoke",
                text=f"1 answers came from somebody else: https://localhost:7443/ (200) was answered by {OLD}, "
                f"expected was {NEW}",
            ),
            Objection(
                rule="skip", kind=Kind.NOT_VALID, suite="smoke",
                text=f"{skipped.id} is critical and skipped: Skipped: no test tenant",
            ),
        ),
    )  # fmt: skip


def rolled_back(root: Path) -> Path:
    suites = (
        suite(root, "smoke", SMOKE),
        suite(root, "verification", VERIFICATION),
        suite(root, "watch-smoke", SMOKE),
    )
    probe(root, begin=BEGAN + 42, end=BEGAN + 66, switch=BEGAN + 44.0, back=BEGAN + 57.3, lost=(BEGAN + 55.0,))
    return record(
        root, *BEFORE,
        (44.0, Step.SWITCH, "from blue to green"),
        (44.1, Step.WATCH, "30 s"),
        (57.3, Step.ROLLBACK, "from green to blue"),
        (57.4, Step.SETTLE, "green is kept for a look"),
        (66.0, Step.DONE, "rolled back"),
        suites=suites, outcome=Outcome.ROLLED_BACK, exit_status=ExitStatus.ROLLED_BACK, switched=True, verified=True,
        notes=NOTES,
        objections=(
            Objection(rule="errors", kind=Kind.FAILED, text="10 probes failed, 0 are borne; first: ReadTimeout"),
        ),
    )  # fmt: skip


def person_needed(root: Path) -> Path:
    suites = (suite(root, "smoke", SMOKE), suite(root, "verification", VERIFICATION))
    probe(root, begin=BEGAN + 42, end=BEGAN + 66, switch=BEGAN + 44.0, lost=(BEGAN + 55.0, BEGAN + 60))
    return record(
        root, *BEFORE,
        (44.0, Step.SWITCH, "from blue to green"),
        (44.1, Step.WATCH, "30 s"),
        (57.3, Step.ROLLBACK, "from green to blue"),
        (66.0, Step.ROLLBACK, "the router did not take the route within 5 s"),
        suites=suites, outcome=Outcome.PERSON_NEEDED, exit_status=ExitStatus.PERSON_NEEDED, switched=True, notes=NOTES,
        objections=(
            Objection(rule="errors", kind=Kind.FAILED, text="the rollback was not observed within 5 s"),
        ),
    )  # fmt: skip


def never_ready(root: Path) -> Path:
    return record(
        root, *BEFORE[:4], (8.8, Step.DONE, "held; green was removed"),
        outcome=Outcome.HELD, exit_status=ExitStatus.HELD_FAILED,
        objections=(
            Objection(
                rule="ready", kind=Kind.FAILED,
                text="the candidate exited with status 3 after 1.9 s\nRuntimeError: no PROVIDER_URL",
            ),
        ),
    )  # fmt: skip


def truncated(root: Path) -> Path:
    """The suite was killed in the middle of a line, and so was the probe."""
    result = suite(root, "smoke", SMOKE, verdict="not valid", closed=False)
    path = root / "smoke" / "evidence.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:6]) + "\n" + lines[6][:40])
    probe(root, begin=BEGAN + 42, end=BEGAN + 50, switch=BEGAN + 44.0)
    whole = (root / "probe.jsonl").read_text()
    (root / "probe.jsonl").write_text(whole[: len(whole) // 2])
    return record(
        root, *BEFORE[:5], (44.0, Step.SWITCH, "from blue to green"),
        step=Step.SWITCH, suites=(result,), switched=True, tests={"smoke": tuple(test.id for test in SMOKE)},
        objections=(
            Objection(rule="closed", kind=Kind.NOT_VALID, suite="smoke", text="its evidence has no closing line"),
        ),
    )  # fmt: skip


def refused(root: Path) -> Path:
    return record(
        root, (0.0, Step.PREPARE, "the environment is frozen"), (0.1, Step.DONE, "refused"),
        outcome=Outcome.REFUSED, exit_status=ExitStatus.REFUSED, release=None, candidate=None,
        objections=(Objection(rule="freeze", kind=Kind.REFUSED, text="frozen by jonas@example.org until Monday"),),
    )  # fmt: skip


def minimal(root: Path) -> Path:
    """Nothing but the record's least keys."""
    root.mkdir(parents=True, exist_ok=True)
    least = {
        "schema_version": 1, "id": "r", "environment": "local", "version": "2", "actor": "a", "generation": 1,
        "started": "?",
    }  # fmt: skip
    (root / "release.json").write_text(json.dumps(least))
    return root


ALL = {
    make.__name__: make
    for make in (confirmed, held_failed, held_not_valid, rolled_back, person_needed, never_ready, truncated, refused)
}
