"""The kinds of runs that are killed on the platform ``local``, and what is looked at there besides."""

import hashlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.crash.outcome import Kill, wrong
from tests.crash.stage import LOGGED, FlowKind, Stage, other
from tests.world import World
from verdigris.model import COLORS
from verdigris.platform.local import process as process_module

FLOWS = {
    "first": FlowKind("first", lambda _: ("release", "1.0.0"), somebody=False),
    "good": FlowKind("good", lambda world: ("release", other(world))),
    "watched": FlowKind("watched", lambda _: ("release", "2.0.0")),
    "rollback": FlowKind("rollback", lambda _: ("rollback", "--reason", "a person says so")),
    "candidate": FlowKind(
        "candidate", lambda _: ("pytest", "-q", "-m", "smoke", "--env", "local", "--candidate", "1.2.0")
    ),
}


class LocalStage(Stage[World]):
    """Processes on this machine."""

    driver = "tests.crash.driver"

    def make(self, root: Path) -> World:
        """A world with a router of its own."""
        root.mkdir(parents=True)
        world = World(root, watch=0.5, watch_more=f", log_errors = {LOGGED}")
        for version in ("1.0.0", "1.1.0", "1.2.0"):
            world.version(version)
        world.version("2.0.0", "logs-with-users")
        return world.up()

    def recover(self) -> "tuple[World, subprocess.CompletedProcess[str], float]":
        """Recover; the start of the process counts."""
        began = time.monotonic()
        done = self.world.command("recover", timeout=120)
        return self.world, done, time.monotonic() - began

    def look(self, world: World, before: str | None) -> Iterator[str]:
        """What is wrong, and processes that were left."""
        yield from wrong(world.controller().platform, before)
        yield from strays(world)

    def fingerprint(self, world: World) -> str:
        """Every file of the state."""
        files = sorted(path for path in world.state.rglob("*") if path.is_file() and path.suffix in (".json", ".jsonl"))
        total = hashlib.sha256()
        for path in files:
            total.update(str(path).encode() + path.read_bytes())
        return total.hexdigest()


def strays(world: World) -> Iterator[str]:
    """Processes of the world beyond its router, its guardian and what stands in its colors."""
    platform: Any = world.controller().platform
    known = {}
    for color in COLORS:
        deployment = platform.standing(color)
        health = platform.health(color)
        if deployment is None:
            continue
        if health.running:
            known[int(health.instance.split(":")[0])] = color
    router = json.loads((world.state / "router" / "process.json").read_text())["pid"]
    guardian = process_module.remembered(world.state / "processes" / "guardian.json")
    guards = {guardian.pid} if guardian is not None else set()
    for process in psutil.process_iter():
        try:
            mark = process.environ().get("VERDIGRIS_PROCESS", "")
            mine = mark.startswith(platform.mark) or str(world.root) in " ".join(process.cmdline())
            if not mine or process.status() == psutil.STATUS_ZOMBIE or process.pid in (*known, router, *guards):
                continue
            if mark.endswith(":guardian") and process.ppid() in guards:  # its worker, on its way out
                continue
            if "bench.traffic" not in process.cmdline():
                yield f"a stray process: {process.pid} {mark} {' '.join(process.cmdline())[:300]}"
        except psutil.Error:
            continue


@contextmanager
def stage(root: Path, name: str) -> Iterator[LocalStage]:
    """A stage for one kind of run."""
    root.mkdir(parents=True, exist_ok=True)
    made = LocalStage(root, FLOWS[name])
    try:
        yield made
    finally:
        made.close()


def run(root: Path, name: str, choose: Callable[[list[str]], list[int]], every: int = 8) -> list[Kill]:
    """Kill one kind of run at the chosen points; after every ``every``-th one the next release is made too."""
    with stage(root, name) as made:
        return made.run(choose, every)


__all__ = ["FLOWS", "Kill", "run", "stage", "strays", "wrong"]
