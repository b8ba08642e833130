"""A release where the strategy is rolling: users meet it while it is verified, and have what they had if it fails."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.flow import (
    BAD_MIGRATION,
    BAD_START,
    BAD_SUITE,
    BAD_WATCH,
    ENVIRONMENT,
    GOOD,
    SUITES,
    Killed,
    Shop,
    moments,
)
from tests.unit.made import deployment
from tests.unit.made import record as made_record
from verdigris.controller import Controller
from verdigris.errors import Conflict, ExitStatus, NotReady, PlatformError, UsageError, VerdigrisError
from verdigris.flow.context import Signals
from verdigris.flow.recovery import idle_color
from verdigris.flow.rolling import roll
from verdigris.model import Color, Outcome, Record, Step
from verdigris.settings import Settings
from verdigris.testing import FakePlatform

ONE, TWO, THREE = GOOD
LIVE = Color.LIVE
STRATEGY = "rolling"


def when(platform: FakePlatform, moment: str, action: Callable[[], Any], which: int = 1) -> None:
    """Let ``action`` happen at the ``which``-th ``moment``."""
    before, told = platform.hook, []

    def hook(name: str) -> None:
        before(name)
        told.append(name)
        if name == moment and told.count(moment) == which:
            action()

    platform.hook = hook


def failing(error: VerdigrisError) -> Callable[[], None]:
    """An action that raises."""

    def fail() -> None:
        raise error

    return fail


def texts(record: Record) -> str:
    """What the record's objections say."""
    return "\n".join(objection.text for objection in record.objections)


def test_every_state_is_journaled_before_its_effect(shop: Shop) -> None:
    """The steps of a good release, in their order: none of them is a switch, and no suite is a control."""
    record = shop.release(TWO)
    steps = ["migrate", "deploy", "verify", "watch", "settle", "done"]
    assert [str(moment.step) for moment in record.timeline] == steps
    assert [suite.suite for suite in record.suites] == ["smoke", "verification", "watch-smoke"]
    assert record.candidate is LIVE
    assert record.notes["lost in the deploy"] == "0 of 1 requests of the users' probe"


@pytest.mark.parametrize(
    ("version", "outcome", "status"),
    [
        pytest.param(TWO, Outcome.CONFIRMED, ExitStatus.CONFIRMED, id="good"),
        pytest.param(BAD_MIGRATION, Outcome.HELD, ExitStatus.HELD_FAILED, id="migration-fails"),
        pytest.param(BAD_START, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, id="cannot-start"),
        pytest.param(BAD_SUITE, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, id="fails-its-suite"),
        pytest.param(BAD_WATCH, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, id="fails-with-users"),
    ],
)
def test_a_release_comes_to_what_it_showed(shop: Shop, version: str, outcome: Outcome, status: ExitStatus) -> None:
    """Whoever is not confirmed does not have the users afterwards, and who has them is known to be verified."""
    record = shop.release(version)
    assert (record.outcome, record.exit_status) == (outcome, status)
    assert shop.live == (version if outcome is Outcome.CONFIRMED else ONE)
    standing = shop.platform().standing(LIVE)
    assert standing is not None
    assert standing.verified


def test_what_a_candidate_logged_last_is_kept_when_it_is_undone(shop: Shop) -> None:
    """Its pods are gone afterwards; a log that cannot be read holds nothing up."""
    platform = shop.platform()
    when(platform, "after replace", lambda: platform.tell(LIVE, log="\n".join(f"line {number}" for number in range(9))))
    record = shop.release(BAD_SUITE, platform=platform)
    assert record.outcome is Outcome.ROLLED_BACK
    assert record.notes["logged last"].splitlines() == ["line 4", "line 5", "line 6", "line 7", "line 8"]


def test_a_suite_that_fails_has_no_control(shop: Shop) -> None:
    """The live color is the candidate: what fails there again would say nothing of the environment."""
    record = shop.release(BAD_SUITE)
    assert [suite.suite for suite in record.suites] == ["smoke", "verification"]


@pytest.mark.parametrize("version", [BAD_START, BAD_SUITE, BAD_WATCH])
def test_a_first_release_that_fails_is_taken_away(make_shop: Callable[..., Shop], version: str) -> None:
    """There is nothing to go back to, and users had nobody before."""
    shop = make_shop()
    record = shop.release(version)
    assert record.outcome is Outcome.HELD
    assert record.exit_status in (ExitStatus.HELD_FAILED, ExitStatus.HELD_NOT_CONCLUSIVE)
    assert shop.live is None
    assert shop.platform().standing(LIVE) is None
    assert shop.release(ONE).outcome is Outcome.CONFIRMED


