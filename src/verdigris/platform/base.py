"""The few verbs that a platform has, and the values they speak in."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from verdigris.model import Color, Deployment, Identity, Release, Traffic, Value
from verdigris.state.audit import AuditLog
from verdigris.state.journal import JournalStore

STATE = ".verdigris"
"""The folder beside the settings file that holds what this machine keeps of each environment."""


class Origin(NamedTuple):
    """Scheme, host and port: who is asked, whatever is asked for (RFC 6454)."""

    scheme: str
    host: str
    port: int


def origin(url: str) -> Origin:
    """The origin of a URL; one that names no host, or no port that there can be, has an origin like no other's."""
    try:
        parts = urlsplit(url)
        scheme, host = parts.scheme.lower(), (parts.hostname or "").rstrip(".")
        port = parts.port or {"http": 80, "ws": 80, "https": 443, "wss": 443}.get(scheme, 0)
        return Origin(scheme, host if host.isascii() else host.encode("idna").decode(), port)
    except ValueError:
        return Origin("", url, 0)


class Address(Value):
    """Where requests go, and how the answer is known.

    A request is sent to the name in its URL and verified against that name, wherever it really connects to.
    """

    url: str
    secure_url: str | None = None
    """The same over HTTPS, where the platform serves both; ``url`` itself may be HTTPS."""
    ca: str | None = None
    """A file with the certificates to trust in place of the system's."""
    connect: str | None = None
    """The host, or host:port, that is really connected to, where the names are not to be asked of DNS."""

    @property
    def https(self) -> str | None:
        """The address over HTTPS, where there is one."""
        return self.secure_url or (self.url if origin(self.url).scheme == "https" else None)

    @property
    def names(self) -> frozenset[str]:
        """The hosts of its URLs."""
        return frozenset(urlsplit(url).hostname or "" for url in (self.url, self.secure_url) if url)

    def place(self, url: str) -> tuple[str, int]:
        """Host and port that a request to ``url`` connects to; only this address's own names lead elsewhere."""
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        if self.connect is None or host not in self.names:
            return host, port
        pinned = urlsplit(f"//{self.connect}")
        return pinned.hostname or "", pinned.port or port

    def __str__(self) -> str:
        return f"{self.url} (connected to at {self.connect})" if self.connect else self.url


class Answer(Value):
    """What one request on a connection of its own came to."""

    status: int | None
    """``None`` where nobody answered."""
    identity: Identity | None
    seen: str
    """Both in words, for a message."""
    late: bool = False
    """Whether the request was taken and its answer did not end in time."""
    unasked: bool = False
    """Whether this machine could not ask (no descriptor, no memory), so that nothing is known of who was to answer."""


class Health(Value):
    """What a platform sees of a color's processes or pods."""

    running: bool
    instance: str = ""
    """Changes when it is restarted."""
    reason: str = ""
    """Why it is not running, in one sentence."""


class Observation(Value):
    """What was seen of a switch from fresh and from kept-alive connections."""

    complete: bool
    seconds: float
    """From the write to the moment from which every answer came from the new color."""
    fresh: int
    kept: int
    reason: str = ""
    """Where it is not complete: what was still seen."""


class Rehearsed(Value):
    """The live version on a migrated copy of the database."""

    address: str
    database_url: str
    text: str
    """What the migration said."""


