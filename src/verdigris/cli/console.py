"""What a person sees while a release goes on: a line a state, and the present suite's progress on a terminal.

In a CI log every line stands for itself: no cursor, no color, and no text of an application can make a workflow
command.
"""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from verdigris.errors import ExitStatus
from verdigris.model import Outcome, Record, Step
from verdigris.redaction.printable import clean
from verdigris.suites.evidence import Evidence

if TYPE_CHECKING:
    from rich.console import Console as RichConsole

_WIDEST = 220
_STYLE = {
    Outcome.CONFIRMED: "bold green",
    Outcome.HELD: "bold yellow",
    Outcome.ROLLED_BACK: "bold yellow",
    Outcome.REFUSED: "bold yellow",
    Outcome.PERSON_NEEDED: "bold red",
}


def _rich(*, stderr: bool = False) -> "RichConsole":
    from rich.console import Console as RichConsole

    return RichConsole(stderr=stderr, highlight=False, soft_wrap=True, markup=False)


class Console:
    """A watcher that prints; implements :class:`verdigris.progress.Watcher`."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.console = _rich(stderr=quiet)
        self.live = self.console.is_terminal
        self.began = time.monotonic()
        self.transient = False
        self.last = 0.0

    def record(self, record: Record) -> None:
        """Print the state that is entered."""
        if record.step is Step.DONE:
            self.clear()
            return
        self._line(f"{record.step:<9}", record.timeline[-1].text, "bold cyan")

    def told(self, text: str) -> None:
        """Print a line of its own."""
        self._line(" " * 9, text, "")

    def suite(self, suite: str, evidence: Evidence) -> None:
        """Show how far a suite is."""
        total = len(evidence.collected.ids) if evidence.collected else 0
        failed = evidence.count("failed", "error")
        self._show(f"{suite}: {len(evidence.tests)} of {total}" + (f", {failed} failed" if failed else ""))

    def watched(self, seconds: float, samples: int, lost: int) -> None:
        """Show how the watch gets on."""
        self._show(f"watched {seconds:.0f} s, {samples} probes, {lost} lost")

    def _line(self, head: str, text: str, style: str) -> None:
        self.clear()
        lines = clean(text).splitlines() or [""]
        self.console.print(f"{time.monotonic() - self.began:6.1f} s  ", style="dim", end="")
        self.console.print(f"{head}  ", style=style, end="")
        self.console.print(lines[0])
        for line in lines[1:]:
            self.console.print(" " * 21 + line)

    def _show(self, text: str) -> None:
        if not self.live or time.monotonic() - self.last < 0.1:
            return
        self.last = time.monotonic()
        self.clear()
        sys.stdout.write(f"\r{'':21}{clean(text)}"[: max(20, self.console.width - 1)])
        sys.stdout.flush()
        self.transient = True

    def clear(self) -> None:
        """Take the passing line off the terminal."""
        if self.transient:
            sys.stdout.write("\r\x1b[2K")
            sys.stdout.flush()
            self.transient = False


def _short(text: str) -> str:
    """One line of a terminal or two; the report has the whole of it."""
    return text if len(text) <= _WIDEST else f"{text[:_WIDEST]} ..."


def conclusion(record: Record, report: Path | None) -> None:
    """Print the verdict, its reasons, and where the records are."""
    console = _rich()
    status = record.exit_status
    console.print()
    console.print(f"{record.outcome}".upper(), style=_STYLE.get(record.outcome, "") if record.outcome else "", end="")
    console.print(clean(f"  {record.action} of {record.version} to {record.environment}"), end="")
    asked = record.action == "rollback" and status is ExitStatus.CONFIRMED
    meaning = "as asked: the users are back" if asked else status.meaning if status is not None else ""
    console.print(f" (exit {int(status)}: {meaning})" if status is not None else "")
    for objection in record.objections:
        where = f"{objection.suite}: " if objection.suite else ""
        said = clean(objection.text).splitlines() or [""]
        console.print(clean(f"  - {where}{objection.kind}: {said[0]}"))
        for line in said[1:]:
            console.print(f"      {line}")
    for name, text in record.notes.items():
        console.print(clean(f"  {name}: {text}"), style="bold red" if name == "journal" else "dim")
    if report is not None:
        console.print(clean(f"  report: {report}"))
