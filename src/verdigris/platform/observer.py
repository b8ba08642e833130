"""What a switch looks like from outside: fresh and kept-alive connections, HTTP and HTTPS."""

import contextlib
import errno
import http.client
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from verdigris.model import Identity, described
from verdigris.platform.base import Address, Observation
from verdigris.platform.connection import TIMEOUT, Connection, connect, hear, send
from verdigris.settings import Environment

KEPT = 6
"""Kept-alive connections for each scheme; more than Envoy has workers, so that each is asked."""
OPEN_SECONDS = 2.0
"""How long it may take to open them altogether."""
WARM_SECONDS = 0.5
"""How long the first requests on them may take altogether; who is slow now must not hold up a rollback."""
ROUNDS = 3
"""Rounds in a row in which every answer must be the new one."""
EAGER, PATIENT = 0.002, 0.1
"""Seconds between rounds: the first where somebody answers; up to the second, twice as long each time, where nobody
does. A node remembers for two minutes each connection that a Service without endpoints refused, and refuses whoever
comes from the same address and port."""
HEADERS = {"x-verdigris-run": "observer", "user-agent": "verdigris"}
_OUR_OWN = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)
_ERRORS = (OSError, http.client.HTTPException)


class Seen(NamedTuple):
    """What one request came to."""

    status: int | None
    """``None`` where there was no whole answer."""
    identity: Identity | None
    text: str
    """Both in words, for a message."""
    late: bool = False
    """Whether somebody took the request and did not end the answer in time."""
    unasked: bool = False
    """Whether nobody was asked, because this machine had no descriptor or memory for it: no word about the asked."""


def answer_of(
    address: Address, path: str, header: str, timeout: float = TIMEOUT
) -> tuple[int | None, Identity | None, str]:
    """One request on a connection of its own: status, identity, and what was seen in words."""
    seen = look(address, path, header, timeout)
    return seen.status, seen.identity, seen.text


def look(address: Address, path: str, header: str, timeout: float = TIMEOUT) -> Seen:
    """One request on a connection of its own, ended within ``timeout`` seconds whatever answers."""
    connection = connect(address, timeout=timeout)
    try:
        failed = _send(connection, path, timeout)
        return failed or _hear(connection, header)
    finally:
        connection.close()


def _send(connection: Connection, path: str, seconds: float) -> Seen | None:
    """Send a request; what was seen already where it cannot be sent."""
    try:
        send(connection, path, HEADERS, seconds)
    except _ERRORS as error:
        return _failed(error, late=False)
    return None


def _hear(connection: Connection, header: str) -> Seen:
    try:
        answer = hear(connection)
    except _ERRORS as error:
        return _failed(error, late=isinstance(error, TimeoutError))
    lines = answer.lines(header) if header else []
    identity = Identity.of(lines)
    return Seen(answer.status, identity, f"{answer.status} from {identity or _nobody(lines)}")


def _nobody(lines: list[str]) -> str:
    return described(lines) if lines else "nobody it names"


def _failed(error: BaseException, *, late: bool) -> Seen:
    unasked = isinstance(error, OSError) and error.errno in _OUR_OWN
    return Seen(None, None, f"no answer ({type(error).__name__}: {error})", late, unasked)


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
        self.kept: list[Connection] = []
        self._seconds, self._alone = TIMEOUT, True

    def open(self) -> None:
        """Open the kept-alive connections, each with one request on it as far as whoever is live answers in time."""
        deadline = time.monotonic() + OPEN_SECONDS
        for secure in (False, True) if self.users.secure_url else (False,):
            for _ in range(KEPT):
                connection = connect(self.users, secure=secure)
                self.kept.append(connection)
                if (left := deadline - time.monotonic()) > 0:
                    connection.bounds.arm(min(TIMEOUT, left))
                    with contextlib.suppress(*_ERRORS):
                        connection.connect()
        deadline = time.monotonic() + WARM_SECONDS
        asked = [one for one in self.kept if one.sock is not None and not _send(one, self.path, WARM_SECONDS)]
        for connection in asked:
            connection.bounds.deadline = min(connection.bounds.deadline, deadline)
            _hear(connection, self.header)

    def close(self) -> None:
        """Close them."""
        for connection in self.kept:
            connection.close()
        self.kept.clear()

    def wait_for(self, identity: Identity, since: float, limit: float) -> Observation:
        """Ask in rounds until :data:`ROUNDS` rounds in a row were answered by ``identity`` alone.

        It ends at ``limit`` whatever is answered, answers that are right and late included: no request is given more
        time than is left.

        Args:
            identity: who must answer.
            since: ``time.monotonic()`` of the write.
            limit: seconds from now after which the switch counts as not complete; a write whose answer was late
                takes nothing of them.
        """
        deadline = time.monotonic() + limit
        good, first_good, fresh, kept, wrong, pause = 0, 0.0, 0, 0, "nothing was asked", EAGER
        while True:
            began = time.monotonic()
            self._seconds, self._alone = min(TIMEOUT, max(deadline - began, 0.05)), not good
            asked, stranger, silent = 0, "", False
            for seen in self._round():
                asked += 1
                if seen.identity != identity:
                    stranger, silent = seen.text, seen.status is None
                    break  # the round is lost; who hangs must not hold up what is decided by it
            if stranger:
                good, wrong = 0, stranger
            else:
                first_good = first_good if good else began
                good += 1
                kept, fresh = kept + len(self.kept), fresh + asked - len(self.kept)
            if good >= ROUNDS:
                return Observation(complete=True, seconds=first_good - since, fresh=fresh, kept=kept)
            if time.monotonic() > deadline:
                reason = f"after {limit:g} s users are still answered by: {wrong}"
                if good:
                    reason = f"within {limit:g} s {identity} alone answered {good} rounds, needed: {ROUNDS} in a row"
                seconds = time.monotonic() - since
                return Observation(complete=False, seconds=seconds, fresh=fresh, kept=kept, reason=reason)
            pause = min(2 * pause, PATIENT) if silent else EAGER
            time.sleep(pause)

    def _round(self) -> Iterator[Seen]:
        """Every kept connection once, then fresh ones.

        After a round that was lost, one is asked alone: as long as that is wrong, nobody else need be. Otherwise all
        are asked before the first answer is waited for, so that a round takes as long as its slowest answer, and an
        application that is right and not quick is observed in time.
        """
        opened = [connect(one) for one in (self.users, self.users, *self.vantage)]
        opened += [connect(self.users, secure=True)] if self.users.secure_url else []
        rest, waiting = [*self.kept, *opened], list[tuple[Connection, Seen | None]]()
        deadline = time.monotonic() + self._seconds
        try:
            if self._alone:
                alone = rest.pop(0)
                yield self._sent(alone, deadline) or _hear(alone, self.header)
            for connection in rest:
                waiting.append((connection, self._sent(connection, deadline)))
            while waiting:
                connection, failed = waiting.pop(0)
                yield failed or _hear(connection, self.header)
        finally:
            for connection, failed in waiting:
                if connection in self.kept and not failed:
                    _hear(connection, self.header)  # the round is lost; the connection is not, where it answers in time
            for connection in opened:
                connection.close()

    def _sent(self, connection: Connection, deadline: float) -> Seen | None:
        left = deadline - time.monotonic()
        if left <= 0:
            return _failed(TimeoutError("the answers before it took all the time"), late=True)
        return _send(connection, self.path, left)


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
