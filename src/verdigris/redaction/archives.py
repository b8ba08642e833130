"""A file's content without secrets, by what it is: lines of evidence, a report in XML, an archive, or just bytes.

It goes through in chunks that overlap by as much as the longest form of a secret, so that one across a border is found.
An archive is written anew, member by member; what unpacks to more than the budget is not kept.
"""

import bz2
import gzip
import lzma
import re
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable
from typing import IO, Protocol

CHUNK = 1 << 20
LINE = 8 << 20
"""Bytes of a line of JSON that is understood as one."""
MEMBERS = 20_000
DEPTH = 3
"""Archives within archives that are unpacked."""
_TAG = re.compile(rb"(<[^>]*>)")
_STREAMS: dict[bytes, Callable[..., IO[bytes]]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}  # type: ignore[dict-item]
_BROKEN = (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError,
           RuntimeError)  # fmt: skip


class Redacting(Protocol):
    """What takes secrets out; :class:`verdigris.redaction.redactor.Redactor` implements it."""

    values: list[str]

    @property
    def reach(self) -> int:
        """Bytes within which every form of a value ends."""

    def raw(self, data: bytes, *, free: bool = True, edges: bool = False) -> bytes:
        """Bytes without them."""

    def until(self, data: bytes, end: int, *, start: int = 0, free: bool = True) -> tuple[bytes, int]:
        """Bytes without what begins before ``end``, and up to where that leads."""

    def line(self, line: bytes, *, free: bool = False) -> bytes:
        """A line of JSON without them."""

    def text(self, text: str) -> str:
        """Free text without them."""


class UnreadableError(Exception):
    """A content that cannot be looked at, and why."""


class Budget:
    """The time and the bytes that one file may take, whatever is packed into it.

    Args:
        deadline: in ``time.monotonic()``.
    """

    def __init__(self, deadline: float, size: int) -> None:
        self.deadline = deadline
        self.left = size

    def take(self, size: int) -> None:
        """Take bytes from it.

        Raises:
            UnreadableError: where it is used up.
        """
        self.left -= size
        if self.left < 0:
            raise UnreadableError("it unpacks to more than is looked through")
        if time.monotonic() > self.deadline:
            raise UnreadableError("not looked at in time")


def clean(
    redactor: Redacting, source: IO[bytes], target: IO[bytes] | None, name: str, budget: Budget, depth: int = 0
) -> bool:
    """Copy ``source`` to ``target``, where there is one, without secrets; whether there were any.

    Raises:
        UnreadableError: where it cannot be looked at as a whole.
    """
    head = source.read(600)
    source.seek(0)
    stream = next((opened for magic, opened in _STREAMS.items() if head.startswith(magic)), None)
    try:
        if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            return _zip(redactor, source, target, budget, depth)
        if stream is not None:
            return _stream(redactor, source, target, budget, depth, stream)
    except _BROKEN as error:
        raise UnreadableError(f"an archive that cannot be read ({type(error).__name__})") from None
    if name.endswith(".jsonl"):
        return _lines(redactor, source, target, budget)
    if name.endswith(".xml") and head.lstrip().startswith(b"<"):
        return _xml(redactor, source, target, budget)
    if name.endswith((".json", ".har")):
        return _json(redactor, source, target, budget, free=name != "release.json")
    found = _bytes(redactor, source, target, budget, free=b"\0" not in head)
    if found and head[257:262] == b"ustar":
        raise UnreadableError("an archive that holds a secret and cannot be written anew")
    return found


def _bytes(redactor: Redacting, source: IO[bytes], target: IO[bytes] | None, budget: Budget, *, free: bool) -> bool:
    """Plain content. A byte of what was done stays before what is not, for a word begins where no other one ends."""
    found, rest, start = False, b"", 0
    while True:
        block = source.read(CHUNK)
        budget.take(len(block))
        data = rest + block
        end = len(data) if not block else max(start, len(data) - redactor.reach)
        done, at = redactor.until(data, end, start=start, free=free)
        found = found or done != data[start:at]
        if target is not None:
            target.write(done)
        elif found:
            return True
        if not block:
            return found
        start = min(1, at)
        rest = data[at - start :]


