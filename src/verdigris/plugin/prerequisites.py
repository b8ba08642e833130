"""What the collected tests need and this place does not have, said before a test runs and before anything is touched.

A release collects in its first step, so a missing program ends it before the database is migrated; what is missing is
then the one thing that is said, and not every test that did not run for it.
"""

import importlib.util
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from verdigris.plugin.context import Context

AUTHORITY = "VERDIGRIS_AUTHORITY"
"""The environment's own authority, told where the target is not known yet: a browser will have to trust it."""

_BROWSERS = ("pytest_playwright", "verdigris.plugin.")
"""Where the fixtures of browsers are defined."""


class Prerequisites:
    """Looks at what the tests ask for."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Refuse the run with everything that is missing.

        Raises:
            pytest.UsageError: with a line for each.
        """
        missing = list(dict.fromkeys(self._missing([item for item in session.items if not _skipped(item)])))
        if missing:
            raise pytest.UsageError(*missing)

    def _missing(self, items: list[pytest.Item]) -> Iterator[str]:
        if any(_is_playwrights(item, fixture) for item in items for fixture in ("page", "browser")):
            yield from self._browser(items[0].config)
        if any(_is_ours(item, "database") for item in items):
            yield from self._database()
        for path in sorted({item.path.with_name("locustfile.py") for item in items}):
            if path.is_file() and importlib.util.find_spec("locust") is None:
                name = path.relative_to(self.context.settings.root)
                yield f"{name} needs Locust, and there is none; run: python -m pip install locust"

    def _browser(self, config: pytest.Config) -> Iterator[str]:
        if not config.pluginmanager.hasplugin("playwright"):
            yield (
                "the frontend tests need pytest-playwright: run python -m pip install pytest-playwright, "
                'and add "playwright" to the plugins of the suite'
            )
            return
        from verdigris.plugin.browser import chromium
        from verdigris.plugin.trust import authorities, certutil

        yield from _refusal(chromium)
        if authorities(target.address for target in self.context.targets.values()) or os.environ.get(AUTHORITY):
            yield from _refusal(certutil)

    def _database(self) -> Iterator[str]:
        if importlib.util.find_spec("psycopg") is None:
            yield "the tests of the database need psycopg; run: python -m pip install 'psycopg[binary]'"
            return
        import psycopg

        from verdigris.errors import VerdigrisError
        from verdigris.plugin.fixtures import database_url

        try:
            if (url := database_url(self.context)) is None:
                name = self.context.name
                yield f"the tests ask for a database, and environments.{name}.database names none: add that table"
                return
            psycopg.connect(url, autocommit=True, connect_timeout=5).close()
        except (psycopg.Error, VerdigrisError, OSError) as error:
            yield f"the database of {self.context.name} cannot be reached: {' '.join(str(error).split())}"


def _skipped(item: pytest.Item) -> bool:
    return any(True for _ in item.iter_markers("skip"))


def _asks_for(item: pytest.Item, fixture: str) -> bool:
    return fixture in getattr(item, "fixturenames", ())


def _definitions(item: pytest.Item, fixture: str) -> list[Any]:
    """What a fixture that a test asks for is defined by: the last one is what it gets."""
    known: Any = getattr(item, "_fixtureinfo", None)
    return list(known.name2fixturedefs.get(fixture, ())) if known and _asks_for(item, fixture) else []


def _is_ours(item: pytest.Item, fixture: str) -> bool:
    """Whether a test asks for a fixture that nobody of the project has put another one over."""
    found = _definitions(item, fixture)
    return bool(found) and found[-1].func.__module__ == "verdigris.plugin.fixtures"


def _is_playwrights(item: pytest.Item, fixture: str) -> bool:
    """Whether a test asks for a fixture of pytest-playwright, or for one of the project that is built on it."""
    if not _asks_for(item, fixture):
        return False
    found = _definitions(item, fixture)
    while found:
        definition = found.pop()
        if definition.func.__module__.startswith(_BROWSERS):
            return True
        if fixture not in definition.argnames:
            return False  # the project's own, such as a page that it fetched
    return True  # nobody has it


def _refusal(action: Callable[[], object]) -> Iterator[str]:
    try:
        action()
    except pytest.UsageError as error:
        yield str(error)
