"""Secrets are taken out where text is kept: the values that the settings only refer to, in every form they may be in.

A secret is known by its value. What an application says of itself is nobody's to trust, so whatever a suite wrote, and
every word of a record, goes through here before a person, a report or a log sees it.

A *strong* value is taken out wherever it stands. A *weak* one, a word such as ``passed`` or ``postgres``, is taken out
of free text only, as a whole word: names, keys and verdicts are what the evidence is made of.
"""

import json
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from verdigris.redaction import forms as forms_module
from verdigris.redaction import unfold
from verdigris.redaction.forms import SHORTEST, forms, known, weak

__all__ = ["INSTEAD", "SHORTEST", "Redactor", "forms", "known"]

INSTEAD = "[secret]"
FREE = frozenset({"text", "reason", "error", "url", "message", "request_body", "response_body", "notes"})
"""Keys of records and evidence under which somebody's words stand; what stands under others is theirs by contract."""
STRUCTURE = frozenset({"rule", "kind", "suite", "step", "at", "outcome", "id"})
"""Keys that are structure wherever they stand."""
GRAM = 6
"""Letters of a secret beside a cut from which they count as a part of it."""
_CUT = re.compile(rb"\.{3,}|\xe2\x80\xa6|\\{1,2}u2026|&hellip;")
_SEVERAL = re.compile(rb"\[secret\](?:\[secret\])+")


def read_here() -> frozenset[str]:
    """What is secret in all that this process has read so far: for what it prints, of whichever environment."""
    return frozenset().union(*map(known, forms_module.READ))


class Redactor:
    """Takes known secrets out of texts, values, lines and files. Its patterns are made when they are first needed."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self.values = forms_module.pieces({value for value in values if len(value) >= SHORTEST})

    @cached_property
    def _strong(self) -> "re.Pattern[bytes] | None":
        return forms_module.pattern(self.values)

    @cached_property
    def _words(self) -> "re.Pattern[bytes] | None":
        return forms_module.words(self.values)

    @cached_property
    def _grams(self) -> dict[bytes, list[tuple[bytes, int]]]:
        """Every few letters of a strong value, and where in it they stand: a part of it is found by its end."""
        found: dict[bytes, list[tuple[bytes, int]]] = {}
        for value in self.values:
            if weak(value):
                continue
            for form in {value, json.dumps(value)[1:-1], repr(value)[1:-1]}:
                raw = form.encode("utf-8", "surrogatepass")
                for at in range(len(raw) - GRAM + 1):
                    found.setdefault(raw[at : at + GRAM], []).append((raw, at))
        return found

    @property
    def reach(self) -> int:
        """Bytes within which every form of a value ends; what a reader in chunks must see at a time."""
        return 16 * max(map(len, self.values), default=0) + 64

    # --- text and values ---------------------------------------------------------------------------------------

    def learn(self, values: Iterable[str]) -> None:
        """Take these out too from now on, for everybody who holds this redactor."""
        more = {value for value in values if len(value) >= SHORTEST}
        self.values = forms_module.pieces({*self.values, *more})
        for name in ("_strong", "_words", "_grams"):  # made anew when they are needed
            self.__dict__.pop(name, None)

    def text(self, text: str) -> str:
        """Free text without them."""
        return self._text(text, free=True)

    def _text(self, text: str, *, free: bool) -> str:
        data = text.encode("utf-8", "surrogatepass")
        clean = self.raw(data, free=free, edges=free)
        return text if clean is data else clean.decode("utf-8", "surrogatepass")

    def value(self, value: Any, *, free: bool = False) -> Any:
        """The strings in lists and tables without them."""
        if isinstance(value, str):
            return self._text(value, free=free)
        if isinstance(value, dict):
            return {
                self._text(key, free=False) if isinstance(key, str) else key: self.value(
                    one, free=key not in STRUCTURE and (free or key in FREE)
                )
                for key, one in value.items()
            }
        return [self.value(one, free=free) for one in value] if isinstance(value, (list, tuple)) else value

    def line(self, line: bytes, *, free: bool = False) -> bytes:
        """A line of JSON without them, as valid as it was; any other line as free text.

        Args:
            free: whether everything in it is somebody's words, as in a file that a suite left.
        """
        if not self.values:
            return line
        try:
            content = json.loads(line)
            clean = self.value(content, free=free)
        except (ValueError, RecursionError):
            return self.raw(line)
        if clean != content:
            return json.dumps(clean).encode() + (b"\n" if line.endswith(b"\n") else b"")
        return self.raw(line, free=False)  # what a reader of JSON does not see: a key that stands there twice

    # --- bytes -------------------------------------------------------------------------------------------------

    def raw(self, data: bytes, *, free: bool = True, edges: bool = False) -> bytes:
        """Bytes without them; the same object where there is none.

        Args:
            free: whether weak values are taken out too, as words.
            edges: whether the text may have been cut at its begin and its end.
        """
        return self.until(data, len(data), free=free, edges=edges)[0]

    def until(
        self, data: bytes, end: int, *, start: int = 0, free: bool = True, edges: bool = False
    ) -> tuple[bytes, int]:
        """The bytes from ``start`` on without what begins before ``end``, and up to where that leads."""
        spans = [span for span in self._spans(data, start, free=free, edges=edges) if span[0] < end] if data else []
        if not spans:
            return (data if start == 0 and end == len(data) else data[start:end]), end
        parts, at = [], start
        for first, last in sorted(spans):
            if last <= at:
                continue
            parts += [data[at:first], INSTEAD.encode()] if first >= at else []
            at = last
        end = max(end, at)
        return _SEVERAL.sub(INSTEAD.encode(), b"".join([*parts, data[at:end]])), end

    def _spans(self, data: bytes, start: int, *, free: bool, edges: bool) -> Iterator[tuple[int, int]]:
        patterns = [one for one in (self._strong, self._words if free else None) if one is not None]
        for pattern in patterns:
            for match in pattern.finditer(data, start):
                yield match.span()
            for look in (unfold.escaped, unfold.wrapped):
                for plain, begins, ends in look(data, start):
                    for match in pattern.finditer(plain):
                        yield begins[match.start()], ends[match.end() - 1]
        if self._grams:
            yield from self._cut(data, start, edges=edges)

    def _cut(self, data: bytes, start: int, *, edges: bool) -> Iterator[tuple[int, int]]:
        """Parts of a secret beside the place where a text was cut: pytest shows ``'abc...xyz'``."""
        cuts = [match.span() for match in _CUT.finditer(data, start)]
        cuts += [(len(data), len(data)), (start, start)] if edges else []
        for first, last in cuts:
            for raw, at in self._grams.get(data[max(0, first - GRAM) : first], ()):
                begin, of = first - GRAM, at
                while of and begin and data[begin - 1] == raw[of - 1]:
                    begin, of = begin - 1, of - 1
                yield begin, first
            for raw, at in self._grams.get(data[last : last + GRAM], ()):
                size = GRAM
                while at + size < len(raw) and data[last + size : last + size + 1] == raw[at + size : at + size + 1]:
                    size += 1
                yield last, last + size

    # --- files -------------------------------------------------------------------------------------------------

    def files(self, folder: Path, seconds: float = 30.0) -> tuple[str, ...]:
        """Every file of a folder without them, within a time; what could not be kept, and why.

        It never raises: see :mod:`verdigris.redaction.folders`.
        """
        from verdigris.redaction.folders import scrub

        return scrub(self, folder, seconds)
