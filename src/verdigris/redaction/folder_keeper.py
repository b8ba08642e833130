"""A folder that is not to outlive the process that made it: a small process beside that one sees to it.

    python -I -S keeper.py END FOLDER

It holds the reading end of a pipe; the kernel closes the other end when the process ends, however it ends. Then it
waits for whoever still holds the folder's lock, which are those that end a suite, and removes the folder.

It is run as a script and needs the standard library only: what a suite has installed cannot change it.
"""

import contextlib
import fcntl
import os
import sys
import time
from pathlib import Path

_PATIENCE = 20
"""Seconds that whoever ends a suite is waited for; a process that even a kill does not end holds nobody up."""
_TRIES = 50
"""How often a folder is removed into which somebody still writes."""


def remove(path: Path, tries: int = _TRIES) -> bool:
    """Remove a file, or a folder with all that is in it, however deep and closed it is; whether it is gone.

    It never raises.
    """
    for attempt in range(tries):
        if attempt:
            time.sleep(0.1)
        with contextlib.suppress(OSError):
            if path.is_symlink() or not path.is_dir():
                path.unlink(missing_ok=True)
            else:
                _remove_folder(path)
            return True
    return not os.path.lexists(path)


def _remove_folder(top: Path) -> None:
    """Empty and remove a folder; those in its folders are moved up into it first.

    A tree may be deeper than a stack, and a path in it longer than any call takes.
    """
    waiting, number = [top], 0
    while waiting:
        folder = waiting.pop()
        folder.chmod(0o700)
        with os.scandir(folder) as found:
            entries = list(found)
        for entry in entries:
            place = Path(entry.path)
            if not entry.is_dir(follow_symlinks=False):
                place.unlink(missing_ok=True)
            elif folder == top:
                waiting.append(place)
            else:
                place.chmod(0o700)  # a closed folder cannot be moved: its ".." is written
                number += 1
                waiting.append(place.rename(top / f".{os.getpid()}-{number}"))
        if folder != top:
            folder.rmdir()
    top.rmdir()


def main(end: int, folder: Path) -> int:
    """Wait for the end of the pipe and remove the folder; its exit status."""
    with contextlib.suppress(OSError):
        while os.read(end, 16):
            pass
    with contextlib.suppress(OSError):
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(0.01)
    return 0 if remove(folder) else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), Path(sys.argv[2])))
