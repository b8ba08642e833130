"""How a suite ends: what it leaves running, what it puts in the place of its evidence, what it writes without end."""

import signal
import subprocess
import time

import psutil
import pytest

from tests.faults.conftest import amend, came_to, ended, said, wait_for_step
from tests.world import World
from verdigris.errors import ExitStatus
from verdigris.model import Outcome
from verdigris.suites import watchdog

GOOD = "def test_good(http):\n    assert http.get('/').status_code == 200\n"
FORGETS = """
import subprocess, sys
def test_helper(http):
    assert http.get("/").status_code == 200
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep({seconds})"], start_new_session=True)
    {then}
"""


def sleeping(seconds: int) -> list[psutil.Process]:
    """The processes that a suite let escape."""
    word = f"import time; time.sleep({seconds})"
    found = psutil.process_iter(["cmdline"])
    return [one for one in found if word in (one.info["cmdline"] or ()) and one.status() != psutil.STATUS_ZOMBIE]


def held(world: World) -> str:
    """Release 1.1.0; it is not valid. What was said."""
    record = world.release("1.1.0")
    came_to(world, Outcome.HELD, ExitStatus.HELD_NOT_VALID, "1.0.0")
    return said(record)


def test_nothing_of_a_suite_is_left_after_a_release(live: World) -> None:
    """A test forgets a process in a session of its own; the colors, which outlive the release, go on."""
    live.suite("smoke", FORGETS.format(seconds=4311, then=""))
    assert live.release("1.1.0").outcome is Outcome.CONFIRMED
    assert not sleeping(4311)
    assert live.controller().platform.problems() == []


def test_nothing_of_a_suite_is_left_where_the_release_was_killed(live: World) -> None:
    """SIGKILL of the release while its suite runs: what escaped ends within seconds, without a command."""
    live.suite("smoke", FORGETS.format(seconds=4312, then="import time; time.sleep(300)"))
    process = live.start("release", "1.1.0")
    wait_for_step(live, "verify")
    deadline = time.monotonic() + 30
    while not sleeping(4312) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert sleeping(4312)
    process.send_signal(signal.SIGKILL)
    ended(process)
    deadline = time.monotonic() + 3
    while sleeping(4312) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not sleeping(4312)
    assert live.command("recover").returncode == 0
    assert live.live() == "1.0.0"


STAYS = {
    "a-thread": "import threading, time\n    threading.Thread(target=time.sleep, args=(600,), name='poller').start()",
    "atexit": "import atexit, time\n    def poller():\n        time.sleep(600)\n    atexit.register(poller)",
    "a-child": "import multiprocessing, time\n    multiprocessing.get_context('fork').Process("
    "target=time.sleep, args=(600,), name='poller').start()",
}


@pytest.mark.parametrize("how", STAYS)
def test_a_process_that_stays_after_its_tests_is_named_as_that(live: World, how: str) -> None:
    """Every test passed and the process does not end: said after seconds, not after the whole hang."""
    amend(live, "hang = 15", "hang = 600")
    amend(live, "deadline = 30", "deadline = 900")
    live.suite("smoke", f"{GOOD}\n    {STAYS[how]}\n")
    began = time.monotonic()
    text = held(live)
    assert time.monotonic() - began < 60
    assert "all 1 tests ended and its process did not end" in text
    assert {"a-thread": "thread poller", "atexit": "in poller (smoke/test_it.py:", "a-child": "main thread"}[
        how
    ] in text
    assert "hangs" not in text


def test_a_process_that_takes_a_moment_to_end_passes(live: World) -> None:
    """Two seconds at its end are no objection."""
    live.suite("smoke", f"{GOOD}\n    import atexit, time\n    atexit.register(time.sleep, 2)\n")
    assert live.release("1.1.0").outcome is Outcome.CONFIRMED


