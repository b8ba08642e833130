"""What a watch looks at, and from when on."""

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.unit.flow import GOOD, VERSIONS, Shop
from tests.unit.made import OTHER
from verdigris.model import Color, Deployment, Objection
from verdigris.platform import Address
from verdigris.settings import WatchSettings
from verdigris.testing import FakePlatform
from verdigris.watch import monitor
from verdigris.watch.probe import Probe
from verdigris.watch.samples import Sample

Watch = Callable[[list[Sample]], tuple[Objection, ...]]
BEFORE, SINCE = 6, 7
"""Numbers of the probe's requests: due before the switch was observed, and after it."""


@pytest.fixture
def watch(shop: Shop, tmp_path: Path) -> Watch:
    """A watch that is over at once, of a probe that saw some samples since the switch was observed."""
    platform = FakePlatform(shop.root, VERSIONS)
    deployment = platform.standing(platform.live().color or Color.BLUE)
    assert deployment is not None

    def watched(samples: list[Sample]) -> tuple[Objection, ...]:
        probe = Probe(Address(url="http://shop.invalid"), "/", 1, "x-release", tmp_path / "probe.jsonl")
        probe.samples += samples
        start = monitor.Start(time.monotonic(), SINCE, 0, 0)
        settings = WatchSettings(seconds=0.001, rate=1000, window=1)
        return monitor.watch(deployment, platform, settings, probe, lambda: (), lambda *_: None, start)

    return watched


def answer(deployment: Deployment | None = None, number: int = SINCE, status: int | None = 200) -> Sample:
    """A user's answer; by another release where none is named."""
    identity = deployment.identity if deployment else OTHER
    return Sample(at=0, milliseconds=5, status=status, identity=identity.header(), kept=True, number=number)


def test_what_was_lost_before_the_watch_began_is_judged(watch: Watch) -> None:
    """Users were on the release since the switch was observed, whatever was done before the watch looked."""
    assert [found.rule for found in watch([answer(status=None)])] == ["watch-lost"]


def test_an_identity_that_is_written_another_way_is_the_releases(watch: Watch, shop: Shop) -> None:
    """What passed readiness, the suites and the switch is not rolled back in the watch for its spaces."""
    standing = shop.platform().standing(Color.BLUE)
    assert standing is not None
    spaced = "; ".join(reversed(standing.identity.header().split(";")))
    assert watch([answer(standing).model_copy(update={"identity": spaced})]) == ()


def test_an_answer_that_was_asked_for_before_the_switch_is_nobodys_fault(watch: Watch, shop: Shop) -> None:
    """It took its time, came from the color that was left, and arrived after the switch was observed."""
    standing = shop.platform().standing(Color.BLUE)
    assert standing is not None
    assert standing.release.version == GOOD[0]
    assert watch([answer(number=BEFORE), answer(standing)]) == ()
    assert [found.rule for found in watch([answer(), answer(standing)])] == ["watch-stranger"]


class Patient(BaseHTTPRequestHandler):
    """Answers as the release, and takes its time."""

    identity = ""

    def do_GET(self) -> None:
        """Answer after a while."""
        time.sleep(0.8)
        self.send_response(200)
        self.send_header("x-release", self.identity)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_answers_that_take_their_time_make_no_watch_blind(shop: Shop, tmp_path: Path) -> None:
    """What was on its way when the switch was observed ends in the watch, as much as is on its way at its end."""
    platform = FakePlatform(shop.root, VERSIONS)
    deployment = platform.standing(platform.live().color or Color.BLUE)
    assert deployment is not None
    handler = type("Handler", (Patient,), {"identity": deployment.identity.header()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        users = Address(url=f"http://127.0.0.1:{server.server_port}")
        probe = Probe(users, "/", 40, "x-release", tmp_path / "probe.jsonl")
        probe.start()
        assert probe.wait_for(20, 20)
        settings = WatchSettings(seconds=2, rate=40, answer_ms=5000)
        start = monitor.start(probe, 0)
        found = monitor.watch(deployment, platform, settings, probe, lambda: (), lambda *_: None, start)
        probe.finish(time.monotonic() + 6)
        server.shutdown()
    assert found == ()
