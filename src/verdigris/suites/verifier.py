"""Run the suites that an environment requires, judge each, and ask the live color where the candidate fails.

The control: what fails on the candidate is run on the live color too. Where it fails there as well, the environment is
broken (its database, a service), and the failure says nothing of the candidate: not valid, rather than failed.
"""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from verdigris.model import Deployment, Kind, Objection, SuiteResult
from verdigris.platform import Rehearsed
from verdigris.state.journal import Confirmed
from verdigris.suites import evidence
from verdigris.suites.evidence import Evidence
from verdigris.suites.execution import Gate, Run
from verdigris.suites.parent_watch import SAID
from verdigris.suites.rules import Case, folded, gone, left_out, objections

Progress = Callable[[str, Evidence], None]


class Verifier:
    """Judges suites against what was frozen in prepare."""

    def __init__(
        self,
        gate: Gate,
        folder: Path,
        confirmed: Confirmed | None,
        acknowledged: str | None,
        progress: Progress | None = None,
    ) -> None:
        self.gate = gate
        self.folder = folder
        self.confirmed = confirmed
        self.acknowledged = acknowledged
        self.progress = progress or (lambda _suite, _evidence: None)

    def collect(self, suites: tuple[str, ...]) -> tuple[dict[str, tuple[str, ...]], tuple[Objection, ...]]:
        """Freeze the ids of each suite; what cannot be collected is refused before anything is touched."""
        frozen: dict[str, tuple[str, ...]] = {}
        found: list[Objection] = []
        stop = threading.Event()
        with ThreadPoolExecutor(max(1, len(suites))) as pool:
            try:
                collect = lambda suite: self.gate.collect(suite, self.folder / ".collected" / suite, stop)  # noqa: E731
                runs = list(pool.map(collect, suites))
            finally:
                stop.set()  # whoever breaks off here, by a signal, does not wait for what is slow to collect
        for suite, run in zip(suites, runs, strict=True):
            frozen[suite] = run.evidence.collected.ids if run.evidence.collected else ()
            found += _uncollected(run, self.gate.settings.root / self.gate.settings.suites[suite].folder)
        return frozen, (*found, *self._fewer(frozen, {str(one.suite) for one in found if one.rule == "collect"}))

    def _fewer(self, frozen: dict[str, tuple[str, ...]], uncollected: set[str]) -> list[Objection]:
        """Tests of the last confirmed release that are gone, with their suite where that was taken out."""
        if self.confirmed is None or self.acknowledged:
            return []
        required, found = self.gate.settings.environment(self.gate.environment).suites, []
        for suite, confirmed in self.confirmed.tests.items():
            text = gone(confirmed, frozen[suite]) if suite in frozen and suite not in uncollected else ""
            if suite not in required and confirmed:
                text = f"the suite {suite} is required no more: {gone(confirmed, ())}"
            if text:
                found.append(Objection(rule="fewer", kind=Kind.NOT_VALID, suite=suite, text=text))
        return found

    def run(
        self,
        suite: str,
        target: str,
        deployment: Deployment,
        frozen: tuple[str, ...],
        name: str | None = None,
        stop: threading.Event | None = None,
        env: Mapping[str, str] | None = None,
    ) -> tuple[SuiteResult, tuple[Objection, ...]]:
        """Run one suite against a deployment and judge it.

        Args:
            target: ``live`` or a color, as ``--target`` has it.
            name: the folder of its files, where it is not the suite's name.
            stop: set where the run is no longer needed.
            env: variables for the suite beside those that it always has.
        """
        folder = name or suite
        run = self.gate.run(
            suite,
            self.folder / folder,
            target,
            deployment.identity,
            lambda shown: self.progress(folder, shown),
            stop,
            env,
        )
        settings = self.gate.settings
        environment = settings.environment(self.gate.environment)
        confirmed = self.confirmed.tests.get(suite) if self.confirmed else None
        found = objections(
            Case(
                suite=folder,
                evidence=run.evidence,
                frozen=frozen,
                expected=deployment.identity,
                demands=environment.demands,
                all_critical=settings.is_critical(suite),
                ended=run.ended,
                error=_errors(run),
                confirmed=confirmed,
                acknowledged=self.acknowledged,
                allow_skips=environment.allow_skips,
                today=datetime.now(UTC).date(),
            )
        )
        return _result(folder, run, found), found

    def control(
        self, suite: str, live: Deployment, frozen: tuple[str, ...]
    ) -> tuple[SuiteResult, tuple[Objection, ...]]:
        """What a failed suite's control on the live color adds: an objection where the same tests fail there."""
        name = f"control-{suite}"
        result, _ = self.run(suite, str(live.color), live, frozen, name=name)
        both = self._failed(suite) & self._failed(name)
        if not both:
            return result, ()
        some = ", ".join(sorted(both)[:3])
        text = f"the live color fails the same tests ({some}): the environment is broken, not the candidate"
        return result, (Objection(rule="control", kind=Kind.NOT_VALID, suite=suite, text=text),)

    def rehearse(
        self, suite: str, live: Deployment, frozen: tuple[str, ...], rehearsed: Rehearsed
    ) -> tuple[SuiteResult, tuple[Objection, ...]]:
        """Run a suite against the live version on a migrated copy of the database.

        Only the tests that confirmed the live version count: a test that is new with the release may ask for what the
        live version does not have.
        """
        name = f"rehearsal-{suite}"
        env = {"VERDIGRIS_REHEARSAL": f"{rehearsed.address} {rehearsed.database_url}"}
        result, found = self.run(suite, "rehearsal", live, frozen, name=name, env=env)
        counted = set(self.confirmed.tests.get(suite, ())) if self.confirmed else set(frozen)
        bad = self._failed(name) & counted
        text = f"{live.release.version} does not work on the migrated schema: {', '.join(sorted(bad)[:3])} failed"
        if bad:
            return result, (Objection(rule="rehearsal", kind=Kind.REFUSED, suite=name, text=text),)
        others = tuple(objection for objection in found if objection.rule != "failure")
        return result, tuple(objection.model_copy(update={"kind": Kind.REFUSED}) for objection in others)

    def _failed(self, folder: str) -> set[str]:
        tests = evidence.read(self.folder / folder / "evidence.jsonl").tests
        return {test.id for test in tests if test.outcome in ("failed", "error")}


