"""What a dead run left, made safe; and a rollback that a person asks for.

``recover`` looks at the world and takes the journal only for what the dead run was about to do. It can be run any
number of times: where the world is already as it has to be, it changes nothing.
"""

import time
from datetime import UTC, datetime
from functools import partial

from verdigris.errors import NotReady, PlatformError, Refused, UsageError, VerdigrisError
from verdigris.flow import rolling
from verdigris.flow.blue_green import keep, settle
from verdigris.flow.context import Flow, Tools, died, finish, noting, objecting, rolls, take_along, tolerate
from verdigris.flow.rollback import back, move, persist, restore
from verdigris.model import COLORS, Color, Deployment, Kind, Outcome, Record, Step, Traffic, in_place
from verdigris.platform import Platform
from verdigris.state.journal import Journal
from verdigris.state.unconfirmed import Unconfirmed

NOTHING = "there is nothing to go back to: no other release was live here before"
_BEFORE_SWITCH = (Step.PREPARE, Step.MIGRATE, Step.DEPLOY, Step.VERIFY, Step.SWITCH)


def recover(record: Record, tools: Tools, *, broke_off: bool = False) -> Flow:
    """Bring what ``record`` left to an end: one verified color live, and nothing half done.

    Where the environment rolls, see :func:`verdigris.flow.rolling.recover`.

    Before the switch, the candidate is taken away. After it, the users go back to where they were: a watch that was not
    finished proves nothing. Where there is nothing to go back to, they stay on the candidate, which was verified.

    Args:
        broke_off: whether the run itself does it, and has said why; a run that died cannot.
    """
    if record.candidate is not None and record.candidate not in tools.platform.places:
        text = f"a {record.action} into {record.candidate} was left here, and the strategy was changed since"
        raise Refused(f"{text}: set it back, recover, then change it")
    traffic = tools.platform.live()
    record = record.with_changes(generation=max(record.generation, tools.generation))
    if not broke_off:
        record = noting(record, "recovered", f"found at {record.step}, users on {traffic.color or 'nobody'}")
    if record.action == "rollback":
        yield from _finish_rollback(record, tools, traffic)
    elif rolls(tools.platform):
        yield from rolling.recover(record, tools, broke_off=broke_off)
    elif traffic.color is None or traffic.color != record.candidate or record.release is None:
        yield from _not_switched(record, tools, broke_off=broke_off)
    elif record.step is Step.SETTLE:
        yield from settle(record.with_changes(switched=True), tools)
    elif record.live is None:
        yield from _first(record.with_changes(switched=True), tools)
    else:
        text = f"the run died at {record.step}, before its watch was over"
        yield from back(died(record.with_changes(switched=True), text, broke_off=broke_off), tools, traffic)


def _not_switched(record: Record, tools: Tools, *, broke_off: bool) -> Flow:
    """The users are not on the candidate: either they never were, or somebody took them back."""
    if record.step not in _BEFORE_SWITCH:
        text = "the users were already back; the run died before it could say so"
        yield finish(died(record, text, broke_off=broke_off), Outcome.ROLLED_BACK)
        return
    text = f"the run died at {record.step}; users were never moved"
    record = died(record, text, broke_off=broke_off)
    record = (
        record.at(Step.DEPLOY, f"the candidate is taken away from {record.candidate}") if record.candidate else record
    )
    yield record
    tools.platform.tidy()
    if record.candidate is not None and _ours(tools.platform.standing(record.candidate), record):
        tools.platform.retire(record.candidate)
    yield finish(record, Outcome.HELD)


def _ours(standing: Deployment | None, record: Record) -> bool:
    """Whether what stands there came from the dead run; the color kept from before is not touched."""
    return standing is None or (standing.release == record.release and standing.kept_until is None)


def _first(record: Record, tools: Tools) -> Flow:
    """The first release of all: nothing to go back to, and it was verified."""
    deployment = tools.platform.standing(tools.platform.live().color or Color.BLUE)
    text = "the first release was live when its run died; its watch was not finished; it stays: run 'verdigris verify'"
    if deployment is None or not deployment.verified:
        text = "an unverified release has the users and there is nothing to go back to: release a good one"
    yield finish(objecting(record, "recovered", Kind.NOT_CONCLUSIVE, text), Outcome.PERSON_NEEDED)


