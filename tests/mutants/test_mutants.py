"""The mutants themselves: each boundary has one, one that is noticed is told from one that is not."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants.boundaries import mutants
from tests.mutants.targets import EQUIVALENT, TARGETS, Target

ROOT = Path(__file__).parents[2]
RUN = """
import ast, sys
from tests.mutants.__main__ import file_of, verdict
from tests.mutants.boundaries import mutants
from tests.mutants.targets import Target
target = Target("watch.samples", (sys.argv[1],), ("Sample.lost",))
tree = ast.parse(file_of(target).read_text())
print(verdict(target, tree))
for _, before, _ in mutants(tree, target.functions):
    if before == "self.status >= 500":
        print(verdict(target, tree))
"""


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("a < b", {"a <= b"}),
        ("a >= b > c", {"a > b > c", "a >= b >= c"}),
        ("a == b", {"a != b"}),
        ("a is not b", {"a is b"}),
        ("a in b", {"a not in b"}),
        ("a and b", {"a or b", "a", "b"}),
        ("a or b or c", {"a and b and c", "a or b", "a or c", "b or c"}),
        ("not a", {"a"}),
        ("a + 2", {"a - 2", "3", "1"}),
        ("a // 2", {"a * 2", "3", "1"}),
        ("a[-1:]", {"1", "2", "0"}),
        ("0.5", {"1.0", "0.25"}),
        ("True", {"False"}),
        ("max(a, b)", {"min(a, b)"}),
        ("b if a else c", {"b if not a else c"}),
        ("f'{a + 1}'", set()),
        ("time.sleep(0.5)", set()),
    ],
)
def test_each_boundary_has_its_mutants(code: str, expected: set[str]) -> None:
    """What is calculated for a message, and how long a pause is, decide nothing."""
    tree = ast.parse(f"def one(default=1) -> 2:\n    return {code}")
    before = ast.dump(tree)
    assert {after for _, _, after in mutants(tree, ())} == expected
    assert ast.dump(tree) == before, "the last mutant was not taken back"


def test_an_early_end_has_a_mutant_that_does_not_end() -> None:
    """And none that another one is already."""
    tree = ast.parse(
        "class A:\n    def one(self):\n        if a:\n            return\n        if not b:\n            return"
    )
    assert [one[1:] for one in mutants(tree, ("A.one",))] == [("if a", "if not a"), ("not b", "b")]


def test_an_effect_has_a_mutant_without_it() -> None:
    """But for a pause."""
    tree = ast.parse("def one():\n    a.b(1 > c)\n    time.sleep(1)")
    assert [after for *_, after in mutants(tree, ())] == ["pass", "1 >= c", "2", "0"]


@pytest.mark.parametrize("target", [pytest.param(target, id=target.module) for target in TARGETS])
def test_what_nobody_could_notice_is_a_mutant_still(target: Target) -> None:
    """A reason that excuses nothing any more is taken out; so is a function that is gone."""
    tree = ast.parse((ROOT / f"src/{target.name.replace('.', '/')}.py").read_text(encoding="utf-8"))
    found = {(target.module, before, after) for _, before, after in mutants(tree, target.functions)}
    assert {one for one in EQUIVALENT if one[0] == target.module} <= found


@pytest.mark.parametrize(("tests", "said"), [("test_samples", "noticed"), ("test_model", "lives")])
def test_a_mutant_that_a_test_notices_is_told_from_one_that_lives(tests: str, said: str) -> None:
    """By the tests that are asked, in processes of their own."""
    asked = subprocess.run([sys.executable, "-c", RUN, tests], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert asked.stdout.split() == ["lives", said], asked.stderr
