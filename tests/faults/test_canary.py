"""Fault 77: a secret is nowhere in what a run leaves or prints, in none of its forms, kills included."""

import base64
import json
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest

from tests.faults.conftest import wait_for_step
from tests.world import World
from verdigris.errors import ExitStatus
from verdigris.platform.local.process import wait_until
from verdigris.suites.unredacted import PREFIX

KEY = "cAnary+7/42 %&<Zq'"
PEM = "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5bGluZW9uZQx1\nc2Vjb25kY2FuYXJ5bGluZQ==\n-----END PRIVATE KEY-----"
URL = "amqp://app:decoded%2Fcanary%40word@queue.internal/app"
HOOK = "hook-canary-0123456789"
SUITE = """
import base64, json, os, sys, time, zipfile
from pathlib import Path
from urllib.parse import quote

KEY, PEM, PASSWORD, HOOK = {key!r}, {pem!r}, "decoded/canary@word", {hook!r}

def leave(folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plain.txt").write_text(f"{{KEY}} {{quote(KEY, safe='')}} {{KEY.encode().hex()}}")
    (folder / f"named-{{KEY.encode().hex()}}.txt").write_text("the name says it")
    with zipfile.ZipFile(folder / "trace.zip", "w") as file:
        file.writestr("network.json", json.dumps({{"key": KEY, "pem": PEM, "password": PASSWORD}}))
        file.writestr(f"resources/{{HOOK}}.txt", "the name of a member says it")

def test_home_is_served(http, capfd):
    answer = http.get("/")
    leave(Path(os.environ["VERDIGRIS_EVIDENCE"]).parent / "artifacts")
    for number in range(3):
        print(base64.b64encode(b"x" * number + KEY.encode()).decode(), PEM.splitlines()[1], PASSWORD, HOOK)
    with capfd.disabled():
        print("at once:", KEY, PASSWORD, PEM.splitlines()[1], HOOK, flush=True)
    assert answer.status_code == 200
    {then}

def test_it_is_ready(http):
    assert http.get("/readyz").status_code == 200
"""
FAILS = "assert KEY == PEM, f'{KEY} is not {PEM}'"
WAITS = "time.sleep(25)"
WAITS_LIVE = "if 'live' in sys.argv: time.sleep(25)"


def forms(secret: str) -> Iterator[bytes]:
    """How it may be written."""
    raw = secret.encode()
    yield from (raw, quote(secret, safe="").encode(), raw.hex().encode(), json.dumps(secret)[1:-1].encode())
    for number in range(3):  # its middle, which does not depend on what stands before and after it
        yield base64.b64encode(b"x" * number + raw)[4:-4]


CANARIES = tuple({form for one in (KEY, *PEM.splitlines()[1:3], "decoded/canary@word", HOOK) for form in forms(one)})


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
                    for name in file.namelist():
                        yield path, name.encode()
                        yield path, file.read(name)


def require_none(world: World, printed: str) -> None:
    """No canary anywhere, and nothing open to other users."""
    assert not found(printed.encode()), printed
    for path, content in left(world):
        assert not found(content), f"{path} holds {found(content)}"
        if not path.is_symlink() and path.exists() and not below_closed(path, world):
            assert not path.stat().st_mode & 0o077, f"{path} is open to others"


def below_closed(path: Path, world: World) -> bool:
    """Whether nobody else comes to it, for a folder of the environment above it is its owner's."""
    above = [one for one in path.parents if one.is_relative_to(world.root / ".verdigris")]
    return any(not one.stat().st_mode & 0o077 for one in above)


