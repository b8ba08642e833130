"""What an environment on this machine is to its other users: nothing they can read, reach or stop."""

import contextlib
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.world import World, free_base
from verdigris.errors import ExitStatus, Refused
from verdigris.platform.local import LocalPlatform, process
from verdigris.platform.local import postgres as postgres_module
from verdigris.platform.local.envoy import ADMIN
from verdigris.platform.local.postgres import OWNER, READER, Postgres

DATABASE = '\n[environments.local.database]\nembedded = true\nname = "tiny"\nrevision_query = "SELECT 1"\n'
NOBODY = 65534


def as_nobody(tries: Callable[..., dict[str, Any]], *values: Any) -> dict[str, Any]:
    """What a function comes to in a child of this process that is another user."""
    theirs, ours = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.write(ours, json.dumps(tries(*values)).encode())
        finally:
            os._exit(0)
    os.close(ours)
    with os.fdopen(theirs, "rb") as told:
        said = told.read()
    os.waitpid(child, 0)
    return dict(json.loads(said))


def tries(root: Path, base: int) -> dict[str, Any]:
    """What a user of this machine finds: files, ports, a database, a socket."""
    state = root / ".verdigris"
    said: dict[str, Any] = {"uid": os.getuid(), "read": [], "reached": [], "served": [], "said": ""}
    for path in (state, state / "local", state / "local" / "journal.json", state / "local" / "logs" / "blue.log"):
        with contextlib.suppress(OSError):
            said["read"].append(str(list(path.iterdir()) if path.is_dir() else path.read_text()))
    with socket.socket(socket.AF_UNIX) as connection, contextlib.suppress(OSError):
        connection.connect(str(state / "local" / "router" / ADMIN))
        said["reached"].append("the administration's socket")
    for port in range(base, base + 40):
        for path in ("/ready", "/stats", "/config_dump"):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as connection:
                connection.settimeout(1)
                connection.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
                answer = connection.recv(65536)
                said["served"].append(port)
                if b"LIVE" in answer or b"cluster." in answer or b"bootstrap" in answer:
                    said["reached"].append(f"{port}{path}")
    for user in (OWNER, READER, "nobody"):
        for password in ("", "postgres", user):
            try:
                where = f"host=127.0.0.1 port={base + 5} user={user} dbname=postgres passfile=/none"
                psycopg.connect(where, password=password, connect_timeout=2).close()
                said["reached"].append(f"the database as {user}")
            except psycopg.OperationalError as error:
                said["said"] = str(error)
    return said


