"""A clock that goes on only while somebody waits, so that a deadline is tested to the second and in no time."""

from collections.abc import Callable


class Clock:
    """Stands for the module ``time``: every wait, however short it was to be, takes one second."""

    def __init__(self, meanwhile: Callable[[int], object] = lambda _waits: None) -> None:
        self.waits = 0
        self.meanwhile = meanwhile
        """What happens in a wait; told how many there were."""

    def monotonic(self) -> float:
        """Seconds."""
        return float(self.waits)

    def sleep(self, _seconds: float) -> None:
        """Wait; nothing here waits a hundred times."""
        self.waits += 1
        assert self.waits < 100, "it waits and never ends"
        self.meanwhile(self.waits)
