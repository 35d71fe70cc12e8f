"""Losses: how far the answer is from the target, and which way each number should go."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convoscope.graph.graph import Node, Ref
from convoscope.look.expr import Column, Expression, Number, Places, one_of, total
from convoscope.look.expr_functions import apply
from convoscope.look.expr_slope import times
from convoscope.look.rules.arithmetic import absolute, value_of
from convoscope.look.rules.pointwise import MEAN, Reduced, pointwise
from convoscope.look.rules.reduction import log_sum_exp
from convoscope.look.rules.rule import At, NoRule, Place, Rule, See, flat_of, name_of, none, rule, size_of, summed

E = Expression
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """A loss over classes, row by row: one row for each image, or for each position of an image.

    Attributes:
        flat: The flat index of each row's class scores: (R, K).
        target: The label of each row, (R,), or None where the target has a share for each class.
        weight: The weight of each class, (K,): 1 where none was given.
        share: How much of each row's loss is each class's: (R, K).
        divisor: What the sum over rows is divided by.
    """

    flat: Places
    target: Places | None
    weight: Floats
    share: Floats
    divisor: float


def _flat(shape: At) -> Places:
    """(N, K, ...) as rows of classes: (R, K)."""
    places = np.arange(size_of(shape)).reshape(shape)
    return places[None] if len(shape) == 1 else np.moveaxis(places, 1, -1).reshape(-1, shape[1])


def _rows(node: Node, see: See) -> Rows:
    key = ("rows", node.name)
    if key not in see.memo:
        see.memo[key] = _made(node, see)
    found: Rows = see.memo[key]
    return found


def _made(node: Node, see: See) -> Rows:
    flat = _flat(see.shape(name_of(node.args[0])))
    n_rows, n_classes = flat.shape
    given, smoothing = node.argument("weight"), 0.0
    weight = np.ones(n_classes)
    if isinstance(given, Ref):
        weight = see.numbers(given.node, np.arange(n_classes)).astype(np.float64)
    if "label_smoothing" in node.argument_names:
        smoothing = float(node.argument("label_smoothing"))  # type: ignore[arg-type]  # its schema says float
    mean = node.argument("reduction") == MEAN
    source = name_of(node.args[1])
    if see.tensor(source).is_floating_point():
        shares = see.numbers(source, flat).astype(np.float64)
        shares = (shares * (1 - smoothing) + smoothing / n_classes) * weight
        return Rows(flat, None, weight, shares, float(n_rows) if mean else 1.0)
    target = see.numbers(source, np.arange(n_rows)).astype(np.int64)
    counted = target != node.argument("ignore_index")
    label = np.where(counted, target, 0)
    shares = np.tile(smoothing / n_classes * weight, (n_rows, 1))
    shares[np.arange(n_rows), label] += (1 - smoothing) * weight[label]
    divisor = float(weight[label][counted].sum()) if mean else 1.0
    return Rows(flat, target, weight, shares * counted[:, None], divisor)


def _over(rows: Rows) -> Number:
    return Number(1 / rows.divisor if rows.divisor else float("nan"), f"1 / {rows.divisor:g}, the weight of all rows")


class ByClass(Rule):
    """What cross-entropy and its like share: rows, their mean or sum, or each by itself."""

    def row(self, node: Node, rows: Rows, picked: Places, see: See) -> Expression:
        """The loss of these rows, as a template over them."""
        raise NotImplementedError

    def partial(self, node: Node, rows: Rows, row: int, k: int, see: See) -> Expression:
        """The slope of a row's loss by its class k."""
        raise NotImplementedError

    def forward(self, node: Node, at: At, see: See) -> Expression:
        """The row's loss, or the sum over rows, divided by their weight where it is a mean."""
        rows = _rows(node, see)
        if node.argument("reduction") == 0:
            picked = np.asarray([flat_of(at, see.shape(node.name))])
            return summed(self.row(node, rows, picked, see), 1, "no row")
        added = summed(self.row(node, rows, np.arange(len(rows.flat)), see), len(rows.flat), "no row")
        return times([_over(rows), added]) if node.argument("reduction") == MEAN else added

    def backward(self, node: Node, place: Place, at: At, see: See) -> Expression:
        """dloss/dy times the slope of the one row that the score is in."""
        if place.name != node.argument_names[0]:
            return self.by_other(node, place, at, see)
        rows = _rows(node, see)
        row, k = (int(i[0]) for i in np.nonzero(rows.flat == flat_of(at, see.shape(name_of(node.args[0])))))
        return times([*self.above(node, row, rows, see), self.partial(node, rows, row, k, see)])

    def above(self, node: Node, row: int, rows: Rows, see: See) -> list[Expression]:
        """dloss/dy of a row, and the 1/n of a mean."""
        reduction = node.argument("reduction")
        shape = see.shape(node.name)
        at = tuple(int(i) for i in np.unravel_index(row, shape)) if reduction == 0 and shape else ()
        return [see.gradient(node, at), *([_over(rows)] if reduction == MEAN else [])]

    def by_other(self, node: Node, place: Place, at: At, see: See) -> Expression:  # noqa: ARG002
        """By the target or the class weights."""
        if (
            isinstance(node.argument(place.name), Ref)
            and not see.tensor(name_of(node.argument(place.name))).is_floating_point()
        ):
            return none("a label has no slope")
        raise NoRule(f"{node.op} by its {place.name} has no rule")


