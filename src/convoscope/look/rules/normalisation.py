"""Normalisation by mean and variance: batch, instance, group, layer and root-mean-square norm, one mechanism.

With the numbers of this pass, a group of m units is shifted to mean 0 and scaled to variance 1, and every unit of the
group moves every other. With stored numbers (batch norm in evaluation) it is a formula at one place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from convoscope.graph.graph import Node, Ref
from convoscope.look.expr import Column, Expression, Number, Places, Product, total
from convoscope.look.expr_functions import apply
from convoscope.look.expr_slope import times
from convoscope.look.rules.activation import ChannelPointwise
from convoscope.look.rules.reduction import average, share
from convoscope.look.rules.rule import At, NoRule, Place, Rule, See, flat_of, grid, name_of, optional, rule, summed


@dataclass(frozen=True)
class Form:
    """How one op groups its input.

    Attributes:
        view: The input's shape, axes split so that a group is a product of axes.
        axes: The axes of `view` that a group runs over.
        affine: The axes of the input that weight and bias have.
        eps: Added to the variance.
        centred: Whether the mean is taken off.
    """

    view: At
    axes: tuple[int, ...]
    affine: tuple[int, ...]
    eps: float
    centred: bool = True

    def offsets(self) -> Places:
        """The units of the group that starts at 0, as flat indices: (m,)."""
        return grid(self.view, *(np.arange(n) if k in self.axes else 0 for k, n in enumerate(self.view)))

    def starts(self, flat: Places) -> Places:
        """The first unit of the group that each unit is in."""
        indices = np.unravel_index(flat, self.view)
        start = np.zeros_like(flat)
        for k, n in enumerate(self.view):
            start = start * n + (0 if k in self.axes else indices[k])
        return start


class Normalisation(Rule):
    """y = (x - mean) / sqrt(variance + eps) · w + b over a group.

    Of (1, 2, 3), eps 0: mean 2, variance 2/3, s = 1/sqrt(2/3) = 1.225: y = (-1.225, 0, 1.225). Backward every unit of
    the group takes part: dy_j/dx_i = w_j s ([i = j] - 1/m - x̂_i x̂_j / m), x̂ = (x - mean) s (Ioffe and Szegedy 2015).
    """

    def form(self, node: Node, see: See) -> Form:
        """How the op groups its input."""
        raise NotImplementedError

    def forward(self, node: Node, at: At, see: See) -> Expression:
        """Gives x less its group's mean, over the root of its variance, times weight plus bias."""
        form, source = self.form(node, see), name_of(node.args[0])
        flat = flat_of(at, see.shape(source))
        mean, inverse = self._statistics(form, self._group(form, np.asarray([flat]), source, see, level=0))
        y = times([_less(see.unit(source, at), mean), inverse])
        affine = tuple(at[k] for k in form.affine)
        for name in ("weight", "bias"):
            given = optional(node, name)
            if isinstance(given, Ref):
                y = y * see.unit(given.node, affine) if name == "weight" else y + see.unit(given.node, affine)
        return y

    def backward(self, node: Node, place: Place, at: At, see: See) -> Expression:
        """By the input through mean and variance too; by the weight Σ dloss/dy x̂; by the bias Σ dloss/dy."""
        form = self.form(node, see)
        if place.name == "weight":
            return self._by_weight(node, form, at, see)
        if place.name == "bias":
            places = self._affected(form, at, see.shape(node.name))
            return summed(see.gradients(node, places), len(places), "no unit")
        if place.name != node.argument_names[0]:
            raise NoRule(f"{node.op} does not read {place.name} with the statistics of this pass")
        return self._by_input(node, form, at, see)

    def _by_input(self, node: Node, form: Form, at: At, see: See) -> Expression:
        source = name_of(node.args[0])
        flat = flat_of(at, see.shape(source))
        group = self._group(form, np.asarray([flat]), source, see, level=0)
        places, count = group.places, len(group.values)
        mean, inverse = self._statistics(form, group)
        own = Column("number", places == flat, meaning="1 for the unit itself")
        part = Number(-1 / count, f"-1 / {count}")
        inner = times([part, _less(see.unit(source, at), mean), _less(group, mean), inverse, inverse])
        by = own + part + inner if form.centred else own + inner
        weight = node.argument("weight")
        factors = [see.gradients(node, places), inverse, by]
        if isinstance(weight, Ref):
            indices = np.unravel_index(places, see.shape(source))
            w_flat = np.zeros_like(places)
            for k, size in zip(form.affine, see.shape(weight.node), strict=True):
                w_flat = w_flat * size + indices[k]
            factors.insert(1, see.units(weight.node, w_flat))
        return summed(times(factors), count, "no unit")

    def _by_weight(self, node: Node, form: Form, at: At, see: See) -> Expression:
        source = name_of(node.args[0])
        places = self._affected(form, at, see.shape(source))
        starts = form.starts(places)
        rows = places[np.argsort(starts, kind="stable")].reshape(len(np.unique(starts)), -1)  # (groups, units of each)
        group = self._group(form, rows[:, 0], source, see, level=1)
        mean, inverse = self._statistics(form, group, level=1)
        away = _less(see.units(source, rows), mean)
        inside = total(Product((see.gradients(node, rows), away)), rows.shape[1], level=1)
        return summed(times([inverse, inside]), len(rows), "no unit")

    def _affected(self, form: Form, at: At, shape: At) -> Places:
        fixed = dict(zip(form.affine, at, strict=True))
        return grid(shape, *(fixed.get(k, np.arange(n)) for k, n in enumerate(shape)))

    def _group(self, form: Form, flat: Places, source: str, see: See, level: int) -> Column:
        units = form.starts(flat)[:, None] + form.offsets()
        return see.units(source, units if level else units[0])

    def _statistics(self, form: Form, group: Column, level: int = 0) -> tuple[Expression | None, Expression]:
        count = group.values.shape[-1]
        mean = average(group, count, level) if form.centred else None
        away = _less(group, mean)
        what = "variance" if form.centred else "mean square"
        variance = Product((share(count), total(Product((away, away)), count, level=level)), what)
        return mean, apply("rsqrt", variance + Number(form.eps, "eps"))


