r"""The forms of a secret: what in a secret's text is one, and a pattern for every way in which it may be written down.

A secret is looked for as bytes, so that one pattern serves text and files alike. Each character may stand for itself
or for an escape of URLs, markup, JSON or Python, in any mixture; besides it may be Base64 at each of the three offsets
that what stands before it leads to, hexadecimal, or UTF-16.

A value that is a word, or short, is *weak*: ``live``, ``passed``, ``postgres``. It is nobody's secret that these words
exist, and to take them out of names and keys would destroy the evidence. See :mod:`verdigris.redaction.redactor`.
"""

import base64
import html.entities
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qsl, unquote, unquote_plus, urlsplit

SHORTEST = 4
"""Letters; a shorter one would take out half of every text."""
STRONG = 8
"""Letters from which a value that is no word is taken out wherever it stands."""
PIECE = 96
"""Letters from which a value is looked for in pieces: a pattern stays small, and so does what is kept of a chunk."""
PIECES = 400
"""Pieces that are looked for in every form; a larger secret is looked for as it is."""
CODED = 8
"""Base64 characters from which a part of a longer text is no chance."""

_WORDS = re.compile(r"[A-Za-z]+(?:[-_. ][A-Za-z]+)*")
_NUMBERS = re.compile(r"[0-9.:/_-]+")
_KEYS = re.compile(r"(?i)(password|passwd|pwd|secret|token|api_?key|credential|private_?key|passphrase|signature|sig$)")
_KEYWORD = re.compile(
    r"(?i)\b(\w*(?:password|passwd|pwd))\s*=\s*('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|(?:[^\s;&\\]|\\.)+)"
)
_USER = re.compile(r"(?i)\b(?:user|uid|username|user id)\s*=\s*'?([^\s;&']+)")
_USERINFO = re.compile(r"://([^:/?#\s@]*):(\S*)@")
_LINE = re.compile(r"""\s*["']?[\w.-]{1,60}["']?\s*[:=]\s*["']?(.*?)["']?,?\s*""")
_NAMES: dict[str, list[str]] = defaultdict(list)
for _name, _char in html.entities.html5.items():
    if _name.endswith(";") and len(_char) == 1:
        _NAMES[_char].append(_name[:-1])


READ: set[str] = set()
"""The texts of all secrets that this process has read, so that nothing which it prints holds one."""


# --- what is secret in a text --------------------------------------------------------------------------------------


def weak(value: str) -> bool:
    """Whether a value is a word, a number, or short."""
    if len(value) < STRONG:
        return True
    return bool((len(value) < 20 and _WORDS.fullmatch(value)) or (len(value) < 12 and _NUMBERS.fullmatch(value)))


def passwords(text: str) -> set[str]:
    """The passwords in an address or a keyword DSN, as they are written there and decoded; with their user too."""
    found: set[str] = set()
    users: list[str] = []
    if "://" in text:
        for user, password in _userinfo(text):
            users.append(unquote(user))
            found |= {password, unquote(password), unquote_plus(password)}
        for key, value in parse_qsl(text.partition("?")[2].partition("#")[0]):
            found |= {value} if _KEYS.search(key) else set()
    for _, password in _KEYWORD.findall(text):
        bare = password[1:-1] if password[:1] in "'\"" else password
        found |= {bare, re.sub(r"\\(.)", r"\1", bare), bare.replace("''", "'")}
    users += [unquote(user) for user in _USER.findall(text)]
    found.discard("")
    return found | {f"{user}:{password}" for user in users if user for password in found}


def _userinfo(text: str) -> Iterator[tuple[str, str]]:
    try:
        parts = urlsplit(text)
        if parts.password:
            yield parts.username or "", parts.password
    except ValueError:
        pass
    for user, password in _USERINFO.findall(text):  # up to the last @, as a person writes a password that has one
        if not re.match(r"[0-9]{1,5}(/|$)", password):  # else it is a port, and the @ is in the path
            yield user, password


