"""Faults 7 to 12: an API server that is down, busy or refuses, at each step of a release."""

import re
from collections.abc import Iterator

import pytest

from tests.cluster.conftest import ROOT, NamespaceMaker
from tests.cluster.faulty import Faulty, ended_as
from tests.cluster.images import Images
from tests.cluster.trouble import Fault, answering, hanging, hanging_after, lost_after, lost_before, then
from verdigris.errors import ExitStatus
from verdigris.model import Outcome, Step

SERVICE = r"/services/tiny\?"
STEPS = ("migrate", "deploy", "verify", "switch", "watch", "settle")
PATIENCE = 6


def moves(body: bytes) -> bool:
    """Whether a write of the Service moves users."""
    return b'"selector"' in body


@pytest.fixture(scope="module")
def module_faulty(
    make_namespace: NamespaceMaker, images: Images, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Faulty]:
    """Make the world of this module: an API server that does not answer is asked again for a few seconds."""
    root = tmp_path_factory.mktemp("world")
    made = Faulty(
        root, make_namespace, images, kubernetes=f"api_seconds = {PATIENCE}", watch_more=', log_errors = "ERROR"'
    )
    yield made
    made.close()


@pytest.fixture
def faulty(module_faulty: Faulty) -> Iterator[Faulty]:
    """Take the world with nothing planted in it and nothing left in its journal."""
    yield module_faulty
    module_faulty.calm()


def test_07_an_api_server_that_is_down_before_a_release_refuses_it(faulty: Faulty) -> None:
    """Nothing can be known, so nothing is touched: exit status 14 when the time to ask again is over."""
    live, journal = faulty.world.live(), faulty.world.journal()
    version = faulty.version()
    kubeconfig = faulty.trouble.kubeconfig()
    faulty.trouble.down()
    came = faulty.release(version, kubeconfig=kubeconfig)
    assert came.code == ExitStatus.REFUSED, came.output
    assert "nothing was touched" in came.output
    assert faulty.world.journal() == journal
    assert faulty.world.live() == live
    assert came.users.passed, came.users


def test_07_an_api_server_that_goes_down_before_the_switch_holds(faulty: Faulty) -> None:
    """It goes while the suites run and does not come back: held, users untouched; the next command ends the record."""
    live = faulty.world.live()
    faulty.trouble.at("verify", faulty.trouble.down)
    came = faulty.release(faulty.version())
    assert came.code == ExitStatus.HELD_NOT_CONCLUSIVE, came.output
    assert "state unknown" in came.output
    assert came.record.step is Step.VERIFY
    assert faulty.world.live() == live
    assert came.users.passed, came.users
    faulty.trouble.calm()
    recovered = faulty.run("recover")
    assert recovered.record.outcome is Outcome.HELD, recovered.output
    assert faulty.world.live() == live


def test_08_an_api_server_that_is_away_for_a_moment_at_every_step_changes_nothing(faulty: Faulty) -> None:
    """It is down for two seconds after each step was journaled: asked again, confirmed, and nobody loses a request."""
    for step in STEPS:
        faulty.trouble.at(step, lambda: faulty.trouble.down(2))
    version = faulty.version()
    came = faulty.release(version)
    ended_as(came, faulty.world, Outcome.CONFIRMED, ExitStatus.CONFIRMED, version)
    assert came.output.count("the API server answers again") >= len(STEPS) - 1, came.output


def test_08_an_api_server_that_stays_away_in_the_watch_is_no_success(faulty: Faulty) -> None:
    """Asked until the time is over, then: unknown, a person is told, 15; ``recover`` takes the users back."""
    live = faulty.world.live()
    faulty.trouble.at("watch", faulty.trouble.down)
    came = faulty.release(faulty.version())
    assert came.code == ExitStatus.PERSON_NEEDED, came.output
    assert "the live color is not known" in came.output
    assert came.record.step is Step.WATCH
    assert faulty.told is not None
    assert (faulty.told["outcome"], faulty.told["exit_status"]) == (str(Outcome.PERSON_NEEDED), 15)
    assert came.users.passed, came.users
    faulty.trouble.calm()
    recovered = faulty.run("recover")
    assert recovered.record.outcome is Outcome.ROLLED_BACK, recovered.output
    assert faulty.world.live() == live
    assert recovered.users.passed, recovered.users


