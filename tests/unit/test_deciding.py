"""What a run that broke off decides by: what is durable, whether users met the candidate, who acts now."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.clock import Clock
from tests.unit.flow import ENVIRONMENT, GOOD, VERSIONS, Gate, Users
from tests.unit.made import record as made_record
from verdigris.errors import Conflict, ExitStatus, PlatformError
from verdigris.flow import safeguard
from verdigris.flow.context import Tools
from verdigris.flow.safeguard import Reserve, Safeguard, _users_met
from verdigris.model import Color, Deployment, Outcome, Record, Step
from verdigris.state.journal import Journal, JournalFile
from verdigris.testing import FakePlatform

ONE, TWO, _ = GOOD
BLUE, GREEN = Color.BLUE, Color.GREEN
GENERATION = 3


@pytest.fixture
def platform(tmp_path: Path) -> FakePlatform:
    """Blue holds 1.0.0; green 1.1.0, which has the users; both verified."""
    platform = FakePlatform(tmp_path, VERSIONS)
    for generation, (color, version) in enumerate(((BLUE, ONE), (GREEN, TWO)), 2):
        there = platform.stand_up(platform.prepare(version), color, generation)
        platform.remember(there.model_copy(update={"verified": True}))
    platform.switch(GREEN, platform.live(), GENERATION)
    platform.effects.clear()
    return platform


@pytest.fixture
def journal(tmp_path: Path) -> JournalFile:
    """Written by the run itself at last."""
    journal = JournalFile(tmp_path)
    journal.write(Journal(generation=GENERATION))
    return journal


def standing(platform: FakePlatform, color: Color) -> Deployment:
    """What stands in a color."""
    found = platform.standing(color)
    assert found is not None
    return found


def at(platform: FakePlatform, step: Step, **changes: object) -> Record:
    """A release of green beside blue."""
    record = made_record(TWO, GENERATION, release=standing(platform, GREEN).release, candidate=GREEN)
    return record.with_changes(live=standing(platform, BLUE), step=step, **changes)


def guard(platform: FakePlatform, journal: JournalFile, record: Record) -> Safeguard:
    """What drives a run, when its record was made durable."""

    def tools(record: Record) -> Tools:
        return Tools(platform, ENVIRONMENT, Gate(), lambda: Users(platform), record.generation)

    write = lambda one: journal.write(journal.read().with_record(one))  # noqa: E731
    guard = Safeguard(platform, journal, write, tools, lambda one: one, lambda _one: None, Reserve(held=False))
    guard.durable = guard.record = record
    return guard


def ended(
    platform: FakePlatform, journal: JournalFile, record: Record, error: BaseException, *, recovering: bool = False
) -> Record:
    """What a run comes to that an error broke off."""
    return guard(platform, journal, record)._end(error, recovering=recovering)


@pytest.mark.parametrize("switched", [False, True])
@pytest.mark.parametrize("step", Step)
def test_users_met_a_candidate_from_the_switch_on(platform: FakePlatform, step: Step, switched: bool) -> None:
    """Or from when the record says so; a record that is about to move them counts."""
    moving = step in (Step.SWITCH, Step.WATCH, Step.ROLLBACK)
    assert _users_met(at(platform, step, switched=switched)) is (moving or switched)


def test_a_run_whose_end_is_durable_has_ended(platform: FakePlatform, journal: JournalFile) -> None:
    """Whatever was raised after it."""
    record = at(platform, Step.DONE, outcome=Outcome.CONFIRMED, exit_status=ExitStatus.CONFIRMED, switched=True)
    assert ended(platform, journal, record, MemoryError()) is record
    assert platform.effects == {}


def test_a_run_that_is_settling_is_confirmed(platform: FakePlatform, journal: JournalFile) -> None:
    """What was confirmed stays."""
    last = ended(platform, journal, at(platform, Step.SETTLE, switched=True), MemoryError())
    assert (last.outcome, platform.live().color) == (Outcome.CONFIRMED, GREEN)


def test_a_run_that_broke_off_before_users_moved_is_held(platform: FakePlatform, journal: JournalFile) -> None:
    """It says why, durably, and touches nothing."""
    last = ended(platform, journal, at(platform, Step.VERIFY), RuntimeError("no"))
    assert (last.outcome, journal.read().record, platform.effects) == (Outcome.HELD, last, {})


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        pytest.param(Conflict("it was"), Conflict, id="of-ours"),
        pytest.param(RuntimeError("it was"), PlatformError, id="of-a-library"),
    ],
)
def test_a_recovery_that_broke_off_before_users_moved_is_for_the_next_one(
    platform: FakePlatform, journal: JournalFile, error: BaseException, raised: type[Exception]
) -> None:
    """Its record stays as it was."""
    with pytest.raises(raised, match="it was") as caught:
        ended(platform, journal, at(platform, Step.VERIFY), error, recovering=True)
    assert type(caught.value) is raised
    assert (journal.read().record, platform.effects) == (None, {})


@pytest.mark.parametrize("recovering", [False, True])
@pytest.mark.parametrize(
    ("error", "generation"),
    [
        pytest.param(RuntimeError("no"), GENERATION, id="an-error"),
        pytest.param(RuntimeError("no"), GENERATION + 1, id="an-error-while-another-run-begins"),
        pytest.param(Conflict("no"), GENERATION, id="a-conflict-with-nobody-that-acts"),
    ],
)
def test_a_run_that_broke_off_with_users_on_the_candidate_brings_them_back(
    platform: FakePlatform, journal: JournalFile, error: BaseException, generation: int, recovering: bool
) -> None:
    """Whatever it was, unless another run has refused it."""
    journal.write(Journal(generation=generation))
    last = ended(platform, journal, at(platform, Step.WATCH, switched=True), error, recovering=recovering)
    assert (last.outcome, platform.live().color) == (Outcome.ROLLED_BACK, BLUE)


@pytest.mark.parametrize("broken", [False, True])
def test_a_run_that_another_one_refused_moves_nobody(
    platform: FakePlatform, journal: JournalFile, broken: bool
) -> None:
    """It is the other one that acts; a journal that cannot be read does not say otherwise."""
    journal.write(Journal(generation=GENERATION + 1))
    if broken:
        journal.path.write_text("{", encoding="utf-8")
    with pytest.raises(PlatformError, match="the live color is not known"):
        ended(platform, journal, at(platform, Step.WATCH, switched=True), Conflict("taken over"))
    assert (platform.live().color, platform.effects) == (GREEN, {})


@pytest.mark.parametrize(
    ("move", "live", "writes"),
    [
        pytest.param(lambda _platform: None, BLUE, 1, id="on-the-candidate"),
        pytest.param(lambda platform: platform.move(BLUE), BLUE, 0, id="back-already"),
    ],
)
def test_the_one_write_moves_users_from_the_candidate_alone(
    platform: FakePlatform, journal: JournalFile, move: Callable[[FakePlatform], None], live: Color, writes: int
) -> None:
    """Who is back already is not moved."""
    record = at(platform, Step.WATCH, switched=True)
    move(platform)
    guard(platform, journal, record)._write_back(standing(platform, BLUE), record)
    assert (platform.live().color, platform.effects["switch"]) == (live, writes)


def test_the_one_write_moves_nobody_whom_somebody_else_moved(platform: FakePlatform, journal: JournalFile) -> None:
    """They are where this run did not bring them."""
    record = at(platform, Step.WATCH, switched=True)
    platform.move(None)
    with pytest.raises(Conflict, match="users are on None, where this run did not bring them"):
        guard(platform, journal, record)._write_back(standing(platform, BLUE), record)
    assert platform.effects["switch"] == 0


# --- how a run brings its users back --------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time between two tries."""
    clock = Clock()
    monkeypatch.setattr(safeguard, "time", clock)
    return clock


