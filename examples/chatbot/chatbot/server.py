"""Runs the application under uvicorn, and leaves politely.

SIGTERM  the process leaves: for DRAIN_SECONDS it serves on, closing each connection after its answer and telling
         /readyz 503; then it finishes what is in flight, streams included, and exits 0. A second one ends the wait.
SIGUSR1  users have moved away: each connection is closed after its answer. The process stays, and stays ready, because
         a rollback may need it.
SIGUSR2  users are back: takes SIGUSR1 back.
"""

import logging
import signal
from time import monotonic
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from chatbot.asgi import Draining
from chatbot.settings import Settings

log = logging.getLogger(__name__)

IDLE_SECONDS = 75  # longer than a router keeps its idle connections, so that it never writes into one being closed
FINISH_SECONDS = 30  # what a request in flight has at the end


class Server(uvicorn.Server):
    """Uvicorn's server, which drains before it stops."""

    def __init__(self, app: ASGIApp, settings: Settings, draining: Draining) -> None:
        """Configure uvicorn; it writes no access log, because metrics tell the same for less."""
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                loop="uvloop",
                http="httptools",
                ws="none",
                lifespan="on",
                access_log=False,
                log_config=None,
                server_header=False,
                timeout_keep_alive=IDLE_SECONDS,
                timeout_graceful_shutdown=FINISH_SECONDS,
            )
        )
        self._draining = draining
        self._drain_seconds = settings.drain_seconds
        self._stop_at: float | None = None
        signal.signal(signal.SIGUSR1, self._move)
        signal.signal(signal.SIGUSR2, self._move)

    def _move(self, number: int, _frame: FrameType | None) -> None:
        self._draining.moving = number == signal.SIGUSR1

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002, uvicorn names it
        """Begin to leave. Uvicorn would stop here, and raise the signal again at its end instead of exiting 0."""
        if self._draining.leaving:
            self.should_exit = True
            self.force_exit = sig == signal.SIGINT
            return
        self._draining.leaving = True
        self._stop_at = monotonic() + self._drain_seconds

    async def on_tick(self, counter: int) -> bool:
        """Tell uvicorn, which asks ten times a second, whether to stop."""
        stop = await super().on_tick(counter)
        return stop or (self._stop_at is not None and monotonic() >= self._stop_at)
