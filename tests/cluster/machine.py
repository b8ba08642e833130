"""What stands outside of the cluster, as an operator's database and provider do: on this machine, for pods to reach."""

import contextlib
import socket
import socketserver
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from verdigris.platform.database import create
from verdigris.platform.local import process
from verdigris.platform.local.postgres import READER, Postgres

from .kubectl import Kubectl

PROVIDER = Path(__file__).resolve().parents[2] / "examples" / "chatbot" / "provider.py"
USER = "chatbot"
PODS = "host all all all scram-sha-256\n"


class Door(socketserver.BaseRequestHandler):
    """One connection from a pod to the ingress, which listens for this machine alone."""

    inside = ("127.0.0.1", 443)

    def handle(self) -> None:
        """Carry both ways until both are at their end."""
        with socket.create_connection(self.inside, 10) as there:
            there.settimeout(None)
            back = threading.Thread(target=_carry, args=(there, self.request), daemon=True)
            back.start()
            _carry(self.request, there)
            back.join(60)


def _carry(source: socket.socket, to: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while part := source.recv(65536):
            to.sendall(part)
        to.shutdown(socket.SHUT_WR)


class Doors(socketserver.ThreadingTCPServer):
    """Lets pods come in as users do."""

    daemon_threads = True
    request_queue_size = 128


class Machine:
    """PostgreSQL and the provider, on an address of this machine that pods reach.

    Args:
        folder: of its files.
        address: this machine as pods see it; in the test cluster it is the node's own.
    """

    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self.address = folder, address
        self.mark = f"verdigris-test {folder}"
        self.postgres = Postgres(folder / "postgres", free_port(), "postgres", self.mark, ("127.0.0.1", address))
        self.port = free_port()

    def start(self) -> None:
        """Start both; whoever comes from a pod must know a password."""
        self.postgres.start()
        with (self.folder / "postgres" / "data" / "pg_hba.conf").open("a") as rules:
            rules.write(PODS)
        with self._ask() as connection:
            connection.execute("SELECT pg_reload_conf()")
        command = [sys.executable, str(PROVIDER), "--host", self.address, "--port", str(self.port)]
        log, record = self.folder / "provider.log", self.folder / "provider.json"
        process.start(command, mark=self.mark, log=log, cwd=self.folder, env={}, record=record)
        deadline = time.monotonic() + 20
        while not process.wait_until(self._provides, time.monotonic() + 0.5):
            assert time.monotonic() < deadline, f"the provider does not answer:\n{process.tail(log)}"

    def _provides(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(urllib.request.urlopen(f"{self.provider}/healthz", timeout=2).status == 200)
        return False

    def stop(self) -> None:
        """Stop both."""
        self.postgres.stop()
        process.stop(self.mark, self.folder / "provider.json")

    @property
    def provider(self) -> str:
        """Where the provider is, for the suites."""
        return f"http://{self.address}:{self.port}"

    @contextlib.contextmanager
    def ingress(self) -> Iterator[str]:
        """Where pods and this machine reach the ingress by HTTPS."""
        with Doors((self.address, 0), Door) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            try:
                yield f"{self.address}:{server.server_address[1]}"
            finally:
                server.shutdown()

    def database(self, name: str) -> str:
        """Make a database; where the suites reach it, by an account that reads."""
        create(self.admin, name)
        return self.postgres.url(READER, name)

    @property
    def admin(self) -> str:
        """Where a release reaches the server, by an account that may create databases."""
        return self.postgres.url(database="postgres")

    def account(self, name: str, user: str, password: str) -> str:
        """Make an account that owns a database, or give it another password; where pods reach that database."""
        with self._ask() as connection:
            known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [user]).fetchone()
            words = "ALTER ROLE {} PASSWORD {}" if known else "CREATE ROLE {} LOGIN PASSWORD {}"
            connection.execute(sql.SQL(words).format(sql.Identifier(user), sql.Literal(password)))
            owning = sql.SQL("ALTER DATABASE {} OWNER TO {}")
            connection.execute(owning.format(sql.Identifier(name), sql.Identifier(user)))
        return f"postgresql://{user}:{password}@database:5432/{name}"

    def _ask(self) -> "psycopg.Connection[Any]":
        return psycopg.connect(self.postgres.url(), autocommit=True)

    def join(self, kubectl: Kubectl) -> None:
        """Give both a name in a namespace: Services without a selector, that lead here."""
        kubectl.create(
            *self._named("database", 5432, self.postgres.port),
            *self._named("provider", 80, self.port),
        )

    def _named(self, name: str, port: int, here: int) -> list[dict[str, Any]]:
        ports = {"name": "tcp", "protocol": "TCP"}
        return [
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name},
                "spec": {"ports": [{**ports, "port": port}]},
            },
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {"name": f"{name}-machine", "labels": {"kubernetes.io/service-name": name}},
                "addressType": "IPv4",
                "endpoints": [{"addresses": [self.address]}],
                "ports": [{**ports, "port": here}],
            },
        ]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def own_address(address: str) -> bool:
    """Whether an address is one of this machine's."""
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def addresses(kubectl: Kubectl) -> list[str]:
    """The nodes' addresses."""
    nodes = kubectl.get("nodes")["items"]
    return [one["address"] for node in nodes for one in node["status"]["addresses"] if one["type"] == "InternalIP"]
