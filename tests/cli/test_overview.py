"""What ``status`` and ``plan`` say where the strategy is rolling."""

from pathlib import Path

import pytest

from tests.unit.flow import ENVIRONMENT
from verdigris.cli.overview import deployed, in_words, moved
from verdigris.model import Color
from verdigris.testing import FakePlatform


@pytest.fixture
def fake(tmp_path: Path) -> FakePlatform:
    """An environment that rolls, where 1.0.0 is live."""
    fake = FakePlatform(tmp_path, {"1.0.0": "", "1.1.0": ""}, strategy="rolling")
    fake.stand_up(fake.prepare("1.0.0"), Color.LIVE, 1)
    return fake


def test_a_plan_says_that_users_meet_the_release_at_once(fake: FakePlatform) -> None:
    """And whom they get back; nothing in it is switched or drained."""
    said = "1.1.0 in place of 1.0.0, which comes back where anything objects; users meet it from here on"
    assert deployed(fake, "1.1.0") == said
    assert moved(fake, ENVIRONMENT) == {
        "watch": "0.001 s at 1 probes a second (profile standard)",
        "settle": "it stays where it stands",
    }


def test_a_plan_of_the_first_release_says_so(tmp_path: Path) -> None:
    """There is nobody to come back."""
    empty = FakePlatform(tmp_path / "empty", {"1.0.0": ""}, strategy="rolling")
    assert deployed(empty, "1.0.0") == "1.0.0 as the first; users meet it from here on"


def test_a_plan_names_the_colors_where_there_are_two(tmp_path: Path) -> None:
    """The idle one takes the release, and the users are switched to it."""
    fake = FakePlatform(tmp_path / "colors", {"1.0.0": "", "1.1.0": ""})
    fake.stand_up(fake.prepare("1.0.0"), Color.BLUE, 1)
    fake.switch(Color.BLUE, fake.live(), 1)
    assert deployed(fake, "1.1.0") == "1.1.0 into green"
    assert moved(fake, ENVIRONMENT)["switch"] == "users from blue to green, observed within 0.3 s"


def test_a_status_has_one_line_for_the_one_place() -> None:
    """Who is live, and whether it runs and was verified; no color is empty, for there is none."""
    one = {
        "color": "live", "version": "1.0.0", "build": "b1", "config": "c0", "state": "running", "verified": True,
        "kept_until": None,
    }  # fmt: skip
    said = in_words({"live": one, "users": {"url": "https://dev.invalid", "https": None}, "last": None, "now": None})
    assert said["live"] == "1.0.0 (build b1, config c0), running, verified"
    assert not {"blue", "green"} & set(said)
