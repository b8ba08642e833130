"""The command line on a world that is up: what is missing is said, and the users never notice."""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from tests.world import World
from verdigris.platform.local.process import MARK

PAGE = 'def test_page(page):\n    page.goto("/")\n'


def identity(world: World) -> str:
    """Who answers the users."""
    return httpx.get(f"http://127.0.0.1:{world.port}/", trust_env=False).headers.get("x-release", "nobody")


def kill_everything(world: World) -> int:
    """``kill -9`` whatever the environment started; how many there were."""
    mark = world.controller().platform.mark  # type: ignore[attr-defined]
    killed = 0
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK, "").startswith(f"{mark}:"):
                process.send_signal(signal.SIGKILL)
                process.wait(5)
                killed += 1
        except psutil.Error:
            continue
    return killed


@pytest.fixture
def live(world: World) -> World:
    """1.0.0 has the users."""
    assert world.command("release", "1.0.0").returncode == 0
    return world


@pytest.mark.parametrize(
    ("fault", "more", "said"),
    [
        pytest.param("exits-at-once", {}, "this release cannot start: the fault was planted", id="exits at once"),
        pytest.param("never-ready", {}, "was not ready within 2 s", id="never ready"),
        pytest.param("", {"says_version": "9.9.9"}, "green answers as green 9.9.9", id="another version"),
    ],
)
def test_a_release_that_cannot_become_ready_is_held(
    make_world: Callable[..., World], fault: str, more: dict[str, str], said: str
) -> None:
    """Exit status 10, the reason with what it logged, and the users are where they were."""
    world = make_world(ready_seconds=2)
    world.version("1.0.0")
    world.version("2.0.0", fault, **more)
    world.up()
    assert world.command("release", "1.0.0").returncode == 0
    before = identity(world)
    done = world.command("release", "2.0.0")
    assert done.returncode == 10, done.stdout + done.stderr
    assert said in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert identity(world) == before


def test_an_unknown_version_is_refused_with_those_there_are(live: World) -> None:
    """Exit status 2, and the users are where they were."""
    before = identity(live)
    done = live.command("release", "7.0.0")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "unknown version '7.0.0'" in done.stdout + done.stderr
    assert "there are: 1.0.0, 1.1.0" in done.stdout + done.stderr
    assert identity(live) == before


def test_up_twice_and_down_twice(world: World) -> None:
    """The second does nothing, says so, and ends with 0."""
    again = world.command("up")
    assert (again.returncode, again.stdout) == (0, "local is up already\n")
    first, second = world.command("down"), world.command("down")
    assert (first.returncode, first.stdout) == (0, "stopped: router\n")
    assert (second.returncode, second.stdout) == (0, "nothing of local was running\n")


def test_status_for_scripts_has_stable_keys(live: World) -> None:
    """``--json`` writes one document, with these keys."""
    done = live.command("status", "--json")
    content = json.loads(done.stdout)
    assert list(content) == ["environment", "platform", "users", "live", "blue", "green", "problems", "last", "now"]
    assert list(content["live"]) == ["color", "version", "build", "config", "state", "verified", "kept_until"]
    assert content["live"]["version"] == "1.0.0"
    assert content["last"]["exit_status"] == 0
    assert content["problems"] == []


def test_an_audit_log_that_was_changed_is_found(live: World) -> None:
    """The line that does not follow is named, and the exit status is not 0."""
    assert live.command("release", "1.1.0").returncode == 0
    assert live.command("audit").returncode == 0
    log = live.state / "audit.jsonl"
    lines = log.read_text().splitlines()
    log.write_text("\n".join([lines[0].replace("confirmed", "held"), *lines[1:]]) + "\n")
    done = live.command("audit")
    assert done.returncode == 15, done.stdout
    assert "audit.jsonl:2: does not follow from the line before it" in done.stderr


def test_an_audit_log_that_lacks_the_last_run_is_found_and_mended(live: World) -> None:
    """The journal knows of a run that no line is about, as where the whole log was removed; recover writes its line."""
    for name in ("audit.jsonl", "audit.head"):
        (live.state / name).unlink()
    done = live.command("audit")
    assert done.returncode == 15, done.stdout
    assert "no line is about it" in done.stderr
    assert live.command("recover").returncode == 0
    assert "1 lines, the chain is whole" in live.command("audit").stdout


