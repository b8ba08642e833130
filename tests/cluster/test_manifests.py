"""What the manifests promise each other, the application and the cluster."""

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from verdigris.platform.kubernetes.namespace import ENVIRONMENT_LABEL

from .conftest import NamespaceMaker, missing
from .kubectl import Kubectl
from .manifests import ENVIRONMENTS, K8S, container, files, objects, quantity, read

ROOT = K8S.parent
LINTER = "kube-score"
LINTER_VERSION = "1.20.0"
INSTALL = f"go install github.com/zegl/kube-score/cmd/kube-score@v{LINTER_VERSION}"

# One binary, no network, no configuration, and kept: that is why it is this one. What it says is left out for a reason:
LEFT_OUT = {
    "container-image-pull-policy": "a release names the image by digest: Always would ask again for the same bytes",
    "deployment-targeted-by-hpa-does-not-have-replicas-configured": "the release writes the number, not the file's",
}
LEFT_OUT_IN_DEV = {"deployment-replicas": "one pod is enough where nobody is served"}


@pytest.mark.parametrize("path", files(), ids=lambda path: path.relative_to(K8S).as_posix())
def test_the_api_server_takes_every_manifest(path: Path, restricted: Kubectl) -> None:
    """A server-side dry run takes each file, without a warning, where pod security is enforced at its strictest."""
    dry = ("apply", "--server-side", "--dry-run=server", "--force-conflicts")  # another test may have applied it too
    done = restricted.attempt(*dry, "--filename", str(path))
    assert done.returncode == 0, done.stderr
    # kubectl's own bookkeeping, where somebody applied a cluster's object in another way before
    said = [line for line in done.stderr.splitlines() if line and "kubectl.kubernetes.io/last-applied" not in line]
    assert said == []


