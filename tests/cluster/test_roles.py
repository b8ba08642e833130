"""What each account may do in its environment's namespace, and what it may not do anywhere."""

import json
from pathlib import Path
from typing import Any

import pytest

from verdigris.platform.kubernetes.namespace import NEEDED

from .kubectl import wait_until
from .manifests import K8S
from .roles import ACCOUNTS, Roles

GROUPS = {
    "deployments": "apps",
    "replicasets": "apps",
    "daemonsets": "apps",
    "horizontalpodautoscalers": "autoscaling",
    "jobs": "batch",
    "leases": "coordination.k8s.io",
    "endpointslices": "discovery.k8s.io",
    "ingresses": "networking.k8s.io",
    "networkpolicies": "networking.k8s.io",
    "poddisruptionbudgets": "policy",
    "roles": "rbac.authorization.k8s.io",
    "rolebindings": "rbac.authorization.k8s.io",
    "clusterroles": "rbac.authorization.k8s.io",
    "clusterrolebindings": "rbac.authorization.k8s.io",
    "validatingadmissionpolicies": "admissionregistration.k8s.io",
}
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
ALL = " ".join(VERBS)
RESOURCES = (
    *GROUPS,
    *("pods", "pods/log", "pods/exec", "pods/attach", "pods/portforward", "pods/proxy", "pods/ephemeralcontainers"),
    *("configmaps", "secrets", "services", "services/proxy", "events", "endpoints", "resourcequotas", "limitranges"),
    *("serviceaccounts", "serviceaccounts/token", "persistentvolumeclaims", "nodes", "persistentvolumes"),
)
READ = "get list watch"
WRITE = f"{READ} create update patch delete"
LOOKED_AT = {
    **dict.fromkeys(("pods", "events", "endpoints", "resourcequotas", "limitranges"), READ),
    **dict.fromkeys(("replicasets", "endpointslices"), READ),
    "pods/log": "get",
    "pods/proxy": "get",
    "pods/portforward": "get create",
}
ALLOWED = {
    "release": {
        **LOOKED_AT,
        **dict.fromkeys(("deployments", "horizontalpodautoscalers", "configmaps", "jobs", "leases"), WRITE),
        "services": f"{READ} update patch",
        "secrets": "get list create delete",
        "ingresses": "get list",
        "poddisruptionbudgets": "get list",
    },
    "verify": {
        **LOOKED_AT,
        **dict.fromkeys(("deployments", "horizontalpodautoscalers", "configmaps", "jobs", "leases"), READ),
        **dict.fromkeys(("services", "ingresses", "poddisruptionbudgets"), READ),
    },
    "approve": dict.fromkeys(("configmaps", "services", "pods", "events", "deployments"), READ),
}
"""All that an account may do in its own namespace; whatever is not named here it may not."""
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "nobody", "uid": "00000000-0000-0000-0000-000000000000"}
ENTER = "/api/v1/namespaces/NAMESPACE/pods/any/exec?command=sh"


def question(verb: str, resource: str, name: str = "") -> dict[str, str]:
    """Put a question about one verb and one resource into the API's words."""
    kind, _, part = resource.partition("/")
    asked = {"verb": verb, "group": GROUPS.get(kind, ""), "resource": kind, "subresource": part, "name": name}
    return {key: value for key, value in asked.items() if value}


def allowed(roles: Roles, account: str, namespace: str | None) -> set[tuple[str, str]]:
    """List what an account may do there, of every verb on every resource."""
    pairs = [(verb, resource) for resource in RESOURCES for verb in VERBS]
    answers = roles.may(account, namespace, [question(*pair) for pair in pairs])
    return {pair for pair, answer in zip(pairs, answers, strict=True) if answer}


@pytest.mark.parametrize("account", ACCOUNTS)
def test_an_account_may_do_what_its_role_says_and_nothing_else(roles: Roles, account: str) -> None:
    """Of every verb on every resource of interest, exactly those of the table are allowed in its own namespace."""
    table = {(verb, resource) for resource, verbs in ALLOWED[account].items() for verb in verbs.split()}
    assert allowed(roles, account, roles.home.namespace) == table


