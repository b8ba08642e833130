"""Whose an answer is: of the test that got it, or of the fixture that got it while it was set up.

An answer counts for a test if the test got it itself, or a fixture that the test asks for. So a fixture of a module or
of the session that asks once, for several tests to assert on, counts for each of them; a fixture that is used without
being asked for (``autouse``) proves nothing of a test that never looks at it.
"""

from collections import Counter
from collections.abc import Generator
from typing import Any

import pytest

from verdigris.plugin.identity import BOOK

ANSWERS = ""
"""The key of the target's answers beside those of other kinds, which have names."""
_SETUPS = ("_xunit_setup_", "_unittest_setUpClass_")
"""How pytest names the fixtures that it makes of ``setup_method`` and its like; they stand beside their tests."""


class Attribution:
    """Counts, by kind, what was answered."""

    def __init__(self) -> None:
        self.by_fixture: dict[Any, Counter[str]] = {}
        self.before: Counter[str] | None = None
        """What was seen when the test's call began; ``None`` until it does."""

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: "pytest.FixtureDef[Any]") -> Generator[None, Any, Any]:
        """Count what a fixture sees; a fixture that it gets by name while it is set up belongs to it."""
        before = _seen()
        try:
            return (yield)
        finally:
            self.by_fixture[fixturedef] = _seen() - before

    def open(self) -> None:
        """Begin a test."""
        self.before = None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self) -> Generator[None, Any, Any]:
        """What was seen until now is its fixtures', or that of hooks."""
        self.before = _seen()
        return (yield)

    def of(self, item: pytest.Item) -> Counter[str]:
        """What counts for a test, at the end of its call."""
        counted = _seen() - self.before if self.before is not None else Counter()
        for fixturedef in _asked_for(item):
            counted += self.by_fixture.get(fixturedef, Counter())
        return counted


def _seen() -> Counter[str]:
    ledger = BOOK.ledger
    return Counter({ANSWERS: sum(ledger.identities.values()), **ledger.used})


def _asked_for(item: pytest.Item) -> set[Any]:
    """The fixtures that a test names, and those that these need.

    pytest has no public way to ask for them. What is not found counts for nothing, so a change in pytest would make
    objections, never passes.
    """
    info, request = getattr(item, "_fixtureinfo", None), getattr(item, "_request", None)
    if info is None or not request:
        return set()
    active: dict[str, Any] = getattr(request, "_fixture_defs", {})
    names = [*info.argnames, *(name for mark in item.iter_markers("usefixtures") for name in mark.args)]
    names += [name for name in info.initialnames if name.startswith(_SETUPS)]
    found: set[Any] = set()
    while names:
        name = names.pop()
        if name == "request":  # whoever has it may have got others by name
            names += [other for other in active if other not in info.names_closure and other != name]
        for fixturedef in {*info.name2fixturedefs.get(name, ()), *([active[name]] if name in active else ())}:
            if fixturedef not in found:
                found.add(fixturedef)
                names += fixturedef.argnames
    return found
