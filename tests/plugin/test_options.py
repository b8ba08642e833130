"""What is typed: options, markers, which tests are collected, and what is said where a word is wrong."""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.world import World

BARE = """
import sys, pytest
code = pytest.main(["-p", "verdigris.plugin", "-q", "--no-header"])
late = {"httpx", "pydantic", "psycopg", "playwright", "verdigris.settings", "verdigris.plugin.context"}
loaded = late & set(sys.modules)
assert not loaded, loaded
sys.exit(code)
"""


def test_a_bare_pytest_is_untouched(tmp_path: Path) -> None:
    """The plugin loads nothing slow, reads no settings file, and the project's own tests run."""
    (tmp_path / "test_mine.py").write_text("def test_mine(): pass\n")
    (tmp_path / "environments.toml").write_text("this is no settings file")
    done = subprocess.run(
        [sys.executable, "-c", BARE],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_the_markers_are_registered(empty: World) -> None:
    """``pytest --markers`` explains the suites' markers, also without an environment."""
    done = empty.pytest("--markers")
    for marker in ("smoke", "verification", "performance", "critical"):
        assert f"@pytest.mark.{marker}: " in done.stdout


@pytest.mark.parametrize("words", [pytest.param([], id="bare"), pytest.param(["--env", "local"], id="env")])
def test_the_fixtures_are_documented(empty: World, words: list[str]) -> None:
    """``pytest --fixtures`` shows each fixture of a suite with a sentence, also where nobody stands."""
    done = empty.pytest("--fixtures", *words)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    for name in ("environment", "checks", "target", "http", "page", "database", "ledger"):
        texts = [below for line, below in pairwise(lines) if line.startswith((f"{name} ", f"{name} ["))]
        assert texts, f"{name} is not listed"
        assert any("no docstring" not in text for text in texts), f"{name} has no text"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(
            ["--env", "moon"], "unknown environment 'moon'; environments.toml has: local, production, staging", id="env"
        ),
        pytest.param(
            ["--env", "local", "--target", "red"],
            "--target 'red': accepted are live, candidate, blue, green",
            id="target",
        ),
        pytest.param(
            ["--env", "local"], "nobody is live in local yet; run: verdigris release VERSION --env local", id="nobody"
        ),
        pytest.param(["--env", "local", "--target", "candidate"], "nothing stands in blue of local", id="candidate"),
        pytest.param(["--target", "blue"], "--target needs --env NAME", id="target alone"),
        pytest.param(["--expect", "1.0.0"], "--expect needs --env NAME", id="expect alone"),
        pytest.param(["--candidate", "1.0.0"], "--candidate needs --env NAME", id="candidate alone"),
        pytest.param(["--release", "1.0.0"], "--release needs --env NAME", id="release alone"),
        pytest.param(
            ["--release", "1.0.0", "--env", "local", "-k", "home"], "not accepted beside it: -k", id="release -k"
        ),
        pytest.param(
            ["--release", "1.0.0", "--env", "local", "smoke"], "beside it: paths of tests", id="release paths"
        ),
        pytest.param(["--env", "local", "--settings", "none.toml"], "none.toml: no such file", id="settings"),
        pytest.param(
            ["--env", "staging", "--target", "blue"],
            "staging rolls, so only live is accepted",
            id="no color that rolls",
        ),
    ],
)
def test_a_wrong_word_ends_with_4_and_says_what_is_accepted(empty: World, words: list[str], said: str) -> None:
    """pytest's own exit status for a usage error, one message, and no test collected."""
    done = empty.pytest(*words)
    assert done.returncode == 4, done.stdout + done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert "passed" not in done.stdout


def test_collecting_needs_nobody(empty: World) -> None:
    """``--collect-only`` lists the tests of every suite where nobody stands and nothing runs."""
    done = empty.pytest("--env", "local", "--collect-only", "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 tests collected" in done.stdout


def test_a_marker_collects_its_suite_only(empty: World) -> None:
    """``-m smoke`` does not even import the other suites' files."""
    (empty.root / "verification" / "test_broken.py").write_text("raise RuntimeError('was imported')")
    try:
        done = empty.pytest("-m", "smoke", "--env", "local", "--collect-only", "-q")
    finally:
        (empty.root / "verification" / "test_broken.py").unlink()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 tests collected" in done.stdout
    assert "verification" not in done.stdout


def test_a_named_path_is_respected(empty: World) -> None:
    """What the command names itself is what is collected."""
    done = empty.pytest("--env", "local", "--collect-only", "-q", "verification/test_it.py")
    assert "verification/test_it.py::test_it_answers_twice" in done.stdout
    assert "1 test collected" in done.stdout


def test_an_environment_of_a_cluster_is_known_by_its_url(empty: World) -> None:
    """Suites of a Kubernetes environment are collected; nobody is asked."""
    done = empty.pytest("-m", "smoke", "--env", "staging", "--collect-only", "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 tests collected" in done.stdout


def test_a_release_to_a_cluster_without_a_kubeconfig_is_a_usage_error(empty: World) -> None:
    """Exit status 2, and what to set."""
    done = empty.command("release", "1.0.0", "--env", "production", KUBECONFIG="/nonexistent")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "set KUBECONFIG" in done.stderr


def test_a_suite_without_a_folder_is_said(tmp_path: Path) -> None:
    """Where no suite has a folder, the message names those that were looked for."""
    world = World(tmp_path)
    (tmp_path / "smoke" / "test_it.py").unlink()
    (tmp_path / "smoke").rmdir()
    done = world.pytest("--env", "local", "--collect-only")
    assert done.returncode == 4
    assert "there is no suite folder" in done.stderr