def _finish_rollback(record: Record, tools: Tools, traffic: Traffic) -> Flow:
    """A rollback that a person asked for is run to its end, where it was already said whereto."""
    if record.step is Step.PREPARE:
        text = "the run died before it was settled whereto; users were never moved: ask for the rollback again"
        yield finish(objecting(record, "recovered", Kind.NOT_CONCLUSIVE, text), Outcome.HELD)
        return
    if record.live is not None and traffic.color == record.live.color:
        yield from _move_back(record, tools, traffic)
        return
    if record.live is not None:
        tolerate(f"{record.live.color} may not count as kept", partial(keep, record.live, tools), tools)
    yield finish(record.with_changes(switched=True), Outcome.ROLLED_BACK)


def rollback(record: Record, tools: Tools, to: Deployment | None, refusal: str = "") -> Flow:
    """Move the users to the color that was live before, on a person's word.

    Args:
        to: who was live before, as the platform or the journal remembers it.
        refusal: why there is nobody, if that was found out already.
    """
    yield record
    traffic = tools.platform.live()
    live = tools.platform.standing(traffic.color) if traffic.color else None
    if to is None or traffic.color is None:
        text = refusal or NOTHING
        yield finish(objecting(record, "rollback", Kind.REFUSED, text), Outcome.REFUSED)
        return
    if not to.verified:
        text = f"{in_place(to.color, to.release.version)} was never verified; users are not sent there"
        yield finish(objecting(record, "rollback", Kind.REFUSED, text), Outcome.REFUSED)
        return
    record = record.with_changes(
        live=live, candidate=to.color, release=to.release, version=to.release.version, verified=True
    )
    record = record.at(Step.ROLLBACK, f"users go back to {in_place(to.color, to.release.version)}")
    yield record
    yield from _move_back(record, tools, traffic)


def again(record: Record, tools: Tools) -> Flow:
    """Bring the users where a run could not that called a person; ``record`` says from where and whereto.

    If it fails again, a person is still needed, whatever a rollback on request would come to.
    """
    yield record
    assert record.candidate is not None  # noqa: S101
    traffic = tools.platform.live()
    record = record.at(Step.ROLLBACK, f"users go back to {in_place(record.candidate, record.version)}")
    yield record
    for one in _move_back(record, tools, traffic):
        failed = one.outcome is Outcome.REFUSED
        yield finish(one.with_changes(timeline=one.timeline[:-1]), Outcome.PERSON_NEEDED) if failed else one


def accept(record: Record, tools: Tools, left: Unconfirmed) -> Flow:
    """Leave the users where a run left them, on a person's word; who was there before is kept."""
    yield record
    record = record.at(Step.ROLLBACK, f"users stay on {in_place(left.deployment.color, record.version)}")
    yield record
    observation = tools.platform.observe(left.deployment.identity, time.monotonic())
    if not observation.complete:
        text = f"users are not all answered by it: {observation.reason}"
        yield finish(objecting(record, "rollback", Kind.REFUSED, text), Outcome.REFUSED)
        return
    if left.before is not None and left.before.color is not left.deployment.color:
        tolerate(f"{left.before.color} may not count as kept", partial(keep, left.before, tools), tools)
    yield finish(noting(record, "accepted", f"on request, though: {left.reason}"), Outcome.ROLLED_BACK)


def _move_back(record: Record, tools: Tools, traffic: Traffic) -> Flow:
    if rolls(tools.platform):
        yield from rolling.go_back(record, tools)
        return
    platform = tools.platform
    assert record.candidate is not None and record.release is not None  # noqa: S101, PT018
    standing = platform.standing(record.candidate)
    generation = standing.generation if standing else record.generation
    to = Deployment(
        color=record.candidate, release=record.release, generation=generation, deployed=record.started, verified=True
    )
    probe = tools.probe()
    try:
        persist(partial(restore, to, tools), tools)
        _level(to.color, tools)
        tolerate("nobody looks on at the rollback", partial(probe.look_on, 10, 1.0), tools)
        persist(platform.hold_connections, tools)
        _, observation = move(to, traffic, record, tools)
        if not observation.complete:
            raise NotReady(f"the rollback was not observed: {observation.reason}")
    except VerdigrisError as error:
        failed = isinstance(error, PlatformError) or platform.live().color is to.color
        outcome = Outcome.PERSON_NEEDED if failed else Outcome.REFUSED
        yield finish(objecting(record, "rollback", Kind.REFUSED, str(error)), outcome)
        return
    finally:
        probe.stop()
    take_along(to.color, tools)
    tolerate(f"{to.color} may still count as kept", partial(_let_live, to.color, platform), tools)
    if record.live is not None:
        tolerate(f"{record.live.color} may not count as kept", partial(keep, record.live, tools), tools)
    record = noting(record, "rollback observed", f"{1000 * observation.seconds:.0f} ms")
    yield finish(record.with_changes(switched=True), Outcome.ROLLED_BACK)


