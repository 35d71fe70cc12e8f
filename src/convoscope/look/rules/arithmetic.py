"""Sums, products, powers, comparisons and choices of numbers at the same place."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from convoscope.look.expr import Column, Expression, Number, one_of
from convoscope.look.expr_functions import apply
from convoscope.look.expr_slope import is_number
from convoscope.look.expr_value import Value, measure
from convoscope.look.rules.pointwise import pointwise
from convoscope.look.rules.rule import NoRule

E = Expression


def value_of(expression: E) -> Value:
    """The value of an argument, one for each row where it has rows: what a choice is made by."""
    return measure(expression).value


def _scaled(x: E, alpha: E | None) -> E:
    return x if alpha is None or is_number(alpha, 1.0) else alpha * x


@pointwise("add")
def add(x: E, y: E, alpha: E | None = None) -> E:
    """Gives x + alpha y: 1 + 2 × 3 = 7. Slopes 1 and alpha."""
    return x + _scaled(y, alpha)


@pointwise("sub", "subtract")
def sub(x: E, y: E, alpha: E | None = None) -> E:
    """Gives x - alpha y: 1 - 2 × 3 = -5. Slopes 1 and -alpha."""
    return x - _scaled(y, alpha)


@pointwise("rsub")
def rsub(x: E, y: E, alpha: E | None = None) -> E:
    """Gives y - alpha x, the other way round: x = 1, y = 3, alpha = 2 gives 1."""
    return y - _scaled(x, alpha)


@pointwise("mul", "multiply")
def mul(x: E, y: E) -> E:
    """Gives x y: 2 × 3 = 6. The slope by each is the other: 3 and 2."""
    return x * y


@pointwise("div", "true_divide", "divide")
def div(x: E, y: E, rounding_mode: str | None = None) -> E:
    """Gives x / y: 3 / 2 = 1.5. Slopes 1/y = 0.5 and -x/y² = -0.75; a rounded quotient is flat."""
    quotient = x / y
    return quotient if rounding_mode is None else apply(rounding_mode, quotient)


@pointwise("floor_divide")
def floor_divide(x: E, y: E) -> E:
    """The whole part of x / y, rounded down: 7 / 2 gives 3. Flat."""
    return apply("floor", x / y)


@pointwise("remainder")
def remainder(x: E, y: E) -> E:
    """Gives x - y floor(x / y), with the sign of y: 7 and 2 give 1."""
    return x - y * apply("floor", x / y)


@pointwise("neg", "negative")
def neg(x: E) -> E:
    """-x: 2 gives -2. Slope -1."""
    return -x


@pointwise("pow")
def power(x: E, exponent: E) -> E:
    """Gives x to the power p: 3² = 9. Slopes p x^(p-1) = 6 and x^p log x."""
    return apply("pow", x, exponent)


@pointwise("square")
def square(x: E) -> E:
    """x²: 3 gives 9. Slope 2x = 6."""
    return apply("pow", x, Number(2.0))


for _name in ("exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "rsqrt", "reciprocal", "sin", "cos", "tan",
              "erf",
              "sign", "floor", "ceil", "trunc"):  # fmt: skip

    def _function(x: E, *_: object, name: str = _name) -> E:
        return apply(name, x)

    _function.__doc__ = f"{_name} of each number: x = 1 gives {_name}(1); its slope is in FUNCTIONS."
    pointwise(_name)(_function)


@pointwise("round")
def rounded(x: E, decimals: E | None = None) -> E:
    """Gives the nearest whole number, the even one of two: 2.5 gives 2. Flat."""
    if decimals is not None and not is_number(decimals, 0.0):
        raise NoRule("rounding to decimals has no rule")
    return apply("round", x)


def _bools(*given: E) -> None:
    for x in given:
        if isinstance(x, Column) and x.values.dtype != np.bool_:
            raise NoRule("an op on the bits of whole numbers has no rule")


@pointwise("abs", "absolute")
def absolute(x: E) -> E:
    """|x|: -3 gives 3. Slope -1 below 0, 1 above, 0 at 0."""
    return one_of("sign of x", np.sign(value_of(x)) + 1, -x, 0.0 * x, x)


@pointwise("clamp", "clip")
def clamp(x: E, low: E | None = None, high: E | None = None) -> E:
    """Gives x kept within [min, max]: 7 in [0, 6] gives 6. Slope 1 inside, bounds included, 0 outside."""
    value = value_of(x)
    below = False if low is None else value < value_of(low)
    above = False if high is None else value > value_of(high)
    which = np.where(above, 2, np.where(below, 1, 0))
    return one_of(
        "x kept within [min, max]", which, x, Number(0.0) if low is None else low, Number(0.0) if high is None else high
    )


@pointwise("clamp_min")
def clamp_min(x: E, low: E) -> E:
    """The larger of x and min: -1 and 0 give 0. Slope 1 where x >= min."""
    return clamp(x, low, None)


@pointwise("clamp_max")
def clamp_max(x: E, high: E) -> E:
    """The smaller of x and max: 7 and 6 give 6. Slope 1 where x <= max."""
    return clamp(x, None, high)


@pointwise("maximum", "fmax")
def maximum(x: E, y: E) -> E:
    """The larger of the two: 2 and 3 give 3. Slope 1 for the larger, a half each where they are equal."""
    which = np.sign(value_of(y) - value_of(x)) + 1
    return one_of("the larger", which, x, 0.5 * x + 0.5 * y, y)


@pointwise("minimum", "fmin")
def minimum(x: E, y: E) -> E:
    """The smaller of the two: 2 and 3 give 2. Slope 1 for the smaller, a half each where they are equal."""
    which = np.sign(value_of(x) - value_of(y)) + 1
    return one_of("the smaller", which, x, 0.5 * x + 0.5 * y, y)


@pointwise("where")
def where(condition: E, x: E, y: E) -> E:
    """Gives x where the condition holds, y elsewhere: (true, 2, 3) gives 2. Slope 1 for the one chosen."""
    return one_of("the condition", np.equal(value_of(condition), 0), x, y)


@pointwise("masked_fill")
def masked_fill(x: E, mask: E, value: E) -> E:
    """`value` where the mask holds, x elsewhere: (2, true, 0) gives 0."""
    return one_of("the mask", np.not_equal(value_of(mask), 0), x, value)


@pointwise("addcmul")
def addcmul(x: E, first: E, second: E, value: E) -> E:
    """Gives x + value · first · second: 1 + 2 × 3 × 4 = 25."""
    return x + _scaled(first * second, value)


@pointwise("addcdiv")
def addcdiv(x: E, first: E, second: E, value: E) -> E:
    """Gives x + value · first / second: 1 + 2 × 3 / 4 = 2.5."""
    return x + _scaled(first / second, value)


@pointwise("lerp")
def lerp(x: E, end: E, weight: E) -> E:
    """Gives x + weight (end - x): from 1 to 3 by 0.25 gives 1.5."""
    return x + weight * (end - x)


_COMPARISONS = {
    "gt": np.greater,
    "ge": np.greater_equal,
    "lt": np.less,
    "le": np.less_equal,
    "eq": np.equal,
    "ne": np.not_equal,
}
_SIGNS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "eq": "=", "ne": "!="}
for _name, _holds in _COMPARISONS.items():

    def _compare(x: E, y: E, *, holds: Callable[[Value, Value], Value] = _holds, sign: str = _SIGNS[_name]) -> E:
        return one_of(f"x {sign} y", holds(value_of(x), value_of(y)), 0.0, 1.0)

    _compare.__doc__ = f"1 where x {_SIGNS[_name]} y, else 0: 2 and 3. Flat."
    pointwise(_name)(_compare)


@pointwise("heaviside")
def heaviside(x: E, at_zero: E) -> E:
    """0 below 0, 1 above, `at_zero` at 0: 2 gives 1. Flat."""
    return one_of("sign of x", np.sign(value_of(x)) + 1, 0.0, at_zero, 1.0)


@pointwise("logical_not")
def logical_not(x: E) -> E:
    """Gives 1 where x is 0, else 0: 2 gives 0. Flat."""
    return one_of("x is 0", np.equal(value_of(x), 0), 0.0, 1.0)


@pointwise("logical_and")
def logical_and(x: E, y: E) -> E:
    """Gives 1 where neither is 0: 1 and 0 give 0. Flat."""
    return one_of("both hold", np.not_equal(value_of(x), 0) & np.not_equal(value_of(y), 0), 0.0, 1.0)


@pointwise("logical_or")
def logical_or(x: E, y: E) -> E:
    """Gives 1 where not both are 0: 1 and 0 give 1. Flat."""
    return one_of("one holds", np.not_equal(value_of(x), 0) | np.not_equal(value_of(y), 0), 0.0, 1.0)


@pointwise("bitwise_not")
def bitwise_not(x: E) -> E:
    """Gives 1 where a bool is 0, else 0. Flat."""
    _bools(x)
    return logical_not(x)


@pointwise("bitwise_and", "__and__")
def bitwise_and(x: E, y: E) -> E:
    """Gives 1 where both bools are 1: 1 and 0 give 0. Flat."""
    _bools(x, y)
    return logical_and(x, y)


@pointwise("bitwise_or", "__or__")
def bitwise_or(x: E, y: E) -> E:
    """Gives 1 where one of two bools is 1: 1 and 0 give 1. Flat."""
    _bools(x, y)
    return logical_or(x, y)
