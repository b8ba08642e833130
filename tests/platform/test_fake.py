"""What only the fake can be told to do."""

from pathlib import Path

import pytest

from tests.platform.test_contract import make_live, stand
from verdigris.errors import Conflict, PlatformError
from verdigris.model import Color
from verdigris.platform import Platform
from verdigris.testing import FakePlatform


@pytest.fixture
def fake(tmp_path: Path) -> FakePlatform:
    """A fake with two good versions."""
    return FakePlatform(tmp_path, {"1.0.0": "", "1.1.0": ""})


def test_the_fake_is_a_platform(fake: FakePlatform) -> None:
    """A type checker and a reader find every verb of the Protocol on it."""
    platform: Platform = fake
    verbs = [name for name in vars(Platform) if not name.startswith("_")]
    assert [verb for verb in verbs if not hasattr(platform, verb)] == []


def test_a_paused_holder_that_wakes_writes_nothing(fake: FakePlatform) -> None:
    """An older generation than the one that wrote last is refused (fault 32)."""
    make_live(fake)
    green = stand(fake, "1.1.0", Color.GREEN, 5)
    before = fake.world
    over = "generation 5 acts on this environment now; 4 is over"
    with pytest.raises(Conflict, match=over):
        fake.switch(Color.GREEN, fake.live(), 4)
    with pytest.raises(Conflict, match=over):
        fake.stand_up(green.release, Color.GREEN, 4)
    assert fake.world == before


def test_a_planted_fault_comes_in_place_of_the_effect(fake: FakePlatform) -> None:
    """What is told to fail changes nothing and counts nothing."""
    make_live(fake)
    stand(fake, "1.1.0", Color.GREEN)
    before = fake.world
    fake.faults["switch"] = PlatformError("the write was lost")
    with pytest.raises(PlatformError, match="the write was lost"):
        fake.switch(Color.GREEN, fake.live(), 1)
    assert fake.world == before
    assert fake.effects["switch"] == 1


def test_the_hook_is_told_before_and_after_each_effect(tmp_path: Path) -> None:
    """A test may stop the world on either side of a write."""
    told: list[str] = []
    fake = FakePlatform(tmp_path, {"1.0.0": ""}, hook=told.append)
    stand(fake, "1.0.0", Color.BLUE)
    assert told == ["prepare", "after prepare", "stand_up", "after stand_up"]


def test_users_who_stay_behind_leave_a_switch_unobserved(fake: FakePlatform) -> None:
    """A switch that not everybody followed is not complete (fault 34)."""
    make_live(fake)
    green = stand(fake, "1.1.0", Color.GREEN)
    fake.behind = Color.BLUE
    fake.switch(Color.GREEN, fake.live(), 1)
    observation = fake.observe(green.identity, 0)
    assert not observation.complete
    assert "blue" in observation.reason


def test_where_it_rolls_a_release_is_replaced_in_two_effects(tmp_path: Path) -> None:
    """Between them both stand there, and users are answered by the one before."""
    fake = FakePlatform(tmp_path, {"1.0.0": "", "1.1.0": ""}, strategy="rolling")
    before = stand(fake, "1.0.0", Color.LIVE)
    told: list[str] = []
    answers: list[object] = []

    def hook(moment: str) -> None:
        told.append(moment)
        answers.append(fake.answer(None).identity)

    release = fake.prepare("1.1.0")
    fake.hook = hook
    after = fake.stand_up(release, Color.LIVE, 2)
    assert told == ["stand_up", "after stand_up", "replace", "after replace"]
    assert answers == [before.identity] * 3 + [after.identity]
