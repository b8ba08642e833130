"""A migration proved before it is run: the live version, on a copy of the database that was migrated.

The copy is a database of its own on the same server. The live version is started once more, on the copy, behind a
listener of its own on the router; whatever the suites do to it, the users' database is not touched. What a killed run
leaves is removed by the next one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from verdigris import private_files
from verdigris.model import Deployment, Release
from verdigris.platform import database
from verdigris.platform.base import Rehearsed
from verdigris.platform.local.machine import Machine
from verdigris.platform.local.postgres import READER

NAME = "rehearsal"


@contextmanager
def rehearse(machine: Machine, release: Release, live: Deployment) -> Iterator[Rehearsed | None]:
    """The live version on a migrated copy for the time of the block; ``None`` where the release migrates nothing.

    Raises:
        NotReady: where the migration fails on the copy, or the live version does not become ready on it.
    """
    postgres, settings = machine.postgres, machine.environment.database
    if postgres is None or settings is None or settings.revision_query is None or not machine.local.migrate:
        yield None
        return
    machine.require_running()
    if release.migration is None or database.revision(postgres.url(), settings.revision_query) == release.migration:
        yield None
        return
    copy = f"{postgres.database}_{NAME}"
    clear(machine)
    private_files.folder(_note(machine).parent)
    private_files.write(_note(machine), copy)
    try:
        database.create(postgres.url(), copy)
        database.copy(postgres.url(), postgres.url(database=copy))
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
        server = machine.postgres.url(database="postgres")
        database.drop(server, f"{machine.postgres.database}_{NAME}")
        _note(machine).unlink()


def _note(machine: Machine) -> Path:
    """A file that is there as long as there may be a copy."""
    return machine.root / "processes" / f"{NAME}.database"
