"""The flow of a release where the strategy is ``rolling``: one place, no idle color, and users who meet the candidate
while it is verified.

What cannot be proven before users meet it is proven as soon as they do, by the same suites and the same watch, and
undone by standing up again what they had. So from the deploy on there is no way out of the flow but two: confirmed, or
back.
"""

import time
from collections.abc import Callable
from functools import partial

from verdigris.errors import Conflict, Interrupted, NotReady, VerdigrisError
from verdigris.flow.blue_green import candidate_of, migrate, release, verify, watch
from verdigris.flow.context import Flow, Tools, died, finish, noting, objecting, rolls, take_along, tolerate
from verdigris.flow.prepare import prepare
from verdigris.flow.rollback import persist
from verdigris.model import Color, Deployment, Kind, Outcome, Record, Step, Traffic
from verdigris.platform import Observation, Platform
from verdigris.watch import monitor
from verdigris.watch.probe import Probe

LOG_LINES, LOG_LETTERS = 5, 1000
"""How much of the log of a candidate that is undone its record keeps."""
_Effect = Callable[[Record, Tools, Probe], Record]


def by_strategy(record: Record, tools: Tools) -> Flow:
    """A release in the way that the environment's strategy has it."""
    return roll(record, tools) if rolls(tools.platform) else release(record, tools)


def roll(record: Record, tools: Tools) -> Flow:
    """Put a version in the place of the live one, prove it there, watch it, and undo it where anything objects."""
    yield record
    probe = tools.probe()
    try:
        with tools.signals.interruptible():
            record, traffic = prepare(record, tools)
        if record.objections:
            yield finish(record, Outcome.HELD)
            return
        record = record.at(Step.MIGRATE, f"the database goes to what {record.version} needs")
        yield record
        with tools.signals.interruptible():
            record = migrate(record, tools)
            _before_deploy(record, tools, traffic, probe)
    except Interrupted as signal:
        text = f"{signal} arrived before users met the candidate"
        yield finish(objecting(record, "interrupted", Kind.NOT_CONCLUSIVE, text), Outcome.HELD)
    except NotReady as error:
        yield finish(objecting(record, "not-ready", Kind.FAILED, str(error)), Outcome.HELD)
    except Conflict as error:
        yield finish(objecting(record, "conflict", Kind.REFUSED, str(error)), Outcome.HELD)
    else:
        yield from _with_users(record, tools, traffic, probe)
    finally:
        probe.stop()


def _before_deploy(record: Record, tools: Tools, traffic: Traffic, probe: Probe) -> None:
    """The last look before users meet the candidate: who is live is who was; the users' probe runs."""
    platform = tools.platform
    if (token := platform.live().token) != traffic.token or platform.standing(Color.LIVE) != record.live:
        raise Conflict(f"who is live was changed while the release was prepared: traffic is now at {token!r}")
    if record.live is not None:
        probe.start()
        probe.wait_for(int(tools.environment.watch.rate), 2.0)


def _with_users(record: Record, tools: Tools, traffic: Traffic, probe: Probe) -> Flow:
    """From here on users meet the candidate, and whatever ends a step early means: back."""
    seconds, profile = tools.environment.watch.seconds, tools.environment.watch.profile
    before = f"takes the place of {record.live.release.version}" if record.live else "is the first release"
    steps: tuple[tuple[Step, str, _Effect], ...] = (
        (Step.DEPLOY, f"{record.version} {before}; users meet it from here on", _deploy),
        (Step.VERIFY, f"{', '.join(record.required)} against what users get", _verify),
        (Step.WATCH, f"for {seconds:g} s ({profile})", _watch),
    )
    for step, text, effect in steps:
        record = record.at(step, text, switched=True)
        yield record
        record = _attempt(effect, record, tools, probe)
        if record.objections and _untouched(record, tools.platform, traffic):
            yield finish(record.with_changes(switched=False), Outcome.HELD)
            return
        if record.objections:
            yield from undo(record, tools)
            return
    record = record.at(Step.SETTLE, "confirmed; it stays where it stands")
    yield record
    yield finish(record, Outcome.CONFIRMED)


