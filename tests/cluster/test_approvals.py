"""An account that releases cannot approve: not itself, not as another account, not with a token of one."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .kubectl import Kubectl, wait_until
from .roles import Roles

APPROVER, RELEASE, VERIFY = "verdigris-approve", "verdigris-release", "verdigris-verify"
HELPER = "helper"
"""An account that writes every ConfigMap of its namespace, takes tokens and acts in the name of other accounts."""
HELPERS = {HELPER: "--clusterrole=edit", "takes": "serviceaccounts/token create", "acts": "serviceaccounts impersonate"}
"""The accounts that could become the approver, and by which right."""
TOKEN = "kubernetes.io/service-account-token"
DAY = 86_400
NOTHING_RUNS = "nothing runs as verdigris-approve"
NO_HELPER = "starts nothing that runs as an account which can"
NO_TOKEN = "may not make a token"
WITHOUT_END = "a token in a Secret has no end"
KINDS = {
    "Pod": "v1",
    "PodTemplate": "v1",
    "ReplicationController": "v1",
    "Deployment": "apps/v1",
    "ReplicaSet": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "Job": "batch/v1",
    "CronJob": "batch/v1",
}
"""Whatever a pod can be made from."""
MADE_BY_A_RELEASE = ("Deployment", "Job")

Object = dict[str, Any]


def workload(kind: str, name: str, **pod: Any) -> Object:
    """Something of that kind whose pod has these fields; it runs nowhere."""
    labels = {"app": name}
    spec: Object = {"containers": [{"name": "main", "image": "localhost/none:1"}], "nodeName": "none", **pod}
    if kind in ("Job", "CronJob"):
        spec["restartPolicy"] = "Never"
    template = {"metadata": {"labels": labels}, "spec": spec}
    made: Object = {"apiVersion": KINDS[kind], "kind": kind, "metadata": {"name": name, "labels": labels}}
    if kind == "Pod":
        return {**made, "spec": spec}
    if kind == "PodTemplate":
        return {**made, "template": template}
    if kind == "CronJob":
        job = {"spec": {"template": template}}
        return {**made, "spec": {"schedule": "0 0 1 1 *", "suspend": True, "jobTemplate": job}}
    if kind == "Job":
        return {**made, "spec": {"suspend": True, "template": template}}
    selector: Object = labels if kind == "ReplicationController" else {"matchLabels": labels}
    own: Object = {} if kind == "DaemonSet" else {"replicas": 0}
    own |= {"serviceName": name} if kind == "StatefulSet" else {}
    return {**made, "spec": {**own, "selector": selector, "template": template}}


def secret(name: str, account: str, kind: str = TOKEN) -> Object:
    """A Secret that asks for a token of an account."""
    metadata = {"name": name, "annotations": {"kubernetes.io/service-account.name": account}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind}


def said(kubectl: Kubectl, wanted: Object, *words: str) -> str:
    """Create it without keeping it; what the API server said, or nothing where it is allowed."""
    done = kubectl.attempt("create", "--dry-run=server", "--filename=-", *words, stdin=json.dumps(wanted))
    return done.stderr if done.returncode else ""


def refused(done: "subprocess.CompletedProcess[str]", why: str) -> None:
    """It came to nothing, and for that reason."""
    assert done.returncode != 0
    assert why in done.stderr


@pytest.fixture(scope="module")
def home(roles: Roles) -> Kubectl:
    """Speak to the namespace with every right; all policies are in force there."""

    def in_force() -> bool | None:
        tries = (workload("Pod", "early", serviceAccountName=APPROVER), secret("early", APPROVER))
        return all("denied request" in said(roles.home, one) for one in tries) or None

    wait_until(in_force, "the policies are in force")
    for name, right in HELPERS.items():
        roles.home("create", "serviceaccount", name)
        if not right.startswith("--"):
            resource, verb = right.split()
            roles.home("create", "role", name, f"--resource={resource}", f"--verb={verb}")
            right = f"--role={name}"
        account = f"--serviceaccount={roles.home.namespace}:{name}"
        roles.home("create", "rolebinding", name, right, account)
    return roles.home


@pytest.fixture(scope="module")
def release(home: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """Speak with a token of the account that releases, and nothing else."""
    return home.acting_as(RELEASE, tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="module")
def wider(home: Kubectl, release: Kubectl) -> Kubectl:
    """The account that releases, where somebody gave it rights on everything that a pod or a token is made from."""
    resources = "pods podtemplates replicationcontrollers secrets configmaps serviceaccounts/token"
    rules = [
        {"apiGroups": ["", "apps", "batch"], "resources": resources.split(), "verbs": ["*"]},
        {"apiGroups": ["apps", "batch"], "resources": ["*"], "verbs": ["*"]},
    ]
    named = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "wider"}}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "wider"}
    subjects = [{"kind": "ServiceAccount", "name": RELEASE}]
    home.create(
        {**named, "kind": "Role", "rules": rules},
        {**named, "kind": "RoleBinding", "roleRef": role, "subjects": subjects},
    )
    return release


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("field", ["serviceAccountName", "serviceAccount"])
def test_nobody_starts_anything_as_the_approver(home: Kubectl, kind: str, field: str) -> None:
    """Of whatever kind, by either name of the field, by an administrator neither: a release could change it later."""
    assert said(home, workload(kind, "plain", **{field: "default"})) == ""
    assert NOTHING_RUNS in said(home, workload(kind, "forged", **{field: APPROVER}))


@pytest.mark.parametrize("kind", MADE_BY_A_RELEASE)
def test_a_release_starts_nothing_as_the_approver(release: Kubectl, kind: str) -> None:
    """What its Role lets it create is refused with that account, and allowed with none, its own or the suites' one."""
    assert NOTHING_RUNS in said(release, workload(kind, "forged", serviceAccountName=APPROVER))
    for account in ("", "default", VERIFY, RELEASE):
        assert said(release, workload(kind, "plain", serviceAccountName=account)) == ""


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in MADE_BY_A_RELEASE])
def test_a_release_whose_role_is_wider_starts_nothing_as_the_approver_either(wider: Kubectl, kind: str) -> None:
    """The policy does not lean on the Role."""
    assert said(wider, workload(kind, "plain")) == ""
    assert NOTHING_RUNS in said(wider, workload(kind, "forged", serviceAccountName=APPROVER))


