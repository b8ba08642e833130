"""The example, released for real: each fault that is planted in a version is caught, and the users stay."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import example
from bench.traffic import Plan, Traffic
from tests.world import free_base


class Example:
    """The chatbot in an environment of its own."""

    def __init__(self, root: Path) -> None:
        self.port = free_base()
        self.root = example.project(root, self.port, watch=4, ready_seconds=6)

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run the command line."""
        return subprocess.run(
            [sys.executable, "-m", "verdigris", *words],
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    def status(self) -> dict[str, Any]:
        """What ``verdigris status --json`` says."""
        return dict(json.loads(self.run("status", "--json").stdout))


@pytest.fixture(scope="module")
def chatbot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    """The chatbot 1.0.0 and then 1.1.0, confirmed with users who lose nothing."""
    made = Example(tmp_path_factory.mktemp("chatbot"))
    try:
        up = made.run("up")
        assert up.returncode == 0, up.stdout + up.stderr
        first = made.run("release", "1.0.0")
        assert first.returncode == 0, first.stdout + first.stderr
        with Traffic(Plan(url=f"http://127.0.0.1:{made.port}", rate=50)) as traffic:
            second = made.run("release", "1.1.0")
            assert second.returncode == 0, second.stdout + second.stderr
            assert traffic.stop().passed, "users lost requests in a good release"
        yield made
    finally:
        made.run("down")
        shutil.rmtree(made.root / ".verdigris", ignore_errors=True)


@pytest.mark.parametrize(
    ("version", "status", "said"),
    [
        pytest.param("1.2.0", 10, "test_a_conversation_is_answered_and_kept", id="wrong status now and then"),
        pytest.param("1.4.0", 13, "users' requests fail|stopped running", id="crash once it has users"),
        pytest.param("1.6.0", 10, "test_every_asset_of_the_page_is_served", id="broken asset"),
        pytest.param("1.6.1", 10, "test_the_page_loads_without_an_error", id="broken script on the page"),
        pytest.param("1.6.2", 10, "503", id="database error"),
        pytest.param("1.6.3", 10, "not what was deployed", id="wrong version reported"),
        pytest.param("1.6.4", 10, "test_the_load_keeps_its_budgets", id="slow"),
        pytest.param("1.6.5", 10, "exit code 3", id="exits at once"),
        pytest.param("1.6.6", 10, "was not ready within", id="never ready"),
        pytest.param(
            "1.7.0", 14, "does not work on the migrated schema", id="22 a migration the live version cannot bear"
        ),
    ],
)
def test_a_planted_fault_is_caught(chatbot: Example, version: str, status: int, said: str) -> None:
    """The release ends with its exit status and the reason, and the users are on 1.1.0."""
    done = chatbot.run("release", version)
    assert done.returncode == status, done.stdout + done.stderr
    reasons = "\n".join(line for line in done.stdout.splitlines() if line.startswith(("  - ", "      ")))
    assert re.search(said, reasons), done.stdout
    assert chatbot.status()["live"]["version"] == "1.1.0"


def test_23_a_shortage_of_database_connections_is_refused(chatbot: Example) -> None:
    """Where two colors may need more connections than the server has, nothing is touched."""
    settings = chatbot.root / "environments.toml"
    text = settings.read_text()
    settings.write_text(text.replace("connections = 10", "connections = 60"))
    try:
        done = chatbot.run("release", "1.5.0")
    finally:
        settings.write_text(text)
    assert done.returncode == 14, done.stdout + done.stderr
    assert "two colors may need 120 database connections" in done.stdout
    assert chatbot.status()["live"]["version"] == "1.1.0"
