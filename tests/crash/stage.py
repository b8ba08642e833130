"""Kill a run at its points, recover in another process, and look at what is there: the same on every platform."""

import json
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from bench.traffic import Plan, Traffic
from tests.crash.outcome import Kill
from verdigris.controller import Controller
from verdigris.model import Outcome, Record

HERE = Path(__file__).resolve().parents[2]
RATE = 60.0
LOGGED = '"ERROR"'
"""What a log must not have, in the settings of a watch; a version 2 logs it."""


class Project(Protocol):
    """A project whose runs are killed, on whatever platform."""

    root: Path

    def live(self) -> str | None:
        """The version that users have."""

    def release(self, version: str) -> Record:
        """Release in this process."""

    def controller(self) -> Controller:
        """A controller of this process."""

    def command(self, *words: str, timeout: float = 120) -> "subprocess.CompletedProcess[str]":
        """Run a verb of the command line, in a process of its own."""

    def close(self) -> None:
        """Take everything away."""


P = TypeVar("P", bound=Project)


@dataclass(frozen=True)
class FlowKind:
    """One kind of run, and how its world is made ready for it."""

    name: str
    words: Callable[[Project], tuple[str, ...]]
    somebody: bool = True
    """Whether somebody is live before it."""
    strategy: str = "blue-green"


def other(world: Project) -> str:
    """The good version that is not live."""
    return "1.1.0" if world.live() == "1.0.0" else "1.0.0"


class Stage(ABC, Generic[P]):
    """A world in which one kind of run is killed again and again, with users who never stop."""

    driver: str
    """The module that runs the command line and kills itself."""
    timeout = 5.0
    """Seconds that a user waits for an answer."""

    def __init__(self, root: Path, kind: FlowKind) -> None:
        self.kind = kind
        self.root = root
        self.world = self.make(root / "0")
        self.number = 0
        self.stack = ExitStack()
        self.traffic: Traffic | None = None
        if kind.somebody:
            self._stand_somebody()
            users = self.world.controller().platform.users()
            plan = Plan(url=users.url, ca=users.ca, connect=users.connect, rate=RATE, timeout=self.timeout)
            self.traffic = self.stack.enter_context(Traffic(plan, root / "samples.jsonl"))

    # --- what a platform has its own way of ----------------------------------------------------------------------

    @abstractmethod
    def make(self, root: Path) -> P:
        """A world, up, with the versions 1.0.0 and 1.1.0, which are good."""

    @abstractmethod
    def recover(self) -> "tuple[P, subprocess.CompletedProcess[str], float]":
        """Recover: from which world it was done, how it ended, and how many seconds count."""

    @abstractmethod
    def look(self, world: P, before: str | None) -> Iterator[str]:
        """What is wrong in a world that was recovered."""

    @abstractmethod
    def fingerprint(self, world: P) -> str:
        """What a recover that has nothing to do must leave as it is."""

    def words(self) -> tuple[str, ...]:
        """The command line of the run."""
        return self.kind.words(self.world)

    # --- kill and look -------------------------------------------------------------------------------------------

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
        """Kill a run at a point, recover, and look.

        Args:
            number: of the point; 0 where the first of that name is meant.
            point: its name.
        """
        self._ready()
        found = Kill(self.kind.name, number, point, began=time.time())
        before = self.world.live()
        done = self._drive("--kill", str(number)) if number else self._drive("--at", point)
        if done.returncode != -signal.SIGKILL:
            found.reached = False
            found.wrong.append(f"the point was not reached (exit {done.returncode}): {done.stdout}{done.stderr}"[-600:])
            return found
        world = self._recover(found)
        if world is not None:
            found.wrong += list(self.look(world, before))
            state = self.fingerprint(world)
            again = world.command("recover", timeout=60)
            person = not self.kind.somebody and again.returncode == 15  # a first release stays, and that is said again
            if (again.returncode != 0 and not person) or self.fingerprint(world) != state:
                found.wrong.append(f"a second recover changed something or failed ({again.returncode}): {again.stdout}")
        found.ended = time.time()
        return found

    def next_works(self, found: Kill) -> None:
        """Whether the next release goes through without a manual step."""
        version = other(self.world)
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
            mine = [sample for sample in lost if found.began - 0.1 <= sample.at <= found.ended]
            found.lost = len(mine)
            found.losses = sorted({sample.error for sample in mine})
        outside = summary.lost - sum(found.lost for found in kills)
        if outside > 0 and kills:
            kills[-1].lost += outside
        if summary.requests == 0 and kills:
            kills[-1].wrong.append("the users asked nothing")

    def run(self, choose: Callable[[list[str]], list[int]], every: int) -> list[Kill]:
        """Kill at the chosen points; after every ``every``-th one the next release is made too."""
        points = self.count()
        kills = []
        for index, number in enumerate(choose(points)):
            found = self.kill(number, points[number - 1])
            if found.reached and index % every == 0:
                self.next_works(found)
            kills.append(found)
        self.finish(kills)
        return kills

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
            self.world = self.make(self.root / str(self.number))

    def _drive(self, *options: str) -> "subprocess.CompletedProcess[str]":
        words = [sys.executable, "-m", self.driver, *options, str(self.world.root)]
        return subprocess.run(
            [*words, *self.words()], cwd=HERE, capture_output=True, text=True, timeout=120, check=False
        )

    def _recover(self, found: Kill) -> P | None:
        world, done, found.seconds = self.recover()
        first_stands = not self.kind.somebody and done.returncode == 15
        if done.returncode == 0 or first_stands:
            return world
        found.manual.append(f"recover ended with {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}")
        return None
