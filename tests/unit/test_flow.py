"""A release is a generator of records that may be left at any of them, and at any effect between them."""

import contextlib
from collections.abc import Callable

import pytest

from tests.unit.flow import BAD_MIGRATION, BAD_START, BAD_SUITE, BAD_WATCH, GOOD, SUITES, Killed, Shop, moments
from tests.unit.made import record as made_record
from verdigris.errors import Conflict, ExitStatus, PlatformError, UsageError
from verdigris.flow.blue_green import release
from verdigris.flow.rolling import by_strategy
from verdigris.model import Color, Outcome, Record, Step
from verdigris.testing import FakePlatform

ONE, TWO, THREE = GOOD


def test_every_state_is_journaled_before_its_effect(make_shop: Callable[..., Shop]) -> None:
    """The steps of a good release, in their order."""
    record = make_shop(ONE).release(TWO)
    steps = ["migrate", "deploy", "verify", "switch", "watch", "settle", "done"]
    assert [str(moment.step) for moment in record.timeline] == steps
    assert [suite.suite for suite in record.suites] == ["smoke", "verification", "watch-smoke"]


@pytest.mark.parametrize(
    ("version", "outcome", "status"),
    [
        pytest.param(TWO, Outcome.CONFIRMED, ExitStatus.CONFIRMED, id="good"),
        pytest.param(BAD_SUITE, Outcome.HELD, ExitStatus.HELD_FAILED, id="fails-its-suite"),
        pytest.param(BAD_START, Outcome.HELD, ExitStatus.HELD_FAILED, id="cannot-start"),
        pytest.param(BAD_MIGRATION, Outcome.HELD, ExitStatus.HELD_FAILED, id="migration-fails"),
        pytest.param(BAD_WATCH, Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK, id="fails-with-users"),
    ],
)
def test_a_release_comes_to_what_it_showed(shop: Shop, version: str, outcome: Outcome, status: ExitStatus) -> None:
    """Whoever is not confirmed does not have the users afterwards."""
    record = shop.release(version)
    assert (record.outcome, record.exit_status) == (outcome, status)
    assert shop.live == (version if outcome is Outcome.CONFIRMED else ONE)


def test_a_first_release_that_fails_its_watch_needs_a_person(make_shop: Callable[..., Shop]) -> None:
    """There is nothing to go back to."""
    record = make_shop().release(BAD_WATCH)
    assert record.exit_status is ExitStatus.PERSON_NEEDED
    assert "nothing to go back to" in record.objections[-1].text


def test_a_watch_is_not_over_before_what_runs_once_has_followed_the_users(shop: Shop) -> None:
    """It is asked for until it is there, however short the watch."""
    platform = shop.platform()
    platform.following = 2
    assert shop.release(TWO, platform=platform).outcome is Outcome.CONFIRMED
    assert platform.following == 0


def test_a_rollback_is_over_when_what_runs_once_is_back(shop: Shop) -> None:
    """A kill after the last record would leave it running nowhere."""
    platform = shop.platform()
    platform.following = 9
    assert shop.release(BAD_WATCH, platform=platform).outcome is Outcome.ROLLED_BACK
    assert platform.following == 0


def test_what_runs_once_and_does_not_follow_takes_the_release_back(shop: Shop) -> None:
    """A release whose scheduler cannot run is not confirmed, and the way back does not depend on it."""
    platform = shop.platform()
    platform.faults["follow"] = PlatformError("the pods of shop-cron-blue do not go away")
    record = shop.release(TWO, platform=platform)
    assert (record.outcome, shop.live) == (Outcome.ROLLED_BACK, ONE)
    assert "shop-cron-blue do not go away" in record.objections[0].text


def test_an_unknown_version_touches_nothing(shop: Shop) -> None:
    """The journal is ahead of the world by prepare alone, and recover has nothing to undo."""
    before = shop.platform().world
    with pytest.raises(UsageError):
        shop.release("9.9.9")
    assert shop.platform().world == before
    shop.recover()
    assert shop.platform().world == before