def test_the_releasing_account_may_do_all_that_a_release_asks_for(roles: Roles) -> None:
    """Whatever the platform looks for before it begins is allowed by the Role that comes with it."""
    needed = [(verb, resource) for _, resource, verbs in NEEDED for verb in verbs]
    answers = roles.may("release", roles.home.namespace, [question(*pair) for pair in needed])
    assert [pair for pair, answer in zip(needed, answers, strict=True) if not answer] == []


@pytest.mark.parametrize("account", ACCOUNTS)
def test_an_account_may_do_nothing_in_another_namespace(roles: Roles, account: str) -> None:
    """The accounts of one environment do not reach another, though that one has accounts of the same names."""
    assert allowed(roles, account, roles.other.namespace) == set()


@pytest.mark.parametrize("account", ACCOUNTS)
def test_an_account_may_do_nothing_across_the_cluster(roles: Roles, account: str) -> None:
    """Nothing is allowed for all namespaces at once, nor on what belongs to none."""
    assert allowed(roles, account, None) == set()


@pytest.mark.parametrize("account", ACCOUNTS)
def test_an_account_may_read_the_clusters_identity_and_no_other_namespace(roles: Roles, account: str) -> None:
    """kube-system may be got, not listed or changed; another environment's namespace may not even be got."""
    asked = [
        question("get", "namespaces", "kube-system"),
        question("list", "namespaces"),
        question("patch", "namespaces", "kube-system"),
        question("get", "namespaces", str(roles.other.namespace)),
    ]
    names = ["kube-system", None, "kube-system", roles.other.namespace]
    answers = [roles.may(account, name, [one])[0] for name, one in zip(names, asked, strict=True)]
    assert answers == [True, False, False, False]


def test_approving_changes_one_configmap_only(roles: Roles) -> None:
    """The approving account may change the approvals, and no other ConfigMap, and cannot make or remove any."""
    verbs = ("update", "patch", "create", "delete")
    home = roles.home.namespace
    mine = roles.may("approve", home, [question(verb, "configmaps", "verdigris-approvals") for verb in verbs])
    others = roles.may("approve", home, [question(verb, "configmaps", "chatbot-platform-config") for verb in verbs])
    assert mine == [True, True, False, False]
    assert others == [False, False, False, False]


@pytest.mark.parametrize(
    ("account", "words"),
    [
        pytest.param("release", ("delete", "service", "chatbot-platform"), id="release-deletes-the-service"),
        pytest.param("release", ("get", "secrets", "--all-namespaces"), id="release-reads-all-secrets"),
        pytest.param(
            "release", ("create", "rolebinding", "more", "--clusterrole=admin", "--user=me"), id="release-binds"
        ),
        pytest.param("verify", ("get", "secrets"), id="verify-reads-secrets"),
        pytest.param("verify", ("create", "configmap", "journal"), id="verify-writes-a-configmap"),
        pytest.param("verify", ("scale", "deployment/chatbot-platform-blue", "--replicas=0"), id="verify-scales"),
        pytest.param("verify", ("create", "--raw", ENTER, "--filename=/dev/null"), id="verify-enters-a-pod"),
        pytest.param("approve", ("create", "configmap", "journal"), id="approve-writes-another-configmap"),
        pytest.param(
            "approve",
            ("patch", "service", "chatbot-platform", "--patch", '{"spec": {"selector": {"color": "green"}}}'),
            id="approve-patches-the-service",
        ),
    ],
)
def test_what_an_account_may_not_do_is_refused_by_the_api(
    roles: Roles, tmp_path: Path, account: str, words: tuple[str, ...]
) -> None:
    """A real call with a token of that account, and no other credential, is answered Forbidden."""
    said = [word.replace("NAMESPACE", str(roles.home.namespace)) for word in words]
    done = roles.home.acting_as(f"verdigris-{account}", tmp_path).attempt(*said)
    assert done.returncode != 0
    assert "forbidden" in done.stderr.lower(), done.stderr


