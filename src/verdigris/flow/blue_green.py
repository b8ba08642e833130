"""The flow of a release: a generator of records.

Each record that is yielded says what is done next. The caller makes it durable and only then asks for the next one, so
the journal is always ahead of the world by at most one effect, and a dead process can be recovered.
"""

import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from verdigris.errors import Conflict, Interrupted, NotReady, VerdigrisError
from verdigris.flow.context import Beside, Flow, Tools, finish, noting, objecting
from verdigris.flow.prepare import prepare
from verdigris.flow.rollback import back
from verdigris.model import Deployment, Kind, Outcome, Record, Step, Traffic
from verdigris.platform import Platform
from verdigris.watch import monitor
from verdigris.watch.probe import Probe


def release(record: Record, tools: Tools) -> Flow:
    """Prove a version in the idle color, move the users to it, watch it, and take it back where the watch objects."""
    yield record
    probe = tools.probe()
    try:
        proved = yield from _prove(record, tools, probe)
        if proved is not None:
            yield from _move(proved, tools, probe)
    finally:
        probe.stop()


@dataclass(frozen=True)
class Proved:
    """A release that nothing objects to, about to get the users."""

    record: Record
    traffic: Traffic
    logged: int
    """How long the candidate's log is."""


def _prove(record: Record, tools: Tools, probe: Probe) -> Generator[Record, None, Proved | None]:
    """Everything before users are moved. Whatever ends it holds the release: they never met it."""
    try:
        with tools.signals.interruptible():
            record, traffic = prepare(record, tools)
        if record.objections:
            yield finish(record, Outcome.HELD)
            return None
        for step in (_migrate, _deploy, _verify):
            record = step(record)
            yield record
            with tools.signals.interruptible():
                record = _EFFECTS[step](record, tools)
            if record.objections:
                yield finish(record, Outcome.HELD)
                return None
        with tools.signals.interruptible():
            return Proved(record, traffic, _before_switch(record, tools, traffic, probe))
    except Interrupted as signal:
        record = objecting(record, "interrupted", Kind.NOT_CONCLUSIVE, f"{signal} arrived before the switch")
    except NotReady as error:
        record = objecting(record, "not-ready", Kind.FAILED, str(error))
    except Conflict as error:
        record = objecting(record, "conflict", Kind.REFUSED, str(error))
    yield finish(record, Outcome.HELD)
    return None


def _move(proved: Proved, tools: Tools, probe: Probe) -> Flow:
    """The switch and what follows it. From its write on no error means "held": users may be on the candidate."""
    platform, record = tools.platform, proved.record
    record = record.at(Step.SWITCH, f"users go to {record.candidate}")
    yield record
    try:
        deployment = candidate_of(record, platform)
        platform.hold_connections()
        written = time.monotonic()
        moved = platform.switch(deployment.color, proved.traffic, record.generation)
    except Conflict as error:  # of each of these calls it says that nothing was changed
        yield finish(objecting(record, "conflict", Kind.REFUSED, str(error)), Outcome.HELD)
        return
    observation = platform.observe(deployment.identity, written)
    start = monitor.start(probe, proved.logged)
    record = record.with_changes(switched=True)
    if observation.complete:
        seen = f"{observation.kept} answers on kept and {observation.fresh} on fresh connections"
        record = noting(record, "switch observed", f"{1000 * observation.seconds:.0f} ms, {seen}")
        yield from _switched(record, tools, deployment, moved, probe, start)
    else:
        text = f"the switch was not observed: {observation.reason}"
        yield from back(objecting(record, "switch", Kind.FAILED, text), tools, moved)


def _migrate(record: Record) -> Record:
    return record.at(Step.MIGRATE, f"the database goes to what {record.version} needs")


def _deploy(record: Record) -> Record:
    return record.at(Step.DEPLOY, f"{record.version} into {record.candidate}, which serves nobody")


def _verify(record: Record) -> Record:
    return record.at(Step.VERIFY, f"{', '.join(record.required)} against {record.candidate}")


