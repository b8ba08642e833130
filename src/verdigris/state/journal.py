"""The durable memory of an environment on this machine: its lock, its journal, and nothing else.

The journal is one JSON document, replaced whole (write, fsync, rename, fsync of the folder), so that a reader finds the
old or the new one and never half of either. It is written *before* each effect, so what a dead process was about to do
is known. The lock is an ``flock``: the kernel lets go of it when its holder dies, and at no other time.
"""

import fcntl
import getpass
import io
import json
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO, Protocol

from pydantic import ValidationError

from verdigris import private_files
from verdigris.errors import PlatformError, Refused
from verdigris.model import SCHEMA, Color, Deployment, Outcome, Record, Release, Step, Value, now
from verdigris.state.lock_holder import seen
from verdigris.state.unconfirmed import Unconfirmed, after, left_by

GUARDIAN = "guardian"
"""The actor of what nobody asked for: an interrupted run that was finished without a person."""
INSTANT = 0.1
"""Seconds for which the lock is asked for: who only looks at it holds it for an instant."""
FINISHING = 30.0
"""Seconds for which a command waits while the guardian finishes an interrupted run."""


class Confirmed(Value):
    """What the last confirmed release showed; the next one may not show less without a word about it."""

    release_id: str
    version: str
    tests: dict[str, tuple[str, ...]]


class Finished(Value):
    """What the last finished release or rollback came to."""

    id: str
    action: str
    version: str
    outcome: str
    exit_status: int | None


class Undone(Value):
    """A release that was verified and taken back: it may still stand in its color."""

    color: Color
    release: Release
    at: str
    reason: str


class Journal(Value):
    """The document."""

    schema_version: int = SCHEMA
    generation: int = 0
    record: Record | None = None
    confirmed: Confirmed | None = None
    previous: Deployment | None = None
    """Who was live before the last confirmed release; a rollback restores it where it was taken down."""
    last: Finished | None = None
    """The last finished release or rollback, also while another one runs."""
    undone: Undone | None = None
    """The last release that was taken back, unless one was confirmed since."""
    taken_back: Deployment | None = None
    """The release that users were last moved away from by a rollback, a person's or a watch's, since one was confirmed.
    No rollback moves them onto it again unless a person names it."""
    unconfirmed: Unconfirmed | None = None
    """What users were left on by a run that called a person, whatever runs followed it."""

    @property
    def exposed(self) -> Unconfirmed | None:
        """The same, also in a journal of before that kept the record alone."""
        return self.unconfirmed or left_by(self.record)

    def with_record(self, record: Record) -> "Journal":
        """The journal with ``record`` in it, and what it says of later rollbacks when it is the last of its run."""
        # a journal that was removed in the middle of a run must not begin to count anew
        newest = max(self.generation, record.generation)
        changes: dict[str, object] = {"record": record, "generation": newest, **outcome_of(record)}
        if record.finished and record.outcome is Outcome.CONFIRMED:
            changes["confirmed"] = Confirmed(release_id=record.id, version=record.version, tests=record.tests)
            changes |= {"previous": record.live, "taken_back": None}
        elif record.finished and record.outcome is Outcome.ROLLED_BACK:
            changes["taken_back"] = _left(record)
        accepted = record.action == "rollback" and record.outcome is Outcome.ROLLED_BACK and record.live is None
        if accepted and self.exposed is not None:  # a person asked for what users were left on
            changes["previous"] = self.exposed.before
        changes["unconfirmed"] = after(self.exposed, record)
        return self.model_copy(update=changes)


def outcome_of(record: Record) -> dict[str, object]:
    """What a journal keeps of a record that is finished, when another one takes its place."""
    if not record.finished or record.outcome is None or record.action == "candidate":
        return {}
    status = int(record.exit_status) if record.exit_status is not None else None
    kept: dict[str, object] = {
        "last": Finished(
            id=record.id, action=record.action, version=record.version, outcome=str(record.outcome), exit_status=status
        )
    }
    if record.outcome is Outcome.CONFIRMED:
        kept["undone"] = None
    elif record.outcome is Outcome.ROLLED_BACK and (undone := _undone(record)) is not None:
        kept["undone"] = undone
    return kept


