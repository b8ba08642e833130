"""The audit log in a real cluster: pages of lines that follow one another, whatever happens to whoever writes them."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import NamespaceMaker
from tests.cluster.kubectl import Kubectl
from tests.cluster.trouble import Fault, Trouble, lost_after, lost_before
from tests.unit.made import audited
from verdigris.errors import PlatformError
from verdigris.platform.kubernetes.api import Cluster
from verdigris.platform.kubernetes.audit import ClusterAudit

ROOM = 1000
"""Bytes of a page here: room for three lines."""


@pytest.fixture
def kubectl(make_namespace: NamespaceMaker) -> Kubectl:
    """A namespace without a page."""
    return make_namespace()


@pytest.fixture
def log(kubectl: Kubectl) -> ClusterAudit:
    """A log of small pages."""
    return ClusterAudit(Cluster(str(kubectl.namespace), patience=10), ROOM)


@pytest.fixture
def trouble(kubectl: Kubectl, tmp_path: Path) -> Iterator[Trouble]:
    """An API server in trouble."""
    made = Trouble(kubectl, tmp_path)
    yield made
    made.close()


def pages(kubectl: Kubectl) -> dict[str, list[str]]:
    """The lines of each page."""
    found = kubectl.get("configmaps", "--selector=verdigris.dev/audit")["items"]
    return {page["metadata"]["name"]: page["data"]["audit.jsonl"].splitlines() for page in found}


def change(kubectl: Kubectl, name: str, lines: list[str]) -> None:
    """What somebody does to a page who may."""
    data = {"audit.jsonl": "".join(f"{line}\n" for line in lines)}
    kubectl("patch", "configmap", name, "--patch", json.dumps({"data": data}))


def test_a_full_page_is_followed_by_another_in_one_chain(log: ClusterAudit, kubectl: Kubectl) -> None:
    """No line is left out or written twice, and no page is larger than it may be."""
    wanted = [f"release-{number}" for number in range(8)]
    for release in wanted:
        log.append(audited(release))
    assert [entry.release for entry in log.entries()] == wanted
    found = pages(kubectl)
    assert list(found) == ["verdigris-audit-0001", "verdigris-audit-0002", "verdigris-audit-0003"]
    assert all(sum(map(len, lines)) < ROOM for lines in found.values())


def test_what_was_changed_removed_or_taken_off_the_end_is_named(log: ClusterAudit, kubectl: Kubectl) -> None:
    """By page and line, also where a whole page is gone."""
    for number in range(8):
        log.append(audited(f"release-{number}"))
    whole = pages(kubectl)
    first, second, third = whole
    change(kubectl, first, [whole[first][0].replace("confirmed", "held"), *whole[first][1:]])
    with pytest.raises(PlatformError, match=f"{first}:2: does not follow"):
        log.entries()
    change(kubectl, first, whole[first])
    change(kubectl, second, whole[second][1:])
    with pytest.raises(PlatformError, match=f"{second}:1: does not follow"):
        log.entries()
    change(kubectl, second, whole[second])
    change(kubectl, third, whole[third][:-1])
    with pytest.raises(PlatformError, match=f"{third}:.*not the last line"):
        log.entries()
    change(kubectl, third, whole[third])
    assert len(log.entries()) == 8
    kubectl("delete", "configmap", third)
    with pytest.raises(PlatformError, match=f"{third}: this page of the audit log is gone"):
        log.entries()
    log.append(audited("another"))
    kubectl("delete", "configmap", second)
    with pytest.raises(PlatformError, match=f"{second}: pages of the audit log are missing"):
        log.entries()


@pytest.mark.parametrize("fault", [pytest.param(lost_after, id="it-happened"), pytest.param(lost_before, id="not")])
def test_a_line_whose_answer_is_lost_stands_there_once(
    kubectl: Kubectl, trouble: Trouble, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    """The first of a page and one after it."""
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", trouble.kubeconfig())
    log = ClusterAudit(Cluster(str(kubectl.namespace), patience=10), ROOM)
    lost = [trouble.when(fault, method, "configmaps") for method in ("POST", "PATCH")]
    for release in ("one", "two", "three"):
        log.append(audited(release))
    assert [len(rule.seen) for rule in lost] == [1, 1]
    assert [entry.release for entry in log.entries()] == ["one", "two", "three"]


def test_two_writers_at_once_make_one_chain(kubectl: Kubectl) -> None:
    """Each writes after the last line, on whichever page that is."""

    def write(first: int) -> None:
        log = ClusterAudit(Cluster(str(kubectl.namespace), patience=20), ROOM)
        for number in range(first, first + 8):
            log.append(audited(f"release-{number}" + "-long" * (number % 5)))

    writers = [threading.Thread(target=write, args=(first,)) for first in (10, 20)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    found = [entry.release for entry in ClusterAudit(Cluster(str(kubectl.namespace)), ROOM).entries()]
    assert sorted(one[:10] for one in found) == [f"release-{number}" for number in (*range(10, 18), *range(20, 28))]
