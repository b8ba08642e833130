"""A rehearsal's pods: told of the copy wherever they were told of the database, and chosen by nobody."""

import base64
from pathlib import Path
from typing import Any

import pytest

from tests.unit.made import deployment
from verdigris.errors import NotReady, SettingsError
from verdigris.model import COLORS, Color
from verdigris.platform.kubernetes.database import largest
from verdigris.platform.kubernetes.manifests import Manifests
from verdigris.platform.kubernetes.rehearsal import Rehearsals
from verdigris.settings import DatabaseSettings

K8S = Path(__file__).resolve().parents[2] / "k8s"
REFERENCE = {"name": "DATABASE_URL", "valueFrom": {"secretKeyRef": {"name": "copy", "key": "live"}}}
OBJECTS: dict[tuple[str, str], dict[str, Any]] = {
    ("Secret", "keys"): {"data": {"url": base64.b64encode(b"postgresql://db/shop").decode()}},
    ("ConfigMap", "plain"): {"data": {"URL": "postgresql://db/shop", "DATABASE_URL": "postgresql://db/shop"}},
}


class Held:
    """A namespace with a few objects."""

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        """One of them."""
        return OBJECTS.get((kind, name))

    def list(self, kind: str, _labels: str = "") -> list[dict[str, Any]]:
        """The users' Service, and the preview of a color."""
        selectors = [{"app.kubernetes.io/name": "chatbot-platform", "color": "green"}, {"color": "blue"}, None]
        return [{"spec": {"selector": one}} for one in selectors] if kind == "Service" else []


class Standing:
    """The colors of the chatbot's production."""

    cluster = Held()
    manifests = Manifests(K8S / "production", COLORS)


class Known:
    """A database of the settings."""

    settings = DatabaseSettings.model_validate({"url": "postgresql://db/shop"})


def rehearsals() -> Any:
    """Rehearsals in that namespace."""
    parts: Any = (Known(), Standing(), None, print)
    return Rehearsals(*parts)


def template(**container: Any) -> dict[str, Any]:
    """A pod template with one container."""
    return {"spec": {"containers": [{"name": "app", "image": "app", **container}]}}


@pytest.mark.parametrize(
    "container",
    [
        pytest.param({"env": [{"name": "DATABASE_URL", "value": "postgresql://db/shop"}]}, id="in-the-manifest"),
        pytest.param(
            {"env": [{"name": "DATABASE_URL", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "url"}}}]},
            id="in-a-secret",
        ),
        pytest.param({"envFrom": [{"configMapRef": {"name": "plain"}}]}, id="in-a-configmap"),
        pytest.param({"envFrom": [{"prefix": "DATABASE_", "configMapRef": {"name": "plain"}}]}, id="with-a-prefix"),
    ],
)
def test_a_pod_is_told_of_the_copy_wherever_it_was_told_of_the_database(container: dict[str, Any]) -> None:
    """Its account and address are found, and the variable is the copy's."""
    made = rehearsals()
    assert made.database_of("live", template(**container)) == "postgresql://db/shop"
    pointed = made.pointed(template(**container), secret="copy", key="live")
    assert pointed["spec"]["containers"][0]["env"] == [REFERENCE]


def test_a_container_without_a_database_is_left_alone() -> None:
    """A side-car gets no variable that it did not have."""
    assert rehearsals().pointed(template(), secret="copy", key="live") == template()


def test_pods_that_cannot_be_told_of_a_copy_are_refused() -> None:
    """The message names the key of the settings."""
    with pytest.raises(SettingsError, match=r"no variable DATABASE_URL.*database\.variable"):
        rehearsals().database_of("live", template(env=[{"name": "OTHER", "value": "x"}]))


def test_nobody_chooses_a_rehearsals_pod() -> None:
    """No label of it is one that a Service or a color's Deployment selects by; what else it has stays."""
    rendered = Standing.manifests.deployments[Color.GREEN]
    made = rehearsals().apart(rendered, "copy", "12345678")
    labels = made["spec"]["template"]["metadata"]["labels"]
    assert labels == {
        "app.kubernetes.io/part-of": "chatbot-platform",
        "verdigris.dev/part": "rehearsal",
        "verdigris.dev/release": "12345678",
    }
    assert made["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert made["metadata"]["name"] != rendered["metadata"]["name"]
    assert rendered["spec"]["template"]["metadata"]["labels"]["color"] == "green"


class Unknown:
    """No database of the settings."""

    settings = None


class Migrating:
    """The manifests have a migration."""

    base = {"kind": "Job"}


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(Unknown, id="no-database"),
        pytest.param(
            type("Mute", (), {"settings": Known.settings.model_copy(update={"revision_query": None})}), id="no-query"
        ),
    ],
)
def test_a_migration_that_nobody_can_prove_is_refused(schema: Any) -> None:
    """It would run on the users' database unseen; where the release names no level, nothing is run."""
    parts: Any = (schema(), Standing(), Migrating(), print)
    made, live = Rehearsals(*parts), deployment()
    with (
        pytest.raises(NotReady, match="do not say how the database's level is read"),
        made.rehearse(live.release.model_copy(update={"migration": "0002"}), live),
    ):
        pytest.fail("nothing was proved")
    with made.rehearse(live.release.model_copy(update={"migration": None}), live) as rehearsed:
        assert rehearsed is None


@pytest.mark.parametrize(
    ("environment", "places", "pods"),
    [
        pytest.param("production", COLORS, 12, id="two-colors-of-an-autoscaler"),
        pytest.param("staging", (Color.LIVE,), 5, id="one-more-while-they-are-replaced"),
        pytest.param("dev", (Color.LIVE,), 2, id="without-an-autoscaler"),
    ],
)
def test_the_most_pods_are_counted(environment: str, places: tuple[Color, ...], pods: int) -> None:
    """What the manifests allow at most is what the connections must suffice for."""
    manifests, cluster = Manifests(K8S / environment, places), Held()
    held: Any = cluster
    assert sum(largest(held, manifests, place) for place in places) == pods
