"""A run with ``--env`` that no release started is judged by a release's rules: what was not shown is no pass.

What differs is what a person may choose: tests by name, and an environment of which nobody says who must answer.
"""

import re
from collections.abc import Generator, Iterator
from datetime import UTC, datetime

import pytest

from verdigris.model import Kind, Objection
from verdigris.plugin.context import Context, Target
from verdigris.plugin.recorder import Recorder, suites_of
from verdigris.plugin.selection import Selection
from verdigris.redaction.printable import shown
from verdigris.suites.evidence import SELECTION, Closed, Evidence, Tested
from verdigris.suites.rules import Case, objections


class Proof:
    """Ends the run with exit status 1 if its evidence is no proof."""

    def __init__(self, context: Context, recorder: Recorder, selection: Selection, suites: tuple[str, ...]) -> None:
        self.context = context
        self.recorder = recorder
        self.selection = selection
        self.suites = suites
        """The suites that the run means as a whole."""
        self.judged: tuple[Objection, ...] | None = None
        self.said = False
        """Whether a person could read why."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Fail the run for whoever reads its exit status; :mod:`verdigris.plugin.leaving` has the last word."""
        yield
        if session.exitstatus == pytest.ExitCode.OK and self.objections():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say why, and what a pass does not mean."""
        self.said = True
        unproven = [one for one in self.objections() if one.kind is not Kind.FAILED]
        if unproven:
            terminalreporter.section("not proven", red=True)
            for one in unproven:
                terminalreporter.line(shown(one.text))
        if not self.selection.collects_only:
            for line in self._notes():
                terminalreporter.line(shown(line))

    def objections(self) -> tuple[Objection, ...]:
        """Every reason not to believe the run; it is judged once, when its evidence is closed."""
        if self.selection.collects_only:
            return ()
        if self.judged is None:
            evidence = self.recorder.evidence
            found = [one for case in self._cases(evidence) for one in objections(case)]
            self.judged = tuple(dict.fromkeys((*found, *self._empty(evidence))))
        return self.judged

    def _cases(self, evidence: Evidence) -> Iterator[Case]:
        """One for each target: its tests are those that have its name; the first has whatever has none."""
        targets = self.context.targets
        ids = evidence.collected.ids if evidence.collected else ()
        for number, (name, target) in enumerate(targets.items()):
            mine = {one for one in ids if len(targets) == 1 or self._target_of(one) == name}
            if number == 0:
                mine |= {one for one in ids if self._target_of(one) is None}
                mine |= {test.id for test in evidence.tests if test.id not in ids}
            yield self._case(evidence, target, mine)
        if not targets:  # a conftest made it a run that collects only, which the command did not say
            yield self._case(evidence, None, set(ids))

    def _case(self, evidence: Evidence, target: Target | None, mine: set[str]) -> Case:
        collected = evidence.collected
        tests = tuple(self._as_named(test, target) for test in evidence.tests if test.id in mine)
        expected = target.identity if target else None
        closed = evidence.closed
        if closed is not None and len(self.context.targets) > 1:  # it is about the tests of all targets
            elsewhere = evidence.count("failed", "error") and not any(map(_failed, tests))
            closed = Closed(exit_status=0 if elsewhere else closed.exit_status, tests=len(tests))
        narrowed = {
            "tests": tests,
            "closed": closed,
            "collected": collected and collected.model_copy(update={"expected": expected and expected.header()}),
        }
        return Case(
            suite=",".join(self.suites),
            evidence=evidence.model_copy(update=narrowed),
            frozen=tuple(self._without_target(one) for one in collected.ids if one in mine) if collected else (),
            expected=expected,
            selected=self._selected,
            demands=self.context.environment.demands,
            allow_skips=self.context.environment.allow_skips,
            today=datetime.now(UTC).date(),
        )

    def _as_named(self, test: Tested, target: Target | None) -> Tested:
        """A test as the settings name it, with what its suite demands of it.

        What is shared by the tests of one target may be taken down while one of the next target is under way, and ask
        for that. Each request was held against its own target already, so those answers are no strangers here.
        """
        critical = any(map(self.context.settings.is_critical, suites_of([test.id], self.context)))
        others = {one.identity.header() for one in self.context.targets.values() if one is not target and one.identity}
        return test.model_copy(
            update={
                "id": self._without_target(test.id),
                "critical": test.critical or critical,
                "identities": {seen: number for seen, number in test.identities.items() if seen not in others},
            }
        )

    @property
    def _selected(self) -> bool:
        return bool(self.selection.words) or self.selection.marker not in ("", *self.context.settings.suites)

    def _empty(self, evidence: Evidence) -> Iterator[Objection]:
        """Each suite that is meant as a whole and has no test."""
        found = suites_of(list(evidence.collected.ids), self.context) if evidence.collected else []
        for suite in () if self._selected else self.suites:
            if suite not in found:
                text = f"the suite {suite} has no test in {self.context.settings.suites[suite].folder}/"
                yield Objection(rule="collect", kind=Kind.NOT_VALID, text=text, suite=suite)

    def _notes(self) -> Iterator[str]:
        evidence = self.recorder.evidence
        ran = len(evidence.tests)
        if self._selected:
            all_of_them = ran + sum(one.by == SELECTION for one in evidence.left_out)
            chosen = " ".join(self.selection.words) or f"-m {self.selection.marker}"
            yield f"selected by hand ({chosen}): {ran} of {all_of_them} tests; that is no proof for a release"
        for text in evidence.unasked:
            yield f"needs no answer of the target: {text}"

    def _target_of(self, test: str) -> str | None:
        """Whose a test is, where several targets are tested: pytest puts the target among its parameters."""
        for target in self.context.targets:
            if re.search(rf"[\[-]{target}[\]-]", test.partition("::")[2]):
                return target
        return None

    def _without_target(self, test: str) -> str:
        """A test's id as the settings name it, where several targets are tested and each has one of its own."""
        target = self._target_of(test) if len(self.context.targets) > 1 else None
        if target is None:
            return test
        file, _, name = test.partition("::")
        name = re.sub(rf"\[{target}\]$|-{target}(?=[\]-])|(?<=\[){target}-", "", name, count=1)
        return f"{file}::{name}"


def _failed(test: Tested) -> bool:
    return test.outcome in ("failed", "error")
