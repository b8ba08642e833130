"""Kill a run at each of its points, recover in another process, and look at what is there."""

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench.traffic import Plan, Sample, Traffic
from deploy.audit import AuditLog
from deploy.journal import JournalFile
from deploy.model import COLORS, Outcome, Record
from deploy.platform.observer import answer_of
from tests.world import World

HERE = Path(__file__).resolve().parents[2]
RATE = 60.0
LOGGED = '"ERROR"'


@dataclass(frozen=True)
class FlowKind:
    """One kind of run, and how its world is made ready for it."""

    name: str
    words: Callable[[World], tuple[str, ...]]
    somebody: bool = True
    """Whether somebody is live before it."""


def _other(world: World) -> str:
    return "1.1.0" if world.live() == "1.0.0" else "1.0.0"


FLOWS = {
    "first": FlowKind("first", lambda _: ("release", "1.0.0"), somebody=False),
    "good": FlowKind("good", lambda world: ("release", _other(world))),
    "watched": FlowKind("watched", lambda _: ("release", "2.0.0")),
    "rollback": FlowKind("rollback", lambda _: ("rollback", "--reason", "a person says so")),
    "candidate": FlowKind(
        "candidate", lambda _: ("pytest", "-q", "-m", "smoke", "--env", "local", "--candidate", "1.2.0")
    ),
}


@dataclass
class Kill:
    """What came of one kill."""

    flow: str
    number: int
    point: str
    reached: bool = True
    seconds: float = 0.0
    """How long ``recover`` took as a process, its start included."""
    wrong: list[str] = field(default_factory=list)
    """What was not as it has to be."""
    manual: list[str] = field(default_factory=list)
    """What a person would have had to do."""
    began: float = 0.0
    ended: float = 0.0
    lost: int = 0

    def __str__(self) -> str:
        said = "; ".join([*self.wrong, *self.manual]) or "recovered"
        return f"{self.flow} {self.number} ({self.point}): {said}, {self.seconds:.2f} s, {self.lost} lost"


class Stage:
    """A world in which one kind of run is killed again and again, with users who never stop."""

    def __init__(self, root: Path, kind: FlowKind) -> None:
        self.kind = kind
        self.root = root
        self.world = self._world(root / "0")
        self.number = 0
        self.stack = ExitStack()
        self.traffic: Traffic | None = None
        if kind.somebody:
            self._stand_somebody()
            users = self.world.controller().platform.users()
            plan = Plan(url=users.url, rate=RATE, timeout=5)
            self.traffic = self.stack.enter_context(Traffic(plan, root / "samples.jsonl"))

    def close(self) -> None:
        """Stop the users and the world."""
        try:
            self.stack.close()
        finally:
            self.world.close()

    def count(self) -> list[str]:
        """The points of the run, from a run that is not killed."""
        out = self.root / "points.json"
        self._ready()
        done = self._drive("--out", str(out))
        if not out.exists():
            raise RuntimeError(f"the run passed no point (exit {done.returncode}):\n{done.stdout}{done.stderr}")
        return list(json.loads(out.read_text()))

    def kill(self, number: int, point: str) -> Kill:
        """Kill a run at a point, recover, and look."""
        self._ready()
        found = Kill(self.kind.name, number, point, began=time.time())
        before = self.world.live()
        done = self._drive("--kill", str(number))
        if done.returncode != -signal.SIGKILL:
            found.reached = False
            found.wrong.append(f"the point was not reached (exit {done.returncode}): {done.stdout}{done.stderr}"[-600:])
            return found
        recovered, found.seconds = self._recover(found)
        if recovered:
            found.wrong += list(wrong(self.world, before))
            state = fingerprint(self.world)
            again = self.world.command("recover", timeout=60)
            if again.returncode != 0 or fingerprint(self.world) != state:
                found.wrong.append(f"a second recover changed something or failed ({again.returncode}): {again.stdout}")
        found.ended = time.time()
        return found

    def next_works(self, found: Kill) -> None:
        """Whether the next release goes through without a manual step."""
        version = _other(self.world)
        done = self.world.command("release", version)
        if done.returncode != 0 or self.world.live() != version:
            found.manual.append(
                f"the next release ended with {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}"
            )
        found.ended = time.time()

    def finish(self, kills: list[Kill]) -> None:
        """Stop the users and count what each kill cost them."""
        if self.traffic is None:
            return
        summary = self.traffic.stop()
        lost = [sample for sample in self.traffic.samples() if sample.lost]
        for found in kills:
            found.lost = sum(found.began - 0.1 <= sample.at <= found.ended for sample in lost)
        outside = summary.lost - sum(found.lost for found in kills)
        if outside > 0 and kills:
            kills[-1].lost += outside
        if summary.requests == 0 and kills:
            kills[-1].wrong.append("the users asked nothing")

    def _world(self, root: Path) -> World:
        root.mkdir(parents=True)
        world = World(root, watch=0.5, watch_more=f", log_errors = {LOGGED}")
        for version in ("1.0.0", "1.1.0", "1.2.0"):
            world.version(version)
        world.version("2.0.0", "logs-with-users")
        return world.up()

    def _stand_somebody(self) -> None:
        for version in ("1.1.0", "1.0.0") if self.kind.name == "rollback" else ("1.0.0",):
            record = self.world.release(version)
            if record.outcome is not Outcome.CONFIRMED:
                raise RuntimeError(f"the world cannot be made ready: {record.objections}")

    def _ready(self) -> None:
        """The state that the run begins from; a first release needs a world of its own each time."""
        self.number += 1
        if not self.kind.somebody and self.number > 1:
            self.world.close()
            self.world = self._world(self.root / str(self.number))

    def _drive(self, *options: str) -> "subprocess.CompletedProcess[str]":
        words = [sys.executable, "-m", "tests.crash.driver", *options, str(self.world.root)]
        return subprocess.run(
            [*words, *self.kind.words(self.world)], cwd=HERE, capture_output=True, text=True, timeout=120, check=False
        )

    def _recover(self, found: Kill) -> tuple[bool, float]:
        began = time.monotonic()
        done = self.world.command("recover", timeout=120)
        seconds = time.monotonic() - began
        first_stands = not self.kind.somebody and done.returncode == 15
        if done.returncode != 0 and not first_stands:
            found.manual.append(f"recover ended with {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}")
        return done.returncode == 0 or first_stands, seconds


