"""The pytest plugin: options, and nothing else until ``--env`` or ``--release`` is given.

A bare ``pytest`` of a project that has Verdigris installed is as it was: this module imports little and does nothing.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from deploy.plugin.context import Context

SUITES = ("smoke", "verification", "performance")
_MARKERS = {
    "smoke": "quick proof that it is there at all: health, core pages, API, static assets",
    "verification": "proof in depth: health, API, database, external services, metrics, frontend",
    "performance": "proof that it keeps its budgets under load",
    "https": "collected only where users are served over HTTPS",
    "critical": "no skip, no expected failure and no rerun is ever accepted of this test",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the suites; a suite of a release ends with the release's process."""
    if "VERDIGRIS_LIFELINE" in os.environ:
        from deploy import lifeline

        lifeline.hang_on()
    group = parser.getgroup("verdigris", "blue/green releases proven by suites")
    group.addoption("--env", metavar="NAME", help="run the suites against this environment of environments.toml")
    group.addoption(
        "--target",
        metavar="WHO",
        default=None,
        help="who is tested: live (default), candidate, blue, green, or blue,green for every test once for each",
    )
    group.addoption("--expect", metavar="VERSION", help="the version that every answer must come from")
    group.addoption(
        "--candidate", metavar="VERSION", help="stand VERSION up in the idle color first, test it, take it down"
    )
    group.addoption(
        "--release", metavar="VERSION", help="the whole release of VERSION; the same as 'verdigris release'"
    )
    group.addoption("--settings", metavar="FILE", help="the settings file (default: environments.toml, here or above)")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Hand ``--release`` over to the command line."""
    if not config.getoption("--release"):
        return None
    from deploy.plugin.handover import release

    return release(config)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers; with ``--env``, everything else."""
    for name, meaning in _MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")
    environment = config.getoption("--env")
    if not environment:
        for option in ("--target", "--expect", "--candidate"):
            if config.getoption(option) and not config.getoption("--release"):
                raise pytest.UsageError(f"{option} needs --env NAME: which environment is meant?")
        if config.getoption("showfixtures"):
            _register_fixtures(config.pluginmanager)
        return
    if config.getoption("--release"):
        return
    from deploy.errors import VerdigrisError
    from deploy.plugin.context import CONTEXT, Context

    try:
        context = Context.of(config)
    except VerdigrisError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[CONTEXT] = context
    if config.option.importmode == "prepend":
        config.option.importmode = "importlib"  # as the gate does: files of two suites may have the same name
    _collect_suites(config, context)
    _register(config, context)


def _collect_suites(config: pytest.Config, context: "Context") -> None:
    """Collect the suite folders in place of the project's own tests, unless the command names something itself."""
    if config.args_source is pytest.Config.ArgsSource.ARGS:
        return
    named = config.getoption("markexpr")
    chosen = [named] if named in context.settings.suites else list(context.settings.suites)
    folders = [context.settings.root / context.settings.suites[name].folder for name in chosen]
    config.args = [str(folder) for folder in folders if folder.is_dir()]
    if not config.args:
        raise pytest.UsageError(f"there is no suite folder: {', '.join(map(str, folders))}")


def _register(config: pytest.Config, context: "Context") -> None:
    from deploy.plugin import fixtures
    from deploy.plugin.collection import Collection
    from deploy.plugin.context import EXPECT
    from deploy.plugin.proof import Proof
    from deploy.plugin.recorder import Carrier, Recorder

    manager = config.pluginmanager
    _register_fixtures(manager)
    manager.register(fixtures.service_fixtures(context), "verdigris-services")
    manager.register(Collection(context), "verdigris-collection")
    manager.register(Carrier(context), "verdigris-carrier")
    path = os.environ.get("VERDIGRIS_EVIDENCE")
    if hasattr(config, "workerinput"):
        return
    if path:
        manager.register(Recorder(context, Path(path)), "verdigris-recorder")
    if EXPECT not in os.environ:  # no release judges it
        manager.register(Proof(context), "verdigris-proof")


def _register_fixtures(manager: pytest.PytestPluginManager) -> None:
    from deploy.plugin import fixtures

    manager.register(fixtures, "verdigris-fixtures")
    if manager.hasplugin("playwright"):
        from deploy.plugin import browser

        manager.register(browser, "verdigris-browser")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Take a candidate down that this run stood up."""
    if not config.getoption("--env") or config.getoption("--release"):
        return
    from deploy.plugin.context import CONTEXT

    if (context := config.stash.get(CONTEXT, None)) is not None:
        context.close()


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say who is tested."""
    if not config.getoption("--env") or config.getoption("--release"):
        return []
    from deploy.plugin.context import CONTEXT

    context = config.stash[CONTEXT]
    return [f"verdigris: {context.name}, {target}" for target in context.targets.values()]
