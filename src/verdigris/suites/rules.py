"""Every reason not to go on, each a small pure rule in a table. No objection: go on. Missing evidence objects.

The order of the table is that in which a person reads: what ended a run before what is missing for that reason.
"""

from collections.abc import Callable, Iterator
from datetime import date

from verdigris.model import Identity, Kind, Objection, Value, same_identity
from verdigris.settings import AllowedSkip
from verdigris.suites.evidence import SELECTION, Evidence, LeftOut, Tested

MOST = 10
"""How often a rule objects before the rest is folded into one objection."""


class Case(Value):
    """What the rules judge: a suite's evidence and what it had to be."""

    suite: str
    evidence: Evidence
    frozen: tuple[str, ...]
    """The ids collected in prepare."""
    expected: Identity | None
    """Who had to answer; ``None`` in a run by hand of which nobody says it: then all answers must agree."""
    selected: bool = False
    """Whether a person chose among the tests of a suite by hand, which no release does."""
    demands: str = "routed"
    all_critical: bool = False
    ended: str = ""
    """Where the suite was ended from outside: by what."""
    error: str = ""
    """What pytest said where it could not run, such as a name that does not resolve."""
    confirmed: tuple[str, ...] | None = None
    """The ids that the last confirmed release showed, or ``None`` at the first."""
    acknowledged: str | None = None
    """The words that allow fewer tests than the last confirmed release."""
    allow_skips: tuple[AllowedSkip, ...] = ()
    today: date


def _ended(case: Case) -> Iterator[tuple[Kind, str]]:
    if case.ended:
        hanging = f"; running was {', '.join(case.evidence.hanging)}" if case.evidence.hanging else ""
        yield Kind.NOT_VALID, f"it was ended: {case.ended}{hanging}"


def _closed(case: Case) -> Iterator[tuple[Kind, str]]:
    if case.evidence.broken:
        yield Kind.NOT_VALID, f"its evidence: {case.evidence.broken}"
    if case.evidence.closed is None:
        why = f" ({case.error})" if case.error else ""
        yield Kind.NOT_VALID, f"its evidence has no closing line: the run was cut off{why}"
    elif case.evidence.closed.tests != len(case.evidence.tests):
        counted = case.evidence.closed.tests
        text = f"its closing line counts {counted} tests, the evidence holds {len(case.evidence.tests)}"
        yield Kind.NOT_VALID, text


def _collect_errors(case: Case) -> Iterator[tuple[Kind, str]]:
    for error in case.evidence.collect_errors:
        yield Kind.NOT_VALID, f"{error.id} cannot be collected: {error.last_line}"


def _nothing(case: Case) -> Iterator[tuple[Kind, str]]:
    if not case.evidence.tests:
        yield Kind.NOT_VALID, "no test ran"
    elif not case.evidence.count("passed"):
        yield Kind.NOT_VALID if not case.evidence.count("failed", "error") else Kind.FAILED, "no test passed"


def _complete(case: Case) -> Iterator[tuple[Kind, str]]:
    ran = {test.id for test in case.evidence.tests}
    if missing := [test for test in case.frozen if test not in ran]:
        yield Kind.NOT_VALID, _all(missing, "was collected before the release and did not run")
    if extra := sorted(ran - set(case.frozen)):
        yield Kind.NOT_VALID, _all(extra, "ran and was not collected before the release")
    if case.evidence.collected is None:
        yield Kind.NOT_VALID, "its evidence does not say what it collected"
    elif case.evidence.collected.deselected and not case.evidence.left_out:
        yield Kind.NOT_VALID, f"{case.evidence.collected.deselected} tests were deselected"
    for one in case.evidence.left_out:
        if not (case.selected and one.by == SELECTION):
            yield Kind.NOT_VALID, left_out(one)


def left_out(one: LeftOut) -> str:
    """What is said of a test that nobody ran."""
    return f"{one.id} stands in the suite and was left out by {one.by}"


def _fewer(case: Case) -> Iterator[tuple[Kind, str]]:
    if case.confirmed is None or case.acknowledged:
        return
    if text := gone(case.confirmed, case.frozen):
        yield Kind.NOT_VALID, text


