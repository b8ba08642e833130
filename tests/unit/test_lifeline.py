"""Nothing of a suite outlives it or its starter, in whatever session it is; real processes throughout."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import psutil
import pytest

from verdigris.platform import Platform
from verdigris.suites import parent_watch
from verdigris.suites.process_runner import LocalRunner
from verdigris.suites.runner import Task

NAP = "import os, time; open({path!r}, 'a').write(f'{{os.getpid()}}\\n'); time.sleep(300)"
SESSION = "subprocess.Popen([sys.executable, '-c', NAP], start_new_session=True)"
TWICE = """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 100)
        os.execv(sys.executable, [sys.executable, '-c', NAP])
    os._exit(0)
os.wait()
"""
BARE = "subprocess.Popen([sys.executable, '-c', NAP], start_new_session=True, env={}, close_fds=True)"
NOHUP = """
signal.signal(signal.SIGHUP, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen(['sh', '-c', 'trap "" TERM; nohup "$0" -c "$1" &', sys.executable, NAP], start_new_session=True)
"""
CHAIN = """
if os.fork() == 0:
    os.setsid()
    for _ in range(5):
        if os.fork():
            time.sleep(300)
    exec(NAP)
"""
ESCAPES = {
    "a-session-of-its-own": SESSION,
    "forked-twice": TWICE,
    "no-environment": BARE,
    "nohup": NOHUP,
    "chain": CHAIN,
}
PROGRAM = """
import os, pathlib, signal, subprocess, sys, time
NAP, path = {nap!r}, pathlib.Path({path!r})
{escape}
while not path.exists() or not path.read_text():
    time.sleep(0.01)
{then}
"""


@pytest.fixture
def naps(tmp_path: Path) -> Iterator[Path]:
    """Where those that escaped write their pid; they are killed in any case."""
    path = tmp_path / "pids"
    yield path
    for pid in pids(path):
        if alive(pid):
            os.kill(pid, signal.SIGKILL)


def pids(path: Path) -> list[int]:
    """Those that escaped."""
    return [int(word) for word in path.read_text().split()] if path.exists() else []


def alive(pid: int) -> bool:
    """Whether it still runs; a zombie does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def program(naps: Path, escape: str, then: str = "") -> str:
    """A suite that lets something escape and then does ``then``."""
    return PROGRAM.format(nap=NAP.format(path=str(naps)), path=str(naps), escape=textwrap.dedent(escape), then=then)


def run(tmp_path: Path, text: str, *, until: Path | None = None) -> "tuple[int | None, str, str]":
    """Run a program as a suite; to its end, or until a file is there. Exit status, why it ended, and output."""
    folder = tmp_path / "records"
    folder.mkdir()
    runner = LocalRunner(cast("Platform", None), tmp_path)
    task = Task("smoke", folder, lambda place: [place.python, "-c", text], {}, 30)
    with runner.start(task) as child:
        deadline = time.monotonic() + 30
        while not child.wait(0.02) and (until is None or not pids(until)):
            assert time.monotonic() < deadline
    return child.exit_status, child.ended, (folder / "output.log").read_text()


@pytest.mark.parametrize("escape", ESCAPES.values(), ids=ESCAPES)
def test_what_a_suite_leaves_is_ended_with_it(tmp_path: Path, naps: Path, escape: str) -> None:
    """The suite ends by itself; what it started elsewhere is gone by then, and its output says so."""
    status, ended, output = run(tmp_path, program(naps, escape, "print('done')"))
    assert (status, ended) == (0, "")
    assert pids(naps)
    assert not any(map(alive, pids(naps)))
    assert output.startswith("done\n")
    assert parent_watch.SAID in output


@pytest.mark.parametrize("escape", ESCAPES.values(), ids=ESCAPES)
def test_what_a_suite_started_is_ended_where_the_gate_ends_it(tmp_path: Path, naps: Path, escape: str) -> None:
    """The suite goes on for longer than the gate waits."""
    run(tmp_path, program(naps, escape, "time.sleep(300)"), until=naps)
    assert pids(naps)
    assert not any(map(alive, pids(naps)))


@pytest.mark.parametrize("how", ["SIGKILL", "SIGSTOP"])
def test_a_suite_that_kills_its_lifeline_is_found_by_its_mark(
    tmp_path: Path, naps: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed or stopped by the suite: the run was ended by a signal, and what carries its mark is swept."""
    monkeypatch.setattr("verdigris.suites.process_runner._PATIENCE", 0.5)
    after = tmp_path / "after"
    then = f"os.kill(os.getppid(), signal.{how}); pathlib.Path({str(after)!r}).write_text('1'); time.sleep(300)"
    status, _, _ = run(tmp_path, program(naps, SESSION, then), until=after if how == "SIGSTOP" else None)
    assert status == -signal.SIGKILL
    assert not any(map(alive, pids(naps)))


STARTER = """
import sys, time
from pathlib import Path
from verdigris.suites.process_runner import LocalRunner
from verdigris.suites.runner import Task
folder = Path(sys.argv[1])
with LocalRunner(None, folder).start(Task("smoke", folder, lambda place: [place.python, "-c", sys.argv[2]], {}, 30)):
    time.sleep(300)
"""


@pytest.mark.parametrize("escape", ESCAPES.values(), ids=ESCAPES)
def test_a_killed_starter_takes_everything_along(tmp_path: Path, naps: Path, escape: str) -> None:
    """SIGKILL of the controller: what its suite let escape is gone within two seconds."""
    text = program(naps, escape, "time.sleep(300)")
    starter = subprocess.Popen([sys.executable, "-c", STARTER, str(tmp_path), text])
    deadline = time.monotonic() + 20
    while not pids(naps) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert pids(naps)
    starter.kill()
    starter.wait()
    deadline = time.monotonic() + 2
    while any(map(alive, pids(naps))) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(alive, pids(naps)))


def test_what_is_not_the_suites_is_left(tmp_path: Path, naps: Path) -> None:
    """Another run, and a process of this one's starter, go on."""
    other = tmp_path / "other"
    other.write_text("")
    stays = subprocess.Popen(
        [sys.executable, "-c", NAP.format(path=str(other))], env=os.environ | {parent_watch.MARK: "another"}
    )
    try:
        run(tmp_path, program(naps, SESSION, "time.sleep(300)"), until=naps)
        assert stays.poll() is None
    finally:
        stays.kill()
        stays.wait()


@pytest.mark.parametrize(
    ("text", "status", "ended"),
    [
        ("raise SystemExit(5)", 5, ""),
        ("import os; os.abort()", -6, "killed by signal 6"),
        ("import os; os.kill(os.getpid(), 15)", -15, "killed by signal 15"),
    ],
)
def test_it_ends_as_the_suite_did(tmp_path: Path, text: str, status: int, ended: str) -> None:
    """Its exit status and its signal come through."""
    assert run(tmp_path, text) == (status, ended, "")


def test_a_command_that_is_not_there_is_said(tmp_path: Path) -> None:
    """The output has the reason."""
    folder = tmp_path / "records"
    folder.mkdir()
    task = Task("smoke", folder, lambda _place: ["/nowhere/python"], {}, 30)
    with LocalRunner(cast("Platform", None), tmp_path).start(task) as child:
        while not child.wait(1):
            pass
    assert child.exit_status == 127
    assert "/nowhere/python cannot be started: No such file" in (folder / "output.log").read_text()
