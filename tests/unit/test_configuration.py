"""The configuration hash covers all of a pod but the release's own image."""

from typing import Any

import pytest

from verdigris.platform.kubernetes.configuration import Configuration

OWN = "shop/app"


def template(image: str = f"{OWN}:1", beside: str = "proxy:1", source: str = "plain") -> dict[str, Any]:
    """A pod with a side-car and a volume."""
    volumes = {
        "plain": {"name": "more", "configMap": {"name": "more"}},
        "projected": {"name": "more", "projected": {"sources": [{"configMap": {"name": "more"}}]}},
    }
    containers = [{"name": "app", "image": image}, {"name": "beside", "image": beside}]
    return {"spec": {"containers": containers, "volumes": [volumes[source]]}}


def configuration(value: str = "a", **changed: str) -> Configuration:
    """The configuration of that pod, where the ConfigMap has a value."""

    def found(kind: str, name: str) -> dict[str, Any]:
        return {"kind": kind, "metadata": {"name": name}, "data": {"KEY": value}}

    return Configuration([template(**changed)], found)


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        pytest.param({"image": f"{OWN}:2"}, True, id="its own image"),
        pytest.param({"image": f"{OWN}@sha256:0"}, True, id="its own image by digest"),
        pytest.param({"beside": "proxy:2"}, False, id="a side-car's image"),
        pytest.param({"value": "b"}, False, id="a value"),
        pytest.param({"source": "projected"}, False, id="another volume"),
    ],
)
def test_what_the_hash_covers(changed: dict[str, str], same: bool) -> None:
    """All but what a release puts in."""
    assert (configuration(**changed).hash == configuration().hash) is same


@pytest.mark.parametrize("source", ["plain", "projected"])
def test_a_config_map_of_a_volume_is_an_immutable_copy(source: str) -> None:
    """However the volume names it."""
    one, other = configuration("a", source=source), configuration("b", source=source)
    assert one.hash != other.hash
    assert [made["immutable"] for made in one.copies.values()] == [True]
