"""Connections to a name, wherever it is reached; what is verified is always the name.

Plain ``http.client`` on purpose: it never retries, and a connection is exactly one connection. Whoever is not who the
name says is an ``OSError`` whose text a person can act on; there is no way to look away from it. An exchange ends in
time and has a limit in bytes, whatever the other side does (:mod:`verdigris.platform.bounds`).
"""

import functools
import http.client
import socket
import ssl
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from verdigris.errors import UsageError
from verdigris.model import Value
from verdigris.platform.base import Address
from verdigris.platform.bounds import MEGABYTE, Bounded, Bounds, dial, resolve

TIMEOUT = 2.0
"""Seconds for one whole answer."""
SMALL = 8 * MEGABYTE
"""Bytes that a path for health or readiness may answer."""
CHUNK = 65536
RESOLVING = 10.0
"""Seconds for a name to resolve before anything is begun."""
_EXPIRED, _NOT_YET, _NAME, _IP = 10, 9, 62, 64
_UNKNOWN = (2, 18, 19, 20, 21)
"""OpenSSL's numbers of what a certificate can fail by; the last are the ways to have an issuer nobody knows."""
_ANY_TIME = 0x200000
"""``X509_V_FLAG_NO_CHECK_TIME``, which Python has no name for."""


class Certificate(Value):
    """The certificate of a name, verified for it."""

    name: str
    ip: str
    """Where it was shown."""
    issuer: str
    begins: datetime
    ends: datetime

    @property
    def days(self) -> float:
        """How long it is still valid."""
        return (self.ends - datetime.now(UTC)).total_seconds() / 86400

    def __str__(self) -> str:
        return f"the certificate of {self.name}, shown at {self.ip}, issued by {self.issuer}, ends {_day(self.ends)}"


class Heard(NamedTuple):
    """The head of an answer whose body has ended too."""

    status: int
    headers: http.client.HTTPMessage

    def lines(self, name: str) -> list[str]:
        """Each header of that name, as it came."""
        return self.headers.get_all(name) or []


class _Answer(http.client.HTTPResponse):
    """Skips every informational answer (RFC 9110, 15.2), where ``http.client`` knows 100 alone."""

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 101 < status < 200:
                return version, status, reason
            http.client.parse_headers(self.fp)


class Connection(http.client.HTTPConnection):
    """One connection of a user's; ``ask`` arms its bounds."""

    response_class = _Answer

    def __init__(self, name: str, port: int | None, place: tuple[str, int], seconds: float) -> None:
        super().__init__(name, port)
        self.place = place
        self.seconds = seconds
        self.bounds = Bounds(seconds)

    def connect(self) -> None:
        """Connect within the bounds."""
        self._take(_dial(self.place, self.bounds.left()))

    def _take(self, sock: socket.socket) -> None:
        self.sock = Bounded(sock, self.bounds)  # a socket in all that is asked of it here


class _Secure(Connection):
    default_port = 443

    def __init__(self, name: str, port: int | None, place: tuple[str, int], seconds: float, ca: str | None) -> None:
        super().__init__(name, port, place, seconds)
        self.authority = ca

    def connect(self) -> None:
        self._take(_secured(self.place, self.host, self.bounds.left(), self.authority))


def connect(address: Address, *, secure: bool = False, timeout: float = TIMEOUT) -> Connection:
    """A connection of a user's, not yet opened: to ``url``, or to ``secure_url`` with its certificate verified.

    Args:
        address: whom to ask.
        secure: whether ``secure_url`` is meant; an ``url`` that is HTTPS is verified in any case.
        timeout: seconds for one whole answer, connecting included, where ``ask`` is told nothing else.
    """
    url = str(address.secure_url) if secure else address.url
    parts = urlsplit(url)
    if parts.scheme == "http":
        return Connection(parts.hostname or "", parts.port, address.place(url), timeout)
    return _Secure(parts.hostname or "", parts.port, address.place(url), timeout, address.ca)


def ask(
    connection: Connection, path: str, headers: Mapping[str, str], seconds: float | None = None, limit: int = SMALL
) -> Heard:
    """Ask for a path and read the whole answer, within seconds and bytes altogether.

    Raises:
        OSError: where there is no whole answer within the bounds; the connection is closed then.
        http.client.HTTPException: where it is no answer in HTTP; likewise.
    """
    send(connection, path, headers, seconds, limit)
    return hear(connection)


def send(
    connection: Connection, path: str, headers: Mapping[str, str], seconds: float | None = None, limit: int = SMALL
) -> None:
    """The first half of ``ask``: send the request; the bounds of the exchange begin to run."""
    connection.bounds.arm(connection.seconds if seconds is None else seconds, limit)
    try:
        connection.request("GET", path, headers=headers)
    except BaseException:
        connection.close()
        raise


def hear(connection: Connection) -> Heard:
    """The second half of ``ask``: read the whole answer; its body is counted and not kept."""
    try:
        return _whole(connection.getresponse())
    except ValueError as error:  # from the depths of a parser: bytes that are no HTTP
        connection.close()
        raise http.client.HTTPException(f"not an answer in HTTP: {error}") from None
    except BaseException:
        connection.close()
        raise


