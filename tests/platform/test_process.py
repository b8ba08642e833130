"""Processes that outlive the command that started them."""

import socket
import sys
import time
from pathlib import Path

import psutil
import pytest

from verdigris.platform.local import process

LEAVES_A_THREAD = """
import ctypes, socket, sys, threading
listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=listener.accept).start()
print(listener.getsockname()[1], flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows a process as a zombie while its threads run")
def test_a_process_that_was_stopped_holds_no_port(tmp_path: Path) -> None:
    """Stopping waits for the last thread of a process, not for the first, which the kernel reports as its end."""
    log, record = tmp_path / "log", tmp_path / "record.json"
    command = [sys.executable, "-c", LEAVES_A_THREAD]
    started = process.start(command, mark="tests:process", log=log, cwd=tmp_path, env={}, record=record)
    try:
        seen = psutil.Process(started.pid)
        assert process.wait_until(lambda: seen.status() == psutil.STATUS_ZOMBIE, time.monotonic() + 20)
        assert process.running(started), "a process with a thread that serves is not over"
    finally:
        assert process.stop("tests:process", record, grace=5)
    assert not process.running(started)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", int(log.read_text())))
