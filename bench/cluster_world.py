"""What ``python -m bench cluster`` stands on: namespaces, images, and users' Services with or without a NodePort."""

import os
import random
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from uuid import uuid4

from tests.cluster.images import Images
from tests.cluster.kubectl import Kubectl
from tests.crash.cluster import TEST_LABEL, Project

APPLICATION = Path(__file__).with_name("cluster_app.py")
NODE_PORTS = range(30_100, 32_700)
PRESTOP = 2
"""Seconds that a pod serves on while kube-proxy takes it out of use; the ingress is quicker."""


class Stand(Project):
    """The benchmark's application in a namespace of its own.

    Args:
        root: an empty folder.
        kubectl: of the namespace.
        images: of the application.
        node_port: the users' Service's own port on every node; ``None`` where they come through the ingress.
        window: the rollback window; with 0 each release retires the color before.
    """

    def __init__(self, root: Path, kubectl: Kubectl, images: Images, node_port: int | None, window: float) -> None:
        self.node_port = node_port
        self.direct = f"http://127.0.0.1:{node_port}"
        vantage = f'vantage = ["{self.direct}"]' if node_port else ""
        super().__init__(root, kubectl, images, watch=1.5, window=window, kubernetes=vantage)
        for version in ("1", "2"):
            self.version(version)

    def _manifests(self) -> None:
        super()._manifests()
        for path in (self.root / "k8s").glob("*.yaml"):
            text = path.read_text().replace("sleep: {seconds: 1}", f"sleep: {{seconds: {PRESTOP}}}")
            if self.node_port:
                text = text.replace("  selector: {app: tiny}\n", "  selector: {app: tiny}\n  type: NodePort\n")
                text = text.replace("targetPort: http}", f"targetPort: http, nodePort: {self.node_port}}}")
            path.write_text(text)


@dataclass
class Tools:
    """The cluster, and what is made for it."""

    admin: Kubectl
    root: Path
    folder: Path
    """Where samples are kept."""

    @cached_property
    def tiny(self) -> Images:
        """Images of the tests' application, which has faults."""
        return Images(self._empty("base-tiny"))

    @cached_property
    def images(self) -> Images:
        """Images of the benchmark's application."""
        return Images(self._empty("base"), APPLICATION)

    def stand(self, name: str, *, node_port: bool, window: float) -> Stand:
        """An environment that is up, in a new namespace."""
        namespace = f"verdigris-test-{uuid4().hex[:10]}"
        metadata = {"name": namespace, "labels": {TEST_LABEL: "true"}}
        self.admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        port = self._free_port() if node_port else None
        made = Stand(self._empty(name), self.admin.within(namespace), self.images, port, window)
        try:
            made.up()
        except BaseException:
            made.close()
            raise
        return made

    def folder_of(self, name: str) -> Path:
        """An empty folder for a kind of kills."""
        return self._empty(f"kills-{name.replace(' ', '-')}")

    def _empty(self, name: str) -> Path:
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.root))

    def _free_port(self) -> int:
        services = self.admin.get("services", "--all-namespaces")["items"]
        taken = {port.get("nodePort") for service in services for port in service["spec"].get("ports", ())}
        return random.choice([port for port in NODE_PORTS if port not in taken])


def tools(root: Path, report: Path | None) -> Tools:
    """What the benchmark works with; samples go to ``report`` where there is one."""
    if "KUBECONFIG" not in os.environ:
        raise SystemExit("KUBECONFIG is not set: export KUBECONFIG=FILE of a test cluster")
    folder = report or root / "samples"
    folder.mkdir(parents=True, exist_ok=True)
    return Tools(Kubectl(Path(os.environ["KUBECONFIG"])), root, folder)
