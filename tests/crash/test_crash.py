"""A run that is killed at an effect leaves nothing that ``recover`` does not bring to an end; a part of the matrix.

The whole of it: ``python -m bench crash``.
"""

from pathlib import Path

import pytest

from tests.crash.matrix import stage

POINTS = {
    "first": ("after write of users/routes.json",),
    "good": (
        "after start of a process",
        "after remember",
        "before write of users/routes.json",
        "after write of users/routes.json",
        "before audit",
    ),
    "watched": ("after audit",),
    "rollback": ("after write of users/routes.json",),
    "candidate": ("after stand_up",),
}
"""By kind of run: the points at which it is killed, each where it first comes."""


@pytest.mark.parametrize("name", POINTS)
def test_a_killed_run_is_recovered(tmp_path: Path, name: str) -> None:
    """One verified color is live, nobody lost a request, nothing is left over, and the next release goes through."""
    with stage(tmp_path / name, name) as made:
        points = made.count()
        kills = [made.kill(points.index(point) + 1, point) for point in POINTS[name]]
        made.next_works(kills[-1])
        made.finish(kills)
    for found in kills:
        assert not found.wrong, found
        assert not found.manual, found
        assert found.lost == 0, found
        assert found.seconds <= 5, found


def test_every_changing_verb_is_a_point() -> None:
    """A verb that is added to the platform counts as an effect until somebody says that it reads."""
    from tests.crash.driver import READS
    from verdigris.platform.local import LocalPlatform

    verbs = {name for name in dir(LocalPlatform) if not name.startswith("_") and callable(getattr(LocalPlatform, name))}
    assert {"migrate", "prepare", "stand_up", "remember", "switch", "retire"} <= verbs - READS
