"""Fault 77: a secret is nowhere in what a run leaves or prints, in none of its forms, kills included."""

import base64
import json
import os
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from deploy.errors import ExitStatus
from tests.faults.conftest import wait_for_step
from tests.world import World

KEY = "cAnary+7/42 %&<Zq'"
PEM = "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5bGluZW9uZQx1\nc2Vjb25kY2FuYXJ5bGluZQ==\n-----END PRIVATE KEY-----"
SUITE = """
import base64, json, os, sys, time, zipfile
from pathlib import Path
from urllib.parse import quote

KEY, PEM = {key!r}, {pem!r}

def leave(folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plain.txt").write_text(f"{{KEY}} {{quote(KEY, safe='')}} {{KEY.encode().hex()}}")
    (folder / f"named-{{KEY.encode().hex()}}.txt").write_text("the name says it")
    with zipfile.ZipFile(folder / "trace.zip", "w") as file:
        file.writestr("network.json", json.dumps({{"key": KEY, "pem": PEM}}))

def test_home_is_served(http):
    answer = http.get("/")
    leave(Path(os.environ["VERDIGRIS_EVIDENCE"]).parent / "artifacts")
    for number in range(3):
        print(base64.b64encode(b"x" * number + KEY.encode()).decode(), PEM.splitlines()[1])
    sys.stdout.flush()
    assert answer.status_code == 200
    {then}

def test_it_is_ready(http):
    assert http.get("/readyz").status_code == 200
"""
FAILS = "assert KEY == PEM, f'{KEY} is not {PEM}'"
WAITS = "time.sleep(25)"


def forms(secret: str) -> Iterator[bytes]:
    """How it may be written."""
    raw = secret.encode()
    yield from (raw, quote(secret, safe="").encode(), raw.hex().encode(), json.dumps(secret)[1:-1].encode())
    for number in range(3):  # its middle, which does not depend on what stands before and after it
        yield base64.b64encode(b"x" * number + raw)[4:-4]


CANARIES = tuple({form for one in (KEY, *PEM.splitlines()[1:3]) for form in forms(one)})


def found(content: bytes) -> list[bytes]:
    """The canaries in it."""
    return [form for form in CANARIES if form in content]


def left(world: World) -> Iterator[tuple[Path, bytes]]:
    """What a run left, but the application's own log, which is for its owner alone."""
    for root in (world.root / "reports", world.root / ".verdigris"):
        for path in sorted(root.rglob("*")):
            yield path, path.name.encode()
            if path.is_file() and path.parent.name != "logs":
                yield path, path.read_bytes()
            if path.suffix == ".zip":
                with zipfile.ZipFile(path) as file:
                    yield from ((path, file.read(name)) for name in file.namelist())


def require_none(world: World, printed: str) -> None:
    """No canary anywhere, and nothing open to other users."""
    assert not found(printed.encode()), printed
    for path, content in left(world):
        assert not found(content), f"{path} holds {found(content)}"
        if path.parts[-2] != "router" and not path.is_symlink() and "reports" in path.parts:
            assert not path.stat().st_mode & 0o077, f"{path} is open to others"


@pytest.fixture
def canary(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose application has secrets, and a release that is live."""
    monkeypatch.setenv("CANARY_KEY", KEY)
    monkeypatch.setenv("CANARY_PEM", PEM)
    world = make_world(local='env = { API_KEY = { from_env = "CANARY_KEY" }, PEM = { from_env = "CANARY_PEM" } }')
    world.version("1.0.0")
    world.version("1.1.0")
    world.version("2.0.0", "leaks")
    world.up()
    assert world.release("1.0.0").exit_status is ExitStatus.CONFIRMED
    return world


def suite(world: World, then: str) -> None:
    """A suite that writes the secrets wherever it can."""
    world.suite("smoke", SUITE.format(key=KEY, pem=PEM, then=then))


@pytest.mark.parametrize(("then", "status"), [("pass", ExitStatus.CONFIRMED), (FAILS, ExitStatus.HELD_NOT_VALID)])
def test_77_a_suite_that_writes_secrets_everywhere_leaves_none(canary: World, then: str, status: ExitStatus) -> None:
    """Output, a failure's message, artifacts, a file's name, a member of a zip: confirmed, and held by the control."""
    suite(canary, then)
    done = canary.command("release", "1.1.0")
    assert done.returncode == status, done.stdout + done.stderr
    require_none(canary, done.stdout + done.stderr)


def test_77_an_application_that_tells_its_key_leaves_none(canary: World) -> None:
    """In its answers and in its log, on the way back and in what status says."""
    done = canary.command("release", "2.0.0")
    said = [done, canary.command("rollback", "--reason", f"it told {KEY}"), canary.command("status")]
    require_none(canary, "".join(one.stdout + one.stderr for one in said))


@pytest.mark.parametrize("verb", ["release", "verify"])
def test_77_a_kill_leaves_none_after_the_next_command(canary: World, verb: str) -> None:
    """Killed while a suite runs, whose files were not redacted yet: recover cleans them, those of ``verify`` too."""
    suite(canary, WAITS)
    process = canary.start(*((verb, "1.1.0") if verb == "release" else (verb,)))
    if verb == "release":
        wait_for_step(canary, "verify")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not list((canary.root / "reports").rglob("trace.zip")):
        time.sleep(0.05)
    process.kill()
    process.communicate()
    assert any(found(content) for _, content in left(canary)), "the suite wrote nothing that could be found"
    done = canary.command("recover")
    assert done.returncode == 0, done.stdout + done.stderr
    require_none(canary, done.stdout + done.stderr)
    assert not list((canary.root / "reports").rglob(".raw"))


def test_77_what_another_environment_left_is_not_taken_for_clean(canary: World) -> None:
    """Its secrets are others: its mark stays for a command on it; a pipe in the place of a mark holds nobody up."""
    other = canary.root / "reports" / "staging-20260101T000000-verify" / "smoke"
    mine = canary.root / "reports" / "local-20260101T000000-verify" / "smoke"
    piped = canary.root / "reports" / "local-20260101T000001-verify" / "smoke"
    for folder in (other, mine, piped):
        folder.mkdir(parents=True)
        (folder / "output.log").write_text(KEY)
    (other / ".raw").touch()
    (mine / ".raw").touch()
    os.mkfifo(piped / ".raw")
    assert canary.command("recover", timeout=30).returncode == 0
    assert not found((mine / "output.log").read_bytes())
    assert not (mine / ".raw").exists()
    assert (other / ".raw").exists()
