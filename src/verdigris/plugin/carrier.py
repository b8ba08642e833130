"""What a test really did, noted in the process that runs it.

What pytest reports of a test can be changed by a conftest or a plugin: a hook that swallows the call, a report whose
outcome is rewritten, a second run of which only the last is told. So the facts are taken where they happen: the test's
own function is wrapped while the test is under way, each phase is watched by the innermost wrapper, and exceptions
that reach no test (in a thread, in a destructor) are heard by :mod:`verdigris.plugin.ears`.

With pytest-xdist the evidence is written by another process, so the facts travel on the test's last report, in the
attribute ``verdigris``, and what comes after the last report in the worker's own output.
"""

import ast
import functools
import gc
import inspect
import threading
import time
import unittest
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pytest

from verdigris.plugin.attribution import ANSWERS, Attribution
from verdigris.plugin.collection import CODE, code_of
from verdigris.plugin.context import Context
from verdigris.plugin.ears import Ears
from verdigris.plugin.identity import BOOK
from verdigris.plugin.presence import Presence
from verdigris.suites.evidence import Warned

LATE = "verdigris-late"
"""The key in a worker's output for what was seen after its last report."""
GRACE = 1.0
"""Seconds at the end of a run for threads that the tests started: one that fails a moment later is still seen."""


