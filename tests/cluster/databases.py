"""The database of an environment of the chatbot, asked and disturbed from outside of every release."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from verdigris.platform.database import elsewhere, revision

from .chatbot import Chatbot

LEVEL = "SELECT version_num FROM alembic_version"
OUTAGE = '''"""The database goes away in the middle of smoke, where the file ``outage`` says which one."""

from pathlib import Path

import psycopg
import pytest


@pytest.mark.no_target(reason="it takes the database away")
def test_aa_the_database_may_go_away() -> None:
    """Whoever is connected is thrown out, and nobody comes in again."""
    told = Path(__file__).parent.parent / "outage"
    if told.exists():
        server, name = told.read_text().split()
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
'''
REFUSING = """
CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_database() = '{name}' AND EXISTS (
        SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity = 'public.conversations'
    ) THEN
        RAISE EXCEPTION 'conversations are not altered today';
    END IF;
END $$;
CREATE EVENT TRIGGER refuse ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION refuse();
"""


class Database:
    """The database of the chatbot's production, asked from outside."""

    def __init__(self, chatbot: Chatbot) -> None:
        self.name = chatbot.database
        self.server = chatbot.machine.admin
        self.url = elsewhere(self.server, self.name)

    @contextmanager
    def connected(self, url: str = "") -> "Iterator[psycopg.Connection[Any]]":
        """A connection that may do anything."""
        with psycopg.connect(url or self.url, autocommit=True) as connection:
            yield connection

    def do(self, words: str) -> None:
        """Run statements."""
        with self.connected() as connection:
            connection.execute(words.encode())

    @property
    def level(self) -> str | None:
        """How far it is migrated."""
        return revision(self.url, LEVEL)

    def columns(self, table: str) -> set[str]:
        """The columns of a table."""
        query = "SELECT column_name FROM information_schema.columns WHERE table_name = %s"
        with self.connected() as connection:
            return {row[0] for row in connection.execute(query, [table])}

    def copies(self) -> list[str]:
        """The copies that there are of it."""
        query = "SELECT datname FROM pg_database WHERE datname LIKE %s"
        with self.connected(self.server) as connection:
            return [row[0] for row in connection.execute(query, [f"{self.name}_%"])]
