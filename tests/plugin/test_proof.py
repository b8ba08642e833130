"""A run by hand, or of a CI job: ``pytest -m smoke --env staging`` passes where everything was shown, and else not."""

from collections.abc import Iterator

import pytest

from tests.plugin.conftest import DEEP
from tests.world import World

ALLOWED = """
allow_skips = [
    { test = "verification/test_skips.py::test_allowed", owner = "ana", expires = 2999-01-01 },
    { test = "verification/test_skips.py::test_expired", owner = "ana", expires = 2020-01-01 },
    { test = "smoke/test_skips.py::test_critical", owner = "ana", expires = 2999-01-01 },
]
"""
SKIPS = """
import pytest

@pytest.mark.skip(reason="the provider is down")
def test_critical(): pass

@pytest.mark.skip(reason="nobody said so")
def test_unnamed(): pass

@pytest.mark.skip(reason="until the export is mended")
def test_allowed(): pass

@pytest.mark.skip(reason="until the export is mended")
def test_expired(): pass

@pytest.mark.xfail(reason="it fails since May")
def test_expected(): assert False

@pytest.mark.xfail(reason="it fails since May")
def test_unexpected(): pass
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """1.0.0 has the users; smoke and verification have tests that show nothing."""
    made = World(tmp_path_factory.mktemp("proof"), environment=ALLOWED)
    made.suite("verification", DEEP)
    made.suite("verification", SKIPS, "test_skips.py")
    made.suite("smoke", SKIPS, "test_skips.py")
    platform = made.up().controller().platform
    platform.stand_up(platform.prepare(made.version("1.0.0")), platform.live().idle, 1)
    platform.switch(platform.live().idle, platform.live(), 1)
    yield made
    made.close()


@pytest.mark.parametrize("workers", [pytest.param([], id="alone"), pytest.param(["-n", "2"], id="xdist")])
def test_a_run_in_which_something_was_not_shown_does_not_pass(world: World, workers: list[str]) -> None:
    """Nothing failed, and the exit status is 1; each test that showed nothing is named with its reason."""
    done = world.pytest("-m", "verification", "--env", "local", *workers)
    assert done.returncode == 1, done.stdout
    summary = done.stdout.partition("not proven")[2]
    for name in ("critical", "unnamed", "expired", "expected", "unexpected"):
        assert f"verification/test_skips.py::test_{name} " in summary
    assert "nobody said so" in summary
    assert "test_allowed" not in summary


@pytest.mark.parametrize(
    ("words", "status"),
    [
        pytest.param(["verification/test_it.py", "verification/test_skips.py::test_allowed"], 0, id="allowed"),
        pytest.param(["smoke/test_it.py"], 0, id="nothing-skipped"),
        pytest.param(["smoke/test_skips.py::test_critical"], 1, id="never-allowed-in-smoke"),
        pytest.param(["verification/test_skips.py::test_unexpected"], 1, id="an-unexpected-pass"),
    ],
)
def test_a_run_passes_where_everything_was_shown(world: World, words: list[str], status: int) -> None:
    """A skip that the settings allow is borne, but not in smoke."""
    done = world.pytest("--env", "local", *words)
    assert done.returncode == status, done.stdout


def test_a_project_of_somebody_elses_may_skip(world: World) -> None:
    """Without ``--env`` pytest is as it was."""
    assert world.pytest("verification/test_skips.py").returncode == 0