@rule("cross_entropy_loss")
class CrossEntropy(ByClass):
    """Σ_k q_k (log Σ exp(x) - x_k), q 1 at the label: x = (0, 0) gives 0.693; by x it is softmax - q = (-1/2, 1/2).

    Label smoothing s makes q (1 - s) at the label plus s/K everywhere (Szegedy et al. 2016, section 7); class weights
    multiply q, and a mean divides by the weights of the labels.
    """

    def row(self, node: Node, rows: Rows, picked: Places, see: See) -> Expression:
        """The classes with a share: the label alone, or all of them."""
        flat, share = rows.flat[picked], rows.share[picked]
        n_classes = flat.shape[1]
        scores = see.units(name_of(node.args[0]), flat)
        log_sum = log_sum_exp(scores, n_classes, level=1)
        if rows.target is not None and not node.argument("label_smoothing"):
            label = np.clip(rows.target[picked], 0, n_classes - 1)
            own = (np.arange(len(picked)), label)
            q = Column("number", share[own], meaning="weight of the label")
            return times([q, log_sum - see.units(name_of(node.args[0]), flat[own])])
        q = Column("number", share, meaning="share of the class")
        return total(times([q, log_sum - scores]), n_classes, level=1)

    def partial(self, node: Node, rows: Rows, row: int, k: int, see: See) -> Expression:
        """Σ q · softmax_k - q_k."""
        scores = see.units(name_of(node.args[0]), rows.flat[row])
        own = see.unit_at(name_of(node.args[0]), rows.flat[row, k])
        probability = apply("exp", own - log_sum_exp(scores, len(rows.flat[row])))
        q = float(rows.share[row, k])
        return Number(float(rows.share[row].sum()), "the row's shares together") * probability - Number(q, "its share")

    def by_other(self, node: Node, place: Place, at: At, see: See) -> Expression:
        """By a target with shares: (1 - s) w_k (log Σ exp(x) - x_k)."""
        rows = _rows(node, see)
        if place.name != "target" or rows.target is not None:
            return super().by_other(node, place, at, see)
        row, k = (int(i[0]) for i in np.nonzero(rows.flat == flat_of(at, see.shape(name_of(node.args[1])))))
        scores = see.units(name_of(node.args[0]), rows.flat[row])
        own = see.unit_at(name_of(node.args[0]), rows.flat[row, k])
        smoothing = float(node.argument("label_smoothing"))  # type: ignore[arg-type]
        weight = Number((1 - smoothing) * float(rows.weight[k]), "(1 - smoothing) · class weight")
        return times([*self.above(node, row, rows, see), weight, log_sum_exp(scores, len(rows.flat[row])) - own])


@rule("nll_loss_nd")
class NegativeLogLikelihood(ByClass):
    """-x at the label: x = (-0.7, -0.7) gives 0.7, and by the label's x it is -1."""

    def row(self, node: Node, rows: Rows, picked: Places, see: See) -> Expression:
        """Minus the weight of the label times its number."""
        target = np.zeros(0, np.int64) if rows.target is None else rows.target
        label = np.clip(target[picked], 0, rows.flat.shape[1] - 1)
        weight = Column("number", -rows.share[picked, label], meaning="minus the weight of the label")
        return times([weight, see.units(name_of(node.args[0]), rows.flat[picked, label])])

    def partial(self, node: Node, rows: Rows, row: int, k: int, see: See) -> Expression:  # noqa: ARG002
        """Minus the weight at the label, 0 elsewhere."""
        return Number(-float(rows.share[row, k]), "minus the weight of the label, 0 for other classes")


