"""A small project of a test's own on the real cluster: the tiny application in a namespace of its own."""

import base64
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trustme

from tests.cluster.images import Images
from tests.cluster.kubectl import Kubectl, wait_until
from tests.world import SMOKE
from verdigris.controller import Controller
from verdigris.model import Outcome, Record, Step
from verdigris.platform.kubernetes import KubernetesPlatform
from verdigris.progress import Silent, Watcher
from verdigris.settings import Settings, load

HERE = Path(__file__).parent
COLORS = {"blue": "{app: tiny, color: blue}", "green": "{app: tiny, color: green}", "live": "{app: tiny}"}
SETTINGS = """
application = "tiny"

[suites.smoke]
deadline = 60
hang = 30

[environments.{name}]
platform = "kubernetes"
strategy = "{strategy}"
url = "https://{host}"
address = "127.0.0.1"
ca = "ca.pem"
namespace = "{namespace}"
suites = ["smoke"]
rollback_window = {window}
drain_seconds = 5
switch_seconds = {switch_seconds}
watch = {{ seconds = {watch}, profile = "test", rate = 50, answer_ms = 1500, window = 0.5{watch_more} }}
{environment}

[environments.{name}.kubernetes]
manifests = "k8s"
image = "images/{{version}}.json"
ready = "/readyz"
ready_seconds = {ready_seconds}
stable_seconds = 0.5
unschedulable_seconds = 2
lease_seconds = 5
cluster = "{cluster}"
{kubernetes}
"""


class ClusterWorld:
    """The project in ``root``, its environment in a namespace that exists already."""

    def __init__(
        self,
        root: Path,
        kubectl: Kubectl,
        images: Images,
        *,
        name: str = "production",
        strategy: str = "blue-green",
        watch: float = 1.5,
        watch_more: str = "",
        window: float = 600,
        switch_seconds: float = 5,
        ready_seconds: float = 20,
        environment: str = "",
        kubernetes: str = "",
    ) -> None:
        self.root, self.kubectl, self.images, self.name = root, kubectl, images, name
        self.namespace = str(kubectl.namespace)
        self.host = f"{self.namespace}.example.test"
        self.strategy = strategy
        uid = kubectl.get("namespace", "kube-system")["metadata"]["uid"]
        kubectl("label", "namespace", self.namespace, f"verdigris.dev/environment={name}", "--overwrite")
        (root / "environments.toml").write_text(
            SETTINGS.format(
                name=name,
                strategy=strategy,
                host=self.host,
                namespace=self.namespace,
                window=window,
                watch=watch,
                watch_more=watch_more,
                switch_seconds=switch_seconds,
                ready_seconds=ready_seconds,
                environment=environment,
                kubernetes=kubernetes,
                cluster=uid,
            )
        )
        self._manifests()
        self._certificate()
        self.suite("smoke", SMOKE)

    def _manifests(self) -> None:
        folder = self.root / "k8s"
        folder.mkdir()
        around = (HERE / "tiny" / "around.yaml").read_text().replace("@HOST@", self.host)
        (folder / "around.yaml").write_text(around)
        for color in ("blue", "green") if self.strategy == "blue-green" else ("live",):
            name = "tiny" if color == "live" else f"tiny-{color}"
            text = (HERE / "tiny" / "deployment.yaml").read_text()
            text = text.replace("@NAME@", name).replace("@LABELS@", COLORS[color]).replace("@COLOR@", color)
            (folder / f"deployment-{color}.yaml").write_text(text)

    def _certificate(self) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.root / "ca.pem"))
        self.certificate(authority.issue_cert(self.host))

    def certificate(self, issued: trustme.LeafCert) -> None:
        """Let the ingress answer with that certificate."""
        chain = b"".join(pem.bytes() for pem in issued.cert_chain_pems)
        data = {"tls.crt": chain, "tls.key": issued.private_key_pem.bytes()}
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": "tiny-tls"},
            "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
        }
        self.kubectl("apply", "-f", "-", stdin=json.dumps(secret))

    @property
    def settings(self) -> Settings:
        """The settings as they are now."""
        return load(self.root / "environments.toml")

    def platform(self) -> KubernetesPlatform:
        """An instance of the platform, as another process would have."""
        return KubernetesPlatform(self.settings, self.name)

    def controller(self, watcher: Watcher | None = None, **parts: Any) -> Controller:
        """A controller of this process; ``watcher`` is told each record before its effect."""
        return Stepped(self.settings, self.name, watcher or Silent(), **parts)

    def up(self) -> "ClusterWorld":
        """Bring the environment up."""
        self.platform().up()
        return self

    def version(self, version: str, fault: str = "", **more: Any) -> str:
        """Add a version of the application, with a fault planted; see ``tests/apps/tiny.py``."""
        plan = {"version": version, "build": f"b{version}", "fault": fault, **more}
        image = more.pop("image", None) or self.images.make(plan)
        folder = self.root / "images"
        folder.mkdir(exist_ok=True)
        content = {"version": version, "image": image, "build": plan["build"], "migration": None}
        (folder / f"{version}.json").write_text(json.dumps(content))
        return version

    def suite(self, name: str, text: str, file: str = "test_it.py") -> None:
        """Write a suite's file."""
        (self.root / name).mkdir(exist_ok=True)
        (self.root / name / file).write_text(textwrap.dedent(text))

    def release(self, version: str) -> Record:
        """Release in this process."""
        return self.controller().release(version)

    def command(self, *words: str, timeout: float = 180, **env: str) -> "subprocess.CompletedProcess[str]":
        """Run a verb of the command line on this environment, in a process of its own."""
        return subprocess.run(
            self.words(*words),
            cwd=self.root,
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def die_at(self, step: Step, *words: str) -> None:
        """Kill a command of its own process when a step is journaled."""
        process = self.start(*words)
        try:
            wait_until(lambda: self.journal()["record"]["step"] == step or None, f"the step {step}", 120)
        finally:
            process.kill()
            process.communicate()

    def start(self, *words: str, **env: str) -> "subprocess.Popen[str]":
        """Start the command line and leave it running."""
        return subprocess.Popen(
            self.words(*words),
            cwd=self.root,
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def words(self, *words: str) -> list[str]:
        """The command line for a verb on this environment."""
        return [sys.executable, "-m", "verdigris", *words, "--env", self.name]

    def settle_on(self, version: str) -> None:
        """Let a version have the users, with nothing unfinished, whatever was before."""
        self.controller().recover()
        if self.live() != version:
            record = self.release(version)
            assert record.outcome is Outcome.CONFIRMED, record.objections

    def live(self) -> str | None:
        """The version that users have."""
        identity = self.platform().live().identity
        return identity.version if identity else None

    def journal(self) -> dict[str, Any]:
        """The journal as it stands in the cluster."""
        return dict(json.loads(self.kubectl.get("configmap", "verdigris-journal")["data"]["journal.json"]))


class Stepped(Controller):
    """Tells its watcher each record when it is durable, and goes on when it was told; others are told by the way."""

    def __init__(self, settings: Settings, environment: str, at: Watcher, **parts: Any) -> None:
        super().__init__(settings, environment, Silent(), **parts)
        self.at = at

    def _write(self, record: Record) -> None:
        super()._write(record)
        self.at.record(record)


class At(Silent):
    """A watcher that does something once, when a step is journaled and its effect comes next."""

    def __init__(self, step: Step, action: Callable[[], object]) -> None:
        self.step = step
        self.action: Callable[[], object] | None = action

    def record(self, record: Record) -> None:
        """Act at the step."""
        if record.step is self.step and self.action is not None:
            action, self.action = self.action, None
            action()
