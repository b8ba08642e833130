"""Every HTTP client of a suite's process is asked who answered it, whoever made it.

The fixture ``http`` does that by itself. A suite may also use a browser in any way (a page, a pop-up, a context of its
own, ``page.request``), or httpx, requests and urllib on its own; what these get from a known address of the environment
is held against the target too. So the places in these libraries through which every answer comes are wrapped for the
time of a run with ``--env``, as soon as the library is imported, and given back at its end.

Not seen: sockets of a test's own, other libraries, and programs that a test starts. Their answers count for nothing.
"""

import contextlib
import functools
import socket
import sys
from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any

import pytest

from verdigris.model import described
from verdigris.plugin.context import Context, Target
from verdigris.plugin.identity import BEGAN, BOOK, WrongIdentity
from verdigris.plugin.places import places_of
from verdigris.suites.evidence import Exchange

if TYPE_CHECKING:
    import httpx

_REQUESTS = ("fetch", "get", "head", "post", "put", "patch", "delete")
UNREAD = "(not read: the request was made by a client of the test's own)"


class Clients:
    """Hooks that ask who answered, while a test is under way."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.places = places_of(context)
        self.restore = contextlib.ExitStack()
        self.wrapped: set[str] = set()
        self.gone: type[Exception] = LookupError
        self.open: dict[int, Any] = {}
        """Responses of browsers of which it is not known yet who gave them."""

    # --- when ------------------------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """From here to its end, answers are the test's."""
        import httpx  # noqa: F401 - a test may import it only while it runs

        params = getattr(getattr(item, "callspec", None), "params", {})
        names = self.context.targets
        BOOK.target = names[params["target"]] if params.get("target") in names else next(iter(names.values()), None)
        self.wrap()
        try:
            return (yield)
        finally:
            BOOK.target = None

    def pytest_fixture_setup(self) -> None:
        """A fixture may have imported what is to be wrapped."""
        self.wrap()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Generator[None, Any, Any]:
        """What a browser got is the test's, also what it got last."""
        self.wrap()
        try:
            return (yield)
        finally:
            self.settle()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Generator[None, Any, Any]:
        """Raise what could not be raised where it was seen: an exception in a browser's event would be lost."""
        result = yield
        self.settle()
        late, BOOK.ledger.late = BOOK.ledger.late, []
        if late:
            raise WrongIdentity(f"a browser was answered by somebody else: {'; '.join(late[:3])}")
        return result

    def pytest_unconfigure(self) -> None:
        """Give the libraries back as they were."""
        self.restore.close()

    # --- where -----------------------------------------------------------------------------------------------------

    def wrap(self) -> None:
        """Wrap what was imported since."""
        for module, make in (
            ("httpx", self._httpx),
            ("http.client", self._http_client),
            ("playwright.sync_api", self._playwright),
        ):
            if module in sys.modules and module not in self.wrapped:
                self.wrapped.add(module)
                make(sys.modules[module])

    def _put(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        original = getattr(owner, name)
        setattr(owner, name, functools.wraps(original)(make(original)))
        self.restore.callback(setattr, owner, name, original)

    def _httpx(self, module: Any) -> None:
        def sync(original: Any) -> Any:
            def handle_request(transport: Any, request: "httpx.Request") -> "httpx.Response":
                response: httpx.Response = original(transport, request)
                self._answered(request, response)
                return response

            return handle_request

        def asynchronous(original: Any) -> Any:
            async def handle_async_request(transport: Any, request: "httpx.Request") -> "httpx.Response":
                response: httpx.Response = await original(transport, request)
                self._answered(request, response)
                return response

            return handle_async_request

        self._put(module.HTTPTransport, "handle_request", sync)
        self._put(module.AsyncHTTPTransport, "handle_async_request", asynchronous)

    def _answered(self, request: "httpx.Request", response: "httpx.Response") -> None:
        if BEGAN in request.extensions:
            return  # the fixture's own client, which checks by itself
        stream = response.extensions.get("network_stream")
        peer = stream.get_extra_info("server_addr") if stream is not None else None
        lines = response.headers.get_list(BOOK.target.header) if BOOK.target else []
        self.check(request.method, str(request.url), response.status_code, lines, peer)

    def _http_client(self, module: Any) -> None:
        """What urllib, requests and urllib3 stand on."""

        def asking(original: Any) -> Any:
            def putrequest(connection: Any, method: str, url: str, *words: Any, **more: Any) -> Any:
                connection.verdigris_asked = (method, url)
                return original(connection, method, url, *words, **more)

            return putrequest

        def answering(original: Any) -> Any:
            def getresponse(connection: Any, *words: Any, **more: Any) -> Any:
                peer = _peer(connection.sock)  # before the answer, after which it may be closed
                answer = original(connection, *words, **more)
                method, path = getattr(connection, "verdigris_asked", ("", ""))
                scheme = "https" if connection.default_port == 443 else "http"
                host = f"[{connection.host}]" if ":" in connection.host else connection.host
                url = path if "://" in path else f"{scheme}://{host}:{connection.port}{path}"
                lines = answer.headers.get_all(BOOK.target.header) if BOOK.target else []
                self.check(method, url, answer.status, lines or [], peer)
                return answer

            return getresponse

        self._put(module.HTTPConnection, "putrequest", asking)
        self._put(module.HTTPConnection, "getresponse", answering)

    def _playwright(self, module: Any) -> None:
        self.gone = module.Error

        def context(original: Any) -> Any:
            def new_context(owner: Any, *words: Any, **more: Any) -> Any:
                made = original(owner, *words, **more)
                getattr(made, "context", made).on("response", self.take)
                return made

            return new_context

        def request(original: Any) -> Any:
            def fetch(owner: Any, *words: Any, **more: Any) -> Any:
                answer = original(owner, *words, **more)
                lines = _lines(answer.headers_array)
                self.check("", answer.url, answer.status, lines)
                return answer

            return fetch

        self._put(module.Browser, "new_context", context)
        self._put(module.Browser, "new_page", context)
        self._put(module.BrowserType, "launch_persistent_context", context)
        for name in _REQUESTS:
            self._put(module.APIRequestContext, name, request)

    # --- who -------------------------------------------------------------------------------------------------------

    def take(self, response: Any) -> None:
        """Ask who gave a browser's response: a page's, a pop-up's, a frame's or a service worker's."""
        if not self.places.cover(response.url):
            return
        key = id(response)
        self.open[key] = response
        with contextlib.suppress(self.gone):  # the page may be: then what is known without asking it counts
            lines = _lines(response.headers_array())
            if self.open.pop(key, None) is not None:
                self._late(response, lines)

    def settle(self) -> None:
        """Judge those whose headers did not come in time by what is known of them."""
        while self.open:
            _, response = self.open.popitem()
            name = BOOK.target.header.lower() if BOOK.target else ""
            self._late(response, [line for line in response.headers.get(name, "").split("\n") if line])

    def _late(self, response: Any, lines: list[str]) -> None:
        try:
            self.check(response.request.method, response.url, response.status, lines)
        except WrongIdentity as error:
            BOOK.ledger.late.append(str(error))

    def check(self, method: str, url: str, status: int, lines: list[str], peer: Any = None) -> None:
        """Hold an answer of the environment against the target.

        Raises:
            WrongIdentity: where it was not the target.
        """
        target: Target | None = BOOK.target
        if target is None or not self.places.cover(url, tuple(peer[:2]) if peer else None):
            return
        if peer:
            BOOK.ledger.ips[str(peer[0])] += 1
        said = described(lines) if lines else None
        BOOK.ledger.keep(Exchange(method=method, url=url, status=status, identity=said, response_body=UNREAD))
        BOOK.check(target, url, status, lines)


def _lines(headers: Iterable[dict[str, str]]) -> list[str]:
    name = BOOK.target.header.lower() if BOOK.target else ""
    return [header["value"] for header in headers if header["name"].lower() == name]


def _peer(sock: Any) -> Any:
    with contextlib.suppress(OSError, AttributeError):
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            return sock.getpeername()
    return None
