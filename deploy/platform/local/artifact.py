"""From a version to a release on this machine: the artifact made, its build ID read, its configuration hashed."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.errors import SettingsError, UsageError
from deploy.model import Release
from deploy.settings import EnvValue, LocalSettings

_STAMP = ".verdigris-build.json"


def fill(text: str, values: Mapping[str, str], key: str) -> str:
    """Put ``values`` in for ``{name}``.

    Raises:
        SettingsError: naming the key and the names that are known.
    """
    try:
        return text.format_map(values)
    except (KeyError, ValueError, IndexError, AttributeError):
        raise SettingsError(
            f"{key}: {text!r}: known here are {', '.join('{' + name + '}' for name in values)}"
        ) from None


def release_of(version: str, local: LocalSettings, root: Path, config: str) -> Release:
    """The release of ``version``; its artifact is built where it is not there.

    Raises:
        UsageError: where there is no such version, with what the build said.
        SettingsError: where the manifest is not as the settings say.
    """
    artifact, values = _place(version, local, root)
    if not _whole(artifact, local):
        _build(version, artifact, local, root, values)
    build, migration, found = _manifest(artifact, local)
    if found is not None and found != version:
        raise UsageError(f"{artifact}: its manifest says version {found}, asked for was {version}")
    return Release(version=version, build=build, config=config, migration=migration, artifact=str(artifact))


def built(version: str, local: LocalSettings, root: Path) -> bool:
    """Whether the artifact of ``version`` is there."""
    return _whole(_place(version, local, root)[0], local)


def _place(version: str, local: LocalSettings, root: Path) -> tuple[Path, dict[str, str]]:
    if not version or version.startswith((".", "-")) or not all(c.isalnum() or c in "._+-" for c in version):
        raise UsageError(f"{version!r} is not a version: letters, digits, and . _ + - are accepted")
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
    for number, command in enumerate(local.build):
        words = [fill(word, values, f"local.build[{number}]") for word in command]
        try:
            done = subprocess.run(words, cwd=root, capture_output=True, text=True, timeout=1200, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UsageError(f"version {version!r} cannot be built: {words[0]}: {error}") from None
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip())[-1500:]
            raise UsageError(f"version {version!r} cannot be built: {said} (exit {done.returncode})")
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
