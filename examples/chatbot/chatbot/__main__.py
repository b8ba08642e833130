"""Starts the chatbot: what may be wrong is found, and told in one sentence, before the slow imports."""

import os
import sys

from chatbot.release import NotBuiltError, read_release
from chatbot.settings import SettingsError, read_settings


def main() -> int:
    """Serve until told to leave; 2 means that the settings or the artifact cannot be used."""
    try:
        release, settings = read_release(), read_settings(os.environ)
    except (NotBuiltError, SettingsError) as problem:
        print(f"chatbot: cannot start: {problem}", file=sys.stderr)
        return 2
    from chatbot.faults import Faults

    faults = Faults(release.plant)
    faults.at_start()
    from chatbot.app import make_app
    from chatbot.asgi import Draining
    from chatbot.logs import install_logging
    from chatbot.server import Server

    install_logging(settings.log_format, release.version, settings.color)
    draining = Draining()
    server = Server(make_app(settings, release, faults, draining), settings, draining)
    server.run()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
