"""When ``status`` raises the alarm: users on a release that nobody answers for, whatever the strategy."""

from pathlib import Path
from typing import Any, Literal

import pytest

from tests.unit.flow import BAD_WATCH, GOOD, Killed, Shop
from tests.unit.made import deployment, record, release
from verdigris.cli.overview import exit_status, in_words, last_of, seen
from verdigris.errors import PlatformError
from verdigris.model import Color, Outcome, Record, Step, Traffic
from verdigris.state.alarm import alarm, refusal, unaccounted
from verdigris.state.journal import Finished, Holder, Journal

ONE, TWO, _ = GOOD
BACK = Traffic(color=Color.BLUE, identity=deployment(Color.BLUE, "1.0.0").identity, token="1")
AWAY = Traffic(color=Color.GREEN, identity=deployment(Color.GREEN, "2.0.0").identity, token="2")
ALIVE = Holder(pid=7, actor="a person", action="release of 2.0.0", since="2026-06-01T00:00:00.000Z")
STEPS = tuple(step for step in Step if step is not Step.DONE)


def left(step: Step, **changes: Any) -> Record:
    """A release of 2.0.0 into green that stands at a step; 1.0.0 was live in blue."""
    made = record(live=deployment(Color.BLUE, "1.0.0"), candidate=Color.GREEN, release=release())
    for passed in STEPS[: STEPS.index(step) + 1]:
        made = made.at(passed, "x")
    return made.with_changes(**changes)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("traffic", [BACK, AWAY], ids=["not moved", "moved"])
def test_a_run_that_died_raises_it_only_over_users_on_its_candidate(step: Step, traffic: Traffic) -> None:
    """Before the switch nobody is exposed, and what is settling was confirmed."""
    journaled = left(step)
    raised = alarm(Journal(record=journaled), None, traffic, "shop")
    exposed = traffic is AWAY and step in (Step.SWITCH, Step.WATCH, Step.ROLLBACK)
    assert (raised is not None) is exposed
    if raised is not None:
        said = f"users are on green 2.0.0, a release that nobody watches: its release died at the step {step}"
        assert raised.text == said
        assert raised.command == "verdigris recover --env shop"
        assert raised.since == next(one.at for one in journaled.timeline if one.step is Step.SWITCH)


@pytest.mark.parametrize(("stopped", "raises"), [(False, False), (True, True)])
def test_a_holder_watches_unless_it_is_stopped(stopped: bool, raises: bool) -> None:
    """One that is stopped does nothing; the command says how it is ended."""
    holder = ALIVE.model_copy(update={"stopped": stopped})
    raised = alarm(Journal(record=left(Step.WATCH)), holder, AWAY, "shop")
    assert (raised is not None) is raises
    if raised is not None:
        assert "its release is stopped at the step watch (pid 7)" in raised.text
        assert raised.command == "kill -KILL 7; verdigris recover --env shop"


def test_a_rollback_that_died_leaves_users_where_somebody_did_not_want_them() -> None:
    """Somebody asked for it, so it is no smaller thing."""
    live = deployment(Color.GREEN, "2.0.0")
    asked = record("1.0.0", action="rollback", live=live, candidate=Color.BLUE, release=release("1.0.0"))
    journal = Journal(record=asked.at(Step.ROLLBACK, "x"))
    raised = alarm(journal, None, AWAY, "shop")
    assert raised is not None
    assert "users are on green 2.0.0, the rollback to 1.0.0 did not end" in raised.text
    assert alarm(journal, None, BACK, "shop") is None


@pytest.mark.parametrize("outcome", [one for one in Outcome if one is not Outcome.PERSON_NEEDED])
def test_a_finished_run_raises_none(outcome: Outcome) -> None:
    """Whatever it came to, as long as no person is needed."""
    done = left(Step.WATCH).at(Step.DONE, "x", outcome=outcome, switched=True)
    assert alarm(Journal(record=done), None, AWAY, "shop") is None


