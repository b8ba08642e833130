"""The platform ``local``: processes on this machine behind Envoy, with PostgreSQL, no root and no Docker."""

import hashlib
import subprocess
import sys
import time
from pathlib import Path

from deploy.errors import Conflict, NotReady, PlatformError, Refused, UsageError
from deploy.journal import write_durably
from deploy.model import Color, Deployment, Identity, Release, Traffic, now
from deploy.platform.base import Address, Answer, Health, Observation
from deploy.platform.local import artifact, process, tls
from deploy.platform.local.envoy import Envoy
from deploy.platform.local.ports import Ports, require_free
from deploy.platform.local.postgres import READER, Postgres
from deploy.platform.observer import Observer, answer_of
from deploy.settings import Settings

STATE = ".verdigris"


class LocalPlatform:
    """One environment on this machine; implements :class:`deploy.platform.base.Platform`."""

    def __init__(self, settings: Settings, environment: str) -> None:
        chosen = settings.environment(environment)
        if chosen.local is None:
            raise UsageError(f"environment {environment!r} is not on the platform local")
        self.settings = settings
        self.environment = chosen
        self.local = chosen.local
        self.root = settings.root / STATE / environment
        self.ports = Ports(users=self.local.port)
        self.mark = hashlib.sha256(str(self.root).encode()).hexdigest()[:12]
        certificates = self.root / "tls" if self.local.tls else None
        self.router = Envoy(
            self.root / "router", self.ports, f"{self.mark}:router", settings.identity.header, certificates
        )
        self.postgres: Postgres | None = None
        if chosen.database is not None and chosen.database.embedded:
            folder = self.root / "database"
            self.postgres = Postgres(folder, self.ports.database, chosen.database.name, f"{self.mark}:database")
        self._observer: Observer | None = None

    # --- what a release is -------------------------------------------------------------------------------------

    def prepare(self, version: str) -> Release:
        """The release of ``version``, its artifact made where it is not there yet."""
        env = artifact.resolve(self.local.env, self._values(), self.settings.root, "local.env")
        return artifact.release_of(
            version, self.local, self.settings.root, artifact.config_hash(env, self.local.command)
        )

    def known(self, version: str) -> Release | None:
        """The release of ``version`` where its artifact is there already."""
        if not artifact.built(version, self.local, self.settings.root):
            return None
        return self.prepare(version)

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
        for color in Color:
            if self.standing(color) is not None and not self.health(color).running:
                found.append(f"{color} does not run: run 'verdigris up' to restore it")
        return found

    def migrate(self, release: Release) -> str:
        """Run the settings' migration command from the release's artifact."""
        if not self.local.migrate:
            return "no migration is configured"
        values = self._values() | {"artifact": release.artifact, "version": release.version}
        words = [artifact.fill(word, values, "local.migrate") for word in self.local.migrate]
        env = artifact.resolve(self.local.env, values, self.settings.root, "local.env") | process.passed_on()
        self._stop_migrations()
        env[process.MARK] = f"{self.mark}:migration"
        try:
            done = subprocess.run(
                words, cwd=release.artifact, env=env, capture_output=True, text=True, timeout=120, check=False
            )
        except subprocess.TimeoutExpired:
            raise NotReady("the migration did not end within 120 s; the database was left to undo it") from None
        except OSError as error:
            raise NotReady(f"the migration cannot be started: {words[0]}: {error.strerror}") from None
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip())[-1500:]
            raise NotReady(f"the migration failed (exit {done.returncode}); traffic is untouched:\n{said}")
        return (done.stdout.strip().splitlines() or ["done"])[-1][:200]

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
        started = process.remembered(self._record(color))
        if process.running(started):
            return Health(running=True, instance=f"{started.pid}:{started.start_time:g}" if started else "")
        code = process.exit_code(started) if started else None
        reason = "its process ended" + (f" with exit code {code}" if code is not None else "")
        return Health(running=False, reason=reason)

    def remember(self, deployment: Deployment) -> None:
        """Remember a deployment durably."""
        folder = self.root / "colors"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_durably(folder / f"{deployment.color}.json", deployment.model_dump_json(indent=1))
        except OSError as error:
            raise PlatformError(
                f"{folder}: what stands in {deployment.color} cannot be kept: {error.strerror}"
            ) from None

    def address(self, color: Color) -> Address:
        """A color's own listener on the router."""
        return Address(url=f"http://127.0.0.1:{self.ports.listener(color)}")

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
        self._require_running()
        port = self.ports.application(color)
        require_free(port, f"the application in {color}")
        deployment = Deployment(color=color, release=release, generation=generation, deployed=now())
        self.remember(deployment)
        routed = deployment.identity if self.settings.identity.grade == "routed" else None
        self.router.route_color(color, f"{generation}:{color}:{release.version}", routed)
        self._start(deployment)
        self._await_ready(deployment)
        return deployment

    def retire(self, color: Color) -> None:
        """Stop what stands in a color, strays of a killed run included."""
        if self.live().color is color:
            raise Conflict(f"{color} has the users; it is never retired")
        self._stop_migrations()
        process.stop(f"{self.mark}:{color}", self._record(color), grace=self.environment.drain_seconds)
        (self.root / "colors" / f"{color}.json").unlink(missing_ok=True)

    def open_requests(self, color: Color) -> int:
        """Requests in flight, as the router counts them."""
        return self.router.open_requests(color)

    def log(self, color: Color, offset: int = 0) -> tuple[str, int]:
        """What a color logged from ``offset`` bytes on."""
        try:
            with self._log(color).open("rb") as file:
                file.seek(offset)
                content = file.read(1_000_000)
        except FileNotFoundError:
            return "", 0
        return content.decode(errors="replace"), offset + len(content)

    def answer(self, color: Color | None) -> Answer:
        """Ask the application's ready path once."""
        address = self.users() if color is None else self.address(color)
        status, identity, seen = answer_of(address.url + self.local.ready, self.settings.identity.header)
        return Answer(status=status, identity=identity, seen=seen)

    # --- users move --------------------------------------------------------------------------------------------

    def hold_connections(self) -> None:
        """Open the kept-alive connections that the next ``observe`` looks at."""
        self.release_connections()
        self._observer = Observer(self.users(), self.settings.identity.header, self.local.ready)
        self._observer.open()

    def release_connections(self) -> None:
        """Close them."""
        if self._observer is not None:
            self._observer.close()
            self._observer = None

    def switch(self, to: Color, expected: Traffic, generation: int) -> Traffic:
        """Rename the users' route file into place, if traffic is as expected."""
        present = self.live()
        if present.token != expected.token:
            raise Conflict(f"traffic is at {present.token!r}, expected was {expected.token!r}: somebody else moved it")
        deployment = self.standing(to)
        if deployment is None:
            raise Conflict(f"nothing stands in {to}; users are not sent there")
        token = f"{generation}:{to}:{deployment.release.version}:{time.time_ns()}"
        routed = deployment.identity if self.settings.identity.grade == "routed" else None
        self.router.route_users(to, token, routed)
        return Traffic(color=to, identity=deployment.identity, token=token)

    def observe(self, identity: Identity, since: float) -> Observation:
        """Ask from fresh and kept-alive connections until every answer is the identity's."""
        if self._observer is None:
            self._observer = Observer(self.users(), self.settings.identity.header, self.local.ready)
        try:
            return self._observer.wait_for(identity, since, self.environment.switch_seconds)
        finally:
            self.release_connections()

    # --- the environment itself --------------------------------------------------------------------------------

    def up(self) -> list[str]:
        """Start the router, the database and the services, and restore what stood in the colors."""
        did = []
        self.root.mkdir(parents=True, exist_ok=True)
        if self.local.tls:
            tls.ensure(self.root / "tls")
        if self.postgres is not None and not self.postgres.running():
            self.postgres.stop()
            require_free(self.ports.database, "the database")
            self.postgres.start()
            did.append(f"database  PostgreSQL on port {self.ports.database}")
        did += self._start_services()
        if not self.router.running():
            self.router.stop()
            for port in (self.ports.users, self.ports.secure, self.ports.admin, *map(self.ports.listener, Color)):
                require_free(port, "the router")
            self.router.start()
            did.append(f"router    Envoy, users at {self.users().url}")
        for color in Color:
            deployment = self.standing(color)
            if deployment is not None and not self.health(color).running:
                process.stop(f"{self.mark}:{color}", self._record(color))
                self._start(deployment)
                self._await_ready(deployment)
                did.append(f"{color:9} {deployment.release.version} restored")
        return did

    def down(self) -> list[str]:
        """Stop every process; data and memory stay."""
        did = [str(color) for color in Color if process.stop(f"{self.mark}:{color}", self._record(color), grace=5)]
        for name in self.environment.services:
            if process.stop(f"{self.mark}:service:{name}", self.root / "services" / f"{name}.json"):
                did.append(name)
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
            return self.postgres.url(READER if reader and not database.writes else "postgres")
        return database.url if isinstance(database.url, str) else database.url.read(self.settings.root)  # type: ignore[union-attr]

    def service_url(self, name: str) -> str:
        """Where an external service is reached."""
        service = self.environment.services[name]
        return service.url or f"http://127.0.0.1:{self.ports.service(list(self.environment.services).index(name))}"

    def _values(self) -> dict[str, str]:
        values = {"python": sys.executable, "root": str(self.settings.root), "users_url": self.users().url}
        if (url := self.postgres.url() if self.postgres else None) is not None:
            values["database_url"] = url
        for name in self.environment.services:
            values[f"{name.replace('-', '_')}_url"] = self.service_url(name)
        return values

    def _record(self, color: Color) -> Path:
        return self.root / "processes" / f"{color}.json"

    def _stop_migrations(self) -> None:
        """Those that a killed run left; their transactions are undone by the database."""
        process.stop(f"{self.mark}:migration", self.root / "processes" / "migration.json")

    def _log(self, color: Color) -> Path:
        return self.root / "logs" / f"{color}.log"

    def _start(self, deployment: Deployment) -> None:
        color, release = deployment.color, deployment.release
        values = self._values() | {
            "artifact": release.artifact,
            "version": release.version,
            "port": str(self.ports.application(color)),
            "color": str(color),
            "config": release.config,
        }
        env = artifact.resolve(self.local.env, values, self.settings.root, "local.env")
        env |= {"PORT": values["port"], "RELEASE_COLOR": str(color), "RELEASE_CONFIG": release.config}
        record = self._record(color)
        record.parent.mkdir(parents=True, exist_ok=True)
        self._log(color).unlink(missing_ok=True)
        process.start(
            [artifact.fill(word, values, "local.command") for word in self.local.command],
            mark=f"{self.mark}:{color}",
            log=self._log(color),
            cwd=Path(release.artifact),
            env=env,
            record=record,
        )

    def _await_ready(self, deployment: Deployment) -> None:
        """Ready, as itself, and for a while; or fail at once on what cannot become ready."""
        color, began = deployment.color, time.monotonic()
        deadline, ready_since, seen = began + self.local.ready_seconds, None, "nothing"
        while True:
            health = self.health(color)
            if not health.running:
                raise NotReady(
                    f"{deployment.release.version} in {color} ended after {time.monotonic() - began:.1f} s: "
                    f"{health.reason}; it logged last:\n{process.tail(self._log(color))}"
                )
            status, identity, seen = answer_of(
                self.address(color).url + self.local.ready, self.settings.identity.header
            )
            present = time.monotonic()
            if status is not None and status < 500 and identity is not None and identity != deployment.identity:
                raise NotReady(
                    f"{color} answers as {identity}, expected is {deployment.identity}: not what was deployed"
                )
            if status == 200 and identity == deployment.identity:
                ready_since = ready_since or present
                if present - ready_since >= self.local.stable_seconds:
                    return
            else:
                ready_since = None
            if present > deadline:
                raise NotReady(
                    f"{deployment.release.version} in {color} was not ready within {self.local.ready_seconds:g} s: "
                    f"{self.local.ready} answered {seen}; it logged last:\n{process.tail(self._log(color))}"
                )
            time.sleep(0.03)

    def _start_services(self) -> list[str]:
        did = []
        for index, (name, service) in enumerate(self.environment.services.items()):
            record = self.root / "services" / f"{name}.json"
            if not service.command or process.running(process.remembered(record)):
                continue
            process.stop(f"{self.mark}:service:{name}", record)
            port = self.ports.service(index)
            require_free(port, f"the service {name}")
            values = self._values() | {"port": str(port)}
            log = self.root / "logs" / f"{name}.log"
            record.parent.mkdir(parents=True, exist_ok=True)
            started = process.start(
                [artifact.fill(word, values, f"services.{name}.command") for word in service.command],
                mark=f"{self.mark}:service:{name}",
                log=log,
                cwd=self.settings.root,
                env=artifact.resolve(service.env, values, self.settings.root, f"services.{name}.env"),
                record=record,
            )
            self._await_service(name, f"http://127.0.0.1:{port}{service.ready}", started, log)
            did.append(f"service   {name} on port {port}")
        return did

    def _await_service(self, name: str, url: str, started: process.Started, log: Path) -> None:
        deadline = time.monotonic() + 20
        while answer_of(url, "")[0] != 200:
            if not process.running(started):
                raise PlatformError(f"the service {name} exited at once:\n{process.tail(log)}")
            if time.monotonic() > deadline:
                raise PlatformError(f"the service {name} does not answer at {url} after 20 s:\n{process.tail(log)}")
            time.sleep(0.03)

    def _require_running(self) -> None:
        if not self.router.running():
            raise Refused("the environment is not up: its router does not run; run 'verdigris up'")
        if self.postgres is not None and not self.postgres.running():
            raise Refused("the environment is not up: its database does not run; run 'verdigris up'")
