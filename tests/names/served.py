"""What shows a certificate: a server of a test's own, and the router of a world."""

import ssl
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import trustme

from tests.world import World

NAME = "shop.example.test"
"""A name that no DNS knows (RFC 6761)."""
IDENTITY = "color=blue;version=1.0.0;build=b1.0.0;config=c0"
BUNDLE = "ca.pem"


def day(offset: float) -> datetime:
    """A moment that many days from now."""
    return datetime.now(UTC) + timedelta(days=offset)


def show(authority: trustme.CA, kind: str) -> trustme.LeafCert:
    """A certificate of one of the kinds that the tests need."""
    return {
        "good": lambda: authority.issue_cert(NAME),
        "expired": lambda: authority.issue_cert(NAME, not_before=day(-30), not_after=day(-3)),
        "early": lambda: authority.issue_cert(NAME, not_before=day(2)),
        "soon": lambda: authority.issue_cert(NAME, not_after=day(9.5)),
        "other-name": lambda: authority.issue_cert("another.example.test"),
    }[kind]()


class Server(ThreadingHTTPServer):
    """HTTPS on a free port of this machine; it remembers which names it was asked by."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, certificate: trustme.LeafCert) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.sni_callback = self._asked
        certificate.configure_cert(self.context)
        self.sni: set[str | None] = set()
        self.hosts: set[str | None] = set()
        self.place = f"127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def _asked(self, _: object, name: str | None, __: object) -> None:
        self.sni.add(name)

    def finish_request(self, request: object, client_address: object) -> None:
        """The handshake belongs to the connection's own thread; a client that refuses it is what is tested."""
        try:
            secured = self.context.wrap_socket(request, server_side=True)  # type: ignore[call-overload]
        except OSError:
            return
        Handler(secured, client_address, self)
        secured.close()


class Handler(BaseHTTPRequestHandler):
    """Says who it is."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        """Answer anything."""
        self.server.hosts.add(self.headers["host"])
        body = b"<title>shop</title><main>hello</main>"
        self.send_response(200)
        self.send_header("x-release", IDENTITY)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def put(folder: Path, authority: trustme.CA, certificate: trustme.LeafCert) -> None:
    """Lay the files of a certificate where the router of a world looks for them."""
    folder.mkdir(parents=True, exist_ok=True)
    certificate.private_key_pem.write_to_path(str(folder / "server.key"))
    (folder / "server.pem").write_bytes(b"".join(part.bytes() for part in certificate.cert_chain_pems))
    authority.cert_pem.write_to_path(str(folder / BUNDLE))


def named(world: World, place: str, authority: str | Path, url: str = f"https://{NAME}", more: str = "") -> str:
    """Add an environment of a cluster that is reached by its name at ``place``; its name."""
    path = world.root / "environments.toml"
    table = f'\n[environments.named]\nplatform = "kubernetes"\nnamespace = "shop"\nurl = "{url}"\nca = "{authority}"\n'
    table += 'kubernetes = { manifests = "k8s", image = "images/{version}.json" }\n'
    table += (f'address = "{place}"\n' if place else "") + more
    path.write_text(path.read_text().partition("\n[environments.named]")[0] + table)
    return "named"
