"""What a release asks before it goes on, and how the old color is drained and kept: each to its boundary."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.clock import Clock
from tests.unit.flow import ENVIRONMENT, GOOD, VERSIONS, Gate, Users
from tests.unit.made import record as made_record
from verdigris.errors import Conflict
from verdigris.flow import blue_green
from verdigris.flow.context import Tools
from verdigris.model import Color, Deployment, Kind, Record
from verdigris.testing import FakePlatform

ONE, TWO, THREE = GOOD
DRAIN = 8
"""Seconds."""
WINDOW = 600.0


class Asked(FakePlatform):
    """Says how many requests are open as a test has it, the last number for ever; notes what it is asked."""

    open: list[int] = [0]
    asked = 0
    levelled: tuple[Color, ...] = ()

    def open_requests(self, color: Color) -> int:
        """The next number, of the color that users left."""
        assert color is Color.BLUE
        self.asked += 1
        return self.open.pop(0) if len(self.open) > 1 else self.open[0]

    def level(self, color: Color) -> None:
        """Note which color gets the size of who is live."""
        self.levelled += (color,)


class Looking(Users):
    """A probe that notes what it is asked."""

    asked: tuple[object, ...] = ()

    def start(self) -> None:
        """Note it."""
        self.asked += ("start",)

    def wait_for(self, number: int, timeout: float) -> bool:
        """Note for how many, and how long."""
        self.asked += (number, timeout)
        return True


@pytest.fixture
def platform(tmp_path: Path) -> Asked:
    """Blue holds 1.0.0 and has the users; green 1.1.0, verified."""
    platform = Asked(tmp_path, VERSIONS)
    for generation, (color, version) in enumerate(((Color.BLUE, ONE), (Color.GREEN, TWO)), 1):
        there = platform.stand_up(platform.prepare(version), color, generation)
        platform.remember(there.model_copy(update={"verified": True}))
    platform.switch(Color.BLUE, platform.live(), 2)
    return platform


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time of a drain."""
    clock = Clock()
    monkeypatch.setattr(blue_green, "time", clock)
    return clock


def tools(platform: FakePlatform, **settings: object) -> Tools:
    """What a release acts with."""
    environment = ENVIRONMENT.model_copy(update={"drain_seconds": DRAIN, "rollback_window": WINDOW, **settings})
    return Tools(platform, environment, Gate(), lambda: Users(platform), 2)


def standing(platform: FakePlatform, color: Color) -> Deployment:
    """What stands in a color."""
    found = platform.standing(color)
    assert found is not None
    return found


def candidate(platform: FakePlatform, **changes: object) -> Record:
    """A release of what stands in green, beside what stands in blue."""
    record = made_record(TWO, 2, release=standing(platform, Color.GREEN).release, candidate=Color.GREEN)
    return record.with_changes(live=standing(platform, Color.BLUE), **changes)


def edit(platform: FakePlatform, color: Color) -> None:
    """Somebody changes what stands in a color; it answers as before."""
    there = standing(platform, color)
    changed = there.release.model_copy(update={"artifact": "by hand"})
    platform.tell(color, deployment=there.model_copy(update={"release": changed}))


# --- the candidate is who it was --------------------------------------------------------------------------------


def test_the_candidate_is_what_stands_in_its_color(platform: Asked) -> None:
    """As it was released."""
    assert blue_green.candidate_of(candidate(platform), platform) == standing(platform, Color.GREEN)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda platform: platform.retire(Color.GREEN), id="nothing-stands-there"),
        pytest.param(lambda platform: edit(platform, Color.GREEN), id="it-was-edited"),
    ],
)
def test_a_candidate_that_is_not_there_any_more_is_a_conflict(
    platform: Asked, spoil: Callable[[FakePlatform], None]
) -> None:
    """Whether nothing or another release stands there: each alone is enough."""
    record = candidate(platform)
    spoil(platform)
    with pytest.raises(Conflict, match="the candidate in green is gone or is another release"):
        blue_green.candidate_of(record, platform)


