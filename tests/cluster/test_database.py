"""The database of a release on a real cluster: migrations proved on a copy, held where they fail, databases that go.

Production of the chatbot goes through it all, in the order of the file. Faults 19 to 23.
"""

import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from os import environ
from typing import Any

import pytest

from bench.summary import Summary
from verdigris.platform import Address
from verdigris.platform.connection import connect

from .chatbot import WATCH, Chatbot
from .concluded import Concluded
from .databases import OUTAGE, REFUSING, Database
from .kubectl import wait_until

pytestmark = pytest.mark.timeout(600)  # a whole release, and the environment for it, on a busy machine
PART = "verdigris.dev/part=rehearsal"
FEWER = ("--fewer-tests", "smoke alone is enough here")
BOTH, SMOKE = 'suites = ["smoke", "verification"]', 'suites = ["smoke"]'
CONNECTIONS = "connections = 5"
PATIENT = 'watch = { seconds = 3, profile = "short", rate = 20, path = "/", answer_ms = 5000 }'
"""How fast a busy machine answers is not asked here."""
ADMIN = 'admin = { from_env = "PRODUCTION_DATABASE_ADMIN" }'
SAMPLE = '''
[environments.production.database.sample]
conversations = "SELECT * FROM conversations ORDER BY created_at DESC LIMIT 20"
messages = """
SELECT * FROM messages
WHERE conversation_id IN (SELECT id FROM conversations ORDER BY created_at DESC LIMIT 20)
"""
'''


@dataclass
class Done:
    """A release, with what the users saw meanwhile."""

    end: Concluded
    users: Summary


def with_users(chatbot: Chatbot, version: str) -> Done:
    """Release while users come in."""
    with chatbot.traffic() as traffic:
        end = chatbot.release(version, *FEWER)
        return Done(end, traffic.stop())


def settings(chatbot: Chatbot, old: str, new: str) -> None:
    """Change the settings."""
    path = chatbot.root / "environments.toml"
    before, mark, after = path.read_text().partition("[environments.production]")
    assert mark, "there is no production"
    assert old in after, f"production has no {old!r}"
    path.write_text(before + mark + after.replace(old, new))


def require_nothing_left(chatbot: Chatbot, database: Database) -> None:
    """No object, no pod and no database of a rehearsal is there, at most a moment later."""
    assert database.copies() == []
    assert chatbot.kubectl.get("deployments,secrets,jobs", f"--selector={PART}")["items"] == []

    def gone() -> bool | None:
        return None if chatbot.kubectl.get("pods", f"--selector={PART}")["items"] else True

    wait_until(gone, "the rehearsal's pods are gone")


@pytest.fixture(scope="module")
def chatbot(make_chatbot: Callable[[str], Chatbot]) -> Chatbot:
    """Production with 1.0.0 live, in an environment that loses no time."""
    made = make_chatbot("production")
    (made.root / "smoke" / "test_aa_outage.py").write_text(OUTAGE)
    (made.root / "verification" / "test_frontend.py").unlink()  # a browser says nothing of a database
    settings(made, 'demands = "application"', f'demands = "application"\n{BOTH}')
    quick = "ready_seconds = 20\nstable_seconds = 0.5\nlease_seconds = 5"
    settings(made, 'manifests = "k8s/production"', f'manifests = "k8s/production"\n{quick}')
    settings(made, WATCH, PATIENT)
    path = made.root / "environments.toml"
    path.write_text(path.read_text() + SAMPLE)
    made.up()
    first = made.release("1.0.0")
    assert first.status == 0, first.said
    settings(made, BOTH, SMOKE)
    return made


@pytest.fixture(autouse=True)
def account(chatbot: Chatbot) -> None:
    """A token lasts ten minutes, all the tests together may take longer on a busy machine."""
    chatbot.account("verdigris-release")


@pytest.fixture(scope="module")
def database(chatbot: Chatbot) -> Database:
    """Its database."""
    return Database(chatbot)


