"""A pass that is none: by hand it ends with 1 and says why, and ``verdigris verify`` of the same suite says 11."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.world import SMOKE, World
from verdigris.model import Color

GOOD = """
def test_good(http):
    assert http.get("/").status_code == 200
"""
BAD = """
def test_bad(http):
    assert http.get("/").status_code == 299
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """1.0.0 is live; each test writes a suite of its own."""
    made = World(tmp_path_factory.mktemp("rules"))
    platform = made.up().controller().platform
    platform.stand_up(platform.prepare(made.version("1.0.0")), Color.BLUE, 1)
    platform.switch(Color.BLUE, platform.live(), 1)
    yield made
    made.close()


@pytest.fixture
def by_hand(world: World) -> Iterator[Any]:
    """Run smoke by hand with a conftest; the exit status and what was not proven."""

    def run(suite: str, conftest: str = "", *words: str, **env: str) -> tuple[int, str]:
        world.suite("smoke", suite)
        world.suite("smoke", conftest, "conftest.py")
        done = world.pytest("-m", "smoke", "--env", "local", *words, PYTHONDONTWRITEBYTECODE="1", **env)
        return done.returncode, done.stdout + done.stderr

    yield run
    world.suite("smoke", SMOKE)
    for path in world.root.glob("smoke/**/*"):
        if path.name != "test_it.py":
            path.unlink()


SETUP_ONLY = "def pytest_configure(config):\n    config.option.setuponly = True\n"
COLLECTS_ONLY = "def pytest_collection_finish(session):\n    session.config.option.collectonly = True\n"
SWALLOWS = """
import pytest

@pytest.hookimpl({how})
def {hook}({words}):
    {body}
"""


def swallows(hook: str, words: str, body: str, how: str = "tryfirst=True") -> str:
    """A conftest with one hook."""
    return SWALLOWS.format(how=how, hook=hook, words=words, body=body)


