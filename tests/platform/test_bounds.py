"""An exchange ends in time and has a limit in bytes, whatever the other side sends; real sockets on this machine."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from verdigris.model import Identity
from verdigris.platform import Address
from verdigris.platform.bounds import TooLong, resolve
from verdigris.platform.connection import ask, certificate, connect
from verdigris.platform.kubernetes.transport import Transport, Unanswered
from verdigris.platform.observer import Observer, answer_of, look
from verdigris.plugin.transport import Named
from verdigris.watch.probe import Probe

WHO = Identity.parse("color=blue;version=1.0.0;build=b;config=c")
IDENTITY = b"x-release: color=blue;version=1.0.0;build=b;config=c\r\n"
HEAD = b"HTTP/1.1 200 OK\r\n" + IDENTITY
GOOD = HEAD + b"content-length: 2\r\n\r\nok"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
ENDLESS = [
    pytest.param(b"", b"HTTP/1.1 ", id="nothing-but-a-status"),
    pytest.param(HEAD, b"x-more: y\r\n", id="headers"),
    pytest.param(HEAD + b"x-more: ", b"y", id="one-header"),
    pytest.param(HEAD + b"content-length: 99999999999\r\n\r\n", b"z", id="body"),
    pytest.param(HEAD + b"\r\n", b"z", id="body-without-length"),
    pytest.param(CHUNKED, b"1\r\nz\r\n", id="chunks"),
    pytest.param(CHUNKED + b"1;x=", b"y", id="one-chunk-extension"),
    pytest.param(CHUNKED + b"0\r\n", b"x-more: y\r\n", id="trailers"),
    pytest.param(b"", b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n", id="early-hints"),
    pytest.param(b"", b"HTTP/1.1 100 Continue\r\n\r\n", id="continue"),
]
Serve = Callable[..., Address]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server that answers each request with ``begun``, then ``part`` again and again each ``pause`` seconds."""
    over = threading.Event()
    listeners: list[socket.socket] = []

    def answer(ours: socket.socket, begun: bytes, part: bytes, pause: float) -> None:
        with contextlib.suppress(OSError), ours:
            while ours.recv(65536) and not over.is_set():
                ours.sendall(begun)
                while part and not over.wait(pause):
                    ours.sendall(part if pause else part * (65536 // len(part)))

    def accept(listener: socket.socket, *plan: bytes | float) -> None:
        with contextlib.suppress(OSError):
            while True:
                ours, _ = listener.accept()
                threading.Thread(target=answer, args=(ours, *plan), daemon=True).start()

    def start(begun: bytes, part: bytes = b"", pause: float = 0.0, scheme: str = "http") -> Address:
        listeners.append(socket.create_server(("127.0.0.1", 0), backlog=64))
        threading.Thread(target=accept, args=(listeners[-1], begun, part, pause), daemon=True).start()
        return Address(url=f"{scheme}://127.0.0.1:{listeners[-1].getsockname()[1]}")

    yield start
    over.set()
    for listener in listeners:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.mark.parametrize(("begun", "part"), ENDLESS)
def test_66_an_answer_that_drips_for_ever_ends_at_the_deadline(serve: Serve, begun: bytes, part: bytes) -> None:
    """A piece each 50 ms never runs into a socket's own time-out; the deadline is of the whole answer."""
    address, began = serve(begun, part, 0.05), time.monotonic()
    seen = look(address, "/", "x-release", timeout=0.4)
    assert time.monotonic() - began < 1.5
    assert (seen.status, seen.identity, seen.late) == (None, None, True), seen
    assert "the answer did not end within 0.4 s" in seen.text


@pytest.mark.parametrize(("begun", "part"), ENDLESS)
def test_66_an_answer_that_is_endless_and_quick_ends_at_the_limit(serve: Serve, begun: bytes, part: bytes) -> None:
    """Long before the deadline; where HTTP itself has a limit, such as for one header, that one is met first."""
    connection, began = connect(serve(begun, part)), time.monotonic()
    with pytest.raises((TooLong, http.client.HTTPException)) as caught:
        ask(connection, "/", {}, seconds=20, limit=1 << 20)
    assert time.monotonic() - began < 10
    assert connection.sock is None, "it is closed: what still comes on it is nobody's answer"
    if isinstance(caught.value, TooLong):
        assert str(caught.value) == "the answer is longer than 1 MiB"


def test_an_informational_answer_is_not_the_answer(serve: Serve) -> None:
    """Early hints come before the answer, which is read after them; the connection stays in step."""
    address = serve(b"HTTP/1.1 103 Early Hints\r\nx-release: nobody\r\n\r\n" + GOOD)
    connection = connect(address)
    heard = [ask(connection, "/", {}) for _ in range(2)]
    connection.close()
    assert [(one.status, Identity.of(one.lines("x-release"))) for one in heard] == 2 * [(200, WHO)]


def test_an_answer_that_ends_before_its_length_is_none(serve: Serve) -> None:
    """Cut off: read in parts it must be noticed as much as in one."""
    listener = socket.create_server(("127.0.0.1", 0))

    def cut() -> None:
        ours, _ = listener.accept()
        ours.recv(65536)
        ours.sendall(HEAD + b"content-length: 10\r\n\r\nhalf")
        ours.close()

    threading.Thread(target=cut, daemon=True).start()
    status, _, seen = answer_of(Address(url=f"http://127.0.0.1:{listener.getsockname()[1]}"), "/", "x-release")
    listener.close()
    assert status is None
    assert "IncompleteRead" in seen


@pytest.mark.parametrize("read", [lambda it: look(it, "/", "", 0.4).text, lambda it: _text(certificate, it, 0.4)])
def test_a_handshake_that_never_ends_ends_at_the_deadline(serve: Serve, read: Callable[[Address], str]) -> None:
    """Somebody takes the connection and drips what is no handshake's end: a record that grows for ever."""
    began = time.monotonic()
    said = read(serve(b"\x16\x03\x03\x40\x00\x02", b"\x00", 0.05, scheme="https"))
    assert "the TLS handshake did not end within" in said
    assert time.monotonic() - began < 1.5


def _text(call: Callable[..., object], *words: object) -> str:
    with pytest.raises(OSError, match=r".") as caught:
        call(*words)
    return str(caught.value)


def test_a_name_server_that_never_answers_is_waited_for_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """``getaddrinfo`` has no time-out: it is left to itself, and the name is said not to resolve."""
    over, real = threading.Event(), socket.getaddrinfo

    def silent(host: str, *words: object, **more: object) -> object:
        if host == "shop.example.test" and not more.get("flags"):
            over.wait(30)
        return real(host, *words, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    began = time.monotonic()
    try:
        seen = look(Address(url="http://shop.example.test"), "/", "", timeout=0.3)
        assert "the name shop.example.test does not resolve (no answer within" in seen.text
        assert time.monotonic() - began < 1.5
    finally:
        over.set()


def test_what_cannot_be_a_name_does_not_resolve() -> None:
    """A label that is too long is an error of names, not of encodings."""
    with pytest.raises(socket.gaierror, match="not a name"):
        resolve("a" * 70 + ".example", 80, 2)


DRIPS = [
    pytest.param(begun, part, id=name) for name, begun, part in (("body", HEAD + b"\r\n", b"z"), ("status", b"", b"H"))
]


@pytest.mark.parametrize(("begun", "part"), DRIPS)
def test_66_a_switch_to_who_drips_is_not_observed_and_not_waited_for(serve: Serve, begun: bytes, part: bytes) -> None:
    """``switch_seconds`` is of the whole: neither connecting, nor kept connections, nor fresh ones take more."""
    observer, began = Observer(serve(begun, part, 0.05), "x-release", "/"), time.monotonic()
    observer.open()
    opened = time.monotonic() - began
    try:
        seen = observer.wait_for(WHO, began, 0.6)  # type: ignore[arg-type]
    finally:
        observer.close()
    assert opened < 2.5
    assert not seen.complete
    assert "did not end within" in seen.reason
    assert time.monotonic() - began - opened < 2


def test_a_switch_to_who_is_right_and_too_slow_is_not_observed(make_slow: Callable[[float], Address]) -> None:
    """Every answer is right, and as many rounds as are needed do not fit into the time."""
    observer, began = Observer(make_slow(0.5), "x-release", "/"), time.monotonic()
    seen = observer.wait_for(WHO, began, 0.8)  # type: ignore[arg-type]
    assert not seen.complete
    assert "did not end within" in seen.reason
    assert time.monotonic() - began < 2


def test_a_switch_to_who_is_right_and_not_quick_is_observed(make_slow: Callable[[float], Address]) -> None:
    """The connections of a round are asked at once: 24 answers of 200 ms do not take five seconds."""
    observer, began = Observer(make_slow(0.2), "x-release", "/"), time.monotonic()
    observer.open()
    try:
        seen = observer.wait_for(WHO, began, 4)  # type: ignore[arg-type]
    finally:
        observer.close()
    assert seen.complete, seen.reason
    assert (seen.kept, seen.fresh) == (18, 6)


@pytest.fixture
def make_slow() -> Iterator[Callable[[float], Address]]:
    """Start a server whose every answer is right and takes so many seconds."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    made: list[ThreadingHTTPServer] = []

    def start(seconds: float) -> Address:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                time.sleep(seconds)
                self.wfile.write(GOOD)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        made.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return Address(url=f"http://127.0.0.1:{server.server_port}")

    yield start
    for server in made:
        server.shutdown()
        server.server_close()


def test_a_request_of_the_probe_that_drips_is_lost(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sample says how long the whole answer may take."""
    monkeypatch.setattr("verdigris.watch.probe.TIMEOUT", 0.4)
    probe = Probe(serve(HEAD + b"\r\n", b"z", 0.05), "/", 20, "x-release", tmp_path / "probe.jsonl")
    probe.start()
    assert probe.wait_for(5, 10)
    probe.finish(time.monotonic() + 5)
    assert all(sample.lost for sample in probe.samples)
    assert "the answer did not end within 0.4 s" in probe.samples[0].error


def test_two_identity_headers_of_a_probed_answer_are_nobodys(serve: Serve, tmp_path: Path) -> None:
    """They are not joined into one; the sample says that there were two."""
    twice = b"HTTP/1.1 200 OK\r\n" + 2 * IDENTITY + b"content-length: 2\r\n\r\nok"
    probe = Probe(serve(twice), "/", 20, "x-release", tmp_path / "probe.jsonl")
    probe.start()
    assert probe.wait_for(3, 10)
    probe.finish(time.monotonic() + 5)
    assert not any(sample.said_by(WHO) for sample in probe.samples)  # type: ignore[arg-type]
    assert "2 identity headers, expected is one" in str(probe.samples[0].identity)


@pytest.mark.parametrize(("begun", "part"), ENDLESS)
def test_66_a_suites_request_ends_at_the_deadline_of_the_whole(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, begun: bytes, part: bytes
) -> None:
    """A drip runs into none of httpx's own time-outs; the client of the suites has a deadline beside them."""
    monkeypatch.setattr("verdigris.plugin.transport.WHOLE", 0.4)
    address, began = serve(begun, part, 0.05), time.monotonic()
    with (
        httpx.Client(base_url=address.url, transport=Named(address), timeout=10) as client,
        pytest.raises(httpx.ReadTimeout, match=r"the answer did not end within 0\.4 s"),
    ):
        client.get("/")
    assert time.monotonic() - began < 1.5


def test_66_a_suites_request_ends_at_the_limit_in_bytes(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer as fast as it goes ends long before the deadline, and before the memory."""
    monkeypatch.setattr("verdigris.plugin.transport.LIMIT", 1 << 20)
    address = serve(HEAD + b"\r\n", b"z")
    with (
        httpx.Client(base_url=address.url, transport=Named(address), timeout=10) as client,
        pytest.raises(httpx.ReadError, match="the answer is longer than 1 MiB"),
    ):
        client.get("/")


def test_a_suite_reads_a_stream_as_it_comes(serve: Serve) -> None:
    """A stream may pause for as long as the client's own time-out allows, and is read piece by piece."""
    address = serve(HEAD + b"content-type: text/event-stream\r\n\r\n", b"data: x\n\n", 0.1)
    with (
        httpx.Client(base_url=address.url, transport=Named(address), timeout=10) as client,
        client.stream("GET", "/") as answer,
    ):
        lines = answer.iter_lines()
        assert [next(lines) for _ in range(6)] == 3 * ["data: x", ""]


@pytest.mark.parametrize(("begun", "part"), ENDLESS)
def test_66_an_api_server_whose_answer_never_ends_has_not_answered(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, begun: bytes, part: bytes
) -> None:
    """Neither is a balancer in front of it waited for; it counts as silent, and never as success."""
    monkeypatch.setattr("verdigris.platform.kubernetes.transport.WHOLE", 0.4)
    named = {"name": "x", "cluster": {"server": serve(begun, part, 0.05).url}, "context": {"cluster": "x"}}
    config = {"clusters": [named], "contexts": [named], "current-context": "x"}
    (tmp_path / "config").write_text(json.dumps(config))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "config"))
    transport, began = Transport(None), time.monotonic()
    with pytest.raises(Unanswered, match="the API server does not answer"):
        transport.send("GET", "/version")
    assert time.monotonic() - began < 1.5


def test_66_a_user_of_the_load_whose_answer_never_ends_asks_again(serve: Serve, tmp_path: Path) -> None:
    """The request counts as failed, by a deadline of its own."""
    text = (Path(__file__).parents[2] / "performance" / "locustfile.py").read_text()
    (tmp_path / "locustfile.py").write_text(text.replace("ANSWER = 10.0", "ANSWER = 0.5"))
    address = serve(HEAD + b"content-length: 99999\r\n\r\n", b"z", 0.05)
    more = {"OUT": str(tmp_path / "load.json"), "PATHS": '["/"]', "HEADER": "x-release"}
    more["PLACE"] = json.dumps(address.place(address.url))
    words = ["--headless", "--host", address.url, "--users", "2", "--spawn-rate", "2", "--run-time", "3s"]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "locust",
            "-f",
            "locustfile.py",
            *words,
            "--stop-timeout",
            "1",
            "--exit-code-on-error",
            "0",
        ],
        cwd=tmp_path,
        env={**os.environ, **{f"VERDIGRIS_LOAD_{name}": value for name, value in more.items()}},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (tmp_path / "load.json").is_file(), done.stderr
    figures = json.loads((tmp_path / "load.json").read_text())["figures"]
    assert figures["requests"] >= 4, figures
    assert figures["failures"] == figures["requests"], figures
