"""A Lease is renewed for as long as its run acts, whatever happens to a renewal."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.trouble.planted import RAISED
from verdigris.platform.kubernetes.journal import ClusterJournal

SECONDS = 1
FAILING = 2
"""How many renewals fail before one goes through."""


class OneLease:
    """An API server that has one Lease; a renewal after the first may raise something."""

    def __init__(self, trouble: Callable[[], BaseException]) -> None:
        self.trouble = trouble
        self.lease: dict[str, Any] | None = None
        self.changes = 0
        self.renewed_after = threading.Event()

    def get(self, _kind: str, _name: str) -> dict[str, Any] | None:
        """The Lease."""
        return self.lease

    def change(self, _kind: str, _name: str, decide: Callable[[Any], dict[str, Any] | None]) -> None:
        """Write what is decided, but for the renewals that meet trouble."""
        self.changes += 1
        if 1 < self.changes <= 1 + FAILING:
            raise self.trouble()
        decided = decide(self.lease)
        if decided is None:
            return
        if self.lease is None:
            self.lease = {**decided, "metadata": {**decided["metadata"], "resourceVersion": "1"}}
        else:
            self.lease["spec"].update(decided["spec"])
        if self.changes > 1 + FAILING:
            self.renewed_after.set()

    def told(self, _line: str) -> None:
        """Nobody listens."""


@pytest.mark.parametrize("kind", sorted(RAISED))
def test_a_lock_is_renewed_again_after_an_error_of_any_type(kind: str) -> None:
    """Else it would run out while its run goes on, and another could take the environment."""
    server = OneLease(RAISED[kind])
    journal = ClusterJournal(server, SECONDS, lambda _generation: None)  # type: ignore[arg-type]
    with journal.lock("release"):
        assert server.renewed_after.wait(10 * SECONDS), f"the lease was not renewed after {kind}"
        journal._require_held()
    assert server.lease is not None
    assert server.lease["spec"]["holderIdentity"] is None