NEVER_CALLED = swallows("pytest_pyfunc_call", "pyfuncitem", "return True")
NO_RUNTEST = swallows("pytest_collection_modifyitems", "items", "items[0].runtest = lambda: None")
REPLACED = swallows("pytest_runtest_call", "item", "item.obj = lambda **_: None")
REPLACED_EARLY = swallows("pytest_collection_modifyitems", "items", "items[0].obj = lambda http: http.get('/')")
REPLACED_AT_ONCE = swallows("pytest_itemcollected", "item", "item.obj = lambda http: http.get('/')")
OTHER_CODE = swallows(
    "pytest_collection_modifyitems", "items", "items[0].obj.__code__ = (lambda http: http.get('/')).__code__ "
)
NO_LOOP = swallows("pytest_runtestloop", "", "return True")
UNREPORTED = swallows(
    "pytest_make_collect_report",
    "collector",
    "report = yield\n    if isinstance(collector, pytest.Module):\n        report.result = []\n    return report",
    "wrapper=True",
)
NO_MODULE = swallows("pytest_collect_file", "file_path", "yield\n    return []", "wrapper=True")
MOCKED = """
import httpx, pytest

@pytest.fixture
def http():
    with httpx.Client(base_url="http://x", transport=httpx.MockTransport(lambda _: httpx.Response(200))) as client:
        yield client
"""
NO_REPORT = swallows("pytest_runtest_protocol", "item", "return True")
FORGED = """
import pytest

def pytest_runtest_protocol(item):
    for when in ("setup", "call", "teardown"):
        report = pytest.TestReport(item.nodeid, item.location, {}, "passed", None, when)
        item.ihook.pytest_runtest_logreport(report=report)
    return True
"""
CALL_SWALLOWED = swallows(
    "pytest_runtest_call",
    "item",
    "try:\n        return (yield)\n    except AssertionError:\n        pass",
    "wrapper=True",
)
TEARDOWN_SWALLOWED = CALL_SWALLOWED.replace("_call", "_teardown")
REWRITTEN = swallows(
    "pytest_runtest_makereport", "item, call",
    "report = yield\n    report.outcome = 'passed'\n    return report", "wrapper=True"
)  # fmt: skip
REWRITTEN_LATE = swallows("pytest_runtest_logreport", "report", "report.outcome = 'passed'")
RUN_AGAIN = """
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    for attempt in (1, 2):
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        item._initrequest()
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    return True
"""
CALLED_AGAIN = """
import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    http = pyfuncitem.funcargs["http"]
    try:
        pyfuncitem.obj(http=http)
    except AssertionError:
        pyfuncitem.obj(http=http)
    return True
"""
SECOND = "tried = []\ndef test_second(http):\n    http.get('/')\n    tried.append(1)\n    assert len(tried) > 1\n"
SHORTENED = swallows("pytest_collection_modifyitems", "items", "items[:] = items[:1]")
DESELECTED = swallows(
    "pytest_collection_modifyitems", "items, config",
    "config.hook.pytest_deselected(items=items[1:])\n    items[:] = items[:1]",
)  # fmt: skip
NOT_MADE = swallows(
    "pytest_pycollect_makeitem", "name", "if name == 'test_bad':\n        return []"
)  # fmt: skip
ENDS = "\n\ndef test_ends():\n    import pytest\n    pytest.exit('enough', returncode=0)\n"
STRANGER = """
def test_stranger(http):
    try:
        http.get("http://127.0.0.1:{port}/")
    except AssertionError:
        pass
"""
THREAD = """
import threading

def test_thread(http):
    assert http.get("/").status_code == 200
    thread = threading.Thread(target=lambda: 1 / 0, name="worker")
    thread.start()
    thread.join()
"""
LATE = """
import threading, time

def test_late(http):
    assert http.get("/").status_code == 200
    threading.Thread(target=lambda: (time.sleep(0.3), 1 / 0), name="late").start()
"""
UNRAISABLE = """
class Broken:
    def __del__(self):
        raise ValueError("it cannot be destroyed")

def test_broken(http):
    assert http.get("/").status_code == 200
    Broken()
"""
OWN_HOOK = THREAD.replace("    thread = ", "    threading.excepthook = lambda args: None\n    thread = ")
OWN_HOOK_FOR_A_WHILE = THREAD.replace("test_thread(http)", "test_thread(http, monkeypatch)").replace(
    "    thread = ", "    monkeypatch.setattr(threading, 'excepthook', print)\n    thread = "
)
HOOKS_OF_A_CONFTEST = """
import sys, threading

def pytest_runtest_call():
    threading.excepthook = sys.excepthook = sys.unraisablehook = lambda *_: None
"""
NO_HOOK = "import threading\n\ndef pytest_runtest_call():\n    threading.excepthook = None\n"
OWN_DESTRUCTION = UNRAISABLE.replace("    Broken()", "    sys.unraisablehook = lambda _: None\n    Broken()")
LOW = """
import _thread, sys, time

def test_low(http):
    assert http.get("/").status_code == 200
    sys.unraisablehook = print
    _thread.start_new_thread(lambda: 1 / 0, ())
    time.sleep(0.2)
"""
QUIET = "import pytest\npytestmark = pytest.mark.filterwarnings('ignore')\n"
FORGOTTEN = """
async def check(http):
    assert http.get("/").status_code == 299

def test_forgotten(http):
    assert http.get("/").status_code == 200
    check(http)
"""
RETURNED = "def test_returned(http):\n    return http.get('/').status_code == 299\n"
TUPLE = """
def test_tuple(http):
    assert (http.get("/").status_code == 299, "it is not the new one")
"""
AUTOUSE = """
import pytest

@pytest.fixture(autouse=True)
def warm(http):
    http.get("/")
"""
ASKING_HOOK = """
import pytest

@pytest.hookimpl(trylast=True)
def pytest_runtest_setup(item):
    item._request.getfixturevalue("http").get("/")
"""
PLAIN = "def test_plain():\n    assert 1 + 1 == 2\n"
UNITTEST = """
import unittest

class TestOld(unittest.TestCase):
    def test_old(self):
        self.assertEqual(1, 1)
"""

