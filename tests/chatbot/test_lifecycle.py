"""How a process starts, lives without its database, and leaves."""

import signal
from pathlib import Path

import pytest

from .conftest import Artifacts, StartApp, answered, free_port, migrate, postgres, run_script, wait_until, without


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        pytest.param({"DATABASE_URL": ""}, "DATABASE_URL is not set; it must be postgresql://", id="missing"),
        pytest.param({"PORT": "abc"}, "PORT must be a number from 1 to 65535, not 'abc'", id="number"),
        pytest.param({"RELEASE_COLOR": "a;b"}, "RELEASE_COLOR must be a word, not 'a;b'", id="header"),
        pytest.param({"LOG_FORMAT": "xml"}, "LOG_FORMAT must be text or json, not 'xml'", id="choice"),
    ],
)
def test_wrong_settings_are_told_at_start(artifact: Artifacts, environ: dict[str, str], told: str) -> None:
    """Exit status 2 and one line that names the variable."""
    good = {"DATABASE_URL": "postgresql://localhost/x", "PROVIDER_URL": "http://localhost/v1"}
    done = run_script(artifact("1.5.0") / "run.py", **{**good, **environ})
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_password_is_not_told(artifact: Artifacts) -> None:
    """An address that is wrong is not repeated."""
    done = run_script(artifact("1.5.0") / "run.py", DATABASE_URL="mysql://me:secret@host/x", PROVIDER_URL="x")
    assert "DATABASE_URL must be" in done.stderr
    assert "secret" not in done.stderr


def test_what_was_not_built_does_not_start(artifact: Artifacts, tmp_path: Path) -> None:
    """Without build.json there is no identity, so there is no process."""
    done = run_script(without(artifact("1.5.0"), "build.json", tmp_path / "half") / "run.py")
    assert done.returncode == 2
    assert "is no artifact of build.py" in done.stderr


def test_without_a_database_it_lives_and_says_so_until_it_is_back(
    start: StartApp, artifact: Artifacts, tmp_path: Path
) -> None:
    """Alive, not ready, 503 with a reason; all is well once the database is there, and again after its restart."""
    port = free_port()
    app = start("1.5.0", wait="/healthz", DATABASE_URL=f"postgresql://postgres@127.0.0.1:{port}/postgres")
    refused = wait_until(lambda: answered(app.client, "/readyz", 503), "not ready")
    assert "the database does not answer" in refused.json()["reason"]
    failed = app.client.get("/api/conversations")
    assert (failed.status_code, failed.json()["code"]) == (503, "database-unavailable")
    for time in ("first", "second"):
        with postgres(tmp_path / "data", port) as database:
            if time == "first":
                migrate(artifact("1.5.0"), database)
            wait_until(lambda: answered(app.client, "/readyz", 200), "ready")
            assert app.client.get("/api/conversations").status_code == 200
        wait_until(lambda: answered(app.client, "/readyz", 503), "not ready without the database")
    assert app.client.get("/healthz").status_code == 200


def test_told_to_leave_it_serves_on_and_closes_connections(start: StartApp) -> None:
    """While it drains it answers, with Connection: close, and is not ready; then it exits 0."""
    app = start("1.5.0", DRAIN_SECONDS="1")
    assert "connection" not in app.client.get("/healthz").headers
    app.process.send_signal(signal.SIGTERM)
    refused = wait_until(lambda: answered(app.client, "/readyz", 503), "not ready")
    assert refused.json()["reason"] == "this process is about to exit"
    answer = app.client.get("/api/conversations")
    assert (answer.status_code, answer.headers["connection"]) == (200, "close")
    assert app.exit_status() == 0


def test_a_stream_that_has_begun_ends_well_before_it_exits(start: StartApp) -> None:
    """Told to leave in the middle of a long answer, it finishes the answer, keeps it, and exits 0."""
    app = start("1.5.0", DRAIN_SECONDS="0")
    path = app.begin()
    with app.client.stream("POST", f"{path}/stream", json={"content": "[provider:long]"}) as answer:
        lines = answer.iter_lines()
        assert next(lines) == "event: token"
        app.process.send_signal(signal.SIGTERM)
        assert "event: done" in list(lines)
    assert app.exit_status() == 0


def test_users_that_move_away_and_back_change_only_connections(start: StartApp) -> None:
    """SIGUSR1 closes connections after each answer, SIGUSR2 keeps them again; the process is ready all the while."""
    app = start("1.5.0")

    def closing(expected: bool) -> bool | None:
        return True if ("connection" in app.client.get("/readyz").headers) is expected else None

    app.process.send_signal(signal.SIGUSR1)
    wait_until(lambda: closing(True), "connections are closed")
    assert app.client.get("/readyz").status_code == 200
    app.process.send_signal(signal.SIGUSR2)
    wait_until(lambda: closing(False), "connections are kept")
