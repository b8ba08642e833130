"""A name is reached where the address says, and is always verified: by the observer, the probe and httpx."""

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.names.served import IDENTITY, NAME, Server
from verdigris.errors import UsageError
from verdigris.model import Identity
from verdigris.platform import Address
from verdigris.platform.connection import certificate, require_names
from verdigris.platform.observer import Observer, answer_of
from verdigris.plugin.transport import Named
from verdigris.plugin.trust import certutil, home, resolver_rules
from verdigris.watch.probe import Probe

Make = Callable[..., Address]
WHO = Identity.parse(IDENTITY)
BAD = [
    pytest.param(
        "expired", True, rf"the certificate of {NAME} expired on \d{{4}}-\d\d-\d\d \d\d:\d\d UTC", id="27-expired"
    ),
    pytest.param("early", True, rf"the certificate of {NAME} is not valid before \d{{4}}-", id="27-not-yet-valid"),
    pytest.param("other-name", True, f"shown for {NAME} is not for that name", id="28-another-name"),
    pytest.param("good", False, "issued by nobody who is trusted here", id="28-another-authority"),
]


def test_a_name_is_reached_where_the_address_says(serve: Callable[..., Server], trusted: str) -> None:
    """Host and SNI are the name's, though the connection goes elsewhere."""
    server = serve()
    status, identity, seen = answer_of(
        Address(url=f"https://{NAME}", connect=server.place, ca=trusted), "/", "x-release"
    )
    assert (status, identity) == (200, WHO), seen
    assert (server.sni, server.hosts) == ({NAME}, {NAME})


def test_a_host_without_a_port_keeps_the_ports_of_the_name(serve: Callable[..., Server], trusted: str) -> None:
    """``address = "127.0.0.1"`` leaves the port that the URL names, and the Host header has it."""
    server = serve()
    url = f"https://{NAME}:{server.server_port}"
    assert answer_of(Address(url=url, connect="127.0.0.1", ca=trusted), "/", "x-release")[0] == 200
    assert server.hosts == {f"{NAME}:{server.server_port}"}


@pytest.mark.parametrize(
    ("connect", "place"),
    [
        pytest.param(None, (NAME, 443), id="DNS"),
        pytest.param("127.0.0.1", ("127.0.0.1", 443), id="host"),
        pytest.param("127.0.0.1:8443", ("127.0.0.1", 8443), id="host and port"),
        pytest.param("[::1]:8443", ("::1", 8443), id="IPv6"),
    ],
)
def test_only_an_addresss_own_names_lead_elsewhere(connect: str | None, place: tuple[str, int]) -> None:
    """Another name, such as one that a redirect leads to, is left to DNS."""
    address = Address(url=f"https://{NAME}", connect=connect)
    assert address.place(f"https://{NAME}/path") == place
    assert address.place("https://elsewhere.example.test/path") == ("elsewhere.example.test", 443)


@pytest.mark.parametrize(("kind", "known", "words"), BAD)
def test_fault_27_28_what_is_wrong_is_said_in_words(
    address: Make, stranger: str, kind: str, known: bool, words: str
) -> None:
    """Nobody is asked, and the text says what a person has to mend."""
    made = address(kind) if known else address(kind, stranger)
    status, identity, seen = answer_of(made, "/", "x-release")
    assert (status, identity) == (None, None)
    with pytest.raises(OSError, match=words):
        certificate(made)
    assert "no answer" in seen


@pytest.mark.parametrize(("kind", "known", "words"), BAD)
def test_fault_27_28_httpx_says_it_too(address: Make, stranger: str, kind: str, known: bool, words: str) -> None:
    """The client of the suites fails with the same words."""
    made = address(kind) if known else address(kind, stranger)
    with (
        httpx.Client(base_url=made.url, transport=Named(made)) as client,
        pytest.raises(httpx.ConnectError, match=words),
    ):
        client.get("/")