def test_everything_killed_is_said_and_restored(live: World) -> None:
    """After ``kill -9`` of router and application, as after a reboot, ``up`` restores the same identity."""
    before = identity(live)
    assert kill_everything(live) == 2
    said = live.command("status")
    assert said.returncode == 0, said.stderr
    assert "the router does not run: run 'verdigris up'" in said.stdout
    assert "blue does not run: run 'verdigris up' to restore it" in said.stdout
    assert "live         blue 1.0.0 (" in said.stdout
    done = live.command("up")
    assert done.returncode == 0, done.stderr
    assert "blue      1.0.0 restored" in done.stdout
    assert identity(live) == before
    assert live.command("release", "1.1.0").returncode == 0


def test_a_pid_given_to_somebody_else_is_not_taken_for_ours(live: World) -> None:
    """As after a reboot: the remembered pid runs, and is another program; it is left alone."""
    before = identity(live)
    kill_everything(live)
    record = live.state / "processes" / "blue.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "pid": os.getpid()}))
    assert "blue does not run" in live.command("status").stdout
    assert live.command("up").returncode == 0
    assert identity(live) == before


def _without_chromium(folder: Path) -> str:
    """A PATH with this Python on it and no browser."""
    folder.mkdir()
    (folder / "python").symlink_to(sys.executable)
    return str(folder)


@pytest.mark.parametrize("way", ["a file that is not there", "none on the path"])
def test_a_missing_browser_is_said_before_anything_is_touched(
    make_world: Callable[..., World], tmp_path: Path, way: str
) -> None:
    """One message that names the commands that bring a browser; no candidate was stood up."""
    world = make_world(extra='\n[suites.verification]\nfolder = "verification"\nplugins = ["playwright"]\n')
    settings = world.root / "environments.toml"
    settings.write_text(settings.read_text().replace('suites = ["smoke"]', 'suites = ["smoke", "verification"]'))
    world.suite("verification", PAGE, "test_page.py")
    world.version("1.0.0")
    world.up()
    if way == "none on the path":
        env = {"PATH": _without_chromium(tmp_path / "bin"), "PLAYWRIGHT_BROWSERS_PATH": str(tmp_path / "none")}
        said = "python -m playwright install chromium"
    else:
        env = {"VERDIGRIS_CHROMIUM": str(tmp_path / "no-chromium")}
        said = "no-chromium, which is no file"
    done = world.command("release", "1.0.0", **env)
    assert done.returncode == 14, done.stdout + done.stderr
    assert said in done.stdout
    assert world.live() is None
    assert not (world.state / "colors" / "blue.json").exists()


def test_a_missing_database_is_said_and_the_users_are_untouched(make_world: Callable[..., World]) -> None:
    """The database died: a release is refused with the command that brings it back."""
    world = make_world(extra='\n[environments.local.database]\nembedded = true\nname = "tiny"\n')
    world.version("1.0.0")
    world.version("1.1.0")
    assert world.command("up").returncode == 0
    assert world.command("release", "1.0.0").returncode == 0
    before = identity(world)
    world.controller().platform.postgres.stop()  # type: ignore[attr-defined]
    done = world.command("release", "1.1.0")
    assert done.returncode == 14, done.stdout + done.stderr
    assert "its database does not run; run 'verdigris up'" in done.stdout + done.stderr
    assert "the database does not run" in world.command("status").stdout
    assert identity(world) == before
    assert world.command("up").returncode == 0
    assert world.command("release", "1.1.0").returncode == 0


def test_a_migration_never_runs_where_the_environment_is_not_up(make_world: Callable[..., World]) -> None:
    """What listens on its ports then is somebody else's: a release is refused before it migrates that database."""
    world = make_world(
        local='migrate = ["touch", "{root}/migrated"]',
        extra='\n[environments.local.database]\nembedded = true\nname = "tiny"\n',
    )
    world.version("1.0.0", migration="0001")
    done = world.command("release", "1.0.0")
    assert done.returncode == 14, done.stdout + done.stderr
    assert "the environment is not up" in done.stdout
    done = world.pytest("--env", "local", "--candidate", "1.0.0")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "the environment is not up" in done.stderr
    assert not (world.root / "migrated").exists()
