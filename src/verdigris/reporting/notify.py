"""Tell somebody: the settings' command is given the outcome as JSON on its standard input, for a bounded time.

The command gets an allow-list of variables and those that the settings name for it (``notify_env``): a chat's webhook
is its business, a cloud's credentials in the same CI job are not. It runs in a process group of its own that is ended
with it, and nothing of it is waited for beyond the time: neither what it started, nor a reader of its input.
"""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from pathlib import Path

from verdigris.errors import SettingsError
from verdigris.model import Record
from verdigris.redaction.redactor import Redactor
from verdigris.settings import Environment, SecretReference

SECONDS = 10
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "SSL_CERT_FILE",
              "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy",
              "https_proxy", "no_proxy")  # fmt: skip


def notify(
    environment: Environment, record: Record, report: Path | None, root: Path, redactor: Redactor | None = None
) -> str | None:
    """Run the command; what went wrong with it, or ``None``. The outcome of the release never depends on it."""
    if not environment.notify:
        return None
    content = {
        "environment": record.environment,
        "action": record.action,
        "release": record.id,
        "version": record.version,
        "actor": record.actor,
        "outcome": str(record.outcome),
        "exit_status": record.exit_status,
        "objections": [objection.model_dump(mode="json") for objection in record.objections],
        "report": str(report) if report else None,
    }
    said = json.dumps((redactor or Redactor()).value(content)).encode()
    try:
        status = _run(list(environment.notify), said, root, _variables(environment, root))
    except (OSError, ValueError, SettingsError) as error:
        return f"the notification was not sent: {error}"
    if status is None:
        return f"the notification was not sent: {environment.notify[0]} did not end within {SECONDS} s"
    return f"the notification was not sent: {environment.notify[0]} exited with {status}" if status else None


def _variables(environment: Environment, root: Path) -> dict[str, str]:
    named = {
        name: value.read(root) if isinstance(value, SecretReference) else value
        for name, value in environment.notify_env.items()
    }
    return {key: os.environ[key] for key in _PASSED_ON if key in os.environ} | named


def _run(command: list[str], said: bytes, root: Path, env: dict[str, str]) -> int | None:
    """Run it to its end or to that of its time; its exit status, or ``None``."""
    with tempfile.TemporaryFile() as given:  # a pipe would have to be written as quickly as it is read
        given.write(said)
        given.seek(0)
        process = subprocess.Popen(
            command,
            cwd=root,
            env=env,
            stdin=given,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            return None
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
