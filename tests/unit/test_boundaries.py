"""Each boundary of the watch's rules, of drain, keep and restore, from both sides."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.flow import ENVIRONMENT, GOOD, VERSIONS, Shop
from tests.unit.made import deployment, record, release, sample, view
from verdigris.errors import Conflict, NotReady
from verdigris.flow.blue_green import candidate_of, drain, keep
from verdigris.flow.context import Tools
from verdigris.flow.rollback import restore
from verdigris.model import Color, Deployment
from verdigris.platform.base import Answer
from verdigris.settings import WatchSettings
from verdigris.testing import FakePlatform
from verdigris.watch.rules import View, objections

ONE, TWO, _ = GOOD


def window(slow: int, milliseconds: float = 100.5) -> tuple[Any, ...]:
    """Ten answers, some of them slow; 100 ms are allowed, and nine of ten must keep to it."""
    return tuple(sample(milliseconds=milliseconds if number < slow else 100.0) for number in range(10))


@pytest.mark.parametrize(
    ("seen", "rules"),
    [
        pytest.param(view(samples=(sample(),) * 5, windows=(), planned=10), [], id="half-of-the-probes-ended"),
        pytest.param(view(samples=(sample(),) * 4, windows=(), planned=10), ["watch-blind"], id="fewer-than-half"),
        pytest.param(view(samples=(sample(),) * 5, windows=(), planned=11), ["watch-blind"], id="half-of-an-odd"),
        pytest.param(view(samples=(), windows=(), planned=9), [], id="not-yet-a-second-of-probes"),
        pytest.param(view(samples=(), windows=(), planned=10), ["watch-blind"], id="a-second-of-probes"),
        pytest.param(view(samples=(sample(),) * 4, earlier=1, windows=(), planned=10), [], id="dropped-ones-count"),
        pytest.param(view(windows=(window(2), window(2))), ["watch-slow"], id="eight-of-ten-in-time"),
        pytest.param(view(windows=(window(1), window(1))), [], id="nine-of-ten-in-time"),
        pytest.param(view(windows=(window(2), window(1))), [], id="one-window-is-in-time"),
        pytest.param(view(windows=(window(10, 100.0), window(10, 100.0))), [], id="at-the-very-limit"),
        pytest.param(view(windows=(window(0), window(2), window(2))), ["watch-slow"], id="only-the-last-windows-count"),
        pytest.param(view(samples=(sample(status=499),) * 20), [], id="no-error-of-the-servers"),
        pytest.param(view(samples=(*view().samples, sample(status=500))), ["watch-lost"], id="the-first-server-error"),
        pytest.param(
            view(samples=(*view().samples, *[sample(status=500)] * 3), settings=WatchSettings(rate=10, errors=2)),
            ["watch-lost"],
            id="one-more-than-allowed",
        ),
        pytest.param(
            view(samples=(*view().samples, *[sample(status=500)] * 2), settings=WatchSettings(rate=10, errors=2)),
            [],
            id="as-many-as-allowed",
        ),
    ],
)
def test_a_rule_of_the_watch_changes_its_mind_at_its_boundary(seen: View, rules: list[str]) -> None:
    """The last value that is allowed, and the first that is not."""
    assert [objection.rule for objection in objections(seen)] == rules


class Standing(FakePlatform):
    """Its colors' open requests and answers are told one by one."""

    open: Iterator[int] = iter(())
    answers: Iterator[Answer] = iter(())
    asked = 0

    def open_requests(self, color: Color) -> int:
        """The next number; the last one for ever."""
        self.asked += 1
        self.last = next(self.open, getattr(self, "last", 0))
        return self.last

    def answer(self, color: Color | None) -> Answer:
        """The next answer, then what the fake says."""
        return next(self.answers, None) or super().answer(color)


@pytest.fixture
def both(make_shop: Callable[..., Shop]) -> tuple[Standing, Tools, Deployment]:
    """Two colors, the second one live; the first is the old one."""
    shop = make_shop(ONE, TWO)
    platform = Standing(shop.root, VERSIONS)
    old = platform.standing(Color.BLUE)
    assert old is not None
    return platform, shop.tools(platform, 9), old


def with_times(tools: Tools, **seconds: float) -> Tools:
    """The same tools in an environment with other times."""
    tools.environment = ENVIRONMENT.model_copy(update=seconds)
    return tools


@pytest.mark.parametrize(
    ("told", "asked"),
    [
        pytest.param([0, 0, 0], 4, id="three-in-a-row"),
        pytest.param([0, 0, 1, 0, 0, 0], 7, id="not-in-a-row"),
        pytest.param([1, 0, 0, 0], 5, id="after-one"),
    ],
)
def test_a_color_has_drained_when_it_was_quiet_three_times(
    both: tuple[Standing, Tools, Deployment], told: list[int], asked: int
) -> None:
    """And it is looked at once more, for what came since."""
    platform, tools, old = both
    platform.open = iter(told)
    noted = drain(record(), old, with_times(tools, drain_seconds=30))
    assert platform.asked == asked
    assert "draining" not in noted.notes