def without_tools(guard: Safeguard, *errors: BaseException) -> list[int]:
    """Let a recovery of the run fail at once, so often; how often it was tried."""
    tried, left, make = [0], list(errors), guard.tools

    def tools(record: Record) -> Tools:
        tried[0] += 1
        if left:
            raise left.pop(0)
        return make(record)

    guard.tools = tools
    return tried


def test_a_run_brings_its_users_back_by_a_recovery(platform: FakePlatform, journal: JournalFile, clock: Clock) -> None:
    """It is journaled, it says once why, and one try is enough."""
    driven = guard(platform, journal, at(platform, Step.WATCH, switched=True))
    tried = without_tools(driven)
    last = driven._end(RuntimeError("no"), recovering=False)
    assert (last.outcome, [one.rule for one in last.objections]) == (Outcome.ROLLED_BACK, ["broke-off"])
    assert (journal.read().record, tried, "rollback" in last.notes) == (last, [1], False)


def test_a_recovery_that_fails_is_tried_again(platform: FakePlatform, journal: JournalFile, clock: Clock) -> None:
    """A few times; then users are moved by the one write, and that is said."""
    driven = guard(platform, journal, at(platform, Step.WATCH, switched=True))
    tried = without_tools(driven, *[MemoryError()] * safeguard.ATTEMPTS)
    last = driven._end(RuntimeError("no"), recovering=False)
    assert (last.outcome, platform.live().color, tried) == (Outcome.ROLLED_BACK, BLUE, [safeguard.ATTEMPTS])
    assert last.notes["rollback"].startswith("written, and not observed: unexpected MemoryError")
    assert journal.read().record == last


