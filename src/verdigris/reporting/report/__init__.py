"""The records that people read: a page and a summary from what a release left in its folder.

::

    files  ->  verdict, timeline, suites, probe  ->  view  ->  plot, page  ->  report.html, summary.md
    read       pure                                  frozen    rendering       written here
"""

from pathlib import Path

from verdigris.reporting.report import files, page
from verdigris.state.journal import write_durably

__all__ = ["write"]

REPORT = "report.html"
SUMMARY = "summary.md"


def write(folder: Path) -> Path:
    """Write ``report.html`` and ``summary.md`` into a release's folder.

    Args:
        folder: what a release left; only its ``release.json`` must be whole, whatever else is missing is said.

    Returns:
        The path of ``report.html``.

    Raises:
        VerdigrisError: where ``release.json`` is missing or cannot be understood.
        OSError: where the folder cannot be written.
    """
    found = files.read(folder)
    names = ("release.json", "probe.jsonl", "candidate.log")
    links = tuple(link for name in names if (link := files.link(folder, folder / name)))
    shown = page.view(found, links)
    write_durably(folder / SUMMARY, page.markdown(shown))
    write_durably(folder / REPORT, page.html(shown))
    return folder / REPORT
