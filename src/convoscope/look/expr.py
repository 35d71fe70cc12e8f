"""Expressions: the arithmetic of one number, in seven kinds of part, each with the address it can be opened at.

A leaf is a `Unit`, a `Param` or a `Number`; the rest is a `Sum`, a `Product`, a `Choose` or an `Apply`. A long sum
holds its terms side by side: an `Each` is one template whose leaves are `Column`s, arrays of leaves, and it stands for
as many terms as its columns have rows. Evaluation runs over the arrays; a single term is made when somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

Of: TypeAlias = Literal["value", "gradient"]
Floats: TypeAlias = NDArray[Any]
Places: TypeAlias = NDArray[np.int64]
Part: TypeAlias = "Expression | Each"


class Expression:
    """Any of the seven kinds. The operators build sums and products: `x * w + b`."""

    def __add__(self, other: Expression | float) -> Expression:
        return Sum((*_terms(self), *_terms(number(other))))

    def __radd__(self, other: float) -> Expression:
        return number(other) + self

    def __sub__(self, other: Expression | float) -> Expression:
        return self + (-number(other))

    def __rsub__(self, other: float) -> Expression:
        return number(other) + (-self)

    def __mul__(self, other: Expression | float) -> Expression:
        return Product((*_factors(self), *_factors(number(other))))

    def __rmul__(self, other: float) -> Expression:
        return number(other) * self

    def __neg__(self) -> Expression:
        return replace(self, value=-self.value) if isinstance(self, Number) else Number(-1.0) * self

    def __truediv__(self, other: Expression | float) -> Expression:
        return self * Apply("reciprocal", (number(other),))

    def __rtruediv__(self, other: float) -> Expression:
        return number(other) / self

    def __pow__(self, other: Expression | float) -> Expression:
        return Apply("pow", (self, number(other)))


@dataclass(frozen=True)
class Unit(Expression):
    """One number of a node: its value, or dloss/dvalue where `of` is "gradient"; `at` is its full index.

    `value` is as recorded; `dtype` says how many digits it has.
    """

    node: str
    at: tuple[int, ...]
    value: float
    of: Of = "value"
    dtype: str = "float64"


@dataclass(frozen=True)
class Param(Expression):
    """One number of a parameter or buffer: like `Unit`, but learned or given, not computed."""

    node: str
    at: tuple[int, ...]
    value: float
    of: Of = "value"
    dtype: str = "float64"


@dataclass(frozen=True)
class Number(Expression):
    """A constant, and what it means ("eps", "1 / units in the window")."""

    value: float
    meaning: str = ""
    dtype: str = "float64"


@dataclass(frozen=True, eq=False)
class Column(Expression):
    """Many leaves of one kind, one a row; stands in the template of an `Each` only.

    Attributes:
        kind: What each row is.
        values: As recorded, one axis for each `Each` around it; an axis of size 1 holds for all rows.
        node: The node the rows are units of.
        flat: Each row's index in the node's value, row-major; the shape of `values`.
        shape: The node's shape.
        of: Whether the rows are values or gradients.
        meaning: What a column of numbers means.
    """

    kind: Literal["unit", "param", "number"]
    values: Floats
    node: str = ""
    flat: Places | None = None
    shape: tuple[int, ...] = ()
    of: Of = "value"
    meaning: str = ""

    @property
    def value(self) -> NDArray[np.float64]:
        """The rows' values in float64."""
        return self.values.astype(np.float64)

    @property
    def places(self) -> Places:
        """The rows' flat indices; raises TypeError for a column of numbers, which has none."""
        if self.flat is None:
            raise TypeError(f"a column of numbers ({self.meaning}) has no addresses")
        return self.flat

    def leaf(self) -> Expression:
        """The one leaf of a column without axes."""
        value, dtype = float(self.values), str(self.values.dtype)
        if self.kind == "number" or self.flat is None:
            return Number(value, self.meaning, dtype)
        at = tuple(int(i) for i in np.unravel_index(int(self.flat), self.shape))
        return (Unit if self.kind == "unit" else Param)(self.node, at, value, self.of, dtype)


@dataclass(frozen=True, eq=False)
class Each:
    """`count` terms of the same form, one for each row of the template's columns.

    Attributes:
        template: The form.
        count: How many terms there are.
        level: How many of the `Each`s around this one its own columns have an axis for.
    """

    template: Expression
    count: int
    level: int = 0


@dataclass(frozen=True)
class Sum(Expression):
    """A sum; `terms` gives its terms one by one, made from `parts` when asked for."""

    parts: tuple[Part, ...]
    meaning: str = ""

    @property
    def terms(self) -> Terms:
        """All terms, in the order of the parts."""
        return Terms(self.parts)


