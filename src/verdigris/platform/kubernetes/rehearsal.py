"""A migration proved before it is run: the live version, on a scratch copy of the database that was migrated.

The copy is a database of its own on the same server: the schema, the migration level, and the rows that the settings
name. The migration Job runs on it with the release's image. Then who is live is stood up once more, from its kept
rendering, told of the copy by a Secret of its own; no Service and no Deployment of the users selects that pod, and it
is reached by a port-forward.

The Secret is made before the copy and removed after it. It holds the copy's name, so that whoever comes after a kill
knows what to remove.
"""

import base64
import copy as copying
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial

from verdigris.errors import NotReady, PlatformError, SettingsError
from verdigris.model import Deployment, Release
from verdigris.platform import database
from verdigris.platform.base import Rehearsed
from verdigris.platform.kubernetes.addresses import port_of
from verdigris.platform.kubernetes.annotations import annotations
from verdigris.platform.kubernetes.colors import Colors
from verdigris.platform.kubernetes.configuration import PART
from verdigris.platform.kubernetes.database import Schema
from verdigris.platform.kubernetes.migration import Migrations
from verdigris.platform.kubernetes.pods import RELEASE_LABEL, current, is_ready
from verdigris.platform.kubernetes.port_forward import Forward
from verdigris.platform.kubernetes.rollout import Rollout
from verdigris.platform.kubernetes.transport import Object

REHEARSAL = "rehearsal"
SELECTOR = f"{PART}={REHEARSAL}"
COPY = "verdigris.dev/database"
"""The annotation that holds the name of a copy."""
NAME_LIMIT = 63 - len(f"_{REHEARSAL}_12345678")


