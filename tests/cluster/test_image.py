"""The image says what it is, is the same each time, and runs as the manifests say, named by digest."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from .conftest import ImageMaker, NamespaceMaker, run_image
from .kubectl import Kubectl, wait_until
from .manifests import container, read

Built = dict[str, Any]


def inspect(name: str) -> Built:
    """Read the configuration of an image that buildah has."""
    asked = ["buildah", "inspect", "--type", "image", name]
    done = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60)
    found: Built = json.loads(done.stdout)
    return found


@pytest.fixture
def repository() -> Iterator[str]:
    """Name a repository of the test's own; what it holds is removed."""
    name = f"localhost/verdigris-test-{uuid4().hex[:8]}"
    yield name
    listed = subprocess.run(["buildah", "images", "--json"], capture_output=True, text=True, check=True, timeout=60)
    names = [named for image in json.loads(listed.stdout or "[]") for named in image["names"] or []]
    if mine := [named for named in names if named.startswith(f"{name}:")]:
        subprocess.run(["buildah", "rmi", *mine], capture_output=True, check=True, timeout=60)


def test_the_labels_say_what_the_manifest_says(buildah: list[str], repository: str, tmp_path: Path) -> None:
    """Version, build ID and migration are the same on the image and in the file; the commit is a label and a tag."""
    manifest = run_image("1.1.0", tmp_path / "1.1.0.json", "--repository", repository, *buildah)
    image = inspect(f"{repository}:1.1.0")
    labels = image["OCIv1"]["config"]["Labels"]
    assert manifest.keys() == {"version", "image", "build", "migration"}
    assert labels["org.opencontainers.image.version"] == manifest["version"] == "1.1.0"
    assert labels["dev.verdigris.build"] == manifest["build"]
    assert labels["dev.verdigris.migration"] == manifest["migration"] == "0002"
    assert manifest["image"] == f"{repository}@{image['FromImageDigest']}"
    commit = labels["org.opencontainers.image.revision"].partition("-")[0]
    assert re.fullmatch(r"[0-9a-f]{40}", commit)
    listed = subprocess.run(["buildah", "images", "--json"], capture_output=True, text=True, check=True, timeout=60)
    tags = [
        named.rpartition(":")[2]
        for found in json.loads(listed.stdout)
        for named in found["names"] or []
        if named.startswith(f"{repository}:")
    ]
    assert "1.1.0" in tags
    assert any(tag.startswith(f"1.1.0-{commit[:12]}") for tag in tags)


def test_the_image_runs_as_nobody_in_particular(buildah: list[str], repository: str, tmp_path: Path) -> None:
    """The user is a number that is not root's, so that the kubelet can tell, and the start needs no shell."""
    run_image("1.0.0", tmp_path / "1.0.0.json", "--repository", repository, *buildah)
    config = inspect(f"{repository}:1.0.0")["OCIv1"]["config"]
    assert config["User"] == "10001:10001"
    assert config["Cmd"] == ["python", "run.py"]


def test_two_builds_of_one_version_have_the_same_digest(buildah: list[str], repository: str, tmp_path: Path) -> None:
    """An image built from nothing, packages and all, is bit for bit the one made of layers that were there."""
    words = ("--repository", repository, *buildah)
    first = run_image("1.1.0", tmp_path / "first.json", *words)
    second = run_image("1.1.0", tmp_path / "second.json", *words, "--no-cache")
    assert first == second


def test_two_versions_share_all_layers_but_the_last(buildah: list[str], repository: str, tmp_path: Path) -> None:
    """What a node fetches for the next version is the application, not Python and the packages again."""
    layers = []
    for version in ("1.0.0", "1.1.0"):
        run_image(version, tmp_path / f"{version}.json", "--repository", repository, *buildah)
        layers.append(inspect(f"{repository}:{version}")["OCIv1"]["rootfs"]["diff_ids"])
    assert layers[0][:-1] == layers[1][:-1]
    assert layers[0][-1] != layers[1][-1]


def test_an_unknown_version_makes_no_image(buildah: list[str], tmp_path: Path) -> None:
    """The message names what is known, and no file says that there is an image."""
    with pytest.raises(AssertionError, match=r"no version '9\.9\.9'"):
        run_image("9.9.9", tmp_path / "out.json", *buildah)
    assert not (tmp_path / "out.json").exists()


@pytest.fixture(scope="module")
def environment(make_namespace: NamespaceMaker) -> Kubectl:
    """A namespace like production's, pod security and quota included, with a database that nobody serves."""
    kubectl = make_namespace(**{"pod-security.kubernetes.io/enforce": "restricted"})
    address = "postgresql://nobody@127.0.0.1:1/none"
    kubectl("create", "secret", "generic", "chatbot-platform-secrets", f"--from-literal=DATABASE_URL={address}")
    kubectl.create(*read("production/configmap.yaml"), *read("production/quota.yaml"))
    return kubectl


def test_a_pod_named_by_digest_runs_what_was_built(environment: Kubectl, chatbot_image: ImageMaker) -> None:
    """production's Deployment starts the image without a registry; imageID and /version are what image.py wrote."""
    built = chatbot_image("1.1.0")
    (deployment,) = read("production/deployment-blue.yaml")
    deployment["spec"]["replicas"] = 1
    container(deployment)["image"] = built["image"]
    environment.create(deployment)

    def started() -> Built | None:
        """The startup probe has passed; the pod is not ready, for want of a database."""
        pods = environment.get("pods", "--selector=color=blue")["items"]
        states = [state for pod in pods for state in pod["status"].get("containerStatuses", []) if state["started"]]
        return {"pod": pods[0]["metadata"]["name"], **states[0]} if states else None

    state = wait_until(started, "the container has started", seconds=60)
    assert state["imageID"] == built["image"]
    assert state["restartCount"] == 0
    path = f"/api/v1/namespaces/{environment.namespace}/pods/{state['pod']}:8000/proxy/version"
    said = json.loads(environment("get", "--raw", path))
    assert (said["version"], said["build"], said["color"]) == ("1.1.0", built["build"], "blue")
    environment("delete", "deployment", "chatbot-platform-blue", "--wait=false")


def test_the_migration_runs_from_the_same_image(environment: Kubectl, chatbot_image: ImageMaker) -> None:
    """The Job starts migrate.py, which says that the database cannot be reached; it is not tried again."""
    (job,) = read("production/migrate-job.yaml")
    container(job)["image"] = chatbot_image("1.1.0")["image"]
    environment("apply", "--filename=-", stdin=yaml.safe_dump(job))

    def failed() -> Built | None:
        """Whether the Job has come to its end."""
        status: Built = environment.get("job", "chatbot-platform-migrate")["status"]
        return status if status.get("failed") else None

    assert wait_until(failed, "the Job has failed", seconds=60)["failed"] == 1
    assert "the schema is unchanged" in environment("logs", "job/chatbot-platform-migrate")
