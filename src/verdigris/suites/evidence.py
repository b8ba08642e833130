"""What a suite showed, as JSON lines: what it collected first, a line a test, and a closing line last.

A file without its closing line was cut off, whatever the lines before it say.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationError

from verdigris.model import Value
from verdigris.suites import plain_files

SELECTION = "a selecting option"
LIMIT = 64 * 1024 * 1024
"""Bytes; a larger file is not read, and proves nothing."""
OUTCOMES = ("passed", "failed", "error", "skipped", "xfailed", "xpassed")


class Exchange(Value):
    """A request and its answer, as a failure shows them."""

    method: str
    url: str
    status: int | None = None
    milliseconds: float | None = None
    identity: str | None = None
    ip: str = ""
    request_body: str = ""
    response_body: str = ""
    error: str = ""


class Stranger(Value):
    """An answer that did not come from whom it had to."""

    url: str
    status: int
    seen: str
    expected: str


class Collected(Value):
    """The first line."""

    kind: Literal["collected"] = "collected"
    suite: str
    environment: str
    target: str
    expected: str | None = None
    """The identity every answer had to have; without one the evidence cannot gate."""
    grade: str = "application"
    ids: tuple[str, ...] = ()
    deselected: int = 0
    profile: str = ""
    asserts: bool = False
    """Whether an ``assert`` that does not hold raised in this run, and pytest rewrites those of the tests."""


class LeftOut(Value):
    """A test, or a file of tests, that stands in the suite's folder and is not among the collected ids."""

    kind: Literal["left-out"] = "left-out"
    id: str
    by: str
    """Who left it out, in words; ``SELECTION`` for pytest's own selecting options."""


class Started(Value):
    """A test began; the last one without an end is the one that hangs."""

    kind: Literal["started"] = "started"
    id: str


class Tested(Value):
    """A test ended."""

    __test__: ClassVar = False  # no test class, whatever pytest makes of its name

    kind: Literal["test"] = "test"
    id: str
    outcome: Literal["passed", "failed", "error", "skipped", "xfailed", "xpassed"]
    seconds: float = 0.0
    critical: bool = False
    reason: str = ""
    identities: dict[str, int] = Field(default_factory=dict)
    ips: dict[str, int] = Field(default_factory=dict)
    """At which addresses it was answered, and how often."""
    strangers: tuple[Stranger, ...] = ()
    exchanges: tuple[Exchange, ...] = ()
    artifacts: tuple[str, ...] = ()
    figures: dict[str, float] = Field(default_factory=dict)
    attempts: int = 1
    """How often the test was begun, whoever began it again."""
    phases: tuple[str, ...] = ()
    """The phases of which a passed report came; a pass needs the one of ``call``."""
    calls: int = 0
    """How often the test's own function was entered."""
    raised: str = ""
    """What a phase raised, whatever was made of it afterwards; empty if nothing was raised."""
    answers: int = 0
    """Answers of the target that the test got itself, or a fixture that it asks for."""
    used: dict[str, int] = Field(default_factory=dict)
    """What else answered it, such as the database or a service, and how often."""
    no_target: str = ""
    """Why it needs no answer, by its marker ``no_target``; empty if it has none."""


class Warned(Value):
    """Something that keeps a pass from being one, and that pytest only warns of."""

    kind: Literal["warning"] = "warning"
    id: str = ""
    """The test in which it was seen; empty if no test had begun."""
    text: str


class CollectError(Value):
    """A file could not be collected."""

    kind: Literal["collect-error"] = "collect-error"
    id: str
    text: str

    @property
    def last_line(self) -> str:
        """The last line of its text, where Python says what it was."""
        return (self.text.strip().splitlines() or ["no reason was given"])[-1]


class Closed(Value):
    """The last line."""

    kind: Literal["closed"] = "closed"
    exit_status: int
    tests: int


class Evidence(Value):
    """A whole file; ``closed`` is ``None`` where it was cut off."""

    collected: Collected | None = None
    tests: tuple[Tested, ...] = ()
    collect_errors: tuple[CollectError, ...] = ()
    closed: Closed | None = None
    hanging: tuple[str, ...] = ()
    """Tests that began and never ended."""
    broken: str = ""
    """Where a line cannot be understood: which, and why."""
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[Warned, ...] = ()

    @classmethod
    def of(cls, lines: Iterable[Value], broken: str = "") -> "Evidence":
        """The evidence of a run from its lines, in their order."""
        found: dict[type[Value], list[Any]] = defaultdict(list)
        for line in lines:
            found[type(line)].append(line)
        if len(found[Collected]) > 1 or len(found[Closed]) > 1:
            broken = broken or "it holds more than one run"
        ended = {test.id for test in found[Tested]}
        return cls(
            collected=found[Collected][0] if found[Collected] else None,
            tests=tuple(found[Tested]),
            collect_errors=tuple(found[CollectError]),
            closed=found[Closed][0] if found[Closed] else None,
            hanging=tuple(dict.fromkeys(begun.id for begun in found[Started] if begun.id not in ended)),
            broken=broken,
            left_out=tuple(found[LeftOut]),
            warnings=tuple(found[Warned]),
        )

    def count(self, *outcomes: str) -> int:
        """How many tests had one of ``outcomes``."""
        return sum(test.outcome in outcomes for test in self.tests)

    @property
    def identities(self) -> dict[str, int]:
        """Who answered, and how often."""
        return _total(test.identities for test in self.tests)

    @property
    def unasked(self) -> list[str]:
        """The tests that are marked as needing no answer of the target, each with its reason."""
        return [f"{test.id}: {test.no_target}" for test in self.tests if test.no_target]

    @property
    def ips(self) -> dict[str, int]:
        """At which addresses, and how often."""
        return _total(test.ips for test in self.tests)


def _total(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in counts:
        for name, number in one.items():
            total[name] = total.get(name, 0) + number
    return total


_LINES: dict[str, type[Value]] = {
    "collected": Collected,
    "left-out": LeftOut,
    "started": Started,
    "test": Tested,
    "warning": Warned,
    "collect-error": CollectError,
    "closed": Closed,
}


def read(path: Path) -> Evidence:
    """Read a file of evidence; whatever is wrong with it is said in the value, never raised."""
    try:
        text = plain_files.read(path, LIMIT).decode(errors="replace")
    except OSError as error:
        return Evidence(broken=f"{path.name}: cannot be read: {error.strerror}")
    return parse(text)


def parse(text: str) -> Evidence:
    """Read the lines of a file of evidence."""
    lines: list[Value] = []
    broken = ""
    closed = False
    for number, written in enumerate(text.removesuffix("\n").split("\n") if text else (), start=1):
        try:
            content = json.loads(written)
            line = _LINES[content["kind"]].model_validate(content)
        except (ValueError, KeyError, TypeError, ValidationError, RecursionError) as error:
            broken = f"line {number} cannot be understood ({type(error).__name__})"
            break
        lines.append(line)
        closed = closed or isinstance(line, Closed)
        if closed and not isinstance(line, Closed):
            broken = f"line {number} follows the closing line"
            break
    return Evidence.of(lines, broken)
