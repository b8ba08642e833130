"""Tests that stand in the files of a suite and that pytest makes nothing of, found in the text of the files.

Python keeps the last of two definitions of a name, and pytest looks at files, classes and functions by their names
only: what it does not see, no list of its tests can miss. So the text is read, by the patterns of the project's own
settings. What is meant is left alone: branches of an ``if``, overloads, helpers that somebody calls, base classes; and
in files that pytest does not look at whatever does nothing that a test does (:mod:`verdigris.plugin.intent`).
"""

import ast
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path

from verdigris.plugin.intent import FIXTURES, fixtures_of, is_meant, is_of_tests

FILES, BYTES = 2_000, 1_000_000
"""How many files of a suite are read at most, and how large one may be."""
_NO_SUITE = re.compile(r"\..*|__pycache__|node_modules|.*\.egg-info")
_MAKERS = ("dataclass", "define", "frozen", "mutable", "attrs", "s")
"""Decorators that give a class a constructor."""
_TEXT = re.compile(r"^\s*(?:async\s+)?def\s+(\w+)", re.MULTILINE)
_ASSERT = re.compile(r"^\s+assert\b", re.MULTILINE)
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Branches = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Patterns:
    """What the project's pytest takes for a test."""

    files: tuple[str, ...] = ("test_*.py", "*_test.py")
    classes: tuple[str, ...] = ("Test",)
    functions: tuple[str, ...] = ("test",)
    runs_async: bool = False
    """Whether a plugin runs ``async def`` tests."""
    fixtures: frozenset[str] = FIXTURES
    """The names of the fixtures that are known."""

    def file(self, path: Path) -> bool:
        """Whether a file is looked at."""
        return any(
            fnmatch(str(path) if "/" in one else path.name, f"*/{one}" if "/" in one else one) for one in self.files
        )


@dataclass(frozen=True)
class Unseen:
    """A test that is none."""

    place: str
    """File, line and name."""
    by: str
    """What hides it, as the end of a sentence, and what to do."""


def unseen(folder: Path, root: Path, patterns: Patterns) -> Iterator[Unseen]:
    """Every test below a folder that pytest makes nothing of."""
    trees = dict(_parsed(folder))
    parsed = [tree for tree in trees.values() if tree is not None]
    used = {name for tree in parsed for name in _used(tree)}
    patterns = replace(patterns, fixtures=patterns.fixtures.union(*map(fixtures_of, parsed)))
    for path, tree in trees.items():
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
        if tree is None:
            if not patterns.file(path) and (found := _tests_in_text(path, patterns)):
                by = "the name of its file, which is not Python either: mend or remove it"
                yield Unseen(f"{name}:{found[1]} {found[0]}", by)
            continue
        yield from _File(name, patterns, used, seen=patterns.file(path)).look(tree)


def _parsed(folder: Path) -> Iterator[tuple[Path, ast.Module | None]]:
    number = 0
    for found, folders, names in os.walk(folder):
        folders[:] = sorted(one for one in folders if not _NO_SUITE.fullmatch(one) and not _environment(found, one))
        for path in (Path(found, name) for name in sorted(names) if name.endswith(".py")):
            number += 1
            if number > FILES or not path.is_file() or path.stat().st_size > BYTES:
                continue
            try:
                yield path, ast.parse(path.read_bytes())
            except (SyntaxError, ValueError, RecursionError, OSError):
                yield path, None


def _environment(found: str, name: str) -> bool:
    return Path(found, name, "pyvenv.cfg").exists()


def _tests_in_text(path: Path, patterns: Patterns) -> tuple[str, int] | None:
    text = path.read_text(encoding="utf-8", errors="replace")
    if "test" not in path.stem.lower() and not _ASSERT.search(text):
        return None
    for match in _TEXT.finditer(text):
        if _matches(match[1], patterns.functions):
            return match[1], text.count("\n", 0, match.start(1)) + 1
    return None


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(
        name.startswith(one) or (("*" in one or "?" in one or "[" in one) and fnmatch(name, one)) for one in patterns
    )


