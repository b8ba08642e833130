"""Whatever ends a run, and however early: its records say who was live and which version was tried."""

import contextlib
import signal
from pathlib import Path
from typing import Literal

import pytest

from tests.faults.conftest import ended, journaled, release_folder, wait_for_step
from tests.unit.flow import GOOD, Shop
from tests.unit.test_controller import controller
from tests.world import World
from verdigris.cli.overview import moved_in_words
from verdigris.controller import Controller
from verdigris.errors import ExitStatus, PlatformError, VerdigrisError
from verdigris.model import Color, Traffic
from verdigris.state.audit import Entry
from verdigris.testing import FakePlatform

ONE, TWO, _ = GOOD
SLOW = "import time\ntime.sleep(3)\ndef test_it(http):\n    pass\n"


def last_line(made: Controller) -> Entry:
    """The last line of the audit log."""
    return made.platform.audit.entries()[-1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_ended_in_prepare_says_both(live: World, number: signal.Signals) -> None:
    """While it still collects the tests; the journal says so from the first entry on."""
    live.suite("smoke", SLOW, "test_slow.py")
    process = live.start("release", "1.1.0")
    wait_for_step(live, "prepare")
    begun = journaled(live)
    assert begun.live is not None
    assert (begun.live.release.version, begun.candidate) == ("1.0.0", Color.GREEN)
    process.send_signal(number)
    code, output = ended(process)
    assert code == ExitStatus.HELD_NOT_CONCLUSIVE, output
    assert moved_in_words(last_line(live.controller())) == "blue 1.0.0 -> green 1.1.0"
    assert "blue 1.0.0 -> green 1.1.0" in live.command("audit").stdout
    report = (release_folder(live) / "report.html").read_text()
    assert "no release had the users" not in report
    assert "blue 1.0.0 (build b1.0.0" in report


def test_a_killed_run_says_both_when_it_is_recovered(live: World) -> None:
    """It died in its first step."""
    live.suite("smoke", SLOW, "test_slow.py")
    process = live.start("release", "1.1.0")
    wait_for_step(live, "prepare")
    process.kill()
    process.communicate()
    assert live.command("recover").returncode == 0
    assert moved_in_words(last_line(live.controller())) == "blue 1.0.0 -> green 1.1.0"


def test_an_unknown_version_is_named_in_the_records(live: World) -> None:
    """Nothing of it was ever made."""
    assert live.command("release", "7.0.0").returncode == ExitStatus.USAGE
    assert moved_in_words(last_line(live.controller())) == "blue 1.0.0 -> green 7.0.0"


def test_a_rollback_that_is_refused_says_who_stays_live(live: World) -> None:
    """There is nothing to go back to, and somebody is live."""
    assert live.command("rollback").returncode == ExitStatus.REFUSED
    assert moved_in_words(last_line(live.controller())) == "blue 1.0.0 -> nobody"


@pytest.mark.parametrize("error", [PlatformError("no"), ValueError("no"), RecursionError("no"), KeyboardInterrupt()])
def test_an_error_of_any_type_in_prepare_leaves_both(tmp_path: Path, error: BaseException) -> None:
    """What raised it is not asked again for the records."""
    shop = Shop(tmp_path / "shop")
    shop.release(ONE)
    made = controller(shop, _Failing(shop, error), tmp_path)
    try:
        record = made.release(TWO)
    except VerdigrisError:
        pass
    else:
        assert record.exit_status
    assert moved_in_words(last_line(made)) == f"blue {ONE} -> green {TWO}"


class _Failing(FakePlatform):
    """Fails to prepare a version."""

    def __init__(self, shop: Shop, error: BaseException) -> None:
        platform = shop.platform()
        super().__init__(platform.root, platform.versions)
        self.error = error

    def prepare(self, version: str):  # type: ignore[no-untyped-def]
        """Whatever it is told to raise."""
        raise self.error


@pytest.mark.parametrize("strategy", ["blue-green", "rolling"])
def test_an_environment_that_cannot_be_read_is_no_empty_one(
    tmp_path: Path, strategy: Literal["blue-green", "rolling"]
) -> None:
    """Then it is not known who is live, and that is what is said."""
    shop = Shop(tmp_path / "shop", strategy)
    shop.release(ONE)
    platform = _Unreadable(shop.root, shop.platform().versions, strategy=strategy)
    made = controller(shop, platform, tmp_path)
    with contextlib.suppress(VerdigrisError):
        made.release(TWO)
    record = shop.journal.read().record
    assert record is not None
    assert (record.version, record.live) == (TWO, None)
    assert record.notes["live"] == "not known: the API server does not answer"
    assert last_line(made).to_identity == f"version={TWO}"
    assert moved_in_words(last_line(made)) == f"nobody -> {TWO}"


class _Unreadable(FakePlatform):
    """Nobody can say who is live."""

    def adopt(self) -> None:
        """It is not asked for it here."""

    def live(self) -> Traffic:
        """No answer."""
        raise PlatformError("the API server does not answer")
