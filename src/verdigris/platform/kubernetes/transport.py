"""One request to the API server: the kubernetes library's credentials and trust, without its retries."""

import contextlib
import functools
import json
from typing import Any
from urllib.parse import urlencode

from verdigris.errors import PlatformError, UsageError
from verdigris.platform.bounds import MEGABYTE, Bounded, Bounds

Object = dict[str, Any]
"""An object of the API, as JSON."""
MANAGER = "verdigris"
"""The field manager of every write."""
TIMEOUT = 5.0
"""Seconds for the first byte of an answer, and between two of them."""
WHOLE = 20.0
"""Seconds for one answer as a whole: an API server, or who stands before it, may send a byte now and then for ever."""
LIMIT = 256 * MEGABYTE
"""Bytes that one answer may have."""


class Unanswered(PlatformError):  # noqa: N818 - what the API server was, not what went wrong
    """Nobody answered, or a server error did: what was asked for may have happened.

    Args:
        text: what was seen.
        wait: seconds that the server asks to be left alone for.
    """

    def __init__(self, text: str, wait: float = 0.0) -> None:
        super().__init__(text)
        self.wait = wait


class Transport:
    """Carries requests to the cluster of a context.

    Args:
        context: of the kubeconfig; ``None`` for the current one, or the pod's own account inside a cluster.

    Raises:
        UsageError: where there is no kubeconfig, or no such context in it.
    """

    def __init__(self, context: str | None) -> None:
        self.context = context
        self.client = _client(context)

    def renew(self) -> None:
        """Read the credentials again, for those at hand are not taken any more; what cannot be read changes nothing."""
        with contextlib.suppress(UsageError):
            self.client = _client(self.context)

    def send(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        content: str = "application/json",
        query: dict[str, Any] | None = None,
    ) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers of the answer.

        Raises:
            Unanswered: where nobody answers.
        """
        import urllib3

        asked = {key: value for key, value in (query or {}).items() if value != ""}
        if method in ("POST", "PATCH", "PUT"):
            asked.setdefault("fieldManager", MANAGER)
        headers = {"accept": "application/json, */*", "content-type": content, "user-agent": "verdigris"}
        for setting in self.client.configuration.auth_settings().values():
            headers[setting["key"]] = setting["value"]
        url = f"{self.client.configuration.host}{path}" + (f"?{urlencode(asked)}" if asked else "")
        try:
            answer = self.client.rest_client.pool_manager.request(
                method,
                url,
                body=json.dumps(body).encode() if body is not None else None,
                headers=headers,
                timeout=urllib3.Timeout(connect=2, read=TIMEOUT),
                retries=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise Unanswered(f"the API server does not answer ({type(error).__name__}: {error})") from None
        if answer.status < 200:
            raise Unanswered(
                f"the API server does not answer (status {answer.status} alone, which announces an answer)"
            )
        return answer.status, answer.data, dict(answer.headers)


def _client(context: str | None) -> Any:
    from kubernetes import config
    from kubernetes.client import ApiClient, Configuration

    configuration = Configuration()
    try:
        config.load_kube_config(context=context, client_configuration=configuration)  # type: ignore[no-untyped-call]
    except config.ConfigException as error:
        if context is not None:
            raise UsageError(f"the kubeconfig has no usable context {context!r}: {error}") from None
        try:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        except config.ConfigException:
            raise UsageError(
                f"no cluster can be reached: {error}; set KUBECONFIG, or name the context in the settings"
            ) from None
    client = ApiClient(configuration)
    client.rest_client.pool_manager.pool_classes_by_scheme = _pools()
    return client


class _Whole:
    """For a connection of urllib3's: every exchange on it is bounded as a whole, beside the time-outs of urllib3."""

    sock: Any
    bounds: Bounds

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        self.bounds = Bounds(WHOLE, LIMIT)
        self.sock = Bounded(self.sock, self.bounds, each=TIMEOUT)

    def request(self, *words: Any, **more: Any) -> None:
        if self.sock is not None:  # one that was kept; a new one is armed when it is made
            self.bounds.arm(WHOLE, LIMIT)
        super().request(*words, **more)  # type: ignore[misc]


@functools.cache
def _pools() -> dict[str, Any]:
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.connection import HTTPConnection, HTTPSConnection

    plain = type("Plain", (_Whole, HTTPConnection), {})
    secure = type("Secure", (_Whole, HTTPSConnection), {})
    return {
        "http": type("PlainPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("SecurePool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
    }
