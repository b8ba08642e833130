"""A world of the cluster with somebody live, an API server that can be in trouble, and what releases came to there."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.traffic import Plan, Sample, Summary, Traffic
from tests.cluster.conftest import NamespaceMaker
from tests.cluster.images import Images
from tests.cluster.kubectl import wait_until
from tests.cluster.trouble import Trouble
from tests.cluster.world import ClusterWorld
from tests.faults.conftest import ended, journaled, rules, said
from verdigris.errors import ExitStatus
from verdigris.model import Color, Outcome, Record

TOLD = "told.json"
"""What a notification said last, in the project's folder."""

SLEEPS = """
import time
from pathlib import Path

import pytest

def test_home_is_served(http):
    assert http.get("/").status_code == 200

def test_it_is_ready(http):
    assert http.get("/readyz").status_code == 200

@pytest.mark.no_target(reason="it waits for a file")
def test_it_takes_a_while():
    deadline = time.monotonic() + 25
    while not (Path(__file__).parents[1] / "go").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
"""


@dataclass
class Came:
    """What a command came to."""

    code: int
    output: str
    users: Summary
    samples: list[Sample]
    """Every request of the users, by when it was sent."""
    record: Record
    """As the journal has it."""

    @property
    def said(self) -> str:
        """Every objection in the journal."""
        return said(self.record)

    @property
    def rules(self) -> set[str]:
        """The rules that objected."""
        return rules(self.record)


class Faulty:
    """One world for the tests of a module; each test releases a version of its own over whoever is live.

    Args:
        prepare: done before the world comes up.
        options: of the world.
    """

    def __init__(
        self,
        root: Path,
        make_namespace: NamespaceMaker,
        images: Images,
        *,
        prepare: Callable[["Faulty"], object] = lambda _faulty: None,
        **options: Any,
    ) -> None:
        notify = f'notify = ["sh", "-c", "cat > {TOLD}"]\n'
        environment = notify + options.pop("environment", "")
        self.kubectl = make_namespace()
        self.world = ClusterWorld(root, self.kubectl, images, environment=environment, **options)
        path = root / "environments.toml"  # speed is no matter here
        path.write_text(re.sub(r"rate = \d+, answer_ms = \d+", "rate = 5, answer_ms = 4000", path.read_text()))
        self.trouble = Trouble(self.kubectl, root)
        self.number = 0
        prepare(self)
        first = self.world.up().release(self.version())
        assert first.outcome is Outcome.CONFIRMED, said(first)

    def version(self, fault: str = "", **more: Any) -> str:
        """Another version of the application."""
        self.number += 1
        return self.world.version(f"1.{self.number}.0", fault, **more)

    @property
    def idle(self) -> Color:
        """The color that a candidate stands up in."""
        color = self.world.platform().live().color
        assert color is not None
        return color.other

    def release(
        self, version: str, *, kubeconfig: str | None = None, meanwhile: Callable[[], object] | None = None
    ) -> Came:
        """Release through the API server in trouble, with users who never retry beside it."""
        return self.run("release", version, kubeconfig=kubeconfig, meanwhile=meanwhile)

    def run(self, *words: str, kubeconfig: str | None = None, meanwhile: Callable[[], object] | None = None) -> Came:
        """Run a verb of the command line in a process of its own, with users beside it."""
        (self.world.root / TOLD).unlink(missing_ok=True)
        address = self.world.platform().users()
        plan = Plan(url=address.url, ca=address.ca, connect=address.connect, rate=15.0, timeout=30)
        with Traffic(plan) as traffic:
            process = self.world.start(*words, KUBECONFIG=kubeconfig or self.trouble.kubeconfig())
            try:
                if meanwhile is not None:
                    meanwhile()
            finally:
                code, output = ended(process, 150)
            summary = traffic.stop()
            samples = sorted(traffic.samples(), key=lambda one: one.at)
        return Came(code, output, summary, samples, journaled(self.world))

    @property
    def told(self) -> dict[str, Any] | None:
        """The last notification of the last command."""
        path = self.world.root / TOLD
        return dict(json.loads(path.read_text())) if path.exists() else None

    def calm(self) -> None:
        """Mend what a test planted, and end what it left."""
        self.trouble.calm()
        if self.world.journal()["record"]["step"] != "done":
            done = self.world.command("recover")
            assert done.returncode in (0, 15), done.stdout + done.stderr

    def close(self) -> None:
        """End the proxy; the namespace goes by itself."""
        self.trouble.close()


def ended_as(came: Came, world: ClusterWorld, outcome: Outcome, status: ExitStatus, live: str | None) -> None:
    """Exit status, journal and who is live say the same, and no user lost a request."""
    assert came.code == status, came.output
    assert (came.record.outcome, came.record.exit_status) == (outcome, status), came.said
    assert world.live() == live, came.output
    assert came.users.passed, came.users


@contextmanager
def in_its_suites(faulty: Faulty) -> Iterator[Callable[[Callable[[], object]], Callable[[], None]]]:
    """Suites that wait for a word; something is done while they do."""
    go = faulty.world.root / "go"
    go.unlink(missing_ok=True)
    faulty.world.suite("smoke", SLEEPS)

    def during(act: Callable[[], object]) -> Callable[[], None]:
        def meanwhile() -> None:
            wait_until(lambda: verified(faulty) or None, "the first test passed", 60)
            try:
                act()
            finally:
                go.touch()

        return meanwhile

    yield during
    go.unlink(missing_ok=True)


def verified(faulty: Faulty) -> bool:
    """Whether the candidate's suites run and the first test is over."""
    record = faulty.world.journal()["record"]
    evidence = faulty.world.root / "reports" / record["id"] / "smoke" / "evidence.jsonl"
    return record["step"] == "verify" and evidence.exists() and '"passed"' in evidence.read_text()
