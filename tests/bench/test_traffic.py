"""The users count what a server does to them: each way of misbehaving as what it is, and nothing against a good one."""

import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from bench.generator import Generator, Plan, as_arguments
from bench.summary import Summary
from bench.traffic import Traffic, TrafficError, main
from tests.bench.servers import CLOSING, EVENT, GOOD, IDENTITY, STREAM, TERMINATOR, Behaviour, Call, Server
from verdigris.watch import samples

ROOT = Path(__file__).resolve().parents[2]
Serve = Callable[..., Server]


def users(url: str, *, out: Path | None = None, **changes: Any) -> Summary:
    """A short run in this process, of 40 requests evenly."""
    plan = Plan(**({"url": url, "rate": 160, "seconds": 0.25, "arrivals": "even"} | changes))

    async def run() -> Summary:
        return await Generator(plan, out).run()

    return asyncio.run(run())


def good(call: Call) -> bool:
    return call.say(GOOD)


def stream(*parts: bytes) -> Behaviour:
    """Answer ``/stream`` with ``parts``, then close the connection unless they end it."""

    def behave(call: Call) -> bool:
        if call.path != "/stream":
            return call.say(GOOD)
        whole = b"".join(parts)
        return call.say(whole) if whole.endswith(TERMINATOR) else call.say_and_close(whole)

    return behave


def test_users_reach_a_name_where_the_plan_says(serve: Serve, tmp_path: Path) -> None:
    """Connected is to another place, and the certificate is still verified for the name."""
    issuer = trustme.CA()
    issuer.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issuer.issue_cert("chat.example.test").configure_cert(context)
    server = serve(good, context)
    place, ca = server.url.partition("://")[2], str(tmp_path / "ca.pem")
    seen = users("https://chat.example.test", connect=place, ca=ca)
    assert (seen.lost, seen.https) == (0, seen.requests)
    assert seen.passed
    seen = users("https://other.example.test", connect=place, ca=ca)
    assert seen.lost == seen.requests
    assert "other.example.test" in next(iter(seen.errors))


def test_users_come_from_the_address_of_the_plan(serve: Serve) -> None:
    """Over new and kept connections, and while they wait for a first release."""
    server = serve(good)
    seen = users(server.url, source="127.0.0.2", wait=True)
    assert (seen.passed, server.sources) == (True, {"127.0.0.2"})


def test_nothing_is_lost_against_a_good_server(serve: Serve, tmp_path: Path) -> None:
    server = serve(stream(STREAM, EVENT, CLOSING, TERMINATOR))
    out = tmp_path / "samples.jsonl"
    seen = users(server.url, out=out, stream_path="/stream", stream_end="event: done", new_share=0.5, streams=1)
    assert (seen.lost, seen.streams_lost, seen.closed_idle) == (0, 0, 0)
    assert seen.passed
    assert seen.requests - seen.streams == seen.planned == 40
    assert seen.streams >= 1
    assert seen.identities == {IDENTITY: seen.requests}
    assert seen.new > 5
    assert seen.kept > 5
    kept = list(samples.read(out))
    assert len(kept) == seen.requests
    assert not any(sample.lost for sample in kept)
    assert sum(sample.kept for sample in kept) == seen.kept
    assert (seen.first_at, seen.last_at) == (min(s.at for s in kept), max(s.at for s in kept))


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (lambda call: False, "connection closed after the request was written, nothing was answered"),
        (lambda call: call.reset(), "connection closed after the request was written, nothing was answered"),
        (lambda call: call.say_and_close(GOOD[:-1]), "connection closed after the request was written, 200 and"),
        (lambda call: call.say_and_close(GOOD[:30]), "connection closed after the request was written, part of the h"),
        (lambda call: call.say_and_close(STREAM + EVENT), "connection closed after the request was written, 200 and"),
        (lambda call: call.say(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"), "answered 503"),
        (lambda call: call.say(b"nonsense\r\n\r\n"), "answer cannot be parsed"),
    ],
    ids=["closed", "reset", "body cut", "headers cut", "chunks cut", "503", "nonsense"],
)
def test_every_loss_is_counted_by_what_was_seen(serve: Serve, behaviour: Behaviour, error: str) -> None:
    seen = users(serve(behaviour).url)
    assert seen.requests == seen.lost == seen.planned == 40
    assert all(text.startswith(error) for text in seen.errors), seen.errors
    assert not seen.passed
    assert seen.closed_idle == 0


