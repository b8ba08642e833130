"""``python -m deploy``: what a CI job runs after its checks."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import click

from deploy.branches import BRANCHES, MANUAL, RefusedError, environment_of
from deploy.versions import Sources, tags, version_of
from verdigris import cli
from verdigris.errors import UsageError
from verdigris.platform.building import require_version

ROOT = Path(__file__).resolve().parents[1]
REPOSITORY = "localhost/chatbot"
USAGE = 2
"""The exit status of what was refused before anything was touched; those of a release are verdigris's."""


def image_command(version: str, sources: Sources, repository: str, *, push: bool) -> list[str]:
    """The command that makes the image of a version and writes which one it is."""
    words = ["examples/chatbot/image.py", version, "--out", str(image_file(version)), "--repository", repository]
    words += [word for tag in tags(version, sources) for word in ("--tag", tag)]
    return [sys.executable, *words, *(["--push"] if push else [])]


def image_file(version: str) -> Path:
    """Where it is written which image a version has: ``kubernetes.image`` of the settings."""
    return Path("build") / "images" / f"{version}.json"


def branch_of(sources: Sources) -> str:
    """The branch that a CI job runs for, or that is checked out; empty where there is none, as for a tag."""
    if "GITHUB_REF_NAME" in os.environ:
        return os.environ["GITHUB_REF_NAME"] if os.environ.get("GITHUB_REF_TYPE") == "branch" else ""
    return sources.branch


def _list(branches: dict[str, str]) -> str:
    return "\n".join(f"  {branch:<10}{environment}" for branch, environment in branches.items())


@click.command(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=f"\b\nBranches:\n{_list(BRANCHES)}\n  by hand   {MANUAL}, from any branch\n\n"
    "The exit status is that of the release: see 'verdigris release --help'.",
)
@click.option("--branch", metavar="NAME", help="The branch; without it that of the CI job, or the one checked out.")
@click.option(
    "--manual",
    is_flag=True,
    default=lambda: os.environ.get("GITHUB_EVENT_NAME") == "workflow_dispatch",
    help=f"Deploy to {MANUAL}, as a person who asked for it; default in a run started by hand.",
)
@click.option("--version", metavar="VERSION", help="The version; without it that of the commit.")
@click.option("--repository", default=REPOSITORY, show_default=True, metavar="NAME", help="The image's name.")
@click.option("--push", is_flag=True, help="Push the image to the registry that --repository names.")
@click.option("--plan", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--json", "as_json", is_flag=True, help="With --plan: for scripts.")
def deploy(
    *, branch: str | None, manual: bool, version: str | None, repository: str, push: bool, plan: bool, as_json: bool
) -> int:
    """Build the image of this commit and release it to the environment that its branch belongs to."""
    sources = Sources.read(ROOT)
    branch = branch_of(sources) if branch is None else branch
    sources = sources.on(branch)
    try:
        environment = environment_of(branch, manual=manual)
        version = version or version_of(sources, changed=plan)
        require_version(version)
    except (RefusedError, UsageError) as error:
        click.echo(f"deploy: {error}", err=True)
        return USAGE
    build = None if (ROOT / image_file(version)).exists() else image_command(version, sources, repository, push=push)
    release = ["release", version, "--env", environment]
    if plan:
        shown: dict[str, object] = {
            "branch": branch or None,
            "environment": environment,
            "version": version,
            "image": [f"{repository}:{tag}" for tag in tags(version, sources)],
            "build": build,
            "release": ["verdigris", *release],
        }
        click.echo(json.dumps(shown, indent=1) if as_json else _said(shown))
        return 0
    if build is not None and (status := subprocess.run(build, cwd=ROOT, check=False).returncode):
        click.echo(f"deploy: the image of {version} could not be made (exit {status}); nothing was deployed", err=True)
        return USAGE
    return cli.main([*release, "--settings", str(ROOT / "environments.toml")])


def _said(plan: dict[str, object]) -> str:
    """A plan in words."""
    build, release, images = plan["build"], plan["release"], plan["image"]
    assert isinstance(images, list)  # noqa: S101 - for the types
    lines = {
        "branch": plan["branch"] or "none",
        "environment": plan["environment"],
        "version": plan["version"],
        "image": f"\n{'':<13}".join(images),
        "build": shlex.join(build) if isinstance(build, list) else "nothing: its image was made already",
        "release": shlex.join(release) if isinstance(release, list) else "",
    }
    return "\n".join(f"{key:<13}{value}" for key, value in lines.items())


def main(arguments: list[str] | None = None) -> int:
    """Run it; its exit status."""
    try:
        return int(deploy.main(arguments, prog_name="python -m deploy", standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return USAGE
    except click.exceptions.Abort:
        return USAGE


if __name__ == "__main__":
    sys.exit(main())
