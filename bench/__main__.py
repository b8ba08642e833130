"""``python -m bench`` lists the benchmarks; ``python -m bench NAME`` runs one, exit 1 where a figure does not hold."""

import argparse
import dataclasses
import importlib
import json
import signal
import sys
from collections.abc import Sequence
from types import ModuleType

from bench.figure import Figure

BENCHMARKS = {
    "cluster": "bench.cluster",
    "crash": "bench.crash",
    "guardian": "bench.guardian",
    "startup": "bench.startup",
    "switch": "bench.switch",
    "trouble": "bench.trouble",
}
"""The name of a benchmark and its module: a docstring, and ``run(quick=...) -> list[Figure]``."""


def _module(name: str) -> ModuleType:
    return importlib.import_module(BENCHMARKS[name])


def _line(name: str) -> str:
    return (_module(name).__doc__ or "").strip().splitlines()[0]


def main(words: Sequence[str] | None = None) -> int:
    """List the benchmarks or run one; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="What is claimed in numbers, re-measured.")
    parser.add_argument("name", nargs="?", choices=sorted(BENCHMARKS), help="without one they are listed")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument(
        "--quick", action="store_true", help="fewer repetitions: whether it works, not what it measures"
    )
    chosen = parser.parse_args(words)
    if chosen.name is None:
        for name in sorted(BENCHMARKS):
            print(f"{name:12} {_line(name)}")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what a benchmark started, it stops
    figures: list[Figure] = _module(chosen.name).run(quick=chosen.quick)
    if chosen.json:
        values = [dataclasses.asdict(figure) | {"holds": figure.holds} for figure in figures]
        print(json.dumps({"benchmark": chosen.name, "quick": chosen.quick, "figures": values}, indent=1))
    else:
        for figure in figures:
            print(figure)
    return 0 if figures and all(figure.holds for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
