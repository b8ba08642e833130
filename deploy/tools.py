"""What the flow of a release acts with, and how a record is finished."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from deploy.errors import ExitStatus, Interrupted, PlatformError, Refused, UsageError, VerdigrisError
from deploy.model import Color, Kind, Objection, Outcome, Record, Step, exit_status_of
from deploy.platform import Platform
from deploy.probe import Probe
from deploy.settings import Environment
from deploy.verify import Verifier

Flow = Iterator[Record]
PAUSE = 0.1
"""Seconds between two looks at what must run once."""


@dataclass
class Signals:
    """SIGINT and SIGTERM: they interrupt where that is safe, and are kept for later where it is not."""

    received: str = ""
    armed: bool = False

    def receive(self, name: str) -> None:
        """Take a signal; raises :class:`Interrupted` where the flow may be interrupted."""
        self.received = self.received or name
        if self.armed:
            self.armed = False
            raise Interrupted(name)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """A part of the flow that a signal may interrupt."""
        if self.received:
            raise Interrupted(self.received)
        self.armed = True
        try:
            yield
        finally:
            self.armed = False


@contextmanager
def taking_signals(take: Callable[[str], None]) -> Iterator[None]:
    """Own handlers for SIGINT and SIGTERM, also where the starter ignored them (fault 6)."""

    def receive(number: int, _frame: object) -> None:
        take(signal.Signals(number).name)

    before = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(ValueError):  # not in the main thread: its owner has the signals
            before[number] = signal.signal(number, receive)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass
class Tools:
    """What the flow acts with."""

    platform: Platform
    environment: Environment
    verifier: Verifier
    probe: Callable[[], Probe]
    generation: int = 0
    signals: Signals = field(default_factory=Signals)
    told: Callable[[str], None] = lambda _text: None
    watched: Callable[[float, int, int], None] = lambda _seconds, _samples, _lost: None


def rolls(platform: Platform) -> bool:
    """Whether the strategy of the environment is ``rolling``."""
    return Color.LIVE in platform.places


def take_along(color: Color, tools: Tools) -> None:
    """Bring what must run once to who has the users now, for as long as the platform gives it.

    It is done before a record says that the run is over: a kill after that would leave it running nowhere. Where it
    cannot be done, users are where they belong all the same.
    """
    try:
        while not tools.platform.follow(color):
            time.sleep(PAUSE)
    except VerdigrisError as error:
        tools.told(f"what must run once has not moved yet: {error}")


def finish(record: Record, outcome: Outcome) -> Record:
    """The last record, with its exit status."""
    fixed = {
        Outcome.CONFIRMED: ExitStatus.CONFIRMED,
        Outcome.ROLLED_BACK: ExitStatus.ROLLED_BACK,
        Outcome.PERSON_NEEDED: ExitStatus.PERSON_NEEDED,
    }
    if record.action == "rollback":
        fixed[Outcome.ROLLED_BACK] = ExitStatus.CONFIRMED  # what was asked for was done
    if outcome is Outcome.HELD and record.step is Step.PREPARE:
        outcome = Outcome.REFUSED if exit_status_of(record.objections) is ExitStatus.REFUSED else outcome
    status = fixed[outcome] if outcome in fixed else exit_status_of(record.objections)
    return record.at(Step.DONE, str(outcome), outcome=outcome, exit_status=status)


def objecting(record: Record, rule: str, kind: Kind, text: str) -> Record:
    """The record with one more objection."""
    return record.objecting(Objection(rule=rule, kind=kind, text=text))


def noting(record: Record, name: str, text: str) -> Record:
    """The record with one more fact for the report."""
    return record.with_changes(notes={**record.notes, name: text})


def stopped(record: Record, error: VerdigrisError, text: str) -> Record:
    """The record of a run that broke off before users were moved: refused in its first step, held later."""
    refused = record.step is Step.PREPARE or isinstance(error, (Refused, UsageError))
    found = Objection(rule="refused", kind=Kind.REFUSED if refused else Kind.NOT_CONCLUSIVE, text=text)
    status = exit_status_of((found,)) if isinstance(error, PlatformError) else error.exit_status
    outcome = Outcome.REFUSED if record.step is Step.PREPARE else Outcome.HELD
    return record.objecting(found).at(Step.DONE, str(outcome), outcome=outcome, exit_status=status)


def broken_off(record: Record, text: str) -> Record:
    """What is told of a run after which nobody knows who has the users; its journal stays, for ``recover``."""
    record = record.objecting(Objection(rule="unknown", kind=Kind.NOT_CONCLUSIVE, text=text))
    outcome = Outcome.PERSON_NEEDED
    return record.at(Step.DONE, str(outcome), outcome=outcome, exit_status=ExitStatus.PERSON_NEEDED)