def _attempt(effect: _Effect, record: Record, tools: Tools, probe: Probe) -> Record:
    """The record after an effect; what broke it off is an objection, for users have met the candidate."""
    try:
        with tools.signals.interruptible():
            return effect(record, tools, probe)
    except Interrupted as signal:
        return objecting(record, "interrupted", Kind.NOT_CONCLUSIVE, f"{signal} arrived at the step {record.step}")
    except NotReady as error:
        return objecting(record, "not-ready", Kind.FAILED, str(error))
    except Conflict as error:
        return objecting(record, "conflict", Kind.REFUSED, str(error))
    except (VerdigrisError, OSError) as error:  # a step that cannot go on has not proven anything
        text = f"the step {record.step} broke off: {error}"
        return objecting(record, str(record.step), Kind.NOT_CONCLUSIVE, text)


def _deploy(record: Record, tools: Tools, probe: Probe) -> Record:
    """Replace who stands there, and look whether every user is answered by the new one."""
    assert record.release is not None  # noqa: S101
    platform, began = tools.platform, time.monotonic()
    platform.hold_connections()
    deployment = platform.stand_up(record.release, Color.LIVE, record.generation)
    ready = time.monotonic()
    record = noting(record, "ready after", f"{ready - began:.1f} s")
    observation = platform.observe(deployment.identity, ready)
    if record.live is not None:
        asked = probe.since(0)
        lost = sum(sample.lost for sample in asked)
        record = noting(record, "lost in the deploy", f"{lost:,} of {len(asked):,} requests of the users' probe")
    if not observation.complete:
        text = f"users are not all answered by {record.version}: {observation.reason}"
        return objecting(record, "deploy", Kind.FAILED, text)
    seen = f"{observation.kept} answers on kept and {observation.fresh} on fresh connections"
    return noting(record, "deploy observed", f"{1000 * observation.seconds:.0f} ms after it was ready, {seen}")


def _verify(record: Record, tools: Tools, probe: Probe) -> Record:  # noqa: ARG001 - each effect is called alike
    return verify(record, tools)


def _watch(record: Record, tools: Tools, probe: Probe) -> Record:
    deployment = candidate_of(record, tools.platform)
    if record.live is None:
        probe.start()
        probe.wait_for(1, 2.0)
    start = monitor.start(probe, tools.platform.log(deployment.color)[1])
    return watch(record, tools, deployment, probe, start)


def _untouched(record: Record, platform: Platform, traffic: Traffic) -> bool:
    """Whether a deploy ended before its first effect: users never met the candidate."""
    try:
        return record.step is Step.DEPLOY and platform.live().token == traffic.token
    except VerdigrisError:  # whoever cannot be asked may have been touched
        return False


def undo(record: Record, tools: Tools) -> Flow:
    """Give the users back what they had; a first release that failed is taken away."""
    old, decided = record.live, time.monotonic()
    text = "the first release is taken away again: there is nothing to go back to"
    record = record.at(Step.ROLLBACK, f"users go back to {old.release.version}" if old else text)
    yield record
    record = _last_words(record, tools.platform)
    try:
        if old is None:
            _require_known(record, tools.platform)
            tools.platform.retire(Color.LIVE)
        else:
            _put_back(old, record, tools)
    except VerdigrisError as error:  # any other is the safeguard's, which tries again
        record = objecting(record, "rollback", Kind.FAILED, f"the rollback failed: {error}")
        yield finish(record, Outcome.PERSON_NEEDED)
        return
    if old is None:
        yield finish(record.with_changes(switched=False), Outcome.HELD)
        return
    record = noting(record, "rollback observed", f"{time.monotonic() - decided:.1f} s after the decision")
    take_along(Color.LIVE, tools)
    yield finish(record, Outcome.ROLLED_BACK)