def gone(confirmed: tuple[str, ...], present: tuple[str, ...]) -> str:
    """Which tests of the last confirmed release are gone, by their ids: a new test does not stand in for a lost one."""
    lost = [test for test in confirmed if test not in present]
    if not lost:
        return ""
    new = [test for test in present if test not in confirmed]
    text = f"{len(lost)} of the {len(confirmed)} tests that the last confirmed release showed are gone: {_some(lost)}"
    added = f"; new: {_some(new)}" if new else ""
    return f"{text}{added}; bring them back, or acknowledge it with --fewer-tests REASON"


def _failures(case: Case) -> Iterator[tuple[Kind, str]]:
    for test in case.evidence.tests:
        if test.outcome in ("failed", "error"):
            yield Kind.FAILED, f"{test.id} {test.outcome}: {_first(test)}"


def not_shown(test: Tested, today: date, allow_skips: tuple[AllowedSkip, ...], *, critical: bool) -> str:
    """Why a test that was skipped, or failed or passed against its mark, may not be; or nothing."""
    if test.outcome not in ("skipped", "xfailed", "xpassed"):
        return ""
    skip = next((one for one in allow_skips if one.test == test.id), None)
    if critical or test.critical:
        return f"{test.id} is critical and {test.outcome}: {_first(test)}"
    if skip is None:
        return f"{test.id} {test.outcome}, which allow_skips does not name: {_first(test)}"
    if skip.expires < today:
        return f"{test.id} {test.outcome}; what allowed it ({skip.owner}) expired on {skip.expires}"
    return ""


def only_on_a_rerun(test: Tested) -> str:
    """Why a pass is no pass; or nothing."""
    if test.attempts > 1 and test.outcome == "passed":
        return f"{test.id} passed only on attempt {test.attempts}; a rerun's pass is no pass"
    return ""


def _calls(case: Case) -> Iterator[tuple[Kind, str]]:
    """A pass is a passed report of a call in which the test's own function was entered and nothing was raised."""
    for test in case.evidence.tests:
        if test.outcome != "passed":
            continue
        if "call" not in test.phases:
            yield Kind.NOT_VALID, f"{test.id} has no passed report of its call: it was set up and did not run"
        elif not test.calls:
            yield Kind.NOT_VALID, f"{test.id} was reported as passed, and its function was never entered"
        elif test.raised:
            yield Kind.NOT_VALID, f"{test.id} was reported as passed, and it raised {test.raised}"


def _asserts(case: Case) -> Iterator[tuple[Kind, str]]:
    if case.evidence.collected is not None and not case.evidence.collected.asserts:
        yield Kind.NOT_VALID, "assertions were off (python -O, PYTHONOPTIMIZE or --assert=plain): nothing was compared"


def _warnings(case: Case) -> Iterator[tuple[Kind, str]]:
    for one in case.evidence.warnings:
        yield Kind.NOT_VALID, f"{one.id or 'before or after the tests'}: {one.text}"


def _answers(case: Case) -> Iterator[tuple[Kind, str]]:
    """Each test for itself: one that asked nobody is not proven by another one that did."""
    for test in case.evidence.tests:
        if test.outcome == "passed" and not (test.answers or test.used or test.no_target):
            what = "passed without an answer of the target, of the database, of a service or of a certificate"
            yield Kind.NOT_VALID, f"{test.id} {what}; have it ask by a fixture, or mark it no_target(reason=...)"


def _skips(case: Case) -> Iterator[tuple[Kind, str]]:
    for test in case.evidence.tests:
        if text := not_shown(test, case.today, case.allow_skips, critical=case.all_critical):
            yield Kind.NOT_VALID, text


def _reruns(case: Case) -> Iterator[tuple[Kind, str]]:
    for test in case.evidence.tests:
        if text := only_on_a_rerun(test):
            yield Kind.NOT_VALID, text


def _duplicates(case: Case) -> Iterator[tuple[Kind, str]]:
    seen: set[str] = set()
    for test in case.evidence.tests:
        if test.id in seen:
            yield Kind.NOT_VALID, f"{test.id} stands in the evidence twice"
        seen.add(test.id)


