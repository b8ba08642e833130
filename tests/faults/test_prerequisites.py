"""What suites need and the machine does not have: said in prepare and by a plan, as one cause; nothing is touched."""

import shutil
from collections.abc import Callable

import pytest
import trustme

from tests.faults.conftest import amend, came_to, said
from tests.world import World
from verdigris.errors import ExitStatus
from verdigris.model import Outcome
from verdigris.platform import open_platform
from verdigris.suites.execution import Gate
from verdigris.suites.verifier import Verifier

TESTS = "".join(f"def test_{number}(http):\n    assert http.get('/').status_code == 200\n" for number in range(29))


def refused(world: World, text: str) -> str:
    """The release and its plan are refused for that, before a step; what was said."""
    done = world.command("plan", "1.1.0")
    assert done.returncode == ExitStatus.REFUSED, done.stdout
    assert text in done.stdout
    record = world.release("1.1.0")
    came_to(world, Outcome.REFUSED, ExitStatus.REFUSED, "1.0.0")
    assert [str(moment.step) for moment in record.timeline] == ["prepare", "done"]
    assert text in said(record)
    assert len(record.objections) == 1, said(record)
    return said(record)


def without(world: World, program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search path on which one program is not."""
    folder = world.root / "bin"
    folder.mkdir()
    for name in ("python", "sh", "env", "chromium"):
        if name != program and (found := shutil.which(name)):
            (folder / name).symlink_to(found)
    if program != "chromium" and not (folder / "chromium").exists():
        (folder / "chromium").touch(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(folder / "none"))
    monkeypatch.delenv("VERDIGRIS_CHROMIUM", raising=False)


PAGE = TESTS + "def test_page(page):\n    page.goto('/')\n"


def test_a_missing_plugin_is_one_objection(live: World) -> None:
    """The settings do not name Playwright, and 30 tests do not hide that."""
    live.suite("smoke", PAGE)
    refused(live, "the frontend tests need pytest-playwright")


def test_a_missing_chromium_is_one_objection(live: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a plugin for it and no browser."""
    amend(live, "hang = 15", 'hang = 15\nplugins = ["playwright"]')
    live.suite("smoke", PAGE)
    without(live, "chromium", monkeypatch)
    refused(live, "the frontend tests need Chromium and there is none")


def test_a_plugin_that_cannot_be_imported_is_one_objection(live: World) -> None:
    """Its name is said."""
    amend(live, "hang = 15", 'hang = 15\nplugins = ["pytest_no_such_plugin"]')
    refused(live, "pytest_no_such_plugin")


def test_a_database_that_is_not_described_is_one_objection(live: World) -> None:
    """A test asks for the fixture and the settings have no table."""
    live.suite("smoke", f"{TESTS}def test_rows(database):\n    assert database.execute('SELECT 1')\n")
    refused(live, "environments.local.database names none: add that table")


def test_a_database_that_does_not_answer_is_one_objection(live_world: Callable[..., World]) -> None:
    """Nobody listens there; a test that is skipped, and a fixture of the project's own, ask for nothing."""
    extra = '\n[environments.local.database]\nurl = "postgresql://nobody@127.0.0.1:9/none"\nrehearse = false\n'
    world = live_world(extra=extra)
    world.suite("smoke", f"{TESTS}def test_rows(database):\n    assert database.execute('SELECT 1')\n")
    refused(world, "the database of local cannot be reached")
    own = "import pytest\n@pytest.fixture\ndef database():\n    return 1\n"
    skipped = "@pytest.mark.skip\ndef test_page(page):\n    pass\n"
    world.suite("smoke", f"{own}def test_rows(database, http):\n    assert http.get('/')\n{skipped}")
    assert world.command("plan", "1.1.0").returncode == 0


def test_a_missing_locust_is_one_objection(live: World) -> None:
    """A locustfile beside the tests of a suite."""
    live.suite("smoke", TESTS)
    live.suite("smoke", "import locust\n", "locustfile.py")
    live.suite("smoke", "import importlib.util\nfind = importlib.util.find_spec\n"
               "importlib.util.find_spec = lambda name, *more: None if name == 'locust' else find(name, *more)\n",
               "conftest.py")  # fmt: skip
    refused(live, "smoke/locustfile.py needs Locust")


CLUSTER = """
[environments.far]
platform = "kubernetes"
url = "https://shop.example.invalid"
namespace = "shop"
suites = ["smoke"]
ca = "ca.pem"
kubernetes = { manifests = "k8s", image = "images/{version}.json" }
"""


def test_a_missing_certutil_is_known_before_a_target_is(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment names an authority; collecting alone says what Chromium will need to trust it."""
    world = make_world(extra=CLUSTER)
    trustme.CA().cert_pem.write_to_path(str(world.root / "ca.pem"))
    amend(world, "hang = 15", 'hang = 15\nplugins = ["playwright"]')
    world.suite("smoke", PAGE)
    without(world, "certutil", monkeypatch)
    gate = Gate(world.settings, "far", open_platform(world.settings, "local"), "verify")
    _, found = Verifier(gate, world.root / "records", None, None).collect(("smoke",))
    assert len(found) == 1, found
    assert "needs certutil" in found[0].text