def test_08_an_api_server_that_comes_back_in_the_rollback_lets_it_end(faulty: Faulty) -> None:
    """It goes when the way back begins and comes back in time: rolled back."""
    live = faulty.world.live()
    faulty.trouble.at("rollback", lambda: faulty.trouble.down(3))
    came = faulty.release(faulty.version("logs-with-users"))
    ended_as(came, faulty.world, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, live)


def test_08_an_api_server_that_stays_away_in_the_rollback_calls_a_person(faulty: Faulty) -> None:
    """The way back cannot be written: unknown and 15, never a word of success; ``recover`` ends it later."""
    live = faulty.world.live()
    faulty.trouble.at("rollback", faulty.trouble.down)
    came = faulty.release(faulty.version("logs-with-users"))
    assert came.code == ExitStatus.PERSON_NEEDED, came.output
    assert came.record.step is Step.ROLLBACK
    assert faulty.told is not None
    assert faulty.told["exit_status"] == ExitStatus.PERSON_NEEDED
    assert came.users.passed, came.users
    faulty.trouble.calm()
    recovered = faulty.run("recover")
    assert (recovered.code, recovered.record.exit_status) == (0, ExitStatus.ROLLED_BACK), recovered.output
    assert faulty.world.live() == live
    assert recovered.users.passed, recovered.users


def test_09_a_busy_api_server_is_left_alone_for_as_long_as_it_asks(faulty: Faulty) -> None:
    """429 to the switch and to a read, each with its Retry-After: nothing is sent before, and the release goes on."""
    busy = faulty.trouble.when(answering(429, Retry_After="2"), "PATCH", SERVICE, moves)
    patched = faulty.trouble.when(then(lambda: None), "PATCH", SERVICE, moves)
    reading = faulty.trouble.when(answering(429, Retry_After="1"), "GET", "/deployments/tiny", times=2)
    version = faulty.version()
    came = faulty.release(version)
    ended_as(came, faulty.world, Outcome.CONFIRMED, ExitStatus.CONFIRMED, version)
    assert patched.seen[0] - busy.seen[0] >= 2
    assert reading.seen[1] - reading.seen[0] >= 1


def test_09_an_api_server_that_stays_busy_is_asked_until_the_deadline(faulty: Faulty) -> None:
    """429 to every switch: it was surely not written, but only a look could say so, and looking is refused too."""
    live = faulty.world.live()
    busy = answering(429, Retry_After="1")
    rule = faulty.trouble.at("switch", lambda: faulty.trouble.when(busy, times=None, first=True))
    came = faulty.release(faulty.version())
    assert rule.seen
    assert came.code == ExitStatus.PERSON_NEEDED, came.output
    assert "is busy (429)" in came.output
    assert faulty.world.live() == live
    assert came.users.passed, came.users


@pytest.mark.parametrize(
    ("fault", "writes"),
    [
        pytest.param(lost_after, 1, id="happened-and-lost"),
        pytest.param(lost_before, 2, id="lost-before-it-happened"),
        pytest.param(hanging_after, 1, id="happened-and-timed-out"),
        pytest.param(hanging, 2, id="timed-out-before-it-happened"),
    ],
)
def test_10_a_switch_whose_answer_is_lost_is_looked_at_before_it_is_written_again(
    faulty: Faulty, fault: Fault, writes: int
) -> None:
    """Written again only where the look shows that it did not happen; confirmed in any case."""
    first = faulty.trouble.when(fault, "PATCH", SERVICE, moves)
    again = faulty.trouble.when(then(lambda: None), "PATCH", SERVICE, moves, times=None)
    version = faulty.version()
    came = faulty.release(version)
    ended_as(came, faulty.world, Outcome.CONFIRMED, ExitStatus.CONFIRMED, version)
    assert len(first.seen) + len(again.seen) == writes


def test_11_a_conflict_on_the_switch_is_judged_anew(faulty: Faulty) -> None:
    """409 though nothing moved: read again, found as it was, written again."""
    refused = faulty.trouble.when(answering(409), "PATCH", SERVICE, moves)
    version = faulty.version()
    came = faulty.release(version)
    ended_as(came, faulty.world, Outcome.CONFIRMED, ExitStatus.CONFIRMED, version)
    assert len(refused.seen) == 1


