"""What a watch keeps of what it saw: all that is bad, the last windows of what is good."""

from tests.unit.made import EXPECTED, OTHER, sample
from verdigris.platform.base import Health
from verdigris.settings import WatchSettings
from verdigris.watch.monitor import Seen
from verdigris.watch.rules import View
from verdigris.watch.samples import Sample

HEALTH = Health(running=True)
DUE = 10


def seen(*samples: Sample, strikes: int = 2, window: float = 2.0) -> Seen:
    """A watch that took these in, all at once."""
    found = Seen(WatchSettings(rate=10, window=window, strikes=strikes), EXPECTED, DUE)
    found.add(samples)
    return found


def at(second: float, **changes: object) -> Sample:
    """A good answer to a request that was due in the watch, sent at a second."""
    return sample(at=second, number=DUE, **changes)


def view(found: Seen) -> View:
    """What the rules judge."""
    return found.view(7, HEALTH, ("a line",))


def test_what_was_due_before_the_watch_counts_and_is_not_judged() -> None:
    """The request that was due at its beginning is judged; the one before it says only that the probe is alive."""
    before, first = sample(at=1, number=DUE - 1, status=500), sample(at=1, number=DUE, status=500)
    assert (seen(before).total, seen(before).lost, seen(before).bad) == (1, 0, [])
    assert (seen(first).total, seen(first).lost, seen(first).bad) == (1, 1, [first])


def test_what_is_lost_and_what_a_stranger_said_is_kept_for_ever() -> None:
    """Each alone is bad, and neither is forgotten when its window is."""
    lost, stranger = at(0, status=503), at(0, identity=OTHER.header())
    found = seen(lost, stranger, *(at(second) for second in range(100)))
    assert (found.bad, found.lost, found.total) == ([lost, stranger], 1, 102)
    assert (view(found).samples, view(found).earlier) == ((lost, stranger), 100)


def test_windows_are_counted_from_the_first_request() -> None:
    """Each as long as the settings say; the last is still open and is left out."""
    times = (100.5, 102.4, 102.5, 104.4, 104.5)
    windows = view(seen(*map(at, times))).windows
    assert [[one.at for one in window] for window in windows] == [[100.5, 102.4], [102.5, 104.4]]


def test_a_single_window_is_not_whole_yet() -> None:
    """Nothing is judged by it."""
    assert view(seen(at(100), at(101))).windows == ()


def test_as_many_windows_are_kept_as_are_judged_and_one_more() -> None:
    """And the one that is open: a long watch costs no more than a short one."""
    found = seen(*(at(second) for second in range(20)), strikes=3)
    assert sorted(found.windows) == [5, 6, 7, 8, 9]
    assert [window[0].at for window in view(found).windows] == [10, 12, 14, 16]


def test_fewer_windows_than_are_kept_are_all_kept() -> None:
    """None is dropped before there are too many."""
    assert sorted(seen(*(at(second) for second in range(8))).windows) == [0, 1, 2, 3]


def test_what_was_seen_is_handed_on_as_it_is() -> None:
    """With what the platform and the log said."""
    judged = view(seen(at(0)))
    assert (judged.planned, judged.health, judged.log_lines, judged.expected) == (7, HEALTH, ("a line",), EXPECTED)
