"""Two deployers on a real cluster: one acts, a dead one is replaced, a paused one that wakes writes nothing."""

import os
import signal
import subprocess
import time

import pytest

from tests.cluster.conftest import NamespaceMaker
from tests.cluster.images import Images
from tests.cluster.kubectl import wait_until
from tests.cluster.world import ClusterWorld
from verdigris.errors import Conflict, Refused

GOOD, NEXT, THIRD = "1.0.0", "1.1.0", "1.2.0"
LEASE_SECONDS = 5
"""Of the world's settings."""
ELSEWHERE = "verdigris.dev/process=another machine"
SLOW = """
import os, time
from pathlib import Path

import pytest

def test_it_is_ready(http):
    assert http.get("/readyz").status_code == 200

@pytest.mark.no_target(reason="it waits for a file")
def test_it_waits_for_the_word():
    deadline = time.monotonic() + 25
    while not (Path(__file__).parents[1] / "go").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
"""


@pytest.fixture(scope="module")
def world(make_namespace: NamespaceMaker, images: Images, tmp_path_factory: pytest.TempPathFactory) -> ClusterWorld:
    """The good version has the users; a suite waits until a file says go."""
    made = ClusterWorld(tmp_path_factory.mktemp("deployers"), make_namespace(), images, window=0)
    made.suite("smoke", SLOW)
    for version in (GOOD, NEXT, THIRD):
        made.version(version)
    go(made)
    made.up().settle_on(GOOD)
    return made


def go(world: ClusterWorld) -> None:
    """Let the suites end."""
    (world.root / "go").touch()


def in_its_suites(world: ClusterWorld, version: str) -> "subprocess.Popen[str]":
    """A deployer of its own, held in the verification of a version."""
    (world.root / "go").unlink(missing_ok=True)
    deployer = world.start("release", version)

    def verifying() -> bool | None:
        record = world.journal()["record"]
        return (record["version"], record["step"]) == (version, "verify") or None

    wait_until(verifying, f"{version} is being verified")
    return deployer


def recovered_elsewhere(world: ClusterWorld) -> float:
    """Recover as a process that cannot know whether the holder is alive; how long that took, in seconds."""
    world.kubectl("annotate", "lease", "verdigris", ELSEWHERE, "--overwrite")
    began = time.monotonic()
    done = world.command("recover")
    assert done.returncode == 0, done.stdout + done.stderr
    return time.monotonic() - began


def test_fault_30_of_two_deployers_one_wins_and_the_other_touches_nothing(world: ClusterWorld) -> None:
    """The second is refused with the first one's name, and nothing of its version is in the cluster."""
    world.settle_on(GOOD)
    first = in_its_suites(world, NEXT)
    second = world.command("release", THIRD)
    with pytest.raises(Refused, match=f"release of {NEXT}"):
        world.controller().rollback("now")
    go(world)
    first.communicate(timeout=120)
    assert (first.returncode, second.returncode) == (0, 14), second.stderr
    assert f"release of {NEXT}" in second.stderr
    assert world.live() == NEXT
    assert THIRD not in world.kubectl("get", "configmaps,deployments", "--output=yaml")


def test_fault_31_a_dead_holder_is_replaced_with_a_higher_generation(world: ClusterWorld) -> None:
    """Its lease is waited for, once; the candidate is gone, users stayed, and every object knows the new generation."""
    world.settle_on(GOOD)
    dead = in_its_suites(world, NEXT)
    before = world.journal()["generation"]
    dead.kill()
    dead.communicate()
    assert recovered_elsewhere(world) <= LEASE_SECONDS + 10
    go(world)
    journal = world.journal()
    assert (journal["record"]["outcome"], journal["generation"]) == ("held", before + 1)
    assert world.live() == GOOD
    service = world.kubectl.get("service", "tiny")
    assert service["metadata"]["annotations"]["verdigris.dev/generation"] == str(before + 1)


def test_a_dead_holder_on_this_machine_is_not_waited_for(world: ClusterWorld) -> None:
    """Its process is gone for certain, so the lease need not run out."""
    world.settle_on(GOOD)
    dead = in_its_suites(world, NEXT)
    dead.kill()
    dead.communicate()
    go(world)
    world.kubectl("patch", "lease", "verdigris", "--type=merge", "-p", '{"spec": {"leaseDurationSeconds": 600}}')
    assert world.command("recover", timeout=120).returncode == 0
    assert world.live() == GOOD


def test_fault_32_a_paused_holder_that_wakes_writes_nothing(world: ClusterWorld) -> None:
    """It was taken for dead and replaced; when it wakes it finds a newer generation, and ends without a word kept."""
    world.settle_on(GOOD)
    paused = in_its_suites(world, NEXT)
    os.kill(paused.pid, signal.SIGSTOP)
    recovered_elsewhere(world)
    go(world)
    after = world.journal()
    selector = world.kubectl.get("service", "tiny")["spec"]["selector"]
    os.kill(paused.pid, signal.SIGCONT)
    said, _ = paused.communicate(timeout=120)
    assert paused.returncode in (10, 11, 14), said  # its suites met nobody, or its first write was refused
    assert world.journal() == after
    assert world.kubectl.get("service", "tiny")["spec"]["selector"] == selector
    assert world.live() == GOOD


def test_fault_32_a_journal_is_not_written_by_an_older_generation(world: ClusterWorld) -> None:
    """Not even by who read the newest one just before: what it goes by is the generation that it took itself."""
    old, new = world.platform().journal, world.platform().journal
    old.next_generation()
    new.next_generation()
    read = new.read()
    with pytest.raises(Conflict, match=rf"generation {read.generation} acts on this environment now"):
        old.write(old.read())
    assert new.read() == read


def test_fault_33_a_clock_that_is_wrong_takes_no_lease(world: ClusterWorld) -> None:
    """A holder whose clock is an hour behind renews in the past; that it renews at all is what counts."""
    world.settle_on(GOOD)
    holder = in_its_suites(world, NEXT)
    patch = '{"spec": {"renewTime": "2020-01-01T00:00:00.000000Z"}}'
    world.kubectl("annotate", "lease", "verdigris", ELSEWHERE, "--overwrite")
    world.kubectl("patch", "lease", "verdigris", "--type=merge", "-p", patch)
    refused = world.command("release", THIRD)
    go(world)
    holder.communicate(timeout=120)
    assert (refused.returncode, holder.returncode) == (14, 0), refused.stderr
    assert world.live() == NEXT
