"""The one process that changes an environment: it holds the lock, journals each state, then lets the flow act on it.

Everything here is order: lock, recover, journal, act, record. What is decided is decided in :mod:`verdigris.flow`.
"""

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from verdigris.errors import Conflict, ExitStatus, PlatformError, Refused, UsageError
from verdigris.flow import recovery
from verdigris.flow.context import Flow, Tools, beating, in_words, noting, objecting, unknown
from verdigris.flow.prepare import located, prepare
from verdigris.flow.rolling import by_strategy
from verdigris.flow.safeguard import Safeguard
from verdigris.model import Deployment, Kind, Outcome, Record, Step, Traffic, now
from verdigris.platform import Platform, open_platform
from verdigris.progress import Watcher
from verdigris.session import Session
from verdigris.settings import Settings
from verdigris.state.alarm import alarm, refusal
from verdigris.state.journal import JournalStore, actor
from verdigris.state.unconfirmed import Unconfirmed
from verdigris.suites.execution import Gate
from verdigris.suites.verifier import Verifier
from verdigris.watch.probe import Probe

PROBE_SECONDS = 2.0
"""How long the probe's last requests are waited for, all of them together."""
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


class Controller(Session):
    """Acts on one environment."""

    def __init__(
        self,
        settings: Settings,
        environment: str,
        watcher: Watcher | None = None,
        platform: Platform | None = None,
        journal: JournalStore | None = None,
    ) -> None:
        super().__init__(settings, environment, watcher, platform or open_platform(settings, environment), journal)
        self._probes: list[Probe] = []

    # --- what a person asks for --------------------------------------------------------------------------------

    def release(self, version: str, fewer_tests: str | None = None) -> Record:
        """Release a version; the finished record says what it came to.

        Raises:
            Refused: where another run holds the environment.
            UsageError: where there is no such version.
        """
        self._check(version)
        with self._acting(f"release of {version}"):
            self._await_secrets()
            record = self._new("release", version)
            if fewer_tests:
                record = record.with_changes(notes={**record.notes, "fewer tests": fewer_tests})
            return self._drive(record, partial(by_strategy, record), acknowledged=fewer_tests)

    def rollback(self, reason: str = "", to: str | None = None) -> Record:
        """Move the users back to the release that was live before, or to the one that is named.

        If that is what ends an interrupted run, nothing more is done: its record is the answer.

        Args:
            to: a version or a color; needed for a release that a rollback took the users away from.
        """
        with self._acting("rollback", recover=False):
            ended = self._recover_before_rollback()
            if ended is not None and ended.outcome is Outcome.ROLLED_BACK and to is None:
                return ended
            goal, refusal = self._insist(lambda: recovery.destination(self.platform, self.journal.read(), to))
            left = self._accepted(to)
            record = self._new("rollback", goal.release.version if goal else self.redactor.text(to or "none"))
            if reason:
                record = record.with_changes(notes={**record.notes, "reason": reason})
            if left is not None:
                here = left.deployment
                record = record.with_changes(
                    live=None, candidate=here.color, release=here.release, version=here.release.version, verified=True
                )
                return self._drive(record, lambda tools: recovery.accept(record, tools, left))
            if goal is not None:
                record = record.with_changes(candidate=goal.color, release=goal.release)
            return self._drive(record, lambda tools: recovery.rollback(record, tools, goal, refusal))

    def recover(self, ended: str = "") -> Record | None:
        """Bring what a dead run left to an end; ``None`` where it left nothing. What is overdue is retired.

        Where an earlier run ended with the word that a person is needed, its users are brought where they belong.

        Args:
            ended: why somebody ended the run; it stands in the record and in the audit log.

        Raises:
            PlatformError: if users are on a release that was not confirmed, and there is nothing to go back to.
        """
        with self._acting("recover", recover=False):
            record = self._recover(ended)
            if record is None or record.outcome is Outcome.HELD:  # of a rollback that died before it moved anybody
                record = self._again(insisting=record is None) or record
            self._attempt("a color whose rollback window is over is still there", self._retire_overdue)
            return record

    def _again(self, *, insisting: bool) -> Record | None:
        """Bring the users where an earlier run could not; ``None`` if they are where they belong.

        Raises:
            PlatformError: if there is nothing to go back to, and nothing else was recovered.
        """
        journal, traffic = self._insist(self.journal.read), self._live()
        last, left = journal.record, journal.exposed
        live: Deployment | None
        if left is not None and left.has(traffic):
            live, to = self.platform.standing(left.deployment.color) or left.deployment, left.before
            if to is None and insisting and (raised := alarm(journal, None, traffic, self.name)) is not None:
                raise PlatformError(f"{raised.text}; there is nothing to go back to: {raised.command}")
        elif last is not None and last.outcome is Outcome.PERSON_NEEDED and last.action == "rollback":
            live, to = last.live, _goal(last)
        else:
            return None
        if to is None:
            return None
        self.watcher.told(f"users are on {traffic.identity or traffic.color or 'nobody'}; they go to {to.identity}")
        record = self._new("rollback", to.release.version)
        record = record.with_changes(live=live, candidate=to.color, release=to.release, verified=True)
        return self._drive(record, partial(recovery.again, record))

    def _accepted(self, to: str | None) -> Unconfirmed | None:
        """What users were left on, if a person names it as what they are to be on, and it was verified."""
        if to is None:
            return None
        journal, traffic = self._insist(self.journal.read), self._live()
        left, standing = journal.exposed, self.platform.standing(traffic.color) if traffic.color else None
        if left is None or standing is None or not left.has(traffic) or not standing.verified:
            return None
        named = standing.release == left.deployment.release and to in (standing.release.version, str(standing.color))
        return left if named else None

    def _retire_overdue(self) -> None:
        if refusal(self.journal.read(), self.platform.live, self.name):
            return
        if overdue := recovery.retire_overdue(self.platform):
            self.watcher.told(f"{overdue.identity} is retired: its rollback window is over")

    @contextlib.contextmanager
    def candidate(self, version: str) -> Iterator[Deployment]:
        """A version stood up in the idle color for the time of the block, under the same lock and journal."""
        self._check(version)
        with self._acting(f"candidate {version}", receive=_interrupt):
            record = self._new("candidate", version)
            color = recovery.idle_color(self.platform.live(), self.platform.places)
            record = record.with_changes(candidate=color)
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
        return self.records.folder(record)

    @contextlib.contextmanager
    def _acting(
        self, action: str, *, recover: bool = True, receive: Callable[[str], None] | None = None
    ) -> Iterator[None]:
        with self._holding(action, receive):
            if recover:
                self._guard()
                if (record := self._recover()) is not None:
                    recovery.require_ended(record)
                self._require_confirmed()
            yield
            if not recover:  # users first
                self._guard()

    def _require_confirmed(self) -> None:
        """Stop while users are on a release that is neither confirmed nor asked for: the other color is all they have.

        Raises:
            Refused: with what ends it.
        """
        with _nothing_touched():
            if said := refusal(self._insist(self.journal.read), self._live, self.name):
                raise Refused(said)

    def _live(self) -> Traffic:
        return self._insist(self.platform.live)

    def _guard(self) -> None:
        """See that somebody finishes this run, or the next one, if it dies."""
        self._attempt("nobody finishes a run that dies", self.platform.guard)

    def _check(self, version: str) -> None:
        if not VERSION.fullmatch(version):
            raise UsageError(f"{version!r} is not a version: letters, digits, and . _ + - are accepted")

    def _new(self, action: str, version: str) -> Record:
        with _nothing_touched():
            generation = self._insist(self.journal.next_generation)
        started = now()
        stamp = re.sub(r"[^0-9T]", "", started)[:15]
        record = Record(
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
        return located(record, self.platform)

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

        def probe() -> Probe:
            users, out = self.platform.users(), folder / "probe.jsonl"
            self._probes.append(Probe(users, watch.path, watch.rate, header, out, self.redactor.text))
            return self._probes[-1]

        return Tools(
            platform=self.platform,
            environment=self.environment,
            verifier=Verifier(gate, folder, self.journal.read().confirmed, acknowledged, self.watcher.suite),
            probe=probe,
            generation=record.generation,
            signals=self.signals,
            told=self.watcher.told,
            watched=beating(self.journal.beat, self.watcher.watched),
        )

    def _recover(self, ended: str = "") -> Record | None:
        """End what a dead run left, then take what a person did by hand as it is."""
        record = self._recover_run(ended)
        self._insist(self._adopt)
        return record

    def _adopt(self) -> None:
        if adopted := self.platform.adopt():
            self.watcher.told(adopted)
            identity = self.platform.live().identity
            self._attempt("the audit log was not written", lambda: self.records.adopted(adopted, identity))

    def _recover_before_rollback(self) -> Record | None:
        """The same, but nothing of it keeps the users from going back, or comes before that."""
        found: list[Record | None] = []
        self._attempt("could not finish an interrupted run", lambda: found.append(self._recover_run(chores=False)))
        self._attempt("the live color is not known by name", self._adopt)
        return found[0] if found else None

    def _recover_run(self, ended: str = "", *, chores: bool = True) -> Record | None:
        with _nothing_touched():
            record = self._insist(self.journal.read).record
        if record is None:
            return None
        if record.finished:
            if chores:
                self._do_chores(record)
            return None
        self.watcher.told(f"{record.action} {record.version} was left at {record.step}; recovering")
        left = record.with_changes(generation=self._recovering_generation())
        if ended:
            left = objecting(left, "ended", Kind.NOT_CONCLUSIVE, ended)
        try:
            return self._drive(left, partial(recovery.recover, left), recovering=True)
        finally:  # its suites died before what they wrote was redacted; the users go first
            self._attempt("a file of its suites still holds what they wrote", partial(self._redact, record))

    def _drive(
        self,
        record: Record,
        begin: Callable[[Tools], Flow],
        *,
        recovering: bool = False,
        acknowledged: str | None = None,
    ) -> Record:
        """Run a flow to its end (:mod:`verdigris.flow.safeguard`), then leave the records people read.

        What takes its time and can change nothing (report, notification) follows when the lock is let go.
        """
        tools = partial(self._tools, acknowledged=acknowledged)
        entered, reserve = self.watcher.record, self._reserve
        guard = Safeguard(self.platform, self.journal, self._write, tools, self._redacted, entered, reserve)
        try:
            record = guard.drive(record, begin, recovering=recovering)
        except PlatformError as error:
            if guard.record.switched or guard.record.step in (Step.SWITCH, Step.ROLLBACK):
                text = self.redactor.text(str(error))
                self._afterwards.append(partial(self.records.notify, unknown(guard.record, text)))
            raise
        if guard.unkept is not None and not guard.durable.finished:
            text = f"it still says that this run stands at the step {guard.durable.step}: {in_words(guard.unkept)}"
            text = f"the journal cannot be written, and {text}; mend that, then run 'verdigris recover'"
            record = self._redacted(noting(record, "journal", text))
            self.watcher.told(text)
        self._await_secrets()
        self._attempt("the audit log was not written", partial(self.records.ensure_audited, record))
        self._attempt("what the probe saw was not kept", self._end_probes)
        if not isinstance(guard.failure, Conflict):  # whoever acts now holds what this run held
            self._attempt("what was held for the release is still held", self.platform.settled)
        self._afterwards.append(partial(self.records.leave, record, guard.failure))
        return record

    def _recovering_generation(self) -> int:
        """A new generation; if the disk is full it is not journaled, for users may be waiting to go back.

        Raises:
            Conflict: if another run acts.
        """
        try:
            return self._insist(self.journal.next_generation)
        except Conflict:
            raise
        except Refused as error:
            self.watcher.told(str(error))
            return self.journal.read().generation + 1

    def _do_chores(self, record: Record) -> None:
        """What a run that ended may have left undone."""
        self._attempt("the audit log was not written", partial(self.records.ensure_audited, record))
        self._attempt("what an earlier run left is still there", self.platform.tidy)
        self._attempt("what was held for the release is still held", self.platform.settled)

    def _redact(self, record: Record) -> None:
        self.redactor.files(self.folder(record))

    def _end_probes(self) -> None:
        """Wait for their last requests, all of them together, and keep what they saw."""
        deadline = time.monotonic() + PROBE_SECONDS
        while self._probes:
            self._probes.pop().finish(deadline)

    def _redacted(self, record: Record) -> Record:
        """The record without the environment's secrets: messages hold what applications and migrations said."""
        said = record.model_dump(include={"objections", "timeline", "notes"})
        return Record.model_validate(record.model_dump() | self.redactor.value(said))

    def _write(self, record: Record) -> None:
        self.journal.write(self.journal.read().with_record(record))


@contextlib.contextmanager
def _nothing_touched() -> Iterator[None]:
    """Before the first record there is nothing that could be unknown: the run is refused (fault 7)."""
    try:
        yield
    except PlatformError as error:
        raise Refused(f"{error}; nothing was touched") from error


def _goal(record: Record) -> Deployment | None:
    """Where a rollback was to bring the users."""
    if record.candidate is None or record.release is None:
        return None
    return Deployment(
        color=record.candidate,
        release=record.release,
        generation=record.generation,
        deployed=record.started,
        verified=True,
    )


def _interrupt(_name: str) -> None:
    """Under pytest both signals end the run in pytest's own way, which takes the candidate down."""
    raise KeyboardInterrupt


@contextlib.contextmanager
def candidate(settings: Settings, environment: str, version: str) -> Iterator[Deployment]:
    """A candidate for ``pytest --candidate``; taken down at the end of the block."""
    with Controller(settings, environment).candidate(version) as deployment:
        yield deployment
