"""Tests that stand in a file and that pytest makes nothing of are found in its text; what is meant is left alone."""

import textwrap
from pathlib import Path

import pytest

from verdigris.plugin.definitions import Patterns, unseen

ONE = "def test_a():\n    assert 1\n"


def found(tmp_path: Path, text: str, name: str = "test_it.py", patterns: Patterns | None = None) -> list[str]:
    """What is found in a file of the suite, as it is said."""
    path = tmp_path / "smoke" / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(textwrap.dedent(text))
    return [f"{one.place} {one.by}" for one in unseen(tmp_path / "smoke", tmp_path, patterns or Patterns())]


HIDDEN = {
    "twice": (ONE + ONE, "smoke/test_it.py:1 test_a another definition of that name in line 3"),
    "three-times": (ONE * 3, "smoke/test_it.py:1 test_a another definition of that name in line 3"),
    "decorated": (
        f"import pytest\n@pytest.mark.parametrize('n', [1])\n{ONE.replace('()', '(n)')}\n{ONE}",
        "smoke/test_it.py:3 test_a another definition of that name in line 6",
    ),
    "async-and-not": (f"async {ONE}{ONE}", "smoke/test_it.py:1 test_a another definition of that name in line 3"),
    "in-a-class": (
        "class TestIt:\n    def test_a(self): pass\n    def test_a(self): pass\n",
        "smoke/test_it.py:2 TestIt.test_a another definition of that name in line 3",
    ),
    "in-a-nested-class": (
        "class TestIt:\n    class TestIn:\n        def test_a(self): pass\n        def test_a(self): pass\n",
        "smoke/test_it.py:3 TestIt.TestIn.test_a another definition of that name in line 4",
    ),
    "in-a-unittest": (
        "import unittest\nclass Checks(unittest.TestCase):\n    def test_a(self): pass\n    def test_a(self): pass\n",
        "smoke/test_it.py:3 Checks.test_a another definition of that name in line 4",
    ),
    "a-class-twice": (
        "class TestIt:\n    def test_a(self): pass\nclass TestIt:\n    def test_b(self): pass\n",
        "smoke/test_it.py:1 TestIt another definition of that name in line 3",
    ),
    "in-one-branch": (
        "import sys\nif sys.platform:\n    def test_a(): pass\n    def test_a(): pass\n",
        "smoke/test_it.py:3 test_a another definition of that name in line 4",
    ),
    "after-a-branch": (
        f"import sys\nif sys.platform:\n    def test_a(): pass\n{ONE}",
        "smoke/test_it.py:3 test_a another definition of that name in line 4",
    ),
    "in-a-with": (
        f"import contextlib\nwith contextlib.nullcontext():\n    def test_a(): pass\n{ONE}",
        "smoke/test_it.py:3 test_a another definition of that name in line 4",
    ),
    "an-assignment": (ONE + "test_a = None\n", "smoke/test_it.py:1 test_a an assignment of that name in line 3"),
    "an-import": (
        ONE + "from os import path as test_a\n",
        "smoke/test_it.py:1 test_a an import of that name in line 3",
    ),
    "a-del": (ONE + "del test_a\n", "smoke/test_it.py:1 test_a a del of that name in line 3"),
    "a-constructor": (
        "class TestIt:\n    def __init__(self): self.x = 1\n    def test_a(self): pass\n",
        "smoke/test_it.py:1 TestIt its constructor",
    ),
    "a-dataclass": (
        "from dataclasses import dataclass\n@dataclass\nclass TestIt:\n    x: int = 1\n    def test_a(self): pass\n",
        "smoke/test_it.py:3 TestIt its constructor",
    ),
    "a-class-of-another-name": (
        "class HealthTests:\n    def test_a(self): pass\n    def help(self): pass\n",
        "smoke/test_it.py:1 HealthTests the name of its class: python_classes is Test; rename the class",
    ),
    "a-class-of-tests-only": (
        "class Health:\n    def test_a(self): pass\n",
        "smoke/test_it.py:1 Health the name of its",
    ),
    "async": (f"async {ONE}", "smoke/test_it.py:1 test_a being async: no plugin runs it"),
    "inside": (
        "def test_a():\n    assert 1\n    def test_b():\n        assert 0\n",
        "smoke/test_it.py:3 test_b its place inside of the function test_a: move it out",
    ),
    "inside-a-method": (
        "class TestIt:\n    def test_a(self):\n        def test_b(self): pass\n",
        "smoke/test_it.py:3 test_b its place inside of the function test_a",
    ),
}


