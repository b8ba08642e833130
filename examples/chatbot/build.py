"""Make the artifact of one version: what a deployment runs, and the build ID that says exactly what that is.

The build ID is a hash over everything in the artifact, so two artifacts with one ID are the same, and it is baked in:
a deployment that runs something else is found out by what it answers.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).resolve().parent
VERSIONS = SOURCE / "versions.toml"
PRESENT = "1.5.0"
"""The version that the sources are at."""
OF_A_COMMIT = re.compile(r"-\d+-g[0-9a-f]+$")
"""What ``git describe`` adds for the commits since a version's tag."""
ASSETS = ("icon.svg", "style.css", "stream.js", "app.js")  # what an asset refers to stands before it


class BuildError(Exception):
    """The artifact cannot be made; the message says why and what would be accepted."""


def known_versions() -> dict[str, dict[str, Any]]:
    """Read every version that can be built."""
    versions: dict[str, dict[str, Any]] = tomllib.loads(VERSIONS.read_text(encoding="utf-8"))["versions"]
    return versions


def describe(version: str) -> dict[str, Any]:
    """Look one version up; that of a commit, ``1.5.0-7-gabc1234``, is made as what the sources are at."""
    versions = known_versions()
    named = PRESENT if version not in versions and OF_A_COMMIT.search(version) else version
    if named not in versions:
        raise BuildError(f"no version {version!r} in {VERSIONS.name}; it knows {', '.join(versions)}")
    return versions[named]


def render(text: str, values: dict[str, str]) -> str:
    """Fill the {{names}} of a web source; names the build does not know are left for the running application."""
    return re.sub(r"\{\{([a-z.:]+)\}\}", lambda found: values.get(found[1], found[0]), text)


def web_values(version: str) -> dict[str, str]:
    """Collect what the web sources may refer to, but for the assets' names."""
    entry = describe(version)
    return {
        "version": version,
        "title": entry["title"],
        "accent": entry["accent"],
        "features": " ".join(entry["features"]),
    }


def write_assets(version: str, folder: Path) -> dict[str, str]:
    """Write one version's assets under content-hashed names; return the page's values, those names among them."""
    folder.mkdir(parents=True, exist_ok=True)
    values = web_values(version)
    for name in ASSETS:
        content = render((SOURCE / "web" / name).read_text(encoding="utf-8"), values).encode()
        stem, suffix = name.split(".")
        hashed = f"{stem}.{hashlib.sha256(content).hexdigest()[:8]}.{suffix}"
        (folder / hashed).write_bytes(content)
        values[f"asset:{name}"] = hashed
    return values


def copy_sources(version: str, root: Path) -> None:
    """Copy the package, the entry points, and the migrations up to the one this version needs."""
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
    shutil.copytree(SOURCE / "chatbot", root / "chatbot", ignore=ignore)
    for name in ("run.py", "migrate.py", "requirements.txt", "requirements.lock"):
        shutil.copyfile(SOURCE / name, root / name)
    revisions = root / "migrations" / "versions"
    revisions.mkdir(parents=True)
    for name in ("env.py", "script.py.mako"):
        shutil.copyfile(SOURCE / "migrations" / name, root / "migrations" / name)
    needed = describe(version)["migration"]
    for file in sorted((SOURCE / "migrations" / "versions").glob("[0-9]*.py")):
        if file.name.split("_")[0] <= needed:
            shutil.copyfile(file, revisions / file.name)
    if not list(revisions.glob(f"{needed}_*.py")):
        raise BuildError(f"version {version} needs migration {needed}, which migrations/versions does not have")


def build_id(root: Path) -> str:
    """Hash the sorted paths and contents of an artifact; build.json, which carries the result, is left out."""
    total = hashlib.sha256()
    files = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    for name in sorted(files.keys() - {"build.json"}):
        content = files[name].read_bytes()
        total.update(f"{name}\0{len(content)}\0".encode())
        total.update(content)
    return total.hexdigest()[:12]


def source_commit() -> str | None:
    """Ask git for the commit that last changed the sources; an export without git has none."""
    words = ["git", "log", "-1", "--format=%H", "--", "."]
    try:
        asked = subprocess.run(words, cwd=SOURCE, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return asked.stdout.strip() or None if asked.returncode == 0 else None


def make(version: str, root: Path) -> dict[str, str | None]:
    """Fill an empty folder with the artifact; build.json comes last."""
    entry = describe(version)
    copy_sources(version, root)
    values = write_assets(version, root / "web" / "assets")
    if "previous" in entry:
        write_assets(entry["previous"], root / "web" / "assets")
    page = render((SOURCE / "web" / "index.html").read_text(encoding="utf-8"), values)
    (root / "web" / "index.html").write_text(page, encoding="utf-8")
    baked: dict[str, Any] = {key: entry[key] for key in ("title", "features", "plant") if key in entry}
    baked["version"] = version
    (root / "release.json").write_text(json.dumps(baked, indent=2) + "\n", encoding="utf-8")
    built: dict[str, str | None] = {
        "application": "chatbot",
        "version": version,
        "build": build_id(root),
        "migration": entry["migration"],
        "commit": source_commit(),
    }
    (root / "build.json").write_text(json.dumps(built, indent=2) + "\n", encoding="utf-8")
    return built


def existing_build(out: Path) -> str | None:
    """Read the build ID of the artifact that is already there; refuse a folder that is something else."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    try:
        built = json.loads((out / "build.json").read_text(encoding="utf-8"))
        if built["application"] == "chatbot":
            return str(built["build"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise BuildError(f"{out} exists and is no artifact of the chatbot; name a new folder")


def install(version: str, out: Path) -> dict[str, str | None]:
    """Make the artifact beside its place and rename it there, so that a half-made one never exists."""
    out = out.resolve()
    present = existing_build(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh, replaced = (out.parent / f".{out.name}.{kind}.{os.getpid()}" for kind in ("new", "old"))
    try:
        fresh.mkdir()
        built = make(version, fresh)
        if built["build"] == present:
            return built
        if out.exists():
            out.rename(replaced)
        fresh.rename(out)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)
    return built


def main() -> int:
    """Build one version, or list all of them."""
    parser = argparse.ArgumentParser(description="Make the artifact of one version of the chatbot.")
    parser.add_argument("version", nargs="?", metavar="VERSION", help=f"a version named in {VERSIONS.name}")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the artifact's folder")
    parser.add_argument("--list", action="store_true", help="list the versions that can be built")
    chosen = parser.parse_args()
    if chosen.list:
        for version, entry in known_versions().items():
            fault = f"  [{entry['plant']}]" if "plant" in entry else ""
            print(f"{version}  {entry['title']}{fault}")
        return 0
    if chosen.version is None or chosen.out is None:
        parser.error("a VERSION and --out DIR are needed, or --list")
    try:
        built = install(chosen.version, chosen.out)
    except BuildError as problem:
        print(f"build.py: {problem}", file=sys.stderr)
        return 2
    print(f"chatbot {built['version']} build {built['build']} migration {built['migration']} in {chosen.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
