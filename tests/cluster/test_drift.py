"""Drift of what stands in a cluster, where the manifests are alike."""

from collections.abc import Iterator

import pytest

from tests.cluster.conftest import NamespaceMaker
from tests.cluster.images import Images
from tests.cluster.kubectl import Kubectl
from tests.cluster.world import ClusterWorld
from verdigris.cli.drifting import drifted
from verdigris.model import Outcome
from verdigris.settings import Settings, load

PATIENT = ", strikes = 1000"


class Pair:
    """A staging that rolls and a production with two colors, in one settings file."""

    def __init__(self, staging: ClusterWorld, production: ClusterWorld) -> None:
        self.staging, self.production = staging, production
        texts = [
            (world.root / "environments.toml").read_text().replace('"k8s"', f'"{world.root}/k8s"')
            for world in (production, staging)
        ]
        self.file = production.root / "both.toml"
        self.file.write_text(texts[0] + texts[1][texts[1].index("[environments.staging]") :])

    def settings(self, *allow: str) -> Settings:
        """The settings of both, with these paths allowed."""
        settings = load(self.file)
        return settings.model_copy(update={"drift": settings.drift.model_copy(update={"allow": allow})})


@pytest.fixture(scope="module")
def pair(make_namespace: NamespaceMaker, images: Images, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """The same version in both."""

    def confirmed(name: str, strategy: str, kubectl: Kubectl) -> ClusterWorld:
        world = ClusterWorld(
            tmp_path_factory.mktemp(name), kubectl, images, name=name, strategy=strategy, watch=0.5, watch_more=PATIENT
        )
        file = world.root / "environments.toml"
        file.write_text(file.read_text().replace("rate = 50", "rate = 5"))
        for path in (world.root / "k8s").glob("deployment-*.yaml"):
            path.write_text(path.read_text().replace("failureThreshold: 2", "failureThreshold: 20"))
        world.version("1.0.0")
        record = world.up().release("1.0.0")
        assert record.outcome is Outcome.CONFIRMED, record.objections
        return world

    staging = confirmed("staging", "rolling", make_namespace())
    return Pair(staging, confirmed("production", "blue-green", make_namespace()))


@pytest.fixture
def edited(pair: Pair) -> Iterator[None]:
    """A person changed the Ingress of production."""
    pair.production.kubectl("annotate", "ingress", "tiny", "example.com/owner=somebody")
    yield
    pair.production.kubectl("annotate", "ingress", "tiny", "example.com/owner-")


def test_one_version_in_both_is_no_drift(pair: Pair) -> None:
    """A rolling Deployment and the live color of two, released from alike manifests, do not differ in a path."""
    content, code = drifted(pair.settings(), "staging", "production")
    assert content["cluster"] == "staging and production"
    assert (content["drift"], code) == ([], 0)


def test_what_a_person_changed_in_the_cluster_is_drift(pair: Pair, edited: None) -> None:
    """The files are alike, what stands is not: the path and both values are shown, unless the settings allow it."""
    path = 'ingress/tiny.metadata.annotations."example.com/owner"'
    content, code = drifted(pair.settings(), "staging", "production")
    assert code == 10
    assert content["drift"] == [{"path": path, "staging": "absent", "production": "somebody"}]
    content, code = drifted(pair.settings(path), "staging", "production")
    assert (content["drift"], content["allowed"], code) == ([], [path], 0)


def test_another_configuration_and_version_in_staging_is_drift(pair: Pair) -> None:
    """What staging's pods have is compared by content, not by the name of the copy, and the version is named."""
    around = pair.staging.root / "k8s" / "around.yaml"
    before = around.read_text()
    around.write_text(before.replace("GREETING: hello", "GREETING: good day"))
    pair.staging.version("1.1.0")
    record = pair.staging.release("1.1.0")
    around.write_text(before)
    assert record.outcome is Outcome.CONFIRMED, record.objections
    content, code = drifted(pair.settings("standing.digest"), "staging", "production")
    assert code == 10
    assert content["drift"] == [
        {"path": "configmap/tiny-config.data.GREETING", "staging": "good day", "production": "hello"},
        {"path": "standing.version", "staging": "1.1.0", "production": "1.0.0"},
    ]