@pytest.mark.parametrize("how", HIDDEN)
def test_a_hidden_test_is_named_with_file_and_line(tmp_path: Path, how: str) -> None:
    """Each way in which a test that stands in a file never runs."""
    text, said = HIDDEN[how]
    assert found(tmp_path, text)[0].startswith(said)


MEANT = {
    "branches": "import sys\nif sys.platform:\n    def test_a(): pass\nelif sys:\n    def test_a(): pass\n"
    "else:\n    def test_a(): pass\n",
    "try-and-except": "try:\n    import x\n    def test_a(): pass\nexcept ImportError:\n    def test_a(): pass\n",
    "match": "match 1:\n    case 1:\n        def test_a(): pass\n    case _:\n        def test_a(): pass\n",
    "an-override-in-a-branch": f"import sys\n{ONE}if sys.platform == 'win32':\n    def test_a(): pass\n",
    "overloads": "from typing import overload\n@overload\ndef test_a(x: int): ...\n@overload\ndef test_a(x: str): ...\n"
    "def test_a(x): ...\n",
    "wrapped": f"def mark(x): return x\n{ONE}test_a = mark(test_a)\n",
    "registered": f"from functools import singledispatch\n@singledispatch\n{ONE}@test_a.register\n{ONE}",
    "annotated": "test_a: object\n" + ONE,
    "a-fixture": "import pytest\n@pytest.fixture\ndef test_a(): return 1\n@pytest.fixture\ndef test_a(): return 2\n",
    "in-two-classes": "class TestA:\n    def test_a(self): pass\nclass TestB:\n    def test_a(self): pass\n",
    "a-helper-twice": "def helper(): pass\ndef helper(): pass\n" + ONE,
    "a-base-class": "class Base:\n    def test_a(self): pass\nclass TestIt(Base): pass\n",
    "a-class-extended": "class TestIt:\n    def test_a(self): pass\n"
    "class TestIt(TestIt):\n    def test_b(self): pass\n",
    "no-test": "class TestIt:\n    __test__ = False\n    def __init__(self): pass\n    def test_a(self): pass\n",
    "a-value-that-begins-with-test": "from dataclasses import dataclass\n@dataclass\nclass TestData:\n    x: int\n"
    + ONE,
    "a-client": "class Client:\n    def get(self): pass\n    def test_connection(self): pass\n" + ONE,
    "a-unittest": "import unittest\nclass Checks(unittest.TestCase):\n    def test_a(self): pass\n",
    "a-skipped-async": "import pytest\n@pytest.mark.skip(reason='x')\nasync " + ONE,
    "a-factory": "def make():\n    def test_it(): pass\n    return test_it\ntest_a = make()\n",
}


@pytest.mark.parametrize("how", MEANT)
def test_what_is_meant_is_left_alone(tmp_path: Path, how: str) -> None:
    """Definitions that look like it and hide nothing."""
    assert found(tmp_path, MEANT[how]) == []


@pytest.mark.parametrize(
    "name", ["tests_api.py", "test-api.py", "Test_api.py", "api.py", "conftest.py", "__init__.py", "more/tests.py"]
)
def test_a_file_that_pytest_does_not_look_at_is_named(tmp_path: Path, name: str) -> None:
    """With its first test, and how many there are."""
    (tmp_path / "smoke" / "more").mkdir(parents=True)
    by = "the name of its file: python_files is test_*.py, *_test.py; rename the file"
    assert found(tmp_path, "X = 1\n" + ONE, name) == [f"smoke/{name}:2 test_a {by}"]
    (tmp_path / "smoke" / name).unlink()
    two = "class TestIt:\n    def test_a(self): assert 1\ndef test_b(http): pass\n"
    assert found(tmp_path, two, name) == [f"smoke/{name}:1 TestIt and 1 more {by}"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("helpers.py", "def help(): pass\nclass TestData:\n    x = 1\n"),
        ("conftest.py", "import pytest\n@pytest.fixture\ndef test_user(): return 1\n"),
        ("test_it.py.bak", ONE),
        ("api_test.py", ONE),
        (".hidden/api.py", ONE),
        ("notes.txt", ONE),
        ("broken.py", "def helper(:\n"),
    ],
)
def test_a_file_without_tests_is_no_concern(tmp_path: Path, name: str, text: str) -> None:
    """Helpers, fixtures, copies, and files that pytest looks at."""
    (tmp_path / "smoke" / name).parent.mkdir(parents=True, exist_ok=True)
    assert found(tmp_path, text, name) == []


