"""The connection pool, opened lazily: without a database the application starts, and says that it is not ready."""

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

Connection = psycopg.AsyncConnection[DictRow]
Pool = AsyncConnectionPool[Connection]

LIMITS = "-c statement_timeout=5s -c lock_timeout=2s -c idle_in_transaction_session_timeout=10s"


def make_pool(url: str, max_size: int, name: str) -> Pool:
    """Make a small pool whose connections are checked before use, so that a database's restart is survived.

    `reconnect_timeout` is short: after it the pool gives up in the background and the next request tries afresh,
    whereas the default would back off for minutes after the database is already there again.
    """
    return AsyncConnectionPool(
        url,
        connection_class=Connection,
        kwargs={
            "autocommit": True,
            "row_factory": dict_row,
            "connect_timeout": 2,
            "options": LIMITS,
            "application_name": name,
        },
        min_size=1,
        max_size=max_size,
        timeout=2,
        reconnect_timeout=2,
        check=AsyncConnectionPool.check_connection,
        open=False,
    )


async def schema_revision(pool: Pool) -> str | None:
    """Ask the database how far it is migrated; None before the first migration."""
    async with pool.connection(timeout=1) as connection:
        try:
            row = await (await connection.execute("SELECT version_num FROM alembic_version")).fetchone()
        except psycopg.errors.UndefinedTable:
            return None
    return str(row["version_num"]) if row else None
