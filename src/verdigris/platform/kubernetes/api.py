"""The API server, asked in the few ways a release needs, and believed only when it answered.

The kubernetes library finds and refreshes the credentials; the requests themselves are made here, without its retries,
because what is done about an answer that never came differs for reading and for writing. A read is asked again until
``patience`` seconds are over. A write whose answer is lost may have happened: it is read before it is repeated
(:meth:`Cluster.change`). 409 is judged anew on fresh state, 429 waits as long as the server asks for. 401 and 403 are
final, but for a 401 to an account that was taken before: its token ran out, and is read again for as long.

Source: Kubernetes API concepts, https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from verdigris.errors import Conflict, PlatformError, Refused
from verdigris.platform.kubernetes.retry import Patience, pauses
from verdigris.platform.kubernetes.transport import MANAGER, Object, Transport, Unanswered

MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
_KINDS = {
    "Namespace": ("/api/v1", "namespaces"),
    "Pod": ("/api/v1", "pods"),
    "Service": ("/api/v1", "services"),
    "ConfigMap": ("/api/v1", "configmaps"),
    "Secret": ("/api/v1", "secrets"),
    "Event": ("/api/v1", "events"),
    "ServiceAccount": ("/api/v1", "serviceaccounts"),
    "ResourceQuota": ("/api/v1", "resourcequotas"),
    "LimitRange": ("/api/v1", "limitranges"),
    "Deployment": ("/apis/apps/v1", "deployments"),
    "ReplicaSet": ("/apis/apps/v1", "replicasets"),
    "Job": ("/apis/batch/v1", "jobs"),
    "Lease": ("/apis/coordination.k8s.io/v1", "leases"),
    "Ingress": ("/apis/networking.k8s.io/v1", "ingresses"),
    "NetworkPolicy": ("/apis/networking.k8s.io/v1", "networkpolicies"),
    "HorizontalPodAutoscaler": ("/apis/autoscaling/v2", "horizontalpodautoscalers"),
    "PodDisruptionBudget": ("/apis/policy/v1", "poddisruptionbudgets"),
    "Role": ("/apis/rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "rolebindings"),
}


class Stale(Conflict):
    """The object was changed, or made, by somebody else meanwhile."""


class Rejected(PlatformError):  # noqa: N818 - as above
    """The API server understood and said no; the message is its own."""


class Cluster:
    """One namespace of one cluster.

    Args:
        namespace: where every object is.
        context: of the kubeconfig; ``None`` for the current one, or the pod's own account inside a cluster.
        patience: seconds for which an API server that does not answer is asked again.
        told: told when it begins not to answer, and when it answers again.

    Raises:
        UsageError: where there is no kubeconfig, or no such context in it.
    """

    def __init__(
        self,
        namespace: str,
        context: str | None = None,
        patience: float = 60,
        told: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self.namespace = namespace
        self.patience = patience
        self.told = told
        self.trying = Patience(patience, told)
        self._taken = False
        self.transport = Transport(context)

    # --- reading -----------------------------------------------------------------------------------------------

    def get(self, kind: str, name: str) -> Object | None:
        """One object; ``None`` where there is none."""
        return self._patiently(lambda: self._object("GET", self._path(kind, name)))

    def list(self, kind: str, labels: str = "", fields: str = "") -> list[Object]:
        """The objects of a kind that labels and fields select."""
        query = {"labelSelector": labels, "fieldSelector": fields}
        found = self._patiently(lambda: self._object("GET", self._path(kind), query=query))
        return list(found["items"]) if found else []

    def text(self, path: str, **query: str | int) -> str:
        """Plain text below the namespace's path, such as a pod's log; ``""`` where there is none."""
        try:
            status, body, _ = self.transport.send("GET", f"/api/v1/namespaces/{self.namespace}/{path}", query=query)
        except Unanswered:
            return ""
        return body.decode(errors="replace") if status == 200 else ""

    def namespace_facts(self, name: str) -> tuple[str, dict[str, str]]:
        """A namespace's UID and labels.

        Raises:
            Refused: where it does not exist, or may not be read.
        """
        found = self._patiently(lambda: self._object("GET", f"/api/v1/namespaces/{name}"))
        if found is None:
            raise Refused(
                f"the cluster has no namespace {name!r}: it is another cluster, or the namespace is still to be made: "
                f"kubectl create namespace {name}"
            )
        return found["metadata"]["uid"], found["metadata"].get("labels") or {}

    def may(self, group: str, resource: str, verb: str) -> bool:
        """Whether this account may do that in the namespace, by the API server's own word."""
        resource, _, part = resource.partition("/")
        asked = {"namespace": self.namespace, "group": group, "resource": resource, "subresource": part, "verb": verb}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = self._patiently(lambda: self._object("POST", path, review))
        return bool(answer and answer["status"].get("allowed"))

    # --- writing -----------------------------------------------------------------------------------------------

    def change(self, kind: str, name: str, decide: Callable[[Object | None], Object | None]) -> Object | None:
        """Read an object, decide, write the change with the resourceVersion that was read; again where it is stale.

        Args:
            decide: given what is there, the merge patch (or the new object where there is none), or ``None`` where
                it is already as it has to be. It is asked again after a lost answer, so it must know its own effect.

        Returns:
            The object as it is now.

        Raises:
            Conflict: what ``decide`` raises, and where others keep writing it.
            PlatformError: where it cannot be written within ``patience``.
        """
        began, deadline = time.monotonic(), self.trying.deadline
        for pause in pauses():
            present = self.get(kind, name)
            wanted = decide(present)
            if wanted is None:
                return present
            try:
                if present is None:
                    return self._object("POST", self._path(kind), wanted)
                return self._object("PATCH", self._path(kind, name), _with_version(wanted, present), MERGE)
            except Stale:
                if time.monotonic() - began > self.patience:
                    raise
                time.sleep(pause)
            except Unanswered as error:
                self.trying.wait(pause, error, deadline)
        raise AssertionError("pauses never end")

    def apply(self, wanted: Object, present: Object | None = None) -> Object:
        """Server-side apply, whole and by force, of an object that only releases write.

        Args:
            wanted: the object as the manager wants it.
            present: what was read; its resourceVersion must still hold.

        Raises:
            Stale: where it was changed since.
        """
        body = _with_version(wanted, present) if present else wanted
        query = {"fieldManager": MANAGER, "force": "true"}
        path = self._path(wanted["kind"], wanted["metadata"]["name"])
        found = self._patiently(lambda: self._object("PATCH", path, body, APPLY, query))
        if found is None:
            raise PlatformError(f"{wanted['kind']} {wanted['metadata']['name']} was not applied: no such resource")
        return found

    def replace(self, wanted: Object, present: Object) -> Object:
        """Put an object in the place of the one that was read, with nothing left of that.

        Raises:
            Stale: where it was changed since.
        """
        path = self._path(wanted["kind"], wanted["metadata"]["name"])
        found = self._patiently(lambda: self._object("PUT", path, _with_version(wanted, present)))
        if found is None:
            raise PlatformError(f"{wanted['kind']} {wanted['metadata']['name']} was not replaced")
        return found

    def create(self, wanted: Object) -> Object:
        """Create an object that may be there already, as this one or from a write whose answer was lost."""
        name = wanted["metadata"]["name"]
        made = self.change(wanted["kind"], name, lambda present: None if present else wanted)
        if made is None:
            raise PlatformError(f"{wanted['kind']} {name} was not created")
        return made

    def delete(self, kind: str, name: str, version: str | None = None) -> bool:
        """Delete an object and, in the background, what it owns; whether there was one.

        Args:
            version: its resourceVersion; where it has another by now, it is left and :class:`Stale` is raised.
        """
        body: Object = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        if version is not None:
            body["preconditions"] = {"resourceVersion": version}
        return self._patiently(lambda: self._object("DELETE", self._path(kind, name), body)) is not None

    def remove(self, kind: str, name: str, judge: Callable[[Object], None]) -> None:
        """Delete an object as it was judged; where it changed since, it is judged anew.

        Args:
            judge: raises where the object may not be deleted.
        """
        while (present := self.get(kind, name)) is not None:
            judge(present)
            try:
                self.delete(kind, name, present["metadata"]["resourceVersion"])
            except Stale:
                continue  # its status moved

    # --- one request -------------------------------------------------------------------------------------------

    def _path(self, kind: str, name: str | None = None) -> str:
        group, plural = _KINDS[kind]
        return f"{group}/namespaces/{self.namespace}/{plural}" + (f"/{quote(name)}" if name else "")

    def _patiently(self, ask: Callable[[], Object | None]) -> Object | None:
        """Ask again while nobody answers, for as long as there is patience."""
        deadline = self.trying.deadline
        for pause in pauses():
            try:
                return ask()
            except Unanswered as error:
                self.trying.wait(pause, error, deadline)
        raise AssertionError("pauses never end")

    def _object(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        content: str = "application/json",
        query: dict[str, str] | None = None,
    ) -> Object | None:
        try:
            status, answer = self._answer(method, path, body, content, query)
        except Unanswered as error:
            self.trying.silent(error)
            raise
        self.trying.answered()
        said = _said(answer) if status >= 400 else ""
        if status == 404 and method in ("GET", "DELETE"):
            return None
        if status == 409:
            raise Stale(f"{method} {path}: {said}")
        if status in (401, 403):
            raise Refused(f"the API server refuses this account ({status}): {said}; see k8s/rbac for what it must may")
        if status >= 400:
            raise Rejected(f"the API server rejects {method} {path} ({status}): {said}")
        self._taken = True
        return dict(json.loads(answer))

    def _answer(self, method: str, path: str, *more: Any) -> tuple[int, bytes]:
        """Status and body of an answer that says something of what was asked for."""
        status, answer, headers = self.transport.send(method, path, *more)
        if status == 429:
            wait = _seconds(headers.get("Retry-After"))
            raise Unanswered(f"the API server is busy (429): {_said(answer)}", wait)
        if status >= 500:
            raise Unanswered(f"the API server answered {status}: {_said(answer)}")
        if status == 401 and self._taken:
            self.transport.renew()
            raise Unanswered(f"the API server does not take this account any more (401): {_said(answer)}")
        return status, answer


def _with_version(wanted: Object, present: Object) -> Object:
    metadata = {**wanted.get("metadata", {}), "resourceVersion": present["metadata"]["resourceVersion"]}
    return {**wanted, "metadata": metadata}


def _seconds(text: str | None) -> float:
    return float(text) if text is not None and text.isdigit() else 1.0


def _said(answer: bytes) -> str:
    try:
        return str(json.loads(answer)["message"])[:500]
    except (ValueError, KeyError, TypeError):
        return answer.decode(errors="replace")[:200]
