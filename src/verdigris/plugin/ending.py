"""Says what keeps the process of a suite after its tests: the gate ends it then, and a person must know what to mend.

Python waits at its end for every thread that is no daemon, and runs what was registered with ``atexit``. Neither shows
in the evidence, which is closed by then; so a daemon thread looks on, and writes one line to the output.
"""

import contextlib
import sys
import threading
from pathlib import Path
from types import FrameType

import pytest

from verdigris.suites.runner import OUTPUT, STILL

AFTER_PYTEST = 3.0
"""Seconds that the process may take once pytest is done."""
IN_PYTEST = 12.0
"""Seconds that the hooks of plugins may take once the session is finished, such as for a report of theirs."""


class Ending:
    """Looks on from the closing line of the evidence at ``path``."""

    def __init__(self, path: Path) -> None:
        self.output = path.with_name(OUTPUT)
        self.done = threading.Event()

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Begin to look on."""
        threading.Thread(target=self._look_on, name="verdigris-ending", daemon=True).start()

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        """Pytest is done; the process has little left to do."""
        self.done.set()

    def _look_on(self) -> None:
        if self.done.wait(IN_PYTEST):
            threading.Event().wait(AFTER_PYTEST)
        with contextlib.suppress(OSError), self.output.open("a", encoding="utf-8") as output:
            output.write(f"\n{STILL}{keeping()}\n")


def keeping() -> str:
    """The threads that keep this process, and where each is."""
    frames = sys._current_frames()
    others = [one for one in threading.enumerate() if not one.daemon and one is not threading.main_thread()]
    said = [f"thread {one.name}{_place(frames.get(one.ident or 0))}" for one in others]
    main = _place(frames.get(threading.main_thread().ident or 0))
    return ", ".join(said[:5]) or f"its main thread{main}, after all tests"


def _place(frame: FrameType | None) -> str:
    """The innermost place outside of Python's own library, or else the innermost."""
    innermost, library = frame, str(Path(threading.__file__).parent)
    while frame is not None and frame.f_code.co_filename.startswith((library, "<")):
        frame = frame.f_back
    found = frame or innermost
    if found is None:
        return ""
    path = Path(found.f_code.co_filename)
    name = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path.name
    return f" in {found.f_code.co_name} ({name}:{found.f_lineno})"