def _lines(redactor: Redacting, source: IO[bytes], target: IO[bytes] | None, budget: Budget) -> bool:
    found = False
    while line := source.readline(LINE):
        budget.take(len(line))
        if len(line) == LINE:
            raise UnreadableError(f"a line of more than {LINE / 1e6:.0f} MB")
        done = redactor.line(line)
        found = found or done != line
        if target is not None:
            target.write(done)
    return found


def _json(redactor: Redacting, source: IO[bytes], target: IO[bytes] | None, budget: Budget, *, free: bool) -> bool:
    content = source.read(LINE)
    source.seek(0)
    if len(content) == LINE:
        return _bytes(redactor, source, target, budget, free=False)
    budget.take(len(content))
    done = redactor.line(content, free=free)
    if target is not None:
        target.write(done)
    return done != content


def _xml(redactor: Redacting, source: IO[bytes], target: IO[bytes] | None, budget: Budget) -> bool:
    """A report in XML: words are taken out of what stands between tags, and not out of these and their names."""
    content = source.read(4 * LINE + 1)
    budget.take(len(content))
    if len(content) > 4 * LINE:
        raise UnreadableError(f"XML of more than {4 * LINE / 1e6:.0f} MB")
    content = redactor.raw(content, free=False)
    parts = [
        _message(redactor, part) if part.startswith(b"<") else redactor.raw(part, edges=True)
        for part in _TAG.split(content)
    ]
    done = b"".join(parts)
    source.seek(0)
    if target is not None:
        target.write(done)
    return done != source.read()


def _message(redactor: Redacting, tag: bytes) -> bytes:
    """A tag whose attribute ``message`` is free text."""
    return re.sub(rb'(?<= message=")[^"]*', lambda match: redactor.raw(match[0], edges=True), tag)


def _stream(
    redactor: Redacting,
    source: IO[bytes],
    target: IO[bytes] | None,
    budget: Budget,
    depth: int,
    opened: Callable[..., IO[bytes]],
) -> bool:
    """One compressed file."""
    with opened(source) as inside, tempfile.TemporaryFile() as plain:
        _unpack(inside, plain, budget)
        if target is None:
            return _deeper(redactor, plain, None, "", budget, depth)
        with opened(target, "wb") as packed:
            return _deeper(redactor, plain, packed, "", budget, depth)


def _unpack(inside: IO[bytes], plain: IO[bytes], budget: Budget) -> None:
    while block := inside.read(CHUNK):
        budget.take(len(block))
        plain.write(block)
    plain.seek(0)


def _deeper(
    redactor: Redacting, plain: IO[bytes], target: IO[bytes] | None, name: str, budget: Budget, depth: int
) -> bool:
    if depth >= DEPTH:
        raise UnreadableError(f"an archive in more than {DEPTH} others")
    return clean(redactor, plain, target, name, budget, depth + 1)


def _zip(redactor: Redacting, source: IO[bytes], target: IO[bytes] | None, budget: Budget, depth: int) -> bool:
    """A zip; its comments and extra fields stay only where it is not written anew."""
    found = _bytes(redactor, source, None, budget, free=False)
    with zipfile.ZipFile(source) as archive:
        members = archive.infolist()
        if len(members) > MEMBERS:
            raise UnreadableError(f"an archive of more than {MEMBERS} files")
        written = zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) if target is not None else None
        for member in members:
            name = redactor.raw(member.filename.encode("utf-8", "surrogatepass"), free=False).decode(errors="replace")
            with archive.open(member) as inside, tempfile.TemporaryFile() as plain:
                _unpack(inside, plain, budget)
                if written is None:
                    found = _deeper(redactor, plain, None, name, budget, depth) or found or name != member.filename
                    continue
                entry = zipfile.ZipInfo(name, member.date_time)
                entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, member.external_attr
                with written.open(entry, "w") as packed:
                    found = _deeper(redactor, plain, packed, name, budget, depth) or found
        if written is not None:
            written.close()
    return found
