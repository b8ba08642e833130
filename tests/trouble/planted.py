"""Trouble of kinds that the harness does not name, planted at the n-th call that a flow makes.

A proxy stands before everything a flow acts with: platform, journal, verifier, probe. All its calls are counted
together, and at the chosen one it does something that nobody foresaw.
"""

import asyncio
import errno
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from verdigris.errors import PlatformError


class Foreign(Exception):  # noqa: N818 - somebody else's name
    """An exception of a library that the harness has never heard of."""


class ForeignBase(BaseException):
    """One that is no ``Exception`` either, as those of event loops and greenlets are."""


RAISED: dict[str, Callable[[], BaseException]] = {
    "platform": lambda: PlatformError("the platform did not do it"),
    "foreign": lambda: Foreign("\ud800 of a library"),
    "foreign-base": lambda: ForeignBase("of an event loop"),
    "memory": MemoryError,
    "recursion": lambda: RecursionError("maximum recursion depth exceeded"),
    "assertion": AssertionError,
    "key": lambda: KeyError("metadata"),
    "stop-iteration": StopIteration,
    "cancelled": asyncio.CancelledError,
    "system-exit": lambda: SystemExit(0),
    "keyboard": KeyboardInterrupt,
    "no-space": lambda: OSError(errno.ENOSPC, "No space left on device"),
    "no-descriptors": lambda: OSError(errno.EMFILE, "Too many open files"),
    "no-threads": lambda: RuntimeError("can't start new thread"),
    "unicode": lambda: UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
    "broken-pipe": lambda: BrokenPipeError(errno.EPIPE, "Broken pipe"),
}


@dataclass
class Trouble:
    """What is planted: ``happen`` at the calls ``at``, ``at`` + 1 ... ``at`` + ``times`` - 1 of the run."""

    happen: Callable[[], object]
    at: int = 0
    times: int = 1
    only: str = ""
    """The call that is counted, by its name; empty for all."""
    surrogates: bool = False
    """Whether every text that a call returns holds half of a surrogate pair."""
    calls: list[str] = field(default_factory=list)

    def meet(self, name: str) -> None:
        """Count a call; in the chosen ones it happens."""
        if self.only and name != self.only:
            return
        self.calls.append(name)
        if self.at and self.at <= len(self.calls) < self.at + self.times:
            self.happen()

    @property
    def met(self) -> bool:
        """Whether it happened."""
        return bool(self.at) and len(self.calls) >= self.at


def raising(kind: str) -> Callable[[], object]:
    """Something that raises an exception of that kind."""

    def happen() -> None:
        raise RAISED[kind]()

    return happen


class Proxy:
    """Stands before ``subject``; every call meets the trouble first."""

    def __init__(self, subject: Any, trouble: Trouble, name: str) -> None:
        self.__dict__.update(_subject=subject, _trouble=trouble, _name=name)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._subject, name)
        if not callable(found) or name.startswith("_") or name in ("told",):
            return found

        @functools.wraps(found)
        def call(*values: Any, **named: Any) -> Any:
            self._trouble.meet(f"{self._name}.{name}")
            answer = found(*values, **named)
            return _spoilt(answer) if self._trouble.surrogates else answer

        return call

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._subject, name, value)


def _spoilt(answer: Any) -> Any:
    """The answer with half of a surrogate pair in its texts that are for people."""
    if isinstance(answer, str):
        return f"{answer}\ud800"
    if isinstance(answer, tuple) and answer and isinstance(answer[0], str):
        return (f"{answer[0]}\ud800\n", *answer[1:])
    if isinstance(answer, BaseModel):
        texts = {name: f"{getattr(answer, name)}\udcff" for name in ("seen", "reason", "text") if hasattr(answer, name)}
        return answer.model_copy(update=texts)
    return answer


@contextmanager
def descriptors(limit: Callable[[], int]) -> Iterator[None]:
    """This process may open no file beyond those it has, until the end of the block."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit(), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