@pytest.mark.parametrize("kind", MADE_BY_A_RELEASE)
@pytest.mark.parametrize("helper", HELPERS)
def test_a_release_starts_nothing_as_an_account_that_could_act_as_the_approver(
    home: Kubectl, release: Kubectl, kind: str, helper: str
) -> None:
    """Neither as one that takes its token nor as one that acts in its name; whoever owns the account may."""
    assert NO_HELPER in said(release, workload(kind, "forged", serviceAccountName=helper))
    assert said(home, workload(kind, "plain", serviceAccountName=helper)) == ""


@pytest.mark.parametrize(("account", "why"), [(APPROVER, NOTHING_RUNS), (HELPER, NO_HELPER)])
def test_a_deployment_is_not_given_to_the_approver_later(release: Kubectl, account: str, why: str) -> None:
    """A change is judged as a creation is: by patch, by server-side apply, and of the alias."""
    name = f"later-{account}"
    release.create(workload("Deployment", name))
    for field in ("serviceAccountName", "serviceAccount"):
        change = json.dumps({"spec": {"template": {"spec": {field: account}}}})
        done = release.attempt("patch", "deployment", name, "--patch", change)
        refused(done, why)
    forged = workload("Deployment", name, serviceAccountName=account)
    applied = release.attempt("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=json.dumps(forged))
    refused(applied, why)
    release("patch", "deployment", name, "--patch", '{"metadata": {"annotations": {"verdigris.dev/generation": "2"}}}')
    release("delete", "deployment", name)


def test_what_somebody_elses_controller_starts_is_refused_too(home: Kubectl) -> None:
    """A pod is judged whoever makes it: the controllers of the cluster get none with that account."""
    home.create(workload("ReplicaSet", "plain"))
    user = "--as=system:serviceaccount:kube-system:replicaset-controller"
    assert NOTHING_RUNS in said(home, workload("Pod", "forged", serviceAccountName=APPROVER), user)
    home("delete", "replicaset", "plain")


def test_a_pod_has_no_token_but_its_own_accounts(release: Kubectl) -> None:
    """A projected token names no account; a Secret with the approver's is mounted by nobody, for there is none."""
    volume = {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "t", "audience": "api"}}]}}
    assert said(release, workload("Job", "plain", volumes=[volume])) == ""
    assert NOTHING_RUNS in said(release, workload("Job", "forged", volumes=[volume], serviceAccountName=APPROVER))


@pytest.mark.parametrize("account", [APPROVER, RELEASE, VERIFY, HELPER, "default"])
def test_a_release_makes_no_token_secret(release: Kubectl, wider: Kubectl, account: str) -> None:
    """Of no account, and by no later change: the copies that a release makes of Secrets hold no tokens of the API."""
    assert NO_TOKEN in said(release, secret("forged", account))
    wider.create(secret("annotated", account, "Opaque"))
    done = wider.attempt("patch", "secret", "annotated", "--patch", json.dumps({"type": TOKEN}))
    assert done.returncode != 0
    wider("delete", "secret", "annotated")


