"""A small project of a test's own: settings, versions of the tiny application, suites, the real platform ``local``."""

import json
import os
import random
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from verdigris.controller import Controller
from verdigris.model import Record
from verdigris.progress import Silent
from verdigris.settings import Settings, load

HERE = Path(__file__).parent
SMOKE = """
def test_home_is_served(http):
    answer = http.get("/")
    assert answer.status_code == 200, f"/ answered {answer.status_code}"

def test_it_is_ready(http):
    assert http.get("/readyz").status_code == 200
"""
SETTINGS = """
application = "tiny"

[suites.smoke]
deadline = 30
hang = 15

[environments.local]
platform = "local"
suites = ["smoke"]
rollback_window = 600
drain_seconds = 5
watch = {{ seconds = {watch}, profile = "test", rate = 50, answer_ms = 250, window = 0.5{watch_more} }}
{environment}

[environments.local.local]
port = {port}
command = ["{{python}}", "{app}"]
artifact = "versions/{{version}}"
ready = "/readyz"
ready_seconds = {ready_seconds}
tls = {tls}
guardian = {guardian}
{local}
"""


def free_base() -> int:
    """A port from which on a whole environment's ports are free; no two workers of pytest-xdist look at the same."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 2
    for _ in range(200):
        base = random.randrange(10_100, 31_900, 80) + 40 * worker  # noqa: S311 - below those the kernel gives out itself
        if all(_free(base + offset) for offset in (*range(12), 20, 21)):
            return base
    raise RuntimeError("no free ports")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


class World:
    """The project in ``root``; ``close`` stops everything it started.

    Without ``guardian`` nobody recovers but the test itself.
    """

    def __init__(
        self,
        root: Path,
        *,
        watch: float = 1.0,
        watch_more: str = "",
        tls: bool = False,
        environment: str = "",
        local: str = "",
        extra: str = "",
        ready_seconds: float = 8,
        guardian: bool = False,
    ) -> None:
        self.root = root
        self.port = free_base()
        text = SETTINGS.format(
            watch=watch,
            watch_more=watch_more,
            environment=environment,
            port=self.port,
            app=HERE / "apps" / "tiny.py",
            tls="true" if tls else "false",
            local=local,
            ready_seconds=ready_seconds,
            guardian="true" if guardian else "false",
        )
        (root / "environments.toml").write_text(text + extra)
        self.suite("smoke", SMOKE)

    @property
    def settings(self) -> Settings:
        """The settings as they are now."""
        return load(self.root / "environments.toml")

    @property
    def state(self) -> Path:
        """Where the environment keeps its journal."""
        return self.root / ".verdigris" / "local"

    @property
    def reports(self) -> Path:
        """Where it keeps its records."""
        return self.root / "reports"

    def version(self, version: str, fault: str = "", **more: Any) -> str:
        """Add a version of the application, with a fault planted; see ``tests/apps/tiny.py``."""
        folder = self.root / "versions" / version
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "build.json").write_text(
            json.dumps({"version": version, "build": f"b{version}", "fault": fault, **more})
        )
        return version

    def suite(self, name: str, text: str, file: str = "test_it.py") -> None:
        """Write a suite's file."""
        (self.root / name).mkdir(exist_ok=True)
        (self.root / name / file).write_text(textwrap.dedent(text))

    def controller(self, **parts: Any) -> Controller:
        """A controller of this process."""
        return Controller(self.settings, "local", Silent(), **parts)

    def up(self) -> "World":
        """Bring the environment up."""
        self.controller().platform.up()
        return self

    def release(self, version: str) -> Record:
        """Release in this process."""
        return self.controller().release(version)

    def command(self, *words: str, timeout: float = 120, **env: str) -> "subprocess.CompletedProcess[str]":
        """Run the command line in a process of its own."""
        return self._run("verdigris", *words, timeout=timeout, env=env)

    def start(self, *words: str, **env: str) -> "subprocess.Popen[str]":
        """Start the command line and leave it running."""
        return subprocess.Popen(
            [sys.executable, "-m", "verdigris", *words],
            cwd=self.root,
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def pytest(self, *words: str, timeout: float = 120, **env: str) -> "subprocess.CompletedProcess[str]":
        """Run pytest in the project."""
        return self._run("pytest", *words, timeout=timeout, env=env)

    def _run(self, module: str, *words: str, timeout: float, env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", module, *words],
            cwd=self.root,
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def live(self) -> str | None:
        """The version that the users' route names."""
        identity = self.controller().platform.live().identity
        return identity.version if identity else None

    def journal(self) -> dict[str, Any]:
        """The journal as it is on disk."""
        return dict(json.loads((self.state / "journal.json").read_text()))

    def close(self) -> None:
        """Stop everything."""
        self.controller().platform.down()
