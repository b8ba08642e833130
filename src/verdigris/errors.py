"""What can go wrong, and what the operator does next.

::

    VerdigrisError                 exit status
    ├── UsageError                  2   a word on the command line is wrong: type it again
    ├── SettingsError               2   the settings file is wrong: mend the file
    ├── Refused                    14   the lock, the world or a person says no: nothing was touched
    │   └── Conflict               14   somebody changed what this run was about to change
    ├── NotReady                   10   the candidate cannot serve: held, traffic untouched
    ├── PlatformError              15   the platform did not do what it was told: look at it
    └── Interrupted                 -   a signal: hold before the switch, roll back after it
"""

from enum import IntEnum


class ExitStatus(IntEnum):
    """The exit status of the command line. pytest's own 0 to 5 stay the suites'."""

    CONFIRMED = 0
    USAGE = 2
    HELD_FAILED = 10
    HELD_NOT_VALID = 11
    HELD_NOT_CONCLUSIVE = 12
    ROLLED_BACK = 13
    REFUSED = 14
    PERSON_NEEDED = 15

    @property
    def meaning(self) -> str:
        """What the number says to a person."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitStatus.CONFIRMED: "confirmed: the release has the users",
    ExitStatus.USAGE: "usage or settings: nothing was touched",
    ExitStatus.HELD_FAILED: "held: a suite failed, or the candidate could not become ready; traffic untouched",
    ExitStatus.HELD_NOT_VALID: "held: the evidence is not valid; traffic untouched",
    ExitStatus.HELD_NOT_CONCLUSIVE: "held: not conclusive; traffic untouched",
    ExitStatus.ROLLED_BACK: "rolled back: users are on the release they had before",
    ExitStatus.REFUSED: "refused: a lock, a conflict or a precondition; nothing was touched",
    ExitStatus.PERSON_NEEDED: "a person is needed: the rollback failed or the state is unknown",
}


class VerdigrisError(Exception):
    """The root of the tree; its message is one sentence for the operator."""

    exit_status = ExitStatus.PERSON_NEEDED


class UsageError(VerdigrisError):
    """An argument names something that does not exist or cannot be."""

    exit_status = ExitStatus.USAGE


class SettingsError(VerdigrisError):
    """The settings file cannot be read or does not hold together."""

    exit_status = ExitStatus.USAGE


class Refused(VerdigrisError):  # noqa: N818 - the operator's word, not a fault of anybody's
    """Not now: nothing was touched."""

    exit_status = ExitStatus.REFUSED


class Conflict(Refused):
    """A compare-and-swap lost: the world is not as this run last saw it."""


class NotReady(VerdigrisError):  # noqa: N818 - as above
    """The candidate exited, never became ready, or answers as another release."""

    exit_status = ExitStatus.HELD_FAILED


class PlatformError(VerdigrisError):
    """The platform did not do what it was told."""


class Interrupted(BaseException):
    """SIGINT or SIGTERM arrived; not an Exception, so that no handler takes it for a failure."""

    def __init__(self, signal_name: str) -> None:
        super().__init__(signal_name)
        self.signal_name = signal_name