def known(text: str) -> set[str]:
    """Everything that is secret in the text of a secret: itself, its password, its lines, its values."""
    text = text.strip()
    found = {text} | passwords(text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > 1:
        kept = {part for line in lines for part in _of_line(line)}
        found |= kept
        if kept and len(text) > PIECE:
            found.discard(text)
    elif " " in text:
        found |= {word for word in text.split() if len(word) >= 12 and not weak(word)}
    elif ":" in text and "://" not in text:
        found |= {part for part in (text.partition(":")[2],) if not weak(part)}
    found |= {part for one in _strings(text) for part in known(one)} if text[:1] in "{[" else set()
    return {value for value in found if len(value) >= SHORTEST}


def _of_line(line: str) -> set[str]:
    """What is secret in a line of a longer text: the line, or the value in it; not what every such file has."""
    if line.startswith("-----") or weak(line):
        return set()
    match = _LINE.fullmatch(line)
    value = match[1] if match and match[1].strip("=") else line  # padding of Base64 is no value
    if "://" in value:
        return passwords(value)
    return passwords(line) | ({value} if not weak(value) else set())


def _strings(text: str) -> Iterator[str]:
    """The strings of a JSON document."""
    try:
        waiting = [json.loads(text)]
    except (ValueError, RecursionError):
        return
    while waiting:
        one = waiting.pop()
        if isinstance(one, str) and not weak(one) and not (one.startswith("http") and not passwords(one)):
            yield one.removeprefix("{").removeprefix("[")
        elif isinstance(one, dict):
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def pieces(values: Iterable[str]) -> list[str]:
    """Values as they are looked for: the longest first, a long one in pieces."""
    found: set[str] = set()
    for value in values:
        while len(value) > PIECE + 2 * STRONG:
            found.add(value[:PIECE])
            value = value[PIECE:]
        found.add(value)
    return sorted(found, key=lambda value: (-len(value), value))


# --- how it may be written -----------------------------------------------------------------------------------------


def _escaped(char: str) -> list[bytes]:
    """The escapes of a character: of URLs, of markup, of JSON and of Python."""
    raw, code = char.encode("utf-8", "surrogatepass"), ord(char)
    units = char.encode("utf-16-be", "surrogatepass")
    found = [
        b"".join(b"%%(?:25)?(?i:%02x)" % byte for byte in raw),
        b"&(?:amp;)?#(?:0{0,4}%d|[xX]0{0,4}(?i:%x));" % (code, code),
        b"".join(b"\\\\{1,4}u(?i:%02x%02x)" % (units[at], units[at + 1]) for at in range(0, len(units), 2)),
        b"".join(b"\\\\{1,4}x(?i:%02x)" % byte for byte in raw),
    ]
    if names := _NAMES.get(char):
        found.append(b"&(?:amp;)?(?:" + "|".join(names).encode() + b");")
    if 0x80 <= code <= 0xFF:
        found.append(b"\\\\{1,4}x(?i:%02x)" % code)
    if code > 0xFFFF:
        found.append(b"\\\\{1,4}U(?i:%08x)" % code)
    if char in "\n\r\t":
        found.append(b"\\\\{1,4}" + {"\n": b"n", "\r": b"r", "\t": b"t"}[char])
    return [*found, b"\\+"] if char == " " else found


def _any(ways: list[bytes]) -> bytes:
    return b"(?:" + b"|".join(ways) + b")"


def _mixed(value: str) -> bytes:
    """Letters and digits as they are, everything else as it is or escaped in any way."""
    parts = []
    for at, char in enumerate(value):
        raw = re.escape(char.encode("utf-8", "surrogatepass"))
        if char.isascii() and char.isalnum():
            parts.append(raw)
        else:  # a backslash before the first one may belong to what stands before it
            parts.append(_any([raw if at == 0 else b"\\\\{0,4}" + raw, *_escaped(char)]))
    return b"".join(parts)


_PLUS = rb"(?:[+-]|%(?:25)?2[bB]|\\{1,2}u002[bB])"
_SLASH = rb"(?:\\{0,2}/|_|%(?:25)?2[fF]|\\{1,2}u002[fF])"


_EITHER = [
    b"".join(b"[%c%c]" % (digit, digit - 32) if digit > 57 else bytes((digit,)) for digit in b"%02x" % byte)
    for byte in range(256)
]


def cores(value: bytes) -> list[str]:
    """What of the Base64 of a longer text shows a value alone, for each offset at which it may stand there."""
    found = []
    for before in range(3):
        whole = base64.b64encode(bytes(before) + value).decode().rstrip("=")
        found.append(whole[(0, 2, 3)[before] : (before + len(value)) * 8 // 6])
    return found


def _coded(value: str) -> Iterator[bytes]:
    """Base64 in either alphabet; hexadecimal in either case, with separators or not; UTF-16."""
    raw = value.encode("utf-8", "surrogatepass")
    for core in cores(raw):
        if len(core) >= CODED:
            yield b"".join({"+": _PLUS, "/": _SLASH}.get(char, char.encode()) for char in core)
    whole = base64.b64encode(raw).decode().rstrip("=")
    if 6 <= len(whole) < CODED + 2:
        yield rb"(?<![A-Za-z0-9+/_-])" + re.escape(whole.encode()) + rb"(?![A-Za-z0-9+/_-])"
    yield b"[ :-]?".join(_EITHER[byte] for byte in raw)  # as a literal, for it is quicker than (?i:...)
    yield re.escape(value.encode("utf-16-le", "surrogatepass"))


def pattern(values: list[str]) -> "re.Pattern[bytes] | None":
    """What finds the values in every form; of weak ones, only the forms that are no words themselves."""
    ways: list[bytes] = []
    for number, value in enumerate(values):
        if not weak(value):
            ways.append(_mixed(value) if number < PIECES else re.escape(value.encode("utf-8", "surrogatepass")))
        if number < PIECES:
            ways += _coded(value)
    return re.compile(b"|".join(ways)) if ways else None


def words(values: Iterable[str]) -> "re.Pattern[bytes] | None":
    """What finds weak values as whole words."""
    found = [_mixed(value) for value in values if weak(value)]
    return re.compile(rb"(?<![A-Za-z0-9_])(?:" + b"|".join(found) + rb")(?![A-Za-z0-9_])") if found else None


def forms(secret: str) -> tuple[str, ...]:
    """Ways in which a secret is found in practice, the longest first; for whoever looks whether one is left."""
    import html
    from urllib.parse import quote, quote_plus

    raw = secret.encode()
    quoted = json.dumps(secret)[1:-1]
    found = {secret, quoted, json.dumps(quoted)[1:-1], repr(secret)[1:-1], quote(secret), quote(secret, safe="")}
    found |= {quote_plus(secret), html.escape(secret), html.escape(secret, quote=False), raw.hex(), raw.hex().upper()}
    found |= {one.lower() if "%" in one else one for one in (quote(secret, safe=""),)}
    found |= {"".join(f"%{byte:02x}" for byte in raw), "".join(f"%{byte:02X}" for byte in raw)}
    found |= {"".join(f"&#{ord(char)};" for char in secret), "".join(f"&#x{ord(char):x};" for char in secret)}
    found |= {"".join(f"\\u{ord(char):04x}" for char in secret), secret.replace("/", "\\/")}
    for core in cores(raw):
        found |= {core, core.replace("+", "-").replace("/", "_")}
    return tuple(sorted(found, key=len, reverse=True))