KILLED: list[tuple[str, tuple[str, ...], Callable[[Shop, int], object], set[str]]] = [
    ("the-first-release", (), lambda shop, at: shop.release(ONE, at), {ONE}),
    ("a-good-release", (ONE,), lambda shop, at: shop.release(TWO, at), {ONE, TWO}),
    ("a-third-release", (ONE, TWO), lambda shop, at: shop.release(THREE, at), {TWO, THREE}),
    ("a-release-that-is-held", (ONE,), lambda shop, at: shop.release(BAD_SUITE, at), {ONE}),
    ("a-release-that-is-rolled-back", (ONE,), lambda shop, at: shop.release(BAD_WATCH, at), {ONE}),
    ("a-persons-rollback", (ONE, TWO), lambda shop, at: shop.rollback(at), {ONE, TWO}),
]


@pytest.mark.parametrize(("before", "run", "allowed"), [pytest.param(*row, id=name) for name, *row in KILLED])
def test_a_kill_at_any_effect_is_recovered(
    make_shop: Callable[..., Shop],
    before: tuple[str, ...],
    run: Callable[[Shop, int], object],
    allowed: set[str],
) -> None:
    """One verified color live at every moment, nothing half done afterwards, and the next release goes through."""
    seen = 0
    for at, shop in moments(run, lambda: make_shop(*before)):  # type: ignore[arg-type]
        seen += 1
        generation = shop.journal.read().generation
        shop.recover()
        assert shop.live in allowed | (set() if before else {None}), f"killed at moment {at}"
        world = shop.platform().world
        assert shop.recover() is None, "recover finds nothing a second time"
        assert shop.platform().world == world
        left = shop.journal.read()
        assert left.record is None or left.record.finished
        assert left.generation >= generation
        assert shop.release(THREE if THREE not in before else ONE).outcome is Outcome.CONFIRMED
    assert seen >= 4


def test_a_kill_during_recover_is_recovered(make_shop: Callable[..., Shop]) -> None:
    """Recover may itself be killed at each of its effects."""

    def left_in_the_watch() -> Shop:
        shop = make_shop(ONE)
        with pytest.raises(Killed):
            shop.release(TWO, shop_moment(make_shop, "after switch"))
        return shop

    def run(shop: Shop, at: int) -> object:
        return shop.recover(shop.platform(at))

    for at, shop in moments(run, left_in_the_watch):  # type: ignore[arg-type]
        shop.recover()
        assert shop.live == ONE, f"killed at moment {at}"


def shop_moment(make_shop: Callable[..., Shop], name: str) -> int:
    """The number of a moment in the second release."""
    shop = make_shop(ONE)
    first = len(shop.told)
    shop.release(TWO)
    return shop.told[first:].index(name)


@pytest.mark.parametrize("step", [step for step in Step if step is not Step.ROLLBACK])
def test_a_flow_that_is_left_at_a_record_is_recovered(shop: Shop, step: Step) -> None:
    """The record was journaled, its effect never began."""
    made = made_record(TWO, shop.journal.next_generation(), required=SUITES)
    flow = release(made, shop.tools(shop.platform(), made.generation))
    for found in flow:
        shop.journal.write_record(found)
        if found.step is step:
            break
    flow.close()  # type: ignore[attr-defined]
    shop.recover()
    assert shop.live == (TWO if step in (Step.SETTLE, Step.DONE) else ONE)
    shop.check()


@pytest.mark.parametrize(
    ("verb", "live"),
    [
        pytest.param("migrate", ONE, id="the-migration"),
        pytest.param("stand_up", ONE, id="standing-up"),
        pytest.param("switch", ONE, id="the-switch"),
        pytest.param("observe", TWO, id="observing"),
    ],
)
def test_a_platform_that_fails_leaves_what_recover_mends(shop: Shop, verb: str, live: str) -> None:
    """A broken platform is no verdict: the flow stops where it is, and recover brings the users to the old color."""
    platform = shop.platform()
    platform.faults[verb] = PlatformError(f"{verb} broke")
    with pytest.raises(PlatformError, match=f"{verb} broke"):
        shop.release(TWO, platform=platform)
    assert shop.live == live
    shop.recover()
    assert shop.live == ONE