@pytest.mark.parametrize(
    ("live", "command"),
    [
        (deployment(Color.BLUE, "1.0.0"), "verdigris rollback --env shop"),
        (None, "verdigris verify --env shop, or release a good version"),
    ],
)
def test_a_person_who_is_needed_is_called(live: Any, command: str) -> None:
    """Where users are, why, and what to do."""
    done = left(Step.WATCH, live=live).at(Step.DONE, "x", outcome=Outcome.PERSON_NEEDED, switched=True)
    raised = alarm(Journal(record=done), None, AWAY, "shop")
    assert raised is not None
    assert raised.text.startswith("a person is needed: users are on green 2.0.0, which was not confirmed")
    assert raised.command == command


@pytest.mark.parametrize("strategy", ["blue-green", "rolling"])
def test_every_death_of_a_release_is_said_as_what_it_is(
    tmp_path: Path, strategy: Literal["blue-green", "rolling"]
) -> None:
    """Killed at each of its moments: an alarm if users have the candidate and it is not confirmed, else a problem."""
    exposed = 0
    for number in range(100):
        shop = Shop(tmp_path / str(number), strategy)
        shop.release(ONE)
        try:
            shop.release(TWO, number)
        except Killed:
            pass
        else:
            break
        left = shop.journal.read().record
        assert left is not None
        content = seen(shop.platform(), "shop", "fake")
        if left.finished or left.version == ONE:  # it died before its first record, or after its last one
            assert exit_status(content) == 0
            continue
        on_candidate = content["live"]["version"] == TWO and left.step is not Step.SETTLE
        assert exit_status(content) == (15 if on_candidate else 10), (number, left.step)
        assert next(iter(in_words(content))) == ("alarm" if on_candidate else "environment")
        assert content["problems"]
        exposed += on_candidate
        shop.recover()
        assert exit_status(seen(shop.platform(), "shop", "fake")) == 0
    assert exposed


def test_a_release_that_cannot_be_taken_back_keeps_the_alarm_up(tmp_path: Path) -> None:
    """Until another record takes its place."""
    shop = Shop(tmp_path / "shop")
    shop.release(ONE)
    platform = shop.platform()
    calls = []

    def hook(moment: str) -> None:
        calls.append(moment)
        if moment == "switch" and calls.count("switch") > 1:
            raise PlatformError("nothing can be written")

    platform.hook = hook
    assert shop.release(BAD_WATCH, platform=platform).outcome is Outcome.PERSON_NEEDED
    content = seen(shop.platform(), "shop", "fake")
    assert exit_status(content) == 15
    assert "a person is needed" in content["problems"][0]
    shop.rollback()
    assert exit_status(seen(shop.platform(), "shop", "fake")) == 0


LEFT = left(Step.WATCH).at(Step.DONE, "x", outcome=Outcome.PERSON_NEEDED, switched=True)
NEXT = record("3.0.0", 2, live=deployment(Color.GREEN, "2.0.0")).at(Step.PREPARE, "x")


