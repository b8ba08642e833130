"""One suite as a report shows it: the record's counts beside what its evidence holds, and where the two disagree."""

from collections.abc import Iterator

from verdigris.model import Identity, Record, SuiteResult
from verdigris.reporting.report.files import SuiteFiles
from verdigris.reporting.report.text import duration, first_line, short
from verdigris.reporting.report.view import Fact, Link, SuiteView, TestView
from verdigris.suites.evidence import Evidence, Tested

LISTED = 1000
"""Passed tests that are listed by name; the others are in the evidence."""
CONTROL = " (control)"
"""What is said with the verdict of a suite that ran on the live color for comparison."""
_STATES = {"passed": "good", "failed": "bad", "error": "bad"}


def views(record: Record, folders: tuple[SuiteFiles, ...]) -> tuple[SuiteView, ...]:
    """The suites in the record's order, then those that left evidence only, then those that never ran."""
    left = {found.folder: found for found in folders}
    rows: list[tuple[str, SuiteResult | None, SuiteFiles | None]] = [
        (result.suite, result, left.pop(result.folder, None)) for result in record.suites
    ]
    rows += [(found.folder, None, found) for found in left.values()]
    named = {name for name, _, _ in rows}
    rows += [(suite, None, None) for suite in record.required if suite not in named]
    return tuple(_view(record, f"suite-{number}", *row) for number, row in enumerate(rows, start=1))


def _view(record: Record, anchor: str, name: str, result: SuiteResult | None, found: SuiteFiles | None) -> SuiteView:
    if found is None:
        problem = "no evidence was left" if result else "it is required and did not run"
        return SuiteView(
            name=name,
            anchor=anchor,
            verdict=result.verdict if result else "did not run",
            state=_STATES.get(result.verdict, "warn") if result else "warn",
            counts=_counts(result),
            lasted=duration(result.seconds) if result else "",
            problems=(problem,),
        )
    seen = found.evidence
    tests = [_test(test, found.links) for test in seen.tests]
    failing = tuple(one for one in tests if one.test.outcome in ("failed", "error") or one.test.strangers)
    passed = [one for one in tests if one.test.outcome == "passed" and one.test.attempts < 2 and not one.test.strangers]
    shown = {id(one) for one in (*failing, *passed)}
    verdict = result.verdict if result else _unrecorded(name, seen)
    return SuiteView(
        name=name,
        anchor=anchor,
        verdict=verdict,
        state=_STATES.get(verdict.removesuffix(CONTROL), "warn"),
        counts=_counts(result) or _counted(seen),
        lasted=duration(result.seconds) if result else "",
        facts=tuple(_facts(name, seen)),
        problems=tuple(_problems(record, name, result, seen)),
        unasked=tuple(seen.unasked),
        failing=failing,
        unproven=tuple(one for one in tests if id(one) not in shown),
        passed=tuple(passed[:LISTED]),
        left_out=max(0, len(passed) - LISTED),
        tail="" if verdict.startswith("passed") else found.tail,
        files=found.files,
    )


def _unrecorded(name: str, seen: Evidence) -> str:
    """The verdict of a run that the record has no result of: a control has none, another was lost."""
    if not name.startswith("control-") or seen.closed is None:
        return "no result"
    return ("failed" if seen.count("failed", "error") else "passed") + CONTROL


def _counted(seen: Evidence) -> tuple[int, int, int, int]:
    collected = len(seen.collected.ids) if seen.collected else 0
    failed, skipped = seen.count("failed", "error"), seen.count("skipped", "xfailed", "xpassed")
    return collected, seen.count("passed"), failed, skipped


def _counts(result: SuiteResult | None) -> tuple[int, int, int, int] | None:
    return (result.collected, result.passed, result.failed, result.skipped) if result else None


def _test(test: Tested, links: dict[str, Link]) -> TestView:
    mine = [links[name] for name in test.artifacts if name in links]
    return TestView(
        test=test,
        pictures=tuple(one for one in mine if one.uri),
        files=tuple(one for one in mine if not one.uri),
    )


def _facts(name: str, seen: Evidence) -> Iterator[Fact]:
    if seen.collected is None:
        return
    collected = seen.collected
    if collected.suite and name.startswith("control-"):
        yield Fact("what for", "the failed suite again, on the live color: does it fail there too?")
    yield Fact("target", f"{collected.target} in {collected.environment}")
    expected = Identity.parse(collected.expected) if collected.expected else None
    yield Fact("expected identity", str(expected or collected.expected or "none: it cannot gate"))
    yield Fact("graded", collected.grade)
    answers = seen.identities
    if collected.expected and set(answers) == {collected.expected}:
        yield Fact("answers", f"{answers[collected.expected]:,}, every one by the expected identity")
    else:
        for header, number in answers.items():
            yield Fact(f"answers: {number:,}", f"by {Identity.parse(header) or header}")
    if seen.ips:
        yield Fact("answered at", ", ".join(seen.ips))
    for text in seen.unasked:
        yield Fact("needs no answer", text)
    if collected.profile and any(test.figures for test in seen.tests):
        yield Fact("load profile", collected.profile)


def _problems(record: Record, name: str, result: SuiteResult | None, seen: Evidence) -> Iterator[str]:
    """What keeps this evidence from being whole, in words."""
    if result is None and not name.startswith("control-"):
        yield "it left evidence, the record has no result of it"
    if seen.broken:
        yield f"its evidence is broken: {seen.broken}"
    if seen.collected is None:
        yield "its evidence does not say what it collected"
    elif seen.collected.deselected and not seen.left_out:
        yield f"{seen.collected.deselected} tests were deselected"
    if seen.closed is None:
        yield "its evidence has no closing line: the run was cut off"
    elif seen.closed.tests != len(seen.tests):
        yield f"its closing line counts {seen.closed.tests} tests, the evidence holds {len(seen.tests)}"
    for one in seen.left_out:
        yield f"{one.id} stands in the suite and was left out by {one.by}"
    for warned in seen.warnings:
        yield f"{warned.id or 'before or after the tests'}: {short(warned.text, 300)}"
    for error in seen.collect_errors:
        yield f"{error.id} cannot be collected: {short(first_line(error.text), 300)}"
    for hanging in seen.hanging:
        yield f"{hanging} began and never ended"
    ran = {test.id for test in seen.tests} | set(seen.hanging)
    frozen = record.tests.get(result.suite, ()) if result else ()
    missing = [test for test in frozen if test not in ran]
    if missing:
        others = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        yield f"collected before the release and did not run: {', '.join(missing[:3])}{others}"
    if result and seen.closed and result.passed != seen.count("passed"):
        yield f"the record counts {result.passed} passed, the evidence {seen.count('passed')}"
