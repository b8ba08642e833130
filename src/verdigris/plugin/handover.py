"""``pytest --release VERSION`` is ``verdigris release VERSION``, and refuses whatever would select tests."""

import os

import pytest

_SELECTING = {
    "keyword": "-k",
    "markexpr": "-m",
    "deselect": "--deselect",
    "ignore": "--ignore",
    "ignore_glob": "--ignore-glob",
    "lf": "--lf",
    "failedfirst": "--ff",
    "newfirst": "--nf",
    "stepwise": "--sw",
    "maxfail": "-x or --maxfail",
    "collectonly": "--collect-only",
    "runxfail": "--runxfail",
    "candidate": "--candidate",
    "target": "--target",
    "expect": "--expect",
}


def release(config: pytest.Config) -> int:
    """Run the release; its exit status."""
    chosen = [option for name, option in _SELECTING.items() if config.getoption(name, None)]
    if config.args_source is pytest.Config.ArgsSource.ARGS:
        chosen.append("paths of tests")
    if os.environ.get("PYTEST_ADDOPTS"):
        chosen.append("PYTEST_ADDOPTS")
    if chosen:
        raise pytest.UsageError(
            f"--release runs every test that the environment requires; not accepted beside it: {', '.join(chosen)}"
        )
    environment = config.getoption("--env")
    if not environment:
        raise pytest.UsageError("--release needs --env NAME: which environment is meant?")
    from verdigris.cli import main

    words = ["release", config.getoption("--release"), "--env", environment]
    if settings := config.getoption("--settings"):
        words += ["--settings", settings]
    return main(words)
