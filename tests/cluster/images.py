"""Images of the tiny application, made without a builder: one small layer on the base image, in a tenth of a second."""

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from tests.cluster.load import load
from verdigris import __version__

BASE = "localhost/python:3.11-slim"
REPOSITORY = "localhost/tiny"
SUITES = "localhost/verdigris-suites"
ROOT = Path(__file__).resolve().parents[2]
APPLICATION = Path(__file__).parents[1] / "apps" / "tiny.py"
OCI = "application/vnd.oci.image"


class Images:
    """Makes images of versions and brings them to the node.

    Args:
        folder: where the base image is laid out once.
        application: what runs in it, one file of plain Python.
    """

    def __init__(self, folder: Path, application: Path = APPLICATION) -> None:
        self.folder = folder
        self.application = application
        subprocess.run(
            ["buildah", "push", "--quiet", "--format", "oci", BASE, f"dir:{folder}"], check=True, capture_output=True
        )
        self.manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
        self.config: dict[str, Any] = json.loads((folder / _hex(self.manifest["config"]["digest"])).read_text())
        self.sent = False

    def make(self, plan: dict[str, Any]) -> str:
        """The image of the application with that plan as its ``build.json``; its name with the digest."""
        layer = _layer({"app/tiny.py": self.application.read_bytes(), "app/build.json": json.dumps(plan).encode()})
        packed = gzip.compress(layer, mtime=0)
        config = json.dumps(
            {
                **self.config,
                "config": {
                    **self.config.get("config", {}),
                    "Cmd": ["python3", "tiny.py"],
                    "WorkingDir": "/app",
                    "Labels": {"dev.verdigris.build": plan["build"]},
                },
                "rootfs": {
                    "type": "layers",
                    "diff_ids": [*self.config["rootfs"]["diff_ids"], f"sha256:{hashlib.sha256(layer).hexdigest()}"],
                },
                "history": [],
            }
        ).encode()
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": f"{OCI}.manifest.v1+json",
                "config": _described(config, f"{OCI}.config.v1+json"),
                "layers": [*self.manifest["layers"], _described(packed, f"{OCI}.layer.v1.tar+gzip")],
            }
        ).encode()
        image = f"{REPOSITORY}@{_described(manifest, '')['digest']}"
        self._send(image, manifest, [config, packed])
        return image

    def _send(self, image: str, manifest: bytes, blobs: list[bytes]) -> None:
        entry = _described(manifest, f"{OCI}.manifest.v1+json")
        entry["annotations"] = {"io.containerd.image.name": image}
        index = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "image.tar"
            with tarfile.open(path, "w") as tar:
                _add(tar, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
                _add(tar, "index.json", index)
                for blob in (manifest, *blobs):
                    _add(tar, f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}", blob)
                for layer in () if self.sent else self.manifest["layers"]:
                    digest = _hex(layer["digest"])
                    tar.add(self.folder / digest, arcname=f"blobs/sha256/{digest}")
            load(path)
        self.sent = True


def suites(folder: Path, *, chromium: bool = False) -> str:
    """The image that runs suites as Jobs, made as an operator makes it and brought to the node; its name.

    Args:
        folder: for its archive, which is removed again.
        chromium: whether it can run frontend tests.
    """
    name = f"{SUITES}:test-{__version__}" + ("-chromium" if chromium else "")
    words = ["buildah", "bud", "--quiet", "--layers", "--isolation", "chroot", "--network", "host", "--pull-never"]
    words += ["--build-arg", f"PYTHON_IMAGE={BASE}", *(["--build-arg", "CHROMIUM=1"] if chromium else [])]
    words += ["--file", "k8s/suites/Dockerfile", "--tag", name, "."]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr[-2000:]
    archive = folder / "image.tar"
    pushed = ["buildah", "push", "--quiet", "--disable-compression", name, f"oci-archive:{archive}:{name}"]
    subprocess.run(pushed, check=True, capture_output=True, timeout=200)
    load(archive)
    archive.unlink()
    return name


def _layer(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for name, data in files.items():
            _add(tar, name, data)
    return content.getvalue()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mode = 0o644
    tar.addfile(info, io.BytesIO(data))


def _described(content: bytes, media: str) -> dict[str, Any]:
    return {"mediaType": media, "digest": f"sha256:{hashlib.sha256(content).hexdigest()}", "size": len(content)}


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
