"""What a switch looks like from outside: fresh and kept-alive connections, HTTP and HTTPS."""

import contextlib
import http.client
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from deploy.model import Identity
from deploy.platform.base import Address, Observation
from deploy.platform.connection import TIMEOUT, connect
from deploy.settings import Environment

KEPT = 6
"""Kept-alive connections for each scheme; more than Envoy has workers, so that each is asked."""
WARM_SECONDS = 0.5
"""How long the first requests on them may take altogether; who is slow now must not hold up a rollback."""
ROUNDS = 3
"""Rounds in a row in which every answer must be the new one."""
EAGER, PATIENT = 0.002, 0.1
"""Seconds between rounds: the first where somebody answers; up to the second, twice as long each time, where nobody
does. A node remembers for two minutes each connection that a Service without endpoints refused, and refuses whoever
comes from the same address and port."""


def answer_of(
    address: Address, path: str, header: str, timeout: float = TIMEOUT
) -> tuple[int | None, Identity | None, str]:
    """One request on a connection of its own: status, identity, and what was seen in words."""
    connection = connect(address, timeout=timeout)
    try:
        return _ask(connection, path, header)
    finally:
        connection.close()


def _ask(connection: http.client.HTTPConnection, path: str, header: str) -> tuple[int | None, Identity | None, str]:
    try:
        connection.request("GET", path, headers={"x-verdigris-run": "observer", "user-agent": "verdigris"})
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return None, None, f"no answer ({type(error).__name__}: {error})"
    identity = Identity.parse(answer.headers.get(header, "")) if header else None
    return answer.status, identity, f"{answer.status} from {identity or 'nobody it names'}"


class Observer:
    """Connections that are opened before a switch and asked after it.

    Args:
        vantage: more places from which users come; what they answer on fresh connections counts too.
    """

    def __init__(self, users: Address, header: str, path: str, vantage: Sequence[Address] = ()) -> None:
        self.users = users
        self.vantage = vantage
        self.header = header
        self.path = path
        self.kept: list[http.client.HTTPConnection] = []

    def open(self) -> None:
        """Open the kept-alive connections, each with one request on it as far as whoever is live answers in time."""
        for secure in (False, True) if self.users.secure_url else (False,):
            for _ in range(KEPT):
                connection = connect(self.users, secure=secure)
                with contextlib.suppress(OSError):
                    connection.connect()
                self.kept.append(connection)
        deadline = time.monotonic() + WARM_SECONDS
        for connection in self.kept:
            if (left := deadline - time.monotonic()) <= 0:
                break
            if connection.sock is not None:
                connection.sock.settimeout(left)
                _ask(connection, self.path, self.header)
            if connection.sock is not None:
                connection.sock.settimeout(TIMEOUT)

    def close(self) -> None:
        """Close them."""
        for connection in self.kept:
            connection.close()
        self.kept.clear()

    def wait_for(self, identity: Identity, since: float, limit: float) -> Observation:
        """Ask in rounds until :data:`ROUNDS` rounds in a row were answered by ``identity`` alone.

        Args:
            identity: who must answer.
            since: ``time.monotonic()`` of the write.
            limit: seconds from now after which the switch counts as not complete; a write whose answer was late
                takes nothing of them.
        """
        asked_since = time.monotonic()
        good, first_good, fresh, kept, wrong, pause = 0, 0.0, 0, 0, "nothing was asked", EAGER
        while True:
            began = time.monotonic()
            asked, stranger, silent = 0, "", False
            for status, who, text in self._round():
                asked += 1
                if who != identity:
                    stranger, silent = text, status is None
                    break  # the round is lost; who hangs must not hold up what is decided by it
            if stranger:
                good, wrong = 0, stranger
            else:
                first_good = first_good if good else began
                good += 1
                kept, fresh = kept + len(self.kept), fresh + asked - len(self.kept)
            if good >= ROUNDS:
                return Observation(complete=True, seconds=first_good - since, fresh=fresh, kept=kept)
            if stranger and time.monotonic() - asked_since > limit:
                return Observation(
                    complete=False,
                    seconds=time.monotonic() - since,
                    fresh=fresh,
                    kept=kept,
                    reason=f"after {limit:g} s users are still answered by: {wrong}",
                )
            pause = min(2 * pause, PATIENT) if silent else EAGER
            time.sleep(pause)

    def _round(self) -> Iterator[tuple[int | None, Identity | None, str]]:
        """Every kept connection once, then fresh ones."""
        for connection in self.kept:
            yield _ask(connection, self.path, self.header)
        fresh = [(self.users, secure) for secure in ((False, False, True) if self.users.secure_url else (False, False))]
        for address, secure in (*fresh, *((one, False) for one in self.vantage)):
            connection = connect(address, secure=secure)
            try:
                yield _ask(connection, self.path, self.header)
            finally:
                connection.close()


class Observing(ABC):
    """The verbs of a platform that look at a switch, whatever the platform looks with."""

    environment: Environment
    _observer: Observer | None = None

    @abstractmethod
    def _new_observer(self) -> Observer:
        """Who looks at this platform's users."""

    def hold_connections(self) -> None:
        """Open the kept-alive connections that the next ``observe`` looks at."""
        self.release_connections()
        self._observer = self._new_observer()
        self._observer.open()

    def release_connections(self) -> None:
        """Close them."""
        if self._observer is not None:
            self._observer.close()
            self._observer = None

    def observe(self, identity: Identity, since: float) -> Observation:
        """Ask from fresh and kept-alive connections until every answer is the identity's."""
        if self._observer is None:
            self._observer = self._new_observer()
        try:
            return self._observer.wait_for(identity, since, self.environment.switch_seconds)
        finally:
            self.release_connections()
