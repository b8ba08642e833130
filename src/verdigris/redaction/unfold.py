r"""Text that is written as escapes, or in short lines, made plain again for a look at it, each byte with its place.

``\x70\x61`` and ``%70%61`` have a form for each character, and Base64 is wrapped at any column: a pattern for that
would be many times as large as the secret. So what looks like it is made plain first, and what is found there is taken
out of the original by its place.
"""

import re
from collections.abc import Iterator

_ESCAPE = (
    rb"(?:(?:%(?:25)?|\\{1,4}x)(?P<byte>[0-9a-fA-F]{2})|\\{1,4}u(?P<unit>[0-9a-fA-F]{4})"
    rb"|&(?:amp;)?#(?:0{0,4}(?P<decimal>[0-9]{2,6})|[xX]0{0,4}(?P<entity>[0-9a-fA-F]{2,5}));)"
)
_BARE = re.sub(rb"\?P<\w+>", b"?:", _ESCAPE)
_ESCAPED = re.compile(_BARE + rb"(?:" + _BARE + rb"|[A-Za-z0-9._~+-]){1,2000}+")
_BEFORE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-")
_MOST_BEFORE = 64
_TOKEN = re.compile(_ESCAPE + rb"|(?P<raw>.)", re.DOTALL)
_WRAP = rb"(?:=?\r?\n|(?:\\{1,2}r)?\\{1,2}n|%0[dD]%0[aA]|%0[aA])[ \t>E]{0,12}"
_WRAPPED = re.compile(rb"(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_=-]{4,}+(?:" + _WRAP + rb"[A-Za-z0-9+/_=-]{2,400}+){1,60}+")
_FOLD = re.compile(_WRAP)

Plain = tuple[bytes, list[int], list[int]]
"""Text, and where each byte of it begins and ends in the original."""


def escaped(data: bytes, start: int) -> Iterator[Plain]:
    """Each stretch of escapes, made plain."""
    if b"%" not in data and b"\\" not in data and b"&" not in data:
        return
    for run in _ESCAPED.finditer(data, start):
        plain, first = bytearray(), run.start()
        begins: list[int] = []
        ends: list[int] = []
        while first > max(start, run.start() - _MOST_BEFORE) and data[first - 1] in _BEFORE:
            first -= 1
        for token in _TOKEN.finditer(data, first, run.end()):
            char = _byte(token) or _char(token).encode("utf-8", "surrogatepass")
            begins += [token.start()] * len(char)
            ends += [token.end()] * len(char)
            plain += char
        yield bytes(plain), begins, ends


def _byte(token: "re.Match[bytes]") -> bytes:
    """The byte that a token stands for, where it is one."""
    return token["raw"] or (bytes.fromhex(token["byte"].decode()) if token["byte"] else b"")


def _char(token: "re.Match[bytes]") -> str:
    digits = token["unit"] or token["entity"]
    code = int(digits, 16) if digits else int(token["decimal"])
    return chr(code) if code < 0x110000 else "\ufffd"


def wrapped(data: bytes, start: int) -> Iterator[Plain]:
    """Each stretch of lines that might be one long word, joined."""
    for run in _WRAPPED.finditer(data, start):
        plain, at = bytearray(), run.start()
        begins: list[int] = []
        for fold in _FOLD.finditer(data, run.start(), run.end()):
            plain += data[at : fold.start()]
            begins += range(at, fold.start())
            at = fold.end()
        plain += data[at : run.end()]
        begins += range(at, run.end())
        yield bytes(plain), begins, [place + 1 for place in begins]