class Platform(Protocol):
    """What a release asks of the thing that runs the colors.

    Every verb may be called again after a crash at any point: each looks at the world before it changes it.

    Where the strategy is ``rolling`` there is one place, ``Color.LIVE``, and whatever stands there has the users:
    ``stand_up`` is what moves them, ``switch`` is a conflict, and ``retire`` leaves nobody live.
    """

    told: Callable[[str], None]
    """Told what is worth a line while a verb takes its time; whoever acts sets it."""

    @property
    def root(self) -> Path:
        """The folder on this machine that belongs to this environment."""

    @property
    def journal(self) -> JournalStore:
        """Where this environment's lock and journal are."""

    @property
    def audit(self) -> AuditLog:
        """Where a line is written for each thing that was done to this environment."""

    @property
    def places(self) -> tuple[Color, ...]:
        """Where a release can stand: ``COLORS``, or ``(Color.LIVE,)`` where the strategy is ``rolling``."""

    def prepare(self, version: str) -> Release:
        """The release of that version, its artifact made where it is not there yet.

        Raises:
            UsageError: where there is no such version.
        """

    def known(self, version: str) -> Release | None:
        """The release of that version where its artifact is there already; makes nothing."""

    def secrets(self) -> frozenset[str]:
        """What the environment itself keeps secret beside the settings' secrets: nobody may read it in a record.

        May be asked from another thread. Raises:
            PlatformError: if it cannot be read.
        """

    def problems(self) -> list[str]:
        """What of the environment does not run though it should, each with what to do."""

    def live(self) -> Traffic:
        """Who has the users now, observed.

        In an environment that rolls: ``Color.LIVE`` and the identity of what stands there, though the one before it may
        still answer; the token changes with every ``stand_up``.
        """

    def standing(self, color: Color) -> Deployment | None:
        """What stands in a color, whether it runs or not; in ``live``, what was stood up last, ready or not."""

    def health(self, color: Color) -> Health:
        """Whether what stands in a color runs; in ``live``, whether it has replaced all of the one before it."""

    @property
    def migrates(self) -> bool:
        """Whether a release may bring the database to another level."""

    def migrate(self, release: Release) -> str:
        """Bring the database to the level the release needs; says what was done.

        Raises:
            NotReady: where the migration fails; the database is at the level it had.
        """

    def rehearsal(self, release: Release, live: Deployment) -> AbstractContextManager[Rehearsed | None]:
        """The live version on a copy of the database, migrated to the release's level, for the time of the block.

        ``None`` where the release migrates nothing.

        Raises:
            NotReady: where the migration fails on the copy, or the live version does not become ready on it.
        """

    def shortage(self) -> str | None:
        """What two releases side by side need more of than there is, such as database connections, or ``None``."""

    def tidy(self) -> None:
        """Remove what a killed run left that stands in no color, such as the rehearsal of a migration."""

    def stand_up(self, release: Release, color: Color, generation: int) -> Deployment:
        """Stand a release up in a color that has no users, and wait until it is ready and answers as itself.

        In ``live`` it replaces who stands there gradually, under the users' requests: who stood there answers until the
        new one is ready, and users meet both in between. Where it does not become ready it is left standing, and who
        stood there still answers as far as it can; to stand that one up again is the way back. What a signal
        or a kill interrupts is left as it is.

        Raises:
            NotReady: at once where it cannot become ready, else at the deadline; the message has the reason.
            Conflict: where the color has the users and is not ``live``, or a newer generation acts on the environment;
                nothing was changed.
        """

    def remember(self, deployment: Deployment) -> None:
        """Keep what is known of a deployment: whether it was verified, until when it is kept."""

    def address(self, color: Color) -> Address:
        """Where a color is reached without being live; of ``live``, the users' address."""

    def users(self) -> Address:
        """Where users reach whoever is live."""

    def answer(self, color: Color | None) -> Answer:
        """Ask the ready path once: of a color at its own address, or of whoever answers users where it is ``None``."""

    def switch(self, to: Color, expected: Traffic, generation: int) -> Traffic:
        """The one write that moves users between colors.

        Raises:
            Conflict: where traffic is no longer as ``expected``, or nothing stands in ``to``, or the environment rolls;
                nothing was changed.
        """

    def observe(self, identity: Identity, since: float) -> Observation:
        """Wait until fresh and kept-alive connections answer as ``identity``; bounded.

        Args:
            identity: who must answer.
            since: ``time.monotonic()`` of the write.
        """

    def follow(self, color: Color) -> bool:
        """Let what must run once, such as a scheduler, go with the users to ``color``: a step, which waits for nothing.

        Returns:
            Whether it runs there, and nowhere else.

        Raises:
            PlatformError: where it does not leave the other color, its time for that long over.
            NotReady: where it cannot run in this one, or not in time.
        """

    def hold_connections(self) -> None:
        """Open the kept-alive connections that the next ``observe`` looks at."""

    def open_requests(self, color: Color) -> int:
        """Requests in flight to a color."""

    def retire(self, color: Color) -> None:
        """Remove what stands in a color.

        What stands in ``live`` is removed too, users or not: a first release that failed has nobody to give way to.

        Raises:
            Conflict: where the color has the users and is not ``live``.
        """

    def log(self, color: Color, offset: int = 0) -> tuple[str, int]:
        """What a color logged from ``offset`` on, and the offset after it."""

    def adopt(self) -> str | None:
        """Take what a person did in an emergency to who has the users as it is; says what that was, or ``None``."""

    def level(self, color: Color) -> None:
        """Bring a candidate to the size of who has the users now, before it gets them.

        Raises:
            NotReady: where it does not get there in time.
        """

    def settled(self) -> None:
        """Give back what was held for a release that is decided; what must run once runs with who is live."""

    def guard(self) -> None:
        """See that whoever finishes interrupted runs here is at work; it is told if it had to be started.

        Raises:
            PlatformError: where it cannot be started.
        """

    def up(self) -> list[str]:
        """Bring up what the environment needs, and restore what stood; says what it did."""

    def down(self) -> list[str]:
        """Stop everything that ``up`` and releases started; says what it did."""
