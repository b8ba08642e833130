"""What a person types wrong: one message that says what is accepted, the documented exit status, nothing touched."""

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world import World

VERBS = ("up", "down", "plan", "release", "rollback", "recover", "status", "verify", "audit")


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Settings, versions and suites; nothing runs."""
    world = World(tmp_path_factory.mktemp("still"))
    world.version("1.0.0")
    yield world
    world.close()


def tree(root: Path) -> str:
    """A digest of everything below a folder, names and contents."""
    total = hashlib.sha256()
    for path in sorted(path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        total.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return total.hexdigest()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(
            ["status", "--env", "moon"], "unknown environment 'moon'; environments.toml has: local", id="environment"
        ),
        pytest.param(
            ["verify", "--target", "red"], "--target 'red': accepted are live, candidate, blue, green", id="color"
        ),
        pytest.param(
            ["verify", "--suite", "smok"], "unknown suite 'smok'; known: smoke, verification, performance", id="suite"
        ),
        pytest.param(["verify"], "nothing stands there in local; see: verdigris status", id="nobody"),
        pytest.param(["release", "../1.0.0"], "'../1.0.0' is not a version: letters, digits, and", id="version"),
        pytest.param(["plan", "a b"], "'a b' is not a version: letters, digits, and", id="version of a plan"),
        pytest.param(["release"], "Missing argument 'VERSION'", id="no version"),
        pytest.param(["deploy"], "No such command 'deploy'", id="verb"),
        pytest.param(["status", "--colour"], "No such option", id="option"),
        pytest.param(["status", "--settings", "none.toml"], "none.toml: no such file", id="settings"),
    ],
)
def test_a_wrong_word_ends_with_2_and_touches_nothing(still: World, words: list[str], said: str) -> None:
    """Exit status 2, one message, no traceback, and not a file more or less."""
    before = tree(still.root)
    done = still.command(*words)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert tree(still.root) == before


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        pytest.param("", "application: is required", id="empty"),
        pytest.param("a = [", "not valid TOML", id="not TOML"),
        pytest.param(
            'application = "x"\ncolour = 1\n', ":2: colour: unknown key; accepted here: application,", id="unknown key"
        ),
        pytest.param(
            'application = "x"\n[environments.local]\nplatform = "docker"\n',
            ":3: environments.local.platform: Input should be 'local' or 'kubernetes'",
            id="platform",
        ),
        pytest.param(
            'application = "x"\n[environments.local]\nplatform = "local"\n[environments.local.local]\n'
            'port = 80\ncommand = ["x"]\nartifact = "x"\n',
            ":5: environments.local.local.port: Input should be greater than or equal to 1024",
            id="port",
        ),
        pytest.param(
            'application = "x"\n[environments.local]\nplatform = "local"\n[environments.local.local]\n'
            'port = 8400\ncommand = ["x"]\nartifact = "x"\n[environments.local.local.env]\nAPI_TOKEN = "abc"\n',
            "API_TOKEN looks like a secret",
            id="a secret",
        ),
    ],
)
def test_broken_settings_are_named_by_file_line_and_key(tmp_path: Path, settings: str, said: str) -> None:
    """Every command that reads them ends with 2 before it does anything; a secret's value is not shown."""
    (tmp_path / "broken.toml").write_text(settings)
    world = World(tmp_path)
    done = world.command("status", "--settings", "broken.toml")
    assert done.returncode == 2
    assert said in done.stderr
    assert "broken.toml" in done.stderr
    assert "Traceback" not in done.stderr
    assert '"abc"' not in done.stderr


def test_the_help_lists_every_verb_and_exit_status(still: World) -> None:
    """``verdigris --help`` is enough to go on with."""
    done = still.command("--help")
    assert done.returncode == 0
    for verb in VERBS:
        assert f"\n  {verb} " in done.stdout
    for status in ("0", "2", "10", "11", "12", "13", "14", "15"):
        assert f"  {status:>2}  " in done.stdout


def test_status_before_anything_says_what_to_do(still: World) -> None:
    """Nobody is live, the router does not run, and the status is shown all the same."""
    done = still.command("status")
    assert done.returncode == 0, done.stderr
    assert "live         nobody" in done.stdout
    assert "the router does not run: run 'verdigris up'" in done.stdout


def test_a_plan_changes_nothing(still: World) -> None:
    """Not a file is made, changed or removed by it."""
    before = tree(still.root)
    done = still.command("plan", "1.0.0")
    assert done.returncode == 0, done.stderr
    assert "nobody: this would be the first release" in done.stdout
    assert "1.0.0 into blue" in done.stdout
    assert tree(still.root) == before


def test_a_release_where_nothing_is_up_is_refused(still: World) -> None:
    """The message names the command that brings the environment up."""
    done = still.command("release", "1.0.0")
    assert done.returncode == 14, done.stdout + done.stderr
    assert "run 'verdigris up'" in done.stdout


def test_a_port_in_use_is_named_with_its_key(still: World) -> None:
    """``up`` ends with 14 and says which port, for what, and where it is set."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", still.port))
        taken.listen()
        done = still.command("up")
    assert done.returncode == 14, done.stdout + done.stderr
    assert f"port {still.port} (the router) is in use by another program" in done.stderr
    assert "change local.port in the settings" in done.stderr
    assert "Traceback" not in done.stderr
