"""A port of this machine that leads to a pod, for a candidate that has no public host.

Each connection gets a port-forward of its own through the API server. The library's own pump between web socket and
socket pair is used as it is; here is only the listener.

Source: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/ (portforward)
"""

import contextlib
import errno
import socket
import threading
from collections.abc import Callable
from typing import Any

from verdigris.errors import PlatformError
from verdigris.platform.kubernetes.api import Cluster

CHUNK = 65536
SHORT_OF = 0.2
"""Seconds until a connection is tried again that there was no descriptor or memory for."""


class Forward:
    """Listens on 127.0.0.1 and leads each connection to the pod that ``pod`` names at that moment.

    Args:
        pod: the name of a ready pod; raises where there is none.
        port: the port in the pod.
    """

    def __init__(self, cluster: Cluster, pod: Callable[[], str], port: int) -> None:
        self.cluster = cluster
        self.pod = pod
        self.remote = port
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._closed = threading.Event()
        self.port: int = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, name=f"port-forward {self.port}", daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._closed.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self) -> None:
        """Take connections until closed; one that this machine has no descriptor or thread for costs no later one."""
        while self.listener.fileno() >= 0:
            try:
                ours, _ = self.listener.accept()
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ECONNABORTED):
                    return
                self._closed.wait(SHORT_OF)
                continue
            try:
                threading.Thread(target=self._serve, args=(ours,), daemon=True).start()
            except RuntimeError:  # no thread can be started
                ours.close()

    def _serve(self, ours: socket.socket) -> None:
        """One connection; where no pod takes it, for whatever reason, it is closed: its user sees no answer."""
        with ours, contextlib.suppress(Exception):
            forward = _open(self.cluster, self.pod(), self.remote)
            with contextlib.closing(forward):
                theirs = forward.socket(self.remote)
                back = threading.Thread(target=_pump, args=(theirs, ours), daemon=True)
                back.start()
                _pump(ours, theirs)
                back.join()


def _pump(source: Any, sink: Any) -> None:
    """Carry bytes until the source ends, then say so to the sink."""
    with contextlib.suppress(OSError):
        while data := source.recv(CHUNK):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _open(cluster: Cluster, pod: str, port: int) -> Any:
    from kubernetes.client.exceptions import ApiException
    from kubernetes.stream import ws_client

    configuration = cluster.transport.client.configuration
    headers = {setting["key"]: setting["value"] for setting in configuration.auth_settings().values()}
    url = f"{configuration.host}/api/v1/namespaces/{cluster.namespace}/pods/{pod}/portforward?ports={port}"
    try:
        return ws_client.portforward_call(configuration, "GET", url, headers=headers)  # type: ignore[no-untyped-call]
    except ApiException as error:
        raise PlatformError(f"no port-forward to pod {pod}: {error.reason}") from None
