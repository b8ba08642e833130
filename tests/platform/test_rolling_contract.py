"""What every platform does alike where the strategy is rolling: one place, and whatever stands there has the users."""

import time
from pathlib import Path

import pytest

from tests.cluster.conftest import NamespaceMaker
from tests.cluster.images import Images
from tests.cluster.world import ClusterWorld
from tests.platform.subjects import FAULTS, GOOD, NEXT, plant
from verdigris.errors import Conflict, NotReady
from verdigris.model import Color, Deployment
from verdigris.platform import Platform
from verdigris.testing import FakePlatform

LIVE = Color.LIVE


@pytest.fixture
def fake(tmp_path: Path) -> FakePlatform:
    """The fake, nobody live."""
    return FakePlatform(tmp_path, {GOOD: "", NEXT: "", **FAULTS}, strategy="rolling")


@pytest.fixture(scope="module")
def rolling(make_namespace: NamespaceMaker, images: Images, tmp_path_factory: pytest.TempPathFactory) -> ClusterWorld:
    """A rolling environment on a real cluster, one for all tests here."""
    root = tmp_path_factory.mktemp("rolling")
    world = ClusterWorld(root, make_namespace(), images, name="staging", strategy="rolling", ready_seconds=6)
    return plant(world).up()


@pytest.fixture
def kubernetes(rolling: ClusterWorld) -> Platform:
    """The platform kubernetes, nobody live."""
    rolling.platform().retire(LIVE)
    return rolling.platform()


@pytest.fixture(params=["fake", "kubernetes"])
def platform(request: pytest.FixtureRequest) -> Platform:
    """The platform under test; nobody is live, and nothing stands."""
    platform: Platform = request.getfixturevalue(request.param)
    return platform


def stand(platform: Platform, version: str, generation: int = 1) -> Deployment:
    """A version stood up in the place of whoever was there."""
    return platform.stand_up(platform.prepare(version), LIVE, generation)


def test_there_is_one_place_and_nobody_in_it_at_first(platform: Platform) -> None:
    """No color is a place, and nobody is live."""
    assert platform.places == (LIVE,)
    assert platform.standing(LIVE) is None
    assert (platform.live().color, platform.live().identity) == (None, None)
    assert platform.answer(None).identity is None


def test_who_stands_up_has_the_users(platform: Platform) -> None:
    """There is nothing to switch: ready is live, and the users' address is the place's own."""
    deployment = stand(platform, GOOD)
    assert (platform.live().color, platform.live().identity) == (LIVE, deployment.identity)
    assert platform.answer(None).identity == platform.answer(LIVE).identity == deployment.identity
    assert platform.health(LIVE).running
    assert platform.address(LIVE) == platform.users()


def test_a_release_takes_the_place_of_another(platform: Platform) -> None:
    """Every answer, on fresh and on kept connections, is the new one's, and the token is another."""
    stand(platform, GOOD)
    before, instance = platform.live(), platform.health(LIVE).instance
    platform.hold_connections()
    deployment = stand(platform, NEXT, 2)
    observation = platform.observe(deployment.identity, time.monotonic())
    assert observation.complete, observation.reason
    assert observation.kept > 0
    assert platform.live().token != before.token
    assert platform.health(LIVE).instance != instance
    assert platform.standing(LIVE) == deployment


@pytest.mark.parametrize(
    "version", [pytest.param("3.0.0", id="exits-at-once"), pytest.param("3.1.0", id="never-ready")]
)
def test_who_does_not_become_ready_leaves_the_users_to_who_was_there(platform: Platform, version: str) -> None:
    """It is what stands there, it does not run, and the one before it goes on to answer."""
    live = stand(platform, GOOD)
    with pytest.raises(NotReady, match=version):
        stand(platform, version, 2)
    standing = platform.standing(LIVE)
    assert standing is not None
    assert standing.release.version == version
    assert not platform.health(LIVE).running
    assert platform.answer(None).identity == live.identity


@pytest.mark.parametrize("version", FAULTS)
def test_to_stand_up_the_one_before_is_the_way_back(platform: Platform, version: str) -> None:
    """Whatever was wrong, its users are answered by the one before again, and by nobody else."""
    stand(platform, GOOD)
    with pytest.raises(NotReady):
        stand(platform, version, 2)
    back = stand(platform, GOOD, 2)
    assert platform.health(LIVE).running
    assert platform.observe(back.identity, time.monotonic()).complete
    assert platform.standing(LIVE) == back


def test_to_stand_up_what_stands_there_changes_nobody(platform: Platform) -> None:
    """The verb may be called again after a crash."""
    release = platform.prepare(GOOD)
    first, second = (platform.stand_up(release, LIVE, 1) for _ in range(2))
    assert first.identity == second.identity
    assert platform.answer(None).identity == first.identity


def test_nothing_is_switched(platform: Platform) -> None:
    """A switch is a conflict, and changes nothing."""
    deployment = stand(platform, GOOD)
    before = platform.live()
    for color in Color:
        with pytest.raises(Conflict):
            platform.switch(color, before, 1)
    assert platform.live() == before
    assert platform.standing(LIVE) == deployment


@pytest.mark.parametrize("color", [Color.BLUE, Color.GREEN])
def test_a_color_is_no_place(platform: Platform, color: Color) -> None:
    """Nothing stands up in one."""
    with pytest.raises(Conflict, match=f"{color} is no place"):
        platform.stand_up(platform.prepare(GOOD), color, 1)
    assert platform.live().color is None


def test_what_stands_there_is_taken_away_with_its_users(platform: Platform) -> None:
    """Once and again; nobody is live afterwards."""
    stand(platform, GOOD)
    for _ in range(2):
        platform.retire(LIVE)
        assert platform.standing(LIVE) is None
        assert platform.live().color is None
        assert platform.answer(None).status != 200


def test_a_paused_holder_that_wakes_writes_nothing(platform: Platform) -> None:
    """An older generation than the one that wrote last is refused (fault 32)."""
    live = stand(platform, GOOD, 5)
    with pytest.raises(Conflict, match="is over"):
        stand(platform, NEXT, 4)
    assert platform.standing(LIVE) == live
    assert platform.answer(None).identity == live.identity


def test_what_is_remembered_is_what_stands(platform: Platform) -> None:
    """What is kept of a deployment comes back the same."""
    verified = stand(platform, GOOD).model_copy(update={"verified": True})
    platform.remember(verified)
    assert platform.standing(LIVE) == verified
