"""The way back, to the boundary: when the old color is stood up again, how long is tried, what is not fought."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.clock import Clock
from tests.unit.flow import ENVIRONMENT, GOOD, VERSIONS, Gate
from tests.unit.made import record as made_record
from verdigris.errors import Conflict, NotReady, PlatformError, VerdigrisError
from verdigris.flow import context as deploy_tools
from verdigris.flow import rollback
from verdigris.flow.context import Tools
from verdigris.model import Color, Deployment, Identity, Outcome, Traffic
from verdigris.platform.base import Answer
from verdigris.testing import FakePlatform
from verdigris.watch.probe import Probe

ONE, TWO, THREE = GOOD
SECONDS = 3
"""How long a switch may take."""


class Answering(FakePlatform):
    """A platform whose colors answer what a test says; the last answer for ever."""

    answers: list[Answer] = []
    asked = 0

    def answer(self, color: Color | None) -> Answer:
        """The next answer."""
        self.asked += 1
        if not self.answers:
            return super().answer(color)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def platform(tmp_path: Path) -> Answering:
    """Blue holds 1.0.0, verified; green 1.1.0, which has the users."""
    platform = Answering(tmp_path, VERSIONS)
    for generation, (color, version) in enumerate(((Color.BLUE, ONE), (Color.GREEN, TWO)), 1):
        there = platform.stand_up(platform.prepare(version), color, generation)
        platform.remember(there.model_copy(update={"verified": True}))
    platform.switch(Color.GREEN, platform.live(), 2)
    platform.effects.clear()
    return platform


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time of the way back."""
    clock = Clock()
    monkeypatch.setattr(rollback, "time", clock)
    return clock


def tools(platform: FakePlatform, generation: int = 2, told: Callable[[str], None] = lambda _text: None) -> Tools:
    """What a rollback acts with."""

    def probe() -> Probe:
        raise AssertionError("nobody looks on")

    environment = ENVIRONMENT.model_copy(update={"switch_seconds": SECONDS})
    return Tools(platform, environment, Gate(), probe, generation, told=told)


def old(platform: FakePlatform) -> Deployment:
    """Who was live before."""
    standing = platform.standing(Color.BLUE)
    assert standing is not None
    return standing


def answer(identity: Identity | None, status: int | None = 200, *, late: bool = False) -> Answer:
    """An answer of the old color."""
    return Answer(status=status, identity=identity, seen=f"{status} from {identity}", late=late)


def test_an_old_color_that_answers_as_itself_is_left_alone(platform: Answering, clock: Clock) -> None:
    """Nothing is stood up and nothing is waited for."""
    rollback.restore(old(platform), tools(platform))
    assert (platform.effects, clock.waits, platform.asked) == ({}, 0, 1)


@pytest.mark.parametrize(("of_it", "of_the_run", "stamped"), [(2, 5, 5), (5, 2, 5)])
def test_an_old_color_that_was_taken_down_is_stood_up_again(
    platform: Answering, of_it: int, of_the_run: int, stamped: int
) -> None:
    """With what is known of it, and with the newer of both generations: an older one would be refused."""
    before = old(platform).model_copy(update={"generation": of_it})
    platform.retire(Color.BLUE)
    rollback.restore(before, tools(platform, of_the_run))
    assert old(platform) == before.model_copy(update={"generation": stamped})


def test_an_old_color_in_which_another_release_stands_gets_its_own_again(platform: Answering, clock: Clock) -> None:
    """Whoever answers there is not who had the users, even if it answers as they did."""
    before = old(platform)
    platform.stand_up(platform.prepare(THREE), Color.BLUE, 2)
    platform.answers = [answer(before.identity)]
    rollback.restore(before, tools(platform))
    assert (old(platform).release, clock.waits) == (before.release, 0)


def test_an_old_color_whose_process_ended_is_stood_up_at_once(platform: Answering, clock: Clock) -> None:
    """It is not waited for: nothing there could answer."""
    platform.tell(Color.BLUE, running=False)
    rollback.restore(old(platform), tools(platform))
    assert (platform.effects["stand_up"], clock.waits) == (1, 0)


NOT_YET = [
    pytest.param(lambda own: answer(None, None), id="nobody"),
    pytest.param(lambda own: answer(own, 503), id="itself-with-an-error"),
    pytest.param(lambda own: answer(own.model_copy(update={"build": "another"})), id="another-build"),
]


@pytest.mark.parametrize("first", NOT_YET)
def test_an_old_color_that_runs_is_waited_for(
    platform: Answering, clock: Clock, first: Callable[[Identity], Answer]
) -> None:
    """Until it answers 200 as itself: both, or it is not back yet."""
    own = old(platform).identity
    platform.answers = [first(own), first(own), answer(own)]
    rollback.restore(old(platform), tools(platform))
    assert (platform.effects, clock.waits) == ({}, 2)


