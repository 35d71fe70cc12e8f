"""Scaled dot-product attention: a weighted mean of values, the weights a softmax of query times key."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convoscope.graph.graph import Node, Ref
from convoscope.look.expr import Column, Expression, Number, Places, Product, total
from convoscope.look.expr_functions import apply
from convoscope.look.expr_slope import times
from convoscope.look.rules.pointwise import spread
from convoscope.look.rules.rule import At, NoRule, Place, Rule, See, grid, name_of, none, rule, summed

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Heads:
    """One op's arguments: names, sizes and scale; indices `lead` are batch and head."""

    query: str
    key: str
    value: str
    n_queries: int
    n_keys: int
    width: int
    scale: Number
    mask: str
    causal: bool

    def row(self, see: See, name: str, lead: At, position: Places | int, width: Places | int) -> Places:
        """Flat indices of [*lead, position, width], as (positions, widths)."""
        p, w = np.atleast_1d(position), np.atleast_1d(width)
        return grid(see.shape(name), *lead, p, w).reshape(len(p), len(w))


@rule("scaled_dot_product_attention")
class Attention(Rule):
    """y_i = Σ_j a_ij v_j, a = softmax(scale · q k): q = 1, k = (0, 0), v = (2, 4): a = (1/2, 1/2), y = 3.

    Backward by v_j: Σ_i a_ij dloss/dy_i; by q_i: Σ_j a_ij (dloss/dy_i · (v_j - y_i)) scale k_j, and by k_j the same
    with q_i, summed over i (Vaswani et al. 2017, section 3.2.1). Keys that the mask hides are left out.
    """

    def forward(self, node: Node, at: At, see: See) -> Expression:
        """One term for each key that is not hidden."""
        heads = _heads(node, see)
        lead, i, d = at[:-2], at[-2], at[-1]
        keys = self._shown(heads, lead, np.asarray([i]), np.arange(heads.n_keys), see)[0]
        scores = self._scores(heads, lead, np.asarray([i]), keys, see)
        log_sum = log_sum_exp_of(scores, len(keys))
        value = see.units(heads.value, heads.row(see, heads.value, lead, keys, d).reshape(-1))
        return summed(Product((apply("exp", scores - log_sum), value)), len(keys), "every key is hidden")

    def backward(self, node: Node, place: Place, at: At, see: See) -> Expression:
        """By query, key or value."""
        heads = _heads(node, see)
        lead, position, width = at[:-2], at[-2], at[-1]
        if place.name == "attn_mask":
            raise NoRule("attention by its mask has no rule")
        if place.name == "query":
            keys = self._shown(heads, lead, np.asarray([position]), np.arange(heads.n_keys), see)[0]
            if not len(keys):
                return none("every key is hidden")
            pair, other = (np.asarray([position]), keys), (heads.key, keys)
        else:
            queries = np.arange(heads.n_queries)
            shown = self._shown(heads, lead, queries, np.asarray([position]), see)
            queries = queries[[len(keys) > 0 for keys in shown]]
            if not len(queries):
                return none("it is hidden from every query")
            pair, other = (queries, np.asarray([position])), (heads.query, queries)
        count = max(len(pair[0]), len(pair[1]))
        weight = self._weights(node, heads, lead, *pair, see)
        if place.name == "value":
            gradients = see.gradients(node, heads.row(see, node.name, lead, pair[0], width).reshape(-1))
            return summed(times([weight, gradients]), count, "no query")
        partner = see.units(other[0], heads.row(see, other[0], lead, other[1], width).reshape(-1))
        return summed(times([weight, self._pull(node, heads, lead, *pair, see), heads.scale, partner]), count, "no key")

    def _pull(self, node: Node, heads: _Heads, lead: At, queries: Places, keys: Places, see: See) -> Expression:
        """dloss/dy_i · (v_j - y_i), for each pair."""
        n_values = see.shape(heads.value)[-1]
        widths = np.arange(n_values)
        y = heads.row(see, node.name, lead, queries, widths)
        value = see.units(heads.value, heads.row(see, heads.value, lead, keys, widths))
        return total(Product((see.gradients(node, y), value - see.units(node.name, y))), n_values, level=1)

    def _weights(self, node: Node, heads: _Heads, lead: At, queries: Places, keys: Places, see: See) -> Expression:
        """a_ij of each pair, the log of the row's sum recomputed from query and key."""
        key = ("log_sum", f"{node.name}{lead}")
        if key not in see.memo:
            see.memo[key] = self._log_sums(heads, lead, see)
        log_sums = Column("number", see.memo[key][queries], meaning="log of the query's sum of exponentials")
        return apply("exp", self._scores(heads, lead, queries, keys, see) - log_sums)

    def _log_sums(self, heads: _Heads, lead: At, see: See) -> Floats:
        q = see.numbers(
            heads.query, heads.row(see, heads.query, lead, np.arange(heads.n_queries), np.arange(heads.width))
        )
        k = see.numbers(heads.key, heads.row(see, heads.key, lead, np.arange(heads.n_keys), np.arange(heads.width)))
        scores = heads.scale.value * (q.astype(np.float64) @ k.astype(np.float64).T)
        rows = np.arange(heads.n_queries)
        if heads.mask and see.tensor(heads.mask).is_floating_point():
            scores = scores + self._masks(heads, lead, rows, np.arange(heads.n_keys), see)
        hidden = np.ones_like(scores, bool)
        for i, keys in enumerate(self._shown(heads, lead, rows, np.arange(heads.n_keys), see)):
            hidden[i, keys] = False
        with np.errstate(all="ignore"):
            scores = np.where(hidden, -np.inf, scores)
            largest = scores.max(axis=1)
            found: Floats = largest + np.log(np.exp(scores - largest[:, None]).sum(axis=1))
        return found

    def _scores(self, heads: _Heads, lead: At, queries: Places, keys: Places, see: See) -> Expression:
        """Gives scale Σ_e q_ie k_je, plus the mask: one for each pair, one of the two sides being a single one."""
        widths = np.arange(heads.width)
        q = see.units(heads.query, heads.row(see, heads.query, lead, queries, widths))
        k = see.units(heads.key, heads.row(see, heads.key, lead, keys, widths))
        score = times([heads.scale, total(Product((q, k)), heads.width, level=1)])
        if heads.mask and see.tensor(heads.mask).is_floating_point():
            flat = self._mask_flat(heads, lead, queries, keys, see).reshape(-1)
            return score + see.units(heads.mask, flat)
        return score

    def _mask_flat(self, heads: _Heads, lead: At, queries: Places, keys: Places, see: See) -> Places:
        shape = (*see.shape(heads.query)[:-1], heads.n_keys)
        return spread(grid(shape, *lead, queries, keys), shape, see.shape(heads.mask)).reshape(len(queries), len(keys))

    def _masks(self, heads: _Heads, lead: At, queries: Places, keys: Places, see: See) -> Floats:
        return see.numbers(heads.mask, self._mask_flat(heads, lead, queries, keys, see))

    def _shown(self, heads: _Heads, lead: At, queries: Places, keys: Places, see: See) -> list[Places]:
        """For each query the keys it may see."""
        shown = np.ones((len(queries), len(keys)), bool)
        if heads.causal:
            shown &= keys <= queries[:, None]
        if heads.mask:
            mask = self._masks(heads, lead, queries, keys, see)
            shown &= mask if mask.dtype == np.bool_ else mask != -np.inf
        return [keys[row] for row in shown]