def test_httpx_reaches_a_name_where_the_address_says(serve: Callable[..., Server], trusted: str) -> None:
    """Host and SNI are the name's, and the request that a test sees is the one it sent."""
    server = serve()
    made = Address(url=f"https://{NAME}", connect=server.place, ca=trusted)
    with httpx.Client(base_url=made.url, transport=Named(made)) as client:
        answers = [client.get("/") for _ in range(2)]
    assert [(answer.status_code, str(answer.request.url)) for answer in answers] == 2 * [(200, f"https://{NAME}/")]
    assert (server.sni, server.hosts) == ({NAME}, {NAME})


def test_the_certificate_of_a_name_is_read(address: Make) -> None:
    """Who issued it, where it was shown and how long it is valid."""
    found = certificate(address("soon"))
    assert (found.name, found.ip, found.issuer) == (NAME, "127.0.0.1", "Shop")
    assert 9 < found.days < 10


def test_a_switch_is_observed_by_name(address: Make) -> None:
    """Fresh and kept-alive connections of an address that is HTTPS alone."""
    observer = Observer(address(), "x-release", "/")
    observer.open()
    try:
        seen = observer.wait_for(WHO, time.monotonic(), 5)
    finally:
        observer.close()
    assert seen.complete, seen.reason
    assert seen.fresh > 0
    assert seen.kept > 0


def test_who_answers_nothing_is_asked_less_and_less_often() -> None:
    """A node remembers each connection that it refused; a port on which nobody listens refuses all."""

    class Counting(Observer):
        rounds = 0

        def _round(self) -> Iterator[Any]:
            self.rounds += 1
            return super()._round()

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    observer = Counting(Address(url=f"http://127.0.0.1:{port}"), "x-release", "/")
    seen = observer.wait_for(WHO, time.monotonic(), 0.5)
    assert not seen.complete
    assert observer.rounds <= 12  # twice as long each time: 4, 8, 16, 32, 64 ms, then every 100


@pytest.mark.parametrize("known", [pytest.param(True, id="trusted"), pytest.param(False, id="fault-28")])
def test_the_probe_verifies_the_name(address: Make, stranger: str, tmp_path: Path, known: bool) -> None:
    """Every sample is answered by name, or every one is lost because the issuer is not trusted."""
    made = address() if known else address("good", stranger)
    probe = Probe(made, "/", 20, "x-release", tmp_path / "probe.jsonl")
    probe.start()
    assert probe.wait_for(10, 10)
    probe.finish(time.monotonic() + 6)
    lost = [sample for sample in probe.samples if sample.lost]
    assert len(lost) == (0 if known else len(probe.samples))
    assert all("issued by nobody who is trusted here" in sample.error for sample in lost)


def test_fault_29_a_name_that_does_not_resolve_is_named() -> None:
    """The message has the name, and the setting that goes around DNS."""
    made = Address(url=f"https://{NAME}")
    with pytest.raises(UsageError, match=rf"the name {NAME} does not resolve .*set 'address'"):
        require_names(made)
    assert f"the name {NAME} does not resolve" in answer_of(made, "/", "")[2]
    client = httpx.Client(base_url=made.url, transport=Named(made))
    with client, pytest.raises(httpx.ConnectError, match=f"the name {NAME} does not resolve"):
        client.get("/")


def test_a_browser_is_told_only_what_the_settings_say() -> None:
    """A rule for each pinned name, none where DNS is asked."""
    pinned = Address(url=f"https://{NAME}", connect="127.0.0.1:8443")
    assert resolver_rules([pinned, pinned]) == [f"--host-resolver-rules=MAP {NAME} 127.0.0.1:8443"]
    assert resolver_rules([Address(url=f"https://{NAME}")]) == []


def test_a_browser_without_certutil_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, trusted: str) -> None:
    """The message names the package that brings it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pytest.UsageError, match="apt-get install libnss3-tools"):
        certutil()
    with pytest.raises(pytest.UsageError, match="libnss3-tools"):
        home(tmp_path / "home", [trusted])
