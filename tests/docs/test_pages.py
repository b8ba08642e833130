"""The pages say what is so: links lead somewhere, commands exist, and the reference is that of the code."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from verdigris.cli import verdigris
from verdigris.errors import ExitStatus
from verdigris.plugin import pytest_addoption

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def generator() -> ModuleType:
    """``docs/generate.py``, which is no package."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def commands(text: str, program: str) -> list[str]:
    """What follows a program's name at the start of a command: in a block, or in code."""
    return re.findall(rf"(?m)(?:^\s*(?:\$ |- run: |run: )?|`){program} ([^\n`]*)", text)


@pytest.mark.parametrize("document", PAGES, ids=NAMES)
def test_every_link_leads_to_a_file(document: Path) -> None:
    """A link of a page names a file of the repository."""
    missing = [
        link
        for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text())
        if not link.startswith(("http://", "https://", "#")) and not (document.parent / link.partition("#")[0]).exists()
    ]
    assert not missing, f"{document.name} links to what is not there: {missing}"


@pytest.mark.parametrize("document", PAGES, ids=NAMES)
def test_every_verb_and_option_exists(document: Path) -> None:
    """``verdigris VERB --option`` is a command of this version, with that option."""
    for words in commands(document.read_text(), "verdigris"):
        verbs = (
            [word.strip() for word in re.split(r"\s--|#", words)[0].split("|")]
            if " | " in words
            else [words.split()[0]]
        )
        for verb in verbs:
            if verb.startswith("-"):
                continue
            assert verb in verdigris.commands, f"{document.name}: verdigris {words}"
            known = {option for one in verdigris.commands[verb].params for option in one.opts} | {"--help"}
            for option in re.findall(r"(?<=\s)(--[a-z-]+)", words.partition("#")[0]):
                assert option in known, f"{document.name}: verdigris {verb} has no {option}"


def test_the_reference_is_that_of_the_code() -> None:
    """Settings, exit status and command line are as the code has them; ``python docs/generate.py`` writes them anew."""
    for name, text in generator().pages().items():
        assert (ROOT / "docs" / "reference" / name).read_text() == text, f"run: python docs/generate.py ({name})"


def test_the_table_of_exit_statuses_is_the_enum() -> None:
    """One row a status, each with its meaning."""
    rows = re.findall(r"(?m)^\| (\d+) \| (.*) \|$", (ROOT / "docs" / "reference" / "exit-status.md").read_text())
    assert rows == [(str(int(status)), status.meaning) for status in ExitStatus]


def test_every_option_of_the_plugin_is_described() -> None:
    """What the plugin adds to pytest stands on the page of the command line."""
    parser = pytest.Parser(_ispytest=True)
    pytest_addoption(parser)
    text = (ROOT / "docs" / "reference" / "command-line.md").read_text()
    for option in parser.getgroup("verdigris").options:
        assert f"| `{option.names()[0]} " in text


def test_no_page_names_a_folder_of_a_machine() -> None:
    """Nothing in the pages is true of one machine alone."""
    for page in PAGES:
        found = re.search(r"(?<![\w/.])/(?:home|root|Users|work|var/tmp|tmp)/\S+", page.read_text())
        assert found is None, f"{page.name}: {found[0] if found else ''}"