SWAPS = """
import os, shutil
from pathlib import Path

def swap(path):
    {how}

def test_good(http):
    assert http.get("/").status_code == 200
    path = Path(os.environ["VERDIGRIS_EVIDENCE"])
    {when}
"""
HOWS = {
    "a-named-pipe": ("path.unlink(); os.mkfifo(path)", "is a named pipe"),
    "a-folder": ("path.unlink(); path.mkdir()", "is a folder"),
    "a-link": ("shutil.copy(path, path.with_name('kept')); path.unlink(); path.symlink_to('kept')", "is a link"),
    "a-device": ("path.unlink(); path.symlink_to('/dev/zero')", "is a link"),
    "a-copy": ("shutil.copy(path, path.with_name('kept')); os.replace(path.with_name('kept'), path)", "replaced"),
    "cut": ("os.truncate(path, 10)", "was cut from"),
    "nothing": ("path.unlink()", "is gone"),
    "sparse": ("os.truncate(path, 1 << 34)", "is larger than"),
}


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("when", ["at-once", "at-the-end"])
def test_evidence_that_was_swapped_is_broken(live: World, how: str, when: str) -> None:
    """While it runs or just before it ends, whatever stands there then is neither waited for nor believed."""
    later = "import atexit; atexit.register(swap, path)"
    at_once = "swap(path); import time; time.sleep(20)"
    live.suite("smoke", SWAPS.format(how=HOWS[how][0], when=at_once if when == "at-once" else later))
    began = time.monotonic()
    assert HOWS[how][1] in held(live)
    assert time.monotonic() - began < 25


def test_verify_does_not_wait_for_a_named_pipe(live: World) -> None:
    """In the place of evidence, output and JUnit; also where an earlier run left it in the folder of the next."""
    pipes = "for name in ('evidence.jsonl', 'output.log', 'junit.xml'):\n        "
    pipes += "path.with_name(name).unlink(missing_ok=True); os.mkfifo(path.with_name(name))"
    live.suite("smoke", SWAPS.format(how=pipes, when="import atexit; atexit.register(swap, path)"))
    done = live.command("verify", timeout=60)
    assert done.returncode == ExitStatus.HELD_NOT_VALID, done.stdout + done.stderr
    assert "is a named pipe" in done.stdout


def test_a_suite_that_prints_without_end_is_ended(live: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its output has a limit, and the reason is said."""
    monkeypatch.setattr(watchdog, "OUTPUT_LIMIT", 5_000_000)
    prints = (
        "    out = os.open(os.environ['VERDIGRIS_EVIDENCE'].replace('evidence.jsonl', 'output.log'), os.O_WRONLY)\n"
    )
    live.suite("smoke", f"import os\n{GOOD}{prints}    while True:\n        os.write(out, b'x' * 10000)\n")
    assert "it printed more than 5,000,000 bytes" in held(live)


def test_a_suite_that_writes_files_without_end_is_ended(live: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """All its files together have a limit, sparse ones as large as they say they are."""
    monkeypatch.setattr(watchdog, "FOLDER_LIMIT", 50_000_000)
    artifact = "    import os, time\n    from pathlib import Path\n"
    artifact += "    file = Path(os.environ['VERDIGRIS_EVIDENCE']).parent / 'artifacts' / 'large.bin'\n"
    artifact += (
        "    file.parent.mkdir(exist_ok=True)\n    file.touch()\n    os.truncate(file, 1 << 33)\n    time.sleep(25)\n"
    )
    live.suite("smoke", GOOD + artifact)
    assert "its files take more than 50,000,000 bytes" in held(live)


def test_collecting_has_the_deadline_of_the_suite(live: World) -> None:
    """A module that never finishes its import: refused after the deadline, and nothing of it is left."""
    amend(live, "deadline = 30", "deadline = 3")
    live.suite("smoke", "import subprocess, sys, time\n"
               "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(4313)'], start_new_session=True)\n"
               "time.sleep(600)\n")  # fmt: skip
    record = live.release("1.1.0")
    came_to(live, Outcome.REFUSED, ExitStatus.REFUSED, "1.0.0")
    assert "its tests cannot be collected: its deadline of 3 s passed" in said(record)
    assert not sleeping(4313)


def test_a_signal_while_suites_are_collected_does_not_wait_for_them(live: World) -> None:
    """SIGTERM in prepare: the release ends at once, and what it was collecting with it."""
    live.suite("smoke", "import time\ntime.sleep(600)\n")
    process = live.start("release", "1.1.0")
    wait_for_step(live, "prepare")
    pid = _collecting(process)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    ended(process, timeout=25)
    assert time.monotonic() - began < 8
    assert not psutil.pid_exists(pid)
    assert live.live() == "1.0.0"


def _collecting(process: "subprocess.Popen[str]") -> int:
    """The pid of the pytest that a release has collect."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for child in psutil.Process(process.pid).children(recursive=True):
            if "--collect-only" in child.cmdline() and child.cmdline()[1] == "-m":
                return child.pid
        time.sleep(0.05)
    raise AssertionError("nothing is collected")
