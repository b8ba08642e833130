"""A run that ended without an end: whether there is one, whether users are exposed by it, and how it is finished.

The same for every platform: ``status`` shows it, and whoever finishes it without a person (the guardian of ``local``)
uses :func:`finish`.
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
from deploy.journal import GUARDIAN, Holder, Journal
from deploy.model import Outcome, Record, Step, Traffic, Value, in_place
from deploy.settings import Settings, load, parse
from deploy.watcher import Silent, Watcher


class Alarm(Value):
    """Users are on a release that nobody answers for."""

    text: str
    since: str
    """When they came to it, as far as the journal says."""
    command: str
    """What ends it."""

    def __str__(self) -> str:
        return f"{self.text}, since {self.since}; run: {self.command}"


def alarm(journal: Journal, holder: Holder | None, traffic: Traffic, environment: str) -> Alarm | None:
    """What is wrong with where users are, or ``None``.

    Args:
        holder: who holds the lock; one that is stopped watches nothing.
    """
    record = journal.record
    if record is None:
        return None
    if record.finished:
        return _needed(record, traffic, environment)
    if (holder is not None and not holder.stopped) or not _exposed(record, traffic):
        return None
    recover = f"verdigris recover --env {environment}"
    if holder is not None:
        text = f"its {record.action} is stopped at the step {record.step} (pid {holder.pid})"
        recover = f"kill -KILL {holder.pid}; {recover}"
    else:
        text = f"its {record.action} died at the step {record.step}"
    if record.action == "rollback":
        text = f"users are on {_of_users(traffic)}, the rollback to {record.version} did not end: {text}"
    else:
        text = f"users are on {_of_users(traffic)}, a release that nobody watches: {text}"
    return Alarm(text=text, since=_since(record), command=recover)


def _needed(record: Record, traffic: Traffic, environment: str) -> Alarm | None:
    """A run that ended with the word that a person is needed."""
    if record.outcome is not Outcome.PERSON_NEEDED:
        return None
    said = record.objections[-1].text if record.objections else "no reason was recorded"
    text = f"a person is needed: users are on {_of_users(traffic)}, which was not confirmed: {said}"
    if record.live is None:
        command = f"verdigris verify --env {environment}, or release a good version"
    else:
        command = f"verdigris rollback --env {environment}"
    return Alarm(text=text, since=_since(record), command=command)


def _exposed(record: Record, traffic: Traffic) -> bool:
    """Whether users are on what an unfinished run brought them, or on what it should have taken from them."""
    if record.step is Step.SETTLE or record.candidate is None or record.release is None:
        return False
    if record.action == "rollback":
        return record.step is Step.ROLLBACK and traffic.identity != record.release.identity(record.candidate)
    moved = record.switched or record.step in (Step.SWITCH, Step.WATCH, Step.ROLLBACK)
    return moved and traffic.identity == record.release.identity(record.candidate)


def _of_users(traffic: Traffic) -> str:
    if traffic.identity is not None:
        return in_place(traffic.identity.color, traffic.identity.version)
    return str(traffic.color or "nothing")


def _since(record: Record) -> str:
    """When the users were moved; where that is not said, when the last thing was."""
    moved = [moment.at for moment in record.timeline if moment.step is Step.SWITCH]
    moved = moved or [moment.at for moment in record.timeline if moment.step is not Step.DONE]
    return moved[-1] if moved else record.started


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