def test_an_account_does_with_its_token_what_it_is_for(roles: Roles, tmp_path: Path) -> None:
    """The same tokens work where they are allowed: a refusal above is the Role's doing, not a bad token's."""
    release, verify, approve = (roles.home.acting_as(f"verdigris-{account}", tmp_path) for account in ACCOUNTS)
    release("create", "configmap", "journal")
    assert verify.get("configmap", "journal")["metadata"]["name"] == "journal"
    approve("patch", "configmap", "verdigris-approvals", "--patch", '{"data": {"1.0.0": "a person"}}')
    identity = release.get("namespace", "kube-system")["metadata"]["uid"]
    assert identity == roles.home.get("namespace", "kube-system")["metadata"]["uid"]


def test_applying_the_accounts_again_leaves_approvals_as_they_are(roles: Roles) -> None:
    """approve.yaml makes the ConfigMap empty, and takes nothing out of one that is not."""
    roles.home("patch", "configmap", "verdigris-approvals", "--patch", '{"data": {"2.0.0": "a person"}}')
    roles.home("apply", "--filename", str(K8S / "rbac" / "approve.yaml"))
    assert roles.home.get("configmap", "verdigris-approvals")["data"]["2.0.0"] == "a person"


def test_a_releases_account_cannot_approve(roles: Roles, tmp_path: Path) -> None:
    """Though its Role lets it write ConfigMaps, the policy refuses it the one with the approvals."""
    release = roles.home.acting_as("verdigris-release", tmp_path)
    patch = ("patch", "configmap", "verdigris-approvals", "--patch", '{"data": {"9.9.9": "itself"}}')

    def refused() -> str | None:
        """A policy takes effect a moment after it was made."""
        done = release.attempt(*patch, "--dry-run=server")
        return done.stderr if done.returncode else None

    assert "an account that releases may not write approvals" in wait_until(refused, "the policy is in force")
    assert release.attempt(*patch).returncode != 0
    assert release.attempt("delete", "configmap", "verdigris-approvals").returncode != 0
    assert "9.9.9" not in (roles.home.get("configmap", "verdigris-approvals").get("data") or {})


def test_nobody_changes_a_line_of_the_audit_log(roles: Roles, tmp_path: Path) -> None:
    """Lines are added; one that stands there is changed by nobody, by the administrator neither; no page is removed."""
    release = roles.home.acting_as("verdigris-release", tmp_path)
    page = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "verdigris-audit-0001"}}
    roles.home.create({**page, "data": {"audit.jsonl": "one\n", "head": "1"}})
    roles.home("label", "configmap", "verdigris-audit-0001", "verdigris.dev/audit=page")

    def patch(change: dict[str, Any]) -> tuple[str, ...]:
        return ("patch", "configmap", "verdigris-audit-0001", "--patch", json.dumps(change))

    def refused() -> str | None:
        """A policy takes effect a moment after it was made."""
        done = roles.home.attempt(*patch({"data": {"audit.jsonl": "two\n"}}), "--dry-run=server")
        return done.stderr if done.returncode else None

    assert "lines are added to the audit log, and none is changed" in wait_until(refused, "the policy is in force")
    assert release.attempt(*patch({"data": {"audit.jsonl": "", "head": "0"}})).returncode != 0
    assert release.attempt("label", "configmap", "verdigris-audit-0001", "verdigris.dev/audit-").returncode != 0
    for change in (
        {"metadata": {"ownerReferences": [OWNER]}},
        {"immutable": True},
        {"data": {"head": "0"}},
        {"data": {"audit.jsonl": "one\ntwo"}, "metadata": {"finalizers": ["example.com/never"]}},
    ):
        assert release.attempt(*patch(change)).returncode != 0
    assert "may not remove a page" in release.attempt("delete", "configmap", "verdigris-audit-0001").stderr
    release(*patch({"data": {"audit.jsonl": "one\ntwo\n", "head": "2"}}))
    release(*patch({"data": {"next": "verdigris-audit-0002"}}))
    assert release.attempt(*patch({"data": {"audit.jsonl": "one\ntwo\nthree\n", "head": "3"}})).returncode != 0
    assert roles.home.get("configmap", "verdigris-audit-0001")["data"]["audit.jsonl"] == "one\ntwo\n"