@pytest.mark.parametrize(
    ("error", "generation", "given_up"),
    [
        pytest.param(Conflict("no"), GENERATION + 1, True, id="another-run-refused-it"),
        pytest.param(Conflict("no"), GENERATION, False, id="a-conflict-with-nobody"),
        pytest.param(MemoryError(), GENERATION + 1, False, id="an-error-while-another-run-begins"),
    ],
)
def test_a_recovery_is_given_up_where_another_run_acts(
    platform: FakePlatform,
    journal: JournalFile,
    clock: Clock,
    error: BaseException,
    generation: int,
    given_up: bool,
) -> None:
    """And for no other reason."""
    journal.write(Journal(generation=generation))
    driven = guard(platform, journal, at(platform, Step.WATCH, switched=True))
    tried = without_tools(driven, error)
    if given_up:
        with pytest.raises(PlatformError, match="the live color is not known"):
            driven._end(RuntimeError("no"), recovering=False)
        assert (platform.live().color, tried) == (GREEN, [1])
    else:
        assert driven._end(RuntimeError("no"), recovering=False).outcome is Outcome.ROLLED_BACK
        assert (platform.live().color, tried) == (BLUE, [2])


@pytest.mark.parametrize(
    "changes", [{"live": None}, {"action": "rollback"}], ids=["a-first-release", "an-operators-rollback"]
)
def test_only_a_release_with_somebody_before_it_is_taken_back_by_one_write(
    platform: FakePlatform, journal: JournalFile, changes: dict[str, object]
) -> None:
    """Otherwise it is not known whereto, or it was asked for."""
    record = at(platform, Step.WATCH, switched=True).with_changes(**changes)
    with pytest.raises(PlatformError, match=r"^unexpected RuntimeError: no; the live color"):
        guard(platform, journal, record)._by_one_write(record, RuntimeError("no"))
    assert platform.effects["switch"] == 0


def test_where_it_rolls_there_is_no_one_write(tmp_path: Path, platform: FakePlatform, journal: JournalFile) -> None:
    """Users go where a release stands up."""
    rolling = FakePlatform(tmp_path / "rolling", VERSIONS, strategy="rolling")
    record = at(platform, Step.WATCH, switched=True)
    driven = guard(rolling, journal, record)
    moved: list[Record] = []
    driven._write_back = lambda _old, record: moved.append(record)  # type: ignore[method-assign]
    with pytest.raises(PlatformError, match="the live color is not known"):
        driven._by_one_write(record, RuntimeError("no"))
    assert moved == []


def test_what_follows_a_confirmation_is_tried_once_more(platform: FakePlatform, journal: JournalFile) -> None:
    """The old color is kept, and that is journaled."""
    last = ended(platform, journal, at(platform, Step.SETTLE, switched=True), MemoryError())
    assert last.notes["old color"].startswith("blue is kept until")
    assert journal.read().record == last


def test_what_follows_a_confirmation_and_fails_again_is_left(platform: FakePlatform, journal: JournalFile) -> None:
    """Confirmed all the same, and that is what is journaled."""
    driven = guard(platform, journal, at(platform, Step.SETTLE, switched=True))
    without_tools(driven, MemoryError())
    driven.kept = lambda one: one.with_changes(actor="nobody")
    last = driven._end(RuntimeError("no"), recovering=False)
    assert (last.outcome, last.actor, "old color" in last.notes) == (Outcome.CONFIRMED, "nobody", False)
    assert journal.read().record == last


def test_the_first_failure_to_write_a_record_is_kept(platform: FakePlatform, journal: JournalFile) -> None:
    """For the report; what came after it is a consequence."""
    record = at(platform, Step.WATCH, switched=True)
    driven = guard(platform, journal, record)
    first = OSError("a full disk")

    def write(_record: Record) -> None:
        raise first

    driven.write = write
    driven._try_to_enter(record)
    assert driven.failure is first
    driven.failure = earlier = RuntimeError("no")
    driven._try_to_enter(record)
    assert driven.failure is earlier
