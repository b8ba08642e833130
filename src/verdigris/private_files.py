"""Files and folders for nobody but their owner, so from the moment they are made: never opened to all and closed after.

What a release leaves (journal, audit log, logs, evidence, reports) may hold what an application said of itself. A umask
is the whole process's, and would reach into the application and its build; so each file says it itself.
"""

import os
from pathlib import Path
from typing import IO

FILE, FOLDER = 0o600, 0o700
UMASK = 0o077
"""For a process whose every file is a record, such as a suite."""


def opened(path: Path, mode: str) -> IO[bytes]:
    """Open a file in a binary mode; one that is made by it belongs to its owner alone."""
    fill_standard()
    return open(path, mode, opener=_made)


def fill_standard() -> None:
    """See that the descriptors 0, 1 and 2 are in use.

    A file gets the lowest number that is free. If the standard output was closed, the next file that is opened is the
    standard output, and a line of progress is written into the journal (fault 64).
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _made(path: str, flags: int) -> int:
    return os.open(path, flags, FILE)


def folder(path: Path) -> Path:
    """Make a folder, and those above it that are not there, for their owner alone; one that is there stays as it is."""
    missing = []
    place = path
    while not place.exists() and place != place.parent:
        missing.append(place)
        place = place.parent
    for one in reversed(missing):
        one.mkdir(FOLDER, exist_ok=True)
    if not path.is_dir():
        path.mkdir(FOLDER, exist_ok=True)  # raises what is wrong with it
    return path


def write(path: Path, content: str | bytes) -> None:
    """Write a file whole; one that was open to others is closed to them."""
    data = content.encode(errors="backslashreplace") if isinstance(content, str) else content
    with opened(path, "wb") as file:
        os.fchmod(file.fileno(), FILE)
        file.write(data)


def close(path: Path) -> None:
    """Take a folder's rights from everybody else, as an older version may have left it open."""
    if path.is_dir() and path.stat().st_mode & 0o077 and path.stat().st_uid == os.geteuid():
        path.chmod(FOLDER)
