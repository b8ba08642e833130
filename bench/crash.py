"""Runs killed at each of their effects and recovered: what is wrong afterwards, and what users lost.

Five kinds of run (a first release, a good one, one that its watch takes back, a person's rollback, ``pytest
--candidate``) are killed with SIGKILL just before and just after every effect; see ``tests/crash/driver.py``.
"""

import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from bench.figure import Figure, percentile
from tests.crash import matrix
from tests.crash.matrix import FLOWS, Kill

RECOVER_SECONDS = 5.0
STRIDE_QUICK = 12
"""A quick run kills at every twelfth point."""


def measure(*, quick: bool, folder: Path) -> list[Kill]:
    """Kill and recover; every kill is said as it comes."""
    stride = STRIDE_QUICK if quick else 1
    chosen = os.environ.get("BENCH_CRASH_FLOWS", ",".join(FLOWS)).split(",")
    kills: list[Kill] = []
    for name in chosen:
        found = matrix.run(folder / name, name, lambda points: list(range(1, len(points) + 1, stride)))
        for one in found:
            print(one, file=sys.stderr, flush=True)
        kills += found
    return kills


def figures_of(kills: list[Kill]) -> list[Figure]:
    """The figures of a run."""
    seconds = [kill.seconds for kill in kills if kill.reached]
    good = sum(not kill.wrong and not kill.manual for kill in kills)
    return [
        Figure("kill points", len(kills), "kills", 1, ">="),
        Figure("recovered", good, "kills", len(kills), "=="),
        Figure("recover, the longest", round(max(seconds, default=float("nan")), 2), "s", RECOVER_SECONDS, "<="),
        Figure("recover, p99", round(percentile(seconds, 0.99), 2), "s", RECOVER_SECONDS, "<="),
        Figure("requests lost", sum(kill.lost for kill in kills), "requests", 0, "=="),
        Figure("wrong states", sum(bool(kill.wrong) for kill in kills), "kills", 0, "=="),
        Figure("manual steps", sum(bool(kill.manual) for kill in kills), "kills", 0, "=="),
    ]


def run(*, quick: bool = False, report: Path | None = None) -> list[Figure]:
    """Measure it; with ``report`` what came of each kill is kept in that folder."""
    with tempfile.TemporaryDirectory(prefix="crash-") as name:
        kills = measure(quick=quick, folder=Path(name))
    if report is not None:
        report.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps(asdict(kill)) for kill in kills]
        (report / "kills.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return figures_of(kills)
