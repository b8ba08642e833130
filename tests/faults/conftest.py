"""What the tests of faults share: a world with somebody live, users beside it, and what every outcome must show."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.traffic import Plan, Traffic
from tests.unit.made import record
from tests.world import World
from verdigris.errors import ExitStatus
from verdigris.model import Outcome, Record, Step

OK = ExitStatus.CONFIRMED


def stand(world: World, version: str = "1.0.0") -> World:
    """Make ``version`` live without the time of a release: stood up, called verified, switched to."""
    from verdigris.flow.recovery import idle_color

    platform = world.controller().platform
    color = idle_color(platform.live())
    deployment = platform.stand_up(platform.prepare(version), color, 1)
    platform.remember(deployment.model_copy(update={"verified": True}))
    platform.switch(color, platform.live(), 1)
    platform.observe(deployment.identity, time.monotonic())
    return world


def remember_a_run(world: World) -> None:
    """Let the journal know of a run that ended, as it does wherever a release made somebody live."""
    done = record("1.0.0", 0, action="candidate").at(Step.DONE, "taken down", outcome=Outcome.HELD)
    world.controller().journal.write_record(done)


@pytest.fixture
def live_world(make_world: Callable[..., World]) -> Callable[..., World]:
    """Make a world in which 1.0.0 is live and 1.1.0 is good."""

    def make(**options: Any) -> World:
        world = make_world(**options)
        world.version("1.0.0")
        world.version("1.1.0")
        return stand(world.up())

    return make


@pytest.fixture
def live(live_world: Callable[..., World]) -> World:
    """A world in which 1.0.0 is live and 1.1.0 is good."""
    return live_world()


@contextmanager
def users(world: World, **plan: Any) -> Iterator[Traffic]:
    """Users who never retry, until the end of the block."""
    address = world.controller().platform.users()
    with Traffic(Plan(**{"url": address.url, "rate": 80.0, "timeout": 8, **plan})) as traffic:
        yield traffic


def journaled(world: World) -> Record:
    """The record in the journal."""
    return Record.model_validate(world.journal()["record"])


def came_to(world: World, outcome: Outcome, status: ExitStatus, live: str | None) -> Record:
    """The journal says what it came to, and who is live is who it says."""
    record = journaled(world)
    assert (record.outcome, record.exit_status) == (outcome, status), said(record)
    assert record.finished
    assert world.live() == live, said(record)
    return record


def said(record: Record) -> str:
    """The objections of a record."""
    return "\n".join(f"{one.rule} {one.kind}: {one.text}" for one in record.objections)


def rules(record: Record) -> set[str]:
    """The rules that objected."""
    return {one.rule for one in record.objections}


def wait_for_step(world: World, *steps: str, timeout: float = 60) -> None:
    """Wait until the journal stands at one of ``steps``."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            record = world.journal()["record"]
        except FileNotFoundError:
            record = None
        if record and record["step"] in steps:
            return
        time.sleep(0.01)
    raise AssertionError(f"the journal never stood at {steps}")


def ended(process: "subprocess.Popen[str]", timeout: float = 60) -> tuple[int, str]:
    """The exit status and the output of a command that was started."""
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, output


def kill_color(world: World, version: str, how: signal.Signals = signal.SIGKILL) -> int:
    """Send a signal to the process of a version; its pid."""
    platform = world.controller().platform
    from verdigris.model import COLORS

    for color in COLORS:
        deployment = platform.standing(color)
        if deployment is not None and deployment.release.version == version:
            pid = int(platform.health(color).instance.split(":")[0])
            os.kill(pid, how)
            return pid
    raise AssertionError(f"{version} stands nowhere")


def release_folder(world: World) -> Path:
    """The folder of the last release's records."""
    return world.root / "reports" / str(world.journal()["record"]["id"])


def evidence(world: World, suite: str) -> list[dict[str, Any]]:
    """The lines of a suite's evidence."""
    text = (release_folder(world) / suite / "evidence.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def amend(world: World, old: str, new: str) -> World:
    """Change the settings."""
    path = world.root / "environments.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return world
