"""What runs on this machine for one environment: where it is, how it is started, and when it counts as ready."""

import hashlib
import subprocess
import sys
import time
from pathlib import Path

from verdigris import private_files
from verdigris.errors import NotReady, PlatformError, Refused, UsageError
from verdigris.model import Deployment, Identity, Release
from verdigris.platform import database
from verdigris.platform.base import STATE, Address
from verdigris.platform.building import fill
from verdigris.platform.local import artifact, process
from verdigris.platform.local.envoy import Envoy
from verdigris.platform.local.ports import Ports, require_free
from verdigris.platform.local.postgres import Postgres
from verdigris.platform.observer import answer_of
from verdigris.settings import Settings


class Machine:
    """The processes of one environment and the files about them."""

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

    def values(self, database_url: str | None = None) -> dict[str, str]:
        """What the settings' commands and variables may name in braces."""
        users = f"http://127.0.0.1:{self.ports.users}"
        values = {"python": sys.executable, "root": str(self.settings.root), "users_url": users}
        if self.postgres is not None:
            values["database_url"] = database_url or self.postgres.url()
        for name in self.environment.services:
            values[f"{name.replace('-', '_')}_url"] = self.service_url(name)
        return values

    def env(self, values: dict[str, str]) -> dict[str, str]:
        """The application's variables, secrets read from where they are."""
        return self._passfile() | artifact.resolve(self.local.env, values, self.settings.root, "local.env")

    def _passfile(self) -> dict[str, str]:
        """Where PostgreSQL's clients find the password that stands in no command line."""
        return {"PGPASSFILE": str(self.postgres.passfile)} if self.postgres is not None else {}

    def added(self, deployment: Deployment) -> Identity | None:
        """The identity that the router adds to its answers, or nothing where the application says it itself."""
        return deployment.identity if self.settings.identity.grade == "routed" else None

    def record(self, place: str) -> Path:
        """Where the process of a color, a rehearsal or a migration is remembered."""
        return self.root / "processes" / f"{place}.json"

    def log_file(self, place: str) -> Path:
        """Where a color, a rehearsal or a service logs."""
        return self.root / "logs" / f"{place}.log"

    def service_url(self, name: str) -> str:
        """Where an external service is reached."""
        service = self.environment.services[name]
        return service.url or f"http://127.0.0.1:{self.ports.service(list(self.environment.services).index(name))}"

    def stop(self, place: str, grace: float = 10.0) -> bool:
        """Stop what runs in a place, strays of a killed run included; whether there was anything."""
        return process.stop(f"{self.mark}:{place}", self.record(place), grace=grace)

    def start(self, place: str, deployment: Deployment, database_url: str | None = None) -> None:
        """Start a release's command in a place."""
        release = deployment.release
        values = self.values(database_url) | {
            "artifact": release.artifact,
            "version": release.version,
            "port": str(self.ports.application(place)),
            "color": str(deployment.color),
            "config": release.config,
        }
        env = self.env(values)
        env |= {"PORT": values["port"], "RELEASE_COLOR": str(deployment.color), "RELEASE_CONFIG": release.config}
        private_files.folder(self.record(place).parent)
        self.log_file(place).unlink(missing_ok=True)
        process.start(
            [fill(word, shown(values), "local.command") for word in self.local.command],
            mark=f"{self.mark}:{place}",
            log=self.log_file(place),
            cwd=Path(release.artifact),
            env=env,
            record=self.record(place),
        )

    def await_ready(self, place: str, deployment: Deployment) -> None:
        """Wait until it is ready, as itself, and for a while; or fail at once on what cannot become ready.

        Raises:
            NotReady: with what was seen last, and what it logged last.
        """
        version, began = deployment.release.version, time.monotonic()
        deadline, ready_since = began + self.local.ready_seconds, None
        address, header = Address(url=self.router.url(place)), self.settings.identity.header
        while True:
            if not process.running(process.remembered(self.record(place))):
                raise NotReady(
                    f"{version} in {place} ended after {time.monotonic() - began:.1f} s: {self.end_of(place)}; "
                    f"it logged last:\n{process.tail(self.log_file(place))}"
                )
            status, identity, seen = answer_of(address, self.local.ready, header)
            present = time.monotonic()
            if status is not None and status < 500 and identity is not None and identity != deployment.identity:
                raise NotReady(
                    f"{place} answers as {identity}, expected is {deployment.identity}: not what was deployed"
                )
            if status == 200 and identity == deployment.identity:
                ready_since = ready_since or present
                if present - ready_since >= self.local.stable_seconds:
                    return
            else:
                ready_since = None
            if present > deadline and ready_since is None:  # whoever is ready shows whether it stays so
                raise NotReady(
                    f"{version} in {place} was not ready within {self.local.ready_seconds:g} s: {self.local.ready} "
                    f"answered {seen}; it logged last:\n{process.tail(self.log_file(place))}"
                )
            time.sleep(0.03)

    def end_of(self, place: str) -> str:
        """How its process ended, in words."""
        started = process.remembered(self.record(place))
        code = process.exit_code(started) if started else None
        return "its process ended" + (f" with exit code {code}" if code is not None else "")

    def run_migration(self, release: Release, database_url: str | None = None) -> str:
        """Run the settings' migration command from the release's artifact; the last line it printed.

        Raises:
            NotReady: where it fails; its transaction is undone by the database.
            Refused: where the environment is not up; whatever listens on its ports is not its database then.
        """
        self.require_running()
        values = self.values(database_url) | {"artifact": release.artifact, "version": release.version}
        words = [fill(word, shown(values), "local.migrate") for word in self.local.migrate]
        self.stop("migration")  # one that a killed run left
        env = self.env(values) | process.passed_on() | {process.MARK: f"{self.mark}:migration"}
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

    def start_services(self) -> list[str]:
        """Start the services that run here and do not yet; says which.

        Raises:
            PlatformError: where one does not answer.
            Refused: where its port is taken.
        """
        did = []
        for index, (name, service) in enumerate(self.environment.services.items()):
            record = self.root / "services" / f"{name}.json"
            if not service.command or process.running(process.remembered(record)):
                continue
            process.stop(f"{self.mark}:service:{name}", record)
            port = self.ports.service(index)
            require_free(port, f"the service {name}")
            values = self.values() | {"port": str(port)}
            private_files.folder(record.parent)
            started = process.start(
                [fill(word, shown(values), f"services.{name}.command") for word in service.command],
                mark=f"{self.mark}:service:{name}",
                log=self.log_file(name),
                cwd=self.settings.root,
                env=self._passfile()
                | artifact.resolve(service.env, values, self.settings.root, f"services.{name}.env"),
                record=record,
            )
            self._await_service(name, Address(url=f"http://127.0.0.1:{port}"), service.ready, started)
            did.append(f"service   {name} on port {port}")
        return did

    def _await_service(self, name: str, address: Address, ready: str, started: process.Started) -> None:
        deadline, log = time.monotonic() + 20, self.log_file(name)
        while answer_of(address, ready, "")[0] != 200:
            if not process.running(started):
                raise PlatformError(f"the service {name} exited at once:\n{process.tail(log)}")
            if time.monotonic() > deadline:
                raise PlatformError(
                    f"the service {name} does not answer at {address}{ready} after 20 s:\n{process.tail(log)}"
                )
            time.sleep(0.03)

    def require_running(self) -> None:
        """Refuse to act where the environment is not up.

        Raises:
            Refused: naming what does not run.
        """
        if not self.router.running():
            raise Refused("the environment is not up: its router does not run; run 'verdigris up'")
        if self.postgres is not None and not self.postgres.running():
            raise Refused("the environment is not up: its database does not run; run 'verdigris up'")


def shown(values: dict[str, str]) -> dict[str, str]:
    """The values for a command line, which every user of the machine can read: the database's URL has no password."""
    url = values.get("database_url")
    return values if url is None else {**values, "database_url": database.bare(url)}
