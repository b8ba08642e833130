"""How long a person waits: for the command line, a suite's verdict, and a whole release of the example."""

import statistics
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path

from bench import example
from bench.figure import Figure

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
    walls, overheads = [], []
    for _ in range(runs):
        wall, overhead = _smoke(project)
        walls.append(wall)
        overheads.append(overhead)
    figures.append(Figure("smoke verdict (pytest -m smoke --env local), median", _mid(walls), "s", 2.0, "<="))
    figures.append(Figure("overhead over the slowest test of smoke, median", _mid(overheads), "s", 1.0, "<="))
    return figures


def _smoke(project: Path) -> tuple[float, float]:
    """Seconds of the whole suite, and of it what is not its tests."""
    report = project / "junit.xml"
    command = [sys.executable, "-m", "pytest", "-m", "smoke", "--env", "local", "-q", "--junitxml", str(report)]
    began = time.monotonic()
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=60, check=False)
    wall = time.monotonic() - began
    if done.returncode:
        raise SystemExit(f"smoke did not pass:\n{done.stdout[-2000:]}")
    tests = [float(case.get("time", "0")) for case in ET.parse(report).iter("testcase")]  # noqa: S314 - our own file
    return round(wall, 3), round(wall - sum(tests), 3)


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
        [sys.executable, "-m", "deploy", *words], cwd=project, capture_output=True, timeout=300, check=False
    ).returncode