@pytest.fixture
def open_root() -> Iterator[Path]:
    """A folder that every user may enter, as a checkout often is; pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="verdigris-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_another_user_reads_reaches_and_stops_nothing(open_root: Path) -> None:
    """As the user ``nobody``: no file of ``.verdigris``, no database without a password, no administration."""
    world = World(open_root, extra=DATABASE)
    try:
        world.version("1.0.0")
        assert world.up().release("1.0.0").exit_status in (ExitStatus.CONFIRMED, ExitStatus.PERSON_NEEDED)
        said = as_nobody(tries, open_root, world.port)
    finally:
        world.close()
    assert said["uid"] == NOBODY
    assert world.port in said["served"], "nothing could be reached at all, so nothing was shown"
    assert "password" in said["said"]
    assert (said["read"], said["reached"]) == ([], [])


def test_everything_that_is_kept_is_for_its_owner_alone(open_root: Path) -> None:
    """Journal, audit log, logs, keys, evidence, reports: 0600 in folders of 0700, under any umask."""
    before = os.umask(0)
    try:
        world = World(open_root, extra=DATABASE, tls=True)
        world.version("1.0.0")
        world.up().release("1.0.0")
        world.close()
    finally:
        os.umask(before)
    kept = [open_root / ".verdigris", *(open_root / ".verdigris").rglob("*"), *(open_root / "reports").rglob("*")]
    names = {path.name for path in kept}
    assert {"journal.json", "audit.jsonl", "lock", "blue.log", "server.key", "passwords.json", "pgpass"} <= names
    assert {"evidence.jsonl", "output.log", "junit.xml", "report.html", "summary.md", "probe.jsonl"} <= names
    others = [
        f"{stat.filemode(path.lstat().st_mode)} {path.relative_to(open_root)}"
        for path in kept
        if path.lstat().st_mode & 0o077 and not path.is_relative_to(open_root / ".verdigris/local/database/data")
    ]
    assert not others


def test_the_application_is_given_the_password_and_no_command_line_is(open_root: Path) -> None:
    """``{database_url}`` works in a variable; in a command it has no password, which ``PGPASSFILE`` has."""
    script = (
        "import os, psycopg, sys\n"
        "for url in (os.environ['URL'], sys.argv[1]):\n"
        "    print(psycopg.connect(url).execute('SELECT current_user').fetchone()[0], url)\n"
    )
    (open_root / "migrate.py").write_text(script)
    world = World(
        open_root,
        extra=DATABASE,
        local=f'migrate = ["{{python}}", "{open_root}/migrate.py", "{{database_url}}"]\n'
        'env = { URL = "{database_url}" }',
    )
    try:
        world.version("1.0.0")
        platform = world.up().controller().platform
        assert isinstance(platform, LocalPlatform)
        assert platform.postgres is not None
        password = platform.postgres.passwords()[OWNER]
        said = platform.migrate(platform.prepare("1.0.0"))
    finally:
        world.close()
    assert said == f"postgres postgresql://postgres@127.0.0.1:{world.port + 5}/tiny"
    assert len(password) >= 24
    assert password not in said


def test_a_configuration_hash_does_not_depend_on_the_password(open_root: Path) -> None:
    """Two machines with the same settings have the same configuration, whatever password each made up."""
    hashes = set()
    for name in ("a", "b"):
        (open_root / name).mkdir()
        world = World(open_root / name, extra=DATABASE, local='env = { URL = "{database_url}" }')
        text = (world.root / "environments.toml").read_text().replace(f"port = {world.port}", "port = 20000")
        (world.root / "environments.toml").write_text(text)
        world.version("1.0.0")
        folder = world.state / "database"
        folder.mkdir(parents=True)
        (folder / "passwords.json").write_text(json.dumps({OWNER: f"{name}-password", READER: "x"}))
        hashes.add(world.controller().platform.prepare("1.0.0").config)
    assert len(hashes) == 1


def trusting(folder: Path, port: int, mark: str) -> Path:
    """A database as an older version left it running: for everybody, its socket in a temporary folder; that folder."""
    data, programs, user = folder / "data", postgres_module.binaries(), postgres_module._as_user()
    folder.mkdir(parents=True)
    made = [
        *user,
        str(programs / "initdb"),
        "-D",
        str(data),
        "--auth=trust",
        "-U",
        "postgres",
        "-N",
        "--encoding=UTF8",
        "--locale=C",
    ]
    subprocess.run(made, check=True, capture_output=True, timeout=60)
    sockets = Path(tempfile.mkdtemp(prefix="verdigris-pg-"))
    words = [*user, str(programs / "postgres"), "-D", str(data), "-p", str(port)]
    words += ["-c", f"unix_socket_directories={sockets}", "-c", "listen_addresses=127.0.0.1"]
    log, record = folder / "postgres.log", folder / "process.json"
    started = process.start(words, mark=mark, log=log, cwd=folder, env={}, record=record)
    deadline = time.monotonic() + 20
    while True:
        try:
            psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres", connect_timeout=2).close()
        except psycopg.OperationalError:
            assert process.running(started), log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return sockets


def test_a_database_that_trusted_everybody_asks_for_a_password(tmp_path: Path) -> None:
    """Data of an older version keeps its rows; whoever knows no password is let in no more."""
    port = free_base()
    sockets = trusting(tmp_path / "database", port, "verdigris-test-trusting")
    made = Postgres(tmp_path / "database", port, "shop", "verdigris-test-trusting")
    try:
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
        assert made.trusting()
        made.stop()
        made.start()
        assert not made.trusting()
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(url, connect_timeout=2, passfile=str(tmp_path / "none"))
        with psycopg.connect(made.url(database="postgres")) as connection:
            assert connection.execute("SELECT n FROM kept").fetchone() == (7,)
        with psycopg.connect(made.url(READER)) as connection:
            assert connection.execute("SELECT current_user").fetchone() == (READER,)
    finally:
        made.stop()
    assert not sockets.exists()


def test_passwords_that_are_lost_are_made_anew(tmp_path: Path) -> None:
    """Who removes the file has another one after the next start, and the same data."""
    made = Postgres(tmp_path / "database", free_base(), "shop", "verdigris-test-lost")
    try:
        made.start()
        before = made.passwords()
        made.stop()
        made.passwords_file.unlink()
        made.start()
        assert made.passwords()[OWNER] != before[OWNER]
        psycopg.connect(made.url()).close()
        psycopg.connect(made.url(READER)).close()
    finally:
        made.stop()


def test_up_starts_anew_what_an_older_version_left_open(open_root: Path) -> None:
    """A release is refused until then; ``up`` closes the database and the router, and users are served as before."""
    world = World(open_root, extra=DATABASE)
    try:
        world.version("1.0.0")
        world.up().release("1.0.0")
        platform = world.controller().platform
        assert isinstance(platform, LocalPlatform)
        assert platform.postgres is not None
        platform.postgres.stop()
        (world.state / "router" / ADMIN).unlink()
        shutil.rmtree(world.state / "database")
        trusting(world.state / "database", platform.postgres.port, platform.postgres.mark)
        with pytest.raises(Refused, match="run 'verdigris up'"):
            platform.prepare("1.0.0")
        did = "\n".join(platform.up())
        assert "it asks for a password now" in did
        assert "restored" in did
        assert platform.answer(None).status == 200
        assert not platform.problems()
        platform.prepare("1.0.0")
        assert platform.open_requests(platform.live().color) == 0  # type: ignore[arg-type]
    finally:
        world.close()


def test_a_file_never_takes_the_place_of_a_closed_output(tmp_path: Path) -> None:
    """The output was closed in the middle: what is printed after that does not stand in the next file."""
    text = (
        "import os, pathlib, sys\n"
        "from verdigris import private_files\n"
        "from verdigris.state.journal import write_durably\n"
        "os.close(1)\n"
        "file = pathlib.Path(sys.argv[1]); held = private_files.opened(file, 'wb')\n"
        "held.write(b'kept'); print('2.8 s', flush=True); held.close()\n"
        "write_durably(file.with_name('journal.json'), '{}')\n"
    )
    file = tmp_path / "held"
    subprocess.run([sys.executable, "-c", text, str(file)], check=True, timeout=30)
    assert file.read_text() == "kept"
    assert (tmp_path / "journal.json").read_text() == "{}"