def test_11_a_switch_stops_where_the_generation_moved(faulty: Faulty) -> None:
    """Somebody took over between the look and the write: the server says 409, and this run is over."""
    live = faulty.world.live()

    def take_over() -> None:
        faulty.kubectl("annotate", "service", "tiny", "verdigris.dev/generation=9999", "--overwrite")

    faulty.trouble.at("switch", take_over)
    came = faulty.release(faulty.version())
    faulty.kubectl("annotate", "service", "tiny", "verdigris.dev/generation=1", "--overwrite")
    ended_as(came, faulty.world, Outcome.HELD, ExitStatus.REFUSED, live)
    assert "generation 9999 acts on this environment now" in came.said


@pytest.fixture
def account(faulty: Faulty) -> Iterator[str]:
    """Set the account up that releases, as k8s/rbac has it; give the kubeconfig of its token."""
    faulty.kubectl("apply", "-f", str(ROOT / "k8s" / "rbac" / "release.yaml"))
    name = f"verdigris-identity-{faulty.kubectl.namespace}"
    user = f"{faulty.kubectl.namespace}:verdigris-release"
    identity = ("clusterrole", name, "--verb=get", "--resource=namespaces", "--resource-name=kube-system")
    faulty.kubectl("create", *identity)
    faulty.kubectl("create", "clusterrolebinding", name, f"--clusterrole={name}", f"--serviceaccount={user}")
    token = faulty.kubectl("create", "token", "verdigris-release", "--duration=10m").strip()
    yield faulty.trouble.kubeconfig(token)
    for kind in ("clusterrolebinding", "clusterrole"):
        faulty.kubectl("delete", kind, name)


@pytest.mark.parametrize(
    ("resource", "left", "words"),
    [
        pytest.param("services", "get, list, watch", "lacks patch services", id="met-when-the-generation-is-stamped"),
        pytest.param(
            "deployments", "get, patch", "lacks create deployments, delete deployments", id="asked-for-beforehand"
        ),
    ],
)
def test_12_a_missing_permission_is_found_before_anything_is_touched(
    faulty: Faulty, account: str, resource: str, left: str, words: str
) -> None:
    """The account lacks verbs that a release needs: refused with what is missing; the idle color is as it was."""
    live, idle = faulty.world.live(), faulty.idle
    stood = faulty.world.platform().standing(idle)
    role = (ROOT / "k8s" / "rbac" / "release.yaml").read_text()
    without = re.sub(rf"(resources: \[{resource}\]\n    verbs: \[)[^]]*", rf"\g<1>{left}", role)
    assert without != role
    faulty.kubectl("apply", "-f", "-", stdin=without)
    came = faulty.release(faulty.version(), kubeconfig=account)
    assert came.code == ExitStatus.REFUSED, came.output
    assert words in came.output
    assert faulty.world.platform().standing(idle) == stood
    assert faulty.world.live() == live
    assert came.users.passed, came.users


def test_12_a_token_that_nobody_takes_is_refused_at_once(faulty: Faulty) -> None:
    """401 to the first request of all: nothing is tried again, nothing is touched."""
    live, journal = faulty.world.live(), faulty.world.journal()
    came = faulty.release(faulty.version(), kubeconfig=faulty.trouble.kubeconfig("nobodys"))
    assert came.code == ExitStatus.REFUSED, came.output
    assert "(401)" in came.output
    assert faulty.world.journal() == journal
    assert faulty.world.live() == live


@pytest.mark.parametrize("renewed", [True, False], ids=["renewed", "not-renewed"])
def test_12_a_token_that_runs_out_after_the_switch(faulty: Faulty, account: str, renewed: bool) -> None:
    """As fault 8: asked again, with the credentials read again; right in the end, or unknown and 15."""
    live, version = faulty.world.live(), faulty.version()
    out = answering(401, "Unauthorized")
    faulty.trouble.at("watch", lambda: faulty.trouble.when(out, times=4 if renewed else None, first=True))
    came = faulty.release(version, kubeconfig=account)
    if renewed:
        ended_as(came, faulty.world, Outcome.CONFIRMED, ExitStatus.CONFIRMED, version)
        return
    assert came.code == ExitStatus.PERSON_NEEDED, came.output
    assert came.record.step is Step.WATCH
    assert came.users.passed, came.users
    faulty.trouble.calm()
    assert faulty.run("recover").record.outcome is Outcome.ROLLED_BACK
    assert faulty.world.live() == live
