"""The schema goes forward only, and every version works on a newer one."""

from .conftest import Artifacts, MakeDatabase, StartApp, answered, free_port, migrate, run_script, wait_until


def test_migrating_again_changes_nothing(artifact: Artifacts, empty_database: MakeDatabase) -> None:
    """Each run prints the revision before and after."""
    database = empty_database()
    assert migrate(artifact("1.0.0"), database).stdout == "migration none -> 0001\n"
    assert migrate(artifact("1.5.0"), database).stdout == "migration 0001 -> 0003\n"
    assert migrate(artifact("1.5.0"), database).stdout == "migration 0003 -> 0003 (nothing to do)\n"


def test_an_older_version_leaves_a_newer_schema_alone(artifact: Artifacts, database: str) -> None:
    """Its migration succeeds, says so, and takes nothing back."""
    done = migrate(artifact("1.0.0"), database)
    assert done.returncode == 0
    assert "newer than the 0001 this version needs" in done.stdout


def test_the_first_version_works_on_the_newest_schema(start: StartApp) -> None:
    """1.0.0 is ready and answers on the schema of 1.5.0."""
    app = start("1.0.0")
    path = app.begin()
    assert app.client.post(path, json={"content": "Hello"}).status_code == 201
    assert len(app.client.get(path).json()["items"]) == 2
    assert "answer_ms" not in app.client.get(path).text


def test_a_version_is_not_ready_on_an_older_schema(
    start: StartApp, artifact: Artifacts, empty_database: MakeDatabase
) -> None:
    """1.5.0 says which migration it needs, and is ready once it is there."""
    database = empty_database()
    migrate(artifact("1.0.0"), database)
    app = start("1.5.0", wait="/healthz", DATABASE_URL=database)
    refused = wait_until(lambda: answered(app.client, "/readyz", 503), "not ready")
    assert refused.json()["reason"] == "the database is at migration 0001; this version needs 0003"
    migrate(artifact("1.5.0"), database)
    assert app.client.get("/readyz").status_code == 200


def test_a_failed_migration_is_told_in_one_line(artifact: Artifacts) -> None:
    """Without a database the exit status is 1, and the schema is said to be unchanged."""
    done = migrate(artifact("1.0.0"), f"postgresql://postgres@127.0.0.1:{free_port()}/nowhere")
    assert done.returncode == 1
    assert done.stderr.startswith("migrate.py: the schema is unchanged: ")
    assert "Traceback" not in done.stderr


def test_an_address_of_another_kind_is_refused(artifact: Artifacts) -> None:
    """DATABASE_URL must be one of PostgreSQL."""
    done = run_script(artifact("1.0.0") / "migrate.py", DATABASE_URL="sqlite://")
    assert done.returncode == 1
    assert "must be set and begin with postgresql://" in done.stderr