def test_what_runs_once_and_does_not_start_takes_the_release_back(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A platform says once that it cannot run; whoever hears that is the watch."""
    platform, follow = shop.platform(), FakePlatform.follow
    said = [NotReady("shop-cron, which must run once, does not run")]

    def once(self: FakePlatform, color: Color) -> bool:
        if said:
            raise said.pop()
        return follow(self, color)

    monkeypatch.setattr(FakePlatform, "follow", once)
    record = shop.release(TWO, platform=platform)
    assert (record.outcome, shop.live) == (Outcome.ROLLED_BACK, ONE)
    assert "shop-cron, which must run once" in record.objections[0].text


def test_an_unknown_version_touches_nothing(shop: Shop) -> None:
    """The journal is ahead of the world by prepare alone, and recover has nothing to undo."""
    before = shop.platform().world
    with pytest.raises(UsageError):
        shop.release("9.9.9")
    recovered = shop.recover()
    assert recovered is not None
    assert recovered.outcome is Outcome.HELD
    assert shop.platform().world == before


KILLED: list[tuple[str, tuple[str, ...], Callable[[Shop, int], object], set[str | None]]] = [
    ("the-first-release", (), lambda shop, at: shop.release(ONE, at), {ONE, None}),
    ("a-good-release", (ONE,), lambda shop, at: shop.release(TWO, at), {ONE, TWO}),
    ("a-release-that-cannot-start", (ONE,), lambda shop, at: shop.release(BAD_START, at), {ONE}),
    ("a-release-that-fails-its-suite", (ONE,), lambda shop, at: shop.release(BAD_SUITE, at), {ONE}),
    ("a-release-that-fails-its-watch", (ONE,), lambda shop, at: shop.release(BAD_WATCH, at), {ONE}),
    ("a-persons-rollback", (ONE, TWO), lambda shop, at: shop.rollback(at), {ONE, TWO}),
]


@pytest.mark.parametrize(("before", "run", "allowed"), [pytest.param(*row, id=name) for name, *row in KILLED])
def test_a_kill_at_any_effect_is_recovered(
    make_shop: Callable[..., Shop],
    before: tuple[str, ...],
    run: Callable[[Shop, int], Record],
    allowed: set[str | None],
) -> None:
    """Somebody answers users at every moment, one verified release does afterwards, and the next one goes through."""
    seen = 0
    for at, shop in moments(run, lambda: make_shop(*before)):
        seen += 1
        shop.recover()
        assert shop.live in allowed, f"killed at moment {at}"
        world = shop.platform().world
        assert shop.recover() is None, "recover finds nothing a second time"
        assert shop.platform().world == world
        assert all(place.deployment.verified for place in world.places.values())
        assert shop.release(THREE).outcome is Outcome.CONFIRMED
    assert seen >= 4


def test_a_kill_during_recover_is_recovered(make_shop: Callable[..., Shop]) -> None:
    """Recover may itself be killed at each of its effects."""

    def left_in_the_deploy() -> Shop:
        shop = make_shop(ONE)
        platform = shop.platform()
        when(platform, "after stand_up", failing_kill)
        with pytest.raises(Killed):
            shop.release(TWO, platform=platform)
        return shop

    seen = 0
    for at, shop in moments(lambda shop, at: shop.recover(shop.platform(at)) or made_record(), left_in_the_deploy):
        seen += 1
        shop.recover()
        assert shop.live == ONE, f"killed at moment {at}"
    assert seen >= 4


def failing_kill() -> None:
    """An action that kills the process."""
    raise Killed


@pytest.mark.parametrize("step", [step for step in Step if step not in (Step.SWITCH, Step.ROLLBACK)])
def test_a_flow_that_is_left_at_a_record_is_recovered(shop: Shop, step: Step) -> None:
    """The record was journaled, its effect never began: held before users met it, undone after it."""
    made = made_record(TWO, shop.journal.next_generation(), required=SUITES)
    flow = roll(made, shop.tools(shop.platform(), made.generation))
    for found in flow:
        shop.journal.write_record(found)
        if found.step is step:
            break
    flow.close()  # type: ignore[attr-defined]
    recovered = shop.recover()
    assert shop.live == (TWO if step in (Step.SETTLE, Step.DONE) else ONE)
    undone = dict.fromkeys((Step.DEPLOY, Step.VERIFY, Step.WATCH), Outcome.ROLLED_BACK)
    outcomes = {**undone, Step.SETTLE: Outcome.CONFIRMED}
    if step is not Step.DONE:
        assert recovered is not None
        assert recovered.outcome is outcomes.get(step, Outcome.HELD)
    shop.check()


@pytest.mark.parametrize(
    ("moment", "outcome"),
    [
        pytest.param("prepare", Outcome.HELD, id="in-prepare"),
        pytest.param("migrate", Outcome.HELD, id="in-migrate"),
        pytest.param("stand_up", Outcome.HELD, id="before-users-met-it"),
        pytest.param("after stand_up", Outcome.ROLLED_BACK, id="while-pods-are-replaced"),
        pytest.param("after replace", Outcome.ROLLED_BACK, id="once-they-are"),
        pytest.param("after remember", Outcome.ROLLED_BACK, id="verified-and-not-watched"),
    ],
)
def test_a_signal_means_back_once_users_met_it(shop: Shop, moment: str, outcome: Outcome) -> None:
    """Before that the release is held; after it users have what they had (faults 6 and 7)."""
    platform, signals = shop.platform(), Signals()
    when(platform, moment, lambda: signals.receive("SIGTERM"))
    made = made_record(TWO, shop.journal.next_generation(), required=SUITES)
    tools = shop.tools(platform, made.generation)
    tools.signals = signals
    record = shop.drive(roll(made, tools))
    assert record.outcome is outcome
    assert "SIGTERM" in texts(record)
    assert shop.live == ONE
    assert shop.recover() is None


@pytest.mark.parametrize(
    ("verb", "error", "outcome"),
    [
        pytest.param("stand_up", PlatformError("the write was lost"), Outcome.HELD, id="nothing-was-written"),
        pytest.param("stand_up", Conflict("a newer generation acts"), Outcome.HELD, id="fenced"),
        pytest.param("replace", PlatformError("the server is gone"), Outcome.ROLLED_BACK, id="half-replaced"),
        pytest.param("replace", NotReady("its pods crash"), Outcome.ROLLED_BACK, id="not-ready"),
        pytest.param("after replace", PlatformError("no answer"), Outcome.ROLLED_BACK, id="an-answer-is-lost"),
        pytest.param("after remember", OSError("the disk is full"), Outcome.ROLLED_BACK, id="no-room"),
    ],
)
def test_whatever_breaks_a_step_off_gives_users_back_what_they_had(
    shop: Shop, verb: str, error: VerdigrisError, outcome: Outcome
) -> None:
    """It is told whether they met the candidate: held where they did not, rolled back where they may have."""
    platform = shop.platform()
    when(platform, verb, failing(error))
    record = shop.release(TWO, platform=platform)
    assert record.outcome is outcome
    assert str(error) in texts(record)
    assert shop.live == ONE


def test_a_rollback_is_tried_again(shop: Shop) -> None:
    """A write that fails once is looked at and written again (fault 37)."""
    platform = shop.platform()
    when(platform, "stand_up", failing(PlatformError("the server is busy")), 2)
    record = shop.release(BAD_WATCH, platform=platform)
    assert record.outcome is Outcome.ROLLED_BACK
    assert shop.live == ONE


def test_a_rollback_that_fails_needs_a_person(shop: Shop) -> None:
    """The version before cannot become ready any more: nobody is told that all is well."""
    platform = shop.platform()
    when(platform, "after replace", lambda: platform.versions.update({ONE: "never-ready"}))
    record = shop.release(BAD_SUITE, platform=platform)
    assert record.exit_status is ExitStatus.PERSON_NEEDED
    assert "the rollback failed: 1.0.0 in live was not ready" in texts(record)
    assert shop.release(TWO).outcome is Outcome.CONFIRMED, "a release that is good mends it"


def test_users_who_are_not_all_answered_by_it_bring_it_back(shop: Shop) -> None:
    """Ready is not enough: a deploy is complete when it was observed."""
    platform = shop.platform()
    when(platform, "after replace", lambda: platform.faults.update({"observe": NotReady("nobody could look")}))
    when(platform, "after stand_up", platform.faults.clear, 2)
    record = shop.release(TWO, platform=platform)
    assert record.outcome is Outcome.ROLLED_BACK
    assert shop.live == ONE


@pytest.mark.parametrize(
    ("moment", "outcome", "live"),
    [
        pytest.param("after migrate", Outcome.HELD, "7.0.0", id="before-the-deploy"),
        pytest.param("after replace", Outcome.PERSON_NEEDED, "7.0.0", id="while-it-is-verified"),
    ],
)
def test_what_a_person_put_there_is_not_fought(shop: Shop, moment: str, outcome: Outcome, live: str) -> None:
    """Another release in the middle of one stops it, and stays; the next release goes on from it."""
    platform = shop.platform()

    def put() -> None:
        platform.remember(deployment(LIVE, "7.0.0", verified=True))

    when(platform, moment, put)
    record = shop.release(TWO, platform=platform)
    assert record.outcome is outcome
    assert shop.live == live
    assert shop.release(THREE).outcome is Outcome.CONFIRMED


def test_a_person_who_undoes_a_release_is_agreed_with(shop: Shop) -> None:
    """What users had stands there already: it is only looked at."""
    platform = shop.platform()
    before = platform.standing(LIVE)
    assert before is not None
    when(platform, "after replace", lambda: platform.remember(before))
    record = shop.release(TWO, platform=platform)
    assert record.outcome is Outcome.ROLLED_BACK
    assert platform.effects["stand_up"] == 1
    assert shop.live == ONE


def test_a_person_goes_back_to_who_was_live_before(make_shop: Callable[..., Shop]) -> None:
    """Once: what was left then is not remembered as something to go back to."""
    shop = make_shop(ONE, TWO)
    record = shop.rollback()
    assert (record.outcome, record.exit_status) == (Outcome.ROLLED_BACK, ExitStatus.CONFIRMED)
    assert shop.live == ONE
    record = shop.rollback()
    assert (record.exit_status, shop.live) == (ExitStatus.REFUSED, ONE)
    assert f"to move them onto {TWO} again, add --to {TWO}" in record.objections[0].text
    assert shop.rollback(to=TWO).exit_status is ExitStatus.CONFIRMED
    assert shop.live == TWO


def test_a_rollback_that_cannot_be_done_changes_nothing(make_shop: Callable[..., Shop]) -> None:
    """The release before is not ready: users keep what they have, and all of them."""
    shop = make_shop(ONE, TWO)
    platform = shop.platform()
    platform.versions[ONE] = "never-ready"
    record = shop.rollback(platform=platform)
    assert record.exit_status is ExitStatus.REFUSED
    assert shop.live == TWO
    assert platform.health(LIVE).running


def test_a_rollback_without_a_release_before_is_refused(shop: Shop) -> None:
    """Also after a release that was undone."""
    assert shop.rollback().exit_status is ExitStatus.REFUSED
    shop.release(BAD_WATCH)
    assert shop.rollback().exit_status is ExitStatus.REFUSED
    assert shop.live == ONE


def test_a_fenced_run_touches_nothing(shop: Shop) -> None:
    """A newer generation wrote while this one slept (fault 32)."""
    platform = shop.platform()
    when(platform, "after migrate", lambda: platform.stamp(99))
    record = shop.release(TWO, platform=platform)
    assert record.exit_status is ExitStatus.REFUSED
    assert "is over" in texts(record)
    assert platform.effects["stand_up"] == 0
    assert shop.live == ONE


def test_a_run_that_another_strategy_left_is_not_guessed_at(shop: Shop) -> None:
    """The place it names is none any more."""
    left = made_record(TWO, 1, candidate=Color.GREEN).at(Step.VERIFY, "against green")
    shop.journal.write_record(left)
    with pytest.raises(VerdigrisError, match="the strategy was changed"):
        shop.recover()


def test_an_environment_that_rolls_has_no_idle_color(shop: Shop) -> None:
    """Whoever asks for a candidate is told so."""
    platform = shop.platform()
    with pytest.raises(UsageError, match="no idle color"):
        idle_color(platform.live(), platform.places)


def test_a_candidate_for_suites_alone_is_refused(shop: Shop) -> None:
    """There is no place that serves nobody; nothing is touched and nothing is left to recover."""
    platform = shop.platform()
    world = platform.world
    settings = Settings(application="shop", environments={"staging": ENVIRONMENT})
    controller = Controller(settings, "staging", platform=platform, journal=shop.journal)
    with pytest.raises(UsageError, match="no idle color"), controller.candidate(TWO):
        pytest.fail("a candidate stood up")
    assert platform.world == world
    assert shop.recover() is None