def _used(tree: ast.AST) -> Iterator[str]:
    """The names that are used anywhere, other than by being defined."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names)


@dataclass(frozen=True)
class _Binding:
    """A name gets a value."""

    name: str
    node: ast.AST
    line: int
    what: str
    branches: _Branches

    def hides(self, other: "_Binding") -> bool:
        """Whether what ``other`` bound before is gone with this, in every case in which it was bound at all."""
        return self.branches == other.branches[: len(self.branches)] and self.name not in _used_by(self.node)


def _used_by(node: ast.AST) -> set[str]:
    """The names that a definition is made from: its decorators and bases, or the value of an assignment."""
    if isinstance(node, ast.ClassDef):
        return {name for part in (*node.decorator_list, *node.bases) for name in _used(part)}
    if isinstance(node, _Function):
        return {name for part in node.decorator_list for name in _used(part)}
    return set(_used(node))


def _bindings(body: list[ast.stmt], branches: _Branches = ()) -> Iterator[_Binding]:
    """What a body binds, in its order, and in which branches."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            line = node.lineno
            yield _Binding(node.name, node, line, "another definition", branches)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                yield _Binding(alias.asname or alias.name, ast.Pass(), node.lineno, "an import", branches)
        elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Delete)):
            what = "a del" if isinstance(node, ast.Delete) else "an assignment"
            if isinstance(node, ast.AnnAssign) and node.value is None:
                continue
            targets = node.targets if isinstance(node, (ast.Assign, ast.Delete)) else [node.target]
            value = ast.Pass() if isinstance(node, ast.Delete) else node.value or ast.Pass()
            names = [one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)]
            yield from (_Binding(name, value, node.lineno, what, branches) for name in names)
        else:
            for number, part in _parts(node):
                yield from _bindings(part, branches if number is None else (*branches, (id(node), number)))


def _parts(node: ast.stmt) -> Iterator[tuple[int | None, list[ast.stmt]]]:
    """The bodies of a compound statement; those with different numbers exclude each other."""
    if isinstance(node, (ast.If, ast.For, ast.AsyncFor, ast.While)):
        yield from ((0, node.body), (1, node.orelse))
    elif isinstance(node, (ast.With, ast.AsyncWith)):
        yield None, node.body
    elif isinstance(node, (ast.Try, ast.TryStar)):
        yield from ((0, node.body), (0, node.orelse))
        yield from ((number, one.body) for number, one in enumerate(node.handlers, start=1))
        yield None, node.finalbody
    elif isinstance(node, ast.Match):
        yield from ((number, one.body) for number, one in enumerate(node.cases))


