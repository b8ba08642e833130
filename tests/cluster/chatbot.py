"""The chatbot on the cluster: the repository's own settings, manifests and suites, in a namespace of the test's own.

Only what a test cluster must differ in is changed, in a copy: names and where they are reached, the namespace, the
database and the provider, and how long a load and a watch take.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import trustme

from bench.traffic import Plan, Traffic
from verdigris.platform import Address
from verdigris.platform.connection import connect
from verdigris.settings import load

from .concluded import Concluded
from .kubectl import Kubectl
from .machine import USER, Machine
from .manifests import K8S, read

ROOT = K8S.parent
HOST = "chatbot-platform.example.com"
NAMESPACES = {
    "dev": "chatbot-platform-dev",
    "staging": "chatbot-platform-staging",
    "production": "chatbot-platform-prod",
}
WATCH = 'watch = { seconds = 4, profile = "short", rate = 25, path = "/", answer_ms = 390, within = 0.5 }'
"""Bears a machine that does much else; 1.3.0, which answers 400 ms later, is seen all the same."""
LOAD = """
[environments.{name}.load]
profile = "short"
users = 4
seconds = 3
p95_ms = 1000
requests = 5
paths = ["/", "/api/models", "/readyz"]
"""
CONVERSATIONS = "/api/conversations"
HERE = "127.0.0.1"

Built = dict[str, Any]


class Chatbot:
    """One environment of the chatbot, in the namespace that ``kubectl`` speaks about.

    Args:
        root: an empty folder for the project.
        make: makes the image of a version and says which one it is.
    """

    def __init__(self, root: Path, name: str, kubectl: Kubectl, machine: Machine, make: Callable[[str], Built]) -> None:
        self.root, self.name, self.kubectl, self.machine, self.make = root, name, kubectl, machine, make
        self.namespace = str(kubectl.namespace)
        self.domain = f"{self.namespace}.example.com"
        self.database = self.namespace.replace("-", "_")
        self.password = "kept-in-a-secret"
        self._project()
        self._certificate()
        self._around()
        self.env = {
            "KUBECONFIG": str(self.account("verdigris-release")),
            "VERDIGRIS_ACTOR": "ci",
            f"{name.upper()}_CLUSTER": kubectl.get("namespace", "kube-system")["metadata"]["uid"],
            f"{name.upper()}_DATABASE_URL": machine.database(self.database),
            f"{name.upper()}_DATABASE_ADMIN": machine.admin,
        }

    # --- the project -------------------------------------------------------------------------------------------

    def _project(self) -> None:
        for folder in ("smoke", "verification", "performance", "k8s"):
            shutil.copytree(ROOT / folder, self.root / folder, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", self.root)  # pytest's configuration is in it, and names this folder
        (self.root / "tests").mkdir()
        (self.root / "build" / "images").mkdir(parents=True)
        for path in (self.root / "k8s" / self.name).glob("*.yaml"):
            path.write_text(path.read_text().replace(HOST, self.domain))
        text = (ROOT / "environments.toml").read_text()
        for own, other in self._changes():
            assert own in text, f"environments.toml has no {own!r} any more"
            text = text.replace(own, other)
        (self.root / "environments.toml").write_text(text + LOAD.format(name=self.name))

    def _changes(self) -> list[tuple[str, str]]:
        """What is changed in the settings: the words there, and those that take their place."""
        namespace = f'namespace = "{NAMESPACES[self.name]}"'
        here = f'namespace = "{self.namespace}"\naddress = "{HERE}"\nca = "ca.pem"'
        production = 'watch = { seconds = 600, rate = 50, path = "/", answer_ms = 500, within = 0.95 }'
        return [
            (HOST, self.domain),
            ("https://provider.example.com", self.machine.provider),
            *([(production, WATCH)] if self.name == "production" else []),
            (namespace, here if self.name == "production" else f"{here}\n{WATCH}"),
        ]

    def _certificate(self) -> None:
        """A certificate for every host of the environment, from an authority of the test's own."""
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.root / "ca.pem"))
        hosts = [self.domain, *(f"{one}.{self.domain}" for one in (self.name, "blue.preview", "green.preview"))]
        issued = authority.issue_cert(*hosts)
        chain = b"".join(pem.bytes() for pem in issued.cert_chain_pems)
        self.secret("chatbot-platform-tls", "kubernetes.io/tls", {
            "tls.crt": chain.decode(), "tls.key": issued.private_key_pem.bytes().decode(),
        })  # fmt: skip

    def _around(self) -> None:
        """What an administrator and the environment's owner do once: the label, accounts, Secrets, names."""
        self.kubectl("label", "namespace", self.namespace, f"verdigris.dev/environment={self.name}")
        for account in ("release", "verify"):
            self.kubectl("apply", "-f", str(K8S / "rbac" / f"{account}.yaml"))
        self.kubectl.create(*self._cluster_wide())
        self.machine.join(self.kubectl)
        self.machine.database(self.database)
        self.credentials()

    def credentials(self, **more: str) -> None:
        """Write the Secret that the pods read, as the environment's owner would."""
        url = self.machine.account(self.database, f"{USER}_{self.database}", self.password)
        self.secret("chatbot-platform-secrets", "Opaque", {"DATABASE_URL": url, **more})

    def secret(self, name: str, kind: str, values: dict[str, str]) -> None:
        """Apply a Secret."""
        data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        secret = {"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": {"name": name}, "data": data}
        self.kubectl("apply", "-f", "-", stdin=json.dumps(secret))

    def _cluster_wide(self) -> list[dict[str, Any]]:
        """What lies outside of the namespace, under names of this test's own and about this namespace alone."""
        role, binding = read("rbac/cluster-identity.yaml")
        policy, in_force = read("rbac/placeholders.yaml")
        made = [role, binding, policy, in_force]
        for found in made:
            found["metadata"]["name"] += f"-{self.namespace}"
        binding["roleRef"]["name"] = role["metadata"]["name"]
        mine = [one for one in binding["subjects"] if one["namespace"] == NAMESPACES[self.name]]
        binding["subjects"] = [{**one, "namespace": self.namespace} for one in mine]
        in_force["spec"]["policyName"] = policy["metadata"]["name"]
        own = {"kubernetes.io/metadata.name": self.namespace}
        in_force["spec"]["matchResources"] = {"namespaceSelector": {"matchLabels": own}}
        return made

    def account(self, name: str) -> Path:
        """The kubeconfig of an account of the namespace."""
        return self.kubectl.acting_as(name, self.root, "1h").kubeconfig

    def close(self) -> None:
        """Remove the namespace, so that its pods make room, and what it does not take with it."""
        self.kubectl("delete", "namespace", self.namespace, "--wait=false")
        for found in self._cluster_wide():
            self.kubectl("delete", found["kind"], found["metadata"]["name"], "--ignore-not-found", "--wait=false")

    # --- what a person does ------------------------------------------------------------------------------------

    def run(self, *words: str, timeout: float = 400, **env: str) -> "subprocess.CompletedProcess[str]":
        """Run a verb of the command line on this environment, as the account that releases."""
        return subprocess.run(
            [sys.executable, "-m", "verdigris", *words, "--env", self.name],
            cwd=self.root,
            env={**os.environ, **self.env, **env},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def pytest(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run pytest in the project, as whoever may only look."""
        return subprocess.run(
            [sys.executable, "-m", "pytest", "--env", self.name, *words],
            cwd=self.root,
            env={**os.environ, **self.env, "KUBECONFIG": str(self.account("verdigris-verify"))},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    def up(self) -> str:
        """Bring the environment up, as its owner: a release's account may not make a Service or an Ingress."""
        done = self.run("up", KUBECONFIG=str(self.kubectl.kubeconfig))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def release(self, version: str, *words: str) -> Concluded:
        """Release a version, made where it is not there yet; ``words`` are more options."""
        path = self.root / "build" / "images" / f"{version}.json"
        path.write_text(json.dumps(self.make(version)))
        return Concluded(self.run("release", version, *words, "--json"))

    def rollback(self, reason: str) -> Concluded:
        """Roll back on a person's word."""
        return Concluded(self.run("rollback", "--reason", reason, "--json"))

    def status(self) -> dict[str, Any]:
        """What ``verdigris status --json`` says."""
        return dict(json.loads(self.run("status", "--json").stdout))

    def live(self) -> tuple[str, str]:
        """Color and version of who has the users."""
        live = self.status()["live"]
        return live["color"], live["version"]

    def journal(self) -> dict[str, Any]:
        """The journal as it stands in the cluster."""
        return dict(json.loads(self.kubectl.get("configmap", "verdigris-journal")["data"]["journal.json"]))

    def change(self, file: str, old: str, new: str) -> None:
        """Change a manifest of the environment."""
        path = self.root / "k8s" / self.name / file
        text = path.read_text()
        assert old in text, f"{path.name} has no {old!r}"
        path.write_text(text.replace(old, new))

    # --- who comes in ------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The users' address."""
        return str(load(self.root / "environments.toml").environment(self.name).url)

    def traffic(self, rate: float = 25) -> Traffic:
        """Users who never retry, over new and kept connections; with somebody live, a stream is always in flight."""
        authority = str(self.root / "ca.pem")
        plan = Plan(url=self.url, ca=authority, connect=HERE, rate=rate, paths=("/", "/api/models"), streams=1)
        connection = connect(Address(url=self.url, ca=authority, connect=HERE))
        connection.request("POST", CONVERSATIONS, body="{}", headers={"content-type": "application/json"})
        answer = connection.getresponse()
        begun = json.loads(answer.read())
        connection.close()
        assert answer.status == 201, begun
        asked = json.dumps({"content": "tell me of blue and green [provider:long]"})
        path = f"{CONVERSATIONS}/{begun['id']}/messages/stream"
        return Traffic(replace(plan, stream_path=path, stream_body=asked, stream_end="event: done"))

    # --- what the cluster says ---------------------------------------------------------------------------------

    def pods(self, color: str = "") -> list[dict[str, Any]]:
        """The application's pods that stay, of a color or of all."""
        selector = "app.kubernetes.io/name=chatbot-platform" + (f",color={color}" if color else "")
        found = self.kubectl.get("pods", f"--selector={selector}")["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def configuration(self, color: str) -> dict[str, dict[str, str]]:
        """The values that a color's pods were given, by the ConfigMap and by the Secret."""
        container = self.kubectl.get("deployment", f"chatbot-platform-{color}")["spec"]["template"]["spec"][
            "containers"
        ][0]
        config = self.kubectl.get("configmap", container["envFrom"][0]["configMapRef"]["name"])
        (named,) = {one["valueFrom"]["secretKeyRef"]["name"] for one in container["env"] if "valueFrom" in one}
        secret = self.kubectl.get("secret", named)
        assert config["immutable"]
        assert secret["immutable"]
        clear = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
        return {"config": config["data"], "secret": clear}