def test_22_a_migration_that_the_live_version_cannot_bear_is_refused(chatbot: Chatbot, database: Database) -> None:
    """Refused with 14, the failing tests of 1.0.0 named; the database and the idle color were never touched."""
    settings(chatbot, SMOKE, BOTH)
    try:
        end = chatbot.release("1.7.0", *FEWER)
    finally:
        settings(chatbot, BOTH, SMOKE)
    assert end.status == 14, end.said
    assert "1.0.0 does not work on the migrated schema" in end.reasons
    assert end.verdicts == {"rehearsal-smoke": "passed", "rehearsal-verification": "failed"}
    assert end.steps == ["prepare", "done"]
    assert database.level == "0001"
    assert chatbot.status()["green"] is None
    require_nothing_left(chatbot, database)


def test_23_a_shortage_of_connections_is_refused(chatbot: Chatbot, database: Database) -> None:
    """Refused with 14 where 12 pods, the autoscalers' most, may need more than the server has left."""
    settings(chatbot, CONNECTIONS, "connections = 9")
    try:
        end = chatbot.release("1.1.0", *FEWER)
    finally:
        settings(chatbot, "connections = 9", CONNECTIONS)
    assert end.status == 14, end.said
    assert "two colors may have 12 pods, which may need 108 database connections" in end.reasons
    assert end.steps == ["prepare", "done"]
    assert database.level == "0001"


def test_a_rehearsal_without_an_account_is_refused(chatbot: Chatbot, database: Database) -> None:
    """Refused with 14, and what to name in the settings is said."""
    settings(chatbot, ADMIN, "# nobody")
    try:
        end = chatbot.release("1.1.0", *FEWER)
    finally:
        settings(chatbot, "# nobody", ADMIN)
    assert end.status == 14, end.said
    assert "name it as database.admin in the settings" in end.reasons
    assert database.level == "0001"


def test_21_a_migration_that_fails_is_undone_and_held(chatbot: Chatbot, database: Database) -> None:
    """Good on the copy, refused half-way by the users' database: held with its log, everything of it undone."""
    database.do(REFUSING.format(name=database.name))
    try:
        done = with_users(chatbot, "1.5.0")
    finally:
        database.do("DROP EVENT TRIGGER refuse; DROP FUNCTION refuse")
    assert done.end.status == 10, done.end.said
    assert done.end.steps == ["prepare", "migrate", "done"]
    assert "conversations are not altered today" in done.end.reasons
    assert "migration 0001 -> 0003" in done.end.record["notes"]["rehearsed"]
    assert database.level == "0001"
    assert "answer_ms" not in database.columns("messages")
    assert done.users.lost == 0, done.users
    require_nothing_left(chatbot, database)


def test_21_a_migration_that_gets_no_lock_gives_up_before_users_notice(chatbot: Chatbot, database: Database) -> None:
    """A long transaction holds the table: held within seconds, and no user's request was lost behind the lock."""
    with database.connected() as reader, reader.transaction():
        reader.execute("SELECT count(*) FROM messages")
        done = with_users(chatbot, "1.1.0")
    assert done.end.status == 10, done.end.said
    assert "lock timeout" in done.end.reasons
    moments = {moment["step"]: datetime.fromisoformat(moment["at"]) for moment in done.end.record["timeline"]}
    assert (moments["done"] - moments["migrate"]).total_seconds() < 20
    assert database.level == "0001"
    assert done.users.lost == 0, done.users
    assert done.users.streams > 0


