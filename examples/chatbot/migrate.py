"""Bring the database of DATABASE_URL to the schema this artifact needs; running it again changes nothing.

The schema only goes forward: a database that is already beyond this version's migration is left alone, because the
live version must go on working while a newer one is prepared.
"""

import os
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

# Whoever waits for a lock makes everybody wait who comes after: less than the 2 s that the application bears.
LIMITS = "-c lock_timeout=1s -c statement_timeout=60s"
ONE_AT_A_TIME = 7_241_001  # the advisory lock that keeps two migrations apart


def engine_url(url: str) -> str:
    """Name the driver: psycopg 3, as the application itself."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("postgresql", "postgres"):
        raise SystemExit("migrate.py: DATABASE_URL must be set and begin with postgresql://")
    return f"postgresql+psycopg://{rest}"


def migrate(connection: Connection) -> str:
    """Upgrade to the newest migration here; return the sentence that says what happened."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).resolve().parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    needed = ScriptDirectory.from_config(config).get_current_head() or "none"
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ONE_AT_A_TIME})
    before = MigrationContext.configure(connection).get_current_revision()
    if before is not None and before > needed:
        return f"migration {before} -> {before} (newer than the {needed} this version needs: nothing to do)"
    command.upgrade(config, "head")
    return f"migration {before or 'none'} -> {needed}" + (" (nothing to do)" if before == needed else "")


def main() -> int:
    """Migrate within one transaction, so that a failure leaves the schema as it was."""
    engine = create_engine(
        engine_url(os.environ.get("DATABASE_URL", "")),
        poolclass=NullPool,
        connect_args={"options": LIMITS, "connect_timeout": 5},
    )
    try:
        with engine.begin() as connection:
            done = migrate(connection)
    except SQLAlchemyError as problem:
        print(f"migrate.py: the schema is unchanged: {getattr(problem, 'orig', None) or problem}", file=sys.stderr)
        return 1
    print(done)
    return 0


if __name__ == "__main__":
    sys.exit(main())
