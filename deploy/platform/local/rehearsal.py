"""A migration proved before it is run: the live version, on a copy of the database that was migrated.

The copy is a database of its own on the same server. The live version is started once more, on the copy, behind a
listener of its own on the router; whatever the suites do to it, the users' database is not touched. What a killed run
leaves is removed by the next one.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.errors import NotReady
from deploy.model import Deployment, Release
from deploy.platform.base import Rehearsed
from deploy.platform.local.machine import Machine
from deploy.platform.local.postgres import READER, Postgres, binaries

NAME = "rehearsal"


@contextmanager
def rehearse(machine: Machine, release: Release, live: Deployment) -> Iterator[Rehearsed | None]:
    """The live version on a migrated copy for the time of the block; ``None`` where the release migrates nothing.

    Raises:
        NotReady: where the migration fails on the copy, or the live version does not become ready on it.
    """
    postgres, database = machine.postgres, machine.environment.database
    if postgres is None or database is None or database.revision_query is None or not machine.local.migrate:
        yield None
        return
    machine.require_running()
    if release.migration is None or revision(postgres, database.revision_query) == release.migration:
        yield None
        return
    copy = f"{postgres.database}_{NAME}"
    clear(machine)
    _note(machine).parent.mkdir(parents=True, exist_ok=True)
    _note(machine).write_text(copy, encoding="utf-8")
    try:
        _copy(postgres, copy)
        done = machine.run_migration(release, postgres.url(database=copy))
        machine.router.route_place(NAME, f"{live.generation}:{NAME}:{live.release.version}", machine.added(live))
        machine.start(NAME, live, postgres.url(database=copy))
        machine.await_ready(NAME, live)
        yield Rehearsed(
            address=machine.router.url(NAME),
            database_url=postgres.url(READER, copy),
            text=done,
        )
    finally:
        clear(machine)


def clear(machine: Machine) -> None:
    """Remove what a rehearsal leaves, this one or a killed one."""
    machine.stop(NAME, grace=2)
    if machine.postgres is not None and _note(machine).exists() and machine.postgres.running():
        machine.postgres.drop(f"{machine.postgres.database}_{NAME}")
        _note(machine).unlink()


def _note(machine: Machine) -> Path:
    """A file that is there as long as there may be a copy."""
    return machine.root / "processes" / f"{NAME}.database"


def revision(postgres: Postgres, query: str) -> str | None:
    """The migration level of the users' database; ``None`` where it has none yet."""
    import psycopg

    with psycopg.connect(postgres.url(), connect_timeout=5) as connection:
        try:
            row = connection.execute(query.encode()).fetchone()
        except psycopg.errors.UndefinedTable:
            return None
    return str(row[0]) if row else None


def _copy(postgres: Postgres, copy: str) -> None:
    """The whole of the users' database, as of one moment."""
    postgres.create(copy)
    dump = subprocess.Popen(
        [str(binaries() / "pg_dump"), "--format=custom", "--no-owner", postgres.url()],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    restore = subprocess.run(
        [str(binaries() / "pg_restore"), "--no-owner", "--exit-on-error", "-d", postgres.url(database=copy)],
        stdin=dump.stdout,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if dump.wait(10) or restore.returncode:
        raise NotReady(f"the database cannot be copied: {restore.stderr.strip()[-500:]}")
