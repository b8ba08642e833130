"""Database connectivity: reachable, at the expected migration, and what the API wrote is there."""

from typing import Any

import httpx
import psycopg
import pytest


def test_the_database_is_reachable(database: psycopg.Connection[Any]) -> None:
    """A query is answered."""
    assert database.execute("SELECT 1").fetchone() == (1,)


def test_the_schema_is_what_the_release_needs(
    database: psycopg.Connection[Any], http: httpx.Client, environment: Any
) -> None:
    """The schema is at the release's own migration or beyond it: it only goes forward."""
    row = database.execute(environment.database.revision_query).fetchone()
    assert row is not None, "the database has no migration level"
    assert str(row[0]) >= http.get("/version").json()["migration"]


def test_what_the_api_wrote_is_in_the_database(database: psycopg.Connection[Any], chat: Any) -> None:
    """A message that the API accepted stands in the database, under the test tenant."""
    assert chat.say("is it kept?").status_code == 201
    rows = database.execute(
        "SELECT c.tenant, m.role, m.content FROM messages m JOIN conversations c ON c.id = m.conversation_id "
        "WHERE c.id = %s ORDER BY m.id",
        [chat.id],
    ).fetchall()
    assert [row[1] for row in rows] == ["user", "assistant"]
    assert rows[0][2] == "is it kept?"
    assert {row[0] for row in rows} == {chat.http.headers["x-tenant"]}


def test_the_suites_cannot_write_to_the_database(database: psycopg.Connection[Any], environment: Any) -> None:
    """The suites' own connection is read-only, unless the environment allows writes."""
    row = database.execute("SHOW default_transaction_read_only").fetchone()
    assert row == ("off" if environment.database.writes else "on",)
    if environment.database.writes:
        return
    with pytest.raises(psycopg.Error):
        database.execute("CREATE TABLE verdigris_may_not (x int)")
