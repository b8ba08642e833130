"""Faults 26, 45 and 53 to 62: evidence that proves nothing is never a pass."""

import datetime
from collections.abc import Callable

import pytest

from tests.faults.conftest import amend, came_to, evidence, rules, said
from tests.world import HERE, World
from verdigris.errors import ExitStatus
from verdigris.model import Outcome

GOOD = "def test_good(http):\n    assert http.get('/').status_code == 200\n"


def _held(world: World, status: ExitStatus, rule: str, live: str = "1.0.0") -> str:
    """Release 1.1.0; it is held with that exit status, by that rule. What was said."""
    record = world.release("1.1.0")
    came_to(world, Outcome.REFUSED if status is ExitStatus.REFUSED else Outcome.HELD, status, live)
    assert rule in rules(record), said(record)
    return said(record)


CUT = """
import os
from pathlib import Path

def test_cut(http):
    http.get("/")
    path = Path(os.environ["VERDIGRIS_EVIDENCE"])
    {how}
"""
LATER = """
import atexit
def pytest_sessionstart(session):
    import os
    from pathlib import Path
    path = Path(os.environ.get("VERDIGRIS_EVIDENCE", "/nowhere"))
    atexit.register(lambda: path.exists() and path.write_bytes(path.read_bytes()[:-40]))
"""


@pytest.mark.parametrize("how", ["killed", "cut"])
def test_45_evidence_that_was_cut_off_is_not_valid(live: World, how: str) -> None:
    """pytest was killed, or the disk lost the last bytes: without its closing line the evidence proves nothing."""
    if how == "killed":
        live.suite(
            "smoke",
            CUT.format(
                how="os.kill(os.getpid(), 9) if 'smoke' in path.parent.name and '.collected' not in str(path) else 0"
            ),
        )
        _held(live, ExitStatus.HELD_NOT_VALID, "closed")
    else:
        live.suite("smoke", GOOD)
        live.suite(
            "smoke",
            LATER.replace("path.exists() and", "path.exists() and '.collected' not in str(path) and"),
            "conftest.py",
        )
        _held(live, ExitStatus.HELD_NOT_VALID, "closed")


def test_53_a_worker_that_crashes_fails_and_the_test_is_named(live: World) -> None:
    """pytest-xdist with two workers, one dies in a test: that test is named, and the release is held."""
    amend(live, "hang = 15", "hang = 15\nworkers = 2")
    live.suite("smoke", GOOD + "\ndef test_dies(http):\n    http.get('/')\n    import os\n    os._exit(7)\n")
    record = live.release("1.1.0")
    assert record.exit_status in (ExitStatus.HELD_FAILED, ExitStatus.HELD_NOT_VALID), said(record)
    assert "test_dies" in said(record)
    assert live.live() == "1.0.0"


@pytest.mark.parametrize("workers", [0, 2])
def test_54_a_suite_that_hangs_is_ended_by_the_watchdog(live: World, workers: int) -> None:
    """No test ends for longer than the settings bear: ended, not valid, and what hangs is named."""
    amend(live, "hang = 15", f"hang = 4\nworkers = {workers}")
    live.suite("smoke", GOOD + "\ndef test_hangs(http):\n    import time\n    time.sleep(600)\n")
    assert "test_hangs" in _held(live, ExitStatus.HELD_NOT_VALID, "ended")


def test_55_a_suite_that_cannot_be_collected_is_refused(live: World) -> None:
    """An import error: refused before anything is touched, with its last line."""
    live.suite("smoke", "import there_is_no_such_module\n")
    assert "there_is_no_such_module" in _held(live, ExitStatus.REFUSED, "collect")
    platform = live.controller().platform
    assert all(one is None or one.release.version == "1.0.0" for one in map(platform.standing, ("blue", "green")))


DESELECTS = """
def pytest_collection_modifyitems(config, items):
    config.hook.pytest_deselected(items=items[{first}:])
    del items[{first}:]
"""


def test_56_no_test_at_all_is_not_valid(live: World) -> None:
    """A suite without a test proves nothing."""
    live.suite("smoke", "# nothing\n")
    _held(live, ExitStatus.HELD_NOT_VALID, "collect")


@pytest.mark.parametrize("first", [0, 1], ids=["all", "some"])
def test_56_deselected_tests_are_not_valid(live: World, first: int) -> None:
    """A hook that takes tests out, all or some of them."""
    live.suite("smoke", GOOD + GOOD.replace("test_good", "test_better"))
    live.suite("smoke", DESELECTS.format(first=first), "conftest.py")
    _held(live, ExitStatus.HELD_NOT_VALID, "complete" if first else "collect")


@pytest.mark.parametrize(
    "mark",
    ["pytest.mark.skip(reason='later')", "pytest.mark.xfail(strict=False)"],
    ids=["skipped", "xpass"],
)
def test_57_a_critical_test_that_did_not_pass_outright_is_not_valid(live: World, mark: str) -> None:
    """All of smoke is critical: no skip and no expected failure is accepted of it, whether it fails or passes."""
    live.suite("smoke", f"import pytest\n{GOOD}\n@{mark}\n{GOOD.replace('test_good', 'test_other')}")
    assert "test_other" in _held(live, ExitStatus.HELD_NOT_VALID, "skip")


