"""The migration: the manifests' Job with the release's image, run to its end; two never run at once."""

import contextlib
import time
from collections.abc import Callable

from verdigris.errors import Conflict, NotReady, PlatformError, VerdigrisError
from verdigris.model import Release
from verdigris.platform.kubernetes import pods as pods_module
from verdigris.platform.kubernetes.annotations import release_label
from verdigris.platform.kubernetes.api import Cluster
from verdigris.platform.kubernetes.configuration import PART, with_image
from verdigris.platform.kubernetes.database import Schema
from verdigris.platform.kubernetes.transport import Object

MIGRATION = "migration"


class Migrations:
    """The migration Jobs of one namespace.

    Args:
        base: the manifests' Job; ``None`` where they have none.
        seconds: that one may take.
    """

    def __init__(self, cluster: Cluster, schema: Schema, base: Object | None, seconds: float) -> None:
        self.cluster = cluster
        self.schema = schema
        self.base = base
        self.seconds = seconds

    def migrate(self, release: Release) -> str:
        """Bring the users' database to the level of a release; nothing is run where it is there already.

        Raises:
            NotReady: where it fails, or does not end in time.
        """
        if self.base is None:
            return "no migration is configured"
        if release.migration is None:
            return "not run: the release names no migration"
        if self.schema.settings is not None:
            try:
                if not self.schema.needs(release):
                    return f"not run: the database is at {release.migration} already"
            except PlatformError as error:  # the Job may reach what this process does not
                self.cluster.told(f"whether there is anything to migrate is not known: {error}")
        return self.run(release)

    def run(self, release: Release, place: str = "", changed: Callable[[Object], Object] = lambda one: one) -> str:
        """Run the migration of a release; the last line that it logged.

        Args:
            place: the end of the Job's name, where it is not the users' database that is migrated.
            changed: makes another pod template of the Job's.

        Raises:
            NotReady: where it fails, or does not end in time; its transaction is undone by the database.
        """
        if self.base is None:
            return "no migration is configured"
        self.tidy()
        name = f"{self.base['metadata']['name']}-{release_label(release)}{place}"
        template = changed(with_image(self.base["spec"]["template"], release.artifact))
        labels = {**self.base["metadata"].get("labels", {}), PART: MIGRATION}
        self.cluster.create(
            {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "metadata": {"name": name, "labels": labels},
                "spec": {**self.base["spec"], "template": template},
            }
        )
        try:
            return self._await_end(name)
        except (Conflict, NotReady):
            raise
        except BaseException:  # nobody waits for it any more, so it must not go on
            with contextlib.suppress(VerdigrisError):
                self.cluster.delete("Job", name)
            raise

    def _await_end(self, name: str) -> str:
        deadline = time.monotonic() + self.seconds
        while True:
            job = self.cluster.get("Job", name)
            if job is None:
                raise Conflict(f"the Job {name} was deleted by somebody while it ran")
            pods = self.cluster.list("Pod", f"job-name={name}")
            status = job.get("status", {})
            if status.get("succeeded"):
                return (self._said(pods).splitlines() or ["done"])[-1][:200]
            never = next((found for pod in pods if (found := pods_module.never(pod, 0.0, 1.0))), "")
            if status.get("failed") or never:
                said = self._said(pods)
                self.tidy()
                why = f": {never}" if never else ""
                raise NotReady(f"the migration failed{why}; traffic is untouched:\n{said[-1500:]}")
            if time.monotonic() > deadline:
                said = self._said(pods)
                self.tidy()
                raise NotReady(
                    f"the migration did not end within {self.seconds:g} s and was stopped; it said:\n{said[-1500:]}"
                )
            time.sleep(0.2)

    def _said(self, pods: list[Object]) -> str:
        names = [pod["metadata"]["name"] for pod in pods]
        return "".join(self.cluster.text(f"pods/{name}/log", tailLines=30) for name in names).strip()

    def tidy(self) -> None:
        """Delete every migration Job, and wait until its pods are gone."""
        names = [job["metadata"]["name"] for job in self.cluster.list("Job", f"{PART}={MIGRATION}")]
        for name in names:
            self.cluster.delete("Job", name)
        deadline = time.monotonic() + self.cluster.patience
        while names and self.cluster.list("Pod", f"job-name in ({','.join(names)})"):
            if time.monotonic() > deadline:
                raise PlatformError("a migration Job of an earlier run does not end; look at it with kubectl")
            time.sleep(0.1)
