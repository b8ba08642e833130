"""What operators watch: counted outside the application, so that what a fault or a handler changes is counted too."""

import logging
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatbot.release import Release

log = logging.getLogger(__name__)

METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"})
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2.5, 5, 10)


class Metrics:
    """The application's metrics, in a registry of their own."""

    def __init__(self, release: Release, color: str, config: str) -> None:
        """Register them; a build's identity is a metric's labels, as is customary."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "chatbot_requests", "Answered requests.", ("method", "route", "status"), registry=self.registry
        )
        self.latency = Histogram(
            "chatbot_request_seconds",
            "Time to the end of the answer.",
            ("method", "route"),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.in_flight = Gauge("chatbot_requests_in_flight", "Requests being answered.", registry=self.registry)
        self.provider_errors = Counter(
            "chatbot_provider_errors", "Failures of the provider.", ("code",), registry=self.registry
        )
        build = Gauge(
            "chatbot_build_info", "What runs here.", ("version", "build", "color", "config"), registry=self.registry
        )
        build.labels(release.version, release.build, color, config).set(1)

    def count_provider_error(self, code: str) -> None:
        """Count one failure of the provider."""
        self.provider_errors.labels(code).inc()

    def text(self) -> bytes:
        """Write all metrics in Prometheus' text format."""
        return generate_latest(self.registry)


class Measure:
    """Counts and times every request, and logs those that the application failed."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        """Wrap the application."""
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        began = perf_counter()
        counted = scope["path"] != "/metrics"  # who asks how many there are does not count
        self.metrics.in_flight.inc(counted)
        try:
            await self.app(scope, receive, noted)
        finally:
            self.metrics.in_flight.dec(counted)
            method = scope["method"] if scope["method"] in METHODS else "other"
            route = getattr(scope.get("route"), "path", "unmatched")
            self.metrics.requests.labels(method, route, str(status)).inc()
            self.metrics.latency.labels(method, route).observe(perf_counter() - began)
            if status >= 500:
                log.error("answered %s to %s %s", status, method, route)
