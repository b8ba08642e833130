"""Make the image of one version, and the file that says which image that is.

The image holds the artifact of build.py, and nothing in it differs between two builds: fixed times, pinned packages.
Its labels carry the build ID that the application answers with, so that a controller can map one to the other, and the
file written names it by digest, so that what was verified is what runs.
"""

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

SOURCE = Path(__file__).resolve().parent
if str(SOURCE) not in sys.path:
    sys.path.insert(0, str(SOURCE))

from build import BuildError, describe, install  # noqa: E402

EPOCH = 315532800
"""The time that every file of an image bears: 1 January 1980, the first that every archive format can say."""


@dataclass(frozen=True)
class Source:
    """Where the sources of an image come from; empty words where there is no git."""

    commit: str
    branch: str
    created: str


def ask_git(*words: str) -> str:
    """Ask git about the sources; an export without git has no answer."""
    try:
        asked = subprocess.run(["git", *words], cwd=SOURCE, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""


def source() -> Source:
    """Read commit, branch and the commit's time."""
    seconds = ask_git("show", "--no-patch", "--format=%ct", "HEAD")
    created = datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds else ""
    branch = ask_git("rev-parse", "--abbrev-ref", "HEAD")
    return Source(ask_git("rev-parse", "HEAD"), "" if branch == "HEAD" else branch, created)


def tags(version: str, origin: Source) -> list[str]:
    """Name an image by its version, by the commit it was made from, and by the branch that is on."""
    branch = re.sub(r"[^A-Za-z0-9_.-]+", "-", origin.branch)
    return [version, *(f"{version}-{word}" for word in (origin.commit[:12], branch) if word)]


def labels(built: dict[str, str | None], origin: Source) -> dict[str, str]:
    """Say on the image what it holds."""
    said = {
        "org.opencontainers.image.title": str(built["application"]),
        "org.opencontainers.image.version": str(built["version"]),
        "org.opencontainers.image.revision": origin.commit,
        "org.opencontainers.image.created": origin.created,
        "dev.verdigris.build": str(built["build"]),
        "dev.verdigris.migration": str(built["migration"]),
    }
    return {name: value for name, value in said.items() if value}


def run(*words: str) -> None:
    """Run a tool; what it says is seen only where it fails."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError as problem:
        raise BuildError(f"{words[0]} is not installed; it makes the image") from problem
    if done.returncode:
        last = "\n".join((done.stderr or done.stdout).strip().splitlines()[-15:])
        raise BuildError(f"`{words[0]} {words[1]}` failed with {done.returncode}:\n{last}")


def level(artifact: Path) -> None:
    """Give every file of the artifact the same time, so that a layer made of it is found again."""
    for path in (artifact, *artifact.rglob("*")):
        os.utime(path, (EPOCH, EPOCH))


def build(artifact: Path, names: list[str], said: dict[str, str], base: str | None) -> None:
    """Build the image with buildah, which needs no daemon, and no network but for the packages."""
    words = [
        "buildah",
        "bud",
        "--quiet",
        "--layers",
        "--format",
        "oci",
        "--timestamp",
        str(EPOCH),
        "--identity-label=false",
    ]
    words += ["--isolation", "chroot", "--network", "host", "--file", str(SOURCE / "Dockerfile")]
    if base:
        words += ["--build-arg", f"PYTHON_IMAGE={base}"]
        if base.startswith("localhost/"):
            words += ["--pull-never"]
    words += [word for name, value in said.items() for word in ("--label", f"{name}={value}")]
    words += [word for name in names for word in ("--tag", name)]
    run(*words, str(artifact))


def export(name: str, archive: Path, folder: Path) -> str:
    """Write the image as an OCI archive; return the digest of its manifest, which loading it does not change."""
    digest = folder / "digest"
    run(
        "buildah",
        "push",
        "--quiet",
        "--disable-compression",
        "--digestfile",
        str(digest),
        name,
        f"oci-archive:{archive}:{name}",
    )
    return digest.read_text(encoding="utf-8").strip()


def make(version: str, repository: str, base: str | None, load: str | None) -> dict[str, str]:
    """Make artifact and image; hand the image to whatever loads it; return what the platform needs to know."""
    describe(version)
    origin = source()
    with tempfile.TemporaryDirectory(prefix="chatbot-image-") as name:
        folder = Path(name)
        built = install(version, folder / "artifact")
        level(folder / "artifact")
        names = [f"{repository}:{tag}" for tag in tags(version, origin)]
        build(folder / "artifact", names, labels(built, origin), base)
        digest = export(names[0], folder / "image.tar", folder)
        image = f"{repository}@{digest}"
        if load:
            values = {"{archive}": str(folder / "image.tar"), "{image}": image}
            run(*(values.get(word, word) for word in shlex.split(load)))
    return {"version": version, "image": image, "build": str(built["build"]), "migration": str(built["migration"])}


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
    parser.add_argument("--base", metavar="IMAGE", help="the Python image to stand on, if not the Dockerfile's")
    parser.add_argument(
        "--load",
        metavar="COMMAND",
        help="brings the image to where it runs; {archive} is an OCI archive, {image} the image's name with its digest",
    )
    chosen = parser.parse_args()
    try:
        made = make(chosen.version, chosen.repository, chosen.base, chosen.load)
    except BuildError as problem:
        print(f"image.py: {problem}", file=sys.stderr)
        return 2
    write(chosen.out, made)
    print(f"chatbot {made['version']} build {made['build']} is {made['image']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
