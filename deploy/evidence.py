"""What a suite showed, as JSON lines: what it collected first, a line a test, and a closing line last.

A file without its closing line was cut off, whatever the lines before it say.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationError

from deploy.model import Value

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

    def count(self, *outcomes: str) -> int:
        """How many tests had one of ``outcomes``."""
        return sum(test.outcome in outcomes for test in self.tests)

    @property
    def identities(self) -> dict[str, int]:
        """Who answered, and how often."""
        return _total(test.identities for test in self.tests)

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
    "started": Started,
    "test": Tested,
    "collect-error": CollectError,
    "closed": Closed,
}


def read(path: Path) -> Evidence:
    """Read a file of evidence; whatever is wrong with it is said in the value, never raised."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return Evidence(broken=f"{path.name}: cannot be read: {error.strerror}")
    return parse(text)


def parse(text: str) -> Evidence:
    """Read the lines of a file of evidence."""
    found: dict[str, list[Any]] = {kind: [] for kind in _LINES}
    broken = ""
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else (), start=1):
        try:
            content = json.loads(line)
            kind = content["kind"]
            found[kind].append(_LINES[kind].model_validate(content))
        except (ValueError, KeyError, TypeError, ValidationError, RecursionError) as error:
            broken = f"line {number} cannot be understood ({type(error).__name__})"
            break
        if found["closed"] and kind != "closed":
            broken = f"line {number} follows the closing line"
            break
    if len(found["collected"]) > 1 or len(found["closed"]) > 1:
        broken = broken or "it holds more than one run"
    tests = found["test"]
    ended = {test.id for test in tests}
    return Evidence(
        collected=found["collected"][0] if found["collected"] else None,
        tests=tuple(tests),
        collect_errors=tuple(found["collect-error"]),
        closed=found["closed"][0] if found["closed"] else None,
        hanging=tuple(dict.fromkeys(begun.id for begun in found["started"] if begun.id not in ended)),
        broken=broken,
    )