def wrong(world: World, before: str | None) -> Iterator[str]:
    """What is not as it has to be after ``recover``.

    Args:
        before: the version that was live before the run.
    """
    platform = world.controller().platform
    record = JournalFile(world.state).read().record  # none where it died before it wrote the first
    if record is not None and not record.finished:
        yield f"the journal stands at {record.step}"
    traffic = platform.live()
    live = platform.standing(traffic.color) if traffic.color else None
    if before is not None and traffic.color is None:
        yield "nobody is live"
    if traffic.color is not None and (live is None or not live.verified):
        yield f"live is {traffic.color}, which was not verified"
    status, identity, seen = answer_of(platform.users(), "/", "x-release")
    if (status, identity) != ((200, live.identity) if live else (503, None)):
        yield f"users are answered {seen}, live is {live.identity if live else 'nobody'}"
    if record is not None:
        yield from _as_journaled(record, live.release.version if live else None, before)
    yield from strays(world)
    lines = AuditLog(world.state / "audit.jsonl").entries()
    if record is not None and record.action != "candidate":
        count = sum(line.release == record.id for line in lines)
        if count != 1:
            yield f"the audit log has {count} lines of {record.id}"


def _as_journaled(record: Record, live: str | None, before: str | None) -> Iterator[str]:
    was = record.live.release.version if record.live else None
    expected = {
        Outcome.CONFIRMED: record.version,
        Outcome.ROLLED_BACK: record.version if record.action == "rollback" else was,
        Outcome.PERSON_NEEDED: record.version,
        Outcome.HELD: before,
        Outcome.REFUSED: before,
    }
    if record.outcome is not None and live != expected[record.outcome]:
        yield f"live is {live}, the journal says {record.outcome} of a {record.action} of {record.version}"


def strays(world: World) -> Iterator[str]:
    """Processes of the world beyond its router and what stands in its colors."""
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
    for process in psutil.process_iter():
        try:
            mark = process.environ().get("VERDIGRIS_PROCESS", "")
            mine = mark.startswith(platform.mark) or str(world.root) in " ".join(process.cmdline())
            if not mine or process.status() == psutil.STATUS_ZOMBIE or process.pid in (*known, router):
                continue
            if "bench.traffic" not in process.cmdline():
                yield f"a stray process: {process.pid} {mark} {' '.join(process.cmdline())[:300]}"
        except psutil.Error:
            continue


def fingerprint(world: World) -> str:
    """What a recover that has nothing to do must leave as it is."""
    files = sorted(path for path in world.state.rglob("*") if path.is_file() and path.suffix in (".json", ".jsonl"))
    total = hashlib.sha256()
    for path in files:
        total.update(str(path).encode() + path.read_bytes())
    return total.hexdigest()


@contextmanager
def stage(root: Path, name: str) -> Iterator[Stage]:
    """A stage for one kind of run."""
    root.mkdir(parents=True, exist_ok=True)
    made = Stage(root, FLOWS[name])
    try:
        yield made
    finally:
        made.close()


def run(root: Path, name: str, choose: Callable[[list[str]], list[int]], every: int = 8) -> list[Kill]:
    """Kill one kind of run at the chosen points; after every ``every``-th one the next release is made too."""
    with stage(root, name) as made:
        points = made.count()
        kills = []
        for index, number in enumerate(choose(points)):
            found = made.kill(number, points[number - 1])
            if found.reached and index % every == 0:
                made.next_works(found)
            kills.append(found)
        made.finish(kills)
    return kills


__all__ = ["FLOWS", "Kill", "Sample", "Stage", "run", "stage", "strays", "wrong"]
