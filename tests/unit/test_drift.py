"""Two environments are alike where nothing differs but what has to, and every other difference has a path."""

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verdigris.cli.drifting import drifted
from verdigris.drift.compare import Side, compared, facts, unused
from verdigris.errors import SettingsError, UsageError
from verdigris.settings import load
from verdigris.settings.drift_paths import matches, parts, said

ROOT = Path(__file__).parents[2]
Object = dict[str, Any]


def deployment(name: str = "shop", color: str | None = None) -> Object:
    """A Deployment as its file has it, or as a color's file has it."""
    labels = {"app": "shop", **({"color": color} if color else {})}
    container = {
        "name": "shop",
        "image": "registry.example.com/shop:1.0.0",
        "env": [{"name": "RELEASE_COLOR", "value": color or "live"}, {"name": "MODE", "value": "fast"}],
        "resources": {"limits": {"cpu": "1"}},
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 2},
    }
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": labels}, "spec": spec}


def ingress(host: str, name: str = "shop") -> Object:
    """An Ingress for a host."""
    rule = {"host": host, "http": {"paths": [{"path": "/", "backend": {"service": {"name": "shop"}}}]}}
    spec = {"tls": [{"hosts": [host], "secretName": "shop-tls"}], "rules": [rule]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name}, "spec": spec}


def service(name: str, selector: dict[str, str]) -> Object:
    """A Service."""
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"selector": selector}}


def rolling(*objects: Object) -> Side:
    """An environment that rolls."""
    found = objects or (deployment(), ingress("staging.example.com"))
    return Side(words={"staging.example.com": "HOST", "shop-staging": "NAMESPACE"}, objects=found)


def colored(*objects: Object, color: str = "blue") -> Side:
    """An environment with two colors, of which one is compared."""
    pair = (deployment("shop-blue", "blue"), deployment("shop-green", "green"), ingress("shop.example.com"))
    return Side(words={"shop.example.com": "HOST", "shop-prod": "NAMESPACE"}, color=color, objects=objects or pair)


def paths(one: Side, other: Side, allow: tuple[str, ...] = ()) -> list[str]:
    """The paths that are not allowed to differ and do."""
    return [found.path for found in compared(facts(one), facts(other), allow) if not found.allowed]


@pytest.mark.parametrize("color", ["blue", "green"])
def test_what_differs_by_intent_is_no_drift(color: str) -> None:
    """One Deployment against one of two colors, other hosts: nothing differs."""
    assert paths(rolling(), colored(color=color)) == []


def changed(keys: tuple[str | int, ...], value: Any) -> Object:
    """The Deployment with one thing changed."""
    found = copy.deepcopy(deployment())
    node: Any = found
    for key in keys[:-1]:
        node = node[key]
    node[keys[-1]] = value
    return found


POD: tuple[str | int, ...] = ("spec", "template", "spec")
IN_POD = "deployment/shop.spec.template.spec"


@pytest.mark.parametrize(
    ("keys", "value", "path"),
    [
        pytest.param(
            (*POD, "containers", 0, "env", 1, "value"), "slow", f"{IN_POD}.containers.shop.env.MODE.value", id="env"
        ),
        pytest.param(
            (*POD, "containers", 0, "image"), "other/shop:1.0.0", f"{IN_POD}.containers.shop.image", id="another-image"
        ),
        pytest.param(
            (*POD, "containers", 0, "resources", "limits", "cpu"),
            "2",
            f"{IN_POD}.containers.shop.resources.limits.cpu",
            id="resources",
        ),
        pytest.param(
            (*POD, "containers", 0, "readinessProbe", "periodSeconds"),
            9,
            f"{IN_POD}.containers.shop.readinessProbe.periodSeconds",
            id="probe",
        ),
        pytest.param(
            (*POD, "securityContext"), {"runAsNonRoot": True}, f"{IN_POD}.securityContext.runAsNonRoot", id="security"
        ),
        pytest.param(
            ("metadata", "annotations"),
            {"example.com/owner": "me"},
            'deployment/shop.metadata.annotations."example.com/owner"',
            id="annotation",
        ),
    ],
)
def test_any_other_difference_has_a_path(keys: tuple[str | int, ...], value: Any, path: str) -> None:
    """One thing changed in one environment is one path, with both values."""
    one, other = rolling(deployment()), rolling(changed(keys, value))
    (found,) = compared(facts(one), facts(other), ())
    assert found.path == path
    assert found.other in (str(value), "True", "me", "other/shop")


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        pytest.param(("spec", "replicas"), 5, id="replicas"),
        pytest.param((*POD, "containers", 0, "image"), "registry.example.com/shop@sha256:12ab", id="tag-or-digest"),
        pytest.param(("status",), {"replicas": 3}, id="status"),
        pytest.param(("metadata", "annotations"), {"verdigris.dev/generation": "4"}, id="release-s-own-notes"),
        pytest.param(("metadata", "uid"), "1-2-3", id="uid"),
    ],
)
def test_what_a_release_or_the_cluster_puts_in_is_no_drift(keys: tuple[str | int, ...], value: Any) -> None:
    """Replicas, tags, status and the notes of releases count as equal."""
    assert paths(rolling(deployment()), rolling(changed(keys, value))) == []


