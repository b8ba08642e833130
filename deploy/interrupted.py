"""An interrupted run is finished without a person: the same function for every platform, whoever asks for it.

On ``local`` that is the guardian (:mod:`deploy.guardian`), which has a process with everything loaded call it.
"""

import json
import os
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

from deploy.controller import Controller
from deploy.errors import Refused, VerdigrisError
from deploy.journal import GUARDIAN
from deploy.model import Record
from deploy.settings import Settings, load, parse
from deploy.watcher import Silent, Watcher


def finish(settings: Settings, environment: str, ended: str = "", watcher: Watcher | None = None) -> Record | None:
    """Finish the environment's interrupted run, users first; ``None`` where there is none.

    Args:
        ended: why somebody ended it, where it did not die by itself.

    Raises:
        Refused: where somebody holds the environment: whoever that is acts.
        VerdigrisError: where it could not be finished; it is to be tried again.
    """
    controller = Controller(settings, environment, watcher)
    record = controller.journal.read().record
    return None if record is None or record.finished else controller.recover(ended)


class _Log(Silent):
    """Says what is done in the guardian's log."""

    def told(self, text: str) -> None:
        print(f"{GUARDIAN}: {text}", file=sys.stderr, flush=True)  # noqa: T201

    def record(self, record: Record) -> None:
        self.told(f"{record.id}: {record.timeline[-1].text}")


def work(path: Path, environment: str) -> int:
    """Finish runs as the guardian asks for it, one line each; everything is loaded before the first is needed.

    A run is finished with the settings as they were when it began, for its processes stand by those; where that fails,
    with the present ones. Where they cannot be read, those with which the guardian began have to do.
    """
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
    Controller(begun, environment).platform.answer(None)  # loads what asks
    for line in sys.stdin:
        answers.write(_attempt(begun, path, environment, json.loads(line)["why"]) + "\n")
        answers.flush()
    return 0


def _attempt(begun: Settings, path: Path, environment: str, why: str) -> str:
    """One attempt, whatever becomes of it: ``done``, ``held`` or ``failed``."""
    ways: tuple[Callable[[], Settings], ...] = (lambda: begun, partial(load, path))
    for settings in ways:
        try:
            finish(settings(), environment, why, _Log())
        except Refused as error:
            if Controller(begun, environment).journal.holder() is not None:
                return "held"
            _Log().told(str(error))
        except VerdigrisError as error:
            _Log().told(str(error))
        except Exception:  # noqa: BLE001 - users wait: the next attempt may do it
            traceback.print_exc()
        else:
            return "done"
    return "failed"