@dataclass(frozen=True)
class Product(Expression):
    """A product of its factors."""

    factors: tuple[Expression, ...]
    meaning: str = ""


@dataclass(frozen=True, eq=False)
class Choose(Expression):
    """One of several: option number `chosen`, as `rule` says ("the largest", "x > 0", "kept by the dropout mask")."""

    parts: tuple[Part, ...]
    chosen: int | Places
    rule: str

    @property
    def options(self) -> Terms:
        """All options, in order."""
        return Terms(self.parts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Choose):
            return NotImplemented
        same = self.rule == other.rule and bool(np.array_equal(self.chosen, other.chosen))
        return same and tuple(self.options) == tuple(other.options)

    __hash__ = None  # type: ignore[assignment]  # what is equal term by term has no cheap hash


@dataclass(frozen=True)
class Apply(Expression):
    """A named function of its arguments; `FUNCTIONS` holds how it is computed.

    `recorded` is given where the function takes more than its arguments here (a whole matrix): its value then stands as
    computed elsewhere, and `note` says how.
    """

    function: str
    arguments: tuple[Expression, ...]
    recorded: float | None = None
    note: str = ""


class Terms(Sequence[Expression]):
    """The parts of a sum or a choice one by one; a row of an `Each` is made when asked for."""

    def __init__(self, parts: tuple[Part, ...]) -> None:
        self.parts = parts
        self.ends = np.cumsum([part.count if isinstance(part, Each) else 1 for part in parts])

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    @overload
    def __getitem__(self, index: int) -> Expression: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Expression, ...]: ...
    def __getitem__(self, index: int | slice) -> Expression | tuple[Expression, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        index = index + len(self) if index < 0 else index
        if not 0 <= index < len(self):
            raise IndexError(f"term {index} of {len(self)}")
        which = int(np.searchsorted(self.ends, index, side="right"))
        part = self.parts[which]
        return take(part.template, int(index - self.ends[which] + part.count)) if isinstance(part, Each) else part

    def __iter__(self) -> Iterator[Expression]:
        return (self[i] for i in range(len(self)))


def take(expression: Expression, row: int | Places) -> Expression:
    """Row `row` of a template, or the template of these rows alone."""
    match expression:
        case Column():
            return _take_column(expression, row)
        case Sum(parts):
            return replace(expression, parts=tuple(_take_part(part, row) for part in parts))
        case Product(factors):
            return replace(expression, factors=tuple(take(factor, row) for factor in factors))
        case Apply(_, arguments):
            return replace(expression, arguments=tuple(take(argument, row) for argument in arguments))
        case Choose(parts, chosen):
            picked = _row(chosen, row) if isinstance(chosen, np.ndarray) else chosen
            picked = picked if isinstance(picked, np.ndarray) and picked.ndim else int(picked)
            return replace(expression, parts=tuple(_take_part(part, row) for part in parts), chosen=picked)
        case _:
            return expression


def number(value: Expression | float) -> Expression:
    """A plain number as an expression; an expression as it is."""
    return value if isinstance(value, Expression) else Number(float(value))


def one_of(rule: str, chosen: ArrayLike, *options: Expression | float) -> Choose:
    """`options[chosen]`; `chosen` is an int or bool, or an array of them beside columns."""
    picked = np.asarray(chosen).astype(np.int64)
    return Choose(tuple(number(option) for option in options), picked if picked.ndim else int(picked), rule)


def total(template: Expression, count: int, meaning: str = "", level: int = 0) -> Sum:
    """The sum over the rows of a template."""
    return Sum((Each(template, count, level),), meaning)


def _take_part(part: Part, row: int | Places) -> Part:
    if not isinstance(part, Each):
        return take(part, row)
    # Level 0 has no axis of the rows taken here: it is the same for every row.
    if part.level == 0:
        return part
    level = part.level if isinstance(row, np.ndarray) else part.level - 1
    return Each(take(part.template, row), part.count, level)


def _take_column(column: Column, row: int | Places) -> Expression:
    flat = None if column.flat is None else _row(column.flat, row)
    taken = replace(column, values=_row(column.values, row), flat=flat)
    return taken if taken.values.ndim else taken.leaf()


def _row(array: NDArray[Any], row: int | Places) -> NDArray[Any]:
    if array.ndim == 0:
        return array
    if array.shape[0] == 1:
        return array if isinstance(row, np.ndarray) else array[0]
    return np.asarray(array[row])


def _terms(expression: Expression) -> tuple[Part, ...]:
    return expression.parts if isinstance(expression, Sum) and not expression.meaning else (expression,)


def _factors(expression: Expression) -> tuple[Expression, ...]:
    return expression.factors if isinstance(expression, Product) and not expression.meaning else (expression,)
