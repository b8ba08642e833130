"""``python -m tests.mutants [MODULE ...] [--json]``: one process for each mutant; exit 1 if one lives.

A mutant stands in the memory of its own process: no file is changed. What takes long to import, and is not under test,
is imported once, before the processes fork. A mutant with which the tests do not end in time was noticed by that.
"""

import argparse
import ast
import importlib
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

from tests.mutants.boundaries import mutants
from tests.mutants.targets import EQUIVALENT, TARGETS, Target

ROOT = Path(__file__).parents[2]
SECONDS = 60
"""How long the tests of a mutant may take; without one they take about a second."""
MEMORY = Path("/dev/shm")
SLOW = ("httpx", "hypothesis", "psutil", "pydantic", "pytest", "yaml")
QUIET = ("-x", "-q", "-p", "no:cacheprovider", "-p", "pytest_timeout")
LIVES, NOTICED, HUNG = "lives", "noticed", "hung"
_MEANING = {0: LIVES, 1: NOTICED}
"""Pytest's exit statuses: whatever else it says is about the tests, and not about the mutant."""


class Mutated(MetaPathFinder, Loader):
    """Imports one module as the mutant."""

    def __init__(self, target: Target, tree: ast.Module) -> None:
        self.target = target
        self.tree = tree

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        """Where that module comes from."""
        return spec_from_file_location(name, file_of(self.target), loader=self) if name == self.target.name else None

    def exec_module(self, module: ModuleType) -> None:
        """Run the mutant's code."""
        exec(compile(self.tree, str(file_of(self.target)), "exec"), module.__dict__)  # noqa: S102 - its purpose


def file_of(target: Target) -> Path:
    """Where the code stands."""
    return ROOT / f"src/{target.name.replace('.', '/')}.py"


def verdict(target: Target, tree: ast.Module) -> str:
    """What the tests of a target say of ``tree``, in a process of their own."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        if not (child := os.fork()):
            _test(target, tree, Path(folder))
        deadline, (ended, status) = time.monotonic() + SECONDS, (0, 0)
        while not ended and time.monotonic() < deadline:
            time.sleep(0.02)
            ended, status = os.waitpid(child, os.WNOHANG)
        if not ended:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return HUNG
        if (code := os.waitstatus_to_exitcode(status)) not in _MEANING:
            said = (Path(folder) / "out").read_text(encoding="utf-8", errors="replace")
            raise SystemExit(f"{said}\npytest ended with exit status {code}, expected was 0 or 1")
        return _MEANING[code]


def _test(target: Target, tree: ast.Module, folder: Path) -> None:
    """What the child does: run pytest, and end."""
    os.setsid()
    for stream in (1, 2):
        os.dup2(os.open(folder / "out", os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    assert target.name not in sys.modules, f"{target.name} was imported before it could be mutated"
    sys.meta_path.insert(0, Mutated(target, tree))
    os.environ |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "TMPDIR": str(folder)}
    files = [f"tests/unit/{name}.py" for name in target.tests]
    os._exit(importlib.import_module("pytest").main([*QUIET, f"--basetemp={folder / 'temporary'}", *files]))


def main() -> int:
    """Tell who lives."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("modules", nargs="*", help="some of: " + ", ".join(target.module for target in TARGETS))
    parser.add_argument("--json", action="store_true", help="counts and survivors as JSON")
    asked = parser.parse_args()
    os.chdir(ROOT)
    for name in SLOW:
        importlib.import_module(name)
    began, counts, alive = time.monotonic(), Counter[str](), []
    for target in (one for one in TARGETS if not asked.modules or one.module in asked.modules):
        tree = ast.parse(file_of(target).read_text(encoding="utf-8"))
        if verdict(target, tree) != LIVES:
            raise SystemExit(f"{', '.join(target.tests)}: these tests do not pass without a mutant either")
        for line, before, after in mutants(tree, target.functions):
            if (target.module, before, after) in EQUIVALENT:
                continue
            counts[said := verdict(target, tree)] += 1
            if said == LIVES:
                alive.append(f"{target.name}:{line}: {before}  ->  {after}")
                print(alive[-1], file=sys.stderr, flush=True)
    total, seconds = counts.total(), round(time.monotonic() - began)
    figures = {"mutants": total, HUNG: counts[HUNG], "alive": alive, "seconds": seconds}
    text = f"{len(alive)} of {total} mutants live; with {counts[HUNG]} the tests hung ({seconds} s)"
    print(json.dumps(figures, indent=1) if asked.json else text)
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
