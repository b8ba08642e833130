"""Argo Rollouts on the same cluster, behind the same ingress, with the same users: the peer that is measured beside us.

Its controller is built once from its module by Go, runs on this machine and acts in one namespace. A Rollout of the
benchmark's application has both versions standing, as within Argo's scale-down delay, and is changed to the other one
again and again: what ``kubectl argo rollouts undo`` does.

Source: https://argo-rollouts.readthedocs.io/en/stable/features/bluegreen/ and .../features/rollback/
"""

import copy
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from bench.cluster_world import Stand
from bench.switch import Move
from tests.cluster.kubectl import Kubectl, wait_until
from tests.cluster.machine import free_port
from verdigris.model import Color, Identity
from verdigris.platform.kubernetes.api import MERGE
from verdigris.platform.observer import Observer

VERSION = "1.10.1"
MODULE = f"github.com/argoproj/argo-rollouts@v{VERSION}"
TOOLS = Path(__file__).resolve().parents[1] / "build" / "tools"
BUILD_SECONDS = 1800
COLORS = {"1": Color.BLUE, "2": Color.GREEN}
PATH = "/apis/argoproj.io/v1alpha1/namespaces/{namespace}/rollouts/tiny"


class Argo:
    """A Rollout in the place of the stand's colors.

    Args:
        stand: an environment that is up, and in which nothing was released.
    """

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.transport = stand.platform().cluster.transport
        self.users = stand.platform().users()

    def stand_both_up(self) -> None:
        """Release version 1, then 2, with the first still standing."""
        own = [{"op": "replace", "path": "/spec/selector", "value": {"app": "tiny"}}]
        self.stand.kubectl("patch", "service", "tiny", "--type=json", "-p", json.dumps(own))
        self.stand.kubectl.create(self._rollout())
        self._await("1")
        self.change("2")
        self._await("2")

    def switch_once(self, number: int) -> Move:
        """Change the Rollout to the version that has not the users, and see them arrive there."""
        version = "2" if number % 2 else "1"
        observer = Observer(self.users, "x-release", "/readyz")
        observer.open()
        try:
            since, at = time.monotonic(), time.time()
            self.change(version)
            seen = observer.wait_for(self.identity(version), since, 30)
        finally:
            observer.close()
        return Move(at=at, to=COLORS[version], observed_ms=seen.seconds * 1000 if seen.complete else float("nan"))

    def change(self, version: str) -> None:
        """Ask for a version, as an undo does."""
        path = PATH.format(namespace=self.stand.namespace)
        body = {"spec": {"template": {"spec": {"containers": [self._container(version)]}}}}
        status, answer, _ = self.transport.send("PATCH", path, body, MERGE)
        assert status == 200, answer

    def identity(self, version: str) -> Identity:
        """Who answers of a version."""
        return Identity(color=COLORS[version], version=version, build=f"b{version}", config="argo")

    def _await(self, version: str) -> None:
        observer = Observer(self.users, "x-release", "/readyz")
        seen = observer.wait_for(self.identity(version), time.monotonic(), 60)
        assert seen.complete, seen.reason

        def healthy() -> bool | None:
            found = self.stand.kubectl.get("rollout", "tiny")
            return found.get("status", {}).get("phase") == "Healthy" or None

        wait_until(healthy, f"Argo says that {version} is healthy", 60)

    def _rollout(self) -> dict[str, Any]:
        spec = copy.deepcopy(self._deployment["spec"])
        spec["selector"] = {"matchLabels": {"app": "tiny"}}
        spec["template"]["metadata"]["labels"] = {"app": "tiny"}
        spec["template"]["spec"]["containers"] = [self._container("1")]
        spec["strategy"] = {"blueGreen": {"activeService": "tiny", "scaleDownDelaySeconds": 3600}}
        return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "tiny"}, "spec": spec}

    @cached_property
    def _deployment(self) -> dict[str, Any]:
        text = (self.stand.root / "k8s" / "deployment-blue.yaml").read_text()
        return next(one for one in yaml.safe_load_all(text) if one["kind"] == "Deployment")

    def _container(self, version: str) -> dict[str, Any]:
        made = json.loads((self.stand.root / "images" / f"{version}.json").read_text())
        container = {**self._deployment["spec"]["template"]["spec"]["containers"][0], "image": made["image"]}
        own = {"RELEASE_COLOR": str(COLORS[version]), "RELEASE_CONFIG": "argo"}
        env = [{**one, "value": own.get(one["name"], one["value"])} for one in container["env"]]
        return {**container, "env": env}


@contextmanager
def argo(stand: Stand, admin: Kubectl, folder: Path) -> Iterator[Argo]:
    """Argo's controller in the stand's namespace; it is ended, and its kinds removed where they were not there before.

    Raises:
        SystemExit: where it cannot be built.
    """
    source = _source()
    command = [str(_controller(source)), "--namespaced", "--namespace", stand.namespace, "--leader-elect=false"]
    command += ["--kubeconfig", os.environ["KUBECONFIG"], "--loglevel", "warn"]
    command += ["--metricsport", str(free_port()), "--healthzPort", str(free_port())]
    log = folder / "argo.log"
    with kinds(source, admin), log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield Argo(stand)
        finally:
            process.terminate()
            process.wait(20)


def _source() -> Path:
    """The folder of its module."""
    if shutil.which("go") is None:
        raise SystemExit(
            "Argo Rollouts is built by Go, which is not installed; BENCH_CLUSTER_PARTS can leave 'peer' out"
        )
    env = {**os.environ, "GOFLAGS": "-mod=mod"}
    done = subprocess.run(
        ["go", "mod", "download", "-json", MODULE], env=env, capture_output=True, text=True, check=False, timeout=600
    )
    found = json.loads(done.stdout or "{}")
    if done.returncode or "Dir" not in found:
        raise SystemExit(f"{MODULE} cannot be had: {found.get('Error') or done.stderr}")
    return Path(found["Dir"])


def _controller(source: Path) -> Path:
    """Its program, built where it is not there yet; that takes some minutes."""
    binary = TOOLS / f"rollouts-controller-{VERSION}"
    if not binary.exists():
        TOOLS.mkdir(parents=True, exist_ok=True)
        words = ["go", "build", "-o", str(binary), "./cmd/rollouts-controller"]
        env = {**os.environ, "GOFLAGS": "-mod=readonly"}
        done = subprocess.run(
            words, cwd=source, env=env, capture_output=True, text=True, check=False, timeout=BUILD_SECONDS
        )
        if done.returncode:
            raise SystemExit(f"{MODULE} cannot be built: {done.stderr[-2000:]}")
    return binary


@contextmanager
def kinds(source: Path, admin: Kubectl) -> Iterator[None]:
    """Its kinds, served for the time of the block; those that were there before stay."""
    folder, there = source / "manifests" / "crds", admin.attempt("get", "crd", "rollouts.argoproj.io").returncode == 0
    files = [word for path in sorted(folder.glob("*-crd.yaml")) for word in ("--filename", str(path))]
    if there:
        yield
        return
    admin("apply", "--server-side", *files)
    try:
        wait_until(lambda: _established(admin), "the cluster serves Rollouts", 30)
        yield
    finally:
        admin("delete", "--wait=false", *files)


def _established(admin: Kubectl) -> bool | None:
    """Whether the kind is served; ``kubectl wait`` of 1.20 gives up on an object that has no condition yet."""
    conditions = admin.get("crd", "rollouts.argoproj.io").get("status", {}).get("conditions") or ()
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions) or None