def test_a_release_without_a_color_has_no_candidate(platform: Asked) -> None:
    """Nobody was asked where it stands."""
    with pytest.raises(Conflict, match="the candidate in None is gone"):
        blue_green.candidate_of(candidate(platform).with_changes(candidate=None), platform)


CHANGED = [
    pytest.param(lambda _platform: None, (), id="as-it-was"),
    pytest.param(
        lambda platform: platform.tell(Color.GREEN, running=False),
        (("candidate-gone", Kind.FAILED, "the candidate stopped running: its process ended"),),
        id="it-ended",
    ),
    pytest.param(
        lambda platform: platform.tell(Color.GREEN, instance=9),
        (
            (
                "candidate-changed",
                Kind.NOT_VALID,
                "the candidate was replaced or restarted while it was verified: 1 before, 9 now",
            ),
        ),
        id="it-was-restarted",
    ),
    pytest.param(
        lambda platform: edit(platform, Color.GREEN),
        (
            (
                "candidate-changed",
                Kind.NOT_VALID,
                "what stands in green was changed by somebody meanwhile: it is 1.1.0, b1.1.0",
            ),
        ),
        id="it-was-edited",
    ),
]


@pytest.mark.parametrize(("spoil", "said"), CHANGED)
def test_a_candidate_is_the_same_process_and_the_same_release_after_its_suites(
    platform: Asked, spoil: Callable[[FakePlatform], None], said: tuple[tuple[str, Kind, str], ...]
) -> None:
    """Whatever changed meanwhile is an objection of its own kind, and nothing else is."""
    record, deployment = candidate(platform), standing(platform, Color.GREEN)
    instance = platform.health(Color.GREEN).instance
    spoil(platform)
    found = blue_green._same_process(record, tools(platform), deployment, instance).objections
    assert tuple((one.rule, one.kind, one.text) for one in found) == said


def test_a_candidate_that_is_gone_after_its_watch_is_not_confirmed(platform: Asked) -> None:
    """Nothing stands where users are."""
    record, deployment = candidate(platform), standing(platform, Color.GREEN)
    platform.retire(Color.GREEN)
    found = blue_green._same_release(record, platform, deployment).objections
    assert [one.text for one in found] == ["what stands in green was changed by somebody meanwhile: it is nothing"]


# --- the last look before the switch ------------------------------------------------------------------------------


def last_look(platform: FakePlatform, record: Record, act: Callable[[], object] = lambda: None) -> tuple[int, Looking]:
    """The length of the candidate's log, and what the probe was asked."""
    traffic, probe = platform.live(), Looking(platform)
    act()
    logged = blue_green._before_switch(record, tools(platform), traffic, probe)
    return logged, probe


def test_the_last_look_before_the_switch_finds_everything_as_it_was(platform: Asked) -> None:
    """The candidate gets the size of who is live, and a second of the probe's answers is waited for."""
    platform.tell(Color.GREEN, log="up\n")
    logged, probe = last_look(platform, candidate(platform))
    assert (logged, platform.levelled) == (3, (Color.GREEN,))
    assert probe.asked == ("start", int(ENVIRONMENT.watch.rate), 2.0)


def test_before_a_first_release_nobody_is_probed(platform: Asked) -> None:
    """There is no user yet, and nobody whose change could be noticed."""
    platform.move(None)
    _, probe = last_look(platform, candidate(platform).with_changes(live=None))
    assert (probe.asked, platform.levelled) == ((), (Color.GREEN,))


@pytest.mark.parametrize(
    ("act", "said"),
    [
        pytest.param(lambda platform: platform.move(Color.BLUE), "traffic moved while", id="traffic-was-edited"),
        pytest.param(lambda platform: edit(platform, Color.BLUE), "what has the users in blue", id="live-was-edited"),
        pytest.param(
            lambda platform: platform._write(
                platform.world.model_copy(update={"places": {Color.GREEN: platform.world.places[Color.GREEN]}})
            ),
            "what has the users in blue",
            id="live-is-gone",
        ),
        pytest.param(
            lambda platform: platform.remember(standing(platform, Color.GREEN).model_copy(update={"verified": False})),
            "is not what was verified",
            id="not-verified",
        ),
        pytest.param(
            lambda platform: platform.remember(standing(platform, Color.GREEN).model_copy(update={"generation": 1})),
            "is not what was verified",
            id="of-another-run",
        ),
        pytest.param(lambda platform: edit(platform, Color.GREEN), "is another release", id="candidate-was-edited"),
    ],
)
def test_whatever_changed_before_the_switch_stops_it(
    platform: Asked, act: Callable[[FakePlatform], object], said: str
) -> None:
    """Each alone, and before anything is sized or asked."""
    record = candidate(platform)
    with pytest.raises(Conflict, match=said):
        last_look(platform, record, lambda: act(platform))
    assert platform.levelled == ()