@rule("multi_margin_loss")
class MultiMargin(Rule):
    """1/K Σ over the other classes of max(0, margin - x_label + x_k)^p: x = (1, 0.5), label 0 gives 0.5 / 2 = 0.25."""

    def forward(self, node: Node, at: At, see: See) -> Expression:
        """A row's hinges, or those of all rows."""
        flat, target = self._rows(node, see)
        picked = np.arange(len(flat))
        if node.argument("reduction") == 0:
            picked = np.asarray([flat_of(at, see.shape(node.name))])
        template = total(self._hinges(node, flat[picked], target[picked], see), flat.shape[1], level=1)
        added = summed(template, len(picked), "no row")
        return times([self._share(node, flat), added])

    def backward(self, node: Node, place: Place, at: At, see: See) -> Expression:
        """Gives p · hinge^(p-1) where it is above 0: added for another class, all taken off for the label."""
        if place.name != node.argument_names[0]:
            return none("a label has no slope")
        flat, target = self._rows(node, see)
        row, k = (int(i[0]) for i in np.nonzero(flat == flat_of(at, see.shape(name_of(node.args[0])))))
        shape = see.shape(node.name)
        gradient = see.gradient(node, (row,) if shape else ())
        above = [gradient, self._share(node, flat)]
        if k != target[row]:
            return times([*above, self._slopes(node, flat[row, [k]], target[[row]], flat[[row], target[[row]]], see)])
        others = np.delete(np.arange(flat.shape[1]), k)
        labels = np.full(len(others), flat[row, k])
        slopes = self._slopes(node, flat[row, others], np.full(len(others), k), labels, see, many=True)
        return times([*above, Number(-1.0), summed(slopes, len(others), "there is no other class")])

    def _rows(self, node: Node, see: See) -> tuple[Places, Places]:
        flat = _flat(see.shape(name_of(node.args[0])))
        return flat, see.numbers(name_of(node.args[1]), np.arange(len(flat))).astype(np.int64)

    def _share(self, node: Node, flat: Places) -> Number:
        n_rows = len(flat) if node.argument("reduction") == MEAN else 1
        return Number(1 / (flat.shape[1] * n_rows), f"1 / {flat.shape[1]} classes" + f" / {n_rows} rows" * (n_rows > 1))

    def _distance(self, node: Node, scores: E, label: E) -> E:
        return Number(float(node.argument("margin")), "margin") - label + scores  # type: ignore[arg-type]

    def _weighed(self, node: Node, target: Places, see: See) -> list[Expression]:
        weight = node.argument("weight")
        return [see.units(weight.node, target)] if isinstance(weight, Ref) else []

    def _hinges(self, node: Node, flat: Places, target: Places, see: See) -> Expression:
        source = name_of(node.args[0])
        label = see.units(source, flat[np.arange(len(flat)), target])
        distance = self._distance(node, see.units(source, flat), label)
        counts = (value_of(distance) > 0) & (np.arange(flat.shape[1]) != target[:, None])
        hinge = times([*self._weighed(node, target, see), *[distance] * int(node.argument("p"))])  # type: ignore[arg-type]
        return one_of("above 0, and not the label itself", counts, 0.0, hinge)

    def _slopes(
        self, node: Node, flat: Places, target: Places, label: Places, see: See, many: bool = False
    ) -> Expression:
        source = name_of(node.args[0])
        distance = self._distance(node, see.units(source, flat), see.units(source, label))
        p = int(node.argument("p"))  # type: ignore[arg-type]
        rest = [Number(float(p), "p"), distance] if p > 1 else [Number(1.0)]
        by = one_of("above 0", value_of(distance) > 0, 0.0, times([*self._weighed(node, target, see), *rest]))
        return by if many else summed(by, 1, "no class")


@pointwise("mse_loss", kind=Reduced)
def mse_loss(x: E, target: E, *_: object) -> E:
    """(x - t)²: 3 and 1 give 4; slope 2 (x - t) = 4."""
    return apply("pow", x - target, Number(2.0))


@pointwise("l1_loss", kind=Reduced)
def l1_loss(x: E, target: E, *_: object) -> E:
    """|x - t|: 3 and 1 give 2; slope the sign of x - t."""
    return absolute(x - target)


@pointwise("smooth_l1_loss", kind=Reduced)
def smooth_l1_loss(x: E, target: E, reduction: E, beta: E) -> E:  # noqa: ARG001 - its schema has it
    """(x - t)² / (2 beta) within beta, |x - t| - beta/2 outside: 3, 1 and beta 1 give 1.5."""
    away = x - target
    near = np.abs(value_of(away)) < value_of(beta)
    return one_of("|x - t| < beta", near, absolute(away) - 0.5 * beta, 0.5 * away * away / beta)


@pointwise("huber_loss", kind=Reduced)
def huber_loss(x: E, target: E, reduction: E, delta: E) -> E:  # noqa: ARG001
    """(x - t)² / 2 within delta, delta (|x - t| - delta/2) outside: 3, 1 and delta 1 give 1.5."""
    away = x - target
    near = np.abs(value_of(away)) <= value_of(delta)
    return one_of("|x - t| <= delta", near, delta * (absolute(away) - 0.5 * delta), 0.5 * away * away)


def _log_at_least(x: E) -> E:
    """Gives log x, but not below -100, as torch's binary cross-entropy has it."""
    low = np.log(np.maximum(value_of(x), 0), where=value_of(x) > 0, out=np.full(np.shape(value_of(x)), -np.inf)) < -100
    return one_of("log x kept above -100", low, apply("log", x), -100.0)


@pointwise("binary_cross_entropy", kind=Reduced)
def binary_cross_entropy(x: E, target: E, weight: E | None = None, *_: object) -> E:
    """-(t log x + (1 - t) log(1 - x)): 0.5 and 1 give 0.693."""
    loss = -(target * _log_at_least(x) + (1.0 - target) * _log_at_least(1.0 - x))
    return loss if weight is None else weight * loss


@pointwise("binary_cross_entropy_with_logits", kind=Reduced)
def binary_cross_entropy_with_logits(
    x: E, target: E, weight: E | None = None, pos_weight: E | None = None, *_: object
) -> E:
    """-(p t log σ(x) + (1 - t) log(1 - σ(x))): 0 and 1 give 0.693."""
    positive = value_of(x) > 0
    # log σ(-x) = -softplus(x), without overflow on either side.
    plus = one_of("x > 0", positive, apply("log1p", apply("exp", x)), x + apply("log1p", apply("exp", -x)))
    minus = one_of("x > 0", positive, apply("log1p", apply("exp", x)) - x, apply("log1p", apply("exp", -x)))
    for_one = target * minus if pos_weight is None else pos_weight * target * minus
    loss = for_one + (1.0 - target) * plus
    return loss if weight is None else weight * loss


@pointwise("kl_div", kind=Reduced)
def kl_div(x: E, target: E, reduction: E, log_target: bool = False) -> E:  # noqa: ARG001
    """Gives t (log t - x), 0 where t is 0: x = -1, t = 0.5 gives 0.153."""
    if log_target:
        return apply("exp", target) * (target - x)
    return one_of("t is 0", np.equal(value_of(target), 0), target * (apply("log", target) - x), 0.0)


@pointwise("soft_margin_loss", kind=Reduced)
def soft_margin_loss(x: E, target: E, *_: object) -> E:
    """log(1 + exp(-t x)): 0 and 1 give 0.693."""
    return apply("log1p", apply("exp", -target * x))


@pointwise("hinge_embedding_loss", kind=Reduced)
def hinge_embedding_loss(x: E, target: E, margin: E, *_: object) -> E:
    """Gives x where t is 1, max(0, margin - x) where t is -1: 0.3 and -1 give 0.7."""
    far = value_of(margin - x) <= 0
    which = np.where(np.equal(value_of(target), 1), 0, np.where(np.equal(value_of(target), -1), 1 + far, 3))
    return one_of("t, and whether x is within the margin", which, x, margin - x, 0.0, x + (margin - x))
