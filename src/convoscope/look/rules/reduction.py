"""Ops that make one number of many along some axes: sums, means, the largest, norms, variances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from convoscope.graph.graph import Node
from convoscope.look.expr import Choose, Column, Each, Expression, Number, Places, Product, one_of, total
from convoscope.look.expr_functions import apply
from convoscope.look.expr_slope import times
from convoscope.look.rules.arithmetic import value_of
from convoscope.look.rules.rule import (
    OUTPUT,
    RULES,
    At,
    NoRule,
    Place,
    Rule,
    See,
    flat_of,
    grid,
    name_of,
    none,
    optional,
    rule,
    summed,
)


@dataclass(frozen=True)
class Group:
    """The units that one number is made of.

    Attributes:
        column: All of them.
        count: How many.
        at: The place of the one asked about, among them; -1 going forward.
    """

    column: Column
    count: int
    at: int = -1


class Reduction(Rule):
    """Forward: `value` of the group. Backward: dloss/dy times `partial`, for the group that the unit is in."""

    def value(self, node: Node, group: Group, see: See) -> Expression:
        """What the group comes to."""
        raise NotImplementedError

    def partial(self, node: Node, group: Group, x: Expression, y: Expression) -> Expression:
        """dy/dx for one unit x of the group."""
        raise NotImplementedError

    def forward(self, node: Node, at: At, see: See) -> Expression:
        """The value of the units along the axes."""
        return self.value(node, self._group(node, at, see), see)

    def backward(self, node: Node, place: Place, at: At, see: See) -> Expression:  # noqa: ARG002 - it has one input
        """dloss/dy times dy/dx."""
        if optional(node, OUTPUT, 0) == 1:
            return none("a position has no slope")
        source = name_of(node.args[0])
        axes, keeps = self._axes(node, see)
        out = tuple(0 if k in axes else i for k, i in enumerate(at) if keeps or k not in axes)
        group = self._group(node, out, see)
        inside = int(np.flatnonzero(group.column.places == flat_of(at, see.shape(source)))[0])
        y = see.unit(node.name, out)
        by = self.partial(node, Group(group.column, group.count, inside), see.unit(source, at), y)
        return times([see.gradient(node, out), by])

    def _group(self, node: Node, at: At, see: See) -> Group:
        source = name_of(node.args[0])
        shape = see.shape(source)
        axes, keeps = self._axes(node, see)
        rest = list(at) if keeps else [0 if k in axes else -1 for k in range(len(shape))]
        if not keeps:
            given = iter(at)
            rest = [0 if k in axes else next(given) for k in range(len(shape))]
        places = grid(shape, *(np.arange(n) if k in axes else rest[k] for k, n in enumerate(shape)))
        return Group(see.units(source, places), len(places))

    def _axes(self, node: Node, see: See) -> tuple[set[int], bool]:
        n_axes = len(see.shape(name_of(node.args[0])))
        given: Any = optional(node, "dim")
        if given is None or given == ():
            return set(range(n_axes)), bool(optional(node, "keepdim", False))
        dims = given if isinstance(given, tuple) else (given,)
        return {int(dim) % max(n_axes, 1) for dim in dims} & set(range(n_axes)), bool(optional(node, "keepdim", False))


@rule("sum")
class Total(Reduction):
    """1 + 2 + 3 = 6; each takes dloss/dy."""

    def value(self, node: Node, group: Group, see: See) -> Expression:  # noqa: ARG002 - one signature for all
        """Their sum."""
        return summed(group.column, group.count, "the sum of nothing")

    def partial(self, node: Node, group: Group, x: Expression, y: Expression) -> Expression:  # noqa: ARG002
        """1."""
        return Number(1.0)


@rule("mean")
class Mean(Reduction):
    """(1 + 2 + 3) / 3 = 2; each takes a third of dloss/dy."""

    def value(self, node: Node, group: Group, see: See) -> Expression:  # noqa: ARG002
        """Their sum times 1/n."""
        return times([share(group.count), summed(group.column, group.count, "the sum of nothing")])

    def partial(self, node: Node, group: Group, x: Expression, y: Expression) -> Expression:  # noqa: ARG002
        """1/n."""
        return share(group.count)


@rule("amax", "amin", "max", "min", "median")
class Extreme(Reduction):
    """Of (1, 3, 3) the largest is 3.

    `max` with an axis gives the gradient to the unit it chose; amax, and max of all, give tied ones equal parts: 1/2.
    """

    def value(self, node: Node, group: Group, see: See) -> Expression:  # noqa: ARG002
        """The chosen one; its position along the axis for the op's second value."""
        chosen = self._chosen(node, group)
        if optional(node, OUTPUT, 0) == 1:
            return Number(float(chosen), "position of the chosen one")
        word = {"a": node.op[1:]}.get(node.op[0], node.op)
        return Choose((Each(group.column, group.count),), chosen, f"the {word} of them")

    def partial(self, node: Node, group: Group, x: Expression, y: Expression) -> Expression:  # noqa: ARG002
        """1 for the one chosen, or 1/n for each of n equal ones."""
        values = group.column.values
        chosen = self._chosen(node, group)
        if OUTPUT in node.argument_names:
            return one_of("it is the one chosen", group.at == chosen, 0.0, 1.0)
        tied = int(np.sum(values == values[chosen]))
        share_of_tie = Number(1 / tied, f"1 / {tied} equal ones")
        return one_of("it is one of the chosen", bool(values[group.at] == values[chosen]), 0.0, share_of_tie)

    def forward(self, node: Node, at: At, see: See) -> Expression:
        """The largest along the axes, or of two values place by place."""
        if "other" in node.argument_names:
            return RULES[f"{node.op}imum"].forward(node, at, see)
        return super().forward(node, at, see)

    def backward(self, node: Node, place: Place, at: At, see: See) -> Expression:
        """To the chosen one."""
        if "other" in node.argument_names:
            return RULES[f"{node.op}imum"].backward(node, place, at, see)
        return super().backward(node, place, at, see)

    def _chosen(self, node: Node, group: Group) -> int:
        values = group.column.values
        if node.op == "median":
            if len(np.unique(values)) < len(values):
                raise NoRule("which of several equal units a median takes is not recorded")
            return int(np.argsort(values)[(len(values) - 1) // 2])
        return int(np.argmax(values) if node.op.endswith("max") else np.argmin(values))


@rule("argmax", "argmin")
class Position(Reduction):
    """Where the largest is: of (1, 3, 2) it is 1. A position has no slope."""

    def value(self, node: Node, group: Group, see: See) -> Expression:  # noqa: ARG002
        """The position, the first if tied."""
        values = group.column.values
        return Number(
            float(np.argmax(values) if node.op == "argmax" else np.argmin(values)), "position of the chosen one"
        )

    def backward(self, node: Node, place: Place, at: At, see: See) -> Expression:  # noqa: ARG002
        """Nothing."""
        return none("a position has no slope")


@rule("var", "std")
class Variance(Reduction):
    """Of (1, 2, 3) with mean 2: (1 + 0 + 1) / (3 - 1) = 1; by x_0 it is 2 (1 - 2) / 2 = -1. `std` is its root."""

    def value(self, node: Node, group: Group, see: See) -> Expression:  # noqa: ARG002
        """Σ (x - mean)² / (n - correction), under a root for std."""
        away = group.column - average(group.column, group.count)
        added = total(Product((away, away)), group.count)
        variance = Product((self._share(node, group), added), "variance")
        return variance if node.op == "var" else apply("sqrt", variance)

    def partial(self, node: Node, group: Group, x: Expression, y: Expression) -> Expression:
        """2 (x - mean) / (n - correction), and for std that over 2 y."""
        away = x - average(group.column, group.count)
        by = 2.0 * self._share(node, group) * away
        return by if node.op == "var" else by * 0.5 / y

    def _share(self, node: Node, group: Group) -> Number:
        correction = optional(node, "correction", optional(node, "unbiased", True))
        less = 1.0 if correction is None else float(correction)  # type: ignore[arg-type]  # its schema says a number
        return Number(
            1 / (group.count - less) if group.count > less else float("nan"), f"1 / ({group.count} - {less:g})"
        )


@rule("linalg_vector_norm")
class Norm(Reduction):
    """(Σ |x|^p)^(1/p): of (3, 4) with p = 2 it is 5, and by x_0 3/5."""

    def value(self, node: Node, group: Group, see: See) -> Expression:  # noqa: ARG002
        """The root of the sum of powers."""
        order = self._order(node)
        if order == 2:
            return apply("sqrt", total(Product((group.column, group.column)), group.count))
        sizes = one_of("sign of x", value_of(group.column) > 0, -group.column, group.column)
        if order == 1:
            return total(sizes, group.count)
        return apply("pow", total(apply("pow", sizes, Number(order, "ord")), group.count), Number(1 / order, "1 / ord"))

    def partial(self, node: Node, group: Group, x: Expression, y: Expression) -> Expression:  # noqa: ARG002
        """sign(x) (|x| / y)^(p-1); 0 at x = 0."""
        order = self._order(node)
        sign = np.sign(value_of(x))
        if sign == 0:
            return none("|x| is 0")
        size = one_of("sign of x", sign > 0, -x, x)
        return times([Number(float(sign), "sign of x"), apply("pow", size / y, Number(order - 1))])

    def _order(self, node: Node) -> float:
        given: Any = optional(node, "ord", optional(node, "p", 2.0))
        order = 2.0 if given is None else float(given)
        if order in (0.0, float("inf"), float("-inf")):
            raise NoRule(f"a norm of order {order} has no rule")
        return order


@rule("logsumexp")
class LogSumExp(Reduction):
    """log(exp 0 + exp 0) = 0.693; by each x it is exp(x - y) = 1/2."""

    def value(self, node: Node, group: Group, see: See) -> Expression:  # noqa: ARG002
        """The logarithm of the sum of exponentials."""
        return log_sum_exp(group.column, group.count)

    def partial(self, node: Node, group: Group, x: Expression, y: Expression) -> Expression:  # noqa: ARG002
        """exp(x - y)."""
        return apply("exp", x - y)


@rule("prod")
class Multiplied(Reduction):
    """2 × 3 × 4 = 24; by the 2 it is 3 × 4 = 12."""

    def value(self, node: Node, group: Group, see: See) -> Expression:  # noqa: ARG002
        """Their product."""
        return Product(
            tuple(Each(group.column, group.count).template if group.count == 1 else p for p in _leaves(group))
        )

    def partial(self, node: Node, group: Group, x: Expression, y: Expression) -> Expression:  # noqa: ARG002
        """The product of the others."""
        return times([leaf for k, leaf in enumerate(_leaves(group)) if k != group.at])


@rule("cumsum")
class RunningTotal(Rule):
    """(1, 2, 3) gives (1, 3, 6); backward each takes dloss/dy of its own place and all behind it."""

    def forward(self, node: Node, at: At, see: See) -> Expression:
        """The sum up to here."""
        places = self._along(node, at, see, slice(None, at[self._axis(node, at)] + 1))
        return summed(see.units(name_of(node.args[0]), places), len(places), "nothing")

    def backward(self, node: Node, place: Place, at: At, see: See) -> Expression:  # noqa: ARG002
        """dloss/dy from here on."""
        places = self._along(node, at, see, slice(at[self._axis(node, at)], None))
        return summed(see.gradients(node, places), len(places), "nothing")

    def _axis(self, node: Node, at: At) -> int:
        return int(node.argument("dim")) % len(at)  # type: ignore[arg-type]  # its schema says int

    def _along(self, node: Node, at: At, see: See, part: slice) -> Places:
        shape, axis = see.shape(node.name), self._axis(node, at)
        return grid(shape, *(np.arange(n)[part] if k == axis else at[k] for k, n in enumerate(shape)))


def share(count: int) -> Number:
    """1 / n."""
    return Number(1 / count if count else float("nan"), f"1 / {count}")


def average(column: Expression, count: int, level: int = 0) -> Product:
    """The mean over the rows of a column."""
    return Product((share(count), total(column, count, level=level)), "mean")


def log_sum_exp(column: Column, count: int, level: int = 0) -> Expression:
    """Gives m + log Σ exp(x - m), where m, the largest, keeps exp from overflowing: one an outer row at level 1."""
    largest = column.value.max(axis=-1)
    finite = np.where(np.isfinite(largest), largest, 0.0)
    meaning = "the largest, taken out so that exp cannot overflow"
    m = Column("number", finite, meaning=meaning) if level else Number(float(finite), meaning)
    return m + apply("log", total(apply("exp", column - m), count, level=level))


def _leaves(group: Group) -> tuple[Expression, ...]:
    return tuple(total(group.column, group.count).terms)
