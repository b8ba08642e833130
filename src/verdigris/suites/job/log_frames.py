"""Files carried over a log: how a suite in a pod brings back what it wrote, as it writes it.

A log is lines that may be cut off, come twice, or stand between lines of anybody else. So each frame is a line of its
own with a number and a check sum: whoever reads knows which one is missing, and takes none twice. The last frame says
how it ended; without it nothing is whole.
"""

import base64
import binascii
import json
import zlib
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Literal

from pydantic import ValidationError

from verdigris.model import Value

MARK = "@verdigris"
"""How a line begins that is a frame."""
CHUNK = 8192
"""Bytes of a file in one frame; with Base64 a line stays below the 16 KiB at which container runtimes break lines."""


class Frame(Value):
    """One line."""

    kind: Literal["begun", "grown", "ended"]
    name: str = ""
    """``begun``: the version that sends. ``grown``: the file, relative to the folder of the records."""
    data: str = ""
    """``grown``: what was added to the file, in Base64."""
    status: int | None = None
    """``ended``: the exit status."""
    reason: str = ""
    """``ended``: by what, where it was from outside."""
    left: tuple[str, ...] = ()
    """``ended``: files that were too large to be brought."""

    @property
    def content(self) -> bytes:
        """What was added to the file."""
        return base64.b64decode(self.data)


def grown(name: str, content: bytes) -> list[Frame]:
    """The frames that add ``content`` to a file; an empty file takes one too."""
    parts = [content[start : start + CHUNK] for start in range(0, len(content), CHUNK)] or [b""]
    return [Frame(kind="grown", name=name, data=base64.b64encode(part).decode()) for part in parts]


def line(number: int, frame: Frame) -> str:
    """A frame as a line of the log."""
    text = json.dumps(frame.model_dump(exclude_defaults=True) | {"kind": frame.kind}, sort_keys=True)
    return f"{MARK} {number} {_sum(number, text)} {text}"


def _sum(number: int, text: str) -> str:
    return f"{zlib.crc32(f'{number} {text}'.encode()):08x}"


def harmless(name: str) -> bool:
    """Whether a name stays inside the folder that it is relative to."""
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts and "\\" not in name and "\0" not in name


class Reader:
    """Takes frames out of a log that may be read again from an earlier line."""

    def __init__(self) -> None:
        self.next = 0
        """The number of the frame that is awaited."""
        self.trouble = ""
        """Why the frame that is awaited could not be taken, where it came after all."""
        self.ended: Frame | None = None

    def take(self, lines: Iterable[str]) -> list[Frame]:
        """The frames of these lines that were not taken yet, in order and without a gap."""
        taken = []
        for text in lines:
            number, frame = _parsed(text)
            if number is None or number < self.next:
                continue
            if number > self.next or frame is None or self.ended is not None:
                missing = number > self.next
                self.trouble = f"line {self.next} of what it wrote is {'missing' if missing else 'damaged'}"
                continue
            self.next, self.trouble = self.next + 1, ""
            self.ended = frame if frame.kind == "ended" else None
            taken.append(frame)
        return taken


def _parsed(text: str) -> tuple[int | None, Frame | None]:
    """Number and frame of a line; no number where it is somebody else's, no frame where it is damaged."""
    words = text.rstrip("\n").split(" ", 3)
    if len(words) != 4 or words[0] != MARK or not (words[1].isascii() and words[1].isdigit()) or len(words[1]) > 9:
        return None, None
    number = int(words[1])
    if words[2] != _sum(number, words[3]):
        return number, None
    try:
        frame = Frame.model_validate_json(words[3])
        if frame.kind == "grown":
            base64.b64decode(frame.data, validate=True)
    except (ValidationError, binascii.Error):
        return number, None
    return number, frame if frame.kind != "grown" or harmless(frame.name) else None
