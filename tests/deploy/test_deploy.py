"""The Chatbot Platform's own deployment: branch to environment, commit to version, and no release by accident."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy import __main__ as command
from deploy.branches import BRANCHES, RefusedError, environment_of
from deploy.versions import Sources, tags, version_of

ROOT = Path(__file__).parents[2]
LINES = 300
"""How much of a deployment may be this platform's own."""


def run(*words: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run ``python -m deploy`` as outside of CI, but for ``env``."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GITHUB_")}
    words = (sys.executable, "-m", "deploy", *words)
    return subprocess.run(words, cwd=ROOT, env=kept | env, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One with a commit on main."""
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    commit(tmp_path, "one")
    return tmp_path


def git(root: Path, *words: str) -> str:
    """Run git with a name that no machine has to have."""
    who = {f"GIT_{role}_{what}": "t@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    env = os.environ | who | {"GIT_CONFIG_GLOBAL": os.devnull}
    return subprocess.run(["git", *words], cwd=root, env=env, capture_output=True, text=True, check=True).stdout.strip()


def commit(root: Path, text: str) -> None:
    """Change the one file."""
    (root / "file").write_text(text)
    git(root, "add", "file")
    git(root, "commit", "--quiet", "--message", text)


@pytest.mark.parametrize(("branch", "environment"), [("develop", "dev"), ("main", "staging"), ("master", "production")])
def test_a_branch_has_its_environment(branch: str, environment: str) -> None:
    """And a run by hand has production, whatever the branch."""
    assert environment_of(branch, manual=False) == environment
    assert environment_of(branch, manual=True) == "production"


@pytest.mark.parametrize("branch", ["feature/x", "Develop", "develop ", "release/1.5.0", "", "1.5.0"])
def test_any_other_branch_is_refused_with_the_list(branch: str) -> None:
    """By exact name: what resembles a branch is another one."""
    with pytest.raises(RefusedError) as refused:
        environment_of(branch, manual=False)
    assert all(name in str(refused.value) for name in BRANCHES)
    assert environment_of(branch, manual=True) == "production"


@pytest.mark.parametrize(("tag", "version"), [("1.5.0", "1.5.0"), ("v1.5.0", "1.5.0"), ("v2.0.0-rc.1", "2.0.0-rc.1")])
def test_a_tagged_commit_has_its_tag_as_version(repository: Path, tag: str, version: str) -> None:
    """With or without a ``v``."""
    git(repository, "tag", tag)
    assert version_of(Sources.read(repository)) == version


def test_a_later_commit_says_how_many_commits_ago_its_version_was(repository: Path) -> None:
    """So no two commits have one version, and other tags are none."""
    git(repository, "tag", "1.5.0")
    commit(repository, "two")
    git(repository, "tag", "nightly")
    short = git(repository, "rev-parse", "--short", "HEAD")
    assert version_of(Sources.read(repository)) == f"1.5.0-1-g{short}"


def test_a_commit_before_any_tag_has_a_version_too(repository: Path) -> None:
    """That of the first one, with the number of commits."""
    commit(repository, "two")
    short = git(repository, "rev-parse", "HEAD")[:7]
    assert version_of(Sources.read(repository)) == f"0.0.0-2-g{short}"


def test_where_git_knows_nothing_a_version_must_be_named(tmp_path: Path) -> None:
    """An export of the sources has no commit."""
    with pytest.raises(RefusedError, match="--version"):
        version_of(Sources.read(tmp_path))


def test_files_that_are_in_no_commit_are_not_deployed(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version names a commit; what a plan says is no deployment."""
    (repository / "file").write_text("changed")
    monkeypatch.setattr(command, "ROOT", repository)
    assert command.main(["--branch", "main"]) == 2
    assert command.main(["--branch", "main", "--plan"]) == 0


@pytest.mark.parametrize(
    ("branch", "last"),
    [("main", "1.5.0-main"), ("feature/größe #1", "1.5.0-feature-gr-e-1"), ("x" * 300, "1.5.0-" + "x" * 122)],
)
def test_an_image_is_tagged_with_version_commit_and_branch(branch: str, last: str) -> None:
    """In characters that a registry takes, and no more of them."""
    sources = Sources(described="1.5.0", commit="0123456789abcdef", commits=9, branch=branch, changed=False)
    assert tags("1.5.0", sources) == ["1.5.0", "1.5.0-0123456789ab", last]


def test_a_tag_has_no_character_that_a_registry_refuses() -> None:
    """A version may have a plus sign, a tag may not."""
    assert tags("1.5.0+build.7", Sources("", "", 0, "main", changed=False)) == ["1.5.0-build.7", "1.5.0-build.7-main"]


@pytest.mark.parametrize("version", ["../../etc/x", "-x", "1.5.0; true", ".hidden"])
def test_what_is_no_version_is_refused_before_anything_is_made(version: str) -> None:
    """It becomes part of a path and of a command."""
    done = run("--branch", "develop", "--version", version, "--plan")
    assert (done.returncode, done.stdout) == (2, "")
    assert "is not a version" in done.stderr


def test_an_image_without_git_is_tagged_with_its_version() -> None:
    """An export of the sources has no commit."""
    assert tags("1.5.0", Sources("", "", 0, "", changed=False)) == ["1.5.0"]


def test_a_plan_says_what_would_be_done_and_does_nothing() -> None:
    """Branch, environment, version, image, the command that makes it, and the release."""
    done = run("--branch", "develop", "--version", "1.5.0-77-gabc", "--repository", "r.example.com/chatbot", "--plan")
    assert done.returncode == 0, done.stderr
    assert "environment  dev\n" in done.stdout
    assert "r.example.com/chatbot:1.5.0-77-gabc-develop" in done.stdout
    assert "verdigris release 1.5.0-77-gabc --env dev" in done.stdout
    assert not (ROOT / "build" / "images" / "1.5.0-77-gabc.json").exists()


@pytest.mark.parametrize(
    ("env", "environment"),
    [
        pytest.param({"GITHUB_REF_NAME": "main", "GITHUB_REF_TYPE": "branch"}, "staging", id="push"),
        pytest.param(
            {"GITHUB_REF_NAME": "main", "GITHUB_REF_TYPE": "branch", "GITHUB_EVENT_NAME": "workflow_dispatch"},
            "production",
            id="by-hand",
        ),
        pytest.param({"GITHUB_REF_NAME": "develop", "GITHUB_REF_TYPE": "tag"}, "", id="a-tag-called-as-a-branch"),
    ],
)
def test_a_ci_job_needs_to_say_nothing(env: dict[str, str], environment: str) -> None:
    """GitHub's variables say which branch, and whether a person started it; a tag is no branch."""
    done = run("--plan", "--json", "--version", "1.5.0", **env)
    if not environment:
        assert done.returncode == 2
        assert "deployed nowhere" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["environment"] == environment


def test_a_plan_needs_no_tag_and_no_version() -> None:
    """In any clone; the image of such a version can be made."""
    done = run("--branch", "develop", "--plan", "--json")
    assert done.returncode == 0, done.stderr
    version = json.loads(done.stdout)["version"]
    script = "import sys; sys.path.insert(0, 'examples/chatbot'); import build; build.describe(sys.argv[1])"
    assert subprocess.run([sys.executable, "-c", script, version], cwd=ROOT, check=False).returncode == 0


def test_what_is_refused_touches_nothing() -> None:
    """Exit status 2, one line, nothing built."""
    done = run("--branch", "feature/x", "--version", "1.5.0")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("deploy: the branch 'feature/x' is deployed nowhere; accepted: develop (dev)")


def test_an_option_that_is_not_there_is_a_usage_error() -> None:
    """Said as of any command, and without a traceback."""
    done = run("--enviroment", "dev")
    assert done.returncode == 2
    assert "No such option" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_image_that_cannot_be_made_is_not_released() -> None:
    """The status is that of a refusal; the release is not begun."""
    done = run("--branch", "develop", "--version", "99.0.0")
    assert done.returncode == 2
    assert "no version '99.0.0'" in done.stderr
    assert "nothing was deployed" in done.stderr


def test_the_exit_status_is_that_of_the_release(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its arguments too; the image was made already."""
    asked: list[list[str]] = []
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(command.cli, "main", lambda words: asked.append(words) or 13)
    file = tmp_path / command.image_file("1.5.0")
    file.parent.mkdir(parents=True)
    file.touch()
    words = ["--branch", "main", "--version", "1.5.0"]
    assert command.main(words) == 13
    assert asked == [["release", "1.5.0", "--env", "staging", "--settings", str(tmp_path / "environments.toml")]]


def test_it_is_thin() -> None:
    """What is more belongs into verdigris."""
    assert sum(len(path.read_text().splitlines()) for path in (ROOT / "deploy").glob("*.py")) <= LINES
