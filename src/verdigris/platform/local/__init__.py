"""The platform ``local``: processes on this machine behind Envoy, with PostgreSQL, no root and no Docker."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from verdigris import private_files
from verdigris.errors import Conflict, PlatformError, Refused
from verdigris.model import COLORS, Color, Deployment, Release, Traffic, now
from verdigris.platform import database
from verdigris.platform.base import Address, Answer, Health, Rehearsed
from verdigris.platform.local import artifact, guarding, process, tls
from verdigris.platform.local.envoy import PLACES
from verdigris.platform.local.machine import Machine, shown
from verdigris.platform.local.ports import require_free
from verdigris.platform.local.postgres import OWNER, READER
from verdigris.platform.local.rehearsal import clear, rehearse
from verdigris.platform.observer import Observer, Observing, look
from verdigris.settings import Settings
from verdigris.state.audit import AuditFile
from verdigris.state.journal import JournalFile, write_durably


class LocalPlatform(Observing, Machine):
    """One environment on this machine; implements :class:`verdigris.platform.base.Platform`."""

    places = COLORS

    def __init__(self, settings: Settings, environment: str) -> None:
        super().__init__(settings, environment)
        self.told: Callable[[str], None] = lambda _text: None

    @property
    def journal(self) -> JournalFile:
        """The journal and the lock, in the environment's folder."""
        return JournalFile(self.root)

    @property
    def audit(self) -> AuditFile:
        """The audit log, in the environment's folder."""
        return AuditFile(self.root / "audit.jsonl")

    # --- what a release is -------------------------------------------------------------------------------------

    def prepare(self, version: str) -> Release:
        """The release of ``version``, its artifact made where it is not there yet.

        Raises:
            Refused: where an older version started what runs, and every user of this machine is let in.
        """
        if self.router.open_to_all() or (self.postgres is not None and self.postgres.trusting()):
            raise Refused(
                "every user of this machine reaches the database or the router's administration; "
                "run 'verdigris up', which starts them anew"
            )
        env = artifact.resolve(self.local.env, shown(self.values()), self.settings.root, "local.env")
        return artifact.release_of(
            version, self.local, self.settings.root, artifact.config_hash(env, self.local.command)
        )

    def known(self, version: str) -> Release | None:
        """The release of ``version`` where its artifact is there already."""
        if not artifact.built(version, self.local, self.settings.root):
            return None
        return self.prepare(version)

    def secrets(self) -> frozenset[str]:
        """None but the settings' own."""
        return frozenset()

    def problems(self) -> list[str]:
        """What does not run though it should."""
        found = []
        if not self.router.running():
            found.append("the router does not run: run 'verdigris up'")
        if self.postgres is not None and not self.postgres.running():
            found.append("the database does not run: run 'verdigris up'")
        for name, service in self.environment.services.items():
            record = self.root / "services" / f"{name}.json"
            if service.command and not process.running(process.remembered(record)):
                found.append(f"the service {name} does not run: run 'verdigris up'")
        if problem := guarding.problem(self):
            found.append(problem)
        stopped = (color for color in COLORS if self.standing(color) is not None and not self.health(color).running)
        return [*found, *(f"{color} does not run: run 'verdigris up' to restore it" for color in stopped)]

    @property
    def migrates(self) -> bool:
        """Whether the settings have a migration command."""
        return bool(self.local.migrate)

    def migrate(self, release: Release) -> str:
        """Run the settings' migration command on the users' database."""
        return self.run_migration(release) if self.local.migrate else "no migration is configured"

    def rehearsal(self, release: Release, live: Deployment) -> AbstractContextManager[Rehearsed | None]:
        """The live version on a migrated copy of the database."""
        return rehearse(self, release, live)

    def shortage(self) -> str | None:
        """Where two colors would need more database connections than the server has."""
        settings = self.environment.database
        if self.postgres is None or settings is None or settings.connections is None:
            return None
        self.require_running()
        accepted, others = database.connections(self.postgres.url())
        needed = 2 * settings.connections
        if needed <= accepted - others:
            return None
        return (
            f"two colors may need {needed} database connections (database.connections = {settings.connections} each); "
            f"the server accepts {accepted}, of which {others} are taken by others"
        )

    # --- who is where ------------------------------------------------------------------------------------------

    def live(self) -> Traffic:
        """Who the users' route names."""
        token = self.router.token()
        name = token.split(":")[1] if ":" in token else "none"
        if name == "none":
            return Traffic(color=None, identity=None, token=token)
        try:
            color = Color(name)
        except ValueError:
            raise PlatformError(
                f"the users' route names {name!r}, which is no color; run 'verdigris recover'"
            ) from None
        deployment = self.standing(color)
        return Traffic(color=color, identity=deployment.identity if deployment else None, token=token)

    def standing(self, color: Color) -> Deployment | None:
        """What stands in a color, by this machine's memory of it."""
        try:
            text = (self.root / "colors" / f"{color}.json").read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        try:
            return Deployment.model_validate_json(text)
        except ValueError as error:
            raise PlatformError(f"{self.root}/colors/{color}.json cannot be understood: {error}") from None

    def health(self, color: Color) -> Health:
        """Whether the color's process runs."""
        started = process.remembered(self.record(color))
        if process.running(started):
            return Health(running=True, instance=f"{started.pid}:{started.start_time:g}" if started else "")
        return Health(running=False, reason=self.end_of(color))

    def remember(self, deployment: Deployment) -> None:
        """Remember a deployment durably."""
        folder = self.root / "colors"
        try:
            private_files.folder(folder)
            write_durably(folder / f"{deployment.color}.json", deployment.model_dump_json(indent=1))
        except OSError as error:
            raise PlatformError(
                f"{folder}: what stands in {deployment.color} cannot be kept: {error.strerror}"
            ) from None

    def address(self, color: Color) -> Address:
        """A color's own listener on the router."""
        return Address(url=self.router.url(color))

    def users(self) -> Address:
        """The users' listeners."""
        secure = f"https://127.0.0.1:{self.ports.secure}" if self.local.tls else None
        authority = str(self.root / "tls" / "ca.pem") if self.local.tls else None
        return Address(url=f"http://127.0.0.1:{self.ports.users}", secure_url=secure, ca=authority)

    # --- a color comes and goes --------------------------------------------------------------------------------

    def stand_up(self, release: Release, color: Color, generation: int) -> Deployment:
        """Start the release in a color without users and wait until it is ready and answers as itself."""
        if self.live().color is color:
            raise Conflict(f"{color} has the users; a release never stands up there")
        self.retire(color)
        self.require_running()
        port = self.ports.application(color)
        require_free(port, f"the application in {color}")
        deployment = Deployment(color=color, release=release, generation=generation, deployed=now())
        self.remember(deployment)
        self.router.route_place(color, f"{generation}:{color}:{release.version}", self.added(deployment))
        self.start(color, deployment)
        self.await_ready(color, deployment)
        return deployment

    def retire(self, color: Color) -> None:
        """Stop what stands in a color, strays of a killed run included."""
        if self.live().color is color:
            raise Conflict(f"{color} has the users; it is never retired")
        self.tidy()
        self.router.forget_way(color)
        self.stop(color, grace=self.environment.drain_seconds)
        (self.root / "colors" / f"{color}.json").unlink(missing_ok=True)

    def tidy(self) -> None:
        """Stop what a killed run left that stands in no color: a migration, a rehearsal."""
        self.stop("migration")
        clear(self)

    def open_requests(self, color: Color) -> int:
        """Requests in flight, as the router counts them."""
        return self.router.open_requests(color)

    def log(self, color: Color, offset: int = 0) -> tuple[str, int]:
        """What a color logged from ``offset`` bytes on."""
        try:
            with self.log_file(color).open("rb") as file:
                file.seek(offset)
                content = file.read(1_000_000)
        except FileNotFoundError:
            return "", 0
        return content.decode(errors="replace"), offset + len(content)

    def answer(self, color: Color | None) -> Answer:
        """Ask the application's ready path once; a color is asked before users go back to it, by a router that runs."""
        if color is not None and self.router.died():
            self.router.start()
            self.told("the router did not run; it runs again")
        address = self.users() if color is None else self.address(color)
        seen = look(address, self.local.ready, self.settings.identity.header)
        return Answer(status=seen.status, identity=seen.identity, seen=seen.text, late=seen.late, unasked=seen.unasked)

    # --- users move --------------------------------------------------------------------------------------------

    def _new_observer(self) -> Observer:
        return Observer(self.users(), self.settings.identity.header, self.local.ready)

    def switch(self, to: Color, expected: Traffic, generation: int) -> Traffic:
        """Rename the users' route file into place, if traffic is as expected; the way back is written before."""
        present = self.live()
        if present.token != expected.token:
            raise Conflict(f"traffic is at {present.token!r}, expected was {expected.token!r}: somebody else moved it")
        deployment = self.standing(to)
        if deployment is None:
            raise Conflict(f"nothing stands in {to}; users are not sent there")
        token = f"{generation}:{to}:{deployment.release.version}:{time.time_ns()}"
        self._prepare_way_back(present, to, generation)
        try:
            self.router.route_users(to, token, self.added(deployment))
        except PlatformError as error:  # a full disk, or no descriptor: users go back by what was written before
            try:
                self.router.take_way(to)
            except OSError:
                raise error from None
            token = self.router.token()
        return Traffic(color=to, identity=deployment.identity, token=token)

    def _prepare_way_back(self, present: Traffic, to: Color, generation: int) -> None:
        """No users are moved unless they can be moved back; to go back itself needs nothing prepared."""
        left = self.standing(present.color) if present.color is not None else None
        if left is None or left.color is to:
            return
        token = f"{generation}:{left.color}:{left.release.version}:{time.time_ns()}:prepared"
        try:
            self.router.prepare_way(left.color, token, self.added(left))
        except PlatformError:
            if not self.router.has_way(to):
                raise

    def follow(self, color: Color) -> bool:  # noqa: ARG002 - each verb is called alike
        """Nothing must run once here."""
        return True

    def adopt(self) -> str | None:
        """Nobody edits a color by hand here."""
        return None

    def level(self, color: Color) -> None:
        """Each color is one process here."""

    def settled(self) -> None:
        """Nothing is held here for a release."""

    # --- the environment itself --------------------------------------------------------------------------------

    def guard(self) -> None:
        """Start the guardian again if it died; an environment that is down needs none."""
        if self.router.running() and guarding.start(self):
            self.told("the guardian did not run; it runs again")

    def up(self) -> list[str]:
        """Start the router, the database and the services, and restore what stood in the colors."""
        did = []
        private_files.folder(self.root)
        for folder in (self.root.parent, self.root):
            private_files.close(folder)
        if self.local.tls:
            tls.ensure(self.root / "tls")
        did += self._stop_trusting()
        if self.postgres is not None and not self.postgres.running():
            self.postgres.stop()
            require_free(self.ports.database, "the database")
            self.postgres.start()
            did.append(f"database  PostgreSQL on port {self.ports.database}")
        did += self.start_services()
        if not self.router.running():
            self.router.stop()
            for port in (self.ports.users, self.ports.secure, *map(self.ports.listener, PLACES)):
                require_free(port, "the router")
            self.router.start()
            did.append(f"router    Envoy, users at {self.users().url}")
        if guarding.start(self):
            did.append("guardian  finishes a run that dies")
        for color in COLORS:
            deployment = self.standing(color)
            if deployment is not None and not self.health(color).running:
                self.stop(color)
                self.start(color, deployment)
                self.await_ready(color, deployment)
                did.append(f"{color:9} {deployment.release.version} restored")
        return did

    def _stop_trusting(self) -> list[str]:
        """Stop what an older version started open to every user of this machine; ``up`` starts it anew.

        With the database go those who know no password of it.
        """
        did = []
        if self.postgres is not None and self.postgres.trusting():
            self.down()
            did.append("database  let every user of this machine in; it asks for a password now, and all starts anew")
        if self.router.open_to_all():
            self.router.stop()
            did.append("router    its administration was open to every user of this machine; it starts anew")
        return did

    def down(self) -> list[str]:
        """Stop every process; data and memory stay."""
        did = ["guardian"] if guarding.stop(self) else []
        did += [place for place in PLACES if self.stop(place, grace=5)]
        records = {name: self.root / "services" / f"{name}.json" for name in self.environment.services}
        did += [name for name, record in records.items() if process.stop(f"{self.mark}:service:{name}", record)]
        if self.router.stop():
            did.append("router")
        if self.postgres is not None and self.postgres.stop():
            did.append("database")
        return did

    def database_url(self, *, reader: bool = True) -> str | None:
        """Where suites read the database; by a role that cannot write unless asked otherwise."""
        database = self.environment.database
        if database is None:
            return None
        if self.postgres is not None:
            return self.postgres.url(READER if reader and not database.writes else OWNER)
        return database.url if isinstance(database.url, str) else database.url.read(self.settings.root)  # type: ignore[union-attr]