CASES = [
    pytest.param(BAD, SETUP_ONLY, "no passed report of its call", id="setuponly-of-a-conftest"),
    pytest.param(BAD, COLLECTS_ONLY, "did not run", id="collectonly-of-a-conftest"),
    pytest.param(BAD, NEVER_CALLED, "its function was never entered", id="a-hook-that-does-not-call"),
    pytest.param(BAD, NO_RUNTEST, "its function was never entered", id="runtest-replaced"),
    pytest.param(BAD, REPLACED, "its function was never entered", id="function-replaced-at-the-call"),
    pytest.param(BAD, REPLACED_EARLY, "its function was never entered", id="function-replaced-after-the-collection"),
    pytest.param(BAD, REPLACED_AT_ONCE, "its function was never entered", id="function-replaced-as-it-is-collected"),
    pytest.param(BAD, OTHER_CODE, "its function was never entered", id="code-replaced"),
    pytest.param(GOOD, NO_LOOP, "did not run", id="a-loop-that-runs-nothing"),
    pytest.param("import pytest\npytest.exit('no', returncode=0)\n", "", "no test ran", id="exit-with-0-in-a-module"),
    pytest.param(GOOD + "__test__ = False\n", "", "left out by its own __test__", id="a-module-that-is-no-test"),
    pytest.param(GOOD, UNREPORTED, "test_good stands in the suite and was left out", id="a-report-without-its-tests"),
    pytest.param(
        GOOD, NO_MODULE, "smoke/test_it.py stands in the suite and was left out", id="a-folder-without-its-file"
    ),
    pytest.param(GOOD, MOCKED, "test_good passed without an answer", id="a-client-that-asks-nobody"),
    pytest.param(BAD, NO_REPORT, "did not run", id="a-protocol-without-reports"),
    pytest.param(BAD, FORGED, "its function was never entered", id="forged-reports"),
    pytest.param(BAD, CALL_SWALLOWED, "it raised AssertionError in call", id="a-wrapper-swallows-the-failure"),
    pytest.param(
        "import pytest\n@pytest.fixture\ndef held(http):\n    yield http\n    assert False\n"
        + GOOD.replace("http", "held"),
        TEARDOWN_SWALLOWED,
        "it raised AssertionError in teardown",
        id="a-wrapper-swallows-the-teardown",
    ),
    pytest.param(BAD, REWRITTEN, "it raised AssertionError in call", id="an-outcome-rewritten"),
    pytest.param(BAD, REWRITTEN_LATE, "it raised AssertionError in call", id="an-outcome-rewritten-when-told"),
    pytest.param(
        GOOD + "\ndef test_skips(http):\n    http.get('/')\n    import pytest\n    pytest.skip('no')\n",
        REWRITTEN,
        "it raised Skipped in call",
        id="a-skip-rewritten",
    ),
    pytest.param(SECOND, RUN_AGAIN, "passed only on attempt 2", id="a-second-run-of-which-the-first-is-not-told"),
    pytest.param(SECOND, CALLED_AGAIN, "passed only on attempt 2", id="a-function-that-is-called-again"),
    pytest.param(
        GOOD + BAD, SHORTENED, "test_bad stands in the suite and was left out by a hook", id="items-shortened"
    ),
    pytest.param(GOOD + BAD, DESELECTED, "test_bad stands in the suite and was left out by a hook", id="deselected"),
    pytest.param(GOOD + BAD, NOT_MADE, "test_bad stands in the suite and was left out by a hook", id="never-made"),
    pytest.param(GOOD + BAD + ENDS, "", "did not run", id="exit-with-0-fails-at-once"),
    pytest.param(GOOD + ENDS, "", "test_ends was collected", id="exit-with-0"),
    pytest.param(GOOD + PLAIN, "", "test_plain passed without an answer", id="one-test-asks-nobody"),
    pytest.param(PLAIN, "", "no answer of the candidate", id="no-request-at-all"),
    pytest.param(PLAIN, AUTOUSE, "test_plain passed without an answer", id="an-answer-nobody-asked-for"),
    pytest.param(PLAIN, ASKING_HOOK, "test_plain passed without an answer", id="an-answer-of-a-hook"),
    pytest.param(GOOD + UNITTEST, "", "test_old passed without an answer", id="a-unittest-that-asks-nobody"),
    pytest.param(RETURNED, "", "test_returned: it returned bool", id="a-comparison-returned"),
    pytest.param(QUIET + RETURNED, "", "test_returned: it returned bool", id="a-comparison-returned-quietly"),
    pytest.param(QUIET + TUPLE, "", "line 5 asserts a tuple", id="a-tuple-asserted"),
    pytest.param(THREAD, "", "test_thread: the thread worker raised ZeroDivisionError", id="a-thread-fails"),
    pytest.param(QUIET + THREAD, "", "the thread worker raised", id="a-thread-fails-quietly"),
    pytest.param(QUIET + LATE, "", "test_late: the thread late raised", id="a-thread-fails-after-the-last-test"),
    pytest.param(QUIET + UNRAISABLE, "", "destruction of an object raised ValueError", id="an-unraisable-exception"),
    pytest.param(OWN_HOOK, "", "the thread worker raised", id="a-thread-fails-under-a-hook-of-its-test"),
    pytest.param(OWN_HOOK_FOR_A_WHILE, "", "the thread worker raised", id="a-thread-fails-under-a-hook-for-a-while"),
    pytest.param(THREAD, HOOKS_OF_A_CONFTEST, "the thread worker raised", id="a-thread-fails-under-a-conftests-hook"),
    pytest.param(THREAD, NO_HOOK, "the thread worker raised", id="a-thread-fails-under-no-hook"),
    pytest.param("import sys\n" + OWN_DESTRUCTION, "", "raised ValueError", id="an-unraisable-exception-under-a-hook"),
    pytest.param(UNRAISABLE, HOOKS_OF_A_CONFTEST, "raised ValueError", id="an-unraisable-exception-under-a-conftest"),
    pytest.param(LOW, "", "raised ZeroDivisionError", id="a-thread-of-the-low-level-fails"),
    pytest.param(FORGOTTEN, "", "was never awaited", id="a-coroutine-never-awaited"),
]


@pytest.mark.parametrize(("suite", "conftest", "said"), CASES)
def test_what_proves_nothing_is_no_pass_by_hand(by_hand: Any, suite: str, conftest: str, said: str) -> None:
    """Nothing is reported as failed, and the run does not pass; the summary says why."""
    code, text = by_hand(suite, conftest)
    assert code in (1, 2, 5), text  # 2 and 5 are pytest's own for a module that cannot be collected, and for no test
    assert said in text.partition("not proven")[2], text


