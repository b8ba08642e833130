"""A release without a process: the fake platform, a verifier that answers at once, a probe that asks the fake."""

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from tests.unit.made import record
from verdigris.flow.context import Flow, Tools
from verdigris.flow.recovery import destination, recover, rollback
from verdigris.flow.rolling import by_strategy
from verdigris.model import Color, Deployment, Kind, Objection, Outcome, Record, SuiteResult
from verdigris.settings import Environment
from verdigris.state.journal import JournalFile
from verdigris.suites.verifier import Verifier
from verdigris.testing import FakePlatform
from verdigris.watch.probe import Probe
from verdigris.watch.samples import Sample

SUITES = ("smoke", "verification")
GOOD = ("1.0.0", "1.1.0", "1.2.0")
BAD_SUITE, BAD_WATCH, BAD_START, BAD_MIGRATION = "2.0.0", "2.1.0", "2.2.0", "2.3.0"
VERSIONS = {
    **dict.fromkeys((*GOOD, BAD_SUITE, BAD_WATCH), ""),
    BAD_START: "exits-at-once",
    BAD_MIGRATION: "migration-fails",
}
ENVIRONMENT = Environment.model_validate(
    {
        "platform": "kubernetes",
        "url": "https://shop.invalid",
        "namespace": "shop",
        "kubernetes": {"manifests": "k8s", "image": "images/{version}.json"},
        "suites": SUITES,
        "drain_seconds": 0.001,
        "switch_seconds": 0.3,
        "watch": {"seconds": 0.001, "rate": 1},
    }
)


class Killed(BaseException):
    """The process died here."""