class Rehearsals:
    """The rehearsals of one environment.

    Args:
        told: told what could not be removed.
    """

    def __init__(self, schema: Schema, colors: Colors, migrations: Migrations, told: Callable[[str], None]) -> None:
        self.schema = schema
        self.colors = colors
        self.cluster = colors.cluster
        self.migrations = migrations
        self.told = told

    @contextmanager
    def rehearse(self, release: Release, live: Deployment) -> Iterator[Rehearsed | None]:
        """The live version on a migrated copy for the time of the block; ``None`` where the release migrates nothing.

        Raises:
            NotReady: where the migration fails on the copy, or the live version does not become ready on it, or nobody
                can say what the migration does.
            PlatformError: where the database cannot be asked or copied.
        """
        settings = self.schema.settings
        if self.migrations.base is None or release.migration is None:
            yield None
            return
        if settings is None or settings.revision_query is None:
            raise NotReady(
                f"the manifests migrate, {release.version} needs {release.migration}, and the settings do not say how "
                "the database's level is read: name the database, with its revision_query, or do without the proof: "
                "database.rehearse = false"
            )
        if not self.schema.needs(release):
            yield None
            return
        url, admin = self.schema.url(), self.schema.admin()
        if url is None or admin is None:
            raise NotReady(
                f"{release.version} brings the database from {self.schema.level()} to {release.migration}, and a copy "
                "to prove that on takes an account that may create databases: name it as database.admin in the "
                "settings, or do without the proof: database.rehearse = false"
            )
        self.clear()
        name = f"{database.name_of(url)[:NAME_LIMIT]}_{REHEARSAL}_{uuid.uuid4().hex[:8]}"
        try:
            text, forward = self._stand_up(release, live, name, admin, database.name_of(url))
            with closing(forward):
                yield Rehearsed(
                    address=f"http://127.0.0.1:{forward.port}", database_url=database.elsewhere(url, name), text=text
                )
        finally:
            self.clear()

    def _stand_up(
        self, release: Release, live: Deployment, name: str, admin: str, original: str
    ) -> tuple[str, Forward]:
        """What the migration said on the copy, and the way to who is live on it."""
        rendered = self.colors.renderings.of(live.release, live.color)[0]
        secret = self._note(name, rendered["spec"]["template"])
        self._copy(name, admin, original)
        text = self.migrations.run(release, f"-{REHEARSAL}", partial(self.pointed, secret=secret, key="migration"))
        return text, self._start(rendered, live, secret, name)

    def _note(self, name: str, template: Object) -> str:
        """Write down which copy there will be, and where pods reach it; the name of the Secret that says so."""
        assert self.migrations.base is not None  # noqa: S101
        found = {"migration": self.migrations.base["spec"]["template"], "live": template}
        values = {key: self.database_of(key, one) for key, one in found.items()}
        secret = f"verdigris-{REHEARSAL}-{name.rpartition('_')[2]}"
        self.cluster.create(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": secret, "labels": {PART: REHEARSAL}, "annotations": {COPY: name}},
                "immutable": True,
                "stringData": {key: database.elsewhere(value, name) for key, value in values.items()},
            }
        )
        return secret

    def _copy(self, name: str, admin: str, original: str) -> None:
        settings = self.schema.settings
        assert settings is not None and settings.revision_query is not None  # noqa: S101, PT018
        source, target = database.elsewhere(admin, original), database.elsewhere(admin, name)
        database.create(admin, name, like=original)
        database.copy(source, target, data=False)
        database.copy_rows(source, target, settings.revision_query, settings.sample)

    def _start(self, rendered: Object, live: Deployment, secret: str, name: str) -> Forward:
        wanted = self.apart(rendered, secret, label := name.rpartition("_")[2])
        own = str(wanted["metadata"]["name"])
        self.cluster.create(wanted)
        pods = partial(self.cluster.list, "Pod", SELECTOR)
        what = f"{live.release.version} on the migrated copy"
        Rollout(
            self.cluster, self.colors.settings, what, partial(self.cluster.get, "Deployment", own), pods
        ).await_ready()

        def ready() -> str:
            for pod in current(pods(), label):
                if is_ready(pod):
                    return str(pod["metadata"]["name"])
            raise PlatformError(f"no pod of {what} is ready")

        return Forward(self.cluster, ready, port_of(wanted["spec"]["template"]["spec"]["containers"][0]))

    # --- what it is made of ------------------------------------------------------------------------------------

    def apart(self, rendered: Object, secret: str, label: str) -> Object:
        """The Deployment of a release once more, one pod, that nothing of the users selects."""
        template = self.pointed(copying.deepcopy(rendered["spec"]["template"]), secret=secret, key="live")
        labels = template["metadata"].get("labels", {}).items() - self._selected()
        template["metadata"]["labels"] = {**dict(labels), PART: REHEARSAL, RELEASE_LABEL: label}
        template["spec"]["terminationGracePeriodSeconds"] = 1
        for container in template["spec"]["containers"]:
            container.pop("lifecycle", None)  # nobody is served by it who would have to be waited for
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": f"{rendered['metadata']['name']}-{REHEARSAL}", "labels": {PART: REHEARSAL}},
            "spec": {"replicas": 1, "selector": {"matchLabels": {PART: REHEARSAL}}, "template": template},
        }

    def _selected(self) -> set[tuple[str, str]]:
        """Every label by which a Service of the namespace, or a Deployment of a color, chooses its pods."""
        selectors = [one["spec"].get("selector") or {} for one in self.cluster.list("Service")]
        for place in self.colors.manifests.deployments:
            together = self.colors.manifests.together(place)
            selectors += [one["spec"]["selector"].get("matchLabels") or {} for one in together]
        return {label for selector in selectors for label in selector.items()}

    def pointed(self, template: Object, *, secret: str, key: str) -> Object:
        """A pod template whose containers reach the copy wherever they reached the database."""
        name = self._variable()
        for container in _containers(template):
            if self._value(container, name) is not None:
                others = [one for one in container.get("env", ()) if one["name"] != name]
                reference = {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
                container["env"] = [reference, *others]
        return template

    def _variable(self) -> str:
        return self.schema.settings.variable if self.schema.settings is not None else ""

    def database_of(self, what: str, template: Object) -> str:
        """Where the pods of a template reach the database.

        Raises:
            SettingsError: where they are not told by the variable of the settings.
        """
        name = self._variable()
        for container in _containers(template):
            if value := self._value(container, name):
                return value
        raise SettingsError(
            f"the pods of {what} have no variable {name}, so they cannot be told of a copy; database.variable in the "
            "settings names the one that says where their database is"
        )

    def _value(self, container: Object, name: str) -> str | None:
        """The value of a container's variable, wherever it comes from."""
        for one in container.get("env", ()):
            if one["name"] == name:
                source = one.get("valueFrom") or {}
                for key, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
                    if key in source:
                        return self._content(kind, source[key]["name"]).get(source[key]["key"])
                return str(one["value"]) if "value" in one else None
        for source in reversed(container.get("envFrom") or ()):
            for key, kind in (("secretRef", "Secret"), ("configMapRef", "ConfigMap")):
                found = self._content(kind, source[key]["name"]) if key in source else {}
                if name.removeprefix(prefix := source.get("prefix", "")) in found and name.startswith(prefix):
                    return found[name.removeprefix(prefix)]
        return None

    def _content(self, kind: str, name: str) -> dict[str, str]:
        found = self.cluster.get(kind, name) or {}
        data = found.get("data") or {}
        return {key: base64.b64decode(value).decode() for key, value in data.items()} if kind == "Secret" else data

    # --- and how it goes ---------------------------------------------------------------------------------------

    def clear(self) -> None:
        """Remove what a rehearsal leaves, this one or a killed one.

        A copy that cannot be dropped now stays noted; the next run tries again.
        """
        for one in self.cluster.list("Deployment", SELECTOR):
            self.cluster.delete("Deployment", one["metadata"]["name"])
        notes = self.cluster.list("Secret", SELECTOR)
        if notes:
            self.migrations.tidy()
        for note in notes:
            name = str(annotations(note).get(COPY, ""))
            try:
                self._drop(name)
            except (PlatformError, SettingsError) as error:
                self.told(f"the copy {name} of a rehearsal is still there, the next run removes it: {error}")
            else:
                self.cluster.delete("Secret", note["metadata"]["name"])

    def _drop(self, name: str) -> None:
        admin = self.schema.admin()
        if admin is None:
            raise PlatformError("the settings name no database.admin any more")
        database.drop(admin, name)


def _containers(template: Object) -> list[Object]:
    return [*template["spec"].get("initContainers", ()), *template["spec"]["containers"]]
