"""What a report shows, as frozen values: made from the files by pure functions, read by the templates."""

from dataclasses import dataclass

from verdigris.model import Record
from verdigris.suites.evidence import Tested


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and what there is to know."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the release came to, in one sentence."""

    word: str
    state: str
    """``good``, ``bad`` or ``warn``: shape and color in the page; ``word`` says it too."""
    sentence: str
    exit_status: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Reasons:
    """The objections of one suite and kind."""

    suite: str
    kind: str
    items: tuple[Fact, ...]
    """Rule and text."""


@dataclass(frozen=True, slots=True)
class StepBar:
    """One step of the timeline, and where its bar lies in percent of the whole."""

    step: str
    begins: str
    lasts: str
    left: float
    width: float
    lines: tuple[Fact, ...]
    """Time of day and what was done."""


@dataclass(frozen=True, slots=True)
class Link:
    """A file beside the report; ``uri`` is the picture itself where it is one and small enough."""

    name: str
    href: str
    uri: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class TestView:
    """A test, with what it left behind."""

    __test__ = False

    test: Tested
    pictures: tuple[Link, ...] = ()
    files: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class SuiteView:
    """A suite: its counts as the record has them, its tests as the evidence has them."""

    name: str
    anchor: str
    verdict: str
    state: str
    counts: tuple[int, int, int, int] | None
    """Collected, passed, failed, skipped; ``None`` where no result was recorded."""
    lasted: str
    facts: tuple[Fact, ...] = ()
    problems: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()
    """Tests that are marked as needing no answer of the target, each with its reason."""
    failing: tuple[TestView, ...] = ()
    unproven: tuple[TestView, ...] = ()
    """Skipped, expected to fail, passed although expected to fail, or only passed by a rerun."""
    passed: tuple[TestView, ...] = ()
    left_out: int = 0
    """Passed tests that are not listed because there are too many."""
    tail: str = ""
    """The end of its output, where it did not pass."""
    files: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """A step of the timeline in the probe's time."""

    name: str
    at: float


@dataclass(frozen=True, slots=True)
class Bins:
    """The probe's samples in bins of equal width: what the plot draws."""

    edges: tuple[float, ...]
    rates: dict[str, tuple[float, ...]]
    """Requests a second by who answered, as :data:`verdigris.reporting.report.probe.WHO` has it."""
    median: tuple[float | None, ...]
    p99: tuple[float | None, ...]
    slowest: tuple[float | None, ...]
    lost: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Dot:
    """One request near the switch."""

    at: float
    milliseconds: float
    who: str
    lost: bool


@dataclass(frozen=True, slots=True)
class ProbeView:
    """What the users' probe saw."""

    summary: str
    requests: int
    lost: int
    facts: tuple[Fact, ...]
    answers: tuple[Fact, ...]
    """Who answered, and how often."""
    errors: tuple[Fact, ...]
    bins: Bins
    marks: tuple[Mark, ...]
    near: tuple[Dot, ...]
    near_marks: tuple[Mark, ...]
    names: dict[str, str]
    """What the two colors, or the two releases, are called in the plot."""
    zero: str
    """What the time axis counts from."""


@dataclass(frozen=True, slots=True)
class View:
    """The whole report."""

    record: Record
    title: str
    verdict: Verdict
    left_out: str
    facts: tuple[Fact, ...]
    reasons: tuple[Reasons, ...]
    steps: tuple[StepBar, ...]
    suites: tuple[SuiteView, ...]
    probe: ProbeView | None
    probe_problem: str
    """Why there is no probe to show, or what is wrong with it; empty where nothing is."""
    loss: str
    files: tuple[Link, ...]
