"""Evidence, written while the suite runs: a line as soon as something is known.

With pytest-xdist the tests run in workers and the file is written by the controller, so what a test saw travels on its
report, in the attribute ``verdigris``.
"""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from deploy.evidence import Closed, Collected, CollectError, Started, Tested
from deploy.model import Value
from deploy.plugin.context import Context
from deploy.plugin.identity import BOOK


class Carrier:
    """In the process that runs a test: put what it saw on its last report."""

    def __init__(self, context: Context) -> None:
        self.context = context

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        """Open the test's ledger."""
        BOOK.open()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: "pytest.CallInfo[None]"
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach the ledger."""
        report = yield
        if call.when == "teardown":
            ledger = BOOK.ledger
            report.verdigris = {  # type: ignore[attr-defined]
                "identities": dict(ledger.identities),
                "ips": dict(ledger.ips),
                "strangers": [stranger.model_dump() for stranger in ledger.strangers],
                "exchanges": [exchange.model_dump() for exchange in ledger.exchanges],
                "artifacts": ledger.artifacts,
                "figures": ledger.figures,
                "critical": item.get_closest_marker("critical") is not None,
            }
        return report


class Gathering:
    """In the main process: put the phases of each test together."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._reports: dict[str, list[pytest.TestReport]] = {}
        self._attempts: dict[str, int] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a test when its last phase is in."""
        name = report.nodeid
        if report.outcome == "rerun":  # type: ignore[comparison-overlap]  # pytest-rerunfailures
            self._attempts[name] = self._attempts.get(name, 1) + 1
            self._reports.pop(name, None)
            return
        self._reports.setdefault(name, []).append(report)
        if report.when not in ("setup", "call"):
            self.tested(_tested(name, self._reports.pop(name), self._attempts.get(name, 1)))

    def tested(self, test: Tested) -> None:
        """Take what a test came to."""
        raise NotImplementedError


class Recorder(Gathering):
    """Write the file."""

    def __init__(self, context: Context, path: Path) -> None:
        super().__init__(context)
        self.deselected = 0
        self.tests = 0
        self.said = False
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = path.open("w", encoding="utf-8")

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Count what was deselected."""
        self.deselected += len(items)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note what cannot be collected, and what is skipped whole: no list would miss its tests."""
        if report.failed:
            self._write(CollectError(id=report.nodeid, text=str(report.longrepr)[-2000:]))
        elif report.skipped:
            self._write(CollectError(id=report.nodeid, text=skipped_whole(report)))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note what was collected."""
        if not session.config.pluginmanager.hasplugin("dsession"):
            self._collected([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:  # noqa: ARG002
        """Note what the workers collected; they must agree, which pytest-xdist sees to itself."""
        self._collected(ids)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Note that a test began."""
        self._write(Started(id=nodeid))

    def tested(self, test: Tested) -> None:
        """Note a test."""
        self.tests += 1
        self._write(test)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Close the evidence."""
        self._write(Closed(exit_status=int(exitstatus), tests=self.tests))
        self.file.close()

    def _collected(self, ids: list[str]) -> None:
        if self.said:
            return
        self.said = True
        target = next(iter(self.context.targets.values()), None)
        alone = len(self.context.targets) == 1
        self._write(
            Collected(
                suite=",".join(suites_of(ids, self.context)),
                environment=self.context.name,
                target=",".join(self.context.targets),
                expected=target.identity.header() if target and target.identity and alone else None,
                grade=self.context.settings.identity.grade,
                ids=tuple(ids),
                deselected=self.deselected,
                profile=self.context.checks.load.profile,
            )
        )

    def _write(self, line: Value) -> None:
        content = line.model_dump(mode="json")
        self.file.write(json.dumps(content) + "\n")
        self.file.flush()


def _tested(nodeid: str, reports: list[pytest.TestReport], attempts: int) -> Tested:
    seen: dict[str, Any] = getattr(reports[-1], "verdigris", {})
    outcome, reason = outcome_of(reports)
    if outcome not in ("failed", "error"):
        seen = {**seen, "exchanges": []}
    seconds = round(sum(report.duration for report in reports), 4)
    said = {"id": nodeid, "outcome": outcome, "reason": reason, "seconds": seconds, "attempts": attempts}
    return Tested.model_validate({**seen, **said})


def outcome_of(reports: list[pytest.TestReport]) -> tuple[str, str]:
    """The outcome of a test from the reports of its phases, and its reason."""
    for report in reports:
        if report.failed:
            outcome = "failed" if report.when == "call" else "error"
            return outcome, _reason(report)
    for report in reports:
        if hasattr(report, "wasxfail"):
            return ("xfailed" if report.skipped else "xpassed"), str(report.wasxfail)
        if report.skipped:
            return "skipped", _reason(report)
    return "passed", ""


def skipped_whole(report: pytest.CollectReport) -> str:
    """Why a file was skipped before its tests were known."""
    said = report.longrepr[2] if isinstance(report.longrepr, tuple) else "no reason was given"
    return f"skipped: {said.removeprefix('Skipped: ')}"


def _reason(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2])
    crash = getattr(report.longrepr, "reprcrash", None)
    text = report.longreprtext
    return f"{crash.message}\n\n{text}"[:8000] if crash is not None else text[-8000:]


def suites_of(ids: list[str], context: Context) -> list[str]:
    """The suites that tests belong to."""
    return sorted(
        {name for name, suite in context.settings.suites.items() for one in ids if one.startswith(f"{suite.folder}/")}
    )
