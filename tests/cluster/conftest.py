"""Finds the cluster that KUBECONFIG names, and makes namespaces and images for tests."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn
from uuid import uuid4

import pytest

from .chatbot import Chatbot
from .images import Images
from .kubectl import Kubectl
from .machine import Machine, addresses, own_address
from .roles import Roles

ROOT = Path(__file__).resolve().parents[2]
TEST_LABEL = "verdigris.dev/test"
LOCAL_PYTHON = "localhost/python:3.11-slim"

NamespaceMaker = Callable[..., Kubectl]
ImageMaker = Callable[[str], dict[str, Any]]


def missing(what: str, remedy: str) -> NoReturn:
    """Skip for want of something, or fail where nothing may be skipped."""
    message = f"{what}; {remedy}"
    if os.environ.get("VERDIGRIS_REQUIRE_ALL"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def kubeconfig() -> Path:
    """Name the file by which the cluster is reached; its API server answers."""
    named = os.environ.get("KUBECONFIG")
    if not named:
        missing(
            "KUBECONFIG is not set", "export KUBECONFIG=FILE of a test cluster, such as `kind get kubeconfig` gives"
        )
    if shutil.which("kubectl") is None:
        missing("kubectl is not installed", "https://kubernetes.io/docs/tasks/tools/")
    asked = Kubectl(Path(named)).attempt("get", "--raw", "/readyz", "--request-timeout=10s")
    if asked.returncode:
        missing(f"the API server of {named} does not answer: {asked.stderr.strip()}", "start the cluster")
    return Path(named)


@pytest.fixture(scope="session")
def admin(kubeconfig: Path) -> Kubectl:
    """Speak to the cluster with every right."""
    return Kubectl(kubeconfig)


@pytest.fixture(scope="session")
def make_namespace(admin: Kubectl) -> Iterator[NamespaceMaker]:
    """Make namespaces; `kubectl delete namespaces -l verdigris.dev/test` removes what a killed run left behind."""
    made: list[str] = []

    def make(**labels: str) -> Kubectl:
        name = f"verdigris-test-{uuid4().hex[:10]}"
        metadata = {"name": name, "labels": {TEST_LABEL: "true", **labels}}
        admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        made.append(name)
        return admin.within(name)

    yield make
    if made:
        admin("delete", "namespaces", "--ignore-not-found", "--wait=false", *made)


@pytest.fixture
def namespace(make_namespace: NamespaceMaker) -> str:
    """Make a namespace of the test's own."""
    made = make_namespace().namespace
    assert made is not None
    return made


@pytest.fixture(scope="module")
def roles(make_namespace: NamespaceMaker) -> Iterator[Roles]:
    """Set the accounts up once for the module."""
    made = Roles(make_namespace(), make_namespace())
    yield made
    made.close()


@pytest.fixture(scope="session")
def buildah() -> list[str]:
    """Say with what arguments image.py can make images here."""
    if shutil.which("buildah") is None:
        missing("buildah is not installed", "apt-get install buildah")
    known = subprocess.run(
        ["buildah", "inspect", "--type", "image", LOCAL_PYTHON], capture_output=True, check=False, timeout=60
    )
    return ["--base", LOCAL_PYTHON] if known.returncode == 0 else []


@pytest.fixture(scope="session")
def chatbot_image(kubeconfig: Path, buildah: list[str], tmp_path_factory: pytest.TempPathFactory) -> ImageMaker:
    """Make the image of a version and bring it to the node, once; give what image.py wrote about it."""
    folder = tmp_path_factory.mktemp("images")
    made: dict[str, dict[str, Any]] = {}

    def make(version: str) -> dict[str, Any]:
        if version not in made:
            load = shlex.join([sys.executable, str(Path(__file__).with_name("load.py")), "{archive}"])
            made[version] = run_image(version, folder / f"{version}.json", *buildah, "--load", load)
        return made[version]

    return make


def run_image(version: str, out: Path, *words: str) -> dict[str, Any]:
    """Run image.py and read what it wrote."""
    script = ROOT / "examples" / "chatbot" / "image.py"
    command = [sys.executable, str(script), version, "--out", str(out), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr
    manifest: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return manifest


@pytest.fixture(scope="session")
def images(kubeconfig: Path, buildah: list[str], tmp_path_factory: pytest.TempPathFactory) -> Images:
    """Make images of the tiny application."""
    return Images(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def machine(admin: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Run the chatbot's database and provider on this machine, where pods reach them."""
    known = [os.environ["MACHINE_ADDRESS"]] if "MACHINE_ADDRESS" in os.environ else addresses(admin)
    here = next(filter(own_address, known), None)
    if here is None:
        missing(f"none of {', '.join(known)} is this machine's", "set MACHINE_ADDRESS to it as pods see it")
    made = Machine(tmp_path_factory.mktemp("machine"), here)
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def make_chatbot(
    make_namespace: NamespaceMaker,
    machine: Machine,
    chatbot_image: ImageMaker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str], Chatbot]]:
    """Make environments of the chatbot, each in a namespace of its own where pods may do no more than they need."""
    made: list[Chatbot] = []

    def make(name: str) -> Chatbot:
        kubectl = make_namespace(**{"pod-security.kubernetes.io/enforce": "restricted"})
        made.append(Chatbot(tmp_path_factory.mktemp(name), name, kubectl, machine, chatbot_image))
        return made[-1]

    yield make
    for chatbot in made:
        chatbot.close()
