"""From a version to a release on this machine: the artifact made, its build ID read, its configuration hashed."""

import hashlib
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from verdigris.errors import SettingsError, UsageError
from verdigris.model import Release
from verdigris.platform.building import build, fill, require_version
from verdigris.settings import EnvValue, LocalSettings

_STAMP = ".verdigris-build.json"


def release_of(version: str, local: LocalSettings, root: Path, config: str) -> Release:
    """The release of ``version``; its artifact is built where it is not there.

    Raises:
        UsageError: where there is no such version, with what the build said.
        SettingsError: where the manifest is not as the settings say.
    """
    artifact, values = _place(version, local, root)
    if not _whole(artifact, local):
        _build(version, artifact, local, root, values)
    build_id, migration, found = _manifest(artifact, local)
    if found is not None and found != version:
        raise UsageError(f"{artifact}: its manifest says version {found}, asked for was {version}")
    return Release(version=version, build=build_id, config=config, migration=migration, artifact=str(artifact))


def built(version: str, local: LocalSettings, root: Path) -> bool:
    """Whether the artifact of ``version`` is there."""
    return _whole(_place(version, local, root)[0], local)


def _place(version: str, local: LocalSettings, root: Path) -> tuple[Path, dict[str, str]]:
    require_version(version)
    values = {"python": sys.executable, "version": version, "root": str(root)}
    artifact = root / fill(local.artifact, values, "local.artifact")
    return artifact, values | {"artifact": str(artifact)}


def _whole(artifact: Path, local: LocalSettings) -> bool:
    return (artifact / (local.manifest or _STAMP)).is_file()


def _build(version: str, artifact: Path, local: LocalSettings, root: Path, values: Mapping[str, str]) -> None:
    if not local.build:
        siblings = artifact.parent.iterdir() if artifact.parent.is_dir() else ()
        there = ", ".join(sorted(path.name for path in siblings if path.is_dir() and not path.name.startswith(".")))
        raise UsageError(f"unknown version {version!r}: there is no {artifact}; there are: {there or 'none'}")
    if not local.manifest:
        shutil.rmtree(artifact, ignore_errors=True)  # without its stamp it is half made
    artifact.parent.mkdir(parents=True, exist_ok=True)
    build(version, local.build, root, values, "local.build")
    if not local.manifest:
        stamp = json.dumps({"version": version, "build": _digest(artifact)})
        (artifact / _STAMP).write_text(stamp, encoding="utf-8")


def _manifest(artifact: Path, local: LocalSettings) -> tuple[str, str | None, str | None]:
    path = artifact / (local.manifest or _STAMP)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return str(content["build"]), content.get("migration"), content.get("version")
    except FileNotFoundError:
        raise SettingsError(f"{path}: the build left no manifest; see local.manifest in the settings") from None
    except (ValueError, KeyError, AttributeError):
        raise SettingsError(
            f'{path}: a manifest is JSON with "build", and may have "version" and "migration"'
        ) from None


def _digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and not path.is_symlink():
            total.update(str(path.relative_to(folder)).encode())
            with path.open("rb") as file:
                total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:12]


def resolve(env: Mapping[str, EnvValue], values: Mapping[str, str], root: Path, key: str) -> dict[str, str]:
    """The environment of a process, secrets read from where they are."""
    return {
        name: fill(value, values, f"{key}.{name}") if isinstance(value, str) else value.read(root)
        for name, value in env.items()
    }


def config_hash(env: Mapping[str, str], command: tuple[str, ...]) -> str:
    """The configuration hash: a changed setting or secret is another release."""
    content = json.dumps([sorted(env.items()), command])
    return hashlib.sha256(content.encode()).hexdigest()[:8]
