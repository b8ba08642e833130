"""A port that leads to a pod stays one, whatever happens to a connection of it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.trouble.planted import RAISED, descriptors
from verdigris.platform.kubernetes.port_forward import Forward


@contextmanager
def refusing(kind: str) -> Iterator[tuple[Forward, threading.Event]]:
    """A forward that meets an error of that kind whenever it looks for a pod, and whether it looked."""
    looked = threading.Event()

    def pod() -> str:
        looked.set()
        raise RAISED[kind]()

    forward = Forward(None, pod, 8000)  # type: ignore[arg-type]
    try:
        yield forward, looked
    finally:
        forward.close()


def answered(port: int) -> bytes:
    """What comes on a connection until its end; nothing, where it is closed or reset at once."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        try:
            return connection.recv(1)
        except ConnectionError:
            return b""


@pytest.mark.parametrize("kind", ["platform", "foreign", "memory", "key", "unicode", "no-descriptors", "no-threads"])
def test_a_connection_that_finds_no_pod_is_closed_and_the_next_is_taken(kind: str) -> None:
    """Whatever the reason, and no thread ends with a traceback."""
    with refusing(kind) as (forward, looked):
        for _ in range(2):
            looked.clear()
            assert answered(forward.port) == b""
            assert looked.wait(5)


def test_a_forward_goes_on_once_there_are_descriptors_again() -> None:
    """While there is none, a connection waits; the listener is not given up.

    The kernel takes the descriptor before it waits for a connection, so one may come through.
    """
    with refusing("platform") as (forward, looked), socket.socket() as first, socket.socket() as second:
        with descriptors(lambda: 3):
            for one in (first, second):
                one.settimeout(1)
                one.connect(("127.0.0.1", forward.port))
            with pytest.raises(TimeoutError):
                second.recv(1)
        looked.clear()
        second.settimeout(5)
        assert second.recv(1) == b""
        assert looked.is_set()
