"""The cluster benchmark's figures hold or not, and its application drains as it has to for them."""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.argo import kinds
from bench.cluster import figures_of_kills
from bench.cluster_world import APPLICATION
from tests.cluster.kubectl import Kubectl, wait_until
from tests.cluster.machine import free_port
from tests.crash.cluster import FLOWS
from tests.crash.outcome import Kill

App = tuple["subprocess.Popen[bytes]", int]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """Run the application; its process and its port."""
    (tmp_path / "build.json").write_text(json.dumps({"version": "1", "build": "b1"}))
    port = free_port()
    env = {"HOST": "127.0.0.1", "PORT": str(port), "RELEASE_COLOR": "blue", "RELEASE_CONFIG": "c", "DRAIN_SECONDS": "1"}
    with subprocess.Popen([sys.executable, str(APPLICATION)], cwd=tmp_path, env={**os.environ, **env}) as process:
        try:
            wait_until(lambda: _listens(port), "the application listens")
            yield process, port
        finally:
            process.kill()


def _listens(port: int) -> bool | None:
    try:
        _ask(_open(port))
    except OSError:
        return None
    return True


def _open(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=10)


def _ask(connection: http.client.HTTPConnection, path: str = "/") -> http.client.HTTPResponse:
    connection.request("GET", path)
    return connection.getresponse()


OLD_KUBECTL = """#!/bin/sh
# kubectl 1.20 with a kind that was just made: no status at first, and its 'wait' gives up on that
case " $* " in
    *" wait "*) echo 'error: .status.conditions accessor error: <nil> is of the type <nil>' >&2; exit 1 ;;
    *" get "*"--output=json"*)
        echo asked >> "$ASKED"
        if [ "$(wc -l < "$ASKED")" -lt 3 ]; then echo '{"kind": "CustomResourceDefinition"}'
        else echo '{"status": {"conditions": [{"type": "Established", "status": "True"}]}}'; fi ;;
    *" get "*) exit 1 ;;
    *) echo "$*" >> "$ASKED.words" ;;
esac
"""


def test_the_peer_waits_for_its_kinds_with_an_old_kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind without a condition is asked about again until it is served, and removed at the end."""
    kubectl, asked = tmp_path / "kubectl", tmp_path / "asked"
    kubectl.write_text(OLD_KUBECTL)
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("ASKED", str(asked))
    with kinds(tmp_path, Kubectl(tmp_path / "kubeconfig")):
        assert asked.read_text().count("asked") == 3
    assert "delete --wait=false" in Path(f"{asked}.words").read_text()


def test_the_application_closes_a_connection_only_after_an_answer(app: App) -> None:
    """Told to end it answers once more on a kept connection, saying that it closes it, and ends with status 0."""
    process, port = app
    kept = _open(port)
    assert _ask(kept).read() == b"hello\n"
    process.send_signal(signal.SIGTERM)
    answers = (_last_answer(kept) for _ in range(1000))
    answer = next(one for one in answers if one.headers.get("connection") == "close")
    assert (answer.status, answer.headers["x-release"]) == (200, "color=blue;version=1;build=b1;config=c")
    assert process.wait(10) == 0


def _last_answer(connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
    answer = _ask(connection)
    assert answer.read() == b"hello\n"
    return answer


def test_the_application_finishes_a_stream_before_it_ends(app: App) -> None:
    """A stream in flight comes to its closing event."""
    process, port = app
    stream = _ask(_open(port), "/stream")
    process.send_signal(signal.SIGTERM)
    assert stream.read().endswith(b"event: done\ndata: {}\n\n")
    assert process.wait(10) == 0


def kill(**changed: object) -> Kill:
    """A kill that was recovered well."""
    return Kill(**{"flow": "good", "number": 1, "point": "before audit", "seconds": 1.0, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "holds"),
    [
        pytest.param({}, True, id="recovered"),
        pytest.param({"seconds": 10.1}, False, id="too late"),
        pytest.param({"lost": 1}, False, id="a request lost"),
        pytest.param({"wrong": ["nobody is live"]}, False, id="a wrong state"),
        pytest.param({"manual": ["recover ended with 1"]}, False, id="a person needed"),
    ],
)
def test_one_bad_kill_is_enough(changed: dict[str, object], holds: bool) -> None:
    """The figures hold only where every kill was recovered in time, at nobody's cost."""
    kills = [kill() for _ in FLOWS] + [kill(**changed)]
    assert all(figure.holds for figure in figures_of_kills(kills, 5)) is holds


def test_no_kill_is_no_proof() -> None:
    """Without a kill nothing holds."""
    assert not all(figure.holds for figure in figures_of_kills([], 5))