@pytest.mark.parametrize(
    ("later", "traffic", "raises"),
    [
        pytest.param({}, AWAY, True, id="begun"),
        pytest.param({"outcome": Outcome.HELD}, AWAY, True, id="held"),
        pytest.param({"outcome": Outcome.REFUSED}, AWAY, True, id="refused"),
        pytest.param({"outcome": Outcome.REFUSED, "action": "rollback"}, AWAY, True, id="a-rollback-refused"),
        pytest.param({"outcome": Outcome.HELD, "action": "candidate"}, AWAY, True, id="a-candidate"),
        pytest.param({"outcome": Outcome.PERSON_NEEDED, "action": "rollback"}, AWAY, True, id="a-second-one"),
        pytest.param({"outcome": Outcome.ROLLED_BACK}, AWAY, True, id="rolled-back-onto-it"),
        pytest.param({"outcome": Outcome.ROLLED_BACK, "action": "rollback"}, AWAY, False, id="asked-for"),
        pytest.param({"outcome": Outcome.CONFIRMED}, AWAY, False, id="confirmed"),
        pytest.param({"outcome": Outcome.HELD}, BACK, False, id="held-and-moved-by-hand"),
        pytest.param(None, BACK, False, id="moved-by-hand"),
        pytest.param(None, AWAY.model_copy(update={"color": None, "identity": None}), True, id="on-nobody"),
    ],
)
def test_users_on_an_unconfirmed_release_are_not_forgotten(
    later: dict[str, Any] | None, traffic: Traffic, raises: bool
) -> None:
    """Whatever runs follow: it ends with users on a verified release, one that was confirmed or asked for."""
    journal = Journal().with_record(LEFT)
    if later is not None:
        done = {"step": Step.DONE} if "outcome" in later else {}
        journal = journal.with_record(NEXT.with_changes(**done, **later))
    raised = alarm(journal, None, traffic, "shop")
    assert (raised is not None) is raises
    if raised is not None:
        assert "which was not confirmed" in raised.text
        assert raised.command == "verdigris rollback --env shop"
        assert raised.since == next(one.at for one in LEFT.timeline if one.step is Step.SWITCH)


@pytest.mark.parametrize(
    ("journal", "traffic", "refuses"),
    [
        pytest.param(Journal(record=LEFT), AWAY, True, id="of-before"),
        pytest.param(Journal().with_record(LEFT), AWAY, True, id="left"),
        pytest.param(Journal().with_record(LEFT), BACK, False, id="moved-by-hand"),
        pytest.param(
            Journal().with_record(LEFT),
            AWAY.model_copy(update={"identity": deployment(Color.GREEN, "2.0.1").identity}),
            True,
            id="edited-by-hand",
        ),
        pytest.param(Journal().with_record(LEFT.with_changes(live=None)), AWAY, False, id="a-first-one"),
        pytest.param(Journal(record=left(Step.WATCH)), AWAY, True, id="died-in-its-watch"),
        pytest.param(Journal(record=left(Step.WATCH)), BACK, False, id="died-and-moved-by-hand"),
        pytest.param(Journal(record=left(Step.WATCH, live=None)), AWAY, False, id="a-first-one-that-died"),
        pytest.param(Journal(record=left(Step.SETTLE)), AWAY, False, id="died-when-it-was-confirmed"),
        pytest.param(Journal(), AWAY, False, id="nothing-known"),
    ],
)
def test_the_only_release_that_users_can_go_back_to_is_not_replaced(
    journal: Journal, traffic: Traffic, refuses: bool
) -> None:
    """The refusal names the commands that end it; a first release keeps nobody from a better one."""
    said = refusal(journal, lambda: traffic, "shop")
    assert bool(said) is refuses
    if said:
        assert "run 'verdigris recover --env shop'" in said


def test_a_rollback_that_needs_a_person_is_not_taken_for_an_unconfirmed_release() -> None:
    """Users are on what was confirmed, or on what was asked for: what did not end is the rollback."""
    live = deployment(Color.GREEN, "2.0.0")
    asked = record("1.0.0", action="rollback", live=live, candidate=Color.BLUE, release=release("1.0.0"))
    journal = Journal().with_record(asked.at(Step.ROLLBACK, "x").at(Step.DONE, "x", outcome=Outcome.PERSON_NEEDED))
    for traffic in (AWAY, BACK):
        raised = alarm(journal, None, traffic, "shop")
        assert raised is not None
        assert "the rollback to 1.0.0 did not end: no reason was recorded" in raised.text
        assert raised.command == "verdigris recover --env shop"
        assert not refusal(journal, traffic.model_copy, "shop")


ROLLED = deployment(Color.LIVE, "2.0.0").identity
NOWHERE = Traffic(color=None, identity=None, token="3")
DONE = left(Step.WATCH).at(Step.DONE, "x", outcome=Outcome.CONFIRMED)


