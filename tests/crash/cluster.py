"""The kinds of runs that are killed on a cluster. What they leave is recovered on another machine.

Another machine is another folder with a copy of the project. In half of the cases the mark by which a recovery on the
same machine is sure of the holder's end is taken from the Lease, as if its process had run elsewhere, so that the
Lease's expiry is really waited for.
"""

import copy
import hashlib
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil

from tests.cluster.images import Images
from tests.cluster.kubectl import Kubectl
from tests.cluster.world import ClusterWorld
from tests.crash.matrix import FLOWS as LOCAL
from tests.crash.outcome import Kill, wrong
from tests.crash.stage import LOGGED, FlowKind, Stage
from tests.world import SMOKE
from verdigris.model import Outcome
from verdigris.platform.kubernetes import KubernetesPlatform
from verdigris.platform.kubernetes.journal import LEASE, PLACE
from verdigris.platform.kubernetes.pods import RELEASE_LABEL

TEST_LABEL = "verdigris.dev/test"
LEASE_SECONDS = 5
"""How long a dead deployer's hold lasts here; see the settings of ``tests/cluster/world.py``."""
UNDONE = """
def test_it_is_not_the_bad_one(http):
    assert "hello from 2." not in http.get("/").text
"""
FRESH = {"1.2": "", "2.0": "logs-with-users"}
"""Versions that are made anew for each run, so that each passes the same points, and their faults."""
FLOWS = {name: LOCAL[name] for name in ("first", "rollback")} | {
    "good": FlowKind("good", lambda _: ("release", "1.2")),
    "watched": FlowKind("watched", lambda _: ("release", "2.0")),
    "rolling": FlowKind("rolling", lambda _: ("release", "1.2"), strategy="rolling"),
    "rolling undone": FlowKind("rolling undone", lambda _: ("release", "2.0"), strategy="rolling"),
}


class Project(ClusterWorld):
    """A project in a namespace of its own; ``close`` takes the namespace away.

    What it is killed and recovered by says nothing of how quick a busy machine is: a pod stays in use that is slow to
    say that it is ready, and a watch bears slow answers.
    """

    def __init__(self, root: Path, kubectl: Kubectl, images: Images, **more: Any) -> None:
        super().__init__(root, kubectl, images, **more)
        settings = root / "environments.toml"
        patient = re.sub(r"rate = \d+, answer_ms = \d+", "rate = 20, answer_ms = 5000", settings.read_text())
        settings.write_text(patient)

    def _manifests(self) -> None:
        super()._manifests()
        for path in (self.root / "k8s").glob("deployment-*.yaml"):
            text = path.read_text().replace(
                "failureThreshold: 2", "failureThreshold: 10\n            timeoutSeconds: 5"
            )
            path.write_text(text)

    def close(self) -> None:
        """Remove everything, without waiting for it."""
        self.kubectl("delete", "namespace", self.namespace, "--ignore-not-found", "--wait=false")

    def on_another_machine(self) -> "Project":
        """The same project from another folder, which knows nothing but its files and the cluster."""
        found = copy.copy(self)
        found.root = self.root.with_name(f"{self.root.name}-{uuid4().hex[:6]}")
        shutil.copytree(self.root, found.root, ignore=shutil.ignore_patterns(".verdigris", "reports"))
        return found