def _undone(record: Record) -> Undone | None:
    """The release that users are no longer on, and why."""
    if record.action == "rollback":
        if record.live is None:
            return None
        reason = f"on request: {record.notes.get('reason') or 'no reason was given'}"
        return Undone(color=record.live.color, release=record.live.release, at=now(), reason=reason)
    if record.release is None or record.candidate is None:
        return None
    reason = record.objections[0].text if record.objections else "no reason was recorded"
    watched = any(moment.step is Step.WATCH for moment in record.timeline)
    by = "its watch" if watched else "itself"
    return Undone(color=record.candidate, release=record.release, at=now(), reason=f"by {by}: {reason}")


def _left(record: Record) -> Deployment | None:
    """Whom the users were moved away from by a run that rolled back."""
    if record.action == "rollback":
        return record.live
    if record.release is None or record.candidate is None:
        return None
    return Deployment(
        color=record.candidate,
        release=record.release,
        generation=record.generation,
        deployed=record.started,
        verified=record.verified,
    )


class Holder(Value):
    """Who holds the lock."""

    pid: int
    actor: str
    action: str
    since: str
    stopped: bool = False
    """Whether its process is stopped (Ctrl-Z, a debugger), so that it does nothing."""

    def __str__(self) -> str:
        stopped = ", stopped" if self.stopped else ""
        return f"{self.action} by {self.actor} (pid {self.pid}{stopped}, since {self.since})"


def actor() -> str:
    """The person or job that acts: ``VERDIGRIS_ACTOR``, the CI's own word for it, or the user of this machine."""
    for name in ("VERDIGRIS_ACTOR", "GITHUB_ACTOR", "GITLAB_USER_LOGIN"):
        if value := os.environ.get(name):
            return value
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"


def _part(path: Path) -> Path:
    """What is written before it is renamed into place."""
    return path.with_name(f".{path.name}.part")


