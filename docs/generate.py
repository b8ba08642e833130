"""Write the pages of the reference that follow from the code: ``python docs/generate.py``.

A test compares them with what stands in ``docs/reference``, so a key, an option or a status without a page fails.
"""

import ast
import types
import typing
from datetime import date
from pathlib import Path
from typing import Any, Literal

import click
from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from verdigris import settings
from verdigris.cli import verdigris
from verdigris.errors import ExitStatus
from verdigris.settings import database, kubernetes, tables

REFERENCE = Path(__file__).parent / "reference"
_PLAIN = {str: "string", int: "integer", float: "number", bool: "true or false", date: "date", Any: "any"}


def pages() -> dict[str, str]:
    """Each generated page, by its file's name."""
    return {
        "settings.md": settings_page(),
        "exit-status.md": exit_status_page(),
        "command-line.md": command_line_page(),
    }


# --- settings --------------------------------------------------------------------------------------------------------


def settings_page() -> str:
    """Every key of the settings file."""
    text = """# Settings

The settings file is `environments.toml`, here or in the nearest folder above; `--settings FILE` and the variable
`VERDIGRIS_SETTINGS` name another one. It is validated whole before anything is touched. Unknown keys are errors, and
each message names the file, the line, the key and what is accepted. Paths are relative to the file's folder.

A key without a default is required. In commands and variables of `local`, `{python}`, `{root}`, `{users_url}`,
`{database_url}` and `{NAME_url}` of each service stand for their values; `{version}` and `{artifact}` where there is a
version; `{port}`, `{color}` and `{config}` where a color is started.

A *secret* is never written into the file: `{ from_env = "NAME" }` or `{ from_file = "path" }` names where it is found.
A key whose name or value looks like a secret is refused otherwise.
"""
    docs = _docstrings()
    for path, model in _tables(settings.Settings, ""):
        heading = f"`[{path}]`" if path else "The file"
        text += f"\n## {heading}\n\n{_md(model.__doc__ or '')}\n\n"
        text += "| key | type | default | meaning |\n| --- | --- | --- | --- |\n"
        for name, field in model.model_fields.items():
            if field.exclude:
                continue
            kind, meaning = _type(field.annotation) + _limits(field), _md(docs[model.__name__, name])
            text += f"| `{name}` | {kind} | {_default(model, name, field)} | {meaning} |\n"
    return text


def _tables(model: type[BaseModel], path: str) -> typing.Iterator[tuple[str, type[BaseModel]]]:
    """Each table, by its path in the file, outermost first."""
    yield path, model
    for name, field in model.model_fields.items():
        below = f"{path}.{name}" if path else name
        for found, inner in _models(field.annotation):
            yield from _tables(inner, f"{below}.NAME" if found is dict else below)


