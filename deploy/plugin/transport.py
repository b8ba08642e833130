"""httpx, led to where the target's names are reached; Host, SNI and verification stay the name's."""

import httpx

from deploy.evidence import Exchange
from deploy.platform import Address
from deploy.platform.connection import explain, trust
from deploy.plugin.identity import BOOK


class Named(httpx.BaseTransport):
    """One pool of connections for each name: a connection that was verified for one is never used for another."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.pools: dict[str, httpx.HTTPTransport] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send it.

        Raises:
            httpx.ConnectError: in words that say what is wrong with the name or its certificate.
        """
        name = request.url.host
        pool = self.pools.get(name) or self.pools.setdefault(name, httpx.HTTPTransport(verify=trust(self.address.ca)))
        try:
            return pool.handle_request(self._led(request))
        except httpx.ConnectError as error:
            said = explain(error, self.address, str(request.url))
            BOOK.ledger.keep(Exchange(method=request.method, url=str(request.url), error=said))
            raise httpx.ConnectError(said, request=request) from error

    def close(self) -> None:
        """Close every connection."""
        for pool in self.pools.values():
            pool.close()

    def _led(self, request: httpx.Request) -> httpx.Request:
        if request.url.host not in self.address.names or self.address.connect is None:
            return request
        host, port = self.address.place(str(request.url))
        return httpx.Request(
            request.method,
            request.url.copy_with(host=host, port=port),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": request.url.host},
        )
