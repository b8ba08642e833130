"""Reads the manifests under k8s/."""

from pathlib import Path
from typing import Any

import yaml

K8S = Path(__file__).resolve().parents[2] / "k8s"
ENVIRONMENTS = ("dev", "staging", "production")

Manifest = dict[str, Any]


def files() -> list[Path]:
    """List every manifest."""
    return sorted(K8S.rglob("*.yaml"))


def read(path: Path | str) -> list[Manifest]:
    """Read the objects of a file; a relative path is one under k8s/."""
    return list(yaml.safe_load_all((K8S / path).read_text(encoding="utf-8")))


def objects(environment: str, kind: str) -> list[Manifest]:
    """Read an environment's objects of a kind."""
    every = [found for path in sorted((K8S / environment).glob("*.yaml")) for found in read(path)]
    return [found for found in every if found["kind"] == kind]


def container(workload: Manifest) -> Manifest:
    """Give the one container of a Deployment or a Job."""
    (only,) = workload["spec"]["template"]["spec"]["containers"]
    found: Manifest = only
    return found


def quantity(text: str) -> float:
    """Read a quantity of Kubernetes, such as 100m or 160Mi."""
    units = {"m": 1e-3, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
    for unit, factor in units.items():
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    return float(text)