def _models(annotation: Any, outer: Any = None) -> typing.Iterator[tuple[Any, type[BaseModel]]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation is not settings.SecretReference:
            yield outer, annotation
        return
    origin = typing.get_origin(annotation)
    for argument in typing.get_args(annotation):
        yield from _models(argument, origin if origin in (dict, tuple) else outer)


def _type(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return " or ".join(f'`"{word}"`' for word in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type(one) for one in arguments if one is not type(None))
    if origin is tuple:
        return f"list of {_plural(_type(arguments[0]))}"
    if origin is dict:
        return "table" if arguments[1] is Any else f"{_plural(_type(arguments[1]))} by name"
    if annotation is settings.SecretReference:
        return "secret"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    return _PLAIN[annotation]


def _plural(words: str) -> str:
    if words.startswith("list of "):
        return "lists of " + words.removeprefix("list of ")
    return " or ".join(f"{word}s" for word in words.split(" or "))


def _limits(field: FieldInfo) -> str:
    said = []
    for limit in field.metadata:
        match limit:
            case Gt():
                said.append(f"above {limit.gt}")
            case Ge():
                said.append(f"from {limit.ge}")
            case Lt():
                said.append(f"below {limit.lt}")
            case Le():
                said.append(f"up to {limit.le}")
            case MinLen():
                said.append(f"at least {limit.min_length}")
    return f", {', '.join(said)}" if said else ""


def _default(model: type[BaseModel], name: str, field: FieldInfo) -> str:
    if (model, name) == (settings.SuiteSettings, "folder"):
        return "the suite's name"
    if field.is_required():
        return ""
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "none"
    if isinstance(value, BaseModel) or (isinstance(value, dict) and value):
        return "the defaults below"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str):
        return f'`"{value}"`'
    if isinstance(value, tuple):
        said = (f'{{ path = "{one.path}" }}' if isinstance(one, settings.PageCheck) else f'"{one}"' for one in value)
        return f"`[{', '.join(said)}]`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _docstrings() -> dict[tuple[str, str], str]:
    """The text below each key, as it stands in the code."""
    found: dict[tuple[str, str], str] = {}
    files = (Path(module.__file__) for module in (tables, kubernetes, database, settings))
    for node in [node for file in files for node in ast.parse(file.read_text(encoding="utf-8")).body]:
        if not isinstance(node, ast.ClassDef):
            continue
        for key, below in zip(node.body, node.body[1:], strict=False):
            match key, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    found[node.name, name] = text
    return found


def _md(text: str) -> str:
    return " ".join(text.split()).replace("``", "`").replace('`""`', '`""`').replace("|", "\\|")


# --- exit status, command line ---------------------------------------------------------------------------------------


def exit_status_page() -> str:
    """One table, equal to the enum."""
    text = """# Exit status

Of `verdigris` and of `pytest --release`:

| status | meaning |
| --- | --- |
"""
    text += "".join(f"| {int(status)} | {status.meaning} |\n" for status in ExitStatus)
    return (
        text
        + """
Any other status, a traceback's 1 included, means that the state is unknown: run `verdigris status`, then
`verdigris recover`.

Where several reasons are given, the status is that of the gravest: refused, then not valid, then failed, then not
conclusive. Evidence that is not valid says nothing of the candidate, so it comes before a failure.

`verdigris verify` uses 0, 10, 11 and 12 for what the suites showed, and 14 where a suite cannot be collected.
`verdigris rollback` ends with 0 when the users are back, because that is what was asked for. `verdigris recover` ends
with 0 when it brought what was left to an end, whatever that was, and with 15 where a person is needed.
While users are on a release that was neither confirmed nor asked for by a rollback, `release`, `plan` and `down` end
with 14.
`verdigris drift` ends with 10 where environments differ beyond what the settings allow.

pytest's own statuses stay the suites': 0 passed, 1 failed, 2 interrupted, 3 internal error, 4 usage, 5 no tests.
"""
    )


def command_line_page() -> str:
    """Every verb and its options."""
    text = f"""# Command line

{verdigris.help}

`verdigris` and `python -m verdigris` are the same. The [exit status](exit-status.md) says what came of it.
"""
    context = click.Context(verdigris, info_name="verdigris")
    for name in verdigris.list_commands(context):
        command = verdigris.commands[name]
        arguments = [(one.name or "").upper() for one in command.params if isinstance(one, click.Argument)]
        usage = " ".join(["verdigris", name, *arguments, "[OPTIONS]"])
        text += f"\n## verdigris {name}\n\n{' '.join((command.help or '').split())}\n\n```\n{usage}\n```\n\n"
        text += "| option | meaning |\n| --- | --- |\n"
        for option in command.params:
            if isinstance(option, click.Option):
                value = f" {option.metavar or 'TEXT'}" if not option.is_flag else ""
                default = f" Default: `{option.default}`." if isinstance(option.default, str) and option.default else ""
                text += f"| `{option.opts[0]}{value}` | {option.help}{default} |\n"
    return (
        text
        + """
## pytest

The options that Verdigris adds to pytest. Without `--env` and `--release` it does nothing.

| option | meaning |
| --- | --- |
| `--env NAME` | run the suites against this environment; they are collected in place of the project's own tests |
| `-m SUITE` | only this suite: `smoke`, `verification` or `performance` |
| `--target WHO` | `live` (default), `candidate`, `blue`, `green`, or `blue,green` for every test once for each |
| `--expect VERSION` | the version that every answer must come from |
| `--candidate VERSION` | stand VERSION up in the idle color first, test it, and take it down |
| `--release VERSION` | the same as `verdigris release VERSION`; nothing that selects tests is accepted beside it |
| `--settings FILE` | the settings file |

## Variables

| variable | meaning |
| --- | --- |
| `VERDIGRIS_SETTINGS` | the settings file, where `--settings` names none |
| `VERDIGRIS_ACTOR` | who acts, for the audit log; otherwise what the CI says, or the user of this machine |
| `VERDIGRIS_CHROMIUM` | the Chromium of the frontend tests |
| `VERDIGRIS_EVIDENCE` | a file to which a run of pytest writes its [evidence](evidence.md) |
"""
    )


if __name__ == "__main__":
    REFERENCE.mkdir(exist_ok=True)
    for file, content in pages().items():
        (REFERENCE / file).write_text(content, encoding="utf-8")
