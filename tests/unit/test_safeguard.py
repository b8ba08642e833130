"""Whatever ends a run early, and wherever: users are on a release that was verified, without anybody's help."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.trouble.planted import RAISED, Proxy, Trouble, raising
from tests.unit.flow import BAD_WATCH, GOOD, SUITES, Shop
from tests.unit.made import record as made_record
from verdigris.errors import Conflict, PlatformError
from verdigris.flow.context import Flow, Tools
from verdigris.flow.recovery import previous, recover, rollback
from verdigris.flow.rolling import by_strategy
from verdigris.flow.safeguard import Reserve, Safeguard
from verdigris.model import Color, Kind, Outcome, Record, Step
from verdigris.state.journal import Confirmed
from verdigris.testing import FakePlatform

ONE, TWO, THREE = GOOD
Run = Callable[[Shop, Trouble], Record]


def guarded(
    shop: Shop, trouble: Trouble, platform: FakePlatform, record: Record, flow: Callable[[Tools], Flow]
) -> Record:
    """Drive a flow whose every tool meets the trouble."""
    proxied, journal = Proxy(platform, trouble, "platform"), Proxy(shop.journal, trouble, "journal")

    def tools(record: Record) -> Tools:
        made = shop.tools(platform, record.generation)
        made.platform, made.verifier = proxied, Proxy(made.verifier, trouble, "verifier")
        probe = made.probe
        made.probe = lambda: Proxy(probe(), trouble, "probe")
        return made

    def write(record: Record) -> None:
        found = journal.read()
        changes: dict[str, object] = {"record": record}
        if record.outcome is Outcome.CONFIRMED and record.action == "release":
            changes["confirmed"] = Confirmed(release_id=record.id, version=record.version, tests=record.tests)
            changes["previous"] = record.live
        journal.write(found.model_copy(update=changes))

    guard = Safeguard(proxied, journal, write, tools, lambda one: one, lambda _one: None, Reserve(held=False))
    return guard.drive(record, flow)


def releases(version: str, shop: Shop, trouble: Trouble) -> Record:
    """A release."""
    made = made_record(version, shop.journal.next_generation(), required=SUITES)
    return guarded(shop, trouble, shop.platform(), made, lambda tools: by_strategy(made, tools))


def recovers(shop: Shop, trouble: Trouble) -> Record:
    """A recovery of a release that died in its watch."""
    made = made_record(TWO, shop.journal.next_generation(), required=SUITES)
    for record in by_strategy(made, shop.tools(shop.platform(), made.generation)):
        shop.journal.write_record(record)
        if record.step is Step.WATCH:
            break
    left, generation = record, shop.journal.next_generation()
    platform = shop.platform()
    flow = lambda tools: recover(left.with_changes(generation=generation), tools)  # noqa: E731
    return guarded(shop, trouble, platform, left.with_changes(generation=generation), flow)


def rolls_back(shop: Shop, trouble: Trouble) -> Record:
    """A rollback that an operator asks for."""
    platform = shop.platform()
    to = previous(platform, shop.journal.read())
    made = made_record(to.release.version if to else "none", shop.journal.next_generation(), action="rollback")
    return guarded(shop, trouble, platform, made, lambda tools: rollback(made, tools, to))


RUNS: list[tuple[str, tuple[str, ...], Run, set[str]]] = [
    ("a-good-release", (ONE,), partial(releases, TWO), {ONE, TWO}),
    ("a-release-that-its-watch-objects-to", (ONE,), partial(releases, BAD_WATCH), {ONE}),
    ("a-recovery", (ONE,), recovers, {ONE}),
    ("an-operators-rollback", (ONE, TWO), rolls_back, {ONE, TWO}),
]
runs = pytest.mark.parametrize(("before", "run", "allowed"), [pytest.param(*row, id=name) for name, *row in RUNS])
strategies = pytest.mark.parametrize("strategy", ["blue-green", "rolling"])


def troubled(
    make_shop: Callable[..., Shop], strategy: str, before: tuple[str, ...], run: Run, make: Callable[[int], Trouble]
) -> Iterator[tuple[Trouble, Shop, Record | BaseException]]:
    """The run with the trouble at its first call, at its second, and so on until it is not met any more."""
    at = 0
    while True:
        at += 1
        shop, trouble = make_shop(*before, strategy=strategy), make(at)
        try:
            ended: Record | BaseException = run(shop, trouble)
        except Exception as error:  # noqa: BLE001 - what it is, is looked at
            ended = error
        if not trouble.met:
            return
        yield trouble, shop, ended


KINDS = list(RAISED)


def kind_at(at: int, offset: int) -> str:
    """Which exception is raised at a call: each call meets another one, and with each offset another again."""
    return KINDS[(at + offset) % len(KINDS)]


@strategies
@pytest.mark.parametrize("offset", [0, 7])
@runs
def test_an_exception_of_any_type_at_any_call_leaves_users_on_a_verified_release(
    make_shop: Callable[..., Shop], strategy: str, before: tuple[str, ...], run: Run, allowed: set[str], offset: int
) -> None:
    """No traceback, an outcome, the users where they may be; what is left is nothing or ends by itself.

    ``python -m bench trouble`` has every kind at every call.
    """
    seen = 0
    make = lambda at: Trouble(raising(kind_at(at, offset)), at)  # noqa: E731
    for trouble, shop, ended in troubled(make_shop, strategy, before, run, make):
        seen += 1
        where = f"{kind_at(trouble.at, offset)} at call {trouble.at}, {trouble.calls[trouble.at - 1]}: {ended!r}"
        assert isinstance(ended, (Record, PlatformError)), where
        assert shop.live in allowed, where
        if isinstance(ended, Record):
            assert ended.outcome is not Outcome.PERSON_NEEDED, where
            assert (ended.outcome is Outcome.CONFIRMED) == (shop.live == TWO) or ended.action == "rollback", where
        shop.recover()
        assert shop.live in allowed, where
    assert seen >= 10


LASTING = [("blue-green", f"platform.{verb}") for verb in ("standing", "health", "answer", "observe")]


@pytest.mark.parametrize(
    ("strategy", "only"), [*LASTING, ("blue-green", "journal.write"), ("rolling", "journal.write")]
)
def test_what_never_works_again_does_not_keep_users_on_the_candidate(
    make_shop: Callable[..., Shop], strategy: str, only: str
) -> None:
    """From some call on one thing fails for ever, in turn at each of them: users go back, by one write if need be."""
    make = lambda at: Trouble(raising("foreign"), at, times=10**6, only=only)  # noqa: E731
    for trouble, shop, ended in troubled(make_shop, strategy, (ONE,), partial(releases, BAD_WATCH), make):
        where = f"{only} from its call {trouble.at} on: {ended!r}"
        assert isinstance(ended, Record), where
        assert shop.live == ONE, where
        assert ended.outcome in (Outcome.ROLLED_BACK, Outcome.HELD, Outcome.REFUSED), where


@strategies
@runs
def test_text_that_cannot_be_stored_changes_no_outcome(
    make_shop: Callable[..., Shop], strategy: str, before: tuple[str, ...], run: Run, allowed: set[str]
) -> None:
    """Half of a surrogate pair in every text from outside: the run ends as without it, and its records are kept."""
    whole = make_shop(*before, strategy=strategy)
    clean = run(whole, Trouble(lambda: None))
    shop = make_shop(*before, strategy=strategy)
    spoilt = run(shop, Trouble(lambda: None, surrogates=True))
    assert (spoilt.outcome, shop.live) == (clean.outcome, whole.live)
    left = shop.journal.read().record
    assert left is not None
    assert left.finished


def test_a_run_that_was_taken_over_moves_nobody(shop: Shop) -> None:
    """A newer run acts on the environment: what it decides is not undone by an older one that wakes (fault 32)."""
    platform, states = shop.platform(), []

    def overtaken(record: Record) -> None:
        states.append(record.step)
        if record.step is Step.WATCH:
            shop.journal.next_generation()
            raise Conflict("generation 99 acts on this environment now")
        shop.journal.write_record(record)

    made = made_record(TWO, shop.journal.next_generation(), required=SUITES)
    guard = Safeguard(
        platform,
        shop.journal,
        overtaken,
        lambda one: shop.tools(platform, one.generation),
        lambda one: one,
        lambda _: None,
        Reserve(held=False),
    )
    with pytest.raises(PlatformError, match="run 'verdigris recover'"):
        guard.drive(made, partial(by_strategy, made))
    assert shop.live == TWO
    assert Step.ROLLBACK not in states


def test_a_run_that_broke_off_says_why_once(shop: Shop) -> None:
    """One objection names the exception, its message and where it was raised; the outcome is a rollback."""
    trouble = Trouble(raising("key"), at=1, only="platform.observe")
    record = releases(TWO, shop, trouble)
    assert (record.outcome, shop.live) == (Outcome.ROLLED_BACK, ONE)
    assert [(one.rule, one.kind) for one in record.objections] == [("broke-off", Kind.NOT_CONCLUSIVE)]
    assert "unexpected KeyError: 'metadata' (in planted.py, line" in record.objections[0].text


def test_a_first_release_that_broke_off_with_users_needs_an_operator(make_shop: Callable[..., Shop]) -> None:
    """There is nothing to go back to, and that is said."""
    shop = make_shop()
    record = releases(ONE, shop, Trouble(raising("foreign"), at=1, only="platform.observe"))
    assert record.outcome is Outcome.PERSON_NEEDED
    assert shop.platform().live().color is Color.BLUE