def _level(color: Color, tools: Tools) -> None:
    """The color that users go back to gets the size of who has them; where that fails, they go all the same."""
    try:
        tools.platform.level(color)
    except (NotReady, PlatformError) as error:
        tools.told(f"{color} is smaller than who has the users: {error}")


def _let_live(color: Color, platform: Platform) -> None:
    """Forget until when a color was kept, now that it has the users."""
    standing = platform.standing(color)
    if standing is not None and standing.kept_until is not None:
        platform.remember(standing.model_copy(update={"kept_until": None}))


def require_ended(record: Record) -> None:
    """Stop where the users are where they should not be: the next release would take the place of who was live before.

    Raises:
        PlatformError: where an earlier run could not be taken back.
    """
    if record.outcome is Outcome.PERSON_NEEDED and record.live is not None:
        said = record.objections[-1].text if record.objections else "nobody knows why"
        raise PlatformError(f"{record.action} {record.version}, which was left here, could not be taken back: {said}")


def previous(platform: Platform, journal: Journal) -> Deployment | None:
    """Who the users would go back to: what is kept in the idle color, else what the journal remembers of it.

    A candidate that was held or taken back stands there too, verified perhaps; it is not who was live before. Where a
    release could not be taken back by itself, it is who was live before that.
    """
    traffic, remembered, left = platform.live(), journal.previous, journal.exposed
    live = traffic.color
    if live is None:
        return None
    if left is not None and left.before is not None and left.has(traffic):
        standing = platform.standing(live)
        if standing is not None and standing.release == left.deployment.release:
            return left.before
    if live is Color.LIVE:
        present = platform.standing(live)
        if remembered is None or present is None or remembered.color is not live:
            return None
        return remembered if remembered.release != present.release else None
    standing = platform.standing(live.other)
    if standing is not None and standing.verified and standing.kept_until is not None:
        return standing
    return remembered if remembered is not None and remembered.color is not live else None


def destination(platform: Platform, journal: Journal, to: str | None = None) -> tuple[Deployment | None, str]:
    """Where a rollback moves the users, or why it does not.

    What users were moved away from by the last rollback is no place to go back to: a second rollback in a row, typed
    again or by somebody else, would move them onto the release that was objected to. A person may name it.

    Args:
        to: a version or a color that a person named.
    """
    live, left = platform.live(), journal.taken_back
    if to is not None:
        return _named(platform, journal, to)
    found = previous(platform, journal)
    if left is None or live.color is None or (found is not None and found.release != left.release):
        return found, "" if found is not None else NOTHING
    present = platform.standing(live.color)
    where = in_place(live.color, present.release.version if present else "an unknown release")
    text = f"the users were moved away from {left.release.version} by the last rollback, and are on {where}"
    return None, f"{text}; to move them onto {left.release.version} again, add --to {left.release.version}"


def _named(platform: Platform, journal: Journal, to: str) -> tuple[Deployment | None, str]:
    """The release that a person named, as it stands in the other place or is remembered there."""
    live = platform.live().color
    present = platform.standing(live) if live else None
    if live is None or present is None:
        return None, f"--to {to}: nobody is live, so there is nobody to move; release a version"
    if to in (present.release.version, str(live)):
        return None, f"--to {to}: the users are on {in_place(live, present.release.version)} already"
    other = live if live is Color.LIVE else live.other
    standing = platform.standing(other) if other is not live else None
    known = [one for one in (standing, journal.previous, journal.taken_back) if one is not None and one.color is other]
    known = [one for one in known if one.release != present.release]
    for one in known:
        if to in (one.release.version, str(one.color)):
            return one, ""
    others = ", ".join(dict.fromkeys(one.release.version for one in known)) or "none"
    return None, f"--to {to}: no such release stands or stood in the other place; known there: {others}"


def idle_color(traffic: Traffic, places: tuple[Color, ...] = COLORS) -> Color:
    """The color that a candidate stands up in.

    Raises:
        UsageError: where the environment rolls and so has none.
    """
    if Color.LIVE in places:
        raise UsageError("this environment rolls: it has no idle color for a candidate, only what is live")
    return traffic.idle


def retire_overdue(platform: Platform) -> Deployment | None:
    """Take the old color down whose rollback window is over and that nobody asks any more; which one it was."""
    live = platform.live().color
    for place in platform.places:
        standing = platform.standing(place)
        if standing is None or standing.kept_until is None or live is None or place is live:
            continue
        if datetime.fromisoformat(standing.kept_until) < datetime.now(UTC) and not platform.open_requests(place):
            platform.retire(place)
            return standing
    return None