def migrate(record: Record, tools: Tools) -> Record:
    """Bring the database to what the release needs."""
    assert record.release is not None  # noqa: S101
    return noting(record, "migration", tools.platform.migrate(record.release))


def _do_deploy(record: Record, tools: Tools) -> Record:
    assert record.release is not None and record.candidate is not None  # noqa: S101, PT018
    began = time.monotonic()
    tools.platform.stand_up(record.release, record.candidate, record.generation)
    return noting(record, "ready after", f"{time.monotonic() - began:.1f} s")


def verify(record: Record, tools: Tools) -> Record:
    """Run the required suites against the candidate, up to the first that objects, and remember that all passed."""
    deployment = candidate_of(record, tools.platform)
    instance = tools.platform.health(deployment.color).instance
    for suite in record.required:
        result, found = tools.verifier.run(suite, str(deployment.color), deployment, record.tests[suite])
        record = record.with_changes(suites=(*record.suites, result)).objecting(*found)
        if found:
            tools.told(f"{suite}: {result.verdict}")
            live, failed = record.live, any(objection.rule == "failure" for objection in found)
            if failed and live is not None and live.color is not deployment.color:
                control, said = tools.verifier.control(suite, live, record.tests[suite])
                record = record.with_changes(suites=(*record.suites, control)).objecting(*said)
            return _same_process(record, tools, deployment, instance)
        tools.told(f"{suite}: {result.passed} of {result.collected} passed in {result.seconds:.1f} s")
    record = _same_process(record, tools, deployment, instance)
    if record.objections:
        return record
    tools.platform.remember(deployment.model_copy(update={"verified": True}))
    return record.with_changes(verified=True)


def _same_process(record: Record, tools: Tools, deployment: Deployment, instance: str) -> Record:
    """An objection where the candidate ended or was restarted while it was verified."""
    health = tools.platform.health(deployment.color)
    if not health.running:
        return objecting(record, "candidate-gone", Kind.FAILED, f"the candidate stopped running: {health.reason}")
    if health.instance != instance:
        text = (
            f"the candidate was replaced or restarted while it was verified: {instance} before, {health.instance} now"
        )
        return objecting(record, "candidate-changed", Kind.NOT_VALID, text)
    return _same_release(record, tools.platform, deployment)


def _same_release(record: Record, platform: Platform, deployment: Deployment) -> Record:
    """An objection where what stands there is not the release any more that was looked at: somebody edited it."""
    standing = platform.standing(deployment.color)
    if standing is not None and standing.release == deployment.release:
        return record
    seen = f"{standing.release.version}, {standing.release.build}" if standing else "nothing"
    text = f"what stands in {deployment.color} was changed by somebody meanwhile: it is {seen}"
    return objecting(record, "candidate-changed", Kind.NOT_VALID, text)


_EFFECTS: dict[Callable[[Record], Record], Callable[[Record, Tools], Record]] = {
    _migrate: migrate,
    _deploy: _do_deploy,
    _verify: verify,
}


def _before_switch(record: Record, tools: Tools, traffic: Traffic, probe: Probe) -> int:
    """The last look: traffic and candidate are as they were; the users' probe runs. How long the candidate's log is."""
    deployment = candidate_of(record, tools.platform)
    if tools.platform.live().token != traffic.token:
        raise Conflict(f"traffic moved while the release was verified: it is now {tools.platform.live().token!r}")
    live = tools.platform.standing(record.live.color) if record.live else None
    if record.live is not None and (live is None or live.release != record.live.release):
        raise Conflict(f"what has the users in {record.live.color} was changed by somebody while this was verified")
    if not deployment.verified or deployment.generation != record.generation:
        raise Conflict(f"what stands in {deployment.color} is not what was verified")
    tools.platform.level(deployment.color)
    if record.live is not None:
        probe.start()
        probe.wait_for(int(tools.environment.watch.rate), 2.0)
    return tools.platform.log(deployment.color)[1]