class _File:
    """The tests of one file."""

    def __init__(self, name: str, patterns: Patterns, used: set[str], *, seen: bool) -> None:
        self.name = name
        self.patterns = patterns
        self.used = used
        self.seen = seen
        """Whether pytest looks at the file."""

    def look(self, tree: ast.Module) -> Iterator[Unseen]:
        """Everything in it that is hidden."""
        if self.seen:
            yield from self._body(tree.body, "", unittest=False)
            yield from self._inside(tree)
            return
        of_tests = is_of_tests(self.name, tree)
        hidden = [
            one
            for one in _bindings(tree.body)
            if one.name not in self.used and self._is_meant(one.node, of_tests=of_tests)
        ]
        if hidden:
            more = f" and {len(hidden) - 1} more" if len(hidden) > 1 else ""
            by = f"the name of its file: python_files is {', '.join(self.patterns.files)}; rename the file"
            yield self._unseen(hidden[0].line, hidden[0].name + more, by)

    def _unseen(self, line: int, name: str, by: str) -> Unseen:
        return Unseen(f"{self.name}:{line} {name}", by)

    def _is_test(self, node: ast.AST, *, unittest: bool = False) -> bool:
        """Whether it is a function that pytest takes for a test by its name."""
        functions = (*self.patterns.functions, *(("test",) if unittest else ()))
        return isinstance(node, _Function) and _matches(node.name, functions) and not _decorated(node, "fixture")

    def _holds_tests(self, node: ast.AST, *, named: bool = False) -> bool:
        """Whether it is a class with tests of its own, which by its name pytest looks at if that is asked for."""
        if not isinstance(node, ast.ClassDef) or _no_test(node):
            return False
        unittest = _is_unittest(node)
        within = [one.node for one in _bindings(node.body)]
        tests = any(self._is_test(one, unittest=unittest) or self._holds_tests(one) for one in within)
        return tests and (not named or unittest or _matches(node.name, self.patterns.classes))

    def _is_meant(self, node: ast.AST, *, of_tests: bool, method: bool = False, unittest: bool = False) -> bool:
        """Whether it is a test, or a class of tests, that is meant as one."""
        if isinstance(node, _Function) and self._is_test(node, unittest=unittest):
            return is_meant(node, self.patterns.fixtures, of_tests=of_tests, method=method)
        if not isinstance(node, ast.ClassDef) or not self._holds_tests(node, named=not method):
            return False
        unittest = _is_unittest(node)
        return (unittest or not _is_constructed(node)) and any(
            self._is_meant(one.node, of_tests=of_tests, method=True, unittest=unittest) for one in _bindings(node.body)
        )

    def _body(self, body: list[ast.stmt], prefix: str, *, unittest: bool) -> Iterator[Unseen]:
        """A module or a class that pytest looks at."""
        bound = list(_bindings(body))
        for number, one in enumerate(bound):
            node = one.node
            if self._is_test(node, unittest=unittest) or self._holds_tests(node, named=True):
                hiding = next((two for two in bound[number + 1 :] if two.name == one.name and two.hides(one)), None)
                if hiding is not None and not _decorated(node, "overload"):
                    by = f"{hiding.what} of that name in line {hiding.line}: give one of them another name"
                    yield self._unseen(one.line, f"{prefix}{one.name}", by)
            if not unittest and isinstance(node, ast.AsyncFunctionDef) and self._waits_for_nobody(node):
                by = "being async: no plugin runs it; add one, such as anyio, to the plugins of the suite"
                yield self._unseen(one.line, f"{prefix}{one.name}", by)
            if isinstance(node, ast.ClassDef):
                yield from self._class(node, prefix)

    def _waits_for_nobody(self, node: ast.AsyncFunctionDef) -> bool:
        return self._is_test(node) and not self.patterns.runs_async and not _decorated(node, "skip")

    def _class(self, node: ast.ClassDef, prefix: str) -> Iterator[Unseen]:
        name, unittest = f"{prefix}{node.name}", _is_unittest(node)
        if not self._holds_tests(node):
            return
        if not unittest and not _matches(node.name, self.patterns.classes):
            if node.name not in self.used and self._means_tests(node):
                by = f"the name of its class: python_classes is {', '.join(self.patterns.classes)}; rename the class"
                yield self._unseen(node.lineno, name, by)
            return
        if not unittest and _is_constructed(node):
            if node.name in self.used:
                return  # somebody makes one of it: a helper
            by = "its constructor: pytest makes no tests of a class with __init__ or __new__; use a fixture"
            yield self._unseen(node.lineno, name, by)
            return
        yield from self._body(node.body, f"{name}.", unittest=unittest)

    def _means_tests(self, node: ast.ClassDef) -> bool:
        """Whether a class of another name is one of tests: it says so, or has nothing but tests."""
        functions = [one for one in node.body if isinstance(one, _Function) and not one.name.startswith("_")]
        own = [one for one in functions if not _decorated(one, "fixture")]
        return "test" in node.name.lower() or all(self._is_test(one) for one in own)

    def _inside(self, tree: ast.Module) -> Iterator[Unseen]:
        """Tests inside of functions, by a wrong indentation mostly."""
        for outer in ast.walk(tree):
            if isinstance(outer, _Function):
                used = set(_used(outer))
                for one in _bindings(outer.body):
                    if self._is_test(one.node) and one.name not in used and not getattr(one.node, "decorator_list", ()):
                        by = f"its place inside of the function {outer.name}: move it out"
                        yield self._unseen(one.line, one.name, by)


def _decorated(node: ast.AST, word: str) -> bool:
    """Whether one of its decorators is called by that word."""
    return any(word in set(_used(one)) for one in getattr(node, "decorator_list", ()))


def _is_unittest(node: ast.ClassDef) -> bool:
    return any(ast.unparse(base).endswith("TestCase") for base in node.bases)


def _no_test(node: ast.ClassDef) -> bool:
    """Whether it says itself that it is none."""
    return any(
        isinstance(one, ast.Assign) and ast.unparse(one).replace(" ", "") == "__test__=False" for one in node.body
    )


def _is_constructed(node: ast.ClassDef) -> bool:
    own = {one.name for one in _bindings(node.body)}
    made = any(_decorated(node, maker) for maker in _MAKERS) or any(
        ast.unparse(one) == "NamedTuple" for one in node.bases
    )
    return made or bool(own & {"__init__", "__new__"})
