"""``verdigris verify``: the suites with a release's rules of evidence, against what stands."""

import re
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from verdigris.cli.console import Console
from verdigris.errors import ExitStatus, UsageError
from verdigris.flow.recovery import idle_color
from verdigris.model import COLORS, Color, Objection, exit_status_of
from verdigris.platform import open_platform
from verdigris.settings import Settings
from verdigris.suites import evidence
from verdigris.suites.execution import Gate
from verdigris.suites.unredacted import clean_left
from verdigris.suites.verifier import Verifier


def verified(
    settings: Settings, environment: str, target: str, suites: tuple[str, ...], console: Console
) -> tuple[dict[str, Any], int]:
    """Run the suites and judge them; what to print, and the exit status."""
    chosen = suites or settings.environment(environment).suites
    for suite in chosen:
        if suite not in settings.suites:
            raise UsageError(f"unknown suite {suite!r}; known: {', '.join(settings.suites)}")
    if target not in ("live", "candidate", *COLORS):
        raise UsageError(f"--target {target!r}: accepted are live, candidate, blue, green")
    if target != "live" and settings.environment(environment).strategy == "rolling":
        raise UsageError(f"--target {target}: {environment} rolls, so only live is accepted: there is no other place")
    platform = open_platform(settings, environment)
    traffic = platform.live()
    color = traffic.color if target == "live" else idle_color(traffic) if target == "candidate" else Color(target)
    deployment = platform.standing(color) if color else None
    if deployment is None:
        raise UsageError(f"--target {target}: nothing stands there in {environment}; see: verdigris status")
    stamp = re.sub(r"[^0-9T]", "", datetime.now(UTC).isoformat())[:15]
    gate = Gate(settings, environment, platform, "verify")
    clean_left(settings.root / settings.reports)  # of a run that was killed
    folder = settings.root / settings.reports / f"{environment}-{stamp}-verify"
    confirmed = platform.journal.read().confirmed
    verifier = Verifier(gate, folder, confirmed, None, console.suite)
    frozen, found = verifier.collect(chosen)
    results = []
    whom = "live" if target == "live" else str(deployment.color)
    if not found:
        for suite in chosen:
            result, objections = verifier.run(suite, whom, deployment, frozen[suite])
            found += objections
            results.append(
                f"{suite}: {result.verdict}, {result.passed} of {result.collected} passed, {result.seconds:.1f} s"
            )
    console.clear()
    shown = [evidence.read(folder / suite / "evidence.jsonl") for suite in chosen]
    content = {
        "target": f"{target}: {deployment.identity}",
        "suites": results,
        "left out": [suite for suite in settings.suites if suite not in chosen] or "nothing",
        "need no answer": [text for one in shown for text in one.unasked] or "nothing",
        "objections": [_said(objection) for objection in found],
        "verdict": "passed" if not found else "not passed",
        "records": str(folder),
    }
    return content, int(exit_status_of(found)) if found else int(ExitStatus.CONFIRMED)


def collected(settings: Settings, environment: str) -> tuple[dict[str, Any], int]:
    """What a release would collect, and what keeps it from that; its files are kept nowhere.

    Suites that run as a Job are not collected: a plan starts nothing in a cluster, and this machine needs nothing of
    what they need.
    """
    chosen = settings.environment(environment)
    if chosen.kubernetes is not None and chosen.kubernetes.runner == "job":
        return {"tests": "collected in the cluster when it is released", "objections": []}, int(ExitStatus.CONFIRMED)
    platform = open_platform(settings, environment)
    suites, confirmed = chosen.suites, platform.journal.read().confirmed
    with TemporaryDirectory(prefix="verdigris-plan-") as folder:
        gate = Gate(settings, environment, platform, "plan")
        frozen, found = Verifier(gate, Path(folder), confirmed, None).collect(suites)
    content = {
        "tests": [f"{suite}: {len(ids)} test{'' if len(ids) == 1 else 's'}" for suite, ids in frozen.items()],
        "objections": [_said(objection) for objection in found],
    }
    return content, int(exit_status_of(found)) if found else int(ExitStatus.CONFIRMED)


def _said(objection: Objection) -> str:
    return f"{objection.suite}: {objection.kind}: {objection.text}"