def chosen(*names: str) -> list[Any]:
    """Some of the cases, by their ids."""
    return [case for case in CASES if case.id in names]


@pytest.mark.parametrize(
    ("suite", "conftest", "said"),
    chosen(
        "setuponly-of-a-conftest",
        "an-outcome-rewritten",
        "a-second-run-of-which-the-first-is-not-told",
        "items-shortened",
        "one-test-asks-nobody",
        "a-thread-fails-after-the-last-test",
        "a-thread-fails-under-a-hook-of-its-test",
    ),
)
def test_workers_change_nothing_of_it(by_hand: Any, suite: str, conftest: str, said: str) -> None:
    """With pytest-xdist the facts come from the process in which the test ran."""
    code, text = by_hand(suite, conftest, "-n", "2")
    assert code == 1, text
    assert said in text.partition("not proven")[2], text


@pytest.mark.parametrize(
    ("suite", "conftest", "said"),
    chosen(
        "setuponly-of-a-conftest",
        "a-wrapper-swallows-the-failure",
        "a-function-that-is-called-again",
        "items-shortened",
        "exit-with-0",
        "one-test-asks-nobody",
        "a-comparison-returned",
        "a-thread-fails-quietly",
        "a-thread-fails-under-a-hook-of-its-test",
    ),
)
def test_verify_says_11_of_the_same_suite(world: World, by_hand: Any, suite: str, conftest: str, said: str) -> None:
    """A release judges by the same rules."""
    assert by_hand(suite, conftest)[0] == 1
    done = world.command("verify", "--env", "local", PYTHONDONTWRITEBYTECODE="1")
    assert done.returncode == 11, done.stdout + done.stderr
    assert said in done.stdout + done.stderr


SESSION = """
import pytest

@pytest.fixture(scope="module")
def home(http):
    return http.get("/")

@pytest.fixture
def text(home):
    return home.text

def test_status(home):
    assert home.status_code == 200

def test_text(text):
    assert text.startswith("hello")
"""
CLASSES = """
import unittest

import pytest

@pytest.mark.usefixtures("asked")
class TestOld(unittest.TestCase):
    def test_old(self):
        self.assertEqual(self.answer.status_code, 200)

class TestNew:
    @pytest.mark.parametrize("path", ["/", "/readyz"])
    def test_new(self, http, path):
        assert http.get(path).status_code == 200

    def test_by_another(self, by_name):
        assert by_name("home").status_code == 200

    def test_by_name(self, request):
        assert request.getfixturevalue("home").status_code == 200

    @staticmethod
    def test_static(http, subtests):
        with subtests.test("a part of it"):
            assert http.get("/").status_code == 200
"""
CLASS_FIXTURES = """
import pytest

@pytest.fixture(scope="session")
def home(http):
    return http.get("/")

@pytest.fixture
def by_name(request):
    return request.getfixturevalue

@pytest.fixture(scope="class")
def asked(request, http):
    request.cls.answer = http.get("/")
"""
ASYNC = """
import unittest

import httpx
import pytest

@pytest.fixture(autouse=True)
def place(request, target):
    request.cls.url = target.url

class TestAwaited(unittest.IsolatedAsyncioTestCase):
    async def test_awaited(self):
        async with httpx.AsyncClient(base_url=self.url) as client:
            self.assertEqual((await client.get("/")).status_code, 200)
"""
OWN_PAGE = """
import pytest

@pytest.fixture
def page(http):
    return http.get("/")

def test_page(page):
    assert page.status_code == 200
"""
MARKED = """
import pytest

@pytest.mark.no_target(reason="it compares two files")
def test_files():
    assert 1 == 1
"""
HYPOTHESIS = """
from hypothesis import given, settings, strategies as st, HealthCheck

@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 9))
def test_numbers(http, number):
    assert http.get(f"/{number}").status_code == 200
"""
HANDLED = """
import sys, threading, warnings

def test_hooks(http, monkeypatch):
    seen, before = [], threading.excepthook
    monkeypatch.setattr(threading, "excepthook", seen.append)
    assert threading.excepthook == seen.append
    thread = threading.Thread(target=sys.exit)
    thread.start()
    thread.join()
    monkeypatch.undo()
    assert threading.excepthook is before
    assert http.get("/").status_code == 200

def test_handled(http):
    def careful():
        try:
            1 / 0
        except ZeroDivisionError:
            pass
    thread = threading.Thread(target=careful)
    thread.start()
    thread.join()
    warnings.warn("something old", DeprecationWarning)
    assert http.get("/").status_code == 200
"""