class ClusterStage(Stage[Project]):
    """Pods behind a Service and an ingress."""

    driver = "tests.crash.cluster_driver"
    timeout = 10.0

    def __init__(self, root: Path, kind: FlowKind, admin: Kubectl, images: Images) -> None:
        self.admin = admin
        self.images = images
        self.recovered = 0
        super().__init__(root, kind)

    def make(self, root: Path) -> Project:
        """A world in a new namespace."""
        root.mkdir(parents=True)
        namespace = f"verdigris-test-{uuid4().hex[:10]}"
        metadata = {"name": namespace, "labels": {TEST_LABEL: "true"}}
        self.admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        world = Project(
            root,
            self.admin.within(namespace),
            self.images,
            name="staging" if self.kind.strategy == "rolling" else "production",
            strategy=self.kind.strategy,
            watch=1.0,
            switch_seconds=15,
            watch_more=f", log_errors = {LOGGED}",
        )
        for version in ("1.0.0", "1.1.0"):
            world.version(version)
        if self.kind.strategy == "rolling":  # what it logs, it logs before the watch: users meet it in the deploy
            world.suite("smoke", SMOKE + UNDONE)
        world.up()
        return world

    def words(self) -> tuple[str, ...]:
        """The command line, of this environment."""
        words = list(super().words())
        if words[1] in FRESH:
            words[1] = self.world.version(f"{words[1]}.{self.number}", FRESH[words[1]])
        return (*words, "--env", self.world.name)

    def recover(self) -> "tuple[Project, subprocess.CompletedProcess[str], float]":
        """Recover on another machine; the seconds count from the Lease's expiry, or the kill where none is held."""
        world, free = self.world.on_another_machine(), time.time()
        self.recovered += 1
        lease = self._lease()
        if lease is not None and lease["spec"].get("holderIdentity") and self.recovered % 2:
            self.world.kubectl("annotate", "lease", LEASE, f"{PLACE}=", "--overwrite")
            renewed = datetime.fromisoformat(lease["spec"]["renewTime"]).timestamp()
            free = max(free, renewed + lease["spec"]["leaseDurationSeconds"])
        done = world.command("recover", timeout=120)
        return world, done, time.time() - free

    def _lease(self) -> dict[str, Any] | None:
        found = self.world.kubectl("get", "lease", LEASE, "--ignore-not-found", "--output=json")
        return dict(json.loads(found)) if found.strip() else None

    def look(self, world: Project, before: str | None) -> Iterator[str]:
        """What is wrong, and what the dead run left in the cluster or on its machine."""
        platform = world.platform()
        yield from wrong(platform, before)
        yield from _objects(world, platform)
        yield from _candidate(platform)
        for process in psutil.process_iter():
            try:
                words = " ".join(process.cmdline())
                if str(world.root.parent) in words and "bench.traffic" not in words:
                    yield f"a stray process: {process.pid} {words[:300]}"
            except psutil.Error:
                continue

    def fingerprint(self, world: Project) -> str:
        """What a release writes, but for what Kubernetes itself says there; the Lease is taken and given back."""
        found = []
        for one in world.kubectl.get("service,deployment,configmap,job")["items"]:
            meta = one["metadata"]
            notes = {key: value for key, value in (meta.get("annotations") or {}).items() if "kubernetes.io" not in key}
            found.append([one["kind"], meta["uid"], meta.get("generation"), notes, one.get("data")])
        return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def _objects(world: Project, platform: KubernetesPlatform) -> Iterator[str]:
    for job in world.kubectl.get("jobs")["items"]:
        yield f"a stray Job: {job['metadata']['name']}"
    labels = {}
    for deployment in world.kubectl.get("deployments")["items"]:
        name = deployment["metadata"]["name"]
        if name not in {platform.colors.name(place) for place in platform.places}:
            yield f"a stray Deployment: {name}"
        labels[deployment["spec"]["template"]["metadata"]["labels"][RELEASE_LABEL]] = name
    for pod in world.kubectl.get("pods")["items"]:
        meta = pod["metadata"]
        if not meta.get("deletionTimestamp") and meta["labels"].get(RELEASE_LABEL) not in labels:
            yield f"a stray pod: {meta['name']}"


def _candidate(platform: KubernetesPlatform) -> Iterator[str]:
    """The candidate of a run that never moved the users is gone."""
    record = platform.journal.read().record
    if record is None or record.candidate is None or record.outcome is not Outcome.HELD:
        return
    standing = platform.standing(record.candidate)
    if standing is not None and standing.release == record.release and platform.live().color is not record.candidate:
        yield f"the candidate of a run that was held still stands in {record.candidate}"


@contextmanager
def stage(root: Path, name: str, admin: Kubectl, images: Images) -> Iterator[ClusterStage]:
    """A stage for one kind of run."""
    root.mkdir(parents=True, exist_ok=True)
    made = ClusterStage(root, FLOWS[name], admin, images)
    try:
        yield made
    finally:
        made.close()


def run(
    root: Path, name: str, admin: Kubectl, images: Images, choose: Callable[[list[str]], list[int]], every: int = 8
) -> list[Kill]:
    """Kill one kind of run at the chosen points; after every ``every``-th one the next release is made too."""
    with stage(root, name, admin, images) as made:
        return made.run(choose, every)
