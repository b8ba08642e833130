"""Speaks to the cluster as an operator does: with kubectl."""

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, sleep
from typing import Any, TypeVar

import yaml

CALL_SECONDS = 60

T = TypeVar("T")


@dataclass(frozen=True)
class Kubectl:
    """kubectl with the credentials of a file; with a namespace, every word is about that one."""

    kubeconfig: Path
    namespace: str | None = None

    def within(self, namespace: str) -> "Kubectl":
        """Speak about one namespace."""
        return replace(self, namespace=namespace)

    def attempt(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run it, whatever comes of it."""
        where = ("--namespace", self.namespace) if self.namespace else ()
        command = ("kubectl", "--kubeconfig", str(self.kubeconfig), *where, *words)
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=CALL_SECONDS)

    def __call__(self, *words: str, stdin: str = "") -> str:
        """Run it and return what it printed; a failure fails the test, with what kubectl said."""
        done = self.attempt(*words, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr.strip()}"
        return done.stdout

    def get(self, *words: str) -> dict[str, Any]:
        """Get an object or a list of them."""
        got: dict[str, Any] = json.loads(self("get", *words, "--output=json"))
        return got

    def create(self, *objects: dict[str, Any]) -> list[dict[str, Any]]:
        """Create objects in one call and return what the API made of them, in order."""
        text = self("create", "--filename=-", "--output=json", stdin=yaml.safe_dump_all(objects))
        return list(_documents(text))

    def acting_as(self, account: str, folder: Path, duration: str = "10m") -> "Kubectl":
        """Speak with a token of a ServiceAccount of this namespace, and with no other credential."""
        config = json.loads(self("config", "view", "--raw", "--minify", "--output=json"))
        token = self("create", "token", account, f"--duration={duration}").strip()
        config["users"][0]["user"] = {"token": token}
        written = folder / f"{account}.kubeconfig"
        written.write_text(json.dumps(config), encoding="utf-8")
        written.chmod(0o600)
        return replace(self, kubeconfig=written)


def _documents(text: str) -> Iterator[dict[str, Any]]:
    """Read JSON documents that follow one another."""
    decoder, text = json.JSONDecoder(), text.strip()
    while text:
        found, end = decoder.raw_decode(text)
        yield found
        text = text[end:].strip()


def wait_until(ask: Callable[[], T | None], what: str, seconds: float = 30) -> T:
    """Ask again until there is an answer; at the deadline tell what was awaited."""
    deadline = monotonic() + seconds
    while monotonic() < deadline:
        if (answer := ask()) is not None:
            return answer
        sleep(0.1)
    raise AssertionError(f"not within {seconds} s: {what}")
