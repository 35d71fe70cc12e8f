"""One number on screen: its arithmetic, term by term or channel by channel, and what it sees of the image."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Literal

from convoscope.errors import ConvoscopeError, InputError
from convoscope.graph.field import field
from convoscope.graph.graph import Graph, Node
from convoscope.lab.microscope import seen_of
from convoscope.lab.screen.ask import Ask
from convoscope.lab.screen.opened import OpenRun, Picture
from convoscope.lab.screen.pack import plain
from convoscope.lab.screen.parts import Figure
from convoscope.lab.screen.passes import Passes
from convoscope.lab.screen.sights import Box, NumberCard, Tab
from convoscope.look.derive import Why
from convoscope.look.expr import Expression, Product, Sum
from convoscope.look.render_json import write

By = Literal["channel", "term"]
_WITHIN = 200  # terms shown of a sum within a sum
_ROUNDING = {"float64": 1e-13, "float32": 1e-5, "bfloat16": 1e-2, "float16": 1e-3}  # of the sum of |terms|


def why(run: OpenRun, passes: Passes, picture: Picture, ask: Ask, node: str, at: Sequence[int]) -> Why:
    """The arithmetic of a value or a gradient.

    Raises:
        UnknownName: there is no such node.
        InputError: there is no such number.
    """
    backward = ask.tab == "backward"
    seen = passes.of(run, picture, ask, gradients=backward).captured
    found = seen.graph.find(node)
    return seen.why(found.name, seen.index(found, at), "backward" if backward else "forward")


def card(
    opened: Why, node: Node | None, name: str, at: Sequence[int], tab: Tab, by: By, terms: int, graph: Graph | None
) -> NumberCard:
    """The record of an opened number.

    Args:
        opened: The number.
        node: Its node; None for a parameter's change.
        name: What the node or parameter is called.
        at: Its index, without the batch axis for a node.
        tab: Which of its numbers.
        by: Whether a long sum is told channel by channel.
        terms: Most terms of it; 0 for all.
        graph: Where the node stands.
    """
    expression = arranged(opened, by).expression
    limit = terms or None
    return NumberCard(
        title=opened.title, node=name, at=list(at), tab=tab,
        is_parameter=node is None or node.kind == "parameter",
        expression=None if expression is None else plain(write(expression, limit, within=_WITHIN if limit else None)),
        computed=_figure(opened.computed), recorded=_figure(opened.recorded), dtype=opened.dtype,
        gap=_figure(opened.gap), scale=plain(opened.scale), agrees=_agrees(opened), note=opened.note,
        n_terms=_longest(opened.expression), field=_box(graph, node, at) if graph and node else None,
    )  # fmt: skip


def arranged(opened: Why, by: By) -> Why:
    """The number with its sum told by input channels, where that makes it shorter."""
    if by == "term":
        return opened
    grouped = opened.grouped()
    return grouped if _n_terms(grouped.expression) < _n_terms(opened.expression) else opened


def _n_terms(expression: Expression | None) -> int:
    return len(expression.terms) if isinstance(expression, Sum) else 1


def _longest(expression: Expression | None) -> int:
    if isinstance(expression, Product):
        return max(_longest(factor) for factor in expression.factors)
    return _n_terms(expression)


def _agrees(opened: Why) -> bool | None:
    """Whether recomputed and recorded number differ by no more than rounding explains; None where one is missing."""
    if opened.gap is None:
        return None
    return opened.gap <= _ROUNDING.get(opened.dtype, 0.0) * opened.scale + 1e-30


def _box(graph: Graph, node: Node, at: Sequence[int]) -> Box | None:
    if node.kind not in ("op", "input") or not node.shape:
        return None
    index = tuple(at) if len(at) == len(node.shape) else (0, *at)
    with contextlib.suppress(ConvoscopeError):
        found = field(graph, node.name, index)
        if "float" not in graph.nodes[graph.inputs[0]].dtype:
            seen = seen_of(graph, found)  # the words of a text, as one row
            return Box((0, 0), seen[0], found.exact) if seen else None
        if len(found.pixels) == 2:
            return Box(found.pixels[0], found.pixels[1], found.exact)
    return None


def _figure(value: float | None) -> Figure | None:
    found: Figure | None = plain(value)
    return found


def check_parameter(graph: Graph, name: str) -> None:
    """Raises InputError for what no step of training changes."""
    found = graph.find(name)
    if found.kind != "parameter":
        raise InputError(
            f"{name} is no parameter: training steps change parameters alone.",
            hint="Ask for the number of a weight or a bias, like conv2.weight[5,0,2,2].",
        )
