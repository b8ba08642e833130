"""The audit log: append-only, one JSON object a line, each with the hash of the one before.

A line that was changed, taken out or put in breaks the chain at its place. The first line's ``previous`` is 64 zeros.
The last line's hash stands beside the lines, so that none can be taken off the end either.
"""

import fcntl
import hashlib
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from verdigris import private_files
from verdigris.errors import PlatformError
from verdigris.model import Value, now
from verdigris.state.journal import write_durably

FIRST = "0" * 64


class Entry(Value):
    """One line."""

    at: str
    actor: str
    action: str
    environment: str
    release: str
    from_identity: str | None
    to_identity: str | None
    outcome: str
    exit_status: int | None
    reason: str = ""
    previous: str = FIRST

    def after(self, previous: str) -> str:
        """The line as it is written after the one with that hash."""
        return json.dumps(self.model_copy(update={"previous": previous}).model_dump(mode="json"), sort_keys=True)


class AuditLog(Protocol):
    """The log of one environment, wherever it stands."""

    def append(self, entry: Entry) -> None:
        """Add a line and make it durable.

        Raises:
            PlatformError: where it cannot be written.
        """

    def mentions(self, release: str) -> bool:
        """Whether a line is about that release, whatever else is wrong with the log."""

    def entries(self) -> list[Entry]:
        """The lines, the chain verified.

        Raises:
            PlatformError: naming the first line that does not follow from the one before.
        """


class AuditFile:
    """The log as a file; the hash of its last line stands in ``audit.head``, which is written after the line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.head = path.with_suffix(".head")

    def append(self, entry: Entry) -> None:
        """Add a line and make it durable, one writer at a time."""
        try:
            private_files.folder(self.path.parent)
            with io.TextIOWrapper(private_files.opened(self.path, "a+b"), encoding="utf-8") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.seek(0)
                whole, _, cut_off = file.read().rpartition("\n")
                lines, head = whole.split("\n") if whole else [], self._head()
                if cut_off and head == _after(lines):
                    file.truncate(len(f"{whole}\n".encode()) if whole else 0)  # never finished, and said to be missing
                elif cut_off:
                    file.write("\n")
                previous = _after(lines) if head is None or _is_one_behind(head, lines) else head
                text = entry.after(previous)
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
                write_durably(self.head, digest(text))
        except OSError as error:
            raise PlatformError(f"{self.path}: the audit log cannot be written: {error.strerror}") from None

    def mentions(self, release: str) -> bool:
        """Whether a line is about that release, whatever else is wrong with the log."""
        try:
            return about(release, self.path.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            return False

    def entries(self) -> list[Entry]:
        """The lines, the chain verified; its writer may have died before it wrote which one is the last."""
        try:
            text = self.path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            text = ""
        lines, head = text.removesuffix("\n").split("\n") if text else [], self._head()
        found = chained(lines, str(self.path))
        if _after(lines) != (head or FIRST) and not _is_one_behind(head or FIRST, lines):
            raise not_the_last(str(self.path), len(lines), self.head.name)
        return found

    def _head(self) -> str | None:
        try:
            return self.head.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None


def chained(lines: Sequence[str], where: str, previous: str = FIRST) -> list[Entry]:
    """The entries of lines that follow one another.

    Args:
        lines: as they were written.
        where: they stand, for a message.
        previous: the hash of the line before the first of them.

    Raises:
        PlatformError: naming the first line that does not follow.
    """
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            entry = Entry.model_validate_json(line)
        except ValueError:
            raise PlatformError(f"{where}:{number}: is not a line of an audit log") from None
        if entry.previous != previous:
            text = "does not follow from the line before it: a line was changed, removed or added"
            raise PlatformError(f"{where}:{number}: {text}")
        previous = digest(line)
        found.append(entry)
    return found


def not_the_last(where: str, number: int, head: str) -> PlatformError:
    """What is said of a log whose last lines are gone."""
    return PlatformError(f"{where}:{number}: is not the last line that was written: see {head}")


def about(release: str, text: str) -> bool:
    """Whether a line of ``text`` is about that release."""
    return f'"release": "{release}"' in text


def digest(line: str) -> str:
    """What the line after this one names as its previous."""
    return hashlib.sha256(line.encode()).hexdigest()


def _after(lines: list[str]) -> str:
    """What the line after ``lines`` names as its previous one."""
    return digest(lines[-1]) if lines else FIRST


def _is_one_behind(head: str, lines: list[str]) -> bool:
    """Whether the writer of the last line died before it could say that this is the last."""
    try:
        return bool(lines) and Entry.model_validate_json(lines[-1]).previous == head
    except ValueError:
        return False


def entry(**values: object) -> Entry:
    """A line of now."""
    return Entry.model_validate({"at": now(), **values})