def test_a_kill_during_a_rehearsal_leaves_nothing_after_recover(chatbot: Chatbot, database: Database) -> None:
    """Killed while the copy and the pod stand, which no Service selects; recover removes both."""
    release = subprocess.Popen(
        [sys.executable, "-m", "verdigris", "release", "1.1.0", "--env", "production", *FEWER],
        cwd=chatbot.root,
        env={**environ, **chatbot.env},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        (pod,) = wait_until(lambda: ready(chatbot), "the live version stands on the copy", 90)
    finally:
        release.send_signal(signal.SIGKILL)
        release.wait(10)
    assert len(database.copies()) == 1
    slices = chatbot.kubectl.get("endpointslices")["items"]
    served = {address for one in slices for endpoint in one["endpoints"] or () for address in endpoint["addresses"]}
    assert pod["status"]["podIP"] not in served
    done = chatbot.run("recover")
    assert done.returncode == 0, done.stdout + done.stderr
    require_nothing_left(chatbot, database)
    assert chatbot.live() == ("blue", "1.0.0")
    assert database.level == "0001"


def ready(chatbot: Chatbot) -> list[dict[str, Any]] | None:
    """The rehearsal's pod, once it is ready."""
    found = chatbot.kubectl.get("pods", f"--selector={PART}")["items"]
    conditions = [one for pod in found for one in pod["status"].get("conditions", ())]
    return found if any(one["type"] == "Ready" and one["status"] == "True" for one in conditions) else None


@pytest.fixture(scope="module")
def second(chatbot: Chatbot) -> Done:
    """1.1.0, which migrates, released while users come in."""
    return with_users(chatbot, "1.1.0")


def test_a_good_migration_is_rehearsed_and_confirmed(chatbot: Chatbot, database: Database, second: Done) -> None:
    """1.0.0 passes its suites on the copy, the Job runs on the users' database, and nobody is lost."""
    assert second.end.status == 0, second.end.said
    assert second.end.verdicts == dict.fromkeys(("rehearsal-smoke", "smoke", "watch-smoke"), "passed")
    assert second.end.record["notes"]["rehearsed"] == "migration 0001 -> 0002; 1.0.0 passes on the copy"
    assert second.end.record["notes"]["migration"] == "migration 0001 -> 0002"
    assert second.end.steps[:3] == ["prepare", "migrate", "deploy"]
    assert second.users.lost == 0, second.users
    assert database.level == "0002"
    require_nothing_left(chatbot, database)


def test_20_a_candidate_that_has_no_database_is_held(chatbot: Chatbot, second: Done) -> None:
    """Only the candidate is told of a database that is not there: held with 10, nothing is migrated again."""
    assert second.end.status == 0, second.end.said
    chatbot.credentials(OTHER_URL="postgresql://nobody:nothing@database:5432/nowhere")
    files, own, other = ("deployment-blue.yaml", "deployment-green.yaml"), "key: DATABASE_URL}", "key: OTHER_URL}"
    for name in files:
        chatbot.change(name, own, other)
    try:
        end = chatbot.release("1.2.0", *FEWER)
    finally:
        for name in files:
            chatbot.change(name, other, own)
    assert end.status == 10, end.said
    assert "was not ready within 20 s" in end.reasons
    assert end.record["notes"]["migration"] == "not run: the database is at 0002 already"
    assert chatbot.live() == ("green", "1.1.0")


def test_19_a_database_that_goes_away_for_both_is_not_the_candidates_fault(
    chatbot: Chatbot, database: Database, second: Done
) -> None:
    """It goes in the middle of smoke: not valid, 11; the users' color is not touched, and serves when it is back."""
    assert second.end.status == 0, second.end.said
    told = chatbot.root / "outage"
    told.write_text(f"{database.server} {database.name}")
    try:
        end = chatbot.release("1.2.0", *FEWER)
    finally:
        told.unlink()
        with database.connected(database.server) as connection:
            connection.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS true".encode())
    assert end.status == 11, end.said
    assert "the live color fails the same tests" in end.reasons
    assert "switch" not in end.steps
    assert chatbot.live() == ("green", "1.1.0")

    def serves() -> bool | None:
        connection = connect(Address(url=chatbot.url, ca=str(chatbot.root / "ca.pem"), connect="127.0.0.1"))
        with closing(connection):
            connection.request("GET", "/readyz")
            return True if connection.getresponse().status == 200 else None

    wait_until(serves, "users are served again")
