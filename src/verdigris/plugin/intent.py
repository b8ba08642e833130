"""Whether a function in a file that pytest does not look at is meant as a test.

Its name alone says little there: a task of invoke is called ``test``, a helper ``test_user``, a class ``TestContext``.
What makes a test of it is what it does: it asserts, or asks for fixtures that there are. What makes none of it is what
pytest could not give it, such as a parameter that is no fixture, or a decorator that makes something else of it.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import PurePath

FIXTURES = frozenset(
    {"http", "page", "target", "environment", "checks", "database", "certificate", "ledger"}
    | {"health_path", "page_check", "api_check", "request", "monkeypatch", "subtests", "tmp_path", "caplog", "capsys"}
)
"""Names of fixtures that every suite has."""
_ASSERTS = re.compile(r"assert.*|expect|raises|warns|fail|raise_for_status")
"""Names of functions that fail a test."""
_GIVEN = r"(hypothesis\.)?given\((?!f?['\"])|((unittest\.)?mock\.)?patch\b"
_GIVES = re.compile(_GIVEN)
"""Decorators of tests that give them arguments; a ``given`` with a text is a step of behave or pytest-bdd."""
_OF_TESTS = re.compile(
    rf"{_GIVEN}|(pytest\.)?mark\.|(hypothesis\.)?(settings|example|seed)\b|(unittest\.)?skip|(static|class)method$"
)
"""Decorators after which a test is one still."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


def is_of_tests(path: PurePath | str, tree: ast.Module) -> bool:
    """Whether a file is one of tests, by its name or by what it imports."""
    stem = PurePath(path).stem
    return "test" in stem.lower() or (stem not in ("conftest", "__init__") and _imports(tree, "pytest", "unittest"))


def fixtures_of(tree: ast.Module) -> Iterator[str]:
    """The names of the fixtures that a file defines."""
    for node in ast.walk(tree):
        if isinstance(node, Function):
            for one in node.decorator_list:
                call = one.func if isinstance(one, ast.Call) else one
                if ast.unparse(call).endswith("fixture"):
                    named = [word.value for word in getattr(one, "keywords", ()) if word.arg == "name"]
                    yield str(named[0].value) if named and isinstance(named[0], ast.Constant) else node.name


def is_meant(node: Function, fixtures: frozenset[str], *, of_tests: bool, method: bool = False) -> bool:
    """Whether a function whose name is that of a test is one.

    Args:
        fixtures: the names of all that there are.
        of_tests: whether its file is one of tests.
        method: whether its first parameter is its object.
    """
    decorators = [ast.unparse(one) for one in node.decorator_list]
    asked = set(_parameters(node, method=method and "staticmethod" not in decorators))
    known, asserts = bool(asked & fixtures), _asserts(node)
    if not all(map(_OF_TESTS.match, decorators)):
        return known and asserts
    if any("mark." in one for one in decorators):
        return True
    if not asked <= fixtures and not any(map(_GIVES.match, decorators)):
        return known and asserts
    if known or not _gives_a_value(node):
        return known or asserts or (of_tests and not _is_empty(node))
    return False


def _imports(tree: ast.Module, *modules: str) -> bool:
    for node in tree.body:
        names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if any(name.partition(".")[0] in modules for name in names):
            return True
    return False


def _parameters(node: Function, *, method: bool) -> Iterator[str]:
    """Those that somebody has to give."""
    given = [*node.args.posonlyargs, *node.args.args]
    given = given[: len(given) - len(node.args.defaults)]
    alone = [one for one, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if default is None]
    yield from (one.arg for one in (*given[int(method) :], *alone))


def _asserts(node: Function) -> bool:
    for one in ast.walk(node):
        name = getattr(one.func, "attr", getattr(one.func, "id", "")) if isinstance(one, ast.Call) else ""
        if isinstance(one, ast.Assert) or _ASSERTS.fullmatch(name):
            return True
    return False


def _gives_a_value(node: Function) -> bool:
    found = (one for one in ast.walk(node) if isinstance(one, (ast.Return, ast.Yield, ast.YieldFrom)))
    return any(one.value is not None or not isinstance(one, ast.Return) for one in found)


def _is_empty(node: Function) -> bool:
    """Whether its body does nothing, as that of a protocol."""
    return all(
        isinstance(one, (ast.Pass, ast.Raise)) or (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))
        for one in node.body
    )
