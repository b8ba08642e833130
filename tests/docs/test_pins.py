"""What CI runs is named by what it is, and what the how-tos have people make is in no commit."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = [*(ROOT / ".github" / "workflows").glob("*.yml"), *(ROOT / "docs" / "how-to").glob("*.md")]
BUILT = [
    ROOT / "k8s" / "suites" / "Dockerfile",
    ROOT / "examples" / "chatbot" / "Dockerfile",
    ROOT / "scripts" / "kind",
]


def test_actions_are_named_by_commit() -> None:
    """A tag can be moved to another commit by whoever takes over its repository; the version stands beside it."""
    used = [
        (path.name, line.strip())
        for path in WORKFLOWS
        for line in path.read_text().splitlines()
        if re.match(r"\s*(- )?uses:", line)
    ]
    assert len(used) >= 8
    assert not [one for one in used if not re.search(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", one[1])]


@pytest.mark.parametrize("path", BUILT, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_images_of_others_are_named_by_digest(path: Path) -> None:
    """What is pulled from a registry is the same tomorrow."""
    named = re.findall(r"(?:docker\.io|ghcr\.io|quay\.io|registry\.k8s\.io)/[\w./:@-]+", path.read_text())
    assert named
    assert not [one for one in named if not re.search(r"@sha256:[0-9a-f]{64}$", one)]


def test_the_test_cluster_is_made_of_pinned_versions() -> None:
    """Neither the node nor the ingress is whatever is newest."""
    text = (ROOT / "scripts" / "kind").read_text()
    assert '--image "$node"' in text
    assert re.search(r"contour/v\d+\.\d+\.\d+/", text)


def test_no_credential_that_a_how_to_makes_can_be_committed() -> None:
    """Each is made beside the settings, where ``git add --all`` takes it along."""
    text = "\n".join(path.read_text() for path in (*(ROOT / "docs").rglob("*.md"), ROOT / "k8s" / "README.md"))
    made = set(re.findall(r"(?<![\w/*])[\w-]+\.(?:kubeconfig|key|crt)\b", text)) | {"ca.pem", ".env", "x/deep.key"}
    assert {"release.kubeconfig", "ci.kubeconfig", "tls.key", "tls.crt"} <= made
    done = subprocess.run(["git", "check-ignore", *sorted(made)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert set(done.stdout.split()) == made
