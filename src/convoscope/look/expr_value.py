"""Evaluation: the value of an expression in float64, and the sum of |terms| that its rounding error is bounded by."""

from __future__ import annotations

from functools import reduce
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convoscope.look.expr import Apply, Choose, Column, Each, Expression, Part, Product, Sum, take
from convoscope.look.expr_functions import FUNCTIONS

Value: TypeAlias = NDArray[np.float64]
NOTHING = np.zeros(())


class Measured(NamedTuple):
    """What an expression comes to: numbers without axes, or one for each row of its columns.

    Attributes:
        value: In float64.
        scale: The same arithmetic with every |term| added up: |w x| + |b| for w x + b; |f(x)| for a function.
    """

    value: Value
    scale: Value


def measure(expression: Expression) -> Measured:
    """The value and the scale of an expression; shared parts are computed once."""
    with np.errstate(all="ignore"):
        return _measure(expression, {})


def evaluate(expression: Expression) -> float:
    """The value of an expression in float64."""
    return float(measure(expression).value)


def term_values(parts: tuple[Part, ...]) -> Value:
    """The value of each term of a sum, in the order of its terms: (n,)."""
    memo: dict[int, Measured] = {}
    found = []
    with np.errstate(all="ignore"):
        for part in parts:
            if isinstance(part, Each):
                found.append(np.broadcast_to(_measure(part.template, memo).value, (part.count,)))
            else:
                found.append(np.reshape(_measure(part, memo).value, (1,)))
    return np.concatenate(found) if found else np.zeros(0)


def _measure(expression: Expression, memo: dict[int, Measured]) -> Measured:
    found = memo.get(id(expression))
    if found is None:
        found = memo[id(expression)] = _fresh(expression, memo)
    return found


def _fresh(expression: Expression, memo: dict[int, Measured]) -> Measured:
    match expression:
        case Sum(parts):
            measured = [_part(part, memo) for part in parts]
            values, scales = [m.value for m in measured], [m.scale for m in measured]
            return Measured(reduce(_added, values, NOTHING), reduce(_added, scales, NOTHING))
        case Product(factors):
            measured = [_measure(factor, memo) for factor in factors]
            return Measured(reduce(_times, [m.value for m in measured]), reduce(_times, [m.scale for m in measured]))
        case Apply(function, arguments, recorded):
            if recorded is not None:
                return Measured(np.asarray(recorded), np.asarray(abs(recorded)))
            values = _aligned([_measure(argument, memo).value for argument in arguments])
            value = FUNCTIONS[function].compute(*values)
            return Measured(value, np.abs(value))
        case Choose():
            return _choose(expression, memo)
        case Column():
            value = expression.value
            return Measured(value, np.abs(value))
        case _:
            leaf = float(expression.value)  # type: ignore[attr-defined]  # Unit, Param and Number are left
            return Measured(np.asarray(leaf), np.asarray(abs(leaf)))


def _part(part: Part, memo: dict[int, Measured]) -> Measured:
    """The sum over an `Each`: its own axis stands behind the axes of the `Each`s around it."""
    if not isinstance(part, Each):
        return _measure(part, memo)
    inside = _measure(part.template, memo)
    return Measured(_over(inside.value, part), _over(inside.scale, part))


def _over(values: Value, each: Each) -> Value:
    array = np.asarray(values)
    if array.ndim <= each.level:
        array = array.reshape(array.shape + (1,) * (each.level + 1 - array.ndim))
    # A template that is the same in every row has an axis of size 1, or none.
    times = 1 if array.shape[each.level] == each.count else each.count
    return np.asarray(array.sum(axis=each.level) * times)


def _choose(choice: Choose, memo: dict[int, Measured]) -> Measured:
    if not isinstance(choice.chosen, np.ndarray):
        if any(isinstance(part, Each) for part in choice.parts):
            return _measure(choice.options[choice.chosen], {})
        return _measure(choice.parts[choice.chosen], memo)  # type: ignore[arg-type]  # no `Each` is left
    options = [_measure(part, memo) for part in choice.parts if not isinstance(part, Each)]
    chosen = choice.chosen.astype(np.float64)
    return Measured(_picked(chosen, [m.value for m in options]), _picked(chosen, [m.scale for m in options]))


def _picked(chosen: Value, values: list[Value]) -> Value:
    which, *met = _aligned([chosen, *values])
    return np.asarray(np.select([which == k for k in range(len(met))], met))


def _aligned(values: list[Value]) -> list[Value]:
    """The same arrays with axes of size 1 behind, so that they meet from the outermost axis on."""
    n_axes = max(np.ndim(value) for value in values)
    return [np.reshape(v, np.shape(v) + (1,) * (n_axes - np.ndim(v))) if np.ndim(v) < n_axes else v for v in values]


def _added(a: Value, b: Value) -> Value:
    if np.ndim(a) and np.ndim(b) and np.ndim(a) != np.ndim(b):
        a, b = _aligned([a, b])
    return np.asarray(a + b)


def _times(a: Value, b: Value) -> Value:
    if np.ndim(a) and np.ndim(b) and np.ndim(a) != np.ndim(b):
        a, b = _aligned([a, b])
    return np.asarray(a * b)


def rows_of(part: Each, rows: NDArray[np.int64]) -> Each:
    """The same terms, these rows alone."""
    return Each(take(part.template, rows), len(rows), part.level)
