"""The table ``kubernetes`` of an environment: which cluster and manifests, when a color is ready, where suites run."""

import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from verdigris.settings.drift_paths import parts
from verdigris.settings.tables import EnvValue, Table

UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class DriftSettings(Table):
    """In what two environments may differ, as ``verdigris drift`` compares them."""

    allow: tuple[str, ...] = ()
    """Paths such as ``deployment.spec.template.spec.containers.*.resources``, each with all that is below it."""

    @field_validator("allow")
    @classmethod
    def _paths(cls, allow: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in allow:
            parts(pattern)
        return allow


class JobSettings(Table):
    """How a suite runs as a Job of the cluster."""

    image: str
    """The image that runs it, made from ``k8s/suites/Dockerfile``; the suites come from this folder."""
    account: str = "verdigris-verify"
    """The ServiceAccount of its pod."""
    secret: str | None = None
    """A Secret of the namespace whose keys are variables of the suite, such as the address of a database."""
    files: tuple[str, ...] = ()
    """More files and folders that suites need, beside their own folders and what pytest reads."""
    start_seconds: float = Field(default=120, gt=0)
    """Seconds that its pod may take to begin, the pull of its image included."""
    cpu: str = "100m"
    """The processor time that is requested for it."""
    cpu_limit: str = "1"
    """The processor time that it may take."""
    memory: str = "256Mi"
    """The memory that is requested for it."""
    memory_limit: str = "1Gi"
    """The memory that it may take."""


class KubernetesSettings(Table):
    """How a release reaches its cluster, and what it brings there."""

    manifests: str
    """The folder of the environment's manifests."""
    image: str
    """A JSON file with version, image (pinned by digest), build and migration; ``{version}`` stands for the version."""
    build: tuple[tuple[str, ...], ...] = ()
    """Commands that make an image, and that file, where they are not there yet."""
    context: str | None = None
    """The context of the kubeconfig; without it the current one, or inside a cluster the pod's own account."""
    cluster: EnvValue | None = None
    """The UID of the namespace kube-system: which cluster this is. A release to another one is refused."""
    preview: str | None = None
    """Where a color is reached from outside, ``{color}`` in it; without it by a port-forward to its pods."""
    vantage: tuple[str, ...] = ()
    """More addresses of the users, such as a NodePort, on which a switch must be observed too."""
    ready: str = "/"
    """The path that answers 200 when a color is ready."""
    ready_seconds: float = Field(default=180, gt=0)
    """Seconds within which a color must be ready."""
    stable_seconds: float = Field(default=3, ge=0)
    """How long every pod must stay ready before it counts."""
    unschedulable_seconds: float = Field(default=20, ge=0)
    """How long a pod may find no node, for a cluster that adds nodes by itself."""
    migrate_seconds: float = Field(default=600, gt=0)
    """Seconds that a migration may take."""
    open_requests: str | None = None
    """A gauge of the application's metrics: requests being answered; without it the old color is not counted empty."""
    api_seconds: float = Field(default=60, gt=0)
    """How long an API server that does not answer is asked again before the state counts as unknown."""
    lease_seconds: int = Field(default=15, ge=4, le=300)
    """How long a dead deployer's hold on the environment lasts."""
    runner: Literal["local", "job"] = "local"
    """Where suites run: on this machine, or as a Job of the cluster; ``--runner`` says otherwise for once."""
    job: JobSettings | None = None
    """How a suite runs as a Job."""

    @model_validator(mode="after")
    def _accepted(self) -> Self:
        if "{version}" not in self.image:
            raise ValueError('image names a file for each version, such as "build/images/{version}.json"')
        if self.preview is not None and "{color}" not in self.preview:
            raise ValueError('preview has a host for each color, such as "https://{color}.preview.example.com"')
        if isinstance(self.cluster, str) and not UID.fullmatch(self.cluster):
            raise ValueError(
                "cluster is a UID; read it with: kubectl get namespace kube-system -o jsonpath={.metadata.uid}"
            )
        if self.runner == "job" and self.job is None:
            raise ValueError('runner = "job" needs a table "job" with the image that runs the suites')
        return self