def write_durably(path: Path, text: str) -> None:
    """Replace ``path`` whole and durably, or leave it as it was; it is for its owner alone.

    Raises:
        OSError: where the disk is full or the folder cannot be written.
    """
    part = _part(path)
    with private_files.opened(part, "wb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class JournalStore(Protocol):
    """Where an environment's lock and journal are: on this machine, or in its cluster."""

    def read(self) -> Journal:
        """The journal; an empty one where none was written yet."""

    def write(self, journal: Journal) -> None:
        """Make ``journal`` the present one, durably."""

    def write_record(self, record: Record) -> None:
        """Journal ``record`` before its effect."""

    def next_generation(self) -> int:
        """Take the next generation number and journal it; who acts with an older one is refused from now on."""

    def holder(self) -> Holder | None:
        """Who holds the lock now, or ``None``."""

    def lock(self, action: str) -> AbstractContextManager[None]:
        """Hold the environment for one action."""

    def beat(self) -> None:
        """Show that the holder of the lock is at work, while it writes nothing."""

    def trouble(self) -> str:
        """Why it cannot be written or locked, as far as that is seen without doing so; nothing if it can."""


class JournalFile:
    """The journal of one environment, in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "journal.json"

    def read(self) -> Journal:
        """The journal; an empty one where none was written yet.

        Raises:
            PlatformError: where it cannot be understood; a guess could move users.
        """
        try:
            text = self.path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return Journal()
        except OSError as error:
            raise PlatformError(f"{self.path}: the journal cannot be read ({error.strerror})") from None
        return parse(text, str(self.path))

    def write(self, journal: Journal) -> None:
        """Make ``journal`` the present one.

        Raises:
            Refused: where it cannot be written; nothing may be done that could not be remembered.
        """
        try:
            private_files.folder(self.folder)
            write_durably(self.path, journal.model_dump_json(indent=1))
        except OSError as error:
            raise Refused(
                f"{self.path}: the journal cannot be written ({error.strerror}); nothing more was done"
            ) from None

    def write_record(self, record: Record) -> None:
        """Journal ``record`` before its effect."""
        self.write(self.read().model_copy(update={"record": record}))

    def next_generation(self) -> int:
        """Take the next generation number and journal it."""
        journal = self.read()
        journal = journal.model_copy(update={"generation": journal.generation + 1})
        self.write(journal)
        return journal.generation

    def holder(self) -> Holder | None:
        """Who holds the lock now, or ``None``."""
        try:
            file = (self.folder / "lock").open("r+", encoding="utf-8")
        except (FileNotFoundError, IsADirectoryError):
            return None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _holder(file.read())
            return None

    @contextmanager
    def lock(self, action: str) -> Iterator[None]:
        """Hold the environment for one action.

        Raises:
            Refused: where somebody else holds it; the message names the holder.
        """
        try:
            private_files.folder(self.folder)
            opened = io.TextIOWrapper(private_files.opened(self.folder / "lock", "a+b"), encoding="utf-8")
        except OSError as error:
            raise Refused(f"{self.folder}: the lock cannot be taken ({error.strerror}); nothing was touched") from None
        with opened as file:
            _take(file)
            try:
                me = Holder(pid=os.getpid(), actor=actor(), action=action, since=now())
                with suppress(OSError):  # on a full disk it is held all the same, only without a name
                    os.ftruncate(file.fileno(), 0)
                    os.write(file.fileno(), me.model_dump_json(exclude={"stopped"}).encode())
                yield
            finally:
                with suppress(OSError):
                    os.ftruncate(file.fileno(), 0)

    def beat(self) -> None:
        """Touch the lock: a guardian takes a holder that never does for one that hangs."""
        with suppress(OSError):
            os.utime(self.folder / "lock")

    def trouble(self) -> str:
        """Why it cannot be written or locked: what stands in the way of its files, or a folder that is closed."""
        if not self.folder.exists():
            return ""
        if not os.access(self.folder, os.W_OK | os.X_OK):
            return f"{self.folder}: nothing can be written there"
        for path in (_part(self.path), self.path, self.folder / "lock"):
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NONBLOCK))
            except FileNotFoundError:
                continue
            except OSError as error:
                return f"{path}: {error.strerror}"
        return ""


def _take(file: IO[str]) -> None:
    """Take the lock; who only looks at it lets go in an instant, and a guardian in seconds.

    Raises:
        Refused: where somebody else holds it; the message names the holder.
    """
    began = time.monotonic()
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = _holder(file.read())
            patience = FINISHING if holder is not None and holder.actor == GUARDIAN else INSTANT
            if time.monotonic() - began < patience:
                time.sleep(0.01)
                continue
            raise Refused(f"the environment is held: {holder or 'by another process'}; wait for it to end") from None
        else:
            return


def parse(text: str, where: str) -> Journal:
    """The journal that was written as ``text``.

    Raises:
        PlatformError: where it cannot be understood; a guess could move users.
    """
    try:
        schema = json.loads(text).get("schema_version")
        if schema != SCHEMA:
            raise PlatformError(
                f"{where}: written with schema {schema}, this Verdigris understands {SCHEMA}; use the newer one"
            )
        return Journal.model_validate_json(text)
    except (ValueError, ValidationError, AttributeError, RecursionError) as error:
        raise PlatformError(f"{where}: cannot be understood ({str(error).splitlines()[0]})") from None


def _holder(text: str) -> Holder | None:
    try:
        holder = Holder.model_validate_json(text)
    except ValidationError:
        return None
    process = seen(holder.pid)
    return holder.model_copy(update={"stopped": process is not None and process.stopped})
