"""The page "Production on your cluster" is true: its commands are run in their order, against a cluster."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from .conftest import ROOT
from .kubectl import Kubectl
from .load import node_ctr
from .machine import Machine

pytestmark = pytest.mark.timeout(900)
PAGE = (ROOT / "docs" / "how-to" / "cluster.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LEFT_OUT = {
    'eval "$(scripts/kind)"': "KUBECONFIG names the cluster of the tests",
    "make setup": "the environment of the tests is there already",
    'echo "$PWD/.venv/bin" >> "$GITHUB_PATH"': "as above",
}
"""Commands of the page that are not run, and why."""
PROJECT = ("k8s", "smoke", "verification", "performance", "examples", "environments.toml", "pyproject.toml")
LOAD = f"{sys.executable} {Path(__file__).with_name('load.py')} {{archive}}"
MARK = "=== the page says: "
ENVIRONMENTS = ("dev", "staging", "prod")
CLUSTER_WIDE = {
    "cluster-identity": ("clusterrole", "clusterrolebinding"),
    "placeholders": ("validatingadmissionpolicy", "validatingadmissionpolicybinding"),
    **dict.fromkeys(
        ("approvals", "approver", "tokens"), ("validatingadmissionpolicy", "validatingadmissionpolicybinding")
    ),
    "audit": ("validatingadmissionpolicy", "validatingadmissionpolicybinding"),
}
"""What lies outside of namespaces, and gets names of this test's own."""
SHORTER = {
    'watch = { seconds = 600, rate = 50, path = "/", answer_ms = 500, within = 0.95 }': (
        'watch = { seconds = 4, profile = "short", rate = 25, path = "/", answer_ms = 500, within = 0.5 }'
    )
}
SHORT = """
[environments.production.load]
profile = "short"
users = 4
seconds = 3
p95_ms = 1000
requests = 5
paths = ["/", "/api/models", "/readyz"]
"""


GIVEN = {
    "github.ref_name": "1.1.0",
    "github.workspace": "$PWD",
    "vars.PRODUCTION_CLUSTER": "$PRODUCTION_CLUSTER",
    "secrets.PRODUCTION_DATABASE_URL": "$PRODUCTION_DATABASE_URL",
    "secrets.PRODUCTION_DATABASE_ADMIN": "$PRODUCTION_DATABASE_ADMIN",
    "secrets.RELEASE_KUBECONFIG": "$(base64 -w0 release.kubeconfig)",
}
"""What GitHub would put in the place of an expression."""


