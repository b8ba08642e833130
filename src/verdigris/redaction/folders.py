"""A folder of files without secrets: read in chunks, within a time and a size, and never standing before a rollback.

A suite leaves whatever it likes: 20 GiB without content, a pipe that nobody writes to, a link to somewhere else, an
archive that unpacks to more than the disk. What cannot be looked at is not kept, and that is said; nothing here raises.
"""

import contextlib
import os
import stat
import time
from pathlib import Path

from verdigris import private_files
from verdigris.redaction import archives, folder_keeper
from verdigris.redaction.archives import Budget, Redacting, UnreadableError

NOTE = "not-kept.txt"
LARGEST = 200_000_000
"""Bytes of a file from which it is not kept."""
LONGEST = 3_000
"""Bytes of a folder's path from which nobody looks into it: no call takes one of more than 4,096, nor removes it."""
ENTRIES = 50_000
"""Files and folders of one folder that are looked at."""
_FIRST = ("evidence.jsonl", "output.log", "junit.xml", "release.json")
_ERRORS = (OSError, MemoryError, RecursionError, ValueError, UnreadableError)


def scrub(redactor: Redacting, folder: Path, seconds: float) -> tuple[str, ...]:
    """Take the secrets out of every file of a folder, and out of its name; what was not kept, and why."""
    if not redactor.values or not os.path.lexists(folder):
        return ()
    left: list[str] = []
    try:
        _scrub(redactor, folder, time.monotonic() + seconds, left)
    except _ERRORS as error:
        left.append(f"{folder.name}: not looked at to its end: {_why(error)}")
    if left:
        left = [redactor.text(line) for line in left]
        with contextlib.suppress(*_ERRORS):
            before = (folder / NOTE).read_text(encoding="utf-8") if (folder / NOTE).is_file() else ""
            private_files.write(folder / NOTE, before + "".join(f"{line}\n" for line in left))
    return tuple(left)


def _scrub(redactor: Redacting, folder: Path, deadline: float, left: list[str]) -> None:
    files, folders = _entries(folder, left)
    for path in sorted(files, key=lambda one: (one.name not in _FIRST, _size(one))):
        name = path.relative_to(folder).as_posix()
        try:
            if time.monotonic() > deadline:
                raise UnreadableError("not looked at in time")
            _file(redactor, path, deadline)
        except _ERRORS as error:
            left.append(f"{name}: {_why(error)}; {_remove(path)}")
    for path in (*files, *sorted(folders, key=lambda one: -len(one.parts))):
        _rename(redactor, path, left)


def _entries(folder: Path, left: list[str]) -> tuple[list[Path], list[Path]]:
    """The files and the folders below a folder; what is neither is removed, and no link is followed."""
    files: list[Path] = []
    folders: list[Path] = []
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        try:
            with os.scandir(place) as found:
                entries = list(found)
        except OSError as error:
            left.append(f"{place.name}: {_why(error)}; {_remove(place)}")
            continue
        for entry in entries:
            path = Path(entry.path)
            if len(files) + len(folders) >= ENTRIES:
                left.append(f"{path.name}: one of more than {ENTRIES} files; {_remove(path)}")
            elif len(os.fsencode(path)) > LONGEST and entry.is_dir(follow_symlinks=False):
                left.append(f"{path.relative_to(folder).parts[0]}: folders in it are too deep; {_remove(path)}")
            elif entry.is_dir(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    path.chmod(private_files.FOLDER)
                folders.append(path)
                waiting.append(path)
            elif entry.is_file(follow_symlinks=False):
                files.append(path)
            else:
                left.append(f"{path.relative_to(folder)}: {_kind(path)}; {_remove(path)}")
    return files, folders


def _file(redactor: Redacting, path: Path, deadline: float) -> None:
    """Look through a file; only where it holds a secret, write it anew."""
    size = _size(path)
    if size > LARGEST:
        raise UnreadableError(f"{size / 1e6:,.0f} MB, more than the {LARGEST / 1e6:,.0f} MB that are looked through")
    with contextlib.suppress(PermissionError):
        path.chmod(private_files.FILE)
    # a pipe that took the file's place meanwhile must not be waited for
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as source:
        if not stat.S_ISREG(os.fstat(source.fileno()).st_mode):
            raise UnreadableError("no plain file")
        budget = Budget(deadline, LARGEST)
        if not archives.clean(redactor, source, None, path.name, budget):
            return
        source.seek(0)
        part = path.with_name(f".{path.name[:100]}.part")
        try:
            with private_files.opened(part, "xb") as target:
                archives.clean(redactor, source, target, path.name, Budget(deadline, LARGEST))
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)


def _rename(redactor: Redacting, path: Path, left: list[str]) -> None:
    raw = os.fsencode(path.name)
    name = os.fsdecode(redactor.raw(raw, free=False))
    if name == path.name or not os.path.lexists(path):
        return
    to, number = path.with_name(name), 2
    while os.path.lexists(to):
        to, number = path.with_name(f"{number}-{name}"), number + 1
    try:
        path.rename(to)
    except OSError as error:
        left.append(f"{name}: {_why(error)}; {_remove(path)}")


def _remove(path: Path) -> str:
    """Remove what cannot be kept; what became of it."""
    if folder_keeper.remove(path, tries=1):
        return "removed"
    with contextlib.suppress(OSError):
        os.truncate(path, 0)
        return "emptied"
    return "it cannot be removed"


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _kind(path: Path) -> str:
    kinds = {stat.S_IFLNK: "a link", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
    with contextlib.suppress(OSError):
        return kinds.get(stat.S_IFMT(path.lstat().st_mode), "a device")
    return "no file"


def _why(error: BaseException) -> str:
    if isinstance(error, OSError):
        return f"it cannot be read or written ({error.strerror or error})"
    return (
        str(error)
        if isinstance(error, UnreadableError) and str(error)
        else f"it cannot be read ({type(error).__name__})"
    )
