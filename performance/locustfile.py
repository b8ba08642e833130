"""The users of the load: run by Locust in a process of its own, because importing Locust patches the interpreter.

Every answer is asked who gave it; the counts go to the file of ``VERDIGRIS_LOAD_OUT`` at the end.
"""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

from locust import constant_pacing, events, task
from locust.contrib.fasthttp import FastHttpUser

PATHS = json.loads(os.environ["VERDIGRIS_LOAD_PATHS"])
HEADER = os.environ["VERDIGRIS_LOAD_HEADER"]
NOBODY = (0, 502, 503, 504)
"""Statuses without an answer of the application: no connection, or an error that the router makes."""
IDENTITIES: Counter[str] = Counter()


class User(FastHttpUser):
    """Somebody who asks for each path in turn, ten times a second."""

    wait_time = constant_pacing(0.1)
    default_headers = {"x-verdigris-run": "load"}
    turn = 0

    @task
    def ask(self) -> None:
        """Ask for the next path."""
        self.turn += 1
        with self.client.get(PATHS[self.turn % len(PATHS)], catch_response=True, timeout=10) as answer:
            header = (answer.headers or {}).get(HEADER)
            if header or answer.status_code not in NOBODY:
                IDENTITIES[header or "no identity"] += 1
            if answer.status_code != 200:
                answer.failure(f"status {answer.status_code}")


@events.quitting.add_listener
def write(environment: Any, **_: Any) -> None:
    """Leave the figures."""
    total = environment.stats.total
    figures = {
        "requests": total.num_requests,
        "failures": total.num_failures,
        "p50_ms": total.get_response_time_percentile(0.5) or 0,
        "p95_ms": total.get_response_time_percentile(0.95) or 0,
        "max_ms": total.max_response_time or 0,
        "requests_per_second": total.total_rps,
        "errors": [f"{error.method} {error.name}: {error.error}" for error in environment.stats.errors.values()][:5],
    }
    content = {"figures": figures, "identities": dict(IDENTITIES)}
    Path(os.environ["VERDIGRIS_LOAD_OUT"]).write_text(json.dumps(content), encoding="utf-8")