def _uncollected(run: Run, folder: Path) -> list[Objection]:
    if not folder.is_dir():
        text = f"its folder {folder.name} is not there: bring it back, or name it in suites.{run.suite}.folder"
        return [Objection(rule="collect", kind=Kind.REFUSED, suite=run.suite, text=text)]
    problems = [f"{error.id} cannot be collected: {error.last_line[:300]}" for error in run.evidence.collect_errors]
    if problems:
        return [Objection(rule="collect", kind=Kind.REFUSED, suite=run.suite, text=text) for text in problems]
    if run.ended or run.exit_status not in (0, 5):
        said = _errors(run) or next((line for line in reversed(run.output.splitlines()) if line.strip()), "")[:500]
        how = run.ended or f"pytest ended with {run.exit_status}"
        text = f"its tests cannot be collected: {how}" + (f": {said}" if said else "")
        return [Objection(rule="collect", kind=Kind.REFUSED, suite=run.suite, text=text)]
    found = [
        Objection(rule="complete", kind=Kind.NOT_VALID, suite=run.suite, text=left_out(one))
        for one in run.evidence.left_out
    ]
    if run.evidence.collected is None or not run.evidence.collected.ids:
        found.append(Objection(rule="collect", kind=Kind.NOT_VALID, suite=run.suite, text="it has no tests"))
    return folded(found)


def _errors(run: Run) -> str:
    """What pytest said that kept it from running: its usage errors, or else the last line of an internal one."""
    lines = [line for line in run.output.splitlines() if not line.startswith(SAID)]
    internal = [line.removeprefix("INTERNALERROR>").strip() for line in lines if line.startswith("INTERNALERROR>")]
    said = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR")]
    return (" ".join(said) or " ".join(filter(None, internal[-1:])))[:500]


def _result(folder: str, run: Run, found: tuple[Objection, ...]) -> SuiteResult:
    kinds = {objection.kind for objection in found}
    verdict = next(
        (str(kind) for kind in (Kind.NOT_VALID, Kind.FAILED, Kind.NOT_CONCLUSIVE) if kind in kinds), "passed"
    )
    return SuiteResult(
        suite=folder,
        verdict=verdict,
        collected=len(run.evidence.collected.ids) if run.evidence.collected else 0,
        passed=run.evidence.count("passed"),
        failed=run.evidence.count("failed", "error"),
        skipped=run.evidence.count("skipped", "xfailed", "xpassed"),
        seconds=run.seconds,
        folder=folder,
    )
