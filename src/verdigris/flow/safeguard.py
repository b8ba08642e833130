"""One run, driven to a safe end whatever ends it early.

**From the switch on, only a durable "confirmed" leaves users on the candidate.** That is one rule in one place, not a
list of failures: a flow is driven here, and if anything but its own last record ends it (an error of this project, of a
library or of Python, of whatever type, from the flow, the journal, the redaction or the output), then what ``recover``
does for a run that was killed is done at once, by the run itself. It looks at the world, and the direction is back.

What is done here has to work when a machine is in trouble. So a few file descriptors and a little memory are held in
reserve and let go first; a journal that cannot be written does not stand before a rollback, because an unfinished
record of a watch already means "back"; and nothing here redacts, prints, joins or asks the candidate before the users
are back.
"""

import contextlib
import inspect
import os
import sys
import time
from collections.abc import Callable, Iterator

from verdigris.errors import Conflict, PlatformError, VerdigrisError
from verdigris.flow import recovery
from verdigris.flow.context import Flow, Tools, finish, in_words, noting, objecting, rolls, stopped
from verdigris.model import Deployment, Kind, Outcome, Record, Step
from verdigris.platform import Platform
from verdigris.state.journal import JournalStore

ATTEMPTS = 4
"""How often a run that broke off tries to end itself before it does the one write alone."""
PAUSE = 0.1
"""Seconds between them."""
_DESCRIPTORS, _BYTES = 64, 4 << 20
_FRAMES = 2_000
"""Stack frames that a way back may use whatever the limit was set to."""


class Reserve:
    """File descriptors and memory that are held until a run is in trouble (fault 69)."""

    def __init__(self, *, held: bool = True) -> None:
        self._descriptors: list[int] = []
        self._memory = bytearray(_BYTES if held else 0)
        with contextlib.suppress(OSError):
            for _ in range(_DESCRIPTORS if held else 0):
                self._descriptors.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))

    def release(self) -> None:
        """Let go of them; may be called again."""
        self._memory = bytearray()
        while self._descriptors:
            with contextlib.suppress(OSError):
                os.close(self._descriptors.pop())


