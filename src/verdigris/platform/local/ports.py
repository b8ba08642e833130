"""Which port of an environment is for what, counted from ``local.port``."""

import errno
import socket

from verdigris.errors import Refused
from verdigris.model import Color, Value

SPAN = 40


class Ports(Value):
    """The ports of one environment on this machine."""

    users: int
    """Where users come in; the others count from it."""

    @property
    def secure(self) -> int:
        """Users' HTTPS."""
        return self.users + 1

    @property
    def database(self) -> int:
        """The embedded PostgreSQL."""
        return self.users + 5

    def listener(self, place: str) -> int:
        """Where a color, or the rehearsal of a migration, is reached through the router without being live."""
        return self.users + {Color.BLUE: 2, Color.GREEN: 3, "rehearsal": 6}[place]

    def application(self, place: str) -> int:
        """Where the process of a color, or of a rehearsal, listens."""
        return self.users + {Color.BLUE: 10, Color.GREEN: 11, "rehearsal": 12}[place]

    def service(self, index: int) -> int:
        """Where an external service that runs here listens."""
        return self.users + 20 + index


def require_free(port: int, what: str) -> None:
    """Refuse a port that somebody listens on.

    Raises:
        Refused: naming the port and what it was for.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise Refused(f"port {port} ({what}) cannot be used: {error.strerror}") from None
            raise Refused(
                f"port {port} ({what}) is in use by another program; stop it, or change local.port in the settings"
            ) from None
