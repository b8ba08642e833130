"""What a probe saw, one sample a request, as JSON lines."""

import json
from collections.abc import Iterator
from pathlib import Path

from verdigris.model import Identity, Value, same_identity


class Sample(Value):
    """One request of the users' probe."""

    at: float
    """When it was sent, seconds since the epoch."""
    milliseconds: float
    """From the intended start to the last byte."""
    status: int | None
    """``None`` where there was no answer."""
    identity: str | None
    """Who answered, by the identity header; in words if it is not exactly one identity, ``None`` without a header."""
    kept: bool
    """Whether it went over a connection kept alive."""
    error: str = ""
    number: int = 0
    """Which request of the probe's it was, counted from 0 in the order in which they were due."""

    @property
    def lost(self) -> bool:
        """Whether a user would have lost it: no answer, or one of the server's errors."""
        return self.status is None or self.status >= 500

    def said_by(self, expected: Identity) -> bool:
        """Whether ``expected`` answered, compared as parsed."""
        return same_identity(self.identity, expected)


def read(path: Path) -> Iterator[Sample]:
    """The samples of a file; a last line that was cut off is left out."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    for line in text.split("\n"):
        try:
            yield Sample.model_validate(json.loads(line))
        except (ValueError, RecursionError):
            return
