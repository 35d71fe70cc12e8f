"""Slopes: the derivative of an expression by one of its leaves, as an expression, by the rules of calculus."""

from __future__ import annotations

from convoscope.look.expr import Apply, Choose, Each, Expression, Number, Product, Sum
from convoscope.look.expr_functions import FUNCTIONS

ZERO, ONE = Number(0.0), Number(1.0)


def slope(expression: Expression, leaf: Expression) -> Expression:
    """The slope d expression / d leaf, where leaf is one object inside it; every other leaf is held fixed.

    Sums and products by their rules, functions by the chain rule, a choice by the slope of the chosen. For x·x with
    one x held fixed it is 1·x; with the same object in both places it is 1·x + x·1.

    Raises:
        ValueError: the leaf is inside an `Each`, where it would be many.
    """
    if expression is leaf:
        return ONE
    match expression:
        case Sum(parts):
            return added([slope(part, leaf) for part in _plain(parts)])
        case Product(factors):
            return added(
                [times([*factors[:k], slope(factor, leaf), *factors[k + 1 :]]) for k, factor in enumerate(factors)]
            )
        case Choose(parts, chosen, rule):
            slopes = [slope(part, leaf) for part in _plain(parts)]
            return ZERO if all(is_number(s, 0.0) for s in slopes) else Choose(tuple(slopes), chosen, rule)
        case Apply(function, arguments):
            by_argument = FUNCTIONS[function].slopes
            return added(
                [
                    times([by_argument[k](*arguments), inner])
                    for k, argument in enumerate(arguments)
                    if k < len(by_argument) and not is_number(inner := slope(argument, leaf), 0.0)
                ]
            )
        case _:
            return ZERO


def added(terms: list[Expression]) -> Expression:
    """Their sum, without terms that are 0."""
    kept = [term for term in terms if not is_number(term, 0.0)]
    if len(kept) < 2:
        return kept[0] if kept else ZERO
    return Sum(tuple(kept))


def times(factors: list[Expression]) -> Expression:
    """Their product, without factors that are 1; 0 where one of them is 0."""
    if any(is_number(factor, 0.0) for factor in factors):
        return ZERO
    flat: list[Expression] = []
    for factor in factors:
        flat.extend(factor.factors if isinstance(factor, Product) and not factor.meaning else (factor,))
    kept = [factor for factor in flat if not is_number(factor, 1.0)]
    if len(kept) < 2:
        return kept[0] if kept else ONE
    return Product(tuple(kept))


def is_number(expression: Expression, value: float) -> bool:
    """Whether it is this plain number."""
    return isinstance(expression, Number) and expression.value == value


def _plain(parts: tuple[Expression | Each, ...]) -> list[Expression]:
    plain = [part for part in parts if not isinstance(part, Each)]
    if len(plain) != len(parts):
        raise ValueError("a leaf inside an Each stands for many; take one row first")
    return plain
