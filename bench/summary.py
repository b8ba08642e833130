"""What the users saw, all told: the values that a run of the traffic ends in."""

import dataclasses
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from bench.figure import percentile


@dataclass(frozen=True)
class Summary:
    """One run of the traffic. ``requests`` and ``lost`` have the streams in them; latencies leave the streams out."""

    requests: int
    lost: int
    streams: int
    streams_lost: int
    new: int
    """Over a connection that was opened for them."""
    kept: int
    """Over a connection that had answered before."""
    http: int
    https: int
    closed_idle: int
    """Kept connections that the server closed while no request was on them: no loss."""
    p50_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    identities: dict[str, int]
    """Requests by the identity header of their answer; ``none`` where there was none."""
    statuses: dict[str, int]
    errors: dict[str, int]
    """Losses by what was seen."""
    planned_rate: float
    achieved_rate: float
    """Requests a second that were sent, streams left out."""
    planned: int
    """Arrivals that were due."""
    first_at: float | None
    last_at: float | None

    @property
    def passed(self) -> bool:
        """Whether nothing was lost; no request at all is no pass."""
        return self.requests > 0 and self.lost == 0

    def as_json(self) -> dict[str, Any]:
        """The summary as JSON takes it."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        def ms(value: float | None) -> str:
            return "-" if value is None else f"{value:.1f}"

        who = ", ".join(f"{name}: {count}" for name, count in self.identities.items())
        why = "".join(f"\n  lost {count}: {text}" for text, count in self.errors.items())
        return (
            f"{self.requests} requests, {self.lost} lost; {self.streams} streams, {self.streams_lost} of them lost; "
            f"{self.new} new and {self.kept} kept connections' requests, {self.http} HTTP, {self.https} HTTPS; "
            f"{self.closed_idle} closed idle; p50 {ms(self.p50_ms)} p99 {ms(self.p99_ms)} max {ms(self.max_ms)} ms; "
            f"{self.achieved_rate:.1f}/s of {self.planned_rate:g}/s planned; {who}{why}"
        )


@dataclass
class Tally:
    """Counts while the traffic runs."""

    counts: Counter[str] = field(default_factory=Counter)
    identities: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    milliseconds: list[float] = field(default_factory=list)
    first_at: float | None = None
    last_at: float | None = None

    def add(self, sample: dict[str, Any], *, stream: bool, secure: bool) -> None:
        """Count one request."""
        status = sample["status"]
        lost = status is None or status >= 500
        self.counts["requests"] += 1
        self.counts["lost"] += lost
        self.counts["streams"] += stream
        self.counts["streams_lost"] += stream and lost
        self.counts["kept" if sample["kept"] else "new"] += 1
        self.counts["https" if secure else "http"] += 1
        self.identities[sample["identity"] or "none"] += 1
        self.statuses[str(status or "none")] += 1
        if lost:
            self.errors[sample["error"]] += 1
        if not stream:
            self.milliseconds.append(sample["milliseconds"])
        self.first_at = sample["at"] if self.first_at is None else min(self.first_at, sample["at"])
        self.last_at = sample["at"] if self.last_at is None else max(self.last_at, sample["at"])

    def summary(self, *, closed_idle: int, planned: int, planned_rate: float, seconds: float) -> Summary:
        """The whole of it."""
        sent = self.counts["requests"] - self.counts["streams"]

        def latency(share: float) -> float | None:
            return percentile(self.milliseconds, share) if self.milliseconds else None

        return Summary(
            **{key: self.counts[key] for key in ("requests", "lost", "streams", "streams_lost", "new", "kept")},
            http=self.counts["http"],
            https=self.counts["https"],
            closed_idle=closed_idle,
            p50_ms=latency(0.5),
            p99_ms=latency(0.99),
            max_ms=latency(1.0),
            identities=dict(self.identities.most_common()),
            statuses=dict(self.statuses.most_common()),
            errors=dict(self.errors.most_common(50)),
            planned_rate=planned_rate,
            achieved_rate=sent / seconds if seconds > 0 else 0.0,
            planned=planned,
            first_at=self.first_at,
            last_at=self.last_at,
        )