def test_a_drain_ends_with_its_time(both: tuple[Standing, Tools, Deployment]) -> None:
    """A request that never ends keeps its color, and is said."""
    platform, tools, old = both
    platform.open = iter([1])
    noted = drain(record(), old, with_times(tools, drain_seconds=0.12, rollback_window=0))
    assert 2 <= platform.asked <= 5
    assert noted.notes["draining"].startswith("1 requests were still open on blue after 0.12 s")
    assert platform.standing(Color.BLUE) is not None


@pytest.mark.parametrize(
    ("rollback_window", "left", "stays"),
    [
        pytest.param(0, 0, False, id="no-window-and-quiet"),
        pytest.param(0, 1, True, id="no-window-and-a-request"),
        pytest.param(1, 0, True, id="a-second-of-a-window"),
    ],
)
def test_an_old_color_is_retired_only_if_nothing_keeps_it(
    both: tuple[Standing, Tools, Deployment], rollback_window: float, left: int, *, stays: bool
) -> None:
    """Neither a rollback window nor a request."""
    platform, tools, old = both
    platform.open = iter([left])
    drain(record(), old, with_times(tools, drain_seconds=0, rollback_window=rollback_window))
    assert (platform.standing(Color.BLUE) is not None) is stays


def test_a_color_is_kept_for_exactly_its_window(both: tuple[Standing, Tools, Deployment]) -> None:
    """The end of the window stands in what is remembered of it."""
    platform, tools, old = both
    before = datetime.now(UTC).replace(microsecond=0)
    until = datetime.fromisoformat(keep(old, with_times(tools, rollback_window=600)))
    assert 600 <= (until - before).total_seconds() <= 602
    kept = platform.standing(Color.BLUE)
    assert kept is not None
    assert kept.kept_until is not None
    assert datetime.fromisoformat(kept.kept_until) == until


def test_a_candidate_is_the_release_that_stands_there(both: tuple[Standing, Tools, Deployment]) -> None:
    """Not another one, and not nothing."""
    platform, _, old = both
    here = record(candidate=Color.BLUE, release=old.release)
    assert candidate_of(here, platform) == old
    for other in (
        here.model_copy(update={"release": release("9.9.9")}),
        here.model_copy(update={"candidate": None}),
        here.model_copy(update={"candidate": Color.GREEN}),
    ):
        with pytest.raises(Conflict, match="is gone or is another release"):
            candidate_of(other, platform)


def says(old: Deployment, status: int | None = 200, **more: Any) -> Answer:
    """An answer of the old color."""
    return Answer(status=status, identity=more.pop("identity", old.identity), seen=f"{status}", **more)


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        pytest.param({}, False, id="it-answers-as-itself"),
        pytest.param({"status": 503}, True, id="an-error"),
        pytest.param({"identity": deployment().identity}, True, id="somebody-else"),
        pytest.param({"status": None, "identity": None, "late": True}, False, id="too-slow-to-tell"),
        pytest.param({"status": None, "identity": None}, True, id="nobody-answers"),
    ],
)
def test_users_go_back_to_whoever_is_not_known_to_fail(
    both: tuple[Standing, Tools, Deployment], change: dict[str, Any], *, refused: bool
) -> None:
    """A color that runs and answers wrongly for its time does not get them; a slow one does, at once."""
    platform, tools, old = both
    platform.answers = iter([says(old, **change)] * 1000)
    with_times(tools, switch_seconds=0.15)
    if refused:
        with pytest.raises(NotReady, match="cannot take the users back either"):
            restore(old, tools)
    else:
        restore(old, tools)
    assert platform.effects["stand_up"] == 0


def test_an_old_color_that_mends_within_the_time_gets_the_users(both: tuple[Standing, Tools, Deployment]) -> None:
    """It is asked again until the time for a switch is over."""
    platform, tools, old = both
    platform.answers = iter([says(old, 503), says(old)])
    restore(old, with_times(tools, switch_seconds=5))
    assert platform.effects["stand_up"] == 0


def test_an_old_color_that_another_release_took_is_stood_up_again(both: tuple[Standing, Tools, Deployment]) -> None:
    """Whatever stands there now is not who was live before, however well it answers."""
    platform, tools, old = both
    live = platform.standing(Color.GREEN)
    assert live is not None
    restore(old.model_copy(update={"release": live.release}), with_times(tools, switch_seconds=0.15))
    assert platform.effects["stand_up"] == 1
