"""The servers that the users are let loose on."""

import contextlib
import ssl
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # bench is run from the repository, never installed

from tests.bench.servers import Behaviour, Server


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Start servers of a behaviour; closed at the test's end."""
    with contextlib.ExitStack() as stack:

        def start(behaviour: Behaviour, context: ssl.SSLContext | None = None) -> Server:
            return stack.enter_context(contextlib.closing(Server(behaviour, context)))

        yield start