def log_sum_exp_of(scores: Expression, count: int) -> Expression:
    """Gives m + log Σ exp(score - m), of scores that are themselves formulas."""
    from convoscope.look.rules.arithmetic import value_of

    largest = Number(
        float(np.max(value_of(scores))) if count else 0.0, "the largest score, so that exp cannot overflow"
    )
    return largest + apply("log", total(apply("exp", scores - largest), count))


def _heads(node: Node, see: See) -> _Heads:
    query, key, value = (name_of(node.argument(name)) for name in ("query", "key", "value"))
    shapes = [see.shape(name) for name in (query, key, value)]
    if float(node.argument("dropout_p")):  # type: ignore[arg-type]  # its schema says float
        raise NoRule("the mask of attention's dropout is not recorded")
    if shapes[0][:-2] != shapes[1][:-2] or shapes[0][:-2] != shapes[2][:-2]:
        raise NoRule("attention whose queries share keys between heads has no rule")
    given, mask = node.argument("scale"), node.argument("attn_mask")
    width = shapes[0][-1]
    scale = Number(1 / math.sqrt(width), f"1 / sqrt({width})") if given is None else Number(float(given), "scale")  # type: ignore[arg-type]
    return _Heads(
        query, key, value, shapes[0][-2], shapes[1][-2], width, scale,
        mask.node if isinstance(mask, Ref) else "", bool(node.argument("is_causal")),
    )  # fmt: skip