class Gate(Verifier):
    """A verifier that knows each version's fate: :data:`BAD_SUITE` fails verification."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def collect(self, suites: tuple[str, ...]) -> tuple[dict[str, tuple[str, ...]], tuple[Objection, ...]]:
        """Two tests a suite."""
        return {suite: (f"{suite}::one", f"{suite}::two") for suite in suites}, ()

    def run(
        self,
        suite: str,
        target: str,
        deployment: Deployment,
        frozen: tuple[str, ...],
        name: str | None = None,
        stop: threading.Event | None = None,
        env: Any = None,
    ) -> tuple[SuiteResult, tuple[Objection, ...]]:
        """Pass, but for the bad version."""
        self.ran.append(f"{name or suite} {deployment.release.version}")
        found: tuple[Objection, ...] = ()
        if deployment.release.version == BAD_SUITE and suite == "verification":
            found = (Objection(rule="failure", kind=Kind.FAILED, suite=suite, text=f"{suite}::one failed: no"),)
        return SuiteResult(suite=name or suite, verdict="failed" if found else "passed"), found

    def control(
        self, suite: str, live: Deployment, frozen: tuple[str, ...]
    ) -> tuple[SuiteResult, tuple[Objection, ...]]:
        """The live color passes."""
        return self.run(suite, str(live.color), live, frozen, name=f"control-{suite}")


class Users(Probe):
    """A probe that asks the fake whenever it is looked at; :data:`BAD_WATCH` answers users with errors."""

    def __init__(self, platform: FakePlatform) -> None:
        self.platform = platform

    def start(self) -> None:
        """Nothing runs."""

    def stop(self) -> None:
        """Nothing runs."""

    def look_on(self, number: int, seconds: float) -> None:
        """Nothing runs."""

    def wait_for(self, number: int, timeout: float) -> bool:
        """There are always enough."""
        return True

    def planned(self, since: float) -> int:
        """As many as there are."""
        return 1

    def due(self) -> int:
        """None was sent before."""
        return 0

    def since(self, index: int) -> list[Sample]:
        """One sample, of now."""
        answer = self.platform.answer(None)
        bad = answer.identity is not None and answer.identity.version == BAD_WATCH
        header = answer.identity.header() if answer.identity else None
        status = 500 if bad else answer.status
        return [Sample(at=0, milliseconds=1, status=status, identity=header, kept=False)]


class Shop:
    """An environment in ``root``; each command is a process of its own, which may die at any moment."""

    def __init__(self, root: Path, strategy: Literal["blue-green", "rolling"] = "blue-green") -> None:
        self.root = root
        self.strategy = strategy
        root.mkdir(exist_ok=True)
        self.journal = JournalFile(root)
        self.told: list[str] = []
        self.had_users: set[tuple[Color, str]] = set()

    def copy(self, root: Path) -> "Shop":
        """The same environment in another folder."""
        shutil.copytree(self.root, root)
        other = Shop(root, self.strategy)
        other.had_users = set(self.had_users)
        return other

    def platform(self, die_at: int | None = None) -> FakePlatform:
        """The platform as a new process sees it; the ``die_at``-th moment kills that process."""
        left = iter(range(die_at)) if die_at is not None else None

        def hook(moment: str) -> None:
            self.told.append(moment)
            self.check()
            if left is not None and next(left, None) is None:
                raise Killed(moment)

        return FakePlatform(self.root, VERSIONS, hook=hook, strategy=self.strategy)

    def release(self, version: str, die_at: int | None = None, platform: FakePlatform | None = None) -> Record:
        """Recover, then release."""
        platform = platform or self.platform(die_at)
        self.recover(platform)
        made = record(version, self.journal.next_generation(), required=SUITES)
        return self.drive(by_strategy(made, self.tools(platform, made.generation)))

    def rollback(
        self, die_at: int | None = None, platform: FakePlatform | None = None, to: str | None = None
    ) -> Record:
        """Recover, then move the users back."""
        platform = platform or self.platform(die_at)
        self.recover(platform)
        goal, refusal = destination(platform, self.journal.read(), to)
        made = record(goal.release.version if goal else "none", self.journal.next_generation(), action="rollback")
        return self.drive(rollback(made, self.tools(platform, made.generation), goal, refusal))

    def recover(self, platform: FakePlatform | None = None) -> Record | None:
        """Bring what a dead process left to an end."""
        left = self.journal.read().record
        if left is None or left.finished:
            return None
        return self.drive(recover(left, self.tools(platform or self.platform(), self.journal.next_generation())))

    def tools(self, platform: FakePlatform, generation: int) -> Tools:
        """What a flow acts with."""
        return Tools(
            platform=platform,
            environment=ENVIRONMENT,
            verifier=Gate(),
            probe=lambda: Users(platform),
            generation=generation,
        )

    def drive(self, flow: Flow) -> Record:
        """Journal each record before its effect, as the controller does."""
        last: Record | None = None
        for last in flow:
            self.journal.write(self.journal.read().with_record(last))
            self.check()
        assert last is not None
        return last

    def check(self) -> None:
        """The invariant: one color is live or none before the first; it was verified or had the users before.

        Where it rolls, users meet a candidate before it is verified: somebody answers them at every moment, and the
        invariant holds whenever nothing is on its way and no person is needed.
        """
        world = FakePlatform(self.root, VERSIONS).world
        if world.live is None:
            assert not self.had_users, "the users were with somebody and are with nobody"
            return
        place = world.places.get(world.live)
        assert place is not None, f"the users are on {world.live}, where nothing stands"
        left = self.journal.read().record
        on_its_way = left is not None and (not left.finished or left.outcome is Outcome.PERSON_NEEDED)
        if world.live is Color.LIVE and on_its_way:
            assert place.answering is not None or not self.had_users, "nobody answers the users"
            return
        assert place.answering == place.deployment, f"{place.deployment.identity} does not answer its users"
        who = (world.live, place.deployment.release.version)
        assert place.deployment.verified or who in self.had_users, f"{who} was never verified and has the users"
        self.had_users.add(who)

    @property
    def live(self) -> str | None:
        """The version that has the users."""
        identity = self.platform().live().identity
        return identity.version if identity else None


def moments(run: Callable[[Shop, int], Record], prepared: Callable[[], Shop]) -> Iterator[tuple[int, Shop]]:
    """``run`` killed at its first moment, at its second, and so on until it ends by itself; a shop of its own each."""
    number = 0
    while True:
        shop = prepared()
        try:
            run(shop, number)
        except Killed:
            yield number, shop
            number += 1
        else:
            return
