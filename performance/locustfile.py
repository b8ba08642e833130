"""The users of the load: run by Locust in a process of its own, because importing Locust patches the interpreter.

Every answer is asked who gave it; the counts go to the file of ``VERDIGRIS_LOAD_OUT`` at the end. Users connect to
``VERDIGRIS_LOAD_PLACE``; Host, SNI and verification stay the target's name.
"""

import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import gevent
import gevent.ssl
from geventhttpclient.client import HTTPClient, HTTPClientPool
from geventhttpclient.url import URL
from locust import constant_pacing, events, task
from locust.contrib.fasthttp import FastHttpUser

PATHS = json.loads(os.environ["VERDIGRIS_LOAD_PATHS"])
HEADER = os.environ["VERDIGRIS_LOAD_HEADER"]
PLACE = json.loads(os.environ["VERDIGRIS_LOAD_PLACE"])
TRUSTED = gevent.ssl.create_default_context(cafile=os.environ.get("VERDIGRIS_LOAD_CA"))
ANSWER = 10.0
"""Seconds for one whole answer; a user whose answer never ends asks for the next path then."""
NOBODY = (0, 502, 503, 504)
"""Statuses without an answer of the application: no connection, or an error that the router makes."""
IDENTITIES: Counter[str] = Counter()
PAUSE = 0.02
"""Seconds between two moments at which this process has to be awake."""
LATE: list[float] = []
"""By how many milliseconds it missed each of them; users' answers waited for it as long."""
TIMES: list[tuple[float, float]] = []
"""The clock and the processor time of this process, in seconds, when the load began and when it ended."""


class Pool(HTTPClientPool):
    """One user's connections; to the target's name they lead where it is reached."""

    def __init__(self, host: str, **options: Any) -> None:
        super().__init__(ssl_context_factory=lambda **_: TRUSTED, insecure=False, **options)
        self.name = URL(host).host

    def get_client(self, url: URL) -> HTTPClient:
        """The client of a URL's name and port."""
        if url.host != self.name:
            return super().get_client(url)
        key = url.host, url.port
        if key not in self.clients:
            secure = {"ssl": True, "ssl_options": {"server_hostname": url.host}} if url.scheme == "https" else {}
            options = {**self.client_args, **secure}
            self.clients[key] = HTTPClient(*PLACE, headers={"Host": url.netloc}, **options)
        return self.clients[key]


class User(FastHttpUser):
    """Somebody who asks for each path in turn, ten times a second."""

    wait_time = constant_pacing(0.1)
    insecure = False
    default_headers = {"x-verdigris-run": "load"}
    turn = 0

    def __init__(self, environment: Any) -> None:
        limits = {"connection_timeout": self.connection_timeout, "network_timeout": self.network_timeout}
        self.client_pool = Pool(str(self.host), concurrency=self.concurrency, **limits)
        super().__init__(environment)

    @task
    def ask(self) -> None:
        """Ask for the next path."""
        self.turn += 1
        path = PATHS[self.turn % len(PATHS)]
        with gevent.Timeout(ANSWER), self.client.get(path, catch_response=True) as answer:
            lines = answer.headers.getlist(HEADER) if answer.headers else []
            if lines or answer.status_code not in NOBODY:
                IDENTITIES[" | ".join(lines) or "no identity"] += 1
            if answer.status_code != 200:
                answer.failure(f"status {answer.status_code}" if answer.status_code else f"no answer: {answer.error}")


@events.test_start.add_listener
def start(**_: Any) -> None:
    """Measure the generator itself from now on."""
    TIMES.append((time.monotonic(), time.process_time()))
    gevent.spawn(keep_time)


def keep_time() -> None:
    """Be awake at planned moments; a stall misses as many of them as it is long."""
    due = time.monotonic()
    while len(TIMES) == 1:
        due += PAUSE
        gevent.sleep(max(0.0, due - time.monotonic()))
        LATE.append(1000 * (time.monotonic() - due))


@events.test_stopping.add_listener
def stop(**_: Any) -> None:
    """What the users still wait for is no load any more."""
    TIMES.append((time.monotonic(), time.process_time()))


@events.quitting.add_listener
def write(environment: Any, **_: Any) -> None:
    """Leave the figures."""
    (began, before), (ended, after) = TIMES
    seconds, late = ended - began, sorted(LATE)
    total = environment.stats.total
    figures = {
        "requests": total.num_requests,
        "failures": total.num_failures,
        "p50_ms": total.get_response_time_percentile(0.5) or 0,
        "p95_ms": total.get_response_time_percentile(0.95) or 0,
        "max_ms": total.max_response_time or 0,
        "requests_per_second": total.total_rps,
        "generator_late_p95_ms": late[int(0.95 * len(late))] if late else 1000 * seconds,
        "generator_cpu": (after - before) / seconds,
        "errors": [f"{error.method} {error.name}: {error.error}" for error in environment.stats.errors.values()][:5],
    }
    content = {"figures": figures, "identities": dict(IDENTITIES)}
    Path(os.environ["VERDIGRIS_LOAD_OUT"]).write_text(json.dumps(content), encoding="utf-8")
