"""Every answer is asked who gave it, and what it said is kept by test."""

from collections import Counter
from collections.abc import Sequence

from verdigris.model import Identity, described
from verdigris.plugin.context import Target
from verdigris.suites.evidence import Exchange, Stranger

BEGAN = "verdigris-began"
"""The extension of a request by which the fixture's client is known, and when it began."""
_ROUTER_MADE = (502, 503, 504)
_KEPT = 3
_BODY = 2000


class WrongIdentity(AssertionError):  # noqa: N818 - reads as a finding in a test's report
    """An answer came from somebody else than the target."""


class Ledger:
    """What one test saw."""

    def __init__(self) -> None:
        self.identities: Counter[str] = Counter()
        self.ips: Counter[str] = Counter()
        self.used: Counter[str] = Counter()
        """What else answered: the database, a service, whoever shows the certificate."""
        self.strangers: list[Stranger] = []
        self.exchanges: list[Exchange] = []
        self.artifacts: list[str] = []
        self.figures: dict[str, float] = {}
        self.late: list[str] = []
        """What was wrong and could not be raised where it was seen."""

    def answered(self, header: str, number: int = 1) -> None:
        """Count answers that a program of the suite's own got, by their identity header, however it is written."""
        identity = Identity.parse(header)
        self.identities[identity.header() if identity else header] += number

    def keep(self, exchange: Exchange) -> None:
        """Keep the last few exchanges, for the report of a failure."""
        clip = {"request_body": exchange.request_body[:_BODY], "response_body": exchange.response_body[:_BODY]}
        self.exchanges = [*self.exchanges, exchange.model_copy(update=clip)][-_KEPT:]


class Book:
    """The ledgers of a process; tests run one after the other in it."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.first: dict[str, Identity] = {}
        self.target: Target | None = None
        """Who must answer the clients of the test under way; ``None`` between tests."""

    def open(self) -> Ledger:
        """Begin a new test's ledger."""
        self.ledger = Ledger()
        return self.ledger

    def check(self, target: Target, url: str, status: int, lines: Sequence[str]) -> None:
        """Note who answered, by the identity headers of one answer: exactly one, and whole.

        An answer without identity is somebody else's, but for an error that the router makes when nobody answers it:
        that one fails its test and says nothing of a wrong color. Where no identity is expected, all answers must
        agree.

        Raises:
            WrongIdentity: where it was not the target.
        """
        identity = Identity.of(lines)
        if identity is None:
            if lines or status not in _ROUTER_MADE:
                self._stranger(target, url, status, described(lines))
            return
        text = identity.header()
        expected = self.first.setdefault(target.name, identity)
        if not target.accepts(identity) or (target.identity is None and identity != expected):
            self._stranger(target, url, status, text)
        self.ledger.identities[text] += 1

    def _stranger(self, target: Target, url: str, status: int, seen: str) -> None:
        expected = target.identity or self.first.get(target.name) or target.version or "one identity for all answers"
        stranger = Stranger(url=url, status=status, seen=seen, expected=str(expected))
        self.ledger.strangers.append(stranger)
        raise WrongIdentity(f"{url} ({status}) was answered by {seen}, expected was {expected}")


BOOK = Book()
