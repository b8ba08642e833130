"""Reports of every outcome, written once for the tests that only read them."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from verdigris.reporting import report

from . import folders
from .page import Page, parse


@dataclass(frozen=True)
class Written:
    """A folder after its report was written."""

    folder: Path
    html: str
    summary: str

    @property
    def page(self) -> Page:
        return parse(self.html)


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Written]:
    """The reports by the name of the folder's maker."""
    root, found = tmp_path_factory.mktemp("reports"), {}
    for name, make in {**folders.ALL, "minimal": folders.minimal}.items():
        folder = make(root / name)
        path = report.write(folder)
        found[name] = Written(
            folder, path.read_text(encoding="utf-8"), (folder / "summary.md").read_text(encoding="utf-8")
        )
    return found
