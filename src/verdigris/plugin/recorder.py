"""Evidence, put together in the main process while the suite runs, and written a line as soon as something is known.

With pytest-xdist the tests run in workers: what a test did comes on its last report (:mod:`verdigris.plugin.carrier`),
what was left out and what was seen after the last report in each worker's output.
"""

import json
from pathlib import Path
from typing import IO, Any

import pytest

from verdigris.model import Value
from verdigris.plugin.carrier import LATE, Carrier
from verdigris.plugin.collection import LEFT_OUT, Collection, asserts_hold
from verdigris.plugin.context import Context
from verdigris.suites.evidence import (
    Closed,
    Collected,
    CollectError,
    Evidence,
    LeftOut,
    Started,
    Tested,
    Warned,
)

_OUTCOMES = ("passed", "failed", "skipped")
"""pytest's own; any other (``rerun``, ``retried``) is that of an attempt after which the test is begun again."""
_WARNINGS = ("PytestUnhandledCoroutineWarning", "PytestUnknownMarkWarning")
"""pytest's warnings of what the carrier does not see itself."""
NEVER_AWAITED = "was never awaited"


class Recorder:
    """The lines of a run; a file has each of them at once, where one is asked for."""

    def __init__(self, context: Context, path: Path | None, carrier: Carrier, collection: Collection) -> None:
        self.context = context
        self.carrier = carrier
        self.collection = collection
        self.lines: list[Value] = []
        self.deselected = 0
        self.tests = 0
        self.said = False
        self.left: set[str] = set()
        self._reports: dict[str, list[pytest.TestReport]] = {}
        self._attempts: dict[str, int] = {}
        self.file: IO[str] | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.file = path.open("w", encoding="utf-8")

    @property
    def evidence(self) -> Evidence:
        """What was seen until now."""
        return Evidence.of(self.lines)

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Count what was deselected."""
        self.deselected += len(items)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note what cannot be collected, and what is skipped whole: no list would miss its tests."""
        if report.failed:
            self._write(CollectError(id=report.nodeid, text=str(report.longrepr)[-2000:]))
        elif report.skipped:
            self._write(CollectError(id=report.nodeid, text=skipped_whole(report)))

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note what was collected, and what was left out."""
        if not session.config.pluginmanager.hasplugin("dsession"):
            self._collected([item.nodeid for item in session.items])
            self._left_out(self.collection.left_out)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:  # noqa: ARG002
        """Note what the workers collected; they must agree, which pytest-xdist sees to itself."""
        self._collected(ids)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:  # noqa: ARG002
        """Note what a worker tells at its end."""
        output = getattr(node, "workeroutput", {})
        self._left_out([LeftOut.model_validate(one) for one in output.get(LEFT_OUT, ())])
        self._warned(output.get(LATE, ()))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Note that a test began."""
        self._write(Started(id=nodeid))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Put the phases of a test together; it is complete when its last one is in."""
        name = report.nodeid
        if report.outcome not in _OUTCOMES:
            self._attempts[name] = self._attempts.get(name, 1) + 1
            self._reports[name] = []
            return
        mine = self._reports.setdefault(name, [])
        mine.append(report)
        if report.when not in ("setup", "call"):
            self._warned(getattr(report, "verdigris", {}).get("warnings", ()))
            if mine == [report] and report.passed and name in self._attempts:
                mine.clear()  # the attempt that was given up is taken down; the next one has its own reports
                return
            self.tests += 1
            self._write(_tested(name, self._reports.pop(name), self._attempts.get(name, 1)))

    def pytest_warning_recorded(self, warning_message: Any, nodeid: str) -> None:
        """Note a warning of pytest's that a test proved nothing, whatever the project's filters make of it."""
        text = str(warning_message.message)
        if warning_message.category.__name__ in _WARNINGS or NEVER_AWAITED in text:
            first = text.strip().splitlines()[0][:300] if text.strip() else "no text"
            self._write(Warned(id=nodeid, text=f"{warning_message.category.__name__}: {first}"))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Close the evidence."""
        self._warned(self.carrier.late())
        self._write(Closed(exit_status=int(exitstatus), tests=self.tests))
        if self.file is not None:
            self.file.close()
            self.file = None

    def _warned(self, seen: Any) -> None:
        for one in seen:
            self._write(Warned.model_validate(one))

    def _left_out(self, seen: list[LeftOut]) -> None:
        for one in seen:
            if one.id not in self.left:  # each worker tells of the same ones
                self.left.add(one.id)
                self._write(one)

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
                asserts=asserts_hold(self.collection.config),
            )
        )

    def _write(self, line: Value) -> None:
        self.lines.append(line)
        if self.file is not None:
            self.file.write(json.dumps(line.model_dump(mode="json")) + "\n")
            self.file.flush()


def _tested(nodeid: str, reports: list[pytest.TestReport], attempts: int) -> Tested:
    seen: dict[str, Any] = {**getattr(reports[-1], "verdigris", {})}
    seen.pop("warnings", None)
    outcome, reason = outcome_of(reports)
    if outcome not in ("failed", "error"):
        seen["exchanges"] = []
    if outcome != "passed":
        seen["raised"] = ""  # its reason says it already
    return Tested.model_validate(
        {
            **seen,
            "id": nodeid,
            "outcome": outcome,
            "reason": reason,
            "seconds": round(sum(report.duration for report in reports), 4),
            "attempts": max(attempts, seen.get("attempts", 1)),
            # a subtest has a report of its own beside that of its test
            "phases": [str(one.when) for one in reports if one.passed and not hasattr(one, "context")],
        }
    )


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