def test_a_token_secret_is_not_given_to_the_approver_later(home: Kubectl, wider: Kubectl) -> None:
    """One of another account that an administrator made is not annotated to be the approver's."""
    home.create(secret("helpers", HELPER))
    words = ("annotate", "--overwrite", "secret", "helpers", f"kubernetes.io/service-account.name={APPROVER}")
    for kubectl, why in ((wider, NO_TOKEN), (home, WITHOUT_END)):
        done = kubectl.attempt(*words)
        refused(done, why)
    home("delete", "secret", "helpers")


@pytest.mark.parametrize("account", [APPROVER, RELEASE, VERIFY])
def test_nobody_makes_a_token_without_an_end(home: Kubectl, account: str) -> None:
    """Neither as a Secret nor for longer than a day, by an administrator neither."""
    assert WITHOUT_END in said(home, secret("forever", account))
    asked = home.attempt("create", "token", account, f"--duration={DAY + 1}s")
    refused(asked, "24 hours at most")
    for allowed in ((f"--duration={DAY}s",), ()):
        home("create", "token", account, *allowed)


def test_other_accounts_keep_their_tokens(home: Kubectl) -> None:
    """The policies are about the accounts of Verdigris; an administrator's own ones live as long as they did."""
    assert said(home, secret("forever", HELPER)) == ""
    home("create", "token", HELPER, f"--duration={30 * DAY}s")


def test_a_release_takes_no_token_of_an_account(release: Kubectl) -> None:
    """Its Role gives it no token, not even of itself, and lets it act in nobody's name."""
    for account in (APPROVER, RELEASE, HELPER):
        assert release.attempt("create", "token", account).returncode != 0
        name = f"--as=system:serviceaccount:{release.namespace}:{account}"
        assert "cannot impersonate" in release.attempt("get", "pods", name).stderr


def test_a_release_whose_role_is_wider_takes_no_token_either(wider: Kubectl) -> None:
    """The policy does not lean on the Role."""
    for account in (APPROVER, HELPER):
        done = wider.attempt("create", "token", account)
        refused(done, NO_TOKEN)


def test_no_other_account_of_a_workload_writes_approvals(home: Kubectl, tmp_path: Path) -> None:
    """One that may write every ConfigMap does not write this one; the approver and a person do."""
    helper, approver = (home.acting_as(account, tmp_path) for account in (HELPER, APPROVER))
    patch = ("patch", "configmap", "verdigris-approvals", "--patch")
    done = helper.attempt(*patch, '{"data": {"3.0.0": "itself"}}')
    refused(done, "only verdigris-approve writes approvals")
    binary = json.dumps({"binaryData": {"3.0.0": base64.b64encode(b"itself").decode()}})
    assert helper.attempt(*patch, binary).returncode != 0
    helper(*patch, '{"metadata": {"labels": {"app.kubernetes.io/part-of": "verdigris"}}}')
    approver(*patch, '{"data": {"3.0.0": "a person"}}')
    home(*patch, '{"data": {"3.1.0": "an administrator"}}')
    home("delete", "configmap", "verdigris-approvals")
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "verdigris-approvals"}}
    assert "only verdigris-approve writes" in said(helper, {**made, "data": {"3.0.0": "itself"}})
    helper.create(made)


def test_a_release_does_not_put_approvals_in_the_place_of_those_that_are_gone(home: Kubectl, release: Kubectl) -> None:
    """It creates the ConfigMap neither by its name nor by a generated one that comes out as it, and empties none."""
    home("delete", "configmap", "verdigris-approvals", "--ignore-not-found")
    made: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "verdigris-approvals"}}
    for data in ({}, {"9.9.9": "itself"}):
        assert "may not write approvals" in said(release, {**made, "data": data})
    home.create(made)


def test_approvals_are_not_removed_with_all_the_others(home: Kubectl, wider: Kubectl) -> None:
    """A request for all ConfigMaps at once names none; this one is refused all the same, and stays."""
    home("label", "configmap", "verdigris-approvals", "group=all", "--overwrite")
    every = f"/api/v1/namespaces/{wider.namespace}/configmaps?labelSelector=group%3Dall"
    done = wider.attempt("delete", "--raw", every)
    refused(done, "may not write approvals")
    assert home.get("configmap", "verdigris-approvals")
    release_makes = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "verdigris-journal"}}
    assert said(wider, release_makes) == ""
