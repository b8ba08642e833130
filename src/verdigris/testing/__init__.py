"""The platform ``fake``: every place, the router and the users in one JSON file, for tests that need no process.

It is exact where a real platform is slow: a switch is seen at once, a release is ready at once or never. What the
real ones meet by chance it meets on demand: a version that cannot start, a write that fails before or after its effect,
users who stay behind. Where it rolls, a release stands in ``live`` in two effects: first beside the one before it,
which still answers users, then alone. Another instance over the same folder sees the same world, so a crash is told by
throwing one away.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Literal

from verdigris.errors import Conflict, NotReady, UsageError
from verdigris.model import COLORS, Color, Deployment, Identity, Release, Traffic
from verdigris.platform.base import Address, Answer, Health, Observation, Rehearsed
from verdigris.state.audit import AuditFile
from verdigris.state.journal import JournalFile
from verdigris.testing import world as world_file
from verdigris.testing.world import READY_FAULTS, Place, World

DEPLOYED = "2026-01-01T00:00:00.000Z"


class FakePlatform:
    """Implements :class:`verdigris.platform.base.Platform`.

    Args:
        root: the folder of its file, and of the lock and the journal.
        versions: the versions there are, each with its fault (a key of :data:`READY_FAULTS`) or ``""``.
        faults: what a verb raises in place of its effect, by the verb's name.
        hook: told every moment, ``switch`` before its effect and ``after switch`` after it; it may raise.
        strategy: ``blue-green``, or ``rolling`` with one place, ``live``.
    """

    def __init__(
        self,
        root: Path,
        versions: Mapping[str, str],
        faults: Mapping[str, BaseException] | None = None,
        hook: Callable[[str], None] = lambda _moment: None,
        strategy: Literal["blue-green", "rolling"] = "blue-green",
    ) -> None:
        self.root = root
        self.rolling = strategy == "rolling"
        self.places: tuple[Color, ...] = (Color.LIVE,) if self.rolling else COLORS
        self.versions = dict(versions)
        self.faults = dict(faults or {})
        self.hook = hook
        self.effects: Counter[str] = Counter()
        """How often each verb changed the world."""
        self.behind: Color | None = None
        """A color that still answers some users, whatever a switch wrote."""
        self.held = 0
        self.following = 0
        """How many more steps what must run once takes to follow the users."""
        self.told: Callable[[str], None] = lambda _text: None
        self.path = root / "fake.json"

    @property
    def journal(self) -> JournalFile:
        """The journal and the lock, beside the fake's own file."""
        return JournalFile(self.root)

    @property
    def audit(self) -> AuditFile:
        """The audit log, beside the fake's own file."""
        return AuditFile(self.root / "audit.jsonl")

    # --- what a release is -------------------------------------------------------------------------------------

    def prepare(self, version: str) -> Release:
        """The release of that version; building it is an effect."""
        release = self._release(version)
        if version not in self.world.built:
            self._change("prepare", self.world.model_copy(update={"built": (*self.world.built, version)}))
        return release

    def known(self, version: str) -> Release | None:
        """The release of that version where it was prepared before."""
        return self._release(version) if version in self.world.built else None

    def secrets(self) -> frozenset[str]:
        """It keeps none."""
        return frozenset()

    def problems(self) -> list[str]:
        """Which colors do not run though they should."""
        stopped = [color for color, place in self.world.places.items() if place.answering is None]
        return [f"{color} does not run: run 'verdigris up' to restore it" for color in stopped]

    @property
    def migrates(self) -> bool:
        """Every release says that it migrated."""
        return True

    def migrate(self, release: Release) -> str:
        """Note that the migration of a release ran."""
        if self.versions.get(release.version) == "migration-fails":
            raise NotReady("the migration failed (exit 1); traffic is untouched")
        done = (*self.world.migrations, release.version)
        self._change("migrate", self.world.model_copy(update={"migrations": done}))
        return f"migrated for {release.version}"

    # --- who is where ------------------------------------------------------------------------------------------

    def live(self) -> Traffic:
        """Who has the users."""
        self._fail("live")
        world = self.world
        place = world.places.get(world.live) if world.live else None
        token = f"{world.writes}:{world.live or 'none'}"
        return Traffic(color=world.live, identity=place.deployment.identity if place else None, token=token)

    def standing(self, color: Color) -> Deployment | None:
        """What stands in a color."""
        return place.deployment if (place := self.world.places.get(color)) else None

    def health(self, color: Color) -> Health:
        """Whether what stands there runs."""
        self._fail("health")
        place = self.world.places.get(color)
        if place is None or not place.running:
            return Health(running=False, reason=place.reason if place else "nothing stands there")
        return Health(running=True, instance=str(place.instance))

    def remember(self, deployment: Deployment) -> None:
        """Keep what is known of a deployment."""
        place = self.world.places.get(deployment.color)
        new = place.model_copy(update={"deployment": deployment}) if place else Place(deployment=deployment)
        self._change("remember", self.world.holding(deployment.color, new))

    def address(self, color: Color) -> Address:
        """A name that nobody resolves."""
        return self.users() if color is Color.LIVE else Address(url=f"http://{color}.invalid")

    def users(self) -> Address:
        """A name that nobody resolves."""
        return Address(url="http://users.invalid")

    def answer(self, color: Color | None) -> Answer:
        """What runs in a color answers as itself; a color where nothing runs answers 503."""
        self._fail("answer")
        asked = color or self.world.live
        place = self.world.places.get(asked) if asked else None
        if place is None or place.answering is None:
            return Answer(status=503, identity=None, seen="503 from nobody it names")
        who = place.answering.identity
        return Answer(status=200, identity=who, seen=f"200 from {who}")

    # --- a color comes and goes --------------------------------------------------------------------------------

    def rehearsal(self, release: Release, live: Deployment) -> AbstractContextManager[Rehearsed | None]:  # noqa: ARG002
        """Nothing is migrated here."""
        return nullcontext()

    def shortage(self) -> str | None:
        """Nothing runs short here."""
        return None

    def tidy(self) -> None:
        """Nothing is left beside the colors here."""

    def stand_up(self, release: Release, color: Color, generation: int) -> Deployment:
        """Put a release into a color without users, or in ``live`` in the place of another; ready at once or never."""
        self._require_idle(color, "a release never stands up there")
        self._require_present(generation)
        deployment = Deployment(color=color, release=release, generation=generation, deployed=DEPLOYED)
        before = self.world.places.get(color)
        place = begun = Place(deployment=deployment, instance=before.instance + 1 if before else 1)
        fault = self.versions.get(release.version, "")
        written: dict[str, object] = {"stamp": generation}
        if self.rolling:
            begun = place.model_copy(update={"running": False, "before": before.answering if before else None})
            written |= {"live": Color.LIVE, "writes": self.world.writes + 1}
        elif fault == "exits-at-once":
            begun = place.model_copy(update={"running": False})
        self._change("stand_up", self.world.holding(color, begun, **written))
        if fault in READY_FAULTS:
            raise NotReady(f"{release.version} in {color} {READY_FAULTS[fault]}")
        if self.rolling:
            self._change("replace", self.world.holding(color, place))
        return deployment

    def retire(self, color: Color) -> None:
        """Remove what stands in a color."""
        self._require_idle(color, "it is never retired")
        if color in self.world.places:
            self._change("retire", self.world.without(color))

    def open_requests(self, color: Color) -> int:
        """What :meth:`tell` said."""
        return place.open_requests if (place := self.world.places.get(color)) else 0

    def log(self, color: Color, offset: int = 0) -> tuple[str, int]:
        """What :meth:`tell` said."""
        place = self.world.places.get(color)
        text = place.log[offset:] if place else ""
        return text, offset + len(text)

    # --- users move --------------------------------------------------------------------------------------------

    def hold_connections(self) -> None:
        """Count one kept connection."""
        self.held = 1

    def switch(self, to: Color, expected: Traffic, generation: int) -> Traffic:
        """Move the users, if traffic is as expected and no newer generation wrote."""
        present = self.live()
        if present.token != expected.token:
            raise Conflict(f"traffic is at {present.token!r}, expected was {expected.token!r}: somebody else moved it")
        if self.rolling:
            raise Conflict("this environment rolls: users go where a release stands up, and nowhere else")
        if to not in self.world.places:
            raise Conflict(f"nothing stands in {to}; users are not sent there")
        self._require_present(generation)
        moved = {"live": to, "stamp": generation, "writes": self.world.writes + 1}
        self._change("switch", self.world.model_copy(update=moved))
        return self.live()

    def observe(self, identity: Identity, since: float) -> Observation:  # noqa: ARG002 - nothing is waited for
        """Whether users are answered by that identity and no other."""
        self._fail("observe")
        kept, self.held = self.held, 0
        if self.behind is not None and self.behind is not identity.color:
            reason = f"users are still answered by: {self.behind}"
            return Observation(complete=False, seconds=0, fresh=0, kept=0, reason=reason)
        answer = self.answer(None)
        complete = answer.identity == identity
        reason = "" if complete else f"users are still answered by: {answer.seen}"
        return Observation(complete=complete, seconds=0, fresh=1, kept=kept, reason=reason)

    def follow(self, color: Color) -> bool:  # noqa: ARG002 - nothing runs once here
        """Whether what must run once arrived; where a test says so, only later."""
        self._fail("follow")
        self.following, there = max(0, self.following - 1), not self.following
        return there

    def adopt(self) -> str | None:
        """Nobody edits a color by hand here."""
        return None

    def level(self, color: Color) -> None:
        """Every color has the same size here."""

    def settled(self) -> None:
        """Nothing is held here for a release."""

    # --- the environment itself --------------------------------------------------------------------------------

    def guard(self) -> None:
        """Nobody finishes an interrupted run but the next command."""

    def up(self) -> list[str]:
        """Restore what stood in the colors."""
        stopped = {color: place for color, place in self.world.places.items() if place.answering is None}
        for color, place in stopped.items():
            again = place.model_copy(update={"running": True, "instance": place.instance + 1})
            self._change("up", self.world.holding(color, again))
        return [f"{color} {place.deployment.release.version} restored" for color, place in stopped.items()]

    def down(self) -> list[str]:
        """Stop what runs; the memory of it stays."""
        running = [color for color, place in self.world.places.items() if place.running]
        for color in running:
            self.tell(color, running=False)
        return [str(color) for color in running]

    # --- what a test does to it --------------------------------------------------------------------------------

    @property
    def world(self) -> World:
        """What is in the file."""
        return world_file.read(self.path)

    def tell(self, color: Color, **changes: object) -> None:
        """Change a place from outside: ``running=False`` kills it, ``open_requests=1`` keeps it busy, ``log="..."``."""
        self._write(self.world.holding(color, self.world.places[color].model_copy(update=changes)))

    def move(self, color: Color | None) -> None:
        """Move the users from outside, as a person with an emergency would."""
        self._write(self.world.model_copy(update={"live": color, "writes": self.world.writes + 1}))

    def stamp(self, generation: int) -> None:
        """Let a newer generation take over, as another process would."""
        self._write(self.world.model_copy(update={"stamp": generation}))

    def _release(self, version: str) -> Release:
        self._fail("known")
        if version not in self.versions:
            raise UsageError(f"unknown version {version!r}; there are: {', '.join(sorted(self.versions)) or 'none'}")
        return Release(version=version, build=f"b{version}", config="c0", artifact=f"fake:{version}")

    def _require_idle(self, color: Color, what: str) -> None:
        if color not in self.places:
            raise Conflict(f"{color} is no place of this environment")
        if self.world.live is color and not self.rolling:
            raise Conflict(f"{color} has the users; {what}")

    def _require_present(self, generation: int) -> None:
        """The fence: a holder that was paused and wakes after a takeover writes nothing (fault 32)."""
        if generation < self.world.stamp:
            raise Conflict(f"generation {self.world.stamp} acts on this environment now; {generation} is over")

    def _fail(self, verb: str) -> None:
        if verb in self.faults:
            raise self.faults[verb]

    def _change(self, verb: str, world: World) -> None:
        """One effect, with the moments before and after it at which a test may stop the world."""
        self.hook(verb)
        self._fail(verb)
        self._write(world)
        self.effects[verb] += 1
        self.hook(f"after {verb}")

    def _write(self, world: World) -> None:
        world_file.write(self.path, world)
