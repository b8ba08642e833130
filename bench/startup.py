"""How long a person waits: for the command line, a suite's verdict, and a whole release of the example."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import example
from bench.figure import Figure
from verdigris.platform import open_platform
from verdigris.settings import load
from verdigris.suites.execution import Gate

RUNS = 7
BASE = 23_200


def run(*, quick: bool = False) -> list[Figure]:
    """Measure on the chatbot, in a project folder of its own."""
    with tempfile.TemporaryDirectory(prefix="verdigris-startup-") as folder:
        project = example.project(Path(folder), BASE, watch=1)
        try:
            return _figures(project, runs=3 if quick else RUNS)
        finally:
            _verdigris(project, "down")


def _figures(project: Path, runs: int) -> list[Figure]:
    figures = [
        Figure("verdigris --help, median", _median(project, runs, "--help"), "s", 0.3, "<="),
    ]
    if _verdigris(project, "up"):
        raise SystemExit("the environment of the benchmark does not come up")
    began = time.monotonic()
    status = _verdigris(project, "release", "1.0.0")
    whole = time.monotonic() - began - 1.0
    figures += [
        Figure("release of the example: exit status", float(status), "", 0, "=="),
        Figure("release of the example without its watch", round(whole, 2), "s", 60, "<="),
        Figure("verdigris status, median", _median(project, runs, "status"), "s", 0.5, "<="),
    ]
    walls = [_smoke(project) for _ in range(runs)]
    figures.append(Figure("smoke verdict (pytest -m smoke --env local), median", _mid(walls), "s", 2.0, "<="))
    overheads = [_overhead(project) for _ in range(runs)]
    figures.append(Figure("a suite's overhead over its slowest test, median", _mid(overheads), "s", 1.0, "<="))
    return figures


def _smoke(project: Path) -> float:
    """Seconds from the command to the verdict."""
    command = [sys.executable, "-m", "pytest", "-m", "smoke", "--env", "local", "-q"]
    began = time.monotonic()
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=60, check=False)
    wall = time.monotonic() - began
    if done.returncode:
        raise SystemExit(f"smoke did not pass:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return wall


def _overhead(project: Path) -> float:
    """Seconds of a suite as a release runs it, less those of its slowest test."""
    settings = load(project / "environments.toml")
    platform = open_platform(settings, "local")
    identity = platform.live().identity
    assert identity is not None
    run = Gate(settings, "local", platform).run("smoke", project / "overhead", "live", identity)
    if run.evidence.closed is None or run.evidence.closed.exit_status:
        raise SystemExit(f"smoke did not pass:\n{run.output}")
    return run.seconds - max(test.seconds for test in run.evidence.tests)


def _median(project: Path, runs: int, *words: str) -> float:
    times = []
    for _ in range(runs):
        began = time.monotonic()
        _verdigris(project, *words)
        times.append(time.monotonic() - began)
    return _mid(times)


def _mid(values: list[float]) -> float:
    return round(statistics.median(values), 3)


def _verdigris(project: Path, *words: str) -> int:
    return subprocess.run(
        [sys.executable, "-m", "verdigris", *words], cwd=project, capture_output=True, timeout=300, check=False
    ).returncode
