"""What every response carries, errors and streams included: who answered, and whether to come back elsewhere.

Both are plain ASGI around the whole application, because an application's own middleware does not see every response.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Identity:
    """Puts the x-release header on every response, in place of whatever the application may have put there."""

    def __init__(self, app: ASGIApp, identity: str) -> None:
        """Wrap the application; the identity does not change while the process lives."""
        self.app = app
        self.header = (b"x-release", identity.encode("ascii"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def identified(message: Message) -> None:
            if message["type"] == "http.response.start":
                others = [header for header in message.get("headers", ()) if header[0].lower() != b"x-release"]
                message = {**message, "headers": [*others, self.header]}
            await send(message)

        await self.app(scope, receive, identified if scope["type"] == "http" else send)


class Draining:
    """Whether this process is being left.

    `moving`: users have moved away; kept connections are asked to close, and the process stays able to serve.
    `leaving`: the process will exit; it is not ready any more either.
    """

    def __init__(self) -> None:
        """Begin as a process that stays."""
        self.moving = False
        self.leaving = False


class Drain:
    """Asks the other side to close its connection while this process is being left."""

    def __init__(self, app: ASGIApp, draining: Draining) -> None:
        """Wrap the application."""
        self.app = app
        self.draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start" and (self.draining.moving or self.draining.leaving):
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)

        await self.app(scope, receive, closing if scope["type"] == "http" else send)
