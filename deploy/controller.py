"""The one process that changes an environment: it holds the lock, journals each state, then lets the flow act on it.

Everything here is order: lock, recover, journal, act, record. What is decided is decided in :mod:`deploy.release`.
"""

import contextlib
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from deploy import recovery
from deploy.audit import AuditLog, entry
from deploy.diagnose import last_words
from deploy.errors import ExitStatus, PlatformError, Refused, UsageError, VerdigrisError
from deploy.gate import Gate
from deploy.journal import Confirmed, JournalStore, actor
from deploy.model import Deployment, Kind, Objection, Outcome, Record, Step, now
from deploy.notify import notify
from deploy.platform import Platform, open_platform
from deploy.prepare import prepare
from deploy.probe import Probe
from deploy.redact import Redactor, secrets
from deploy.rolling import by_strategy
from deploy.settings import Settings
from deploy.tools import Flow, Signals, Tools
from deploy.verify import Verifier
from deploy.watcher import Silent, Watcher

VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


class Controller:
    """Acts on one environment."""

    def __init__(
        self,
        settings: Settings,
        environment: str,
        watcher: Watcher | None = None,
        platform: Platform | None = None,
        journal: JournalStore | None = None,
    ) -> None:
        self.settings = settings
        self.name = environment
        self.environment = settings.environment(environment)
        self.platform = platform or open_platform(settings, environment)
        self.journal = journal or self.platform.journal
        self.audit = AuditLog(self.platform.root / "audit.jsonl")
        self.watcher = watcher or Silent()
        self.platform.told = self.watcher.told
        self.signals = Signals()
        self.redactor = Redactor(secrets(self.environment, settings.root))

    # --- what a person asks for --------------------------------------------------------------------------------

    def release(self, version: str, fewer_tests: str | None = None) -> Record:
        """Release a version; the finished record says what it came to.

        Raises:
            Refused: where another run holds the environment.
            UsageError: where there is no such version.
        """
        self._check(version)
        with self._acting(f"release of {version}"):
            record = self._new("release", version)
            if fewer_tests:
                record = record.with_changes(notes={**record.notes, "fewer tests": fewer_tests})
            tools = self._tools(record, fewer_tests)
            return self._drive(record, by_strategy(record, tools))

    def rollback(self, reason: str = "") -> Record:
        """Move the users back to the release that was live before."""
        with self._acting("rollback"):
            to = recovery.previous(self.platform, self.journal.read().previous)
            record = self._new("rollback", to.release.version if to else "none")
            if reason:
                record = record.with_changes(notes={**record.notes, "reason": reason})
            return self._drive(record, recovery.rollback(record, self._tools(record), to))

    def recover(self) -> Record | None:
        """Bring what a dead run left to an end; ``None`` where it left nothing."""
        with self._acting("recover", recover=False):
            return self._recover()

    @contextlib.contextmanager
    def candidate(self, version: str) -> Iterator[Deployment]:
        """A version stood up in the idle color for the time of the block, under the same lock and journal."""
        self._check(version)
        with self._acting(f"candidate {version}", receive=_interrupt):
            record = self._new("candidate", version)
            traffic = self.platform.live()
            color = recovery.idle_color(traffic, self.platform.places)
            live = self.platform.standing(traffic.color) if traffic.color else None
            record = record.with_changes(live=live, candidate=color)
            self._write(record)
            try:
                prepared, _ = prepare(record, self._tools(record))
                if prepared.objections or prepared.release is None:
                    raise Refused("; ".join(objection.text for objection in prepared.objections))
                found = prepared.release
                record = record.with_changes(release=found).at(
                    Step.MIGRATE, f"the database goes to what {version} needs"
                )
                self._write(record)
                self.platform.migrate(found)
                record = record.at(Step.DEPLOY, f"{version} into {color}, which serves nobody")
                self._write(record)
                yield self.platform.stand_up(found, color, record.generation)
            finally:
                if record.step is Step.DEPLOY:
                    self.platform.retire(color)
                done = record.at(Step.DONE, "taken down", outcome=Outcome.HELD, exit_status=ExitStatus.CONFIRMED)
                self._write(done)

    # --- how it is done ----------------------------------------------------------------------------------------

    def folder(self, record: Record) -> Path:
        """Where the records of a release stand."""
        return self.settings.root / self.settings.reports / record.id

    @contextlib.contextmanager
    def _acting(
        self, action: str, *, recover: bool = True, receive: Callable[[str], None] | None = None
    ) -> Iterator[None]:
        with self.journal.lock(action), self._signals(receive or self.signals.receive):
            if recover:
                self._recover()
            yield

    @contextlib.contextmanager
    def _signals(self, take: Callable[[str], None]) -> Iterator[None]:
        """Own handlers for SIGINT and SIGTERM, also where the starter ignored them (fault 6)."""

        def receive(number: int, _frame: object) -> None:
            take(signal.Signals(number).name)

        before = {}
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(ValueError):  # not in the main thread: its owner has the signals
                before[number] = signal.signal(number, receive)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _check(self, version: str) -> None:
        if not VERSION.fullmatch(version):
            raise UsageError(f"{version!r} is not a version: letters, digits, and . _ + - are accepted")

    def _new(self, action: str, version: str) -> Record:
        generation = self.journal.next_generation()
        started = now()
        stamp = re.sub(r"[^0-9T]", "", started)[:15]
        return Record(
            id=f"{self.name}-{stamp}-{generation}-{action if action != 'release' else version}",
            action=action,
            environment=self.name,
            version=version,
            actor=actor(),
            generation=generation,
            started=started,
            required=self.environment.suites,
            notes=self._facts(),
        ).at(Step.PREPARE, "the lock, who is live, the artifact, every test")

    def _facts(self) -> dict[str, str]:
        """What every verdict says of the environment's settings."""
        left_out = [suite for suite in self.settings.suites if suite not in self.environment.suites]
        profiles = {"watch": self.environment.watch.profile}
        if "performance" in self.environment.suites:
            profiles["load"] = self.settings.checks_of(self.name).load.profile
        return {
            "application": self.settings.application,
            "left out": ", ".join(left_out) or "nothing",
            "profile": ", ".join(f"{what} {profile}" for what, profile in profiles.items()),
        }

    def _tools(self, record: Record, acknowledged: str | None = None) -> Tools:
        folder, watch = self.folder(record), self.environment.watch
        gate = Gate(self.settings, self.name, self.platform)
        header = self.settings.identity.header
        return Tools(
            platform=self.platform,
            environment=self.environment,
            verifier=Verifier(gate, folder, self.journal.read().confirmed, acknowledged, self.watcher.suite),
            probe=lambda: Probe(self.platform.users(), watch.path, watch.rate, header, folder / "probe.jsonl"),
            generation=record.generation,
            signals=self.signals,
            told=lambda text: self.watcher.told(self.redactor.text(text)),
            watched=self.watcher.watched,
        )

    def _recover(self) -> Record | None:
        """End what a dead run left, then take what a person did by hand as it is."""
        record = self._recover_run()
        if adopted := self.platform.adopt():
            self.watcher.told(adopted)
            self.audit.append(
                entry(
                    actor=actor(),
                    action="adopt",
                    environment=self.name,
                    release=f"{self.name}-adopted-{re.sub(r'[^0-9T]', '', now())[:15]}",
                    from_identity=None,
                    to_identity=identity.header() if (identity := self.platform.live().identity) else None,
                    outcome="adopted",
                    exit_status=ExitStatus.CONFIRMED,
                    reason=adopted,
                )
            )
        return record

    def _recover_run(self) -> Record | None:
        record = self.journal.read().record
        if record is None:
            return None
        if record.finished:
            self._ensure_audited(record)
            self.platform.settled()
            return None
        self.watcher.told(f"{record.action} {record.version} was left at {record.step}; recovering")
        self.redactor.files(self.folder(record))  # its suites died before theirs were
        generation = self.journal.next_generation()
        tools = self._tools(record.with_changes(generation=generation))
        return self._drive(record, recovery.recover(record, tools))

    def _drive(self, record: Record, flow: Flow) -> Record:
        """Journal each record, then let the flow go on to its effect; at the end leave the records people read."""
        try:
            with contextlib.closing(flow):  # type: ignore[type-var]
                for yielded in flow:
                    record = self._redacted(yielded)
                    self._write(record)
                    self.watcher.record(record)
        except VerdigrisError as error:
            if record.switched or record.step in (Step.SWITCH, Step.ROLLBACK, Step.SETTLE):
                raise PlatformError(
                    f"{self.redactor.text(str(error))}; who has the users is not known: run 'verdigris recover'"
                ) from error
            kind = Kind.REFUSED if isinstance(error, (Refused, UsageError)) else Kind.NOT_CONCLUSIVE
            record = record.objecting(Objection(rule="refused", kind=kind, text=self.redactor.text(str(error))))
            record = record.at(Step.DONE, "refused", outcome=Outcome.REFUSED, exit_status=error.exit_status)
            self._write(record)
            self.watcher.record(record)
        self._leave_records(record)
        try:
            self.platform.settled()
        except VerdigrisError as error:  # the next command does it; the outcome stands
            self.watcher.told(f"what was held for the release is still held: {error}")
        return record

    def _redacted(self, record: Record) -> Record:
        """The record without the environment's secrets: messages hold what applications and migrations said."""
        said = record.model_dump(include={"objections", "timeline", "notes"})
        return Record.model_validate(record.model_dump() | self.redactor.value(said))

    def _write(self, record: Record) -> None:
        journal = self.journal.read()
        changes: dict[str, object] = {"record": record}
        if record.finished and record.outcome is Outcome.CONFIRMED:
            changes["confirmed"] = Confirmed(release_id=record.id, version=record.version, tests=record.tests)
            changes["previous"] = record.live
        self.journal.write(journal.model_copy(update=changes))

    def _leave_records(self, record: Record) -> None:
        """Audit, report, notification: none of them can change the outcome (faults 43 and 44)."""
        self._attempt("audit log", lambda: self._ensure_audited(record))
        folder = self.folder(record)
        written: list[Path] = []

        def report() -> None:
            from deploy import report as report_module

            folder.mkdir(parents=True, exist_ok=True)
            (folder / "release.json").write_text(record.model_dump_json(indent=1), encoding="utf-8")
            if said := last_words(record, self.platform):
                (folder / "candidate.log").write_text(self.redactor.text(said) + "\n", encoding="utf-8")
            written.append(report_module.write(folder))

        self._attempt("report", report)
        problem = notify(self.environment, record, written[0] if written else None, self.settings.root)
        if problem:
            self.watcher.told(problem)

    def _attempt(self, what: str, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # noqa: BLE001 - whatever it is, the outcome stands and is said
            print(f"verdigris: the {what} could not be written: {error}", file=sys.stderr)  # noqa: T201

    def _ensure_audited(self, record: Record) -> None:
        """One line for each finished record, also where a run died between the journal and the log."""
        if record.action == "candidate" or self.audit.mentions(record.id):
            return
        old = record.live.identity if record.live else None
        new = record.release.identity(record.candidate) if record.release and record.candidate else None
        self.audit.append(
            entry(
                actor=record.actor,
                action=record.action,
                environment=record.environment,
                release=record.id,
                from_identity=old.header() if old else None,
                to_identity=new.header() if new else None,
                outcome=str(record.outcome),
                exit_status=record.exit_status,
                reason="; ".join(objection.text for objection in record.objections)[:2000],
            )
        )


def _interrupt(_name: str) -> None:
    """Under pytest both signals end the run in pytest's own way, which takes the candidate down."""
    raise KeyboardInterrupt


@contextlib.contextmanager
def candidate(settings: Settings, environment: str, version: str) -> Iterator[Deployment]:
    """A candidate for ``pytest --candidate``; taken down at the end of the block."""
    with Controller(settings, environment).candidate(version) as deployment:
        yield deployment
