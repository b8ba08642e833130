"""An API server in trouble: a proxy on 127.0.0.1 in front of the real one that fails where it is told to.

It passes requests on with the caller's token, or with the admin's certificate where the caller has none. A rule selects
requests by method, path and body, and for a number of times; what it does with them is one of the faults below.
"""

import base64
import contextlib
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import trustme

from tests.cluster.kubectl import Kubectl
from tests.cluster.proxy import Answer, Fault, Handler, Server, passed

DRIPPING = 60.0
"""Seconds after which an answer that never ends is given up by its server; every caller has to before."""


def answering(status: int, message: str = "planted", **headers: str) -> Fault:
    """The request is answered so and never happens."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status, "message": message}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _handler: (status, {"content-type": "application/json", **named}, json.dumps(body).encode())


def lost_before(_handler: Handler) -> None:
    """The connection ends, and nothing happened."""


def lost_after(handler: Handler) -> None:
    """It happened, and the connection ends in place of an answer."""
    handler.forward()


def hanging(handler: Handler) -> None:
    """Nobody answers until the caller gives up, and nothing happened."""
    handler.until_given_up()


def hanging_after(handler: Handler) -> None:
    """It happened, and nobody answers until the caller gives up."""
    handler.forward()
    handler.until_given_up()


def dripping(handler: Handler) -> None:
    """It happened, and the answer never ends: a byte now and then, until the caller gives up."""
    handler.forward()
    with contextlib.suppress(OSError):
        handler.send_response_only(200)
        handler.send_header("content-type", "application/json")
        handler.send_header("content-length", "99999999")
        handler.end_headers()
        deadline = time.monotonic() + DRIPPING
        while time.monotonic() < deadline:
            handler.wfile.write(b" ")
            time.sleep(0.3)


def then(act: Callable[[], object]) -> Fault:
    """It happened, and before its answer is given something else does."""

    def fault(handler: Handler) -> Answer:
        answer = handler.forward()
        act()
        return answer

    return fault


def anything(_body: bytes) -> bool:
    """Whatever is asked for."""
    return True


@dataclass
class Rule:
    """Which requests a fault befalls."""

    fault: Fault
    method: str = ""
    path: str = ""
    body: Callable[[bytes], object] = anything
    times: int | None = 1
    """How often, or ``None`` for ever."""
    seen: list[float] = field(default_factory=list)
    """``time.monotonic()`` of every time."""

    def takes(self, handler: Handler) -> bool:
        """Whether this request is meant; counts it."""
        if self.times is not None and len(self.seen) >= self.times:
            return False
        meant = self.method in ("", handler.command) and re.search(self.path, handler.path)
        if not meant or not self.body(handler.content):
            return False
        self.seen.append(time.monotonic())
        return True


class Trouble:
    """The proxy; ``close`` ends it."""

    def __init__(self, kubectl: Kubectl, folder: Path) -> None:
        self.folder = folder
        self.config = json.loads(kubectl("config", "view", "--raw", "--minify", "--flatten", "--output=json"))
        self.real = urlsplit(self.config["clusters"][0]["cluster"]["server"])
        self.with_token, self.as_admin = self._upstream()
        authority = trustme.CA()
        self.authority = authority.cert_pem.bytes()
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("127.0.0.1").configure_cert(self.context)
        self.rules: list[Rule] = []
        self.lock = threading.Lock()
        self.connections: set[socket.socket] = set()
        self.port = 0
        self.server: Server | None = None
        self.up()

    def kubeconfig(self, token: str | None = None) -> str:
        """A kubeconfig that leads here: as an account with a token, or with the admin's rights."""
        cluster = {
            "server": f"https://127.0.0.1:{self.port}",
            "certificate-authority-data": base64.b64encode(self.authority).decode(),
        }
        config = {
            **self.config,
            "clusters": [{**self.config["clusters"][0], "cluster": cluster}],
            "users": [{**self.config["users"][0], "user": {"token": token} if token else {}}],
        }
        path = self.folder / ("account.kubeconfig" if token else "admin.kubeconfig")
        path.write_text(json.dumps(config))
        path.chmod(0o600)
        return str(path)

    def _upstream(self) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        """How the real API server is spoken to: with the caller's token, or with the admin's certificate."""
        authority = _decoded(self.config["clusters"][0]["cluster"], "certificate-authority-data").decode()
        user, pem = self.config["users"][0]["user"], self.folder / "admin.pem"
        pem.touch(0o600)
        pem.write_bytes(_decoded(user, "client-certificate-data") + _decoded(user, "client-key-data"))
        with_token, as_admin = (ssl.create_default_context(cadata=authority) for _ in range(2))
        as_admin.load_cert_chain(pem)
        return with_token, as_admin

    # --- what goes wrong ---------------------------------------------------------------------------------------

    def when(
        self,
        fault: Fault,
        method: str = "",
        path: str = "",
        body: Callable[[bytes], object] = anything,
        times: int | None = 1,
        *,
        first: bool = False,
    ) -> Rule:
        """Let a fault befall requests; of several rules the one that was made first takes a request."""
        rule = Rule(fault, method, path, body, times)
        with self.lock:
            self.rules.insert(0 if first else len(self.rules), rule)
        return rule

    def at(self, step: str, act: Callable[[], object]) -> Rule:
        """Do something when a release's journal says for the first time that it is at a step."""
        return self.when(then(act), "PATCH", "/configmaps/verdigris-journal", lambda body: _step(body) == step)

    def down(self, seconds: float | None = None) -> None:
        """Refuse every connection from now on, for so many seconds; requests under way get their answer."""
        server, self.server = self.server, None
        if server is None:
            return
        threading.Thread(target=server.shutdown, daemon=True).start()
        server.server_close()
        if seconds is not None:
            threading.Timer(seconds, self.up).start()

    def up(self) -> None:
        """Take connections again."""
        if self.server is not None:
            return
        self.server = Server(("127.0.0.1", self.port), Handler)
        self.server.trouble = self
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def calm(self) -> None:
        """Nothing goes wrong any more."""
        with self.lock:
            self.rules.clear()
        self.up()

    def close(self) -> None:
        """Take nothing more."""
        self.down()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.close()

    def fault_of(self, handler: Handler) -> Fault:
        """What befalls a request."""
        with self.lock:
            return next((rule.fault for rule in self.rules if rule.takes(handler)), passed)


def _step(body: bytes) -> str:
    """The step of the record in a journal that is written."""
    return str(json.loads(json.loads(body)["data"]["journal.json"])["record"]["step"])


def _decoded(table: dict[str, str], key: str) -> bytes:
    return base64.b64decode(table[key])


@contextlib.contextmanager
def in_trouble(kubectl: Kubectl, folder: Path) -> Iterator[Trouble]:
    """A proxy for the time of the block."""
    trouble = Trouble(kubectl, folder)
    try:
        yield trouble
    finally:
        trouble.close()
