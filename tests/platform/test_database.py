"""A PostgreSQL by its URL: its level, its connections, and scratch copies of it."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.world import free_base
from verdigris.errors import PlatformError
from verdigris.platform import database
from verdigris.platform.local.postgres import Postgres

LEVEL = "SELECT version_num FROM alembic_version"
SHOP = """
CREATE ROLE keeper LOGIN;
CREATE TABLE alembic_version (version_num text);
INSERT INTO alembic_version VALUES ('0007');
CREATE TABLE customers (id integer PRIMARY KEY, name text);
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer integer NOT NULL REFERENCES customers,
    net integer NOT NULL,
    gross integer GENERATED ALWAYS AS (net * 2) STORED
);
ALTER TABLE orders OWNER TO keeper;
INSERT INTO customers SELECT n, 'customer ' || n FROM generate_series(1, 50) n;
INSERT INTO orders (customer, net) SELECT n, n FROM generate_series(1, 50) n;
ALTER DATABASE shop OWNER TO keeper;
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with a shop on it; where any other database of it is reached."""
    made = Postgres(tmp_path_factory.mktemp("postgres"), free_base(), "shop", "verdigris-test-database")
    try:
        made.start()
        run(made.url(), SHOP)
        yield made.url(database="postgres")
    finally:
        made.stop()


@pytest.fixture
def shop(server: str) -> str:
    """Where the shop's database is."""
    return database.elsewhere(server, "shop")


@pytest.fixture
def empty(server: str) -> Iterator[str]:
    """An empty database that is like the shop's."""
    database.create(server, "copy", like="shop")
    yield database.elsewhere(server, "copy")
    database.drop(server, "copy")


def run(url: str, words: str) -> None:
    """Run statements."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(words.encode())


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    """What a query answers."""
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param("postgresql://me:s%40f@db:5432/shop", "postgresql://me:s%40f@db:5432/copy", id="a-password"),
        pytest.param("postgresql://db/shop?sslmode=require", "postgresql://db/copy?sslmode=require", id="options"),
        pytest.param("postgres://me@db", "postgres://me@db/copy", id="no-name"),
    ],
)
def test_another_database_of_the_server_has_the_same_url_otherwise(url: str, expected: str) -> None:
    """Account, address and options stay."""
    assert database.elsewhere(url, "copy") == expected
    assert database.name_of(expected) == "copy"


def test_the_level_is_what_the_query_answers(server: str, shop: str) -> None:
    """A database without the table has none."""
    assert database.revision(shop, LEVEL) == "0007"
    assert database.revision(server, LEVEL) is None


def test_a_server_that_does_not_answer_is_told_without_its_password() -> None:
    """The message names the database."""
    with pytest.raises(PlatformError, match="the database shop does not answer") as caught:
        database.revision(f"postgresql://me:hunter2@127.0.0.1:{free_base()}/shop", LEVEL)
    assert "hunter2" not in str(caught.value)


def test_connections_of_others_are_those_to_other_databases(server: str, shop: str) -> None:
    """Who is in the shop's database is not counted: its application's connections are what is budgeted."""
    accepted, before = database.connections(shop)
    with psycopg.connect(server), psycopg.connect(shop):
        assert database.connections(shop) == (accepted, before + 1)
    assert accepted == 97  # of 100, 3 are the superuser's


def test_a_whole_copy_has_every_row(shop: str, empty: str) -> None:
    """Rows, level and owners are the original's."""
    database.copy(shop, empty)
    assert rows(empty, "SELECT count(*), sum(gross) FROM orders") == rows(
        shop, "SELECT count(*), sum(gross) FROM orders"
    )
    assert database.revision(empty, LEVEL) == "0007"
    owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'orders'"
    assert rows(empty, owner) == rows(shop, owner) == [("keeper",)]
    assert rows(empty, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'copy'") == [("keeper",)]


def test_a_copy_of_the_schema_gets_the_level_and_a_sample(shop: str, empty: str) -> None:
    """Only the rows that are asked for come, generated columns are right, and new rows count on beyond them."""
    database.copy(shop, empty, data=False)
    assert rows(empty, "SELECT count(*) FROM customers") == [(0,)]
    sample = {
        "customers": "SELECT * FROM customers WHERE id > 48",
        "public.orders": "SELECT * FROM orders WHERE customer > 48",
    }
    database.copy_rows(shop, empty, LEVEL, sample)
    assert database.revision(empty, LEVEL) == "0007"
    assert rows(empty, "SELECT id, gross FROM orders ORDER BY id") == [(49, 98), (50, 100)]
    run(empty, "INSERT INTO orders (customer, net) VALUES (49, 1)")
    assert rows(empty, "SELECT max(id) FROM orders") == [(51,)]


def test_a_sample_that_cannot_be_taken_is_told(shop: str, empty: str) -> None:
    """A row whose parent is not in the sample is refused by the copy, in PostgreSQL's own words."""
    database.copy(shop, empty, data=False)
    with pytest.raises(PlatformError, match=r"cannot be filled.*customers"):
        database.copy_rows(shop, empty, LEVEL, {"orders": "SELECT * FROM orders"})


def test_a_database_that_cannot_be_read_is_told(server: str, empty: str) -> None:
    """The copy fails with what pg_dump says."""
    with pytest.raises(PlatformError, match="nowhere"):
        database.copy(database.elsewhere(server, "nowhere"), empty)


def test_a_copy_is_dropped_under_whoever_uses_it(server: str) -> None:
    """A connection to it does not keep it; to drop it again changes nothing."""
    database.create(server, "used")
    with psycopg.connect(database.elsewhere(server, "used")):
        database.drop(server, "used")
    database.drop(server, "used")
    assert rows(server, "SELECT 1 FROM pg_database WHERE datname = 'used'") == []


def test_nobody_copies_with_a_pg_dump_that_is_not_there(
    shop: str, empty: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without the wheel and without one on the PATH, what is needed is said."""
    monkeypatch.setattr(database, "embedded", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PlatformError, match="a pg_dump of that version or later is needed, found: none"):
        database.copy(shop, empty)
