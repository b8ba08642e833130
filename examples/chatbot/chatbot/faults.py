"""Faults planted on purpose, so that a release which must be stopped can be shown being stopped.

A version's `plant` in versions.toml is baked into its artifact. Nothing here can be turned on from outside, and where
nothing is planted the middleware is not even installed.
"""

import asyncio
import dataclasses
import os
import sys
from time import monotonic

import psycopg
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatbot.release import Release

PLANTS = {
    "wrong-status": "every third POST of a message is answered 500",
    "slow": "every answer takes 400 ms longer",
    "slow-with-users": "as slow, from 1.5 s after the first request of a real user",
    "crash-with-users": "the process exits 2 s after the first request of a real user",
    "broken-asset": "stylesheets are answered 404",
    "broken-script": "the page's script throws as it loads",
    "database-error": "whatever writes is answered as if the database refused",
    "wrong-version": "x-release and /version say 0.0.0",
    "exits-at-once": "the process exits as it starts",
    "never-ready": "/readyz is always 503",
}
SLOWER = 0.4
SLOW_AFTER = 1.5
CRASH_AFTER = 2.0
SUITE_HEADER = b"x-verdigris-run"  # what the requests of test suites carry, and users' do not
MACHINES = ("/healthz", "/readyz", "/metrics", "/version")


class Faults:
    """The fault of this artifact, or none."""

    def __init__(self, plant: str | None) -> None:
        """Refuse a fault that is not known: a fault that silently does nothing would prove nothing."""
        if plant is not None and plant not in PLANTS:
            raise ValueError(f"no planted fault {plant!r}; known are {', '.join(PLANTS)}")
        self.plant = plant
        self.messages = 0
        self.first_user: float | None = None

    def at_start(self) -> None:
        """Hook: the process starts."""
        if self.plant == "exits-at-once":
            print("chatbot: cannot start: planted fault exits-at-once", file=sys.stderr)
            sys.exit(3)

    def reported(self, release: Release) -> Release:
        """Hook: what the process says it is."""
        return dataclasses.replace(release, version="0.0.0") if self.plant == "wrong-version" else release

    def unready_reason(self) -> str | None:
        """Hook: the process is asked whether it is ready."""
        return "planted fault never-ready" if self.plant == "never-ready" else None

    def before_write(self) -> None:
        """Hook: a row is about to change."""
        if self.plant == "database-error":
            raise psycopg.OperationalError("planted fault database-error")

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """Hook: put the fault around the application."""
        return _Planted(app, self) if self.plant else app

    def note(self, scope: Scope) -> None:
        """Remember when the first real user came."""
        from_suite = any(name == SUITE_HEADER for name, _ in scope["headers"])
        if self.first_user is None and not from_suite and scope["path"] not in MACHINES:
            self.first_user = monotonic()
            if self.plant == "crash-with-users":
                asyncio.get_running_loop().call_later(CRASH_AFTER, _crash)

    def delay(self, path: str) -> float:
        """Say how much longer this answer takes."""
        if self.plant == "slow":
            return 0 if path in MACHINES else SLOWER
        if self.plant == "slow-with-users" and self.first_user is not None:
            return SLOWER if monotonic() - self.first_user >= SLOW_AFTER else 0
        return 0

    def wrong_status(self, scope: Scope) -> bool:
        """Say whether this is the third message in a row."""
        if self.plant != "wrong-status" or scope["method"] != "POST" or "/messages" not in scope["path"]:
            return False
        self.messages += 1
        return self.messages % 3 == 0


def _crash() -> None:
    print("chatbot: planted fault crash-with-users", file=sys.stderr, flush=True)
    os._exit(3)


class _Planted:
    """The faults that show in answers."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self.app = app
        self.faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        self.faults.note(scope)
        await asyncio.sleep(self.faults.delay(scope["path"]))
        wrong = self.faults.wrong_status(scope)
        path, plant = scope["path"], self.faults.plant

        async def spoiled(message: Message) -> None:
            if message["type"] == "http.response.start" and wrong:
                message = {**message, "status": 500}
            await send(message)

        if plant == "broken-asset" and path.endswith(".css"):
            await self.app({**scope, "path": "/assets/lost"}, receive, send)
        elif plant == "broken-script" and path.startswith("/assets/app."):
            await _throwing_script(send)
        else:
            await self.app(scope, receive, spoiled)


async def _throwing_script(send: Send) -> None:
    body = b'throw new Error("planted fault broken-script");\n'
    headers = [(b"content-type", b"text/javascript"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
