"""A run by hand, or of a CI job: ``pytest -m smoke --env staging`` passes where everything was shown, and else not."""

from collections.abc import Iterator

import pytest

from tests.plugin.conftest import DEEP
from tests.world import World
from verdigris.model import Color

ASKING = "verification/test_skips.py::test_asking"
ALLOWED = """
allow_skips = [
    { test = "verification/test_skips.py::test_allowed", owner = "ana", expires = 2999-01-01 },
    { test = "verification/test_skips.py::test_asking", owner = "ana", expires = 2999-01-01 },
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

def test_asking(http):
    pytest.skip("until the export is mended")

@pytest.mark.skip(reason="until the export is mended")
def test_expired(): pass

@pytest.mark.xfail(reason="it fails since May")
def test_expected(): assert False

@pytest.mark.xfail(reason="it fails since May")
def test_unexpected(): pass
"""


WHOLE = """
import pytest

pytest.importorskip("no_such_module", reason="it is not installed")

def test_it(http):
    assert http.get("/").status_code == 200
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """1.0.0 has the users, 1.1.0 stands in green; smoke and verification have tests that show nothing."""
    made = World(tmp_path_factory.mktemp("proof"), environment=ALLOWED)
    made.suite("verification", DEEP)
    made.suite("verification", SKIPS, "test_skips.py")
    made.suite("smoke", SKIPS, "test_skips.py")
    made.suite("verification", WHOLE, "test_whole.py")
    platform = made.up().controller().platform
    for version, color in (("1.0.0", Color.BLUE), ("1.1.0", Color.GREEN)):
        platform.stand_up(platform.prepare(made.version(version)), color, 1)
    platform.switch(Color.BLUE, platform.live(), 1)
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
    assert "verification/test_whole.py cannot be collected: skipped: " in summary
    assert "it is not installed" in summary
    assert "test_allowed" not in summary


@pytest.mark.parametrize(
    ("words", "status"),
    [
        pytest.param(["verification/test_it.py", "verification/test_skips.py::test_allowed"], 0, id="allowed"),
        pytest.param(["smoke/test_it.py"], 0, id="nothing-skipped"),
        pytest.param(["--target", "blue,green", "smoke/test_it.py", ASKING], 0, id="allowed-for-each-target"),
        pytest.param([ASKING], 1, id="nothing-passed"),
        pytest.param(["verification/test_it.py", "verification/test_whole.py"], 1, id="a-file-skipped-whole"),
        pytest.param(["smoke/test_skips.py::test_critical"], 1, id="never-allowed-in-smoke"),
        pytest.param(["verification/test_skips.py::test_unexpected"], 1, id="an-unexpected-pass"),
    ],
)
def test_a_run_passes_where_everything_was_shown(world: World, words: list[str], status: int) -> None:
    """A skip that the settings allow is borne, but not in smoke."""
    done = world.pytest("--env", "local", *words)
    assert done.returncode == status, done.stdout


PARAMETERS = """
import pytest

@pytest.mark.parametrize("second", ["a", "b"])
@pytest.mark.parametrize("first", ["/", "/readyz"])
def test_params(first, http, second):
    assert http.get(first).status_code == 200
"""
SHARED = """
import pytest

@pytest.fixture(scope="session")
def home(http):
    yield http.get("/")
    http.get("/")

def test_home(home):
    assert home.status_code == 200

def test_again(home):
    assert home.status_code == 200
"""
FAILS = """
def test_fails(http, target):
    assert http.get("/").status_code == 200
    assert target.name == "blue"
"""


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        pytest.param(PARAMETERS, 0, "", id="among-other-parameters"),
        pytest.param(SHARED, 0, "", id="a-shared-fixture-asks-as-it-ends"),
        pytest.param(PARAMETERS + FAILS, 1, "", id="one-target-fails"),
        pytest.param(PARAMETERS + "def test_plain(): pass\n", 1, "test_plain passed without", id="asks-nobody"),
        pytest.param(
            PARAMETERS + "def test_skips(http):\n    import pytest\n    pytest.skip('so')\n",
            1,
            "own/test_own.py::test_skips skipped",
            id="skips-for-each",
        ),
    ],
)
def test_each_target_is_judged_for_itself(world: World, text: str, status: int, said: str) -> None:
    """Of a test that runs once for each target, each run is held against its own target."""
    world.suite("own", text, "test_own.py")
    done = world.pytest("--env", "local", "--target", "blue,green", "own", PYTHONDONTWRITEBYTECODE="1")
    assert done.returncode == status, done.stdout
    assert ("not proven" in done.stdout) is bool(said), done.stdout
    assert said in done.stdout


def test_evidence_that_is_written_by_hand_does_not_make_it_a_pass(world: World) -> None:
    """No release judges that run, so it is judged as any other."""
    words = ("--env", "local", "verification/test_it.py", "verification/test_skips.py::test_unnamed")
    assert world.pytest(*words, VERDIGRIS_EVIDENCE="evidence.jsonl").returncode == 1
    assert (world.root / "evidence.jsonl").read_text().count('"kind": "test"') == 2


def test_a_project_of_somebody_elses_may_skip(world: World) -> None:
    """Without ``--env`` pytest is as it was."""
    assert world.pytest("verification/test_skips.py", "-k", "not asking").returncode == 0
