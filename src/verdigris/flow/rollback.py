"""The way back: users return to who was live before, and nothing of the candidate is asked for it."""

import time
from collections.abc import Callable
from typing import TypeVar

from verdigris.errors import Conflict, NotReady, PlatformError, VerdigrisError
from verdigris.flow.context import PAUSE, Flow, Tools, finish, noting, objecting, take_along
from verdigris.model import Deployment, Kind, Outcome, Record, Step, Traffic
from verdigris.platform import Observation

T = TypeVar("T")


def back(record: Record, tools: Tools, moved: Traffic) -> Flow:
    """Move the users back; depends on nothing of the candidate."""
    old, decided = record.live, time.monotonic()
    if old is None:
        record = objecting(record, "first", Kind.FAILED, "this was the first release: there is nothing to go back to")
        yield finish(record, Outcome.PERSON_NEEDED)
        return
    record = record.at(Step.ROLLBACK, f"users go back to {old.color}")
    yield record
    try:
        written, observation = move(old, moved, record, tools)
    except VerdigrisError as error:
        record = objecting(record, "rollback", Kind.FAILED, f"the rollback failed: {error}")
        yield finish(record, Outcome.PERSON_NEEDED)
        return
    if not observation.complete:
        record = objecting(record, "rollback", Kind.FAILED, f"the rollback was not observed: {observation.reason}")
        yield finish(record, Outcome.PERSON_NEEDED)
        return
    take_along(old.color, tools)
    record = noting(
        record, "rollback observed", f"{1000 * (observation.seconds + written - decided):.0f} ms after the decision"
    )
    yield finish(record, Outcome.ROLLED_BACK)


def persist(action: Callable[[], T], tools: Tools) -> T:
    """What ``action`` returns; if the platform fails at it, it is tried until the time for a switch is over.

    To give up at the first error would leave users on a release that was objected to.

    Raises:
        VerdigrisError: of the last try, or at once if it is no failure of the platform but an answer.
    """
    deadline = time.monotonic() + tools.environment.switch_seconds
    while True:
        try:
            return action()
        except PlatformError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(PAUSE)


def move(to: Deployment, moved: Traffic, record: Record, tools: Tools) -> tuple[float, Observation]:
    """Restore, write, observe: when it was written (``time.monotonic()``), and what was seen."""

    def written() -> float:
        restore(to, tools)
        write_back(to, moved, record, tools)
        return time.monotonic()

    since = persist(written, tools)
    return since, persist(lambda: tools.platform.observe(to.identity, since), tools)


def write_back(old: Deployment, moved: Traffic, record: Record, tools: Tools) -> None:
    """The switch back; what cannot be written is tried again until the time for a switch is over (fault 37).

    Where somebody changed something else about the users' way meanwhile, they are still on the candidate and go back.
    Where somebody moved them to ``old`` meanwhile, they are where they were to go, and that is all that was wanted.
    """
    platform, deadline = tools.platform, time.monotonic() + tools.environment.switch_seconds
    failed: VerdigrisError | None = None
    while True:
        try:
            if failed is not None:
                present = platform.live()
                if present.color is old.color:
                    return  # it was written, only nobody said so; or somebody else wrote it
                if isinstance(failed, Conflict) and (present.color is not moved.color or present.token == moved.token):
                    raise failed
                moved = present if present.color is moved.color else moved
            platform.switch(old.color, moved, record.generation)
        except (PlatformError, Conflict) as error:
            if error is failed or time.monotonic() >= deadline:
                raise
            failed = error
            time.sleep(PAUSE)
        else:
            return


def restore(old: Deployment, tools: Tools) -> None:
    """Make sure that the color to go back to can serve; stand it up again where it was taken down.

    Whoever answers as itself can serve, whatever is wrong with some of its pods. Who runs and whose answer does not end
    in time gets the users too, at once: it was verified, and a slow color must not hold up a rollback. So does one that
    could not be asked for want of descriptors or memory on this machine.

    Raises:
        NotReady: where it cannot serve; the users are better off where they are.
    """
    platform, deadline = tools.platform, time.monotonic() + tools.environment.switch_seconds
    standing = platform.standing(old.color)
    while standing is not None and standing.release == old.release:
        answer = platform.answer(old.color)
        if answer.status == 200 and answer.identity == old.identity:
            return
        if not platform.health(old.color).running:
            break
        if answer.late or answer.unasked:  # what this machine lacks is no word about the color
            what = "is slow" if answer.late else "could not be asked"
            tools.told(f"{old.color} {what} ({answer.seen}); users go back to it all the same")
            return
        if time.monotonic() >= deadline:
            raise NotReady(
                f"{old.color} cannot take the users back either: it answers {answer.seen}; they stay where they are"
            )
        time.sleep(PAUSE)
    again = platform.stand_up(old.release, old.color, max(old.generation, tools.generation))
    platform.remember(again.model_copy(update={"verified": old.verified}))
