"""What the person chose to run, as the command says it: taken before any conftest can change an option.

A run by hand may leave tests out; the summary says so. A conftest or the project's ``addopts`` that sets the same
option has chosen nothing: no release would leave those tests out.
"""

import os
import re
import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

_OPTIONS = {
    "keyword": r"-\w*k",
    "markexpr": r"-\w*m",
    "deselect": "--deselect",
    "ignore": r"--ignore(=|$)",
    "ignore_glob": "--ignore-glob",
    "lf": "--lf|--last-failed",
    "stepwise": "--sw|--stepwise",
}
"""How each option is typed."""
_RUNS_NOTHING = {
    "collectonly": "--co$|--collect-?only",
    "showfixtures": "--fixtures$|--funcargs",
    "show_fixtures_per_test": "--fixtures-per-test",
    "cacheshow": "--cache-show",
    "markers": "--markers",
    "help": r"-\w*h$|--help",
    "version": r"-\w*V|--version",
}
"""The same of those with which no test runs."""


@dataclass(frozen=True)
class Selection:
    """The words of the command."""

    words: tuple[str, ...]
    """Options and paths that leave tests out; none if whole suites are meant."""
    marker: str
    """The expression of ``-m``."""
    collects_only: bool
    """Whether no test is to run at all."""

    @classmethod
    def of(cls, config: pytest.Config) -> "Selection":
        """Read the options."""
        typed = [str(word) for word in config.invocation_params.args]
        typed += shlex.split(os.environ.get("PYTEST_ADDOPTS", ""))

        def by_hand(name: str) -> str:
            found = [word for word in typed if re.match({**_OPTIONS, **_RUNS_NOTHING}[name], word)]
            return found[0].partition("=")[0] if found and getattr(config.option, name, None) else ""

        words = [by_hand(name) for name in _OPTIONS if name != "markexpr"]
        if config.args_source is pytest.Config.ArgsSource.ARGS:
            words += config.args
        only = any(map(by_hand, _RUNS_NOTHING))
        return cls(tuple(filter(None, words)), config.option.markexpr if by_hand("markexpr") else "", only)


SELECTION: pytest.StashKey[Selection] = pytest.StashKey()


def keep_strictness(config: pytest.Config) -> None:
    """Bring back the warning filters of the project's ``addopts``, which a release's run does not have.

    ``addopts`` may select tests, so a release runs without it; a filter in it that makes warnings errors makes the
    suites stricter, and a release is never laxer than the project's own pytest.
    """
    if "addopts=" not in (config.getoption("override_ini") or ()) or config.inipath is None:
        return
    words, filters = _addopts(config.inipath), []
    for number, word in enumerate(words):
        following = words[number + 1] if number + 1 < len(words) else ""
        if word in ("-W", "--pythonwarnings"):
            filters.append(following)
        elif word.startswith(("-W", "--pythonwarnings=")):
            filters.append(word.removeprefix("--pythonwarnings=").removeprefix("-W"))
        elif word == "-o" and following.startswith("filterwarnings="):
            filters.append(following.partition("=")[2])
    for one in filters:
        config.addinivalue_line("filterwarnings", one)


def _addopts(path: Path) -> list[str]:
    if path.suffix == ".toml":
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        table = content.get("tool", content).get("pytest", {})
        found = {**table, **table.get("ini_options", {})}.get("addopts", "")
        return [str(word) for word in found] if isinstance(found, list) else shlex.split(str(found))
    import iniconfig

    ini = iniconfig.IniConfig(str(path))
    sections = ("tool:pytest", "pytest") if path.name == "setup.cfg" else ("pytest",)
    return [word for section in sections for word in shlex.split(str(ini.get(section, "addopts", default="")))]
