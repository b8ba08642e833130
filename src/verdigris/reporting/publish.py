"""What a run leaves for people: a line in the audit log, a report, a notification. None of them changes the outcome."""

import contextlib
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from verdigris import private_files
from verdigris.errors import ExitStatus
from verdigris.model import Identity, Record, now, storable
from verdigris.platform import Platform
from verdigris.redaction.printable import shown
from verdigris.redaction.redactor import Redactor
from verdigris.reporting.candidate_log import last_words
from verdigris.reporting.notify import notify
from verdigris.settings import Settings
from verdigris.state.audit import entry
from verdigris.state.journal import actor

TRACEBACK_FRAMES = 40
"""How many frames of what broke a run off are kept."""


class Records:
    """The records of one environment (faults 43 and 44).

    Args:
        told: where a notification could not be sent, that is said here.
    """

    def __init__(
        self, settings: Settings, name: str, platform: Platform, redactor: Redactor, told: Callable[[str], None]
    ) -> None:
        self.settings = settings
        self.name = name
        self.platform = platform
        self.redactor = redactor
        self.told = told
        self.audit = platform.audit
        self.notified: set[tuple[str, str]] = set()
        """Runs and outcomes that somebody was notified of: a run that is finished in several attempts is told once."""

    def folder(self, record: Record) -> Path:
        """Where the records of a release stand."""
        return self.settings.root / self.settings.reports / record.id

    def leave(self, record: Record, failure: BaseException | None = None) -> None:
        """Report and notification of a finished run.

        Args:
            failure: what broke it off; its traceback is kept beside the report.
        """
        written: list[Path] = []
        if failure is not None:
            _attempt("traceback", lambda: self._keep_traceback(record, failure))
        _attempt("report", lambda: written.append(self._report(record)))
        self.notify(record, written[0] if written else None)

    def notify(self, record: Record, report: Path | None = None) -> None:
        """Tell whoever the settings name."""
        key = (record.id, str(record.outcome))
        if key in self.notified:
            return
        self.notified.add(key)
        if problem := notify(self.settings.environment(self.name), record, report, self.settings.root, self.redactor):
            self.told(problem)

    def _keep_traceback(self, record: Record, failure: BaseException) -> None:
        folder = self.folder(record)
        private_files.folder(folder)
        said = storable("".join(traceback.format_exception(failure, limit=-TRACEBACK_FRAMES)))
        private_files.write(folder / "broke-off.txt", self.redactor.text(said))

    def _report(self, record: Record) -> Path:
        from verdigris.reporting import report as report_module

        folder = self.folder(record)
        private_files.folder(folder)
        private_files.write(folder / "release.json", record.model_dump_json(indent=1))
        if said := last_words(record, self.platform):
            private_files.write(folder / "candidate.log", self.redactor.text(said) + "\n")
        return report_module.write(folder)

    def ensure_audited(self, record: Record) -> None:
        """One line for each finished record, also where a run died between the journal and the log."""
        if record.action == "candidate" or self.audit.mentions(record.id):
            return
        old = record.live.identity if record.live else None
        self.audit.append(
            entry(
                actor=record.actor,
                action=record.action,
                environment=record.environment,
                release=record.id,
                from_identity=old.header() if old else None,
                to_identity=_tried(record),
                outcome=str(record.outcome),
                exit_status=record.exit_status,
                reason="; ".join(objection.text for objection in record.objections)[:2000],
            )
        )

    def adopted(self, what: str, identity: Identity | None) -> None:
        """A line for what a person did by hand and a run took as it is."""
        self.audit.append(
            entry(
                actor=actor(),
                action="adopt",
                environment=self.name,
                release=f"{self.name}-adopted-{re.sub(r'[^0-9T]', '', now())[:15]}",
                from_identity=None,
                to_identity=identity.header() if identity else None,
                outcome="adopted",
                exit_status=ExitStatus.CONFIRMED,
                reason=what,
            )
        )


def _tried(record: Record) -> str | None:
    """The identity that users were to meet, as much of it as is known of a run that ended early."""
    if record.release is not None and record.candidate is not None:
        return record.release.identity(record.candidate).header()
    if record.action == "rollback":
        return None  # there was nothing to go back to
    color = f"color={record.candidate};" if record.candidate is not None else ""
    return f"{color}version={record.version}"


def _attempt(what: str, action: Callable[[], None]) -> None:
    try:
        action()
    except Exception as error:  # noqa: BLE001 - whatever it is, the outcome stands and is said
        with contextlib.suppress(Exception):  # a standard error that is closed changes no outcome either
            said = shown(f"verdigris: the {what} could not be written: {error}")
            print(said, file=sys.stderr)  # noqa: T201
