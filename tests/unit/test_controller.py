"""What comes before a command acts: an earlier run is ended first, and nothing of that keeps users from going back."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.controller import Controller
from deploy.errors import Conflict, ExitStatus, PlatformError
from deploy.model import Outcome, Step
from deploy.platform.fake import FakePlatform
from deploy.rolling import by_strategy
from deploy.settings import load
from tests.unit.flow import BAD_WATCH, GOOD, SUITES, Shop
from tests.unit.made import record as made_record

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