@pytest.fixture
def canary(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose application has secrets, and a release that is live."""
    monkeypatch.setenv("CANARY_KEY", KEY)
    monkeypatch.setenv("CANARY_PEM", PEM)
    monkeypatch.setenv("CANARY_URL", URL)
    monkeypatch.setenv("CANARY_HOOK", HOOK)
    env = ", ".join(f'{name} = {{ from_env = "CANARY_{name}" }}' for name in ("PEM", "URL"))
    world = make_world(
        local=f'env = {{ API_KEY = {{ from_env = "CANARY_KEY" }}, {env} }}',
        environment='notify = ["sh", "-c", "cat > told.json; echo $HOOK; exit 1"]\n'
        'notify_env = { HOOK = { from_env = "CANARY_HOOK" } }',
    )
    world.version("1.0.0")
    world.version("1.1.0")
    world.version("2.0.0", "leaks")
    world.version("2.1.0", "leaks-its-name")
    world.up()
    assert world.release("1.0.0").exit_status is ExitStatus.CONFIRMED
    return world


def suite(world: World, then: str) -> None:
    """A suite that writes the secrets wherever it can."""
    world.suite("smoke", SUITE.format(key=KEY, pem=PEM, hook=HOOK, then=then))


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
    assert done.returncode in (ExitStatus.HELD_FAILED, ExitStatus.CONFIRMED), done.stdout + done.stderr
    said = [done, canary.command("rollback", "--reason", f"it told {KEY}"), canary.command("status")]
    require_none(canary, "".join(one.stdout + one.stderr for one in said))


def writing(world: World, verb: str) -> "subprocess.Popen[str]":
    """A command whose suite has written everything, and waits."""
    suite(world, WAITS)
    process = world.start(*((verb, "1.1.0") if verb == "release" else (verb,)))
    within(30, lambda: any(world.reports.rglob("trace.zip")), "the suite has written")
    within(10, lambda: any(b"[secret]" in path.read_bytes() for path in brought(world)), "its lines are brought over")
    return process


def within(seconds: float, condition: Callable[[], bool], what: str) -> None:
    """Wait for it."""
    assert wait_until(condition, time.monotonic() + seconds), f"not within {seconds} s: {what}"


def brought(world: World) -> list[Path]:
    """The output of the suites in the records, as far as it was brought over."""
    return [path for path in world.reports.rglob("output.log") if not held(path)]


def held(path: Path) -> bool:
    """Whether a file is where a suite writes, and nobody reads."""
    return any(part.startswith(PREFIX) for part in path.parts)


def test_77_a_name_that_holds_a_key_is_nowhere(canary: World) -> None:
    """In the header by which it says who it is, once users have it: rolled back, and the probe's samples have none."""
    done = canary.command("release", "2.1.0")
    assert done.returncode == ExitStatus.ROLLED_BACK, done.stdout + done.stderr
    assert any(canary.reports.rglob("probe.jsonl"))
    require_none(canary, done.stdout + done.stderr)


def test_77_a_refused_release_leaves_none(canary: World) -> None:
    """The version that is asked for, and the reason, are somebody's words too."""
    named = canary.command("release", KEY)
    back = canary.command("rollback", "--to", HOOK)
    done = canary.command("release", "9.9.9", "--fewer-tests", f"{KEY} {HOOK}")
    assert [one.returncode for one in (named, back, done)] == [ExitStatus.USAGE, ExitStatus.REFUSED, ExitStatus.USAGE]
    require_none(canary, "".join(one.stdout + one.stderr for one in (named, back, done)))


@pytest.mark.parametrize("verb", ["release", "verify"])
def test_77_a_kill_leaves_none(canary: World, verb: str) -> None:
    """Killed while a suite runs: what it wrote is gone by itself, but for the lines that were redacted already."""
    process = writing(canary, verb)
    process.kill()
    printed = process.communicate()[0]
    within(25, lambda: not any(map(held, canary.reports.rglob("*"))), "the keeper has removed what was written")
    require_none(canary, printed)
    assert any(b"[secret]" in path.read_bytes() for path in brought(canary))
    done = canary.command("recover")
    assert done.returncode == 0, done.stdout + done.stderr
    require_none(canary, done.stdout + done.stderr)


def test_77_a_kill_in_the_watch_leaves_none(canary: World) -> None:
    """While the live suite runs and the probe asks: users go back with the next command, and nothing was left."""
    suite(canary, WAITS_LIVE)
    process = canary.start("release", "1.1.0")
    wait_for_step(canary, "watch")
    within(30, lambda: any(filter(held, canary.reports.rglob("trace.zip"))), "the live suite has written")
    process.kill()
    printed = process.communicate()[0]
    within(25, lambda: not any(map(held, canary.reports.rglob("*"))), "the keeper has removed what was written")
    require_none(canary, printed)
    done = canary.command("recover")
    assert done.returncode == 0, done.stdout + done.stderr
    assert canary.live() == "1.0.0"
    require_none(canary, done.stdout + done.stderr)


def test_77_a_kill_of_the_keeper_too_leaves_none_after_the_next_command(canary: World) -> None:
    """As of all processes of a build at once; a folder that is in use is not removed."""
    process = writing(canary, "verify")
    assert canary.command("recover").returncode == 0
    assert any(map(held, canary.reports.rglob("*"))), "the next command removed what a suite still writes"
    keepers = [one for one in psutil.process_iter() if "keeper.py" in " ".join(arguments(one))]
    mine = [one for one in keepers if str(canary.reports) in " ".join(arguments(one))]
    assert len(mine) == 1
    mine[0].kill()
    process.kill()
    process.communicate()
    assert any(found(content) for _, content in left(canary)), "the suite wrote nothing that could be found"
    done = canary.command("recover")
    assert done.returncode == 0, done.stdout + done.stderr
    require_none(canary, done.stdout + done.stderr)
    assert not any(map(held, canary.reports.rglob("*")))


def arguments(process: psutil.Process) -> list[str]:
    """Its command line; nothing where it is gone."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []
