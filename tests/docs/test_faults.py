"""The catalogue of faults: every number that code and tests speak of stands there, and every test that it names."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CATALOGUE = ROOT / "docs" / "reference" / "faults.md"
NUMBERS = {int(number) for number in re.findall(r"^\| (\d+) \|", CATALOGUE.read_text(encoding="utf-8"), re.MULTILINE)}
SPOKEN = re.compile(r"\bfaults? ((?:\d+(?:, | and |-)?)+)")
NAMED = re.compile(r"^def test_(\d\d(?:_\d\d)*)_", re.MULTILINE)


def test_each_number_in_the_code_stands_in_the_catalogue() -> None:
    """A reader of a comment finds what it speaks of."""
    spoken = {
        int(number)
        for path in (ROOT / "src").rglob("*.py")
        for found in SPOKEN.findall(path.read_text(encoding="utf-8"))
        for number in re.findall(r"\d+", found)
    }
    assert spoken
    assert spoken <= NUMBERS


def test_each_numbered_test_is_of_a_fault_of_the_catalogue() -> None:
    """By the number in its name."""
    named = {
        int(number)
        for path in (ROOT / "tests").rglob("test_*.py")
        for found in NAMED.findall(path.read_text(encoding="utf-8"))
        for number in found.split("_")
    }
    assert named
    assert named <= NUMBERS


def test_each_fault_is_numbered_once() -> None:
    """A number is one fault."""
    numbers = re.findall(r"^\| (\d+) \|", CATALOGUE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(numbers) == len(set(numbers))