@pytest.mark.parametrize(
    ("suite", "conftest"),
    [
        pytest.param(SESSION, "", id="an-answer-of-a-module-for-several-tests"),
        pytest.param(CLASSES, CLASS_FIXTURES, id="classes-of-every-kind"),
        pytest.param(ASYNC, "", id="an-async-test-of-unittest"),
        pytest.param(GOOD + MARKED, "", id="a-test-marked-no-target"),
        pytest.param(HYPOTHESIS, "", id="examples-of-hypothesis"),
        pytest.param(HANDLED, "", id="a-thread-and-a-warning-that-say-nothing"),
    ],
)
@pytest.mark.parametrize("workers", [pytest.param([], id="alone"), pytest.param(["-n", "2"], id="xdist")])
def test_what_is_shown_passes(by_hand: Any, suite: str, conftest: str, workers: list[str]) -> None:
    """The usual ways to write a test have no objection."""
    code, text = by_hand(suite, conftest, *workers)
    assert code == 0, text
    assert "not proven" not in text


def test_an_async_test_of_unittest_that_fails_is_a_failure(by_hand: Any) -> None:
    """It is called by unittest itself, and watched all the same."""
    code, text = by_hand(ASYNC.replace("200)", "299)"), "")
    assert code == 1
    assert "1 failed" in text


def test_a_page_of_the_suites_own_needs_no_browser(world: World, by_hand: Any) -> None:
    """A fixture may have the name of one of pytest-playwright; one that is built on that one needs it."""
    assert by_hand(OWN_PAGE)[0] == 0
    assert world.command("verify", "--env", "local", "--suite", "smoke").returncode == 0
    world.suite("smoke", OWN_PAGE.replace("page(http)", "page(page)"))
    done = world.command("verify", "--env", "local", "--suite", "smoke")
    assert "the frontend tests need pytest-playwright" in done.stdout


def test_verify_names_what_needs_no_target(world: World, by_hand: Any) -> None:
    """The verdict of a release's rules says it too."""
    assert by_hand(GOOD + MARKED)[0] == 0
    done = world.command("verify", "--env", "local")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "smoke/test_it.py::test_files: it compares two files" in done.stdout


def test_a_run_that_only_sets_up_is_no_pass(by_hand: Any) -> None:
    """Whoever types it: nothing was tested. To collect only is no run, and ends as pytest's own."""
    assert by_hand(GOOD, "", "--setup-only")[0] == 1
    assert by_hand(GOOD, "", "--setup-plan")[0] == 1
    assert by_hand(GOOD, "", "--collect-only")[0] == 0


def test_a_thread_is_its_own_tests(by_hand: Any) -> None:
    """What fails while the next test runs is said of the test that started it."""
    later = GOOD.replace("def test_good(http):", "def test_later(http):\n    import time\n    time.sleep(0.6)")
    code, text = by_hand(LATE + later)
    assert code == 1, text
    assert "test_late: the thread late raised" in text


def test_a_mark_that_nobody_registered_is_no_pass(by_hand: Any) -> None:
    """A release collects with strict markers; by hand the mark is named."""
    code, text = by_hand("import pytest\n@pytest.mark.critcal" + GOOD)
    assert code == 1, text
    assert "PytestUnknownMarkWarning" in text.partition("not proven")[2]


def test_what_needs_no_target_is_named(by_hand: Any) -> None:
    """A pass says of which tests nobody answered, and why; a marker without a reason is an error of usage."""
    code, text = by_hand(GOOD + MARKED)
    assert code == 0, text
    assert "needs no answer of the target: smoke/test_it.py::test_files: it compares two files" in text
    code, text = by_hand(GOOD + MARKED.replace('reason="it compares two files"', ""))
    assert code == 4, text
    assert "its marker no_target has no reason" in text


@pytest.mark.parametrize(
    ("words", "env"),
    [
        pytest.param([], {"PYTHONOPTIMIZE": "1"}, id="optimize"),
        pytest.param(["-n", "1"], {"PYTHONOPTIMIZE": "2"}, id="optimize-workers"),
        pytest.param(["--assert=plain"], {}, id="plain"),
        pytest.param([], {"PYTEST_ADDOPTS": "--assert=plain"}, id="plain-by-a-variable"),
        pytest.param(["-p", "no:assertion"], {}, id="no-plugin"),
    ],
)
def test_a_run_without_asserts_is_refused(by_hand: Any, words: list[str], env: dict[str, str]) -> None:
    """Nothing would be compared, so nothing is run."""
    code, text = by_hand(BAD, "", *words, **env)
    assert code not in (0, 1), text
    assert "assertions are off in this run" in text
    assert "passed" not in text