def test_an_object_that_one_side_lacks_is_one_difference() -> None:
    """It is named once, not once for each of its keys; a Service of a color is not the users' Service."""
    users = service("shop", {"app": "shop"})
    one = rolling(deployment(), users)
    other = colored(deployment("shop-blue", "blue"), users, service("shop-blue", {"app": "shop", "color": "blue"}))
    (found,) = compared(facts(one), facts(other), ())
    assert (found.path, found.one, found.other) == ("service/shop-COLOR", "absent", "present")


def test_the_color_that_a_service_names_is_no_drift() -> None:
    """The selector's color is what a switch writes."""
    one = rolling(service("shop", {"app": "shop", "color": "none"}))
    other = rolling(service("shop", {"app": "shop", "color": "green"}))
    assert paths(one, other) == []


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        pytest.param("deployment.spec.template.spec.containers.*.resources", True, id="every-container"),
        pytest.param("deployment/shop.spec.template.spec.containers.shop.resources.limits.cpu", True, id="exactly"),
        pytest.param("deployment", True, id="the-whole-kind"),
        pytest.param("*.spec", True, id="any-kind"),
        pytest.param("deployment/other.spec", False, id="another-name"),
        pytest.param("deployment.spec.template.spec.containers.*.env", False, id="another-key"),
        pytest.param(
            "deployment.spec.template.spec.containers.shop.resources.limits.cpu.more", False, id="longer-than-the-path"
        ),
        pytest.param("deploy", False, id="only-a-beginning"),
    ],
)
def test_a_pattern_allows_a_path_and_what_is_below(pattern: str, allowed: bool) -> None:
    """Part by part, with * for anything in one part."""
    one = rolling(deployment())
    other = rolling(changed((*POD, "containers", 0, "resources", "limits", "cpu"), "2"))
    found = compared(facts(one), facts(other), (pattern,))
    assert [bool(difference.allowed) for difference in found] == [allowed]
    assert unused(found, (pattern,)) == (() if allowed else (pattern,))


@given(
    st.lists(st.text("abc./*-", min_size=1, max_size=6).filter(lambda part: part.strip(".")), min_size=1, max_size=5)
)
def test_a_path_reads_back_as_it_was(path: list[str]) -> None:
    """What is printed can be written into the settings: it means that path."""
    assert parts(said(tuple(path))) == tuple(path)
    plain = tuple(part.replace("*", "x") for part in path)
    assert matches(said(plain), plain)


def test_the_repositorys_staging_and_production_do_not_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond what environments.toml allows, k8s/staging and k8s/production are alike; every allowance is needed."""
    monkeypatch.delenv("STAGING_CLUSTER", raising=False)
    content, code = drifted(load(ROOT / "environments.toml"), "staging", "production")
    assert (content["drift"], code) == ([], 0)
    assert set(content["allowances without use"]) <= {"standing"}
    assert "not looked at" in content["cluster"]


def test_drift_ends_with_ten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the allowances the same environments drift, with a path for each difference."""
    monkeypatch.delenv("STAGING_CLUSTER", raising=False)
    settings = load(ROOT / "environments.toml")
    bare = settings.model_copy(update={"drift": settings.drift.model_copy(update={"allow": ()})})
    content, code = drifted(bare, "staging", "production")
    assert code == 10
    expected = {"path": "horizontalpodautoscaler/chatbot-platform.spec.maxReplicas", "staging": "4", "production": "6"}
    assert expected in content["drift"]


def test_only_what_has_manifests_can_drift() -> None:
    """An environment of this machine has none: refused as usage."""
    with pytest.raises(UsageError, match="local is not on the platform kubernetes"):
        drifted(load(ROOT / "environments.toml"), "local", "production")


def test_a_pattern_that_is_no_path_is_refused(tmp_path: Path) -> None:
    """The message names the key and shows a path."""
    text = (ROOT / "environments.toml").read_text().replace('    "standing",', '    "standing..x",')
    (tmp_path / "environments.toml").write_text(text)
    with pytest.raises(SettingsError, match=r"drift\.allow.*is no path, such as"):
        load(tmp_path / "environments.toml")