class Reader:
    """Somebody who does what the page says, in a folder of their own.

    Args:
        names: what is put in the place of the page's names: those of this test's own namespace, hosts and machine.
    """

    def __init__(self, root: Path, names: dict[str, str], env: dict[str, str]) -> None:
        self.root, self.names, self.env = root, names, env
        for name in PROJECT:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, root / name)
        (root / "tests").mkdir()
        for path in (*root.glob("k8s/**/*.yaml"), root / "environments.toml"):
            path.write_text(self.own(path.read_text()))
        settings = root / "environments.toml"
        settings.write_text(settings.read_text() + SHORT)

    def own(self, text: str) -> str:
        """A text with this test's own names in it."""
        for name, other in self.names.items():
            text = text.replace(name, other)
        return text

    def script(self) -> str:
        """The page as one script: a block of commands or a job's steps after the other."""
        lines = ["set -euo pipefail"]
        for kind, text in BLOCK.findall(PAGE):
            if kind == "toml":
                lines.append(self._settings(text))
            elif kind == "yaml":
                lines += ["(", *self._job(yaml.safe_load(text)), ")"]
            else:
                assert kind == "sh", f"a block of {kind} on the page, and nothing here that runs it"
                lines.append(self._commands(text))
        return "\n".join(lines) + "\n"

    def _commands(self, text: str) -> str:
        kept = [line for line in text.splitlines() if line not in LEFT_OUT]
        return "\n".join([f"echo {MARK!r}; cat <<'WORDS'\n{text}WORDS", self.own("\n".join(kept))])

    def _settings(self, text: str) -> str:
        """What the page says under ``[environments.production]``, written there."""
        path, head = self.root / "environments.toml", "[environments.production]\n"
        code = (
            "import pathlib, sys; p = pathlib.Path(sys.argv[1]); t = p.read_text(); assert sys.argv[2] in t; "
            "p.write_text(t.replace(sys.argv[2], sys.argv[2] + sys.argv[3]))"
        )
        words = (sys.executable, "-c", code, str(path), head, self.own(text))
        return shlex.join(words)

    def _job(self, workflow: dict[str, Any]) -> Iterator[str]:
        """The steps of the page's job that run something, with the variables they are given."""
        (job,) = workflow["jobs"].values()
        yield from self._given(job["env"])
        for step in job["steps"]:
            if "run" in step:
                yield from self._given(step.get("env", {}))
                yield self._commands(step["run"] + "\n")

    def _given(self, env: dict[str, str]) -> Iterator[str]:
        for name, value in env.items():
            found = re.fullmatch(r"\$\{\{ (.*?) \}\}(.*)", value)
            assert found is not None, f"{name}: {value}"
            expression, rest = found.groups()
            yield f'export {name}="{GIVEN[expression]}{rest}"'

    def run(self) -> "subprocess.CompletedProcess[str]":
        """Do all of it."""
        return subprocess.run(
            ["bash", "-c", self.script()],
            cwd=self.root,
            env={**os.environ, **self.env, "GITHUB_STEP_SUMMARY": str(self.root / "summary.md")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=800,
            check=False,
        )


@pytest.fixture
def reader(admin: Kubectl, machine: Machine, buildah: list[str], tmp_path: Path) -> Iterator[Reader]:
    """Somebody with an administrator's kubeconfig, a database, a certificate and this environment's commands."""
    own = f"verdigris-how-to-{os.getpid()}"
    host = f"{own}.example.com"
    reading = machine.database(own)
    writing = machine.account(own, own, "kept-in-a-secret")
    given = "".join(f"{word} " for word in buildah)
    names = {
        "registry.example.com/chatbot --push": f"localhost/chatbot {given}--load '{LOAD}'",
        "registry.example.com/chatbot": "localhost/chatbot",
        "chatbot-platform.example.com": host,
        **{f"chatbot-platform-{name}": f"{own}-{name}" for name in ENVIRONMENTS},
        **{f"verdigris-{name}": f"{own}-{name}" for name in CLUSTER_WIDE},
        "http://provider/v1": f"{machine.provider}/v1",
        "https://provider.example.com": machine.provider,
        "203.0.113.10": "127.0.0.1",
        **SHORTER,
    }
    env = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "KUBECONFIG": str(admin.kubeconfig),
        "NODE_CTR": shlex.join(node_ctr()[:-2]),  # the page's own kubeconfig does not stand beside the node's socket
        "DATABASE_URL": writing.replace("@database:5432", f"@{machine.address}:{machine.postgres.port}"),
        "READER_URL": reading,
        "ADMIN_URL": machine.admin,
    }
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    issued = authority.issue_cert(host, f"*.preview.{host}")
    issued.private_key_pem.write_to_path(str(tmp_path / "tls.key"))
    (tmp_path / "tls.crt").write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    yield Reader(tmp_path, names, env)
    admin("delete", "namespace", "--ignore-not-found", "--wait=false", *(f"{own}-{one}" for one in ENVIRONMENTS))
    for kind, name in ((kind, name) for name, kinds in CLUSTER_WIDE.items() for kind in kinds):
        admin("delete", kind, f"{own}-{name}", "--ignore-not-found", "--wait=false")


def test_every_command_of_the_page_does_what_it_says(reader: Reader) -> None:
    """From nothing to a confirmed release, the next one, the way back, and the release of a CI job."""
    done = reader.run()
    assert done.returncode == 0, done.stdout[-6000:]
    said = done.stdout
    assert re.findall(r"(?m)^(CONFIRMED|ROLLED BACK)  (\S+) of (\S+)", said) == [
        ("CONFIRMED", "release", "1.0.0"),
        ("CONFIRMED", "release", "1.1.0"),
        ("ROLLED BACK", "rollback", "1.0.0"),
        ("CONFIRMED", "release", "1.1.0"),
    ], said[-6000:]
    assert "nothing was left to recover" in said
    assert "was confirmed" in (reader.root / "summary.md").read_text()


def test_nothing_is_left_out_or_replaced_that_is_not_there(reader: Reader) -> None:
    """What is left out is on the page; what is put in a name's place too."""
    text = PAGE + "".join(path.read_text() for path in ROOT.glob("k8s/**/*.yaml"))
    text += (ROOT / "environments.toml").read_text()
    assert [line for line in LEFT_OUT if line not in PAGE] == []
    assert [name for name in reader.names if name not in text] == []


MESSAGES = re.findall(r"(?m)^\| `([^`]+)` \|", PAGE)


@pytest.mark.parametrize("message", MESSAGES)
def test_every_message_of_the_page_is_one_of_the_code(message: str) -> None:
    """The page explains what is really said."""
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py")]
    assert any(message in re.sub(r'"\s*\n\s*f?"', "", text) for text in sources)
