"""A suite ends with the process that started it, whatever becomes of that: a pipe whose end says so.

A killed controller runs no cleanup, and its suites are in process groups of their own. Each holds the reading end of a
pipe; the kernel closes the other end when the controller dies, and the suite takes its whole group with it.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

VARIABLE = "VERDIGRIS_LIFELINE"


@contextlib.contextmanager
def held() -> Iterator[int]:
    """The end that a child is given; the other end is held for the time of the block."""
    theirs, ours = os.pipe()
    try:
        yield theirs
    finally:
        os.close(theirs)
        os.close(ours)


def hang_on() -> None:
    """In the child: end with whoever holds the other end. What the child starts itself is not told of it."""
    named = os.environ.pop(VARIABLE, "")
    if named.isdigit():
        threading.Thread(target=_wait, args=(int(named),), name="lifeline", daemon=True).start()


def _wait(end: int) -> None:
    with contextlib.suppress(OSError):
        if os.read(end, 1):
            return
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
