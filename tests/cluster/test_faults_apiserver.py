"""Faults 7 and 8 with the real API server: stopped for a while at a step of a release, and let go on.

It stops for everybody who uses the cluster, so these tests run alone: ``pytest -m alone``.
"""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.errors import ExitStatus
from deploy.model import Outcome
from tests.cluster.conftest import NamespaceMaker, missing
from tests.cluster.faulty import Came, Faulty, ended_as
from tests.cluster.images import Images

pytestmark = pytest.mark.alone
SECONDS = 20


@pytest.fixture(scope="module")
def apiserver(kubeconfig: Path) -> int:
    """Find the process id of the API server, which a cluster of plain processes keeps beside its kubeconfig."""
    path = kubeconfig.resolve().parent / "pid" / "apiserver"
    if not path.exists():
        missing(f"there is no {path}", "use a cluster whose API server is a process of this machine")
    pid = int(path.read_text())
    if "kube-apiserver" not in Path(f"/proc/{pid}/cmdline").read_text():
        missing(f"process {pid} is no API server", "start the cluster")
    return pid


@pytest.fixture(scope="module")
def faulty(
    make_namespace: NamespaceMaker, images: Images, apiserver: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Faulty]:
    """Make the world of this module, as patient as settings are by themselves."""
    made = Faulty(tmp_path_factory.mktemp("world"), make_namespace, images, watch_more=', log_errors = "ERROR"')
    yield made
    made.close()


def stopped(faulty: Faulty, apiserver: int, step: str, version: str) -> Came:
    """Release while the API server stands still for a while, from the moment that a step is journaled."""

    def stop() -> None:
        os.kill(apiserver, signal.SIGSTOP)
        threading.Timer(SECONDS, os.kill, (apiserver, signal.SIGCONT)).start()

    faulty.trouble.at(step, stop)
    try:
        return faulty.release(version)
    finally:
        os.kill(apiserver, signal.SIGCONT)
        faulty.calm()


@pytest.mark.parametrize("step", ["deploy", "switch", "watch", "settle"])
def test_07_08_an_api_server_that_stands_still_is_waited_for(faulty: Faulty, apiserver: int, step: str) -> None:
    """It hangs for 20 s and goes on: the release goes on with it and is confirmed; nobody loses a request."""
    version = faulty.version()
    came = stopped(faulty, apiserver, step, version)
    ended_as(came, faulty.world, Outcome.CONFIRMED, ExitStatus.CONFIRMED, version)
    assert "the API server answers again" in came.output


def test_07_an_api_server_that_stands_still_while_suites_run_holds_or_goes_on(faulty: Faulty, apiserver: int) -> None:
    """The suites reach the candidate through it: what they could not see is no pass; users are where they were."""
    live, version = faulty.world.live(), faulty.version()
    came = stopped(faulty, apiserver, "verify", version)
    assert came.code in (ExitStatus.CONFIRMED, ExitStatus.HELD_FAILED, ExitStatus.HELD_NOT_VALID), came.output
    assert faulty.world.live() == (version if came.code == ExitStatus.CONFIRMED else live)
    assert came.record.exit_status == came.code
    assert came.users.passed, came.users


def test_08_an_api_server_that_stands_still_in_the_rollback_is_waited_for(faulty: Faulty, apiserver: int) -> None:
    """The way back waits for it and is written when it goes on: rolled back."""
    live = faulty.world.live()
    came = stopped(faulty, apiserver, "rollback", faulty.version("logs-with-users"))
    ended_as(came, faulty.world, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, live)