# --- the old color drains and is kept -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("open_requests", "asked"),
    [
        pytest.param([0], 3, id="quiet-from-the-beginning"),
        pytest.param([2, 1, 0], 5, id="quiet-after-a-while"),
        pytest.param([0, 0, 1, 0], 6, id="busy-again-begins-anew"),
        pytest.param([1], DRAIN, id="never-quiet"),
        pytest.param([1, 1, 1, 1, 1, 1, 0], DRAIN, id="quiet-too-late"),
    ],
)
def test_a_color_is_drained_when_it_was_quiet_three_times_in_a_row(
    platform: Asked, clock: Clock, open_requests: list[int], asked: int
) -> None:
    """Or when its time is over, to the second; it is asked once more then, for what is left."""
    platform.open = open_requests
    blue_green.drain(candidate(platform), standing(platform, Color.BLUE), tools(platform))
    assert (platform.asked, clock.waits) == (asked + 1, asked)


@pytest.mark.parametrize(
    ("window", "open_requests", "notes", "stays"),
    [
        pytest.param(WINDOW, [0], ["old color"], True, id="kept-for-the-window"),
        pytest.param(WINDOW, [4], ["draining", "old color"], True, id="kept-though-not-drained"),
        pytest.param(1, [0], ["old color"], True, id="kept-for-the-shortest-window"),
        pytest.param(0, [0], ["old color"], False, id="retired-without-a-window"),
        pytest.param(0, [4], ["draining", "old color"], True, id="busy-and-so-not-retired"),
        pytest.param(0, [0] * 3 + [1], ["draining", "old color"], True, id="busy-again-at-the-last-look"),
    ],
)
def test_an_old_color_is_retired_only_if_it_is_drained_and_there_is_no_window(
    platform: Asked, clock: Clock, window: float, open_requests: list[int], notes: list[str], stays: bool
) -> None:
    """Everything else keeps it, and what was still open is said."""
    platform.open = open_requests
    platform.move(Color.GREEN)
    record = candidate(platform)
    drained = blue_green.drain(record, standing(platform, Color.BLUE), tools(platform, rollback_window=window))
    assert list(drained.notes) == notes
    left = platform.standing(Color.BLUE)
    assert (left.kept_until is not None if left is not None else None) == (True if stays else None)
    if "draining" in notes:
        assert drained.notes["draining"].startswith(f"{open_requests[-1]} requests were still open on blue after 8 s")
    assert ("retired" in drained.notes["old color"]) is not stays


def test_an_old_color_is_kept_for_the_window_from_now_on(platform: Asked) -> None:
    """What is remembered is what is said, in UTC, and all else that is known of it stays."""
    before = standing(platform, Color.BLUE)
    earliest = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=WINDOW)
    text = blue_green.keep(before, tools(platform))
    latest = datetime.now(UTC) + timedelta(seconds=WINDOW)
    assert text.endswith("Z")
    assert earliest <= datetime.fromisoformat(text) <= latest
    assert standing(platform, Color.BLUE) == before.model_copy(update={"kept_until": text})


def test_a_color_in_which_nothing_stands_is_not_remembered(platform: Asked) -> None:
    """There is nothing to keep."""
    before = standing(platform, Color.BLUE)
    platform.move(Color.GREEN)
    platform.retire(Color.BLUE)
    blue_green.keep(before, tools(platform))
    assert platform.standing(Color.BLUE) is None
