"""What comes before a command acts: an earlier run is ended first, and nothing of that keeps users from going back."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.unit.flow import BAD_SUITE, BAD_WATCH, GOOD, SUITES, Killed, Shop
from tests.unit.made import record as made_record
from verdigris.cli.overview import exit_status, seen
from verdigris.controller import Controller
from verdigris.errors import Conflict, ExitStatus, PlatformError, Refused
from verdigris.flow.rolling import by_strategy
from verdigris.model import Color, Outcome, Record, Step
from verdigris.settings import load
from verdigris.testing import FakePlatform

ONE, TWO, THREE = GOOD
SETTINGS = """
application = "shop"
[environments.production]
platform = "kubernetes"
url = "https://shop.invalid"
namespace = "shop"
suites = ["smoke", "verification"]
switch_seconds = 0.3
kubernetes = { manifests = "k8s", image = "images/{version}.json" }
"""


def controller(shop: Shop, platform: FakePlatform, root: Path) -> Controller:
    """A controller of the shop, as a process of its own would have it."""
    path = root / "environments.toml"
    path.write_text(SETTINGS)
    return Controller(load(path), "production", platform=platform, journal=shop.journal)


def died(shop: Shop, version: str, step: Step) -> None:
    """A release whose process died when it had journaled a step."""
    made = made_record(version, shop.journal.next_generation(), required=SUITES)
    for record in by_strategy(made, shop.tools(shop.platform(), made.generation)):
        shop.journal.write_record(record)
        if record.step is step:
            return


def test_a_recovery_that_breaks_off_is_not_taken_for_done(shop: Shop, tmp_path: Path) -> None:
    """Its record stays, so the next one brings it to an end."""
    died(shop, TWO, Step.VERIFY)
    platform = shop.platform()
    platform.faults["retire"] = PlatformError("its pods do not go away")
    with pytest.raises(PlatformError, match="its pods do not go away"):
        controller(shop, platform, tmp_path).recover()
    left = shop.journal.read().record
    assert left is not None
    assert not left.finished
    record = controller(shop, shop.platform(), tmp_path).recover()
    assert record is not None
    assert record.outcome is Outcome.HELD


def test_a_release_does_not_go_over_one_that_could_not_be_taken_back(shop: Shop, tmp_path: Path) -> None:
    """Its candidate would take the place of the only good release there is: a person is needed first."""
    died(shop, BAD_WATCH, Step.WATCH)
    platform = shop.platform()
    platform.faults["switch"] = PlatformError("nothing can be written")
    with pytest.raises(PlatformError, match=f"release {BAD_WATCH}, which was left here, could not be taken back"):
        controller(shop, platform, tmp_path).release(THREE)
    assert {place.deployment.release.version for place in platform.world.places.values()} == {ONE, BAD_WATCH}


class Edited(FakePlatform):
    """Who has the users was edited by hand and does not answer as itself."""

    def adopt(self) -> str | None:
        """Nobody can say what it is."""
        raise Conflict("nobody can say what it is")

    def settled(self) -> None:
        """Something of it hangs."""
        raise PlatformError("a pod does not go away")


def test_nothing_of_an_earlier_run_keeps_users_from_going_back(make_shop: Callable[..., Shop], tmp_path: Path) -> None:
    """An edit that cannot be adopted, a hold that cannot be given back: said, and the users go back."""
    shop = make_shop(ONE, TWO)
    platform = Edited(shop.root, shop.platform().versions)
    record = controller(shop, platform, tmp_path).rollback("it is broken")
    assert record.exit_status is ExitStatus.CONFIRMED, record.objections
    assert shop.live == ONE
    with pytest.raises(Conflict, match="nobody can say what it is"):
        controller(shop, platform, tmp_path).release(THREE)


def test_a_rollback_that_ends_an_interrupted_release_is_done_with_that(
    make_shop: Callable[..., Shop], tmp_path: Path
) -> None:
    """The run died in its watch: the users go back to who was live before it, and not one release further."""
    shop = make_shop(ONE, TWO)
    died(shop, THREE, Step.WATCH)
    assert shop.live == THREE
    record = controller(shop, shop.platform(), tmp_path).rollback("it is broken")
    assert (record.version, record.outcome) == (THREE, Outcome.ROLLED_BACK)
    assert shop.live == TWO


def test_a_second_rollback_names_the_release_it_would_go_to(make_shop: Callable[..., Shop], tmp_path: Path) -> None:
    """Refused with both releases and the option; with it, done."""
    shop = make_shop(ONE, TWO)
    assert controller(shop, shop.platform(), tmp_path).rollback().exit_status is ExitStatus.CONFIRMED
    record = controller(shop, shop.platform(), tmp_path).rollback()
    assert (record.exit_status, shop.live) == (ExitStatus.REFUSED, ONE)
    assert f"--to {TWO}" in record.objections[0].text
    assert controller(shop, shop.platform(), tmp_path).rollback(to=TWO).exit_status is ExitStatus.CONFIRMED
    assert shop.live == TWO


# --- users on a release that was not confirmed --------------------------------------------------------------------


def alarmed(shop: Shop) -> bool:
    """Whether ``status`` raises the alarm."""
    return exit_status(seen(shop.platform(), "production", "fake")) is ExitStatus.PERSON_NEEDED


def stuck(shop: Shop, version: str = BAD_WATCH) -> Record:
    """A release whose watch objects and whose way back cannot be written."""
    platform, calls = shop.platform(), []

    def hook(moment: str) -> None:
        calls.append(moment)
        if moment == "switch" and calls.count("switch") > 1:
            raise PlatformError("nothing can be written")
        if moment == "stand_up" and calls.count("stand_up") > 1:
            raise PlatformError("nothing can be written")

    platform.hook = hook
    record = shop.release(version, platform=platform)
    assert (record.outcome, shop.live) == (Outcome.PERSON_NEEDED, version)
    return record


strategies = pytest.mark.parametrize("strategy", ["blue-green", "rolling"])


def stuck_on(make_shop: Callable[..., Shop], strategy: str) -> Shop:
    """Users are on a release that was not confirmed; 1.0.0 had them before."""
    shop = make_shop(ONE, strategy=strategy)
    stuck(shop, BAD_WATCH if strategy == "blue-green" else BAD_SUITE)
    assert alarmed(shop)
    return shop


@strategies
def test_nothing_goes_over_users_on_an_unconfirmed_release(
    make_shop: Callable[..., Shop], tmp_path: Path, strategy: str
) -> None:
    """A release, good or bad, and a candidate are refused with what ends it; the alarm and the verified one stay."""
    shop = stuck_on(make_shop, strategy)
    before, journal = shop.platform().world, shop.journal.read()
    for version in (THREE, "9.9.9"):
        with pytest.raises(Refused, match="run 'verdigris recover --env production' or 'verdigris rollback"):
            controller(shop, shop.platform(), tmp_path).release(version)
    with (
        pytest.raises(Refused, match="run 'verdigris recover --env production'"),
        controller(shop, shop.platform(), tmp_path).candidate(THREE),
    ):
        pass
    assert (shop.platform().world, shop.journal.read()) == (before, journal)
    assert alarmed(shop)


@strategies
def test_a_recovery_brings_users_back_from_an_unconfirmed_release(
    make_shop: Callable[..., Shop], tmp_path: Path, strategy: str
) -> None:
    """After that nothing is left to recover, no alarm is up, and the next release is confirmed."""
    shop = stuck_on(make_shop, strategy)
    record = controller(shop, shop.platform(), tmp_path).recover()
    assert record is not None
    assert (record.action, record.outcome, shop.live) == ("rollback", Outcome.ROLLED_BACK, ONE)
    assert not alarmed(shop)
    assert controller(shop, shop.platform(), tmp_path).recover() is None
    assert shop.release(THREE).outcome is Outcome.CONFIRMED


@strategies
def test_a_recovery_that_fails_again_says_why_and_can_be_repeated(
    make_shop: Callable[..., Shop], tmp_path: Path, strategy: str
) -> None:
    """Two in a row: a person is needed still, whatever a rollback would come to, and nothing is forgotten."""
    shop = stuck_on(make_shop, strategy)
    platform = shop.platform()
    platform.faults |= {"switch": PlatformError("no, still not"), "stand_up": PlatformError("no, still not")}
    record = controller(shop, platform, tmp_path).recover()
    assert record is not None
    assert (record.outcome, record.exit_status) == (Outcome.PERSON_NEEDED, ExitStatus.PERSON_NEEDED)
    assert "no, still not" in record.objections[0].text
    assert alarmed(shop)
    with pytest.raises(Refused):
        controller(shop, shop.platform(), tmp_path).release(THREE)
    record = controller(shop, shop.platform(), tmp_path).recover()
    assert record is not None
    assert (record.outcome, shop.live, alarmed(shop)) == (Outcome.ROLLED_BACK, ONE, False)


@strategies
def test_a_way_back_that_is_killed_anywhere_is_not_forgotten(
    make_shop: Callable[..., Shop], tmp_path: Path, strategy: str
) -> None:
    """It dies at each of its moments: the alarm stays, and one recovery ends it."""
    begun = stuck_on(make_shop, strategy)
    exposed = number = 0
    while True:
        shop = begun.copy(tmp_path / f"killed-{number}")
        try:
            shop.rollback(number)
        except Killed:
            pass
        else:
            break
        if shop.live != ONE:
            exposed += 1
            assert alarmed(shop), number
        controller(shop, shop.platform(), tmp_path).recover()
        assert (shop.live, alarmed(shop)) == (ONE, False), number
        assert shop.release(THREE).outcome is Outcome.CONFIRMED
        number += 1
    assert exposed


@strategies
def test_a_rollback_that_died_before_it_moved_anybody_is_made_by_a_recovery(
    make_shop: Callable[..., Shop], tmp_path: Path, strategy: str
) -> None:
    """It stands at its first step: it is held, and users go back all the same."""
    shop = stuck_on(make_shop, strategy)
    shop.journal.write(
        shop.journal.read().with_record(
            made_record(ONE, shop.journal.next_generation(), action="rollback").at(Step.PREPARE, "x")
        )
    )
    assert alarmed(shop)
    with pytest.raises(Refused):
        controller(shop, shop.platform(), tmp_path).release(THREE)
    shop.journal.write_record(made_record(ONE, shop.journal.next_generation(), action="rollback").at(Step.PREPARE, "x"))
    record = controller(shop, shop.platform(), tmp_path).recover()
    assert record is not None
    assert (record.outcome, shop.live, alarmed(shop)) == (Outcome.ROLLED_BACK, ONE, False)


def test_an_old_color_that_cannot_serve_leaves_a_person_needed(make_shop: Callable[..., Shop], tmp_path: Path) -> None:
    """Neither command ends with less than that, and a rollback that is refused does not forget where users belong."""
    shop = stuck_on(make_shop, "blue-green")
    platform = shop.platform()
    platform.tell(Color.BLUE, running=False)
    platform.versions[ONE] = "exits-at-once"
    record = controller(shop, platform, tmp_path).recover()
    assert record is not None
    assert record.exit_status is ExitStatus.PERSON_NEEDED
    assert [moment.text for moment in record.timeline if moment.step is Step.DONE] == ["a person is needed"]
    assert controller(shop, platform, tmp_path).rollback().exit_status is ExitStatus.REFUSED
    assert alarmed(shop)
    assert controller(shop, shop.platform(), tmp_path).rollback().exit_status is ExitStatus.CONFIRMED
    assert (shop.live, alarmed(shop)) == (ONE, False)


@strategies
def test_a_person_may_ask_for_what_users_were_left_on(
    make_shop: Callable[..., Shop], tmp_path: Path, strategy: str
) -> None:
    """Named, and only if it was verified: the way on where the release before cannot serve any more."""
    shop = stuck_on(make_shop, strategy)
    here = shop.live
    record = controller(shop, shop.platform(), tmp_path).rollback(to=here)
    if strategy == "rolling":  # its suite failed
        assert (record.exit_status, alarmed(shop)) == (ExitStatus.REFUSED, True)
        return
    assert (record.exit_status, shop.live, alarmed(shop)) == (ExitStatus.CONFIRMED, here, False)
    assert controller(shop, shop.platform(), tmp_path).rollback().exit_status is ExitStatus.CONFIRMED
    assert shop.live == ONE


def test_a_first_release_that_was_not_confirmed_is_not_said_to_be_nothing(
    make_shop: Callable[..., Shop], tmp_path: Path
) -> None:
    """A recovery says why it cannot go back; a good release ends it, and one that is held does not."""
    shop = make_shop()
    assert shop.release(BAD_WATCH).outcome is Outcome.PERSON_NEEDED
    with pytest.raises(PlatformError, match="there is nothing to go back to: verdigris verify --env production"):
        controller(shop, shop.platform(), tmp_path).recover()
    assert shop.release(BAD_SUITE).outcome is Outcome.HELD
    assert alarmed(shop)
    assert shop.release(ONE).outcome is Outcome.CONFIRMED
    assert not alarmed(shop)


def test_a_rollback_that_was_not_observed_is_finished_by_a_recovery(
    make_shop: Callable[..., Shop], tmp_path: Path
) -> None:
    """Users stayed behind: it is looked at again, and said to be done when it was seen."""
    shop = make_shop(ONE, TWO)
    platform = shop.platform()
    platform.behind = Color.GREEN
    assert controller(shop, platform, tmp_path).rollback().exit_status is ExitStatus.PERSON_NEEDED
    assert alarmed(shop)
    record = controller(shop, platform, tmp_path).recover()
    assert record is not None
    assert record.exit_status is ExitStatus.PERSON_NEEDED
    record = controller(shop, shop.platform(), tmp_path).recover()
    assert record is not None
    assert (record.outcome, shop.live, alarmed(shop)) == (Outcome.ROLLED_BACK, ONE, False)


def test_the_release_that_users_go_back_to_is_not_retired(make_shop: Callable[..., Shop], tmp_path: Path) -> None:
    """Though a window of earlier is over."""
    shop = stuck_on(make_shop, "blue-green")
    platform = shop.platform()
    there = platform.standing(Color.BLUE)
    assert there is not None
    platform.remember(there.model_copy(update={"kept_until": "2020-01-01T00:00:00Z"}))
    platform.faults["switch"] = PlatformError("no")
    controller(shop, platform, tmp_path).recover()
    assert platform.standing(Color.BLUE) is not None


@strategies
def test_a_run_whose_end_cannot_be_journaled_says_so(
    make_shop: Callable[..., Shop], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strategy: str
) -> None:
    """A folder is in the way once users met it: they are back, and nobody takes the run for ended without a word."""
    shop = make_shop(ONE, strategy=strategy)
    hindrance, platform, told = shop.root / ".journal.json.part", shop.platform(), list[str]()

    def block(moment: str) -> None:
        if moment in ("after switch", "after replace"):
            hindrance.mkdir(exist_ok=True)

    platform.hook = block
    acting = controller(shop, platform, tmp_path)
    monkeypatch.setattr(acting.watcher, "told", told.append)
    monkeypatch.setattr(acting, "_tools", lambda record, acknowledged: shop.tools(platform, record.generation))
    made = made_record(TWO, shop.journal.next_generation(), required=SUITES)
    record = acting._drive(made, partial(by_strategy, made))
    assert (record.outcome, shop.live) == (Outcome.ROLLED_BACK, ONE)
    said = "the journal cannot be written, and it still says that this run stands at the step"
    assert said in record.notes["journal"]
    assert record.notes["journal"] in told
    assert alarmed(shop)
    hindrance.rmdir()
    ended = controller(shop, shop.platform(), tmp_path).recover()
    assert ended is not None
    assert (ended.finished, shop.live, alarmed(shop)) == (True, ONE, False)
