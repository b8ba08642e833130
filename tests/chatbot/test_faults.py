"""Each planted fault shows as it should, and not before."""

import time
from pathlib import Path

from .conftest import App, Artifacts, StartApp, answered, run_script, wait_until

SLOW = 0.39


def seconds(app: App, path: str) -> float:
    """Time one answer."""
    began = time.monotonic()
    app.client.get(path)
    return time.monotonic() - began


def as_user(app: App, path: str) -> None:
    """Ask as a real user does: without the suites' header."""
    del app.client.headers["x-verdigris-run"]
    app.client.get(path)


def test_wrong_status_spoils_every_third_message(start: StartApp) -> None:
    """Other requests are not touched."""
    app = start("1.2.0")
    path = app.begin()
    statuses = [app.client.post(path, json={"content": "Hello"}).status_code for _ in range(6)]
    assert statuses == [201, 201, 500, 201, 201, 500]


def test_slow_delays_the_page_and_the_api(start: StartApp) -> None:
    """Machines' questions stay fast."""
    app = start("1.6.4")
    assert seconds(app, "/") >= SLOW
    assert seconds(app, "/api/conversations") >= SLOW
    assert seconds(app, "/healthz") < SLOW


def test_slow_with_users_waits_for_a_user(start: StartApp) -> None:
    """Suites and machines find it fast; a while after the first user every answer is slow."""
    app = start("1.3.0")
    for _ in range(20):
        assert seconds(app, "/") < SLOW
    as_user(app, "/readyz")
    as_user_began = time.monotonic()
    app.client.get("/")
    wait_until(lambda: True if seconds(app, "/healthz") >= SLOW else None, "answers are slow")
    assert time.monotonic() - as_user_began >= 1.5


def test_crash_with_users_waits_for_a_user(start: StartApp) -> None:
    """The process exits 3 two seconds after the first user."""
    app = start("1.4.0")
    app.client.get("/")
    began = time.monotonic()
    as_user(app, "/")
    assert app.exit_status() == 3
    assert time.monotonic() - began >= 1.9
    assert "crash-with-users" in app.errors.read_text()


def test_broken_asset_loses_the_stylesheet(start: StartApp) -> None:
    """The page is there, its style is not."""
    app = start("1.6.0")
    page = app.client.get("/").text
    assert app.client.get(page.split('rel="stylesheet" href="')[1].split('"')[0]).status_code == 404


def test_broken_script_throws(start: StartApp) -> None:
    """The script is there, and is nothing but an error."""
    app = start("1.6.1")
    page = app.client.get("/").text
    script = app.client.get(page.split('type="module" src="')[1].split('"')[0])
    assert script.status_code == 200
    assert script.text.startswith("throw ")


def test_database_error_refuses_writes_only(start: StartApp) -> None:
    """It is ready and lists; what writes is 503."""
    app = start("1.6.2")
    assert app.client.get("/api/conversations").status_code == 200
    refused = app.client.post("/api/conversations", json={})
    assert (refused.status_code, refused.json()["code"]) == (503, "database-unavailable")


def test_wrong_version_lies(start: StartApp) -> None:
    """Header and /version agree on a version that it is not."""
    answer = start("1.6.3").client.get("/version")
    assert answer.json()["version"] == "0.0.0"
    assert ";version=0.0.0;" in answer.headers["x-release"]


def test_exits_at_once_says_why(artifact: Artifacts) -> None:
    """Exit status 3 and a reason."""
    done = run_script(
        artifact("1.6.5") / "run.py", DATABASE_URL="postgresql://localhost/x", PROVIDER_URL="http://localhost/v1"
    )
    assert (done.returncode, done.stderr) == (3, "chatbot: cannot start: planted fault exits-at-once\n")


def test_never_ready_is_alive(start: StartApp) -> None:
    """It serves, and refuses to be ready."""
    app = start("1.6.6", wait="/healthz")
    refused = wait_until(lambda: answered(app.client, "/readyz", 503), "not ready")
    assert refused.json()["reason"] == "planted fault never-ready"


def test_good_versions_have_no_fault_in_them(artifact: Artifacts) -> None:
    """Nothing is planted in a good version's artifact."""
    for version in ("1.0.0", "1.1.0", "1.5.0"):
        assert "plant" not in Path(artifact(version) / "release.json").read_text(encoding="utf-8")
