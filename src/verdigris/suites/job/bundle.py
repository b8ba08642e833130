"""What of a project a suite needs to run elsewhere: the settings, every suite, what pytest reads, and nothing else.

It travels in a ConfigMap, so what runs in the cluster is what stands in the folder that the release runs in.
"""

import gzip
import io
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from verdigris.errors import SettingsError
from verdigris.settings import Settings

LIMIT = 900_000
"""Bytes; a ConfigMap holds 1 MiB."""
_READ_BY_PYTEST = ("conftest.py", "pyproject.toml", "pytest.ini", "tox.ini", "setup.cfg")
_LEFT_OUT = ("__pycache__", ".pytest_cache", ".git")


def bundle(settings: Settings, environment: str, more: Iterable[str] = ()) -> bytes:
    """The archive.

    Args:
        more: further files and folders that suites need, relative to the settings file.

    Raises:
        SettingsError: where something of it is not there, or it is too large.
    """
    root, ca = settings.root.resolve(), settings.environment(environment).ca
    named = [
        settings.path.name,
        *(suite.folder for suite in settings.suites.values() if (root / suite.folder).is_dir()),
    ]
    named += [name for name in _READ_BY_PYTEST if (root / name).is_file()]
    named += [*([ca] if ca else []), *more]
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for path in sorted({path for name in named for path in _files(root, name)}):
            info = tarfile.TarInfo(path.relative_to(root).as_posix())
            info.size, info.mode = path.stat().st_size, 0o644
            with path.open("rb") as file:
                tar.addfile(info, file)
    packed = gzip.compress(content.getvalue(), mtime=0)
    if len(packed) > LIMIT:
        raise SettingsError(
            f"the suites and what they need are {len(packed):,} bytes, packed; a Job takes at most {LIMIT:,}: "
            "put what is large into the image (kubernetes.job.image in the settings)"
        )
    return packed


def _files(root: Path, name: str) -> Iterator[Path]:
    path = (root / name).resolve()
    if not path.is_relative_to(root) or not path.exists():
        raise SettingsError(f"{name!r} is needed where the suites run as a Job, and there is none in {root}")
    for found in [path] if path.is_file() else path.rglob("*"):
        if found.is_file() and found.resolve().is_relative_to(root) and not set(_LEFT_OUT) & set(found.parts):
            yield found