@pytest.mark.parametrize("always", NOT_YET)
def test_an_old_color_that_cannot_serve_gets_nobody(
    platform: Answering, clock: Clock, always: Callable[[Identity], Answer]
) -> None:
    """It is asked until the time for a switch is over, to the second; then users are better off where they are."""
    platform.answers = [always(old(platform).identity)]
    with pytest.raises(NotReady, match="blue cannot take the users back either: it answers"):
        rollback.restore(old(platform), tools(platform))
    assert (platform.asked, clock.waits) == (SECONDS + 1, SECONDS)


def test_an_old_color_that_is_slow_gets_the_users_at_once(platform: Answering, clock: Clock) -> None:
    """It runs, it was verified, and its answer does not end: that must not hold up a rollback."""
    told: list[str] = []
    platform.answers = [answer(None, None, late=True)]
    rollback.restore(old(platform), tools(platform, told=told.append))
    assert (platform.effects, clock.waits, platform.asked) == ({}, 0, 1)
    assert told == ["blue is slow (None from None); users go back to it all the same"]


def test_a_color_that_this_machine_could_not_ask_gets_the_users(platform: Answering, clock: Clock) -> None:
    """No descriptor for the question: that is no word about the color."""
    told: list[str] = []
    platform.answers = [Answer(status=None, identity=None, seen="no descriptor", unasked=True)]
    rollback.restore(old(platform), tools(platform, told=told.append))
    assert (platform.effects, clock.waits, platform.asked) == ({}, 0, 1)
    assert told == ["blue could not be asked (no descriptor); users go back to it all the same"]


def failing(platform: FakePlatform, *errors: VerdigrisError | None, moment: str = "switch") -> None:
    """Let the next switches fail, before their effect or ``after switch``; ``None`` lets one go by."""
    left = list(errors)

    def hook(now: str) -> None:
        if now == moment and left and (error := left.pop(0)) is not None:
            raise error

    platform.hook = hook


def write_back(platform: FakePlatform, moved: Traffic) -> None:
    """Move the users from green to blue."""
    rollback.write_back(old(platform), moved, made_record(generation=2), tools(platform))


def test_a_write_that_fails_is_repeated(platform: Answering, clock: Clock) -> None:
    """The platform failed before its effect: users are still on the candidate (fault 37)."""
    failing(platform, PlatformError("no"), PlatformError("no"))
    write_back(platform, platform.live())
    assert (platform.live().color, platform.effects["switch"], clock.waits) == (Color.BLUE, 1, 2)


def test_a_write_whose_answer_is_lost_is_not_repeated(platform: Answering) -> None:
    """Users are there already: a second write would be one too many (fault 10)."""
    failing(platform, PlatformError("lost"), moment="after switch")
    write_back(platform, platform.live())
    assert (platform.live().color, platform.effects["switch"]) == (Color.BLUE, 1)


def test_a_stale_write_is_repeated_on_what_is_there(platform: Answering, clock: Clock) -> None:
    """Somebody changed something else about the users' way; they are on the candidate, and go back at the next try."""
    before = platform.live()
    platform.move(Color.GREEN)
    write_back(platform, before)
    assert (platform.live().color, clock.waits) == (Color.BLUE, 1)


def test_a_write_after_a_failure_is_made_on_what_is_there_then(platform: Answering, clock: Clock) -> None:
    """As above, and the platform failed meanwhile: no try is lost on what is known to be stale."""
    failing(platform, PlatformError("no"))
    clock.meanwhile = lambda waits: platform.move(Color.GREEN) if waits == 1 else None
    write_back(platform, platform.live())
    assert (platform.live().color, clock.waits) == (Color.BLUE, 1)


def test_users_that_somebody_moved_elsewhere_are_left_there(platform: Answering, clock: Clock) -> None:
    """The write was refused, and they are not on the candidate any more: nothing is tried again."""
    before = platform.live()
    platform.move(None)
    with pytest.raises(Conflict):
        write_back(platform, before)
    assert (platform.live().color, platform.effects["switch"], clock.waits) == (None, 0, 1)


def test_users_that_somebody_moved_back_are_where_they_belong(platform: Answering, clock: Clock) -> None:
    """The write was refused because somebody else had done it: that is the end that was wanted."""
    before = platform.live()
    platform.move(Color.BLUE)
    write_back(platform, before)
    assert (platform.live().color, platform.effects["switch"], clock.waits) == (Color.BLUE, 0, 1)


def test_a_way_back_that_somebody_else_went_ends_rolled_back(platform: Answering, clock: Clock) -> None:
    """It was observed like one of its own, so nobody is called."""
    record = made_record(TWO, 2, live=old(platform), candidate=Color.GREEN, switched=True)
    moved = platform.live()
    platform.move(Color.BLUE)
    *_, last = rollback.back(record, tools(platform), moved)
    assert (last.outcome, last.objections) == (Outcome.ROLLED_BACK, ())


def test_users_that_somebody_moves_while_the_platform_fails_are_left_there(platform: Answering, clock: Clock) -> None:
    """What is presented after a failure is what the run itself brought about, or a later state of the same color."""
    failing(platform, PlatformError("no"))
    clock.meanwhile = lambda waits: platform.move(None) if waits == 1 else None
    with pytest.raises(Conflict):
        write_back(platform, platform.live())
    assert (platform.live().color, clock.waits) == (None, 2)