def _less(x: Expression, mean: Expression | None) -> Expression:
    return x if mean is None else x - mean


def _eps(node: Node) -> float:
    return float(node.argument("eps"))  # type: ignore[arg-type]  # its schema says float


def stored(x: Expression, weight: Expression | None, bias: Expression | None, mean: Expression, variance: Expression,
           _training: object, _momentum: object, eps: Expression, *_: object) -> Expression:  # fmt: skip
    """(x - running mean) / sqrt(running variance + eps) · w + b: x 3, mean 1, variance 4, w 5, b 1 gives 6."""
    y = (x - mean) * apply("rsqrt", variance + eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


class ByChannel(Normalisation):
    """Batch and instance norm: with the statistics of this pass, or with the stored ones."""

    flag = "training"
    per_image = False

    def form(self, node: Node, see: See) -> Form:
        """A channel's units over the batch and all positions, or over the positions of one image."""
        shape = see.shape(name_of(node.args[0]))
        axes = tuple(k for k in range(len(shape)) if k != 1 and not (self.per_image and k == 0))
        return Form(shape, axes, (1,), _eps(node))

    def forward(self, node: Node, at: At, see: See) -> Expression:
        """With the statistics that the op was told to use."""
        if node.argument(self.flag):
            return super().forward(node, at, see)
        return ChannelPointwise(stored).forward(node, at, see)

    def backward(self, node: Node, place: Place, at: At, see: See) -> Expression:
        """With the statistics that the op was told to use."""
        if node.argument(self.flag):
            return super().backward(node, place, at, see)
        return ChannelPointwise(stored).backward(node, place, at, see)


@rule("batch_norm")
class BatchNorm(ByChannel):
    """A channel of a batch, (1, 2, 3): (-1.225, 0, 1.225), times w, plus b; in evaluation with the stored mean."""


@rule("instance_norm")
class InstanceNorm(ByChannel):
    """A channel of one image, (1, 2, 3): (-1.225, 0, 1.225), times w, plus b."""

    flag = "use_input_stats"
    per_image = True


@rule("group_norm")
class GroupNorm(Normalisation):
    """A group of channels of one image, (1, 2, 3): (-1.225, 0, 1.225), times the channel's w, plus b."""

    def form(self, node: Node, see: See) -> Form:
        """The channels of a group and all positions, image by image."""
        shape = see.shape(name_of(node.args[0]))
        groups = int(node.argument("num_groups"))  # type: ignore[arg-type]  # its schema says int
        view = (shape[0], groups, shape[1] // groups, *shape[2:])
        return Form(view, tuple(range(2, len(view))), (1,), _eps(node))


@rule("layer_norm")
class LayerNorm(Normalisation):
    """The last axes, (1, 2, 3): (-1.225, 0, 1.225), each times its own w, plus its own b."""

    def form(self, node: Node, see: See) -> Form:
        """The axes of `normalized_shape`, which come last."""
        shape, last = see.shape(name_of(node.args[0])), len(node.argument("normalized_shape"))  # type: ignore[arg-type]
        axes = tuple(range(len(shape) - last, len(shape)))
        return Form(shape, axes, axes, _eps(node))


@rule("rms_norm")
class RootMeanSquareNorm(Normalisation):
    """The last axes over their root mean square: (3, 4) gives (3, 4) / sqrt(12.5) = (0.849, 1.131)."""

    def form(self, node: Node, see: See) -> Form:
        """As layer norm, without the mean; eps is the dtype's own where none is given."""
        source = name_of(node.args[0])
        shape, last = see.shape(source), len(node.argument("normalized_shape"))  # type: ignore[arg-type]
        axes = tuple(range(len(shape) - last, len(shape)))
        given = node.argument("eps")
        eps = float(np.finfo(see.numbers(source, np.zeros(1, np.int64)).dtype).eps) if given is None else _eps(node)
        return Form(shape, axes, axes, eps, centred=False)