def test_a_conflict_at_the_switch_is_refused(shop: Shop) -> None:
    """Somebody else moved the users: this run moves nobody (fault 42)."""
    platform = shop.platform()
    platform.faults["switch"] = Conflict("traffic is elsewhere")
    record = shop.release(TWO, platform=platform)
    assert record.exit_status is ExitStatus.REFUSED
    assert shop.live == ONE


def test_users_who_stay_behind_bring_all_users_back(shop: Shop) -> None:
    """A switch that is not observed is not complete; the rollback is, once they are all on one color (fault 34)."""
    platform = shop.platform()
    platform.behind = Color.BLUE
    record = shop.release(TWO, platform=platform)
    assert record.outcome is Outcome.ROLLED_BACK
    assert "still answered by: blue" in record.objections[0].text
    assert shop.live == ONE


def test_a_rollback_whose_answer_is_lost_is_not_taken_for_failed(shop: Shop) -> None:
    """The write happened and nobody said so: the world is read again before it is written again (fault 10)."""
    platform = shop.platform()
    before, told = platform.hook, []

    def lose(moment: str) -> None:
        before(moment)
        told.append(moment)
        if told.count("after switch") == 2 and moment == "after switch":
            raise PlatformError("the answer was lost")

    platform.hook = lose
    record = shop.release(BAD_WATCH, platform=platform)
    assert record.outcome is Outcome.ROLLED_BACK
    assert shop.live == ONE


def without_a_way_back(shop: Shop) -> FakePlatform:
    """A platform on which users can be moved once."""
    platform = shop.platform()
    before, told = platform.hook, []

    def refuse(moment: str) -> None:
        before(moment)
        told.append(moment)
        if told.count("switch") > 1 and moment == "switch":
            raise PlatformError("nothing can be written")

    platform.hook = refuse
    return platform


def test_a_rollback_that_cannot_be_written_needs_a_person(shop: Shop) -> None:
    """It is tried until the time for a switch is over (fault 37)."""
    platform = without_a_way_back(shop)
    assert shop.release(BAD_WATCH, platform=platform).exit_status is ExitStatus.PERSON_NEEDED


def test_an_old_color_that_died_is_restored_before_the_users_go_back(shop: Shop) -> None:
    """Standing it up again comes before the switch (fault 38)."""
    platform = shop.platform()
    before = platform.hook

    def kill_old(moment: str) -> None:
        before(moment)
        if moment == "after switch" and platform.live().color is Color.GREEN:
            platform.tell(Color.BLUE, running=False)

    platform.hook = kill_old
    assert shop.release(BAD_WATCH, platform=platform).outcome is Outcome.ROLLED_BACK
    assert shop.live == ONE
    assert platform.health(Color.BLUE).running


def test_a_fenced_run_moves_nobody(shop: Shop) -> None:
    """A newer generation wrote while this one slept (fault 32)."""
    platform = shop.platform()
    before = platform.hook

    def take_over(moment: str) -> None:
        before(moment)
        if moment == "after migrate":
            platform.stamp(99)

    platform.hook = take_over
    record = shop.release(TWO, platform=platform)
    assert record.exit_status is ExitStatus.REFUSED
    assert "is over" in record.objections[0].text
    assert shop.live == ONE


def test_a_second_rollback_in_a_row_is_refused(make_shop: Callable[..., Shop]) -> None:
    """It would move users onto the release just taken back; the objection names both releases and the option."""
    shop = make_shop(ONE, TWO)
    assert shop.rollback().exit_status is ExitStatus.CONFIRMED
    assert shop.live == ONE
    for _ in range(2):
        record = shop.rollback()
        assert (record.exit_status, shop.live) == (ExitStatus.REFUSED, ONE)
        assert record.objections[0].text == (
            f"the users were moved away from {TWO} by the last rollback, and are on blue {ONE}; "
            f"to move them onto {TWO} again, add --to {TWO}"
        )


