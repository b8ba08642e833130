"""Who answers a suite's own clients is asked too: httpx, urllib, requests, and every door of a browser."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.plugin.test_identity import evidence, suite
from tests.world import World
from verdigris.platform import Address
from verdigris.platform.base import origin
from verdigris.plugin.browser import chromium
from verdigris.plugin.places import Places

CLIENTS = {
    "httpx": "import httpx; httpx.get('{url}/')",
    "httpx by another name": "import httpx; httpx.get('{url}/'.replace('127.0.0.1', 'localhost'))",
    "httpx by another number": "import httpx; httpx.get('{url}/'.replace('127.0.0.1', '127.1'))",
    "httpx client of a test": "import httpx\n    with httpx.Client(base_url='{url}') as it: it.get('/')",
    "httpx that awaits": (
        "import asyncio, httpx\n"
        "    async def ask():\n"
        "        async with httpx.AsyncClient() as it: await it.get('{url}/')\n"
        "    asyncio.run(ask())"
    ),
    "requests": "import requests; requests.get('{url}/')",
    "urllib": "import urllib.request; urllib.request.urlopen('{url}/').read()",
    "http.client": (
        "import http.client; it = http.client.HTTPConnection('{url}'.split('//')[1]); it.request('GET', '/')\n"
        "    it.getresponse().read()"
    ),
}
DOORS = {
    "page": "page.goto('{url}/')",
    "page.request": "page.request.get('{url}/')",
    "context.request": "context.request.get('{url}/readyz')",
    "a request context of its own": "playwright.request.new_context().fetch('{url}/')",
    "pop-up": (
        "with page.expect_popup() as it: page.evaluate(\"window.open('{url}/')\")\n    it.value.wait_for_load_state()"
    ),
    "further page": "context.new_page().goto('{url}/')",
    "further page that is closed": "it = context.new_page(); it.goto('{url}/'); it.close()",
    "context of a test": "it = browser.new_context(); it.new_page().goto('{url}/'); it.close()",
    "page of a browser": "it = browser.new_page(); it.goto('{url}/'); it.close()",
    "frame": "page.set_content(\"<iframe src='{url}/'></iframe>\"); page.wait_for_load_state('networkidle')",
    "fetch": "page.goto('/'); page.evaluate(\"fetch('{url}/', {{mode: 'no-cors'}}).then(() => 1)\")",
}


@pytest.fixture(scope="module")
def places(standing: World) -> tuple[str, str]:
    """The addresses of the users, who are on blue, and of green."""
    from verdigris.model import Color

    platform = standing.controller().platform
    return platform.users().url, platform.address(Color.GREEN).url


def asking(world: World, body: str, names: str = "") -> str:
    """A file with one test that catches nothing."""
    return suite(world, f"def test_it({names}):\n    {body}\n")


@pytest.mark.parametrize("client", CLIENTS)
def test_a_stranger_fails_the_test_whatever_client_it_uses(
    standing: World, tmp_path: Path, places: tuple[str, str], client: str
) -> None:
    """Green is tested and blue answers: no client of the test's own may take that for the target."""
    path = asking(standing, CLIENTS[client].format(url=places[0]))
    code, text, found = evidence(standing, tmp_path, "--target", "green", path)
    assert code == 1, text
    assert [stranger.seen.split(";")[0] for stranger in found.tests[0].strangers] == ["color=blue"]
    assert "was answered by color=blue" in text


@pytest.mark.parametrize("client", CLIENTS)
def test_an_answer_of_the_target_counts_whatever_client_it_uses(
    standing: World, tmp_path: Path, places: tuple[str, str], client: str
) -> None:
    """What the target answered a client of the test's own is its answer, once."""
    path = asking(standing, CLIENTS[client].format(url=places[1]))
    code, text, found = evidence(standing, tmp_path, "--target", "green", path)
    assert code == 0, text
    assert list(found.tests[0].identities.values()) == [1]
    assert found.tests[0].ips == {"127.0.0.1": 1}


@pytest.fixture(scope="module")
def with_browser() -> None:
    """Chromium is there."""
    try:
        chromium()
    except pytest.UsageError as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("with_browser")
def test_a_stranger_fails_the_test_by_whatever_door_of_a_browser(
    standing: World, tmp_path: Path, places: tuple[str, str]
) -> None:
    """Each of them in a test of its own: every one fails or ends in an error, and names who answered."""
    bodies = [
        f"def test_{number}(page, context, browser, playwright):\n    {body.format(url=places[0])}\n"
        for number, body in enumerate(DOORS.values())
    ]
    code, text, found = evidence(standing, tmp_path, "--target", "green", suite(standing, "\n".join(bodies)))
    assert code == 1, text
    seen = {
        door: (test.outcome in ("failed", "error"), {one.seen.split(";")[0] for one in test.strangers})
        for door, test in zip(DOORS, found.tests, strict=True)
    }
    assert seen == dict.fromkeys(DOORS, (True, {"color=blue"})), text