def _identity(case: Case) -> Iterator[tuple[Kind, str]]:
    collected = case.evidence.collected
    if collected is None:
        return
    if case.expected is None:
        pass
    elif collected.expected is None:
        yield Kind.NOT_VALID, "it knew no identity to expect, so it proves nothing of this candidate"
    elif not same_identity(collected.expected, case.expected):
        yield Kind.NOT_VALID, f"it expected {collected.expected}, the candidate is {case.expected}"
    if case.demands == "application" and collected.grade != "application":
        yield Kind.NOT_VALID, f"its identities are graded {collected.grade}, this environment demands application"
    strangers = [stranger for test in case.evidence.tests for stranger in test.strangers]
    if strangers:
        first = strangers[0]
        text = (
            f"{len(strangers)} answers came from somebody else: {first.url} ({first.status}) was answered by "
            f"{first.seen}, expected was {first.expected}"
        )
        yield Kind.NOT_VALID, text
    one = next(iter(case.evidence.identities), "")
    expected = case.expected or Identity.parse(one)
    others = [
        seen for seen in case.evidence.identities if not (same_identity(seen, expected) if expected else seen == one)
    ]
    if others and not strangers:
        yield Kind.NOT_VALID, f"answers came from {_some(others)}, expected was {expected or one}"
    if not case.evidence.identities and not case.selected:
        yield Kind.NOT_VALID, "no answer of the candidate was seen in it"


def _exit_status(case: Case) -> Iterator[tuple[Kind, str]]:
    closed = case.evidence.closed
    if closed is not None and closed.exit_status not in (0, 1):
        why = f": {case.error}" if case.error else ""
        yield Kind.NOT_VALID, f"pytest ended with exit status {closed.exit_status}{why}"
    elif closed is not None and closed.exit_status == 1 and not case.evidence.count("failed", "error"):
        yield Kind.NOT_VALID, "pytest says that a test failed, the evidence shows none"


RULES: dict[str, Callable[[Case], Iterator[tuple[Kind, str]]]] = {
    "ended": _ended,
    "closed": _closed,
    "exit-status": _exit_status,
    "collect-error": _collect_errors,
    "nothing": _nothing,
    "complete": _complete,
    "fewer": _fewer,
    "failure": _failures,
    "call": _calls,
    "asserts": _asserts,
    "warning": _warnings,
    "skip": _skips,
    "rerun": _reruns,
    "duplicate": _duplicates,
    "identity": _identity,
    "answer": _answers,
}


def objections(case: Case) -> tuple[Objection, ...]:
    """Every reason not to believe a suite or not to go on after it, by the rules in their order.

    What a rule has to say many times is said :data:`MOST` times, so that it hides nothing else.
    """
    found: list[Objection] = []
    for name, rule in RULES.items():
        said = [Objection(rule=name, kind=kind, text=text, suite=case.suite) for kind, text in rule(case)]
        found += folded(said)
    return tuple(found)


def folded(said: list[Objection]) -> list[Objection]:
    """The objections of one rule, with one in the place of many of a kind."""
    found: list[Objection] = []
    for rule, kind in dict.fromkeys((one.rule, one.kind) for one in said):
        alike = [one for one in said if (one.rule, one.kind) == (rule, kind)]
        found += alike if len(alike) <= MOST else [*alike[: MOST - 1], _rest(alike[MOST - 1 :])]
    return found


def _rest(alike: list[Objection]) -> Objection:
    """One objection for many of a rule; what they are about is how their texts begin."""
    about = _some([one.text.split(" ")[0] for one in alike])
    return alike[0].model_copy(update={"text": f"and {len(alike)} more like these: {about}; the evidence has them all"})


def _first(test: Tested) -> str:
    lines = [line.strip() for line in test.reason.splitlines() if line.strip()]
    return lines[0][:300] if lines else "no reason was given"


def _all(tests: list[str], said: str) -> str:
    """What is said of one test, said of all of them."""
    if len(tests) == 1:
        return f"{tests[0]} {said}"
    return f"{len(tests)} tests {said.replace('was ', 'were ')}: {_some(tests)}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
