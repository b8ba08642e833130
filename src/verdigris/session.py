"""What every command on an environment shares: the lock, the signals, the secrets, the output, and what follows it."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import TypeVar

from verdigris.errors import PlatformError, VerdigrisError
from verdigris.flow.context import PAUSE, Signals, in_words, taking_signals
from verdigris.flow.safeguard import Reserve
from verdigris.platform import Platform
from verdigris.progress import Detached, Silent, Watcher
from verdigris.redaction.redactor import Redactor
from verdigris.reporting.publish import Records
from verdigris.settings import Settings
from verdigris.settings.secrets import secrets
from verdigris.state.journal import JournalStore

LEARN_SECONDS = 5.0
"""Seconds that are waited for the environment's own secrets."""
DRAIN_SECONDS = 2.0
"""How long a reader of the output who does not read is waited for."""
TRIES = 3
"""How often something is begun that may be begun any number of times, and that an unforeseen error ended."""
T = TypeVar("T")


class Session:
    """One environment, for the time of one command."""

    def __init__(
        self,
        settings: Settings,
        environment: str,
        watcher: Watcher | None,
        platform: Platform,
        journal: JournalStore | None,
    ) -> None:
        self.settings = settings
        self.name = environment
        self.environment = settings.environment(environment)
        self.signals = Signals()
        self.redactor = Redactor(secrets(self.environment, settings.root))
        self.watcher = Detached(watcher or Silent(), self.redactor.text)
        self.platform = platform
        self.platform.told = self.watcher.told
        self.records = Records(settings, environment, platform, self.redactor, self.watcher.told)
        self.journal = journal or platform.journal
        self._reserve = Reserve(held=False)
        self._learning: threading.Thread | None = None
        self._afterwards: list[Callable[[], object]] = []

    @contextlib.contextmanager
    def _holding(self, action: str, receive: Callable[[str], None] | None = None) -> Iterator[None]:
        """Hold the environment for one action, with every signal taken until the last record is written."""
        self._reserve = Reserve()
        with taking_signals(receive or self.signals.receive):
            try:
                with ExitStack() as lock:
                    self._insist(lambda: lock.enter_context(self.journal.lock(action)))
                    self._learn_secrets()
                    yield
            finally:
                self._reserve.release()
                self._do_afterwards()

    def _learn_secrets(self) -> None:
        """Ask for what the environment itself keeps secret, in a thread: no way back waits for the answer."""
        what = "the secrets of the environment are not known, so nothing takes them out of the records"
        learn = partial(self._attempt, what, lambda: self.redactor.learn(self.platform.secrets()))
        with contextlib.suppress(RuntimeError):  # no thread to be had
            self._learning = threading.Thread(target=learn, name="secrets", daemon=True)
            self._learning.start()

    def _await_secrets(self) -> None:
        """Wait for them before texts of the application are kept; bounded."""
        if self._learning is not None and self._learning.ident is not None:
            self._learning.join(LEARN_SECONDS)

    def _do_afterwards(self) -> None:
        """What nobody waits for, when the lock is let go: reports, notifications, the last words of the output."""
        for action in (self._clean, *self._afterwards):
            self._attempt("what follows a run was not done", action)
        self._afterwards.clear()
        self.watcher.drain(DRAIN_SECONDS)

    def _clean(self) -> None:
        """Remove what a suite wrote whose run or ``verify`` was killed, and its keeper with it."""
        from verdigris.suites.unredacted import clean_left

        if left := clean_left(self.settings.root / self.settings.reports):
            self.watcher.told(f"removed what {len(left)} suites wrote that were killed, and was not redacted yet")

    def _attempt(self, what: str, action: Callable[[], object]) -> None:
        """Do what must not stop a command; if it fails, of whatever type its error is, the next command does it."""
        try:
            action()
        except BaseException as error:  # noqa: BLE001 - of whatever type: it is said, and nothing depends on it
            self.watcher.told(f"{what}: {in_words(error)}")

    def _insist(self, action: Callable[[], T]) -> T:
        """Do what may be done any number of times; an error of whatever type does not end it at the first try.

        Raises:
            VerdigrisError: at once if it is an answer, such as a lock that somebody holds.
        """
        for attempt in range(1, TRIES):
            try:
                return action()
            except BaseException as error:
                if isinstance(error, VerdigrisError) and not isinstance(error, PlatformError):
                    raise
                self._reserve.release()
                self.watcher.told(f"{in_words(error)}; trying again")
                time.sleep(PAUSE * attempt)
        return action()