def _switched(
    record: Record, tools: Tools, deployment: Deployment, moved: Traffic, probe: Probe, start: monitor.Start
) -> Flow:
    """The watch, and what follows from it; from here on a signal means: back."""
    platform = tools.platform
    record = record.at(Step.WATCH, f"for {tools.environment.watch.seconds:g} s ({tools.environment.watch.profile})")
    yield record
    if record.live is None:
        probe.start()
        probe.wait_for(1, 2.0)
    platform.hold_connections()  # now, so that a rollback need not ask the candidate for anything
    try:
        with tools.signals.interruptible():
            record = watch(record, tools, deployment, probe, start)
    except Interrupted as signal:
        record = objecting(record, "interrupted", Kind.NOT_CONCLUSIVE, f"{signal} arrived during the watch")
    except NotReady as error:
        record = objecting(record, "watch-once", Kind.FAILED, str(error))
    except (VerdigrisError, OSError) as error:  # a watch that cannot go on has not proven anything
        record = objecting(record, "watch", Kind.NOT_CONCLUSIVE, f"the watch broke off: {error}")
    if record.objections:
        yield from back(record, tools, moved)
        return
    yield from settle(record, tools)


def watch(record: Record, tools: Tools, deployment: Deployment, probe: Probe, start: monitor.Start) -> Record:
    """Watch the users on the candidate from ``start`` on, with smoke through their address beside it."""
    stop = threading.Event()
    first = "smoke" if "smoke" in record.required else record.required[0]
    frozen, name = record.tests[first], f"watch-{first}"
    run = Beside(lambda: tools.verifier.run(first, "live", deployment, frozen, name, stop))
    try:
        found = monitor.watch(
            deployment,
            tools.platform,
            tools.environment.watch,
            probe,
            lambda: run.result()[1] if run.done else None,
            tools.watched,
            start,
        )
    finally:
        stop.set()  # a rollback does not wait for a suite to end
    if run.done:
        record = record.with_changes(suites=(*record.suites, run.result()[0]))
    return record.objecting(*found) if found else _same_release(record, tools.platform, deployment)


def settle(record: Record, tools: Tools) -> Flow:
    """Confirmed: the old color drains and is kept for the rollback window."""
    record = record.at(Step.SETTLE, "confirmed; the old color drains")
    yield record
    if record.live is not None:
        record = drain(record, record.live, tools)
    yield finish(record, Outcome.CONFIRMED)


def drain(record: Record, old: Deployment, tools: Tools) -> Record:
    """Wait for the old color's open requests; keep it for the rollback window, or retire it where there is none."""
    platform, limit = tools.platform, tools.environment.drain_seconds
    deadline, quiet = time.monotonic() + limit, 0
    while quiet < 3 and time.monotonic() < deadline:
        quiet = quiet + 1 if platform.open_requests(old.color) == 0 else 0
        time.sleep(0.05)
    left = platform.open_requests(old.color)
    window = tools.environment.rollback_window
    if left:
        record = noting(
            record, "draining", f"{left} requests were still open on {old.color} after {limit:g} s; it stays"
        )
    if window == 0 and not left:
        platform.retire(old.color)
        return noting(record, "old color", f"{old.color} drained and retired")
    return noting(record, "old color", f"{old.color} is kept until {keep(old, tools)} for a rollback")


def keep(old: Deployment, tools: Tools) -> str:
    """Remember that what stands there had the users and may have them again; until when."""
    until = datetime.now(UTC) + timedelta(seconds=tools.environment.rollback_window)
    text = until.isoformat(timespec="seconds").replace("+00:00", "Z")
    standing = tools.platform.standing(old.color)
    if standing is not None:
        tools.platform.remember(standing.model_copy(update={"kept_until": text}))
    return text


def candidate_of(record: Record, platform: Platform) -> Deployment:
    """What stands in the candidate's color.

    Raises:
        Conflict: where it is not this release any more.
    """
    standing = platform.standing(record.candidate) if record.candidate else None
    if standing is None or standing.release != record.release:
        raise Conflict(f"the candidate in {record.candidate} is gone or is another release: somebody changed it")
    return standing
