"""Faults 43, 44, 46, 47, 49 to 52: settings, names, disks, notifications, secrets and hostile text."""

import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.faults.conftest import amend, came_to, release_folder
from tests.world import World
from verdigris.errors import ExitStatus, SettingsError
from verdigris.model import Outcome
from verdigris.settings import load

CANARY = "canary-7f3a/+91&c"


@pytest.mark.parametrize(
    "command", ['["sleep", "30"]', '["false"]', '["/no/such/program"]'], ids=["slow", "fails", "gone"]
)
def test_43_a_notification_that_fails_changes_no_outcome(
    live: World, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slow, failing or not there at all: bounded, said, and the release is what it is."""
    monkeypatch.setattr("verdigris.reporting.notify.SECONDS", 1)
    amend(live, "drain_seconds = 5", f"drain_seconds = 5\nnotify = {command}")
    assert live.release("1.1.0").outcome is Outcome.CONFIRMED
    came_to(live, Outcome.CONFIRMED, ExitStatus.CONFIRMED, "1.1.0")


def test_44_a_report_that_cannot_be_written_changes_no_outcome(
    live: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The disk is full when the report is written: the outcome stands, and is said on standard error."""

    def full(_folder: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("verdigris.reporting.report.write", full)
    assert live.release("1.1.0").outcome is Outcome.CONFIRMED
    assert "No space left on device" in capsys.readouterr().err
    came_to(live, Outcome.CONFIRMED, ExitStatus.CONFIRMED, "1.1.0")


def test_44_where_no_evidence_can_be_written_nothing_is_touched(live: World) -> None:
    """The folder of reports is a file: no suite can leave evidence, so the release is refused before it acts."""
    (live.root / "reports").write_text("in the way")
    done = live.command("release", "1.1.0")
    assert done.returncode == ExitStatus.REFUSED, done.stdout + done.stderr
    came_to(live, Outcome.REFUSED, ExitStatus.REFUSED, "1.0.0")


@pytest.mark.parametrize("what", [".journal.json.part", "lock"])
def test_44_where_the_journal_cannot_be_written_nothing_is_touched(live: World, what: str) -> None:
    """What could not be remembered is not done: refused, nobody moved, nothing stood up."""
    (live.state / what).unlink(missing_ok=True)
    (live.state / what).mkdir()
    done = live.command("release", "1.1.0")
    assert done.returncode == ExitStatus.REFUSED, done.stdout + done.stderr
    assert live.live() == "1.0.0"
    assert not (live.root / "reports").exists()


def _broken(world: World, old: str, new: str) -> Path:
    """The settings with a mistake, in a file of their own: the world itself needs its settings to the end."""
    text = (world.root / "environments.toml").read_text()
    assert old in text
    path = world.root / "broken.toml"
    path.write_text(text.replace(old, new, 1))
    return path


def test_46_an_unknown_key_is_refused_with_its_line(make_world: Callable[..., World]) -> None:
    """The message names file, line, key and what is accepted there."""
    world = make_world()
    path = _broken(world, "drain_seconds = 5", "drian_seconds = 5")
    line = path.read_text().splitlines().index("drian_seconds = 5") + 1
    done = world.command("release", "1.0.0", "--settings", str(path))
    assert done.returncode == ExitStatus.USAGE
    assert f"broken.toml:{line}: environments.local.drian_seconds: unknown key" in done.stderr
    assert not world.state.exists()


@pytest.mark.parametrize(
    "text",
    ["#" * 2_000_000, "a = " + "[" * 100_000, "a." * 50_000 + "b = 1", "a = {" * 20_000],
    ids=["huge", "deep", "dotted", "tables"],
)
def test_47_a_settings_file_that_is_a_bomb_is_refused_quickly(tmp_path: Path, text: str) -> None:
    """Too large or too deep: refused in less than two seconds, with the file's name."""
    path = tmp_path / "environments.toml"
    path.write_text(text)
    began = time.monotonic()
    with pytest.raises(SettingsError, match=r"environments\.toml"):
        load(path)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("version", ["../../etc", "a/b", ".hidden", "-x", "a\x00b", "", "v" * 200])
def test_49_a_version_that_is_a_path_is_refused(make_world: Callable[..., World], version: str) -> None:
    """A version becomes the name of a folder: what could lead out of it is none."""
    from verdigris.errors import UsageError

    with pytest.raises(UsageError, match="is not a version"):
        make_world().controller().release(version)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[suites.smoke]", '[suites.smoke]\nfolder = "../elsewhere"'),
        ('application = "tiny"', 'application = "tiny"\nreports = "/tmp/elsewhere"'),
        ('application = "tiny"', 'application = "tiny"\nreports = "a/../../b"'),
        ('application = "tiny"', 'application = "../tiny"'),
    ],
)
def test_49_a_folder_outside_of_the_project_is_refused(make_world: Callable[..., World], old: str, new: str) -> None:
    """Suites and reports stay inside the folder of the settings file."""
    path = _broken(make_world(), old, new)
    with pytest.raises(SettingsError, match=r"broken\.toml"):
        load(path)


def test_50_a_secret_reaches_no_record_whatever_the_application_says(
    live_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The application answers and logs its own secret, a test fails with it: no file of ours and no argument has it."""
    monkeypatch.setenv("TINY_KEY", CANARY)
    world = live_world(local='env = { API_KEY = { from_env = "TINY_KEY" } }')
    world.version("2.0.0", "leaks")
    world.suite(
        "smoke", 'def test_it(http):\n    text = http.get("/").text\n    print(text)\n    assert text == "hello"\n'
    )
    done = world.command("release", "2.0.0")
    assert done.returncode in (ExitStatus.HELD_FAILED, ExitStatus.HELD_NOT_VALID), done.stdout + done.stderr
    assert "the key is" in done.stdout
    assert CANARY not in done.stdout + done.stderr
    from verdigris.redaction import redactor

    forms = redactor.forms(CANARY)
    files = [path for folder in (world.root / "reports", world.state) for path in folder.rglob("*") if path.is_file()]
    kept = [path for path in files if "logs" not in path.parts]  # the application's own log is its own
    found = [str(path) for path in kept for form in forms if form.encode() in path.read_bytes()]
    assert not found
    assert (release_folder(world) / "smoke" / "evidence.jsonl").exists()
    for process in psutil.process_iter():
        try:
            assert CANARY not in " ".join(process.cmdline())
        except psutil.Error:
            continue


HOSTILE = """
import pytest

@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "a\\x1b[31mb"])
def test_hostile(http, text):
    http.get("/")
    raise AssertionError("\\n::error file=x::planted\\n\\x1b]0;owned\\x07" + text)
"""


def test_51_52_hostile_text_makes_no_markup_no_control_and_no_workflow_command(live: World) -> None:
    """Names and messages of tests are text: escaped in the report, without controls or commands on the terminal."""
    live.suite("smoke", HOSTILE)
    done = live.command("release", "1.1.0")
    assert done.returncode in (ExitStatus.HELD_FAILED, ExitStatus.HELD_NOT_VALID), done.stdout
    assert "planted" in done.stdout or "test_hostile" in done.stdout
    assert "\x1b" not in done.stdout
    assert "\x07" not in done.stdout
    assert not [line for line in done.stdout.splitlines() if line.lstrip().startswith(("::", "##["))]
    page = (release_folder(live) / "report.html").read_text()
    assert "<script>alert" not in page
    assert "\x1b" not in page
