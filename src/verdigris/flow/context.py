"""What the flow of a release acts with, and how a record is finished."""

import inspect
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Generic, TypeVar, cast

from verdigris.errors import ExitStatus, Interrupted, PlatformError, Refused, UsageError, VerdigrisError
from verdigris.model import Color, Kind, Objection, Outcome, Record, Step, exit_status_of
from verdigris.platform import Platform
from verdigris.settings import Environment
from verdigris.suites.verifier import Verifier
from verdigris.watch.probe import Probe

T = TypeVar("T")
Flow = Generator[Record, None, None]
BEAT = 0.5
"""Seconds between two signs that a watch goes on."""
SOON = 0.02
"""Seconds after which a signal that came in the middle of an import is looked at again."""
PAUSE = 0.1
"""Seconds between two looks, or two tries."""


@dataclass
class Signals:
    """Signals that ask for an end: they interrupt where that is safe, and are kept for later where it is not."""

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


_ASKED = (signal.SIGINT, signal.SIGTERM)
"""Taken even if the starter ignored them, as a shell does for its background jobs (fault 6)."""
_ENDING = ("SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGXCPU", "SIGIO", "SIGPWR")
"""Others that end a process by default: a closed terminal (fault 64), a limit. ``nohup`` stays ``nohup``."""
_STOPPING = ("SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGPIPE")
"""What would stop a run in the middle, as Ctrl-Z does, and leave users on a release that nobody watches."""


@contextmanager
def taking_signals(take: Callable[[str], None]) -> Iterator[None]:
    """Own handlers for every signal that would end or stop this process; those that end it are given to ``take``.

    What the starter or a plugin has a handler for, or ignores, is left to it, but for SIGINT and SIGTERM. Handlers are
    functions, never ``SIG_IGN``: a program that is started meanwhile begins with the defaults again.
    """

    def receive(number: int, frame: FrameType | None) -> None:
        # An exception in the middle of an import leaves its lock held, and every thread that imports waits for ever.
        if _imports(frame) > importing:
            threading.Timer(SOON, os.kill, (os.getpid(), number)).start()
            return
        take(signal.Signals(number).name)

    def ignore(_number: int, _frame: FrameType | None) -> None: ...

    def handlers() -> Iterator[tuple[signal.Signals, Callable[[int, FrameType | None], None]]]:
        yield from ((number, receive) for number in _ASKED)
        for names, handler in ((_ENDING, receive), (_STOPPING, ignore)):
            for number in filter(None, (getattr(signal, name, None) for name in names)):
                if signal.getsignal(number) is signal.SIG_DFL:
                    yield number, handler

    before, importing = {}, _imports(inspect.currentframe())
    for number, handler in handlers():
        with suppress(ValueError, OSError):  # not in the main thread: its owner has the signals
            before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def _imports(frame: FrameType | None) -> int:
    """How many frames of the import system are in a stack."""
    count = 0
    while frame is not None:
        count += frame.f_code.co_filename == "<frozen importlib._bootstrap>"
        frame = frame.f_back
    return count


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


class Beside(Generic[T]):
    """Something that is done in a thread of its own, which nothing waits for: not even the end of the process."""

    def __init__(self, action: Callable[[], T]) -> None:
        self._action = action
        self._result: T | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="beside", daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether it is over."""
        return not self._thread.is_alive()

    def result(self) -> T:
        """What it came to, once it is over.

        Raises:
            BaseException: whatever it raised.
        """
        if self._error is not None:
            raise self._error
        return cast("T", self._result)

    def _run(self) -> None:
        try:
            self._result = self._action()
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
            self._error = error


def beating(beat: Callable[[], None], watched: Callable[[float, int, int], None]) -> Callable[[float, int, int], None]:
    """Told like ``watched`` that the watch got on, and shows a guardian that it does."""
    last = 0.0

    def told(seconds: float, samples: int, lost: int) -> None:
        nonlocal last
        if time.monotonic() - last >= BEAT:
            last = time.monotonic()
            beat()
        watched(seconds, samples, lost)

    return told


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


def tolerate(what: str, action: Callable[[], object], tools: Tools) -> None:
    """Do what follows a move of users, or looks on at it; an error of it, of whatever type, changes nothing of that."""
    try:
        action()
    except Exception as error:  # noqa: BLE001 - a full disk, no thread: it is said, and the users are where they belong
        tools.told(f"{what}: {in_words(error)}")


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


def died(record: Record, text: str, *, broke_off: bool) -> Record:
    """The record with the objection that its run died, unless it has said itself why it broke off."""
    return record if broke_off else objecting(record, "recovered", Kind.NOT_CONCLUSIVE, text)


def noting(record: Record, name: str, text: str) -> Record:
    """The record with one more fact for the report."""
    return record.with_changes(notes={**record.notes, name: text})


def stopped(record: Record, error: BaseException, text: str) -> Record:
    """The record of a run that broke off before users were moved: refused in its first step, held later."""
    refused = record.step is Step.PREPARE or isinstance(error, (Refused, UsageError))
    kind = Kind.REFUSED if refused else Kind.NOT_CONCLUSIVE
    found = Objection(rule="refused", kind=kind, text=text)
    foreseen = isinstance(error, VerdigrisError) and not isinstance(error, PlatformError)
    status = error.exit_status if foreseen else exit_status_of((found,))  # type: ignore[attr-defined]
    outcome = Outcome.REFUSED if record.step is Step.PREPARE else Outcome.HELD
    return record.objecting(found).at(Step.DONE, str(outcome), outcome=outcome, exit_status=status)


def unknown(record: Record, text: str) -> Record:
    """What is told of a run after which nobody knows the live color; its journal stays, for ``recover``."""
    record = record.objecting(Objection(rule="unknown", kind=Kind.NOT_CONCLUSIVE, text=text))
    outcome = Outcome.PERSON_NEEDED
    return record.at(Step.DONE, str(outcome), outcome=outcome, exit_status=ExitStatus.PERSON_NEEDED)


def in_words(error: BaseException) -> str:
    """An error as an objection says it; one that is not this project's own with its type, and where it was raised."""
    if isinstance(error, VerdigrisError):
        return str(error)
    if isinstance(error, Interrupted):
        return f"{error.signal_name} arrived"
    said = str(error).strip().splitlines()
    place = traceback.extract_tb(error.__traceback__)[-1:]
    where = f" (in {Path(place[0].filename).name}, line {place[0].lineno})" if place else ""
    return f"unexpected {type(error).__name__}{': ' + said[0] if said else ''}{where}"