@pytest.mark.parametrize("expression", ["smoek", "smoke and not slwo", "smoke or verfication(level=1)"])
def test_a_marker_that_does_not_exist_is_refused(by_hand: Any, world: World, expression: str) -> None:
    """A word mistyped would select nothing, and nothing would fail."""
    world.suite("smoke", GOOD)
    done = world.pytest("-m", expression, "--env", "local")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "there is no marker" in done.stderr
    assert "known are: " in done.stderr
    assert "verification" in done.stderr


@pytest.mark.parametrize(
    "conftest",
    [
        pytest.param("collect_ignore = ['test_more.py']", id="collect_ignore"),
        pytest.param("collect_ignore_glob = ['*more*']", id="collect_ignore_glob"),
        pytest.param("def pytest_ignore_collect(collection_path):\n    return 'more' in collection_path.name or None",
                     id="pytest_ignore_collect"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("file", ["test_more.py", "more/test_deep.py"])
def test_a_file_that_is_ignored_is_named(by_hand: Any, world: World, conftest: str, file: str) -> None:
    """The tests in it are in no list, so the file is."""
    if "[" in conftest and "glob" not in conftest:
        conftest = conftest.replace("test_more.py", file.partition("/")[0])
    (world.root / "smoke" / "more").mkdir(exist_ok=True)
    world.suite("smoke", GOOD, file)
    try:
        code, text = by_hand(GOOD, conftest)
    finally:
        (world.root / "smoke" / file).unlink()
        (world.root / "smoke" / "more").rmdir()
    assert code == 1, text
    assert f"smoke/{file} stands in the suite and was left out" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["-k", "good"], "selected by hand (-k): 1 of 2 tests", id="k"),
        pytest.param(["--deselect", "smoke/test_it.py::test_bad"], "(--deselect): 1 of 2 tests", id="deselect"),
        pytest.param(["smoke/test_it.py::test_good"], "1 of 2 tests", id="by-name"),
        pytest.param(["./smoke/../smoke", "-k", "good"], "1 of 2 tests", id="a-path-of-its-own"),
    ],
)
def test_what_a_person_selects_passes_and_is_said(by_hand: Any, words: list[str], said: str) -> None:
    """A person may choose tests; the summary says that it is no proof for a release."""
    code, text = by_hand(GOOD + BAD, "", *words)
    assert code == 0, text
    assert said in text
    assert "no proof for a release" in text


@pytest.mark.parametrize(
    "option", ["-k good", "-m 'smoke and not slow'", "--deselect smoke/test_it.py::test_bad", "--co"]
)
def test_a_selection_of_addopts_is_nobodys(world: World, by_hand: Any, option: str) -> None:
    """A release does not have the project's addopts, so what they leave out is not proven."""
    (world.root / "pytest.ini").write_text(f"[pytest]\naddopts = {option}\nmarkers =\n    slow: it takes long\n")
    world.suite("smoke", GOOD + "import pytest\n@pytest.mark.slow" + BAD)
    try:
        done = world.pytest("--env", "local")
    finally:
        (world.root / "pytest.ini").unlink()
    assert done.returncode == 1, done.stdout
    assert "not proven" in done.stdout


def test_a_selection_that_a_conftest_makes_is_nobodys(by_hand: Any) -> None:
    """The option that was not typed selects all the same, and the run does not pass."""
    code, text = by_hand(GOOD + BAD, "def pytest_configure(config):\n    config.option.keyword = 'good'\n")
    assert code == 1, text
    assert "test_bad stands in the suite and was left out by a selecting option" in text


@pytest.mark.parametrize(
    "conftest",
    [
        pytest.param(swallows("pytest_sessionfinish", "session", "session.exitstatus = 0", "trylast=True"), id="set"),
        pytest.param(swallows("pytest_sessionfinish", "", "pytest.exit('done', returncode=0)"), id="exit"),
        pytest.param(swallows("pytest_sessionfinish", "", "raise SystemExit(0)", "trylast=True"), id="system-exit"),
        pytest.param(swallows("pytest_unconfigure", "", "raise SystemExit(0)"), id="after-the-end"),
        pytest.param(swallows("pytest_runtest_teardown", "", "import os\n    os._exit(0)"), id="in-the-middle"),
        pytest.param("import atexit, os\natexit.register(lambda: os._exit(0))\n", id="atexit"),
        pytest.param("import atexit\nfrom os import _exit\natexit.register(_exit, 0)\n", id="atexit-by-name"),
        pytest.param("import atexit, posix\natexit.register(lambda: posix._exit(0))\n", id="atexit-of-posix"),
        pytest.param("import atexit, os\natexit.register(os.execl, '/bin/true', 'true')\n", id="another-program"),
        pytest.param(
            swallows("pytest_runtest_teardown", "", "import os\n    os.execvp('true', ['true'])"), id="replaced"
        ),
        pytest.param(swallows("pytest_sessionfinish", "", "import os\n    os.execv('/bin/true', ['true'])"), id="late"),
        pytest.param(
            "import os\ndef pytest_configure():\n    os.environ['VERDIGRIS_EXPECT'] = 'version=1.0.0'\n"
            + swallows("pytest_unconfigure", "", "raise SystemExit(0)"),
            id="as-if-a-release-judged-it",
        ),
    ],
)
@pytest.mark.parametrize("suite", [pytest.param(GOOD + BAD, id="failed"), pytest.param(GOOD + PLAIN, id="not-proven")])
def test_the_exit_status_cannot_be_made_0(by_hand: Any, suite: str, conftest: str) -> None:
    """Neither by a hook that sets it, nor by one that leaves."""
    code, text = by_hand(suite, conftest)
    assert code == 1, text


