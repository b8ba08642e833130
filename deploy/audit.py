"""The audit log: append-only, one JSON object a line, each with the hash of the one before.

A line that was changed, taken out or put in breaks the chain at its place. The first line's ``previous`` is 64 zeros.
"""

import fcntl
import hashlib
import json
import os
from pathlib import Path

from deploy.errors import PlatformError
from deploy.model import Value, now

_FIRST = "0" * 64


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
    previous: str = _FIRST


class AuditLog:
    """The log of one environment."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, entry: Entry) -> None:
        """Add a line and make it durable.

        Raises:
            PlatformError: where it cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a+", encoding="utf-8") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.seek(0)
                lines = file.read().splitlines()
                previous = hashlib.sha256(lines[-1].encode()).hexdigest() if lines else _FIRST
                content = entry.model_copy(update={"previous": previous}).model_dump(mode="json")
                file.write(json.dumps(content, sort_keys=True) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise PlatformError(f"{self.path}: the audit log cannot be written: {error.strerror}") from None

    def entries(self) -> list[Entry]:
        """The lines, the chain verified.

        Raises:
            PlatformError: naming the first line that does not follow from the one before.
        """
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        previous, found = _FIRST, []
        for number, line in enumerate(lines, start=1):
            try:
                entry = Entry.model_validate_json(line)
            except ValueError:
                raise PlatformError(f"{self.path}:{number}: is not a line of an audit log") from None
            if entry.previous != previous:
                raise PlatformError(
                    f"{self.path}:{number}: does not follow from the line before it: "
                    "a line was changed, removed or added"
                )
            previous = hashlib.sha256(line.encode()).hexdigest()
            found.append(entry)
        return found


def entry(**values: object) -> Entry:
    """A line of now."""
    return Entry.model_validate({"at": now(), **values})
