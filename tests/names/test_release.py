"""Faults 27 and 28 in a whole release: what users' certificate is, decides before anybody is moved."""

from collections.abc import Callable
from typing import Any

import pytest
import trustme

from tests.faults.conftest import came_to, said, stand, users
from tests.names.conftest import with_certificate_test
from tests.names.served import day, put
from tests.world import World
from verdigris.errors import ExitStatus
from verdigris.model import Kind, Outcome


@pytest.fixture
def secured(make_world: Callable[..., World], authority: trustme.CA) -> Callable[..., World]:
    """A world in which 1.0.0 is live and users are shown a certificate that is made with these arguments."""

    def make(*names: str, **how: Any) -> World:
        world = with_certificate_test(make_world(tls=True))
        put(world.state / "tls", authority, authority.issue_cert(*(names or ("127.0.0.1",)), **how))
        world.version("1.0.0")
        world.version("1.1.0")
        return stand(world.up())

    return make


@pytest.mark.parametrize(
    ("days", "words"),
    [
        pytest.param(-2, "the certificate of 127.0.0.1 expired on", id="expired"),
        pytest.param(3.5, "3.5 days are left, at least 14 must be", id="expires-soon"),
    ],
)
def test_fault_27_a_release_is_held(secured: Callable[..., World], days: float, words: str) -> None:
    """Held with the date, though the live color shows the same certificate; nobody moved, and no request was lost."""
    world = secured(not_before=day(-30), not_after=day(days))
    with users(world) as traffic:
        world.release("1.1.0")
        seen = traffic.stop()
    record = came_to(world, Outcome.HELD, ExitStatus.HELD_NOT_VALID, "1.0.0")
    assert words in said(record)
    assert "the live color fails the same tests" in said(record)
    assert (seen.lost, seen.requests > 0) == (0, True)


def test_fault_28_a_release_is_held(secured: Callable[..., World]) -> None:
    """A certificate for another name: held, and the name that it is not for is said."""
    world = secured("another.example.test")
    with users(world) as traffic:
        world.release("1.1.0")
        seen = traffic.stop()
    record = came_to(world, Outcome.HELD, ExitStatus.HELD_NOT_VALID, "1.0.0")
    assert "the certificate shown for 127.0.0.1 is not for that name" in said(record)
    assert {one.kind for one in record.objections} >= {Kind.NOT_VALID}
    assert (seen.lost, seen.requests > 0) == (0, True)


def test_a_release_is_confirmed_with_a_certificate_that_is_in_order(secured: Callable[..., World]) -> None:
    """The same world with a good certificate, so that the faults above are held by nothing else."""
    world = secured()
    record = world.release("1.1.0")
    assert record.outcome is Outcome.CONFIRMED, said(record)
    assert any("test_certificate" in test for test in record.tests["smoke"])