@pytest.mark.parametrize(
    "conftest",
    [
        pytest.param(
            swallows("pytest_cmdline_main", "", "yield\n    return 0", "wrapper=True, tryfirst=True"), id="told"
        ),
        pytest.param(swallows("pytest_cmdline_main", "", "return 0"), id="without-a-session"),
        pytest.param(swallows("pytest_cmdline_main", "", "import os\n    os._exit(0)"), id="left-before-it-began"),
        pytest.param("import os\nos._exit(0)\n", id="left-as-it-was-imported"),
        pytest.param("import os\nos.execv('/bin/true', ['true'])\n", id="replaced-as-it-was-imported"),
        pytest.param(
            swallows("pytest_configure", "config", "config.add_cleanup(lambda: exit(0))"), id="left-by-a-cleanup"
        ),
    ],
)
def test_a_conftest_above_the_suites_cannot_make_it_0(world: World, by_hand: Any, conftest: str) -> None:
    """It is imported before all others, and may stand around the whole run."""
    world.suite(".", conftest, "conftest.py")
    try:
        code, text = by_hand(GOOD + BAD)
    finally:
        (world.root / "conftest.py").unlink()
    assert code not in (0, -9), text


@pytest.mark.parametrize("how", ["os._exit(0)", "os.execv('/bin/true', ['true'])"])
def test_a_test_that_leaves_proves_nothing(world: World, by_hand: Any, how: str) -> None:
    """Neither by hand, nor where a release's rules judge it."""
    code, text = by_hand(GOOD + f"\ndef test_leaves(http):\n    import os\n    {how}\n" + BAD)
    assert code == 1, text
    assert ("left before it was judged" if "_exit" in how else "cannot be replaced") in text
    done = world.command("verify", "--env", "local", PYTHONDONTWRITEBYTECODE="1")
    assert done.returncode == 11, done.stdout + done.stderr
    assert "has no closing line" in done.stdout


@pytest.mark.parametrize("word", ["--help", "--markers", "--fixtures", "--fixtures-per-test", "--co"])
def test_what_runs_nothing_is_judged_by_nobody(by_hand: Any, word: str) -> None:
    """It shows what there is."""
    assert by_hand(GOOD, "", word)[0] == 0


PLUGINS = ("proof", "recorder", "collection", "carrier", "clients", "prerequisites", "innermost", "attribution")
TAKES_OUT = "if config.pluginmanager.has_plugin('{0}'):\n        config.pluginmanager.unregister(name='{0}')"


@pytest.mark.parametrize("hook", ["pytest_collection_modifyitems", "pytest_runtest_setup"])
@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_that_judges_is_not_taken_out(by_hand: Any, name: str, hook: str) -> None:
    """Whatever it would have seen, its absence is seen."""
    body = TAKES_OUT.format(f"verdigris-{name}")
    if hook == "pytest_runtest_setup":
        conftest = swallows(hook, "item", f"config = item.config\n    {body}")
    else:
        conftest = swallows(hook, "items, config", f"{body}\n    items[:] = items[:1]")
    code, text = by_hand(GOOD + BAD, conftest)
    assert code == 1, text
    assert "not proven" in text or "1 failed" in text


def test_a_plugin_that_judges_is_not_taken_out_of_workers_or_a_release(world: World, by_hand: Any) -> None:
    """The facts come from where the tests ran, and evidence says it."""
    body = TAKES_OUT.format("verdigris-collection")
    conftest = swallows("pytest_collection_modifyitems", "items, config", f"{body}\n    items[:] = items[:1]")
    said = "the plugin verdigris-collection, which judges this run, was taken out"
    code, text = by_hand(GOOD + BAD, conftest, "-n", "2")
    assert code == 1, text
    assert said in text
    done = world.command("verify", "--env", "local", PYTHONDONTWRITEBYTECODE="1")
    assert done.returncode == 11, done.stdout + done.stderr
    assert said in done.stdout


