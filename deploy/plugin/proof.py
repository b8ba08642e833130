"""A run with ``--env`` that no release started: what was not shown is no pass there either."""

from datetime import UTC, datetime

import pytest

from deploy.evidence import Tested
from deploy.plugin.context import Context
from deploy.plugin.recorder import Gathering, skipped_whole, suites_of
from deploy.policy import not_shown, only_on_a_rerun


class Proof(Gathering):
    """Ends the run with exit status 1 where a test was skipped that may not be, or passed on a rerun only; or none did.

    The rules are those for a suite of a release. A test that fails says so by itself, and whoever selects tests with
    ``-k`` or a path knows what they left out.
    """

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.unproven: list[str] = []
        self.ran = 0
        self.passed = 0

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Judge a file that was skipped whole, about which no test says anything."""
        if report.skipped:
            self.unproven.append(f"{report.nodeid} {skipped_whole(report)}")

    def tested(self, test: Tested) -> None:
        """Judge a test."""
        self.ran += 1
        self.passed += test.outcome == "passed"
        test = test.model_copy(update={"id": self._without_target(test.id)})
        today = datetime.now(UTC).date()
        critical = any(map(self.context.settings.is_critical, suites_of([test.id], self.context)))
        skipped = not_shown(test, today, self.context.environment.allow_skips, critical=critical)
        self.unproven += [text for text in (skipped, only_on_a_rerun(test)) if text]

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Fail the run."""
        if exitstatus != pytest.ExitCode.OK or session.config.option.collectonly:
            return
        if self.ran and not self.passed and not self.unproven:
            self.unproven.append("no test passed")
        if self.unproven:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say why."""
        if self.unproven:
            terminalreporter.section("not proven", red=True)
            for text in self.unproven:
                terminalreporter.line(text)

    def _without_target(self, test: str) -> str:
        """A test's id as the settings name it, where several targets are tested and each has one of its own."""
        if len(self.context.targets) > 1:
            for target in self.context.targets:
                test = test.replace(f"[{target}]", "").replace(f"-{target}]", "]").replace(f"[{target}-", "[")
        return test
