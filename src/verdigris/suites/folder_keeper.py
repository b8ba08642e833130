"""A folder that is not to outlive the process that made it: a small process beside that one sees to it.

    python -I -S keeper.py END FOLDER

It holds the reading end of a pipe; the kernel closes the other end when the process ends, however it ends. Then it
waits for whoever still holds the folder's lock, which are those that end a suite, and removes the folder.

It is run as a script and needs the standard library only: what a suite has installed cannot change it.
"""

import contextlib
import fcntl
import os
import shutil
import sys
import time
from pathlib import Path

_PATIENCE = 20
"""Seconds that whoever ends a suite is waited for; a process that even a kill does not end holds nobody up."""
_TRIES = 50
"""How often a folder is removed into which somebody still writes."""


def remove(path: Path) -> bool:
    """Remove a file, or a folder with all that is in it, closed folders too; whether it is gone. It never raises."""
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(0.1)
        with contextlib.suppress(OSError, RecursionError):
            if path.is_symlink() or not path.is_dir():
                path.unlink(missing_ok=True)
                return True
            for place, folders, _files in os.walk(path):
                for name in folders:
                    if not (Path(place) / name).is_symlink():
                        (Path(place) / name).chmod(0o700)
            shutil.rmtree(path)
    return not os.path.lexists(path)


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
