"""Make the image of one version, and the file that says which image that is.

The image holds the artifact of build.py, and nothing in it differs between two builds: fixed times, pinned packages.
Its labels carry the build ID that the application answers with, so that a controller can map one to the other, and the
file written names it by digest, so that what was verified is what runs.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from build import BuildError, install, source_commit

SOURCE = Path(__file__).resolve().parent
EPOCH = 315532800
"""The time that every file of an image bears: 1 January 1980, the first that every archive format can say."""
DOCKERFILE = SOURCE / "Dockerfile"
MANIFEST = ("version", "image", "build", "migration")


@dataclass(frozen=True)
class Source:
    """Where the sources of an image come from; empty words where there is no git."""

    commit: str
    created: str


def ask_git(*words: str) -> str:
    """Ask git about the sources; an export without git has no answer."""
    try:
        asked = subprocess.run(["git", *words], cwd=SOURCE, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""


def source() -> Source:
    """Read the commit that last changed the sources, and its time; say so where they differ from it."""
    commit = source_commit() or ""
    created = ""
    if commit:
        seconds = int(ask_git("show", "--no-patch", "--format=%ct", commit))
        created = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if ask_git("status", "--porcelain", "--", "."):
        commit += "-changed"
    return Source(commit, created)


def tags(version: str, origin: Source) -> list[str]:
    """Name an image by its version, and by the commit it was made from."""
    commit, _, changed = origin.commit.partition("-")
    word = "-".join(filter(None, (commit[:12], changed)))
    return [version, *([f"{version}-{word}"] if word else [])]


def labels(built: dict[str, str | None], origin: Source) -> dict[str, str]:
    """Give the Dockerfile what it says on the image's labels."""
    return {
        "VERSION": str(built["version"]),
        "REVISION": origin.commit,
        "CREATED": origin.created,
        "BUILD": str(built["build"]),
        "MIGRATION": str(built["migration"]),
    }


def run(*words: str) -> str:
    """Run a tool and return what it printed; what it complained about is told where it fails."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError as problem:
        raise BuildError(f"{words[0]} is not installed; it is needed to make an image") from problem
    if done.returncode:
        last = "\n".join((done.stderr or done.stdout).strip().splitlines()[-15:])
        raise BuildError(f"`{' '.join(words[:2])}` failed with {done.returncode}:\n{last}")
    return done.stdout.strip()


def level(artifact: Path) -> None:
    """Give every file of the artifact the same time, so that the layer made of it is found again."""
    for path in (artifact, *artifact.rglob("*")):
        os.utime(path, (EPOCH, EPOCH))


def build(artifact: Path, names: list[str], said: dict[str, str], base: str | None, *, afresh: bool) -> str:
    """Build the image with buildah, which needs no daemon; return the digest of its manifest."""
    words = ["buildah", "bud", "--quiet", "--layers", "--format", "oci", "--timestamp", str(EPOCH)]
    words += ["--no-cache"] if afresh else []
    words += ["--identity-label=false", "--isolation", "chroot", "--network", "host", "--file", str(DOCKERFILE)]
    arguments = {**said, "PYTHON_IMAGE": base} if base else said
    words += ["--pull-never"] if base and base.startswith("localhost/") else []
    words += [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
    words += [word for name in names for word in ("--tag", name)]
    run(*words, str(artifact))
    return run("buildah", "inspect", "--type", "image", "--format", "{{.FromImageDigest}}", names[0])


def push(names: list[str], folder: Path) -> str:
    """Push every tag to the registry it names; return the digest there, which compression makes another one."""
    for name in names:
        run("buildah", "push", "--quiet", "--digestfile", str(folder / "digest"), name, f"docker://{name}")
    return (folder / "digest").read_text(encoding="utf-8")


def archive(name: str, image: str, folder: Path) -> Path:
    """Write the image as an OCI archive in which it bears its name with the digest, as pods will ask for it."""
    layout, digest = folder / "layout", image.partition("@")[2]
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    run("buildah", "push", "--quiet", "--disable-compression", name, f"dir:{blobs}")
    (blobs / "version").unlink()
    manifest = (blobs / "manifest.json").rename(blobs / digest.removeprefix("sha256:"))
    entry = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": digest,
        "size": manifest.stat().st_size,
        "annotations": {"io.containerd.image.name": image},
    }
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}), encoding="utf-8")
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}', encoding="utf-8")
    with tarfile.open(folder / "image.tar", "w") as tar:
        tar.add(layout, arcname=".")
    return folder / "image.tar"


def make(chosen: argparse.Namespace) -> dict[str, str]:
    """Make artifact and image, and bring it where it is wanted; return what the platform needs to know."""
    origin = source()
    with tempfile.TemporaryDirectory(prefix="chatbot-image-") as name:
        folder = Path(name)
        built = install(chosen.version, folder / "artifact")
        level(folder / "artifact")
        names = [f"{chosen.repository}:{tag}" for tag in chosen.tag or tags(chosen.version, origin)]
        digest = build(folder / "artifact", names, labels(built, origin), chosen.base, afresh=chosen.no_cache)
        if chosen.push:
            digest = push(names, folder)
        image = f"{chosen.repository}@{digest}"
        if chosen.load:
            values = {"{archive}": str(archive(names[0], image, folder)), "{image}": image}
            run(*(values.get(word, word) for word in shlex.split(chosen.load)))
    return {key: str(value) for key, value in {**built, "image": image}.items() if key in MANIFEST}


def write(out: Path, made: dict[str, str]) -> None:
    """Write the file beside its place and rename it there, so that a half-written one is never read."""
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh = out.with_name(f".{out.name}.{os.getpid()}")
    fresh.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    fresh.replace(out)


def main() -> int:
    """Make one version's image."""
    parser = argparse.ArgumentParser(description="Make the image of one version of the chatbot, with buildah.")
    parser.add_argument("version", metavar="VERSION", help="a version named in versions.toml")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="where to write which image it is (JSON)"
    )
    parser.add_argument(
        "--repository", default="localhost/chatbot", metavar="NAME", help="the image's name without a tag"
    )
    parser.add_argument(
        "--tag", action="append", metavar="TAG", help="a tag, in place of version and commit; may be given again"
    )
    parser.add_argument("--base", metavar="IMAGE", help="the Python image to stand on, if not the Dockerfile's")
    parser.add_argument("--no-cache", action="store_true", help="build every layer, whatever earlier builds left")
    goes = parser.add_mutually_exclusive_group()
    goes.add_argument("--push", action="store_true", help="push every tag to the registry that --repository names")
    goes.add_argument(
        "--load",
        metavar="COMMAND",
        help="bring it to a node without a registry; {archive} is an OCI archive, {image} the name with the digest",
    )
    chosen = parser.parse_args()
    try:
        made = make(chosen)
    except BuildError as problem:
        print(f"image.py: {problem}", file=sys.stderr)
        return 2
    write(chosen.out, made)
    print(f"chatbot {made['version']} build {made['build']} is {made['image']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