class Carrier:
    """Gathers the facts of the test under way, and puts them on its last report."""

    def __init__(self, context: Context, presence: Presence) -> None:
        self.context = context
        self.presence = presence
        self.attribution = Attribution()
        self.begun: Counter[str] = Counter()
        self.entered: Counter[str] = Counter()
        self.before = 0
        """How often the present test had been entered before its present attempt."""
        self.raised: list[str] = []
        self.facts: dict[str, Any] = {}
        self.current = ""
        self.warned: list[Warned] = []
        self.ears = Ears(self.hear)
        self.read: set[Path] = set()
        """The files that were looked at for assertions that always hold."""
        self.threads: WeakKeyDictionary[threading.Thread, str] = WeakKeyDictionary()
        """Every thread, and the test that was under way when it was first seen."""

    def pytest_sessionstart(self) -> None:
        """Know which threads are not the tests'."""
        self._meet_threads()
        self.ears.begin()
        self.presence.add(Innermost(self.raised), "verdigris-innermost")
        self.presence.add(self.attribution, "verdigris-attribution")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None]:
        """Open the test's ledger; watch its function from now on."""
        BOOK.open()
        self.attribution.open()
        self.raised.clear()
        self.facts = {}
        self.current = item.nodeid
        self.begun[item.nodeid] += 1
        self.before = self.entered[item.nodeid]
        self._read(item)
        self._meet_plugins()
        yield
        if item.stash.get(CODE, None) == code_of(getattr(item, "obj", None)):
            name = "obj" if isinstance(item, pytest.Function) else "runtest"
            watched = self._watched(getattr(item, name), item.nodeid)
            setattr(item, name, watched)
            instance = getattr(item, "instance", None)
            if isinstance(instance, unittest.TestCase) and inspect.iscoroutinefunction(watched):
                setattr(instance, item.name, watched)  # unittest looks an async method up itself

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None]:
        """What follows is no part of the test: take what it saw until now."""
        name = "obj" if isinstance(item, pytest.Function) else "runtest"
        original = getattr(getattr(item, name, None), "verdigris_original", None)
        if original is not None:
            setattr(item, name, original)
        seen = self.attribution.of(item)
        self._meet_threads()
        self._meet_plugins()
        self.facts = {"answers": seen.pop(ANSWERS, 0), "used": dict(seen)}
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: "pytest.CallInfo[None]"
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach the facts."""
        if call.excinfo is not None:
            self.raised.append(_named(call.when, call.excinfo.value))
        report = yield
        if call.when == "teardown":
            report.verdigris = self._facts(item)  # type: ignore[attr-defined]
        return report

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """See what ends badly after the last test, and tell it where this is a worker."""
        self._last_look()
        self._meet_plugins()
        self.ears.end()
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[LATE] = self.late()

    def late(self) -> list[dict[str, str]]:
        """What was seen and stands on no report yet."""
        seen, self.warned[:] = [one.model_dump() for one in self.warned], []
        return seen

    def _facts(self, item: pytest.Item) -> dict[str, Any]:
        ledger = BOOK.ledger
        marker = item.get_closest_marker("no_target")
        name = item.nodeid
        return {
            **self.facts,
            "identities": dict(ledger.identities),
            "ips": dict(ledger.ips),
            "strangers": [stranger.model_dump() for stranger in ledger.strangers],
            "exchanges": [exchange.model_dump() for exchange in ledger.exchanges],
            "artifacts": ledger.artifacts,
            "figures": ledger.figures,
            "critical": item.get_closest_marker("critical") is not None,
            "no_target": str(marker.kwargs.get("reason", "")).strip() if marker else "",
            "attempts": max(1, self.begun[name], self.entered[name]),
            "calls": self.entered[name] - self.before,
            "raised": next(iter(self.raised), ""),
            "warnings": self.late(),
        }

    def _watched(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        """The function, with a note of each call: that it was entered, what it raised, whether it returned something.

        A value that is returned is one that nobody looked at. A function that is awaited stays one for its plugin.
        """

        def returned(value: Any) -> Any:
            if value is not None:
                text = f"it returned {type(value).__name__}, which proves nothing; assert what is expected"
                self.warned.append(Warned(id=name, text=text))
            return value

        def called(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            self.entered[name] += 1
            try:
                return returned(function(*args, **kwargs))
            except BaseException as error:
                self.raised.append(_named("call", error))
                raise

        async def awaited(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            self.entered[name] += 1
            try:
                return returned(await function(*args, **kwargs))
            except BaseException as error:
                self.raised.append(_named("call", error))
                raise

        chosen: Any = functools.wraps(function)(awaited if inspect.iscoroutinefunction(function) else called)
        chosen.verdigris_original = function
        return chosen  # type: ignore[no-any-return]

    def hear(self, text: str, thread: threading.Thread | None) -> None:
        """Note an exception that reached no test; a thread may outlive the test that started it."""
        name = self.threads.get(thread, self.current) if thread else self.current
        self.warned.append(Warned(id=name, text=text))

    def _read(self, item: pytest.Item) -> None:
        """Look at a file for ``assert (condition, "text")``, once; pytest warns of it only where it has no cache."""
        if item.path in self.read or not isinstance(item, pytest.Function):
            return
        self.read.add(item.path)
        for node in ast.walk(ast.parse(item.path.read_bytes())):
            if isinstance(node, ast.Assert) and isinstance(node.test, ast.Tuple) and node.test.elts:
                text = f"line {node.lineno} asserts a tuple, which always holds; take the parentheses away"
                self.warned.append(Warned(id=item.nodeid, text=text))

    def _meet_threads(self) -> None:
        for thread in threading.enumerate():
            self.threads.setdefault(thread, self.current)

    def _meet_plugins(self) -> None:
        for name in self.presence.gone():
            text = f"the plugin {name}, which judges this run, was taken out; leave it in"
            self.warned.append(Warned(id=self.current, text=text))

    def _last_look(self) -> None:
        """Give threads that are ending a moment, and objects that cannot be destroyed an occasion to say so."""
        self._meet_threads()
        end = time.monotonic() + GRACE
        for thread in threading.enumerate():
            if self.threads.get(thread):
                thread.join(max(0.0, end - time.monotonic()))
        gc.collect()


class Innermost:
    """Sees what each phase raised before any other wrapper can swallow it."""

    def __init__(self, raised: list[str]) -> None:
        self.raised = raised

    def _phase(self, when: str) -> Generator[None, Any, Any]:
        __tracebackhide__ = True
        try:
            return (yield)
        except BaseException as error:
            self.raised.append(_named(when, error))
            raise

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_setup(self) -> Generator[None, Any, Any]:
        """Watch it."""
        __tracebackhide__ = True
        return (yield from self._phase("setup"))

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self) -> Generator[None, Any, Any]:
        """Watch it."""
        __tracebackhide__ = True
        return (yield from self._phase("call"))

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_teardown(self) -> Generator[None, Any, Any]:
        """Watch it."""
        __tracebackhide__ = True
        return (yield from self._phase("teardown"))


def _named(when: str, error: BaseException) -> str:
    text = (str(error).strip().splitlines() or [""])[0][:300]
    return f"{type(error).__name__} in {when}" + (f": {text}" if text else "")