def test_a_refusal_that_is_not_about_traffic_is_final(platform: Answering, clock: Clock) -> None:
    """Traffic is as expected, so another run has taken over (fault 32): it is the one that acts."""
    platform.stamp(3)
    with pytest.raises(Conflict, match="generation 3 acts on this environment now"):
        write_back(platform, platform.live())
    assert (platform.live().color, clock.waits) == (Color.GREEN, 1)


def test_a_write_is_tried_until_the_time_for_a_switch_is_over(platform: Answering, clock: Clock) -> None:
    """To the second, and not longer."""
    failing(platform, *(PlatformError(f"try {number}") for number in range(1, 50)))
    with pytest.raises(PlatformError, match=f"try {SECONDS + 1}"):
        write_back(platform, platform.live())
    assert clock.waits == SECONDS


def attempts(*errors: VerdigrisError) -> Callable[[], str]:
    """An action that fails so often."""
    left = list(errors)

    def act() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return act


def test_what_the_platform_fails_at_is_persisted_in(platform: Answering, clock: Clock) -> None:
    """Up to the last second, at which it may still come to its end."""
    action = attempts(*[PlatformError("no")] * SECONDS)
    assert rollback.persist(action, tools(platform)) == "done"
    assert clock.waits == SECONDS


def test_what_the_platform_fails_at_for_ever_is_given_up(platform: Answering, clock: Clock) -> None:
    """With what it failed at last."""
    with pytest.raises(PlatformError, match=f"try {SECONDS + 1}"):
        rollback.persist(attempts(*(PlatformError(f"try {number}") for number in range(1, 50))), tools(platform))
    assert clock.waits == SECONDS


@pytest.mark.parametrize("error", [Conflict("taken over"), NotReady("never")], ids=["conflict", "not-ready"])
def test_what_the_platform_answers_is_not_asked_again(platform: Answering, clock: Clock, error: VerdigrisError) -> None:
    """An answer is no failure."""
    with pytest.raises(type(error)):
        rollback.persist(attempts(error), tools(platform))
    assert clock.waits == 0


def test_users_move_to_a_color_that_was_made_to_serve(platform: Answering, clock: Clock) -> None:
    """First it is restored, then users are moved, and what is observed counts from then on."""
    before, moved = old(platform), platform.live()
    platform.retire(Color.BLUE)
    failing(platform, PlatformError("no"), moment="stand_up")
    since, observation = rollback.move(before, moved, made_record(generation=2), tools(platform))
    assert (platform.live().color, platform.live().identity) == (Color.BLUE, before.identity)
    assert (since, observation.complete) == (1.0, True)


def test_a_look_at_users_that_fails_is_repeated(platform: Answering, clock: Clock) -> None:
    """They were moved, and one write is enough."""
    platform.faults["observe"] = PlatformError("no")
    clock.meanwhile = lambda waits: platform.faults.clear() if waits == 2 else None
    since, observation = rollback.move(old(platform), platform.live(), made_record(generation=2), tools(platform))
    assert (since, observation.complete, platform.effects["switch"], clock.waits) == (0.0, True, 1, 2)


def ended(platform: FakePlatform, *, first: bool = False) -> tuple[object, list[tuple[str, str]]]:
    """The outcome of a way back, and its objections."""
    record = made_record(TWO, 2, live=None if first else old(platform), candidate=Color.GREEN, switched=True)
    *_, last = rollback.back(record, tools(platform), platform.live())
    return last.outcome, [(one.rule, one.text) for one in last.objections]


def test_users_are_back_when_it_was_observed(
    platform: Answering, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what must run once has followed them."""
    monkeypatch.setattr(deploy_tools, "time", clock)
    platform.following = 2
    assert ended(platform) == (Outcome.ROLLED_BACK, [])
    assert (platform.live().color, platform.following) == (Color.BLUE, 0)


def test_a_first_release_has_nothing_to_go_back_to(platform: Answering) -> None:
    """Nobody is moved."""
    said = [("first", "this was the first release: there is nothing to go back to")]
    assert ended(platform, first=True) == (Outcome.PERSON_NEEDED, said)
    assert platform.effects == {}


def test_a_way_back_that_was_not_observed_needs_an_operator(platform: Answering, clock: Clock) -> None:
    """It was written, and some users are elsewhere."""
    platform.behind = Color.GREEN
    said = [("rollback", "the rollback was not observed: users are still answered by: green")]
    assert ended(platform) == (Outcome.PERSON_NEEDED, said)


def test_a_way_back_that_fails_needs_an_operator(platform: Answering, clock: Clock) -> None:
    """With the reason."""
    platform.stamp(9)
    outcome, ((rule, text),) = ended(platform)
    assert (outcome, rule) == (Outcome.PERSON_NEEDED, "rollback")
    assert text.startswith("the rollback failed: generation 9 acts on this environment now")