def test_some_losses_are_counted_one_by_one(serve: Serve) -> None:
    server = serve(lambda call: call.say(GOOD) if call.number % 4 else False)
    assert users(server.url).lost == 10
    assert server.requests == 40, "a lost request was sent again"


def test_a_kept_connection_closed_while_idle_is_no_loss(serve: Serve) -> None:
    server = serve(lambda call: call.say_and_close(GOOD))
    seen = users(server.url, new_share=0)
    assert (seen.requests, seen.lost, seen.kept) == (40, 0, 0)
    assert seen.closed_idle >= 30  # the last ones' ends may come after the users went
    assert server.connections == 40


def test_an_announced_close_is_neither_a_loss_nor_closed_idle(serve: Serve) -> None:
    answer = GOOD.replace(b"content-length", b"connection: close\r\ncontent-length")
    seen = users(serve(lambda call: call.say_and_close(answer)).url, new_share=0)
    assert (seen.requests, seen.lost, seen.closed_idle, seen.kept) == (40, 0, 0, 0)


def test_a_body_that_goes_to_the_end_is_whole(serve: Serve) -> None:
    seen = users(serve(lambda call: call.say_and_close(b"HTTP/1.1 200 OK\r\n\r\nhello")).url)
    assert (seen.requests, seen.lost) == (40, 0)
    assert seen.identities == {"none": 40}


def test_early_hints_are_no_answer(serve: Serve) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n"
    assert users(serve(lambda call: call.say(hints + GOOD)).url).lost == 0
    assert users(serve(lambda call: call.say_and_close(hints)).url).lost == 40


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ((STREAM, EVENT), "connection closed after the request was written"),
        ((STREAM, EVENT, CLOSING), "connection closed after the request was written"),
        ((STREAM, EVENT, TERMINATOR), "stream ended without its closing event"),
        ((b"HTTP/1.1 200 OK\r\n\r\n", EVENT), "stream ended without its closing event"),
        ((b"HTTP/1.1 404 No\r\ncontent-length: 11\r\n\r\nevent: done",), "no stream: answered 404"),
    ],
    ids=["cut", "no terminator", "no closing event", "to the end, no closing event", "no stream"],
)
def test_a_stream_that_does_not_end_well_is_lost(serve: Serve, parts: tuple[bytes, ...], error: str) -> None:
    seen = users(serve(stream(*parts)).url, stream_path="/stream", stream_end="event: done", streams=2)
    assert seen.streams_lost == seen.streams == seen.lost
    assert seen.streams >= 2
    assert all(text.startswith(error) for text in seen.errors), seen.errors


def test_what_is_not_answered_in_time_is_lost(serve: Serve) -> None:
    gate = threading.Event()
    server = serve(lambda call: call.say(GOOD) if call.number % 4 else gate.wait(5))
    seen = users(server.url, timeout=1)
    gate.set()
    assert seen.lost == 10
    assert set(seen.errors) == {"not answered for 1 s"}


def test_nobody_queues_behind_a_slow_answer(serve: Serve) -> None:
    others = threading.Semaphore(0)

    def behave(call: Call) -> bool:
        if call.number == 1:
            for _ in range(39):
                assert others.acquire(timeout=5)
        else:
            others.release()
        return call.say(GOOD)

    seen = users(serve(behave).url, new_share=0, pool=1)
    assert (seen.requests, seen.lost) == (40, 0)
    assert seen.max_ms is not None
    assert seen.max_ms > 200, "latency is measured from the intended start"


def test_nobody_listening_is_a_loss() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    seen = users(f"http://127.0.0.1:{port}")
    assert seen.requests == seen.lost == 40
    assert all(text.startswith("no connection (ConnectionRefusedError") for text in seen.errors)