def _last_words(record: Record, platform: Platform) -> Record:
    """What the candidate logged last goes with it, so it is noted before; a log that cannot be read stops nothing."""
    try:
        lines = platform.log(Color.LIVE)[0].splitlines()[-LOG_LINES:]
    except (VerdigrisError, OSError) as error:
        return noting(record, "logged last", f"could not be read: {error}")
    return noting(record, "logged last", "\n".join(lines)[-LOG_LETTERS:]) if lines else record


def _require_known(record: Record, platform: Platform) -> None:
    """What a person put there in an emergency is not fought."""
    standing = platform.standing(Color.LIVE)
    if standing is None or standing.release == record.release:
        return
    if record.live is None or standing.release != record.live.release:
        raise Conflict(f"{standing.identity} stands there: somebody changed it, and it is left as it is")


def _put_back(old: Deployment, record: Record, tools: Tools) -> None:
    """Stand ``old`` up again where it does not stand alone already, and look whether users are answered by it.

    Raises:
        VerdigrisError: where they are not; what cannot be written is tried until the time for a switch is over.
    """
    platform = tools.platform

    def once() -> Observation:
        platform.hold_connections()
        _require_known(record, platform)
        standing = platform.standing(Color.LIVE)
        if standing is None or standing.release != old.release or not platform.health(Color.LIVE).running:
            standing = platform.stand_up(old.release, Color.LIVE, tools.generation)
        if standing.verified != old.verified:
            platform.remember(standing.model_copy(update={"verified": old.verified}))
        return platform.observe(old.identity, time.monotonic())

    observation = persist(once, tools)
    if not observation.complete:
        raise NotReady(f"it was not observed: {observation.reason}")


def go_back(record: Record, tools: Tools) -> Flow:
    """What a person asked for: the release before takes the place of the live one, or everything stays as it is."""
    assert record.release is not None and record.live is not None  # noqa: S101, PT018
    decided, probe = time.monotonic(), tools.probe()
    to = Deployment(
        color=Color.LIVE, release=record.release, generation=record.generation, deployed=record.started, verified=True
    )
    try:
        tolerate("nobody looks on at the rollback", partial(probe.look_on, 10, 1.0), tools)
        _put_back(to, record, tools)
    except VerdigrisError as error:
        yield from _stay(objecting(record, "rollback", Kind.REFUSED, str(error)), record.live, tools)
        return
    finally:
        probe.stop()
    record = noting(record, "rollback observed", f"{time.monotonic() - decided:.1f} s after the decision")
    take_along(Color.LIVE, tools)
    yield finish(record.with_changes(switched=True), Outcome.ROLLED_BACK)


def _stay(record: Record, live: Deployment, tools: Tools) -> Flow:
    """The release before cannot have the users; whoever has them keeps them, whole."""
    record = record.at(Step.ROLLBACK, f"{record.version} cannot be put back; users stay on {live.release.version}")
    yield record
    try:
        _put_back(live, record, tools)
    except VerdigrisError as error:
        text = f"{live.release.version} does not have all users either: {error}"
        yield finish(objecting(record, "rollback", Kind.FAILED, text), Outcome.PERSON_NEEDED)
        return
    take_along(Color.LIVE, tools)
    yield finish(record, Outcome.REFUSED)


def recover(record: Record, tools: Tools, *, broke_off: bool = False) -> Flow:
    """End what a dead run left: held where users never met the candidate, confirmed where it was, else undone."""
    text = f"the run died at {record.step}"
    if not record.switched:
        record = died(record, f"{text}; users never met the candidate", broke_off=broke_off)
        yield record
        tools.platform.tidy()
        yield finish(record, Outcome.HELD)
    elif record.step is Step.SETTLE and _stands(record, tools.platform):
        yield finish(record, Outcome.CONFIRMED)
    else:
        text += (
            ", and what it confirmed does not stand any more"
            if record.step is Step.SETTLE
            else ", before its watch was over"
        )
        yield from undo(died(record, text, broke_off=broke_off), tools)


def _stands(record: Record, platform: Platform) -> bool:
    standing = platform.standing(Color.LIVE)
    return standing is not None and standing.release == record.release
