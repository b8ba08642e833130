"""An application that is not the chatbot, installed from its package and described by a settings file alone."""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.world import free_base

EXAMPLE = Path(__file__).parents[2] / "examples" / "another"
OLD, NEW = "3.17.1", "3.18.0"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the example on ports of its own, with both versions built."""
    root = tmp_path_factory.mktemp("another")
    shutil.copytree(
        EXAMPLE, root, dirs_exist_ok=True, ignore=shutil.ignore_patterns("build", ".verdigris", "reports", "__*")
    )
    settings = root / "environments.toml"
    settings.write_text(re.sub(r"(?m)^port = \d+$", f"port = {free_base()}", settings.read_text()))
    asked = _run(root, "pip", "download", "--quiet", "--no-deps", "--dest", str(root / "asked"), f"nicegui=={NEW}")
    if asked.returncode:
        if os.environ.get("VERDIGRIS_REQUIRE_ALL"):
            pytest.fail(f"the package index cannot be reached: {asked.stderr[-500:]}")
        pytest.skip("the package index cannot be reached")
    try:
        yield root
    finally:
        _run(root, "verdigris", "down")


def _run(root: Path, module: str, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", module, *words], cwd=root, capture_output=True, text=True, timeout=240, check=False
    )


class Users:
    """Somebody who asks for the page again and again, and counts what comes."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.seen: Counter[str] = Counter()
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._ask)

    def __enter__(self) -> "Users":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()

    def _ask(self) -> None:
        with httpx.Client(base_url=self.url, timeout=10, trust_env=False) as client:
            while not self.stop.is_set():
                try:
                    answer = client.get("/")
                    version = re.search(r"version=([^;]+)", answer.headers.get("x-release", ""))
                    self.seen[f"{answer.status_code} {version[1] if version else 'nobody'}"] += 1
                except httpx.HTTPError as error:
                    self.seen[repr(error)] += 1
                time.sleep(0.02)


@pytest.mark.timeout(400)
def test_another_application_is_released_blue_green(project: Path) -> None:
    """One version, then the next, under users of whom none loses an answer; then the suite by hand, and back again."""
    assert _run(project, "verdigris", "up").returncode == 0
    first = _run(project, "verdigris", "release", OLD)
    assert first.returncode == 0, first.stdout + first.stderr
    port = re.search(r"(?m)^port = (\d+)$", (project / "environments.toml").read_text())
    assert port is not None
    with Users(f"http://127.0.0.1:{port[1]}") as users:
        second = _run(project, "verdigris", "release", NEW)
    assert second.returncode == 0, second.stdout + second.stderr
    assert set(users.seen) == {f"200 {OLD}", f"200 {NEW}"}, users.seen

    suite = _run(project, "pytest", "-m", "smoke", "--env", "local")
    assert suite.returncode == 0, suite.stdout + suite.stderr
    assert "3 passed" in suite.stdout
    assert f"expecting green {NEW}" in suite.stdout

    back = _run(project, "verdigris", "rollback", "--reason", "to see that it goes back")
    assert back.returncode == 0, back.stdout + back.stderr
    assert f"version={OLD};" in httpx.get(f"http://127.0.0.1:{port[1]}/", trust_env=False).headers["x-release"]
