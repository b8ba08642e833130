"""Which requests of a suite are to the environment: by origin, and by who is really connected to."""

import contextlib
import socket
from collections.abc import Iterable

from verdigris.errors import VerdigrisError
from verdigris.platform import Address
from verdigris.platform.base import Origin, origin
from verdigris.platform.bounds import resolve
from verdigris.plugin.context import Context

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Places:
    """The origins of an environment: those of its users, of its colors, and of who is tested."""

    def __init__(self, addresses: Iterable[Address]) -> None:
        self.origins: set[Origin] = set()
        self.shared: set[tuple[str, int]] = set()
        """Where names lead; behind one address there may be others' names."""
        self.own: set[tuple[str, int]] = set()
        """What has no name: whoever is there is asked, by whatever name."""
        for address in addresses:
            for url in filter(None, (address.url, address.secure_url)):
                found = origin(url)
                self.origins.add(found)
                place = address.place(url)
                with contextlib.suppress(OSError):
                    reached = {(str(one[0]), place[1]) for *_, one in resolve(*place, 2.0)}
                    (self.own if _without_name(found.host) else self.shared).update(reached)

    def cover(self, url: str, peer: tuple[str, int] | None = None) -> bool:
        """Whether a request to ``url`` is one to the environment.

        Args:
            peer: who was really connected to, if that is known.
        """
        asked = origin(url)
        if asked in self.origins or peer in self.own:
            return True
        if not _without_name(asked.host):
            return False
        known = self.own | self.shared
        return peer in known or any((host, asked.port) in known for host in _LOOPBACK if asked.host in _LOOPBACK)


def _without_name(host: str) -> bool:
    """Whether a host is a number, or this machine."""
    try:
        return host in _LOOPBACK or bool(socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST))
    except (OSError, UnicodeError):
        return False


def places_of(context: Context) -> Places:
    """What is known of an environment without asking a cluster."""
    addresses = [target.address for target in context.targets.values()]
    settings, platform = context.environment.kubernetes, context.platform
    if settings is not None:
        addresses += [Address(url=url) for url in settings.vantage]
    with contextlib.suppress(VerdigrisError):
        addresses.append(platform.users())
        if settings is None or settings.preview is not None:
            addresses += [platform.address(color) for color in platform.places]
    return Places(addresses)