def test_https_is_verified(serve: Serve, tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    stranger.cert_pem.write_to_path(str(tmp_path / "stranger.pem"))
    plain, secure = serve(good), serve(good, context)
    seen = users(plain.url, secure_url=secure.url, ca=str(tmp_path / "ca.pem"))
    assert seen.lost == 0
    assert min(seen.http, seen.https) > 5
    assert seen.http + seen.https == seen.requests == 40
    seen = users(plain.url, secure_url=secure.url, ca=str(tmp_path / "stranger.pem"))
    assert seen.lost == seen.https > 5
    assert all("CERTIFICATE_VERIFY_FAILED" in text for text in seen.errors)


def test_it_waits_for_a_first_release(serve: Serve) -> None:
    answer = b"HTTP/1.1 503 Nobody\r\ncontent-length: 0\r\n\r\n"
    server = serve(lambda call: call.say(GOOD if call.number > 3 else answer))
    seen = users(server.url, wait=True)
    assert (seen.requests, seen.lost) == (40, 0)
    assert server.requests == 44


def test_the_plan_does_not_depend_on_the_answers() -> None:
    def offsets(**changes: Any) -> list[float]:
        async def read() -> list[float]:
            return list(Generator(Plan(url="http://127.0.0.1:1", rate=100, seconds=20, **changes)).offsets)

        return asyncio.run(read())

    assert offsets() == offsets()
    assert offsets() != offsets(seed=2)
    assert 1800 < len(offsets()) < 2200
    assert len(offsets(arrivals="even")) == pytest.approx(2000, abs=1)


def test_a_process_of_its_own_ends_with_its_requests_answered(serve: Serve) -> None:
    holding, release = threading.Event(), threading.Event()

    def behave(call: Call) -> bool:
        if call.number > 10:
            holding.set()
            release.wait(10)
        return call.say(GOOD)

    with Traffic(Plan(url=serve(behave).url)) as traffic:
        assert holding.wait(10)
        assert traffic._process is not None
        os.kill(traffic._process.pid, signal.SIGTERM)
        release.set()
        seen = traffic.stop()
        assert traffic.stop() is seen
        assert seen.lost == 0
        assert seen.requests > 10
        assert len(list(traffic.samples())) == seen.requests
        assert traffic._process.returncode == 0


def test_a_process_of_its_own_waits_for_a_first_release(serve: Serve) -> None:
    live = threading.Event()
    answer = b"HTTP/1.1 503 Nobody\r\ncontent-length: 0\r\n\r\n"
    server = serve(lambda call: call.say(GOOD if live.is_set() else answer))
    with Traffic(Plan(url=server.url, wait=True)) as traffic:
        with pytest.raises(TrafficError, match="no request came to its end"):
            traffic.wait_ready(0.1)
        live.set()
        traffic.wait_ready()
        assert traffic.stop().passed
    with Traffic(Plan(url=serve(lambda call: call.say(answer)).url, wait=True)) as traffic:
        assert not traffic.stop().passed, "no request at all is no pass"


def test_a_process_that_cannot_start_says_why() -> None:
    with pytest.raises(TrafficError, match="No such file"):
        Traffic(Plan(url="http://127.0.0.1:1", secure_url="https://127.0.0.1:1", ca="nowhere.pem")).start()


def test_it_ends_with_the_process_that_started_it(serve: Serve) -> None:
    traffic = Traffic(Plan(url=serve(good).url))
    traffic.start()
    assert traffic._process is not None
    assert traffic._process.stdin is not None
    traffic._process.stdin.close()
    assert traffic._process.wait(timeout=10) == 0
    traffic._process.stdin = None
    assert traffic.stop().passed


@pytest.mark.parametrize(("behaviour", "status"), [(good, 0), (lambda call: False, 1)], ids=["good", "bad"])
def test_the_exit_status_says_whether_anything_was_lost(serve: Serve, behaviour: Behaviour, status: int) -> None:
    words = as_arguments(Plan(url=serve(behaviour).url, seconds=0.2, paths=("/", "/api")))
    command = [sys.executable, "-m", "bench.traffic", *words, "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == status, done.stderr
    assert Summary(**json.loads(done.stdout)).passed is (status == 0)


def test_a_wrong_option_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--url", "http://127.0.0.1:1", "--rate", "0"])
    assert "--rate" in capsys.readouterr().err
