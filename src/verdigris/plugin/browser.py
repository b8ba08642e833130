"""pytest-playwright on the target: its fixtures overridden where the environment knows better."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from verdigris.plugin.context import CONTEXT, Target
from verdigris.plugin.fixtures import RUN_HEADER
from verdigris.plugin.trust import authorities, home, resolver_rules

if TYPE_CHECKING:
    from playwright.sync_api import Page, Response

CUT_OFF = ("ERR_NETWORK_CHANGED", 'interrupted by another navigation to "chrome-error:')
"""How Chromium says that it gave a page up because this machine's network changed."""
NETWORK_CHANGES = 4
"""How often a page is gone to again for them."""
_SYSTEM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
)


def chromium() -> str | None:
    """The system's Chromium, or ``None`` where Playwright has its own.

    Raises:
        pytest.UsageError: where there is neither, with the commands that bring one.
    """
    if named := os.environ.get("VERDIGRIS_CHROMIUM"):
        if not Path(named).is_file():
            raise pytest.UsageError(f"VERDIGRIS_CHROMIUM names {named}, which is no file")
        return named
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    if any(cache.glob("chromium*")):
        return None
    for name in _SYSTEM:
        if path := shutil.which(name):
            return path
    raise pytest.UsageError(
        "the frontend tests need Chromium and there is none; "
        "run: python -m playwright install chromium (or: apt-get install chromium)"
    )


@pytest.fixture(scope="session")
def browser_type_launch_args(
    browser_type_launch_args: dict[str, Any], pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Chromium as it is found on this machine; it reaches and trusts what the environment's settings say."""
    addresses = [target.address for target in pytestconfig.stash[CONTEXT].targets.values()]
    arguments = [*browser_type_launch_args.get("args", ()), *_QUIET, *resolver_rules(addresses)]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        arguments.append("--no-sandbox")
    found = {**browser_type_launch_args, "args": arguments}
    if path := chromium():
        found["executable_path"] = path
    if files := authorities(addresses):
        found["env"] = {**os.environ, "HOME": str(home(tmp_path_factory.mktemp("browser"), files))}
    return found


@pytest.fixture(scope="session")
def base_url(target: Target) -> str:
    """The target's address."""
    return target.url


@pytest.fixture(scope="session")
def browser_context_args(
    browser_context_args: dict[str, Any], target: Target, pytestconfig: pytest.Config
) -> dict[str, Any]:
    """Pages begin at the target's address and carry the header of the suites, and the tenant of tests."""
    headers = {RUN_HEADER: "suite"}
    if tenant := pytestconfig.stash[CONTEXT].environment.tenant:
        headers["x-tenant"] = tenant
    return {**browser_context_args, "base_url": target.url, "extra_http_headers": headers}


@pytest.fixture
def page(page: "Page") -> "Page":
    """pytest-playwright's page, on the target; every answer of the environment is checked to come from the target.

    So are those of pop-ups, frames, service workers, further pages and contexts, and of ``page.request``.
    """
    _bear_changes(page)
    return page


def _bear_changes(page: "Page") -> None:
    """Go to a page again where this machine's network changed meanwhile.

    Chromium then gives up what is on its way, whoever was asked; on a machine that runs containers, each that comes or
    goes is such a change.
    """
    from playwright.sync_api import Error

    go = page.goto

    def goto(url: str, **options: Any) -> "Response | None":
        for _ in range(NETWORK_CHANGES):
            try:
                return go(url, **options)
            except Error as error:
                if not any(word in str(error) for word in CUT_OFF):
                    raise
        return go(url, **options)

    page.goto = goto  # type: ignore[method-assign]
