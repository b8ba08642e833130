"""Tell somebody: the settings' command is given the outcome as JSON on its standard input, for a bounded time."""

import json
import os
import subprocess
from pathlib import Path

from deploy.model import Record
from deploy.settings import Environment

SECONDS = 10


def notify(environment: Environment, record: Record, report: Path | None, root: Path) -> str | None:
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
    try:
        done = subprocess.run(
            list(environment.notify),
            input=json.dumps(content).encode(),
            capture_output=True,
            timeout=SECONDS,
            cwd=root,
            check=False,
            env=dict(os.environ),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"the notification was not sent: {error}"
    if done.returncode:
        return f"the notification was not sent: {environment.notify[0]} exited with {done.returncode}"
    return None
