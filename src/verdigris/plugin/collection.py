"""Which tests there are: the marker of each suite's folder, the parameters from the settings, and what was left out."""

import fnmatch
import inspect
import os
import re
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from verdigris.plugin.context import Context
from verdigris.plugin.definitions import Patterns, Unseen, unseen
from verdigris.plugin.intent import FIXTURES
from verdigris.settings import Settings
from verdigris.suites.evidence import SELECTION, LeftOut

CODE: pytest.StashKey[Any] = pytest.StashKey()
"""The code of a test's function as it was made, before any hook could put another one in its place."""
LEFT_OUT = "verdigris-left-out"
"""The key in a worker's output for what was left out."""
_SELECTING = ("_pytest.mark", "_pytest.main", "_pytest.cacheprovider", "_pytest.stepwise")
"""The parts of pytest that carry out its selecting options."""
_NO_SUITE = (".*", "__pycache__", "node_modules", "*.egg-info")
"""Folders in which no tests of a suite are looked for."""


class Collection:
    """Hooks of collection.

    Every test that stands in a suite either is collected or is said to be left out, whoever left it out: a hook that
    tells pytest (``pytest_deselected``), one that only shortens the list, one that makes no test of a function, or a
    file that is ignored.
    """

    def __init__(self, context: Context, config: pytest.Config) -> None:
        self.context = context
        self.config = config
        self.made: dict[str, None] = {}
        """The ids of all tests that were made, in their order."""
        self.files: set[Path] = set()
        """The files from which pytest collected."""
        self.selected: set[str] = set()
        """The ids that pytest's own options left out."""
        self.left_out: list[LeftOut] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """Refuse a marker that nobody registered, before it selects nothing."""
        _refuse_unknown_markers(self.config)

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Generator[None, Any, Any]:
        """Know from which files was collected; one that says of itself that it has no tests is left out."""
        report = yield
        if isinstance(collector, pytest.File):
            self.files.add(collector.path)
            if report.passed and not getattr(getattr(collector, "obj", None), "__test__", True):
                self._leave_out(collector.nodeid, "its own __test__ = False")
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_pycollect_makeitem(self, collector: Any, name: str, obj: object) -> Generator[None, Any, Any]:
        """Leave out a test that is marked ``https`` where users are not served over HTTPS; know of all others."""
        made = yield
        if made is None or made == []:
            if _is_test(collector, name, obj):
                self._leave_out(f"{collector.nodeid}::{name}", "a hook that makes no test of it")
            return made
        if not isinstance(made, list):
            return made
        if not self.context.environment.https:
            made = [item for item in made if item.get_closest_marker("https") is None]
        for item in made:
            if isinstance(item, pytest.Item):
                self.made[item.nodeid] = None
                item.stash[CODE] = code_of(getattr(item, "obj", None))
        return made

    @pytest.hookimpl(tryfirst=True)
    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Mark a test with the suite in whose folder it stands."""
        self.made[item.nodeid] = None
        item.stash.setdefault(CODE, code_of(getattr(item, "obj", None)))
        suite = suite_of(item.path, self.context.settings)
        if suite is not None:
            item.add_marker(suite)
        if (marker := item.get_closest_marker("no_target")) and not str(marker.kwargs.get("reason", "")).strip():
            raise pytest.UsageError(
                f"{item.nodeid}: its marker no_target has no reason; "
                'write @pytest.mark.no_target(reason="why it needs no answer of the target")'
            )

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

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Tell what pytest's own options leave out from what anybody else does."""
        if _called_by_pytest():
            self.selected |= {item.nodeid for item in items}

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Say what was left out, before anything is begun."""
        self._look_for_left_out(session)

    def _look_for_left_out(self, session: pytest.Session) -> None:
        collected = {item.nodeid for item in session.items}
        options = self.config.option  # what is left of a file beside a test that was named, or beside the last failed
        named = any("::" in argument for argument in self.config.args) or getattr(options, "lf", False)
        for name in self.made:
            if name not in collected:
                self._leave_out(name, SELECTION if named or name in self.selected else "a hook of a conftest or plugin")
        for path in _files(self.config):
            if path not in self.files:
                by = SELECTION if _ignored(path, self.config) else "collect_ignore, norecursedirs or a hook"
                self._leave_out(os.path.relpath(path, self.context.settings.root), by)
        for one in self._unseen(session) if not named else ():
            self._leave_out(one.place, one.by)
        output = getattr(self.config, "workeroutput", None)
        if output is not None:
            output[LEFT_OUT] = [one.model_dump() for one in self.left_out]

    def _unseen(self, session: pytest.Session) -> Iterator[Unseen]:
        """Tests in the text of the folders that are collected, of which pytest makes nothing."""
        patterns = Patterns(
            files=tuple(self.config.getini("python_files")),
            classes=tuple(self.config.getini("python_classes")),
            functions=tuple(self.config.getini("python_functions")),
            runs_async=_runs_async(self.config),
            fixtures=FIXTURES.union(getattr(session._fixturemanager, "_arg2fixturedefs", ())),
        )
        root = self.context.settings.root.resolve()
        for argument in self.config.args:
            folder = (self.config.invocation_params.dir / argument).resolve()
            if folder.is_dir() and suite_of(folder, self.context.settings) is not None:
                yield from unseen(folder, root, patterns)

    def _leave_out(self, name: str, by: str) -> None:
        self.left_out.append(LeftOut(id=name, by=by))


def _runs_async(config: pytest.Config) -> bool:
    """Whether somebody beside pytest and this plugin calls tests: it may run ``async def`` ones."""
    modules = [str(one.function.__module__) for one in config.hook.pytest_pyfunc_call.get_hookimpls()]
    return any(not module.startswith(("_pytest.", "verdigris.")) for module in modules)


def code_of(function: Any) -> Any:
    """What a function is made of, under its decorators."""
    function = inspect.unwrap(getattr(function, "__func__", function))
    return getattr(function, "__code__", None)


def _is_test(collector: Any, name: str, obj: object) -> bool:
    """Whether pytest itself makes a test of an attribute of a module or class."""
    if inspect.isclass(obj):
        return bool(collector.istestclass(obj, name))
    function = inspect.unwrap(getattr(obj, "__func__", obj)) if callable(obj) else None
    return inspect.isfunction(function) and bool(collector.istestfunction(obj, name))


def suite_of(path: Path, settings: Settings) -> str | None:
    """The suite that a file belongs to."""
    for name, suite in settings.suites.items():
        if path.is_relative_to(settings.root / suite.folder):
            return name
    return None


def asserts_hold(config: pytest.Config) -> bool:
    """Whether an ``assert`` that does not hold raises in this process, and pytest rewrites those of the tests."""
    if config.getoption("assertmode", "plain") != "rewrite":
        return False
    try:
        exec(compile("assert False", "<assert>", "exec"), {})  # noqa: S102 - compiled as this process compiles suites
    except AssertionError:
        return sys.flags.optimize == 0
    return False


def _called_by_pytest() -> bool:
    """Whether the hook that is running was called by pytest itself: by its options -k, -m, --deselect or --last-failed.

    The hook does not say who called it, so the first frame outside of the plugin machinery has to.
    """
    frame = sys._getframe(1)
    while frame.f_back is not None:
        frame = frame.f_back
        module = str(frame.f_globals.get("__name__", ""))
        if module != __name__ and not module.startswith("pluggy"):
            return module.startswith(_SELECTING)
    return False


def _files(config: pytest.Config) -> Iterator[Path]:
    """The files of tests in the folders that are collected, whether pytest is let see them or not."""
    patterns = config.getini("python_files")
    for argument in config.args:
        # as pytest makes it: without following links
        folder = os.path.abspath(config.invocation_params.dir / argument)  # noqa: PTH100
        for found, folders, names in os.walk(folder):
            folders[:] = [one for one in folders if not _hidden(Path(found, one))]
            matching = (name for name in sorted(names) if any(fnmatch.fnmatch(name, one) for one in patterns))
            yield from (Path(found, name) for name in matching)


def _hidden(folder: Path) -> bool:
    return any(fnmatch.fnmatch(folder.name, one) for one in _NO_SUITE) or (folder / "pyvenv.cfg").is_file()


def _ignored(path: Path, config: pytest.Config) -> bool:
    """Whether an option of the command line leaves the file out."""
    ignored = [config.invocation_params.dir / one for one in config.getoption("ignore") or ()]
    globs = config.getoption("ignore_glob") or ()
    return any(path.is_relative_to(one) for one in ignored) or any(
        fnmatch.fnmatch(str(path), f"*{one}") for one in globs
    )


def _refuse_unknown_markers(config: pytest.Config) -> None:
    """Refuse ``-m`` with a marker that does not exist: it would select nothing, and nothing would fail.

    Raises:
        pytest.UsageError: with the markers that there are.
    """
    known = {re.split(r"[:(]", line, maxsplit=1)[0].strip() for line in config.getini("markers")}
    expression = re.sub(r"\([^()]*=[^()]*\)", "", config.getoption("markexpr") or "")  # a marker's arguments
    named = set(re.findall(r"[\w:.\[\]+/\\-]+", expression)) - {"and", "or", "not", "True", "False", "None"}
    if unknown := sorted(named - known):
        raise pytest.UsageError(
            f"-m {config.getoption('markexpr')!r}: there is no marker {', '.join(unknown)}; "
            f"known are: {', '.join(sorted(known))}"
        )
