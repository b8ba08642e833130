"""Where a suite writes: a folder beside its records, from which everything reaches them without secrets.

Whole lines of the evidence and of the output are brought over while they are written, everything else when the suite
has ended. The folder ends with the process that made it, however that ends (:mod:`verdigris.redaction.folder_keeper`):
a kill leaves nothing in the records that was not redacted. Where the keeper was killed too, the next command removes
the folder.
"""

import contextlib
import fcntl
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from verdigris import private_files
from verdigris.redaction import archives, folder_keeper
from verdigris.redaction.archives import Budget, UnreadableError
from verdigris.redaction.redactor import Redactor
from verdigris.suites import plain_files
from verdigris.suites.runner import EVIDENCE, OUTPUT

PREFIX = ".unredacted-"
"""How the folders are called, beside the records that they are for."""
BROUGHT = 256 * 1024
"""Bytes of a file that are brought over at a time, so that nobody waits for it."""
_TEXTS = (EVIDENCE, OUTPUT, "junit.xml")
"""Files in which the folder's name stands."""
_TEXT = 80_000_000
"""Bytes of such a file up to which that is put right."""
_REAPED = 5.0
"""Seconds for the keeper to see that there is nothing left to do."""


class Unredacted:
    """The folder of one run.

    Args:
        folder: where the suite writes.
        records: where it belongs.
        held: the descriptor that has the folder's lock; who ends the suite holds it too.
    """

    def __init__(self, redactor: Redactor, folder: Path, records: Path, held: int) -> None:
        self.redactor = redactor
        self.folder = folder
        self.records = records
        self.held = held
        self._at = {EVIDENCE: 0, OUTPUT: 0}

    def bring(self) -> None:
        """Bring over what was written since, in whole lines; what fails is brought when the suite has ended."""
        for name in self._at:
            with contextlib.suppress(OSError, MemoryError, RecursionError, UnreadableError):
                self._bring(name)

    def _bring(self, name: str) -> None:
        with os.fdopen(plain_files.opened(self.folder / name), "rb") as file:
            file.seek(self._at[name])
            data = file.read(BROUGHT)
        whole = data[: data.rfind(b"\n") + 1]
        if not whole:
            return
        clean = io.BytesIO()
        archives.clean(self.redactor, io.BytesIO(whole), clean, name, Budget(time.monotonic() + 1.0, len(whole)))
        with private_files.opened(self.records / name, "ab") as target:
            target.write(self._placed(clean.getvalue()))
        self._at[name] += len(whole)

    def finish(self) -> None:
        """Bring everything over, in the place of what was brought before; what cannot be kept is not."""
        self.redactor.files(self.folder)
        for name in self._at:
            folder_keeper.remove(self.records / name)
        for path in self.folder.iterdir():
            with contextlib.suppress(OSError):
                if path.name in _TEXTS:
                    self._put_right(path)
                folder_keeper.remove(self.records / path.name)
                path.rename(self.records / path.name)

    def _put_right(self, path: Path) -> None:
        content = plain_files.read(path, _TEXT)
        if (placed := self._placed(content)) != content:
            private_files.write(path, placed)

    def _placed(self, content: bytes) -> bytes:
        """With the name of the records' folder, where files will be found; in relative paths too."""
        return content.replace(os.fsencode(self.folder.name), os.fsencode(self.records.name))


@contextlib.contextmanager
def unredacted(redactor: Redactor, records: Path) -> Iterator[Unredacted]:
    """A folder for what a suite writes; at the end of the block it is gone.

    Raises:
        OSError: where there is no room, no descriptor or no process for it.
    """
    with _kept(records) as folder:
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield Unredacted(redactor, folder, records, held)
        finally:
            os.close(held)


@contextlib.contextmanager
def _kept(records: Path) -> Iterator[Path]:
    """A folder beside the records that is removed at the end of the block, or by its keeper if nobody comes to that."""
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{records.name}-", dir=records.parent))
    theirs, ours = os.pipe()
    try:
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", folder_keeper.__file__, str(theirs), str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=(theirs,),
            )
        finally:
            os.close(theirs)
        yield folder
    finally:
        folder_keeper.remove(folder)
        os.close(ours)  # the keeper finds nothing left to do
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_REAPED)


def clean_left(reports: Path) -> tuple[Path, ...]:
    """Remove the folders whose makers died, and their keepers with them; which they were.

    A folder that is in use is locked, by whoever made it and by those that end its suite.
    """
    done = []
    for folder in (*reports.glob(f"*/{PREFIX}*"), *reports.glob(f"*/*/{PREFIX}*")):
        if folder.is_symlink() or not folder.resolve().is_relative_to(reports.resolve()):
            continue
        with contextlib.suppress(OSError):
            held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if folder_keeper.remove(folder):
                    done.append(folder)
            finally:
                os.close(held)
    return tuple(done)
