"""The notifier's command: what it is given, and that nothing of it is waited for beyond its time."""

import contextlib
import json
import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.unit.made import record
from verdigris.model import Kind, Objection, Record
from verdigris.platform.local.process import wait_until
from verdigris.redaction.redactor import Redactor
from verdigris.reporting import notify as notify_module
from verdigris.reporting.notify import notify
from verdigris.settings import Environment, SecretReference

WRITES = 'import json, os, sys; json.dump({"env": dict(os.environ), "said": json.load(sys.stdin)}, open("told", "w"))'


def told(root: Path, command: list[str], said: Record | None = None, **env: SecretReference | str) -> str | None:
    """Notify by a command."""
    local = {"port": 8400, "command": ["x"], "artifact": "a"}
    environment = Environment.model_validate(
        {"platform": "local", "local": local, "notify": command, "notify_env": env}
    )
    return notify(environment, said or record(), None, root, Redactor(["s3cr3t-canary-01"]))


def test_a_notifier_gets_the_variables_named_for_it_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job's credentials are not the chat's business; its own webhook is."""
    monkeypatch.setenv("CLOUD_KEY", "not-for-it")
    monkeypatch.setenv("WEBHOOK", "https://chat.example.com/x")
    named = {"HOOK": SecretReference(from_env="WEBHOOK"), "ROOM": "releases"}
    assert told(tmp_path, [sys.executable, "-c", WRITES], **named) is None
    env = json.loads((tmp_path / "told").read_text())["env"]
    assert (env["HOOK"], env["ROOM"]) == ("https://chat.example.com/x", "releases")
    assert not {"CLOUD_KEY", "WEBHOOK"} & set(env)
    assert "PATH" in env


def test_what_a_notifier_is_told_is_redacted(tmp_path: Path) -> None:
    """An objection quotes what an application said, and a chat keeps what it is told."""
    bad = record().objecting(Objection(rule="failure", kind=Kind.FAILED, suite="smoke", text="key s3cr3t-canary-01"))
    assert told(tmp_path, [sys.executable, "-c", WRITES], bad) is None
    said = json.loads((tmp_path / "told").read_text())["said"]
    assert [one["text"] for one in said["objections"]] == ["key [secret]"]
    assert said["objections"][0]["kind"] == "failed"


@pytest.mark.parametrize(
    "script",
    ["sleep 60", "sleep 60 & sleep 60", "trap '' TERM; while :; do sleep 1; done"],
    ids=["never-ends", "forks", "ignores-signals"],
)
def test_a_notifier_that_does_not_end_is_ended_with_all_that_it_started(
    tmp_path: Path, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has its time, whether or not it reads what it is told; then its whole process group goes."""
    monkeypatch.setattr(notify_module, "SECONDS", 0.5)
    many = record().objecting(Objection(rule="failure", kind=Kind.FAILED, text="x" * 1_000_000))
    began = time.monotonic()
    problem = told(tmp_path, ["sh", "-c", f"echo $$ >pid; {script}"], many)
    assert time.monotonic() - began < 5
    assert problem == "the notification was not sent: sh did not end within 0.5 s"
    group = int((tmp_path / "pid").read_text())
    assert wait_until(lambda: not _runs(group), time.monotonic() + 5)


def test_a_child_of_a_notifier_that_ended_holds_nothing_up(tmp_path: Path) -> None:
    """What it leaves behind with its output open is not waited for."""
    began = time.monotonic()
    assert told(tmp_path, ["sh", "-c", "sleep 60 & exit 0"]) is None
    assert time.monotonic() - began < 5


def test_a_variable_that_is_not_there_is_said(tmp_path: Path) -> None:
    """The outcome stands; that nobody was told does not go by in silence."""
    problem = told(tmp_path, ["true"], HOOK=SecretReference(from_env="NOT_SET_ANYWHERE"))
    assert problem is not None
    assert "NOT_SET_ANYWHERE is not set" in problem


def _runs(group: int) -> bool:
    """Whether a process of that group runs."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False