@pytest.mark.parametrize(
    ("journal", "traffic", "damage", "trouble", "said", "command"),
    [
        pytest.param(Journal(), NOWHERE, "it is torn", "it is a folder", None, "", id="users-on-nobody"),
        pytest.param(Journal(record=DONE), AWAY, "", "", None, "", id="nothing-wrong"),
        pytest.param(
            Journal(), AWAY, "it is torn", "", "was confirmed: it is torn", "put the journal back", id="damaged"
        ),
        pytest.param(
            Journal(), AWAY, "", "", "there is no journal", "verdigris rollback --env shop --to blue", id="missing"
        ),
        pytest.param(
            Journal(),
            Traffic(color=Color.LIVE, identity=ROLLED, token="1"),
            "",
            "",
            "there is no journal",
            "verdigris verify --env shop",
            id="missing-where-it-rolls",
        ),
        pytest.param(
            Journal(record=DONE), AWAY, "", "no room", "journaled: no room", "recover --env shop", id="unwritable"
        ),
        pytest.param(
            Journal(record=left(Step.WATCH)),
            BACK,
            "",
            "no room",
            "the release of 2.0.0 did not end, as far as it says, at the step watch",
            "recover --env shop",
            id="unwritable-and-unfinished",
        ),
    ],
)
def test_a_journal_that_is_lost_or_cannot_be_kept_is_said_over_users(
    journal: Journal, traffic: Traffic, damage: str, trouble: str, said: str | None, command: str
) -> None:
    """Nobody knows then what users are on, guardian or not."""
    raised = unaccounted(journal, None, traffic, "shop", damage, trouble)
    assert (raised is None) is (said is None)
    if raised is not None and said is not None:
        assert said in str(raised)
        assert command in raised.command
        assert "since" not in str(raised)


def test_a_run_under_way_writes_its_journal_anew() -> None:
    """So one that is missing is an alarm only where nobody is at work."""
    stopped = ALIVE.model_copy(update={"stopped": True})
    assert unaccounted(Journal(), ALIVE, AWAY, "shop", "", "") is None
    assert unaccounted(Journal(), stopped, AWAY, "shop", "", "") is not None


@pytest.mark.parametrize("strategy", ["blue-green", "rolling"])
@pytest.mark.parametrize("what", ["removed", "torn", "a folder", "part", "lock"])
def test_a_spoilt_journal_keeps_status_from_nothing(
    tmp_path: Path, what: str, strategy: Literal["blue-green", "rolling"]
) -> None:
    """The alarm comes first, and who is live and what stands there follows."""
    shop = Shop(tmp_path / "shop", strategy)
    assert exit_status(seen(shop.platform(), "shop", "fake")) == 0
    shop.release(ONE)
    journal = shop.root / "journal.json"
    if what in ("removed", "a folder"):
        journal.unlink()
    if what == "torn":
        journal.write_text('{"schema_ver')
    if what == "a folder":
        journal.mkdir()
    if what == "part":
        (shop.root / ".journal.json.part").mkdir()
    if what == "lock":
        (shop.root / "lock").mkdir()
    content = seen(shop.platform(), "shop", "fake")
    assert exit_status(content) == 15
    assert content["live"]["version"] == ONE
    first, *_ = in_words(content)
    assert first == "alarm"
    assert len(content["problems"]) == 1


def test_a_journal_of_before_says_the_last_release_as_it_did() -> None:
    """It kept none beside the present record; while one runs, nothing is said of one before."""
    done = left(Step.WATCH).at(Step.DONE, "x", outcome=Outcome.ROLLED_BACK, exit_status=13)
    assert last_of(Journal(record=done)) == Finished(
        id=done.id, action="release", version="2.0.0", outcome="rolled back", exit_status=13
    )
    assert last_of(Journal(record=left(Step.WATCH))) is None
    assert Journal.model_validate_json('{"schema_version": 1}').last is None
