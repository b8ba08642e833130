"""Faults 7 and 8 with the real API server: stopped for a while at a step of a release, and let go on.

It stops for everybody who uses the cluster, so these tests run alone: ``pytest -m alone``.
"""

import os
import shlex
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import NamespaceMaker, missing
from tests.cluster.faulty import Came, Faulty, ended_as
from tests.cluster.images import Images
from verdigris.errors import ExitStatus
from verdigris.model import Outcome

pytestmark = pytest.mark.alone
SECONDS = 20
Signal = Callable[[str], object]


@pytest.fixture(scope="module")
def apiserver(kubeconfig: Path) -> Signal:
    """Send the API server a signal: by the command that APISERVER_KILL names, or to a process of this machine."""
    path = kubeconfig.resolve().parent / "pid" / "apiserver"
    if named := os.environ.get("APISERVER_KILL"):
        command = shlex.split(named)
    elif path.exists() and "kube-apiserver" in Path(f"/proc/{path.read_text().strip()}/cmdline").read_text():
        command = ["sh", "-c", f"kill -s $0 {path.read_text().strip()}"]
    else:
        missing(f"there is no running API server of {path}", "set APISERVER_KILL to what sends it a signal")
    return lambda name: subprocess.run([*command, name], check=True, timeout=10)


@pytest.fixture(scope="module")
def faulty(
    make_namespace: NamespaceMaker, images: Images, apiserver: Signal, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Faulty]:
    """Make the world of this module, patient: the cluster's controllers are behind when the API server goes on."""
    options = {"watch_more": ', log_errors = "ERROR"', "ready_seconds": 90}
    made = Faulty(tmp_path_factory.mktemp("world"), make_namespace, images, **options)
    yield made
    made.close()


def stopped(faulty: Faulty, apiserver: Signal, step: str, version: str) -> Came:
    """Release while the API server stands still for a while, from the moment that a step is journaled."""

    def stop() -> None:
        apiserver("STOP")
        threading.Timer(SECONDS, apiserver, ("CONT",)).start()

    faulty.trouble.at(step, stop)
    try:
        return faulty.release(version)
    finally:
        apiserver("CONT")
        faulty.calm()


@pytest.mark.parametrize("step", ["prepare", "migrate", "deploy", "switch", "watch", "settle"])
def test_07_08_an_api_server_that_stands_still_is_waited_for(faulty: Faulty, apiserver: Signal, step: str) -> None:
    """It hangs for 20 s and goes on: the release goes on with it and is confirmed; nobody loses a request."""
    version = faulty.version()
    came = stopped(faulty, apiserver, step, version)
    ended_as(came, faulty.world, Outcome.CONFIRMED, ExitStatus.CONFIRMED, version)
    assert "the API server answers again" in came.output


def test_07_an_api_server_that_stands_still_while_suites_run_holds_or_goes_on(
    faulty: Faulty, apiserver: Signal
) -> None:
    """The suites reach the candidate through it: what they could not see is no pass; users are where they were."""
    live, version = faulty.world.live(), faulty.version()
    came = stopped(faulty, apiserver, "verify", version)
    assert came.code in (ExitStatus.CONFIRMED, ExitStatus.HELD_FAILED, ExitStatus.HELD_NOT_VALID), came.output
    assert faulty.world.live() == (version if came.code == ExitStatus.CONFIRMED else live)
    assert came.record.exit_status == came.code
    assert came.users.passed, came.users


def test_08_an_api_server_that_stands_still_in_the_rollback_is_waited_for(faulty: Faulty, apiserver: Signal) -> None:
    """The way back waits for it and is written when it goes on: rolled back."""
    live = faulty.world.live()
    came = stopped(faulty, apiserver, "rollback", faulty.version("logs-with-users"))
    ended_as(came, faulty.world, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, live)
