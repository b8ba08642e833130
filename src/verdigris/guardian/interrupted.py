"""An interrupted run is finished without a person: the same function for every platform, whoever asks for it.

On ``local`` that is the guardian (:mod:`verdigris.guardian.process`): it has a process with everything loaded call it.
"""

import contextlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

from verdigris.controller import Controller
from verdigris.errors import PlatformError, Refused, VerdigrisError
from verdigris.model import Record
from verdigris.progress import Silent, Watcher
from verdigris.redaction.redactor import Redactor
from verdigris.settings import Settings, load, parse
from verdigris.settings.secrets import secrets
from verdigris.state.journal import GUARDIAN


def finish(
    settings: Settings,
    environment: str,
    ended: str = "",
    watcher: Watcher | None = None,
    notified: set[tuple[str, str]] | None = None,
) -> Record | None:
    """Finish the environment's interrupted run, users first; ``None`` if there is none.

    Args:
        ended: why somebody ended it, if it did not die by itself.
        notified: what earlier attempts told somebody, which is not told again.

    Raises:
        Refused: if somebody holds the environment: whoever that is acts.
        VerdigrisError: if it could not be finished; it is to be tried again.
    """
    controller = Controller(settings, environment, watcher)
    controller.records.notified = notified if notified is not None else set()
    if not _left(controller):
        return None
    record = controller.recover(ended)
    if _left(controller):
        raise PlatformError("the users are where they belong, and the journal still says that the run goes on")
    return record


def _left(controller: Controller) -> bool:
    """Whether the journal knows of a run that did not end."""
    record = controller.journal.read().record
    return record is not None and not record.finished


class _Log(Silent):
    """Says what is done in the guardian's log; a full disk takes nothing but the line."""

    def told(self, text: str) -> None:
        with contextlib.suppress(OSError):
            print(f"{GUARDIAN}: {text}", file=sys.stderr, flush=True)  # noqa: T201

    def record(self, record: Record) -> None:
        self.told(f"{record.id}: {record.timeline[-1].text}")


def work(path: Path, environment: str) -> int:
    """Finish runs as the guardian asks for it, one line each; everything is loaded before the first is needed."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever prints, it is no answer
    os.environ["VERDIGRIS_ACTOR"] = GUARDIAN
    first = sys.stdin.readline()
    if not first:
        return 0
    try:
        begun = load(path)
    except VerdigrisError as error:
        _Log().told(f"{error}; the settings with which the environment came up are used")
        begun = parse(path, json.loads(first)["settings"])
    worker = Worker(begun, path, environment)
    worker.warm()
    for line in sys.stdin:
        answers.write(worker.attempt(json.loads(line)["why"]) + "\n")
        answers.flush()
    return 0


class Worker:
    """Finishes the runs of one environment.

    Args:
        begun: the settings as they were when the run began, for its processes stand by those; if a run cannot be
            finished with them, the present ones are tried.
    """

    def __init__(self, begun: Settings, path: Path, environment: str) -> None:
        self.ways: tuple[Callable[[], Settings], ...] = (lambda: begun, partial(load, path))
        self.begun = begun
        self.environment = environment
        self.notified: set[tuple[str, str]] = set()
        self.redactor = Redactor(secrets(begun.environment(environment), begun.root))

    def warm(self) -> None:
        """Load what a way back needs: what asks an application is imported with the first question."""
        with contextlib.suppress(Exception):
            Controller(self.begun, self.environment).platform.answer(None)

    def attempt(self, why: str) -> str:
        """One attempt, whatever becomes of it: ``done``, ``held`` by somebody else, or ``failed``."""
        for settings in self.ways:
            try:
                finish(settings(), self.environment, why, _Log(), self.notified)
            except Refused as error:
                if Controller(self.begun, self.environment).journal.holder() is not None:
                    return "held"
                self._say(str(error))
            except VerdigrisError as error:
                self._say(str(error))
            except Exception:  # noqa: BLE001 - users wait: the next attempt may do it
                self._say(traceback.format_exc())
            else:
                return "done"
        return "failed"

    def _say(self, text: str) -> None:
        _Log().told(self.redactor.text(text))
