"""A very small application of the tests: it says who it is, and does what its version's plan tells it.

Its working directory's ``build.json`` has "version", "build", "fault" and, where it is to lie, "says_version".
"""

import contextlib
import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer

PLAN = json.loads((Path.cwd() / "build.json").read_text())
FAULT = PLAN.get("fault", "")
IDENTITY = (
    f"color={os.environ['RELEASE_COLOR']};version={PLAN.get('says_version', PLAN['version'])};"
    f"build={PLAN.get('says_build', PLAN['build'])};config={os.environ['RELEASE_CONFIG']}"
)
users_since: list[float] = []
served = [0]
open_requests: set[int] = set()
"""The threads that answer one; each has a connection of its own."""
DOWN = Path.cwd().parent / "down"
SECRET = os.environ.get("API_KEY", "")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes; a delayed ACK would add 40 ms to each answer

    def do_GET(self) -> None:
        if self.path == "/metrics":
            return self.say(200, f"tiny_open_requests {len(open_requests)}\n")
        open_requests.add(threading.get_ident())
        try:
            return self.answer()
        finally:
            open_requests.discard(threading.get_ident())

    def is_users(self) -> bool:
        """Whether no suite asks."""
        return "x-verdigris-run" not in self.headers

    def answer(self) -> None:
        served[0] += 1
        status, body = 200, f"hello from {PLAN['version']}\n"
        if self.is_users() and not self.path.startswith("/healthz"):
            if FAULT == "logs-with-users" and not users_since:
                print("ERROR: the fault was planted", file=sys.stderr, flush=True)
            users_since.append(time.monotonic())
        if self.path == "/readyz" and FAULT == "never-ready":
            status = 503
        if self.path == "/readyz" and FAULT == "flaps" and int(time.monotonic() / PLAN.get("period", 0.15)) % 2:
            status = 503
        if self.path == "/" and DOWN.exists():
            status = 500
        if self.path == "/" and FAULT == "slow":
            time.sleep(0.5)
        if self.path == "/hold":  # until it is let go
            users = DOWN.with_name("held")
            users.touch()
            while users.exists():
                time.sleep(0.02)
        if self.path == "/tenant":
            body = f"tenant {self.headers.get('x-tenant', 'none')}\n"
        if FAULT == "eats-under-test" and self.path == "/" and "x-verdigris-run" in self.headers:
            threading.Thread(target=eat, daemon=True).start()
        if FAULT == "leaks":
            body = f"the key is {SECRET}\n"
            print(f"ERROR: the key is {SECRET}", file=sys.stderr, flush=True)
        if self.path == "/" and FAULT == "wrong-status":
            status = 500
        if FAULT == "slow-with-users" and users_since and time.monotonic() - users_since[0] > 0.5:
            time.sleep(0.4)
        if FAULT == "errors-with-users" and users_since and self.path == "/" and served[0] % 3 == 0:
            status = 500
        if FAULT == "surrogate-with-users" and users_since:
            body = '{"half": "\\ud800"}'
            os.write(2, b"half of a pair: \xed\xa0\x80\n")
        if self.path.startswith("/slow"):
            time.sleep(float(self.path.partition("=")[2] or 1))
        self.say(status, body)

    def endless(self, how: str) -> None:
        """Begin an answer of 200 by the right identity that never ends: a byte each 0.3 s, or as fast as it goes."""
        status, header = b"HTTP/1.1 200 OK\r\n", f"x-release: {IDENTITY}\r\n".encode()
        begun, part = {
            "status": (b"HTTP/1.1 200 O", b"K"),
            "header": (status + header + b"x-more: ", b"y"),
            "body": (status + header + b"content-length: 99999999999\r\n\r\n", b"z"),
            "chunk": (status + header + b"transfer-encoding: chunked\r\n\r\n1;x=", b"y"),
            "silent": (b"", b""),
            "hints": (b"", b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"),
        }[how]
        fast = bool(PLAN.get("fast"))
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.wfile.write(begun)
            while True:
                self.wfile.write(part * (65536 // max(1, len(part))) if fast else part)
                time.sleep(0 if fast else 0.3)

    def say(self, status: int, body: str) -> None:
        if (
            (FAULT == "drips-with-users" and users_since)
            or (FAULT == "drips-at-readyz" and self.path == "/readyz")
            or (FAULT == "drips-when-told" and DOWN.with_name("drips").exists())
            or (FAULT == "drips-now-and-then" and self.path == "/" and self.is_users() and served[0] % 10 == 0)
        ):
            return self.endless(PLAN.get("how", "body"))
        self.send_response(status)
        for line in PLAN.get("identities", [] if FAULT == "no-identity" else [IDENTITY]):
            if FAULT == "leaks-its-name" and users_since and served[0] % 3 == 0:
                line += f"-{SECRET}"
            self.send_header("x-release", line.format(**dict(part.split("=") for part in IDENTITY.split(";"))))
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())
        return None

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def server_bind(self) -> None:
        """Bind without asking a name server for this host's own name, which can take it 10 s."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "tiny", self.server_address[1]


def crash_with_users() -> None:
    while not users_since:
        time.sleep(0.01)
    time.sleep(0.5)
    os._exit(3)


def eat() -> None:
    """Take memory until the kernel objects."""
    taken = []
    for _ in range(60):
        taken.append(b"1" * (8 << 20))
        time.sleep(0.01)


def eat_with_users() -> None:
    while not users_since:
        time.sleep(0.01)
    time.sleep(1)
    eat()


def main() -> None:
    if FAULT == "exits-at-once":
        print("this release cannot start: the fault was planted", file=sys.stderr)
        sys.exit(3)
    if FAULT == "exits-and-leaks":
        print(f"cannot start with the key {SECRET}", file=sys.stderr)
        sys.exit(3)
    if FAULT == "crash-with-users":
        threading.Thread(target=crash_with_users, daemon=True).start()
    if FAULT == "eats-with-users":
        threading.Thread(target=eat_with_users, daemon=True).start()
    server = Server((os.environ.get("HOST", "127.0.0.1"), int(os.environ["PORT"])), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.02)


if __name__ == "__main__":
    main()