NO_TESTS = {
    "invoke": ("tasks.py", "from invoke import task\n@task\ndef test(c, verbose=False):\n    c.run('pytest')\n"),
    "invoke-called": (
        "tasks.py",
        "from invoke import task\n@task(help={'x': 'y'})\ndef test(c):\n    assert c.run('x')\n",
    ),
    "nox": ("noxfile.py", "import nox\n@nox.session\ndef test(session):\n    session.run('pytest')\n"),
    "nox-with-a-fixture-of-that-name": (
        "noxfile.py",
        "import nox, pytest\n@pytest.fixture\ndef session(): pass\n@nox.session\ndef test(session): session.run('x')\n",
    ),
    "fabric": ("fabfile.py", "from fabric.api import local\ndef test():\n    local('pytest')\n"),
    "click": ("cli.py", "import click\n@click.command()\ndef test():\n    assert click.get_current_context()\n"),
    "an-id": ("conftest.py", "import uuid\ndef test_id():\n    return uuid.uuid4().hex\n"),
    "an-id-in-a-file-of-tests": ("tests_support.py", "import uuid\ndef test_id():\n    return uuid.uuid4().hex\n"),
    "data": ("helpers.py", "import pytest\ndef test_user(name):\n    assert name\n    return {'name': name}\n"),
    "a-generator": ("helpers.py", "def test_users():\n    yield 'ana'\n"),
    "a-context": (
        "steps.py",
        (
            "class TestContext:\n    def __init__(self, http): self.http = http\n"
            "    def test_user(self):\n        assert self.http\n        return 1\n"
        ),
    ),
    "a-context-without-a-constructor": (
        "steps.py",
        "class TestContext:\n    user = None\n    def test_user(self):\n        return self.user\n",
    ),
    "steps-of-behave": (
        "steps.py",
        "from behave import given\n@given('a user')\ndef test_user(context):\n    assert context.user\n",
    ),
    "users-of-locust": (
        "locustfile.py",
        (
            "from locust import HttpUser, task\nclass TestUser(HttpUser):\n    @task\n    def test_home(self):\n"
            "        assert self.client.get('/').ok\n"
        ),
    ),
    "a-protocol": (
        "tests_types.py",
        "from typing import Protocol\nclass TestRunner(Protocol):\n    def test_it(self) -> None: ...\n",
    ),
    "a-property": ("support.py", "class TestRun:\n    @property\n    def test_id(self):\n        return 1\n"),
    "no-python-either": ("tasks.py", "{% if x %}\ndef test(c):\n    c.run('x')\n"),
}


@pytest.mark.parametrize("how", NO_TESTS)
def test_what_does_nothing_that_a_test_does_is_none(tmp_path: Path, how: str) -> None:
    """In a file that pytest does not look at, a name alone makes no test."""
    name, text = NO_TESTS[how]
    assert found(tmp_path, text, name) == []


