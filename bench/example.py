"""The example's settings and suites in a folder of their own, so that its environment of this machine is left alone."""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def project(folder: Path, port: int, *, watch: float, ready_seconds: float = 20) -> Path:
    """Make the project: the same settings but for ports, the watch and the time to become ready."""
    text = (ROOT / "environments.toml").read_text(encoding="utf-8")
    for own, other in (
        ("port = 8400", f"port = {port}"),
        ("watch = { seconds = 15,", f"watch = {{ seconds = {watch:g},"),
        ("ready_seconds = 20", f"ready_seconds = {ready_seconds:g}"),
    ):
        if own not in text:
            raise ValueError(f"environments.toml has no {own!r} any more")
        text = text.replace(own, other)
    text = text.replace('"examples/chatbot/', f'"{ROOT}/examples/chatbot/')
    (folder / "environments.toml").write_text(text, encoding="utf-8")
    shutil.copy(ROOT / "pyproject.toml", folder)  # pytest's configuration is in it, and names this folder
    (folder / "tests").mkdir()
    for name in ("smoke", "verification", "performance"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder
