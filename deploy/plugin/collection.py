"""Which tests there are: the marker of each suite's folder, and the parameters that come from the settings."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from deploy.plugin.context import Context
from deploy.settings import Settings


class Collection:
    """Hooks of collection."""

    def __init__(self, context: Context) -> None:
        self.context = context

    @pytest.hookimpl(wrapper=True)
    def pytest_pycollect_makeitem(self) -> Generator[None, Any, Any]:
        """Leave out a test that is marked ``https`` where users are not served over HTTPS."""
        made = yield
        if self.context.environment.https or not isinstance(made, list):
            return made
        return [item for item in made if item.get_closest_marker("https") is None]

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Mark a test with the suite in whose folder it stands."""
        suite = suite_of(item.path, self.context.settings)
        if suite is not None:
            item.add_marker(suite)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One test for each path, page and request of the settings, and for each target where several are named."""
        checks = self.context.checks
        if "health_path" in metafunc.fixturenames:
            metafunc.parametrize("health_path", checks.health)
        if "page_check" in metafunc.fixturenames:
            metafunc.parametrize("page_check", checks.pages, ids=lambda check: check.path)
        if "api_check" in metafunc.fixturenames:
            metafunc.parametrize("api_check", checks.api, ids=lambda check: f"{check.method} {check.path}")
        if "target" in metafunc.fixturenames and len(self.context.targets) > 1:
            metafunc.parametrize("target", list(self.context.targets), indirect=True, scope="session")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Say what is missing on this machine before anything is begun."""
        if any("page" in getattr(item, "fixturenames", ()) for item in session.items):
            if not session.config.pluginmanager.hasplugin("playwright"):
                raise pytest.UsageError(
                    "the frontend tests need pytest-playwright; run: python -m pip install pytest-playwright"
                )
            from deploy.plugin.browser import chromium
            from deploy.plugin.trust import authorities, certutil

            chromium()
            if authorities(target.address for target in self.context.targets.values()):
                certutil()


def suite_of(path: Path, settings: Settings) -> str | None:
    """The suite that a file belongs to."""
    for name, suite in settings.suites.items():
        if path.is_relative_to(settings.root / suite.folder):
            return name
    return None