@pytest.mark.parametrize(("days", "status"), [(30, ExitStatus.CONFIRMED), (-1, ExitStatus.HELD_NOT_VALID)])
def test_57_a_skip_is_allowed_by_name_with_an_owner_until_it_expires(
    live: World, days: int, status: ExitStatus
) -> None:
    """Outside smoke a named skip is borne for as long as somebody answers for it."""
    expires = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=days)
    skip = '{ test = "verification/test_it.py::test_other", owner = "somebody", expires = %s }' % expires  # noqa: UP031
    amend(live, 'suites = ["smoke"]', f'suites = ["smoke", "verification"]\nallow_skips = [{skip}]')
    other = "@pytest.mark.skip(reason='later')\n" + GOOD.replace("test_good", "test_other")
    live.suite("verification", f"import pytest\n{GOOD}\n{other}", "test_it.py")
    record = live.release("1.1.0")
    assert record.exit_status is status, said(record)


@pytest.mark.parametrize(
    "words",
    [("-k", "home"), ("-x",), ("--lf",), ("--collect-only",), ("-m", "smoke"), ("--deselect", "a"), ("smoke",)],
    ids=" ".join,
)
def test_58_a_release_takes_no_option_that_selects_tests(
    make_world: Callable[..., World], words: tuple[str, ...]
) -> None:
    """``pytest --release`` with a selection is refused before anything is touched."""
    world = make_world()
    done = world.pytest("--release", "1.1.0", "--env", "local", *words)
    assert done.returncode == 4, done.stdout + done.stderr
    assert "not accepted beside it" in done.stderr
    assert not (world.state / "journal.json").exists()


def test_58_options_in_the_environment_do_not_reach_the_suites(live: World) -> None:
    """``PYTEST_ADDOPTS`` selects for whoever set it, never for a release; under ``pytest --release`` it is refused."""
    done = live.command("release", "1.1.0", PYTEST_ADDOPTS="-k nothing --maxfail=1")
    assert done.returncode == 0, done.stdout
    record = came_to(live, Outcome.CONFIRMED, ExitStatus.CONFIRMED, "1.1.0")
    assert [suite.collected for suite in record.suites] == [2, 2]
    assert live.pytest("--release", "1.0.0", "--env", "local", PYTEST_ADDOPTS="-x").returncode == 4


RERUNS = """
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for attempt in (1, 2):
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        if attempt == 1 and any(report.failed for report in reports):
            failed = next(report for report in reports if report.failed)
            failed.outcome = "rerun"
            item.ihook.pytest_runtest_logreport(report=failed)
            item._initrequest()
            continue
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        break
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
"""


def test_59_a_pass_on_a_rerun_is_no_pass(live: World) -> None:
    """Failed first and passed then, as a rerun plugin reports it."""
    live.suite(
        "smoke",
        "tried = []\ndef test_flaky(http):\n    http.get('/')\n    tried.append(1)\n    assert len(tried) > 1\n",
    )
    live.suite("smoke", RERUNS, "conftest.py")
    assert "test_flaky" in _held(live, ExitStatus.HELD_NOT_VALID, "rerun")


def test_60_a_load_without_a_request_proves_nothing(live: World) -> None:
    """Every test of the performance suite passes, and none asked the candidate for anything."""
    amend(live, 'suites = ["smoke"]', 'suites = ["smoke", "performance"]')
    live.suite("performance", "def test_the_budget():\n    assert not [] or float('nan') < 500\n")
    assert "no answer of the candidate" in _held(live, ExitStatus.HELD_NOT_VALID, "identity")


def test_61_tests_that_hit_the_live_color_by_mistake_are_not_valid(live: World) -> None:
    """The tests ask the users' address: who answered is not who had to, and the control says nothing else."""
    live.suite(
        "smoke", f'def test_it(http):\n    assert http.get("http://127.0.0.1:{live.port}/").status_code == 200\n'
    )
    assert "answered by" in _held(live, ExitStatus.HELD_NOT_VALID, "identity")


def test_62_requests_of_tests_carry_the_tenant_of_tests(live_world: Callable[..., World]) -> None:
    """What tests write is written as their tenant, by the settings, without a word in the test."""
    world = live_world(environment='tenant = "proving"')
    world.suite("smoke", 'def test_who(http):\n    assert http.get("/tenant").text == "tenant proving\\n"\n')
    assert world.release("1.1.0").outcome is Outcome.CONFIRMED
    assert evidence(world, "smoke")[0]["ids"] == ["smoke/test_it.py::test_who"]


def test_57_a_file_that_is_skipped_whole_is_refused(live: World) -> None:
    """Its tests are in no list, so nobody would miss them."""
    live.suite("smoke", "import pytest\npytest.importorskip('no_such_module')\n", "test_more.py")
    assert "test_more.py cannot be collected: skipped" in _held(live, ExitStatus.REFUSED, "collect")


