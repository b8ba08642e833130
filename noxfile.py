"""Every check, by one name each; the same words here, in the Makefile and in CI.

The sessions use the environment they are started from (``make setup``), so that what is checked is what is locked.
"""

import os
import sys
from pathlib import Path

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["check", "tests"]

BIN = Path(sys.executable).parent
"""Where this environment's programs are, whether or not it was activated."""
CODE = (
    "src",
    "deploy",
    "smoke",
    "verification",
    "performance",
    "bench",
    "examples",
    "tests",
    "conftest.py",
    "noxfile.py",
)


@nox.session
def check(session: nox.Session) -> None:
    """Style, types, layers."""
    session.run(str(BIN / "ruff"), "check", *CODE, external=True)
    session.run(str(BIN / "ruff"), "format", "--check", *CODE, external=True)
    session.run(str(BIN / "mypy"), external=True)
    session.run(str(BIN / "lint-imports"), external=True)


@nox.session
def tests(session: nox.Session) -> None:
    """The project's own tests; arguments go to pytest."""
    session.run(sys.executable, "-m", "pytest", *session.posargs, external=True)


@nox.session
def faults(session: nox.Session) -> None:
    """One test for each fault: on this machine, and where KUBECONFIG is set on its cluster too."""
    python, more = (sys.executable, "-m", "pytest", "-v"), session.posargs
    session.run(*python, "tests/faults", *more, external=True)
    if os.environ.get("KUBECONFIG"):
        cluster = sorted(str(path) for path in Path("tests/cluster").glob("test_faults_*.py"))
        session.run(*python, *cluster, "-m", "not alone", *more, external=True)
        session.run(*python, *cluster, "-m", "alone", *more, external=True)


@nox.session
def mutants(session: nox.Session) -> None:
    """Whether the unit tests notice each boundary of a rule a little wrong; arguments name modules.

    About 650 mutants, a second or two each on two busy cores: a quarter of an hour, so no part of the gate.
    """
    session.run(sys.executable, "-m", "tests.mutants", *session.posargs, external=True)


@nox.session
def bench(session: nox.Session) -> None:
    """Every figure that is claimed; arguments name benchmarks."""
    for name in session.posargs or ("startup", "switch", "crash", "guardian"):
        session.run(sys.executable, "-m", "bench", name, external=True)