@pytest.mark.usefixtures("with_browser")
def test_an_answer_of_the_target_counts_by_whatever_door_of_a_browser(
    standing: World, tmp_path: Path, places: tuple[str, str]
) -> None:
    """Each of them in a test of its own: every one passes, with an answer of the target."""
    bodies = [
        f"def test_{number}(page, context, browser, playwright):\n    {body.format(url=places[1])}\n"
        for number, body in enumerate(DOORS.values())
    ]
    code, text, found = evidence(standing, tmp_path, "--target", "green", suite(standing, "\n".join(bodies)))
    assert code == 0, text
    counted = {door: bool(test.identities) for door, test in zip(DOORS, found.tests, strict=True)}
    assert counted == dict.fromkeys(DOORS, True)


def test_who_is_no_part_of_the_environment_is_not_asked(
    standing: World, tmp_path: Path, elsewhere: str, places: tuple[str, str]
) -> None:
    """A server of the test's own says nothing of who it is, and need not; its port begins like the target's."""
    body = f"import httpx, urllib.request; httpx.get('{elsewhere}/'); urllib.request.urlopen('{elsewhere}/').read()"
    path = asking(standing, f"{body}\n    httpx.get('{places[1]}/')")
    code, text, found = evidence(standing, tmp_path, "--target", "green", path)
    assert code == 0, text
    assert not found.tests[0].strangers


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """A server that is no part of the environment."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_libraries_are_as_they_were_without_an_environment(standing: World) -> None:
    """A bare run wraps nothing; a run with ``--env`` gives back what it wrapped."""
    wrapped = "httpx.HTTPTransport.handle_request, http.client.HTTPConnection.getresponse"
    body = f"import http.client, httpx\n    assert not any(hasattr(one, '__wrapped__') for one in ({wrapped}))"
    done = standing.pytest(asking(standing, body))
    assert done.returncode == 0, done.stdout
    after = "import pytest, sys, httpx\nprint('after', pytest.main(sys.argv[1:]), hasattr({it}, '__wrapped__'))"
    program = after.format(it="httpx.HTTPTransport.handle_request")
    words = [sys.executable, "-c", program, "--env", "local", "-m", "smoke"]
    done = subprocess.run(words, cwd=standing.root, capture_output=True, text=True, timeout=60, check=False)
    assert "after ExitCode.OK False" in done.stdout or "after 0 False" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param("http://h:80", "http://h:8080/x", False, id="a port that begins like another"),
        pytest.param("http://h", "http://h.example/", False, id="a host that begins like another"),
        pytest.param("http://h", "http://h:80/x?y", True, id="the port that HTTP has by itself"),
        pytest.param("https://h:443/", "https://h", True, id="the port that HTTPS has by itself"),
        pytest.param("http://h", "https://h", False, id="scheme"),
        pytest.param("http://Shop.Example", "HTTP://shop.example/", True, id="case"),
        pytest.param("http://h:80", "http://h:80@evil.example/", False, id="user information"),
        pytest.param("http://h", "http://somebody:word@h/", True, id="user information of the same"),
        pytest.param("http://[::1]:80", "http://[::1]/", True, id="IPv6"),
        pytest.param("https://b\u00fccher.example", "https://xn--bcher-kva.example/", True, id="a name in Unicode"),
        pytest.param("http://h", "http://h:99999/", False, id="no port that there can be"),
        pytest.param("http://h.", "http://h", True, id="a dot at the end"),
    ],
)
def test_origins_are_compared_as_origins(one: str, other: str, same: bool) -> None:
    """Not by the beginning of their text."""
    assert (origin(one) == origin(other)) is same


def test_who_is_behind_a_shared_address_is_known_by_name_only() -> None:
    """Behind an ingress there are others; who asks by number asks for the environment."""
    known = Places([Address(url="https://shop.example.test", connect="127.0.0.1:8443")])
    peer = ("127.0.0.1", 8443)
    assert known.cover("https://shop.example.test/x", peer)
    assert known.cover("https://127.0.0.1:8443/", peer)
    assert known.cover("https://localhost:8443/")
    assert not known.cover("https://another.example.test/", peer)
    assert not known.cover("https://shop.example.test:9443/", ("127.0.0.1", 9443))