@pytest.fixture(scope="module")
def restricted(make_namespace: NamespaceMaker) -> Kubectl:
    """Make a namespace that refuses pods which could do more than they need."""
    return make_namespace(**{"pod-security.kubernetes.io/enforce": "restricted"})


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_linter_has_nothing_to_say(environment: str) -> None:
    """kube-score finds no fault in an environment's manifests, but for what is left out with a reason."""
    if shutil.which(LINTER) is None:
        missing(f"{LINTER} is not installed", INSTALL)
    paths = [str(path) for path in sorted((K8S / environment).glob("*.yaml"))]
    names = (*LEFT_OUT, *(LEFT_OUT_IN_DEV if environment == "dev" else ()))
    left_out = [word for name in names for word in ("--ignore-test", name)]
    command = [LINTER, "score", "--output-format", "json", "--exit-one-on-warning", *left_out, *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    said = [
        f"{found['object_name']}: {check['check']['id']}: {comment['summary']}"
        for found in json.loads(done.stdout)
        for check in found["checks"]
        for comment in check["comments"] or []
        if not check["skipped"] and check["grade"] < 10
    ]
    assert said == []
    assert done.returncode == 0


def test_the_two_colors_differ_in_nothing_but_the_word() -> None:
    """The green Deployment is the blue one with the other word throughout."""
    blue, green = ((K8S / "production" / f"deployment-{color}.yaml").read_text() for color in ("blue", "green"))
    assert blue.replace("blue", "*").replace("green", "blue").replace("*", "green") == green


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_service_of_the_users_names_no_color(environment: str) -> None:
    """Applying it again cannot move users: which color they get is not in the file."""
    (service,) = read(f"{environment}/service.yaml")
    assert service["spec"]["selector"] == {"app.kubernetes.io/name": "chatbot-platform"}


def test_applying_the_service_again_leaves_green_live(namespace: str, admin: Kubectl) -> None:
    """Once a switch has written the color, kubectl apply changes nothing; a server-side apply is refused."""
    kubectl = admin.within(namespace)
    apply = ("apply", "--filename", str(K8S / "production" / "service.yaml"))
    kubectl(*apply)
    switch = '{"spec": {"selector": {"color": "green"}}}'
    kubectl("patch", "service", "chatbot-platform", "--patch", switch, "--field-manager=verdigris")
    before = kubectl.get("service", "chatbot-platform")
    kubectl(*apply)
    refused = kubectl.attempt(*apply, "--server-side", "--field-manager=somebody")
    after = kubectl.get("service", "chatbot-platform")
    assert "conflict" in refused.stderr
    assert after["spec"]["selector"] == {"app.kubernetes.io/name": "chatbot-platform", "color": "green"}
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_no_service_chooses_the_migration(environment: str) -> None:
    """The Job's pods bear another name than the application's, so that no user's request ever goes to one."""
    labels = objects(environment, "Job")[0]["spec"]["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/name"] != "chatbot-platform"


@pytest.mark.parametrize("path", files(), ids=lambda path: path.relative_to(K8S).as_posix())
def test_no_manifest_names_the_namespace_it_goes_to(path: Path) -> None:
    """The same files serve any namespace."""
    assert [found["metadata"]["name"] for found in read(path) if "namespace" in found["metadata"]] == []


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_namespace_of_the_settings_says_which_environment_it_is(environment: str) -> None:
    """A release is refused where the label is another, and pods are restricted there."""
    settings = tomllib.loads((ROOT / "environments.toml").read_text(encoding="utf-8"))["environments"]
    labels = {found["metadata"]["name"]: found["metadata"]["labels"] for found in read("namespaces.yaml")}
    assert labels[settings[environment]["namespace"]] == {
        ENVIRONMENT_LABEL: environment,
        "pod-security.kubernetes.io/enforce": "restricted",
    }


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_host_has_tls(environment: str) -> None:
    """No host is served without a certificate, and the environment's address is one of them."""
    hosts = set()
    for ingress in objects(environment, "Ingress"):
        spec = ingress["spec"]
        ruled = {rule["host"] for rule in spec["rules"]}
        assert {host for entry in spec["tls"] for host in entry["hosts"]} == ruled
        hosts |= ruled
    settings = tomllib.loads((ROOT / "environments.toml").read_text(encoding="utf-8"))
    assert settings["environments"][environment]["url"].removeprefix("https://") in hosts


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_application_takes_its_variables(environment: str) -> None:
    """The chatbot's own settings read what a pod would be given, and take every variable of it."""
    (config,) = objects(environment, "ConfigMap")
    deployment = objects(environment, "Deployment")[0]
    given = {entry["name"]: entry.get("value", "postgresql://u@h/d") for entry in container(deployment)["env"]}
    given |= config["data"]
    code = "import json, sys; from chatbot.settings import read_settings; read_settings(json.load(sys.stdin))"
    chatbot = ROOT / "examples" / "chatbot"
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, input=json.dumps(given), cwd=chatbot, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stderr
    known = (chatbot / "chatbot" / "settings.py").read_text(encoding="utf-8")
    assert [name for name in given if f'"{name}"' not in known] == []


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_pod_has_the_time_to_leave(environment: str) -> None:
    """The grace period is longer than preStop, drain and the finishing of what is in flight together."""
    finish = 30  # FINISH_SECONDS of the chatbot's server.py
    assert f"FINISH_SECONDS = {finish} " in (ROOT / "examples/chatbot/chatbot/server.py").read_text(encoding="utf-8")
    (config,) = objects(environment, "ConfigMap")
    for deployment in objects(environment, "Deployment"):
        stop = container(deployment)["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert stop >= 1, "kube-proxy was measured to need 0.7 s"
        grace = deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        assert grace > stop + float(config["data"]["DRAIN_SECONDS"]) + finish


def test_production_asks_for_more_than_staging_and_staging_for_more_than_dev() -> None:
    """Requests and limits are low, medium and high."""
    asked = [container(objects(environment, "Deployment")[0])["resources"] for environment in ENVIRONMENTS]
    for part, name in (("requests", "cpu"), ("requests", "memory"), ("limits", "memory")):
        low, medium, high = (quantity(resources[part][name]) for resources in asked)
        assert low < medium < high, (part, name)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_quota_bears_every_pod_there_can_be(environment: str) -> None:
    """Both colors at the autoscaler's most, one more each while pods are replaced, the migration, and a suite's Job."""
    (quota,) = objects(environment, "ResourceQuota")
    limit = quota["spec"]["hard"]
    scalers = {
        scaler["metadata"]["name"]: scaler["spec"]["maxReplicas"]
        for scaler in objects(environment, "HorizontalPodAutoscaler")
    }
    workloads = [
        (container(deployment), scalers.get(deployment["metadata"]["name"], deployment["spec"]["replicas"]) + 1)
        for deployment in objects(environment, "Deployment")
    ]
    workloads.append((container(objects(environment, "Job")[0]), 1))
    suite = {"requests.cpu": 0.5, "requests.memory": 2**30, "limits.cpu": 2, "limits.memory": 2 * 2**30}
    for name, reserved in suite.items():
        part, resource = name.split(".")
        used = sum(quantity(found["resources"][part][resource]) * count for found, count in workloads)
        assert used + reserved <= quantity(limit[name]), name
    assert sum(count for _, count in workloads) + 1 <= int(limit["pods"])


def test_autoscaler_and_disruption_budget_stand_for_each_color() -> None:
    """Each is named like its Deployment, and is about that one alone."""
    deployments = {found["metadata"]["name"]: found for found in objects("production", "Deployment")}
    scalers = objects("production", "HorizontalPodAutoscaler")
    assert {scaler["metadata"]["name"] for scaler in scalers} == set(deployments)
    assert all(scaler["spec"]["scaleTargetRef"]["name"] == scaler["metadata"]["name"] for scaler in scalers)
    for budget in objects("production", "PodDisruptionBudget"):
        of = deployments[budget["metadata"]["name"]]
        assert budget["spec"]["selector"] == of["spec"]["selector"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_no_manifest_holds_a_secret(environment: str) -> None:
    """The example's values are empty, kubectl does not take it for a manifest, and no other file is a Secret."""
    assert objects(environment, "Secret") == []
    (secret,) = read(f"{environment}/secret.yaml.example")
    assert set(secret["stringData"].values()) == {""}
    assert "data" not in secret