class Safeguard:
    """Drives the flow of one run.

    Args:
        tools: makes what a flow acts with; called again for the way back.
        kept: makes a record fit to be kept: without secrets.
        entered: told each record when it is durable; must not raise.
        reserve: let go of when the run is in trouble.
    """

    def __init__(
        self,
        platform: Platform,
        journal: JournalStore,
        write: Callable[[Record], None],
        tools: Callable[[Record], Tools],
        kept: Callable[[Record], Record],
        entered: Callable[[Record], None],
        reserve: "Reserve",
    ) -> None:
        self.platform = platform
        self.journal = journal
        self.write = write
        self.tools = tools
        self.kept = kept
        self.entered = entered
        self.reserve = reserve
        self.failure: BaseException | None = None
        """What broke the run off, for its records; ``None`` if it ended by itself."""
        self.unkept: BaseException | None = None
        """Why the last record could not be journaled, if it could not."""

    def drive(self, record: Record, begin: Callable[[Tools], Flow], *, recovering: bool = False) -> Record:
        """Journal each record, then let the flow go on to its effect; the last record, however the run ended.

        Args:
            record: what the run begins with; of a recovery, what was left.
            begin: makes the flow.
            recovering: whether an interrupted run is brought to its end.

        A recovery that breaks off before users were moved leaves its record as it was, for the next one.

        Raises:
            VerdigrisError: if such a recovery broke off.
            PlatformError: if the users could not be taken back, or another run has taken over.
        """
        self.durable = self.record = record
        flow: Flow | None = None
        try:
            flow = begin(self.tools(record))
            for yielded in flow:
                self._enter(yielded)
            if not self.record.finished:
                raise PlatformError(f"the run ended at {self.record.step} without an outcome")  # noqa: TRY301
        except BaseException as error:  # noqa: BLE001 - the rule of this module: whatever it is
            self.reserve.release()
            self.failure = error
            with _deep_enough():
                if flow is not None:  # its probe would take the descriptors that were let go
                    with contextlib.suppress(BaseException):
                        flow.close()
                return self._end(error, recovering=recovering)
        return self.record

    def _enter(self, record: Record) -> None:
        if record.step is Step.ROLLBACK:  # what a watch objected to may be what this machine lacks
            self.reserve.release()
        self.record = record
        self.record = self.kept(record)
        self.write(self.record)
        self.durable = self.record
        self.entered(self.record)

    # --- the run broke off -----------------------------------------------------------------------------------------

    def _end(self, error: BaseException, *, recovering: bool) -> Record:
        """The record of a run that ``error`` broke off, after what had to be done was done."""
        if self.durable.finished:
            return self.durable
        if self.durable.step is Step.SETTLE:
            return self._settle(error)
        if not _users_met(self.record):
            if recovering:
                raise error if isinstance(error, VerdigrisError) else PlatformError(in_words(error)) from error
            return self._leave(stopped(self.record, error, in_words(error)))
        if isinstance(error, Conflict) and self._taken_over():
            raise _unknown(error) from error
        return self._back(error)

    def _settle(self, error: BaseException) -> Record:
        """What was confirmed stays; what follows it is tried once more, and is left to the next command then."""
        record = noting(self.durable, "settle", f"broke off: {in_words(error)}")
        with contextlib.suppress(BaseException):
            for one in recovery.recover(record, self.tools(record)):
                self._try_to_enter(one)
            if self.record.finished:
                return self.record
        return self._leave(finish(record, Outcome.CONFIRMED))

    def _back(self, error: BaseException) -> Record:
        """Do what ``recover`` does, again and again; at last the one write alone.

        Raises:
            PlatformError: if the users could not be moved.
        """
        record = objecting(self.record, "broke-off", Kind.NOT_CONCLUSIVE, f"the run broke off: {in_words(error)}")
        latest: BaseException = error
        for attempt in range(ATTEMPTS):
            time.sleep(PAUSE * attempt)
            try:
                for one in recovery.recover(record, self.tools(record), broke_off=True):
                    self._try_to_enter(one)
                if self.record.finished:
                    return self.record
            except BaseException as again:
                latest = again
                if isinstance(again, Conflict) and self._taken_over():
                    raise _unknown(again) from again
        return self._by_one_write(record, latest)

    def _by_one_write(self, record: Record, latest: BaseException) -> Record:
        """Move the users back and look at nothing but where they are: what else is wrong is for ``status`` to say."""
        if record.live is None or rolls(self.platform) or record.action != "release":
            raise _unknown(latest) from latest
        try:
            self._write_back(record.live, record)
        except BaseException as again:
            raise _unknown(again) from again
        record = noting(record, "rollback", f"written, and not observed: {in_words(latest)}")
        return self._leave(finish(record, Outcome.ROLLED_BACK))

    def _write_back(self, old: Deployment, record: Record) -> None:
        traffic = self.platform.live()
        if traffic.color is old.color:
            return
        if traffic.color is not record.candidate:
            raise Conflict(f"users are on {traffic.color}, where this run did not bring them")
        self.platform.switch(old.color, traffic, record.generation)

    def _try_to_enter(self, record: Record) -> None:
        """Journal a record of the way back as far as that is possible: what stands there means "back" already.

        Raises:
            Conflict: if another run has taken over: it is the one that acts now.
        """
        self.record = record
        for form in (self._enter, lambda one: self._enter(_bare(one))):
            try:
                return form(record)
            except Conflict:
                raise
            except BaseException as error:  # noqa: BLE001 - a full disk or a broken redaction: users go back all the same
                self.failure, self.unkept = self.failure or error, error
        self.record = record
        return None

    def _leave(self, record: Record) -> Record:
        """The last record; if it cannot be journaled, the next command finds an interrupted run and ends it."""
        with contextlib.suppress(Conflict):
            self._try_to_enter(record)
        return self.record if self.record.finished else record

    def _taken_over(self) -> bool:
        """Whether a newer run acts on the environment: what it does is not undone by this one."""
        try:
            return self.journal.read().generation > self.record.generation
        except VerdigrisError:
            return True  # a Conflict says so, and nothing says otherwise


def _users_met(record: Record) -> bool:
    """Whether users may be on the candidate, or on their way."""
    return record.switched or record.step in (Step.SWITCH, Step.WATCH, Step.ROLLBACK)


def _unknown(error: BaseException) -> PlatformError:
    return PlatformError(f"{in_words(error)}; the live color is not known: run 'verdigris recover'")


def _bare(record: Record) -> Record:
    """The record without a text that anybody else had a part in, if these cannot be kept."""
    left = "could not be kept"
    return record.with_changes(
        objections=tuple(one.model_copy(update={"text": left}) for one in record.objections),
        timeline=tuple(one.model_copy(update={"text": left}) for one in record.timeline),
        notes={},
    )


@contextlib.contextmanager
def _deep_enough() -> Iterator[None]:
    """Room on the stack for the way back (fault 65: RecursionError)."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, len(inspect.stack(0)) + _FRAMES))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
