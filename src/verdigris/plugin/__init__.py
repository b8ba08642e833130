"""The pytest plugin: options, and nothing else until ``--env`` or ``--release`` is given.

A bare ``pytest`` of a project that has Verdigris installed is as it was: this module imports little and does nothing.
"""

import os
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from verdigris.plugin.context import Context

SUITES = ("smoke", "verification", "performance")
_MARKERS = {
    "smoke": "quick proof that it is there at all: health, core pages, API, static assets",
    "verification": "proof in depth: health, API, database, external services, metrics, frontend",
    "performance": "proof that it keeps its budgets under load",
    "https": "collected only where users are served over HTTPS",
    "critical": "no skip, no expected failure and no rerun is ever accepted of this test",
    "no_target(reason)": "this test needs no answer of the target, for that reason; the verdict names it",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the suites."""
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


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, Any, Any]:
    """With ``--env``, see to the end of the run before anything of a suite is imported."""
    known = early_config.known_args_namespace
    if not getattr(known, "env", None) or known.release:
        return (yield)
    from verdigris.plugin.leaving import LEAVING, Leaving
    from verdigris.plugin.presence import blocked

    leaving = early_config.stash[LEAVING] = Leaving()
    made = yield
    name = "verdigris-leaving"
    if early_config.pluginmanager.register(leaving, name) is None:  # after the conftests: it stands around theirs
        raise blocked(name)
    return made


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Hand ``--release`` over to the command line."""
    if not config.getoption("--release"):
        return None
    from verdigris.plugin.handover import release

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
    from verdigris.errors import VerdigrisError
    from verdigris.plugin.context import CONTEXT, Context
    from verdigris.plugin.selection import keep_strictness

    _require_asserts(config)
    try:
        context = Context.of(config)
    except VerdigrisError as error:
        from verdigris.redaction.printable import shown

        raise pytest.UsageError(shown(str(error))) from None
    config.stash[CONTEXT] = context
    for suite in context.settings.suites:
        if suite not in _MARKERS:
            config.addinivalue_line("markers", f"{suite}: the suite of the settings")
    keep_strictness(config)
    config.addinivalue_line("filterwarnings", "always:coroutine .* was never awaited:RuntimeWarning")
    config.addinivalue_line("filterwarnings", "always::pytest.PytestUnknownMarkWarning")
    if config.option.importmode == "prepend":
        config.option.importmode = "importlib"  # as the gate does: files of two suites may have the same name
    _register(config, context, _collect_suites(config, context))


def _collect_suites(config: pytest.Config, context: "Context") -> tuple[str, ...]:
    """Collect the suite folders in place of the project's own tests, unless the command names something itself.

    A suite that the environment requires and that has no folder is no suite less: it was renamed, or is lost.
    """
    if config.args_source is pytest.Config.ArgsSource.ARGS:
        return ()
    named = config.getoption("markexpr")
    required = context.environment.suites
    chosen = [named] if named in context.settings.suites else list(context.settings.suites)
    folders = {name: context.settings.root / context.settings.suites[name].folder for name in chosen}
    missing = [name for name in folders if not folders[name].is_dir() and (name in required or name == named)]
    if missing:
        said = ", ".join(f"{folders[name]} of the suite {name}" for name in missing)
        raise pytest.UsageError(
            f"there is no suite folder {said}: restore it, "
            f"or take the suite out of environments.{context.name}.suites in {context.settings.path.name}"
        )
    config.args = [str(folder) for folder in folders.values() if folder.is_dir()]
    if not config.args:
        raise pytest.UsageError(f"there is no suite folder: {', '.join(map(str, folders.values()))}")
    return tuple(name for name, folder in folders.items() if folder.is_dir())


def _require_asserts(config: pytest.Config) -> None:
    from verdigris.plugin.collection import asserts_hold

    if not asserts_hold(config):
        raise pytest.UsageError(
            "assertions are off in this run, so its tests prove nothing: run it without python -O, "
            "PYTHONOPTIMIZE, --assert=plain and -p no:assertion"
        )


def _register(config: pytest.Config, context: "Context", suites: tuple[str, ...]) -> None:
    from verdigris.plugin import fixtures
    from verdigris.plugin.carrier import Carrier
    from verdigris.plugin.clients import Clients
    from verdigris.plugin.collection import Collection
    from verdigris.plugin.context import EXPECT
    from verdigris.plugin.leaving import LEAVING
    from verdigris.plugin.prerequisites import Prerequisites
    from verdigris.plugin.presence import Presence
    from verdigris.plugin.proof import Proof
    from verdigris.plugin.recorder import Recorder
    from verdigris.plugin.selection import SELECTION, Selection

    manager = config.pluginmanager
    _register_fixtures(manager)
    presence = Presence(manager)
    presence.add(fixtures.service_fixtures(context), "verdigris-services")
    collection, carrier = Collection(context, config), Carrier(context, presence)
    presence.add(collection, "verdigris-collection")
    presence.add(carrier, "verdigris-carrier")
    presence.add(Prerequisites(context), "verdigris-prerequisites")
    if context.targets:
        presence.add(Clients(context), "verdigris-clients")
    leaving = config.stash.get(LEAVING, None)
    if hasattr(config, "workerinput"):
        if leaving is not None:
            leaving.judges = False
        return
    path = os.environ.get("VERDIGRIS_EVIDENCE")
    recorder = Recorder(context, Path(path) if path else None, carrier, collection)
    presence.add(recorder, "verdigris-recorder")
    if path:
        from verdigris.plugin.ending import Ending

        presence.add(Ending(Path(path)), "verdigris-ending")
    if leaving.judges if leaving is not None else EXPECT not in os.environ:  # no release judges it
        selection = config.stash.get(SELECTION, None) or Selection.of(config)
        proof = Proof(context, recorder, selection, suites)
        presence.add(proof, "verdigris-proof")
        if leaving is not None:
            leaving.proof = proof


def _register_fixtures(manager: pytest.PytestPluginManager) -> None:
    from verdigris.plugin import fixtures

    manager.register(fixtures, "verdigris-fixtures")
    if manager.hasplugin("playwright"):
        from verdigris.plugin import browser

        manager.register(browser, "verdigris-browser")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Take a candidate down that this run stood up."""
    if not config.getoption("--env") or config.getoption("--release"):
        return
    from verdigris.plugin.context import CONTEXT

    if (context := config.stash.get(CONTEXT, None)) is not None:
        context.close()


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say who is tested."""
    if not config.getoption("--env") or config.getoption("--release"):
        return []
    from verdigris.plugin.context import CONTEXT

    context = config.stash[CONTEXT]
    from verdigris.redaction.printable import clean

    return [clean(f"verdigris: {context.name}, {target}") for target in context.targets.values()]
