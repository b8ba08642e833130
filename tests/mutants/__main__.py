"""``python -m tests.mutants [MODULE ...] [--json]``: one process for each mutant; exit 1 if one lives.

A mutant lives in the memory of its process alone: no file is changed. What takes long to import and is not ours is
imported once, before the process forks. A mutant on which the tests do not end in time was noticed by that.
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
from collections.abc import Iterator
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

from tests.mutants.boundaries import mutants
from tests.mutants.targets import EQUIVALENT, TARGETS, Target

ROOT = Path(__file__).parents[2]
SECONDS = 60
"""After these, tests that have not ended do not end."""
MEMORY = Path("/dev/shm")
SLOW = ("httpx", "hypothesis", "psutil", "pydantic", "pytest", "yaml")
"""Imported once, for every process."""
QUIET = ("-x", "-q", "-p", "no:cacheprovider", "-p", "pytest_timeout", "--no-header")


class Mutated(MetaPathFinder, Loader):
    """Imports one module as the mutant."""

    def __init__(self, module: str, path: Path, tree: ast.Module) -> None:
        self.module, self.path, self.tree = module, path, tree

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        """Where that module comes from."""
        return spec_from_file_location(name, self.path, loader=self) if name == self.module else None  # type: ignore[arg-type]

    def exec_module(self, module: ModuleType) -> None:
        """Run the mutant's code."""
        exec(compile(self.tree, str(self.path), "exec"), module.__dict__)  # noqa: S102 - that is what it is for


def passes(target: Target, tree: ast.Module, seconds: float = SECONDS) -> bool:
    """Whether the tests of a target pass on ``tree``, in a process of their own."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        if not (child := os.fork()):
            _test(target, tree, Path(folder))
        deadline, status = time.monotonic() + seconds, None
        while status is None and time.monotonic() < deadline:
            ended, code = os.waitpid(child, os.WNOHANG)
            status = code if ended else time.sleep(0.02)
        if status is None:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
        return status == 0


def _test(target: Target, tree: ast.Module, folder: Path) -> None:
    os.setsid()
    out = os.open(folder / "out", os.O_WRONLY | os.O_CREAT)
    os.dup2(out, 1), os.dup2(out, 2)
    sys.meta_path.insert(0, Mutated(f"deploy.{target.module}", ROOT / f"deploy/{target.module}.py", tree))
    os.environ |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "TMPDIR": str(folder)}
    import pytest

    files = [f"tests/unit/{name}.py" for name in target.tests]
    os._exit(pytest.main([*QUIET, f"--basetemp={folder / 'temporary'}", *files]))


def living(target: Target) -> Iterator[tuple[str, bool]]:
    """Each mutant of a target, as it is told, and whether it lives."""
    path = ROOT / f"deploy/{target.module}.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not passes(target, tree):
        raise SystemExit(f"{', '.join(target.tests)}: these tests do not pass without a mutant either")
    for line, before, after in mutants(tree, target.functions):
        if (target.module, before, after) not in EQUIVALENT:
            yield f"deploy/{target.module}.py:{line}: {before}  ->  {after}", passes(target, tree)


def main() -> int:
    """Tell who lives."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("modules", nargs="*", help="some of: " + ", ".join(target.module for target in TARGETS))
    parser.add_argument("--json", action="store_true", help="counts and survivors as JSON")
    asked = parser.parse_args()
    os.chdir(ROOT)
    for name in SLOW:
        importlib.import_module(name)
    began, count, alive = time.monotonic(), 0, []
    for target in TARGETS:
        if asked.modules and target.module not in asked.modules:
            continue
        for text, lives in living(target):
            count += 1
            if lives:
                alive.append(text)
                print(f"lives  {text}", file=sys.stderr if asked.json else sys.stdout, flush=True)
    figures = {"mutants": count, "alive": alive, "equivalent": len(EQUIVALENT)}
    print(
        json.dumps(figures, indent=1)
        if asked.json
        else f"{len(alive)} of {count} mutants live ({time.monotonic() - began:.0f} s)"
    )
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
