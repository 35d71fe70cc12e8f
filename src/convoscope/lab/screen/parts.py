"""Expressions as the screen is told them: the seven kinds, each with its value, so that the page computes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

# A number that JSON cannot write is a text: "nan", "inf", "-inf".
Figure: TypeAlias = float | str


@dataclass(frozen=True)
class UnitPart:
    """One number of a node: its value, or its gradient; `at` has the batch axis first."""

    kind: Literal["unit"]
    node: str
    at: list[int]
    of: Literal["value", "gradient"]
    value: Figure
    dtype: str


@dataclass(frozen=True)
class ParamPart:
    """One number of a parameter or buffer."""

    kind: Literal["param"]
    node: str
    at: list[int]
    of: Literal["value", "gradient"]
    value: Figure
    dtype: str


@dataclass(frozen=True)
class NumberPart:
    """A constant, and what it means."""

    kind: Literal["number"]
    value: Figure
    meaning: str
    dtype: str


@dataclass(frozen=True)
class Rest:
    """The terms of a sum that are not shown."""

    n: int
    value: Figure


@dataclass(frozen=True)
class SumPart:
    """A sum, its largest terms first."""

    kind: Literal["sum"]
    value: Figure
    meaning: str
    n_terms: int
    terms: list[Part]
    rest: Rest | None


@dataclass(frozen=True)
class ProductPart:
    """A product."""

    kind: Literal["product"]
    value: Figure
    meaning: str
    factors: list[Part]


@dataclass(frozen=True)
class ChoosePart:
    """One of several; `chosen` is its place among `options`."""

    kind: Literal["choose"]
    value: Figure
    rule: str
    n_options: int
    chosen: int
    options: list[Part]


@dataclass(frozen=True)
class ApplyPart:
    """A function of its arguments."""

    kind: Literal["apply"]
    function: str
    value: Figure
    arguments: list[Part]
    recorded: Figure | None
    note: str


Part: TypeAlias = UnitPart | ParamPart | NumberPart | SumPart | ProductPart | ChoosePart | ApplyPart