MEANT_AS_TESTS = {
    "a-fixture-is-asked-for": ("smoek.py", "def test_a(http):\n    http.get('/')\n"),
    "a-fixture-of-its-own": (
        "api.py",
        "import pytest\n@pytest.fixture\ndef cart(): pass\ndef test_a(cart): cart.pay()\n",
    ),
    "a-mark": ("api.py", "import pytest\n@pytest.mark.critical\ndef test_a(): home()\n"),
    "parameters": (
        "tset_api.py",
        "import pytest\n@pytest.mark.parametrize('n', [1])\ndef test_a(http, n):\n    assert http.get(n).ok\n",
    ),
    "a-browser": ("front.py", "from playwright.sync_api import expect\ndef test_a(page):\n    expect(page).to_be()\n"),
    "raises": ("api.py", "import pytest\ndef test_a():\n    with pytest.raises(OSError):\n        call()\n"),
    "a-status": ("api.py", "import httpx\ndef test_a():\n    httpx.get('x').raise_for_status()\n"),
    "helpers-assert": ("api_tests.py", "from .helpers import check_home\ndef test_a():\n    check_home()\n"),
    "helpers-assert-and-pytest": ("api.py", "import pytest\ndef test_a():\n    check_home()\n"),
    "retried": ("api.py", "@retry(3)\ndef test_a(http):\n    assert http.get('/').is_success\n"),
    "mocked": ("api.py", "from unittest import mock\n@mock.patch('x.y')\ndef test_a(y):\n    assert y\n"),
    "examples": ("api.py", "from hypothesis import given\n@given(x)\ndef test_a(n):\n    assert n\n"),
    "async": ("api.py", "async def test_a(http):\n    assert http\n"),
    "a-class": ("steps.py", "class TestA:\n    def test_a(self, http):\n        http.get('/')\n"),
    "a-static-method": ("steps.py", "class TestA:\n    @staticmethod\n    def test_a(http):\n        http.get('/')\n"),
    "a-unittest": (
        "checks.py",
        (
            "import unittest\nclass Checks(unittest.TestCase):\n    def __init__(self, x): pass\n"
            "    def test_a(self):\n        self.assertEqual(1, 1)\n"
        ),
    ),
}


@pytest.mark.parametrize("how", MEANT_AS_TESTS)
def test_what_does_what_a_test_does_is_one(tmp_path: Path, how: str) -> None:
    """Whatever its file is called."""
    name, text = MEANT_AS_TESTS[how]
    (said,) = found(tmp_path, text, name)
    assert "the name of its file" in said


def test_a_helper_of_which_somebody_makes_one_is_no_class_of_tests(tmp_path: Path) -> None:
    """Its constructor hides nothing."""
    text = "class TestContext:\n    def __init__(self, http): self.http = http\n    def test_user(self): return 1\n"
    use = "def test_a(http):\n    assert TestContext(http).test_user()\n"
    assert found(tmp_path, text + use) == []
    assert "its constructor" in found(tmp_path, text)[0]


def test_a_helper_that_somebody_calls_is_no_test(tmp_path: Path) -> None:
    """In a file of helpers, by a name that begins as a test's."""
    (tmp_path / "smoke").mkdir()
    (tmp_path / "smoke" / "test_it.py").write_text("from smoke.helpers import test_user\n" + ONE)
    assert found(tmp_path, "def test_user(): return 1\n", "helpers.py") == []


def test_a_file_that_is_no_python_is_named_where_it_has_tests(tmp_path: Path) -> None:
    """Pytest says so only of files that it looks at."""
    (said,) = found(tmp_path, "X = (\n" + ONE, "api.py")
    assert said.startswith("smoke/api.py:2 test_a the name of its file")


def test_the_patterns_of_the_project_hold(tmp_path: Path) -> None:
    """What is a file, a class and a function of tests is what its settings say."""
    own = Patterns(
        files=("check_*.py",), classes=("Check*", "*Suite"), functions=("check_", "*_works"), runs_async=True
    )
    text = (
        "def check_a(): pass\ndef check_a(): pass\nasync def it_works(): pass\ndef test_a(): pass\ndef test_a(): pass\n"
    )
    assert len(found(tmp_path, text, "check_it.py", own)) == 1
    (tmp_path / "smoke" / "check_it.py").unlink()
    assert found(tmp_path, ONE, "test_it.py", own) == []
    text = "class LoadSuite:\n    def check_a(self): pass\n    def check_a(self): pass\n"
    assert len(found(tmp_path, text, "check_it.py", own)) == 1


def test_the_projects_own_suites_hide_nothing() -> None:
    """Nor do its tests."""
    root = Path(__file__).parents[2]
    for folder in ("smoke", "verification", "performance", "examples/another/smoke", "tests"):
        assert list(unseen(root / folder, root, Patterns())) == [], folder