def _whole(answer: http.client.HTTPResponse) -> Heard:
    while answer.read(CHUNK):
        pass
    if answer.length:  # what ended before its length is no answer, though reading in parts does not say so
        raise http.client.IncompleteRead(b"", answer.length)
    return Heard(answer.status, answer.headers)


@functools.cache
def trust(authority: str | None) -> ssl.SSLContext:
    """Whom to trust; reading the certificates for each connection would cost more than the request."""
    return ssl.create_default_context(cafile=authority)


def certificate(address: Address, timeout: float = 10.0) -> Certificate:
    """The certificate that the address's HTTPS shows, verified for its name.

    Raises:
        OSError: where it cannot be verified or reached; its text says why.
    """
    url = str(address.https)
    name, place = urlsplit(url).hostname or "", address.place(url)
    with _secured(place, name, timeout, address.ca) as sock:
        return _read(sock, name)


def require_names(address: Address) -> None:
    """See that the address's names lead somewhere.

    Raises:
        UsageError: naming the one that does not resolve.
    """
    for url in filter(None, (address.url, address.secure_url)):
        host, port = address.place(url)
        try:
            resolve(host, port, RESOLVING)
        except OSError as error:
            raise UsageError(f"{_unresolved(host, error)}; where DNS has not moved yet, set 'address'") from None


def explain(error: BaseException, address: Address, url: str) -> str:
    """In words, why a request to ``url`` failed; what is behind a library's own error is looked for."""
    name, place = urlsplit(url).hostname or "", address.place(url)
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, ssl.SSLCertVerificationError):
            return str(_clear(found, name, place, address.ca))
        if isinstance(found, socket.gaierror):
            return _unresolved(place[0], found)
        found = found.__cause__ or found.__context__
    return str(error) or type(error).__name__


def _dial(place: tuple[str, int], seconds: float) -> socket.socket:
    try:
        return dial(place, seconds)
    except socket.gaierror as error:
        raise socket.gaierror(_unresolved(place[0], error)) from None


def _secured(place: tuple[str, int], name: str, seconds: float, authority: str | None) -> ssl.SSLSocket:
    deadline = time.monotonic() + seconds
    plain = _dial(place, seconds)
    try:
        plain.settimeout(max(deadline - time.monotonic(), 0.001))  # of the whole handshake: OpenSSL's loop keeps to it
        return trust(authority).wrap_socket(plain, server_hostname=name)
    except ssl.SSLCertVerificationError as error:
        plain.close()
        raise _clear(error, name, place, authority) from None
    except TimeoutError:
        plain.close()
        raise TimeoutError(f"the TLS handshake did not end within {seconds:.3g} s") from None
    except BaseException:
        plain.close()
        raise


def _dates(place: tuple[str, int], name: str, authority: str | None) -> Certificate | None:
    """What an expired certificate says: chain and name are verified again, and only the dates are used."""
    again = ssl.create_default_context(cafile=authority)
    again.verify_flags |= _ANY_TIME
    try:
        with _dial(place, TIMEOUT) as plain, again.wrap_socket(plain, server_hostname=name) as sock:
            return _read(sock, name)
    except OSError:  # then the first error is all there is to say
        return None


def _read(sock: ssl.SSLSocket, name: str) -> Certificate:
    shown: dict[str, Any] = sock.getpeercert() or {}
    issuer = {key: value for part in shown.get("issuer", ()) for key, value in part}
    moments = [datetime.fromtimestamp(ssl.cert_time_to_seconds(shown[key]), UTC) for key in ("notBefore", "notAfter")]
    said = issuer.get("commonName") or issuer.get("organizationName") or "nobody it names"
    return Certificate(name=name, ip=str(sock.getpeername()[0]), issuer=str(said), begins=moments[0], ends=moments[1])


def _clear(
    error: ssl.SSLCertVerificationError, name: str, place: tuple[str, int], authority: str | None
) -> ssl.SSLCertVerificationError:
    code, text = error.verify_code, error.verify_message
    if code in (_EXPIRED, _NOT_YET):
        said = _out_of_time(code, name, _dates(place, name, authority))
    elif code in (_NAME, _IP):
        said = f"the certificate shown for {name} is not for that name ({text.rstrip('.')})"
    elif code in _UNKNOWN:
        said = f"the certificate of {name} is issued by nobody who is trusted here ({text}); 'ca' can name it"
    else:
        said = f"the certificate of {name} cannot be verified ({text})"
    clear = ssl.SSLCertVerificationError(error.errno or 1, said)
    clear.verify_code, clear.verify_message = code, said
    return clear


def _out_of_time(code: int, name: str, dates: Certificate | None) -> str:
    if dates is None:
        return f"the certificate of {name} {'expired' if code == _EXPIRED else 'is not valid yet'}"
    if code == _NOT_YET:
        return f"the certificate of {name} is not valid before {_day(dates.begins)}"
    if dates.days < 0:
        return f"the certificate of {name} expired on {_day(dates.ends)}"
    return f"a certificate in the chain of {name} expired; its own is valid until {_day(dates.ends)}"


def _unresolved(host: str, error: OSError) -> str:
    return f"the name {host} does not resolve ({error.strerror})"


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