SATURATING = """

[environments.local.load]
users = 1500
seconds = 3
p95_ms = 60
requests = 1
paths = ["/"]
"""


def test_26_a_load_whose_generator_was_saturated_is_not_valid(live_world: Callable[..., World]) -> None:
    """More users than one process can be: what they waited for says nothing of the candidate, good or bad."""
    world = live_world(extra=SATURATING)
    amend(world, 'suites = ["smoke"]', 'suites = ["performance"]')
    for name in ("test_budget.py", "locustfile.py"):
        world.suite("performance", (HERE.parent / "performance" / name).read_text(), name)
    assert "the generator was saturated" in _held(world, ExitStatus.HELD_NOT_VALID, "skip")


def _confirmed(world: World) -> World:
    """1.0.0 is confirmed with its tests, so that the next release can have fewer."""
    amend(world, 'suites = ["smoke"]', 'suites = ["smoke", "verification"]')
    world.suite("verification", f"{GOOD}\n{GOOD.replace('test_good', 'test_better')}")
    world.version("0.9.0")
    assert world.release("0.9.0").outcome is Outcome.CONFIRMED
    return world


def _without_verification(world: World) -> None:
    amend(world, 'suites = ["smoke", "verification"]', 'suites = ["smoke"]')


def _renamed_test(world: World) -> None:
    world.suite("verification", f"{GOOD}\n{GOOD.replace('test_good', 'test_best')}")


def _lost_beside_new(world: World) -> None:
    world.suite("verification", f"{GOOD}\n{GOOD.replace('test_good', 'test_new')}{GOOD.replace('good', 'newer')}")


def _ignored(world: World) -> None:
    world.suite("verification", GOOD, "test_more.py")
    world.suite("verification", 'collect_ignore = ["test_it.py"]\n', "conftest.py")


def _renamed_file(world: World) -> None:
    (world.root / "verification" / "test_it.py").rename(world.root / "verification" / "test_other.py")


FEWER = {
    _without_verification: "the suite verification is required no more",
    _renamed_test: "gone: verification/test_it.py::test_better; new: verification/test_it.py::test_best",
    _lost_beside_new: "1 of the 2 tests",
    _ignored: "gone: verification/test_it.py::test_good, verification/test_it.py::test_better",
    _renamed_file: "new: verification/test_other.py::test_good",
}


@pytest.mark.parametrize("how", FEWER, ids=lambda how: how.__name__.strip("_"))
def test_tests_that_are_gone_are_said_in_prepare_and_need_a_word(
    live_world: Callable[..., World], how: Callable[[World], None]
) -> None:
    """By their ids, not by their number: nothing is touched, until a person acknowledges it."""
    world = _confirmed(live_world())
    how(world)
    record = world.release("1.1.0")
    came_to(world, Outcome.HELD, ExitStatus.HELD_NOT_VALID, "0.9.0")
    assert [str(moment.step) for moment in record.timeline] == ["prepare", "done"]
    assert rules(record) >= {"fewer"}, said(record)
    assert FEWER[how] in said(record)
    if how is _ignored:  # said for another reason too, which no word allows
        return
    done = world.command("release", "1.1.0", "--fewer-tests", "they moved elsewhere")
    assert done.returncode == 0, done.stdout
    assert "fewer tests: they moved elsewhere" in done.stdout


def test_a_suite_whose_folder_is_not_there_is_refused(live_world: Callable[..., World]) -> None:
    """Missing or renamed: what is required cannot be collected, whatever is acknowledged."""
    world = _confirmed(live_world())
    (world.root / "verification").rename(world.root / "verify")
    for words in ((), ("--fewer-tests", "it is gone")):
        done = world.command("release", "1.1.0", *words)
        assert done.returncode == ExitStatus.REFUSED, done.stdout
        assert "its folder verification is not there" in done.stdout
    assert world.live() == "0.9.0"


@pytest.mark.parametrize(
    ("file", "text", "what"),
    [
        ("test_more.py", GOOD + GOOD, "smoke/test_more.py:1 test_good stands in the suite and was left out by another"),
        (
            "tests_api.py",
            GOOD,
            "smoke/tests_api.py:1 test_good stands in the suite and was left out by the name of its",
        ),
        ("test-api.py", GOOD, "smoke/test-api.py:1 test_good stands in the suite"),
        ("test_more.py", f"async {GOOD}", "left out by being async"),
    ],
)
def test_a_test_that_stands_in_a_suite_and_never_runs_is_said_in_prepare(
    live: World, file: str, text: str, what: str
) -> None:
    """With file and line, before anything is touched."""
    live.suite("smoke", text, file)
    record = live.release("1.1.0")
    came_to(live, Outcome.HELD, ExitStatus.HELD_NOT_VALID, "1.0.0")
    assert [str(moment.step) for moment in record.timeline] == ["prepare", "done"]
    assert what in said(record)
