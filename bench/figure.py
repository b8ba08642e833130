"""A measured number with the bound it is held to."""

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

_RELATIONS = {"<=": operator.le, "==": operator.eq, ">=": operator.ge}


@dataclass(frozen=True)
class Figure:
    """What was measured, and what it must be."""

    name: str
    value: float
    unit: str
    bound: float
    relation: Literal["<=", "==", ">="]

    @property
    def holds(self) -> bool:
        """Whether the value is within its bound; a number that is none never is."""
        return not math.isnan(self.value) and bool(_RELATIONS[self.relation](self.value, self.bound))

    def __str__(self) -> str:
        mark = "holds" if self.holds else "FAILS"
        return f"{mark}  {self.name}: {self.value:g} {self.unit} ({self.relation} {self.bound:g})"


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of ``values``; NaN of none, so that no data never holds."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