@pytest.mark.parametrize("name", [*PLUGINS[:-2], "leaving"])
def test_a_plugin_that_judges_is_not_blocked(world: World, by_hand: Any, name: str) -> None:
    """Neither by an option nor by a conftest; the run is refused."""
    said = f"the plugin verdigris-{name} judges this run and is blocked"
    code, text = by_hand(GOOD, "", "-p", f"no:verdigris-{name}")
    assert code == 4, text
    assert said in text
    conftest = f"def pytest_configure(config):\n    config.pluginmanager.set_blocked('verdigris-{name}')\n"
    world.suite(".", conftest, "conftest.py")
    try:
        code, text = by_hand(BAD)
    finally:
        (world.root / "conftest.py").unlink()
    assert code == (1 if name == "leaving" else 4), text


def test_files_beside_the_tests_are_read_for_what_they_do(world: World, by_hand: Any) -> None:
    """Tasks and helpers are no tests; a test that asks for a fixture, which a plugin has, is one."""
    world.suite("smoke", "from invoke import task\n\n@task\ndef test(c):\n    c.run('pytest')\n", "tasks.py")
    world.suite("smoke", "class TestContext:\n    def test_user(self):\n        return 1\n", "steps.py")
    code, text = by_hand(GOOD, "def test_id():\n    return 1\n")
    assert code == 0, text
    assert world.command("verify", "--env", "local").returncode == 0
    world.suite("smoke", "def test_file(testdir):\n    testdir.run()\n", "files.py")
    code, text = by_hand(GOOD, "import pytest\n\n@pytest.fixture\ndef testdir(): pass\n")
    assert code == 1, text
    assert "smoke/files.py:1 test_file stands in the suite and was left out by the name of its file" in text


def test_a_child_of_a_test_may_leave_as_it_likes(by_hand: Any) -> None:
    """Only the run itself has to be judged before its process ends."""
    forks = "import os\n\ndef test_forks(http):\n    assert http.get('/').status_code == 200\n"
    forks += "    child = os.fork()\n    if not child:\n        os._exit(0)\n    assert os.waitpid(child, 0)[1] == 0\n"
    assert by_hand(forks)[0] == 0
    assert by_hand(forks.replace("os._exit(0)", "os.execv('/bin/true', ['true'])"))[0] == 0
    assert by_hand(GOOD, "import atexit, os\natexit.register(lambda: os._exit(0))\n")[0] == 0
    assert by_hand(GOOD, "import atexit, os\natexit.register(lambda: os._exit(3))\n")[0] == 3


OLD = """
import warnings

def test_old(http):
    assert http.get("/").status_code == 200
    warnings.warn("it goes away", DeprecationWarning)
"""


@pytest.mark.parametrize(
    ("file", "text"),
    [
        pytest.param("pytest.ini", "[pytest]\nfilterwarnings = error\n", id="filterwarnings"),
        pytest.param("pytest.ini", "[pytest]\naddopts = -q -W error::DeprecationWarning\n", id="addopts"),
        pytest.param(
            "pyproject.toml", "[tool.pytest.ini_options]\naddopts = ['--pythonwarnings=error', '-q']\n", id="toml"
        ),
        pytest.param("setup.cfg", "[tool:pytest]\naddopts = -o filterwarnings=error\n", id="override"),
    ],
)
def test_a_release_is_as_strict_as_the_projects_own_pytest(world: World, by_hand: Any, file: str, text: str) -> None:
    """What the project makes an error is one in a release too."""
    (world.root / file).write_text(text)
    try:
        assert by_hand(OLD)[0] == 1
        done = world.command("verify", "--env", "local")
    finally:
        (world.root / file).unlink()
    assert done.returncode == 10, done.stdout + done.stderr
    assert "it goes away" in done.stdout


def test_options_of_plugins_that_a_suite_does_not_have_are_no_failure(world: World, by_hand: Any) -> None:
    """A project whose warnings are errors may set what only its own tests' plugins know."""
    (world.root / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\ntimeout = 60\n")
    try:
        assert by_hand(GOOD)[0] == 0
        done = world.command("verify", "--env", "local")
    finally:
        (world.root / "pytest.ini").unlink()
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_suite_that_is_lost_is_said(world: World, by_hand: Any) -> None:
    """A required suite whose folder was renamed, and one without a test, end the run; one nobody requires does not."""
    path = world.root / "environments.toml"
    before = path.read_text()
    try:
        assert by_hand(GOOD)[0] == 0
        path.write_text(before.replace('suites = ["smoke"]', 'suites = ["smoke", "verification"]'))
        lost = world.pytest("--env", "local")
        assert lost.returncode == 4, lost.stdout + lost.stderr
        assert "verification of the suite verification: restore it" in lost.stderr
        world.suite("verification", "# nothing\n")
        empty = world.pytest("--env", "local")
        assert empty.returncode == 1, empty.stdout + empty.stderr
        assert "the suite verification has no test in verification/" in empty.stdout
        assert world.pytest("--env", "local", "-m", "verification").returncode not in (0, 1)
    finally:
        path.write_text(before)
    assert world.pytest("--env", "local", "-m", "smoke").returncode == 0
