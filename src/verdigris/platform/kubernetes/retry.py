"""How long an API server that does not answer is asked again, whoever of a process asks."""

import random
import threading
import time
from collections.abc import Callable, Iterator

from verdigris.platform.kubernetes.transport import Unanswered

PAUSE = (0.1, 2.0)
"""Seconds between two tries, at first and at most; each differs a little, so that many deployers do not ask at once."""


class Patience:
    """Counts from the moment the API server fell silent, so that many requests are waited for no longer than one.

    Args:
        seconds: for which it is asked again.
        told: told once when it falls silent, and once when it answers again.
    """

    def __init__(self, seconds: float, told: Callable[[str], None]) -> None:
        self.seconds = seconds
        self.told = told
        self._since: float | None = None
        self._lock = threading.Lock()

    @property
    def deadline(self) -> float:
        """Until when what is asked now is asked again, as ``time.monotonic()`` has it."""
        since = self._since
        return (time.monotonic() if since is None else since) + self.seconds

    def answered(self) -> None:
        """It answered."""
        with self._lock:
            since, self._since = self._since, None
        if since is not None:
            self.told(f"the API server answers again, after {time.monotonic() - since:.1f} s")

    def silent(self, error: Unanswered) -> None:
        """It did not."""
        with self._lock:
            first = self._since is None
            if first:
                self._since = time.monotonic()
        if first:
            self.told(f"state unknown: {error}; it is asked again for {self.seconds:g} s")

    def wait(self, pause: float, error: Unanswered, deadline: float) -> None:
        """Wait before the next try, as long as the server asked for; the last try is at the deadline.

        Raises:
            Unanswered: where the deadline is over.
        """
        if (left := deadline - time.monotonic()) <= 0:
            raise Unanswered(f"{error}; asked again for {self.seconds:g} s: the state is unknown") from None
        time.sleep(min(error.wait + pause, left))


def pauses() -> Iterator[float]:
    """Longer and longer pauses, none like the other."""
    pause = PAUSE[0]
    while True:
        yield pause * random.uniform(0.75, 1.25)  # noqa: S311 - nobody gains from guessing it
        pause = min(2 * pause, PAUSE[1])
