"""Reading what a suite wrote: whatever stands at the path by then, the reader neither waits nor follows it elsewhere.

A suite may put a named pipe, a device, a folder or a link in the place of its evidence. Opening a pipe waits for a
writer, so it is opened without waiting; what is no plain file is refused, and no more is read than the caller bears.
"""

import os
import stat
from pathlib import Path

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a link",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class NotPlainError(OSError):
    """What stands there is not a plain file, or is too large."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.strerror = text


def kind(mode: int) -> str:
    """What a file of that mode is; nothing where it is a plain one."""
    return "" if stat.S_ISREG(mode) else _KINDS.get(stat.S_IFMT(mode), "no file")


def opened(path: Path) -> int:
    """A plain file, opened for reading.

    Raises:
        OSError: where it cannot be opened, or is not a plain file.
    """
    if found := kind(os.lstat(path).st_mode):
        raise NotPlainError(f"it is {found}, not a file")
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    if found := kind(os.fstat(file).st_mode):  # replaced meanwhile
        os.close(file)
        raise NotPlainError(f"it is {found}, not a file")
    return file


def read(path: Path, limit: int, at: int = 0) -> bytes:
    """The content of a plain file from ``at`` on.

    Raises:
        OSError: where it cannot be read, or more than ``limit`` bytes are there.
    """
    with os.fdopen(opened(path), "rb") as file:
        file.seek(at)
        content = file.read(limit + 1)
    if len(content) > limit:
        raise NotPlainError(f"it is larger than {limit:,} bytes")
    return content


def tail(path: Path, size: int) -> str:
    """The last bytes of a plain file as text; nothing where it cannot be read."""
    try:
        with os.fdopen(opened(path), "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - size))
            return file.read(size).decode(errors="replace")
    except OSError:
        return ""


def sizes(folder: Path, most: int) -> int:
    """The bytes of all files below a folder; counting ends beyond ``most``."""
    total, folders = 0, [str(folder)]
    while folders and total <= most:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:  # it went away meanwhile
            continue
    return total
