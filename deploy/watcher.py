"""Who looks on while a release goes its way: a person's terminal, or nobody."""

from typing import Protocol

from deploy.evidence import Evidence
from deploy.model import Record


class Watcher(Protocol):
    """Who is told of the progress."""

    def record(self, record: Record) -> None:
        """A state was journaled; its effect comes next."""

    def told(self, text: str) -> None:
        """Something worth a line happened."""

    def suite(self, suite: str, evidence: Evidence) -> None:
        """A suite got on."""

    def watched(self, seconds: float, samples: int, lost: int) -> None:
        """The watch got on."""


class Silent:
    """A watcher that says nothing."""

    def record(self, record: Record) -> None: ...
    def told(self, text: str) -> None: ...
    def suite(self, suite: str, evidence: Evidence) -> None: ...
    def watched(self, seconds: float, samples: int, lost: int) -> None: ...