@pytest.mark.parametrize("to", [TWO, "green"])
def test_a_person_who_names_it_moves_users_onto_what_was_taken_back(make_shop: Callable[..., Shop], to: str) -> None:
    """By its version or by its color; and then that is the one that a rollback alone does not undo."""
    shop = make_shop(ONE, TWO)
    assert shop.rollback().exit_status is ExitStatus.CONFIRMED
    assert shop.rollback(to=to).exit_status is ExitStatus.CONFIRMED
    assert shop.live == TWO
    assert shop.rollback().exit_status is ExitStatus.REFUSED
    assert shop.rollback(to=ONE).exit_status is ExitStatus.CONFIRMED
    assert shop.live == ONE


@pytest.mark.parametrize(
    ("to", "text"),
    [
        (TWO, f"--to {TWO}: the users are on green {TWO} already"),
        ("green", f"--to green: the users are on green {TWO} already"),
        ("9.9.9", f"--to 9.9.9: no such release stands or stood in the other place; known there: {ONE}"),
    ],
)
def test_a_name_that_is_no_place_to_go_is_refused(make_shop: Callable[..., Shop], to: str, text: str) -> None:
    """With what it would have to be."""
    shop = make_shop(ONE, TWO)
    record = shop.rollback(to=to)
    assert (record.exit_status, record.objections[0].text) == (ExitStatus.REFUSED, text)
    assert shop.live == TWO


def test_a_named_release_that_was_never_verified_is_refused(make_shop: Callable[..., Shop]) -> None:
    """A person's word moves users to what was proven once, not to anything."""
    shop = make_shop(ONE, TWO)
    platform = shop.platform()
    kept = platform.standing(Color.BLUE)
    assert kept is not None
    platform.remember(kept.model_copy(update={"verified": False}))
    record = shop.rollback(to=ONE)
    assert record.exit_status is ExitStatus.REFUSED
    assert "was never verified" in record.objections[0].text
    assert shop.live == TWO


def test_a_release_after_a_rollback_can_be_rolled_back(make_shop: Callable[..., Shop]) -> None:
    """Confirmed again, it is a release like any other."""
    shop = make_shop(ONE, TWO)
    shop.rollback()
    assert shop.release(TWO).outcome is Outcome.CONFIRMED
    assert shop.rollback().exit_status is ExitStatus.CONFIRMED
    assert shop.live == ONE


def test_a_release_that_was_refused_in_between_changes_nothing_of_it(make_shop: Callable[..., Shop]) -> None:
    """The last record is another one then, and what was taken back still stands beside."""
    shop = make_shop(ONE, TWO)
    shop.rollback()
    platform = shop.platform()
    platform.faults["prepare"] = PlatformError("nothing can be built")
    with pytest.raises(PlatformError):
        shop.release(THREE, platform=platform)
    shop.recover()
    assert shop.rollback().exit_status is ExitStatus.REFUSED
    assert shop.live == ONE


@pytest.mark.parametrize("at", range(0, 24, 2))
def test_a_rollback_that_died_is_not_undone_by_the_next(make_shop: Callable[..., Shop], at: int) -> None:
    """Killed at any moment and typed again: the users are where the first one was to take them."""
    shop = make_shop(ONE, TWO)
    with contextlib.suppress(Killed):
        shop.rollback(at)
    shop.rollback()
    assert shop.live == ONE


@pytest.mark.parametrize("version", [pytest.param(BAD_WATCH, id="taken-back"), pytest.param(BAD_SUITE, id="held")])
def test_a_rollback_never_goes_to_a_release_that_did_not_hold(make_shop: Callable[..., Shop], version: str) -> None:
    """It stands in the idle color, verified perhaps, and is not who was live before."""
    shop = make_shop(ONE, TWO)
    shop.release(version)
    assert shop.live == TWO
    assert shop.rollback().exit_status is ExitStatus.CONFIRMED
    assert shop.live == ONE


