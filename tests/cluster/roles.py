"""The accounts of k8s/rbac in namespaces of a test's own, with the policies in force."""

import itertools
from typing import Any

from .kubectl import Kubectl
from .manifests import K8S, read

ACCOUNTS = ("release", "verify", "approve")
POLICIES = ("approvals", "audit")


class Roles:
    """Two namespaces with the accounts of k8s/rbac in each, the cluster's identity readable, the policy in force."""

    def __init__(self, home: Kubectl, other: Kubectl) -> None:
        """Apply the files as an administrator would; what lies outside the namespaces gets names of its own."""
        self.home, self.other = home, other
        self.suffix = str(home.namespace)
        for namespace in (home, other):
            for account in ACCOUNTS:
                namespace("apply", "--filename", str(K8S / "rbac" / f"{account}.yaml"))
        (deployment,) = read("production/deployment-blue.yaml")
        deployment["spec"]["replicas"] = 0
        home.create(*self.cluster_wide(), *read("production/service.yaml"), deployment)

    def cluster_wide(self) -> list[dict[str, Any]]:
        """Make what lies outside of namespaces this test's own, so that tests on one cluster do not meet."""
        role, binding = read("rbac/cluster-identity.yaml")
        policies = list(itertools.chain(*(read(f"rbac/{name}.yaml") for name in POLICIES)))
        for found in (role, binding, *policies):
            found["metadata"]["name"] += f"-{self.suffix}"
        binding["roleRef"]["name"] = role["metadata"]["name"]
        binding["subjects"] = [
            {**subject, "namespace": self.home.namespace}
            for subject in binding["subjects"]
            if subject["namespace"] == "chatbot-platform-prod"
        ]
        own = {"kubernetes.io/metadata.name": self.home.namespace}
        for in_force in (one["spec"] for one in policies if one["kind"] == "ValidatingAdmissionPolicyBinding"):
            in_force["policyName"] += f"-{self.suffix}"
            in_force["matchResources"] = {"namespaceSelector": {"matchLabels": own}}
        return [role, binding, *policies]

    def close(self) -> None:
        """Remove what the namespaces do not take with them."""
        for found in self.cluster_wide():
            self.home("delete", found["kind"], found["metadata"]["name"], "--ignore-not-found", "--wait=false")

    def may(self, account: str, namespace: str | None, asked: list[dict[str, str]]) -> list[bool]:
        """Ask the API server, in one call, what an account of the home namespace may do in some namespace."""
        user = f"system:serviceaccount:{self.home.namespace}:verdigris-{account}"
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{self.home.namespace}", "system:authenticated"]
        reviews = [
            {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SubjectAccessReview",
                "spec": {"user": user, "groups": groups, "resourceAttributes": {"namespace": namespace or "", **one}},
            }
            for one in asked
        ]
        return [review["status"]["allowed"] for review in self.home.create(*reviews)]