def test_a_rollback_without_a_release_before_is_refused(shop: Shop) -> None:
    """Also where a release that was taken back stands beside."""
    assert shop.rollback().exit_status is ExitStatus.REFUSED
    shop.release(BAD_WATCH)
    assert shop.rollback().exit_status is ExitStatus.REFUSED
    assert shop.live == ONE


def test_a_release_that_could_not_be_taken_back_is_taken_back_by_a_person(make_shop: Callable[..., Shop]) -> None:
    """Who was live before it is who users go back to, though nothing was kept and something else was live earlier."""
    shop = make_shop(ONE, TWO)
    platform = without_a_way_back(shop)
    assert shop.release(BAD_WATCH, platform=platform).exit_status is ExitStatus.PERSON_NEEDED
    assert shop.live == BAD_WATCH
    assert shop.rollback().exit_status is ExitStatus.CONFIRMED
    assert shop.live == TWO


def test_a_color_that_got_its_users_back_is_not_kept_until_a_day_any_more(make_shop: Callable[..., Shop]) -> None:
    """Its rollback window is over with that: nobody retires who has the users, or had them last."""
    shop = make_shop(ONE, TWO)
    assert shop.rollback().exit_status is ExitStatus.CONFIRMED
    platform = shop.platform()
    kept = {color: place.deployment.kept_until is not None for color, place in platform.world.places.items()}
    live = platform.live().color
    assert live is not None
    assert kept == {live: False, live.other: True}


def at(shop: Shop, platform: FakePlatform, version: str, step: Step, act: Callable[[], object]) -> Record:
    """Release, and do something when a step was journaled."""
    made = made_record(version, shop.journal.next_generation(), required=SUITES)
    last = made
    for last in by_strategy(made, shop.tools(platform, made.generation)):
        if last.step is step:
            act()
    return last


def edit(platform: FakePlatform, color: Color) -> None:
    """A person changes what stands in a color; it answers as before."""
    deployment = platform.world.places[color].deployment
    release = deployment.release.model_copy(update={"artifact": "by hand"})
    platform.tell(color, deployment=deployment.model_copy(update={"release": release}))


def test_users_go_back_though_their_way_was_changed_in_something_else(shop: Shop) -> None:
    """They are still on the candidate, so the write is stale and not wrong: it is repeated on what is there now."""
    platform = shop.platform()
    record = at(shop, platform, BAD_WATCH, Step.ROLLBACK, lambda: platform.move(platform.live().color))
    assert record.outcome is Outcome.ROLLED_BACK, record.objections
    assert shop.live == ONE


def test_users_that_a_person_moved_elsewhere_are_not_moved_by_a_rollback(shop: Shop) -> None:
    """Nobody is where the rollback begins: it stops, and a person is needed."""
    platform = shop.platform()
    record = at(shop, platform, BAD_WATCH, Step.ROLLBACK, lambda: platform.move(None))
    assert record.outcome is Outcome.PERSON_NEEDED


def test_a_candidate_that_is_edited_while_it_is_watched_is_not_confirmed(shop: Shop) -> None:
    """It answers as before, but no suite saw it (fault 41)."""
    platform = shop.platform()
    record = at(shop, platform, TWO, Step.WATCH, lambda: edit(platform, Color.GREEN))
    assert record.outcome is Outcome.ROLLED_BACK
    assert [objection.rule for objection in record.objections] == ["candidate-changed"]
    assert shop.live == ONE


def test_a_live_color_that_is_edited_while_the_candidate_is_verified_stops_the_release(shop: Shop) -> None:
    """A rollback would put back what the person mended."""
    platform = shop.platform()
    record = at(shop, platform, TWO, Step.VERIFY, lambda: edit(platform, Color.BLUE))
    assert (record.outcome, record.exit_status) == (Outcome.HELD, ExitStatus.REFUSED)
    assert "what has the users in blue was changed by somebody" in record.objections[-1].text
    assert shop.live == ONE
