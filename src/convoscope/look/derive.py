"""Why is this number what it is? Its expression by the rules, computed in float64, beside what the pass recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal
from weakref import WeakKeyDictionary, proxy

import numpy as np

from convoscope.errors import InputError, UnknownName
from convoscope.graph.graph import Node
from convoscope.look import render, render_html, render_json, render_latex
from convoscope.look.expr import Apply, Choose, Expression, Number, Param, Product, Sum, Unit
from convoscope.look.expr_value import measure
from convoscope.look.render import by_channel
from convoscope.look.rules import RULES, NoRule, Place, See
from convoscope.look.rules.rule import places_of
from convoscope.look.seen import Seen

Direction = Literal["forward", "backward"]
_SEES: WeakKeyDictionary[Any, See] = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class Why:
    """One number, opened.

    Attributes:
        title: What it is: "conv2[0, 5, 4, 3]", "dloss/d conv2[0, 5, 4, 3]".
        expression: Its arithmetic; None where there is none, and then `note` says why.
        computed: The expression's value in float64; None without an expression.
        recorded: What the pass, or the optimiser, had there; None for a part that was never recorded by itself.
        gap: |computed - recorded|; None where one of the two is missing.
        scale: The sum of the |terms|, which rounding errors are measured by.
        dtype: How many digits `recorded` has.
        note: What to know about it, in a sentence; "" for nothing.
    """

    title: str
    expression: Expression | None
    recorded: float | None = None
    dtype: str = "float64"
    note: str = ""
    seen: Seen | None = field(default=None, repr=False)
    computed: float | None = field(init=False)
    scale: float = field(init=False)

    def __post_init__(self) -> None:
        found = None if self.expression is None else measure(self.expression)
        object.__setattr__(self, "computed", None if found is None else float(found.value))
        object.__setattr__(self, "scale", 0.0 if found is None else float(found.scale))

    @property
    def gap(self) -> float | None:
        """How far the recomputed number is from the recorded one."""
        if self.computed is None or self.recorded is None:
            return None
        # Two infinities of one sign, or two NaNs, agree.
        if self.computed == self.recorded or (np.isnan(self.computed) and np.isnan(self.recorded)):
            return 0.0
        return abs(self.computed - self.recorded)

    def open(self, part: Expression | int) -> Why:
        """Why a part is what it is: a unit by its address, any other part by its own arithmetic.

        Args:
            part: A part of the expression, or its position in the order shown (the largest term first).

        Raises:
            InputError: there is no such part.
        """
        if isinstance(part, int):
            parts = self.parts()
            if not 0 <= part < len(parts):
                raise InputError(
                    f"{self.title} has no part {part}; it has {len(parts)}.", hint="The largest is part 0."
                )
            part = parts[part]
        if isinstance(part, (Unit, Param)) and self.seen is not None:
            return derive(self.seen, part.node, part.at, "forward" if part.of == "value" else "backward")
        title = str(getattr(part, "meaning", "")) or f"a part of {self.title.removeprefix('a part of ')}"
        return Why(title, part, seen=self.seen)

    def parts(self, limit: int = 20) -> Sequence[Expression]:
        """What stands directly in the expression; of a long sum the largest terms, in their order."""
        match self.expression:
            case Sum():
                return [term for _, term in render.largest(self.expression, limit)]
            case Product(factors):
                return factors
            case Choose():
                return self.expression.options[:limit]
            case Apply(_, arguments):
                return arguments
            case None | Number():
                return ()
            case leaf:
                return (leaf,)

    def grouped(self, axis: int = 1) -> Why:
        """The same number with its terms added up by one axis of what they read (1: the input channel)."""
        if self.expression is None:
            return self
        return replace(self, expression=by_channel(self.expression, axis))

    def text(self, limit: int | None = 20) -> str:
        """As plain text: the largest `limit` terms of each sum (None: all) and what the rest adds up to."""
        return render.text(self, limit)

    def latex(self, limit: int | None = 20) -> str:
        """As LaTeX, with the same terms."""
        return render_latex.latex(self, limit)

    def json(self, limit: int | None = 20) -> dict[str, Any]:
        """As JSON's types, with the same terms; `render_json.read` gives the expression back."""
        return render_json.why(self, limit)

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return render_html.html(self, 20)


def derive(seen: Seen, node: str, at: Sequence[int], direction: Direction = "forward") -> Why:
    """Opens one number of a pass.

    Args:
        seen: The pass.
        node: The node's name, or the path of a module, whose last value it then is.
        at: The unit's full index; the batch index may be left out where the batch is one image.
        direction: "forward" for its value, "backward" for dloss/dvalue.

    Raises:
        UnknownName: there is no such node or direction.
        InputError: the unit is out of range, or the pass has no gradient.
    """
    see = _see(seen)
    name = seen.graph.find(node).name
    place = _place(see, name, at)
    if direction not in ("forward", "backward"):
        raise UnknownName(f"There is no direction {direction!r}.", hint="Known: forward, backward.")
    written = f"{name}[{', '.join(map(str, place))}]" if place else name
    dtype = str(see.tensor(name).dtype).removeprefix("torch.")
    if direction == "forward":
        expression, note = _forward(see, see.node(name), place)
        return Why(written, expression, float(see.tensor(name)[place]), dtype, note, seen)
    gradient = seen.gradient(name)
    if gradient is None:
        return _without_gradient(see, name, written, seen)
    expression, note = _backward(see, name, place)
    return Why(f"dloss/d {written}", expression, float(gradient[place]), dtype, note, seen)


def _forward(see: See, node: Node, at: tuple[int, ...]) -> tuple[Expression | None, str]:
    if node.kind not in ("op", "output"):
        given = {"input": "an input: given, not computed", "parameter": "a parameter: learned, not computed"}
        return None, f"{node.name} is {given.get(node.kind, f'a {node.kind}: stored, not computed')}."
    return _ruled(node, lambda: RULES["output" if node.kind == "output" else node.op].forward(node, at, see))


def _backward(see: See, name: str, at: tuple[int, ...]) -> tuple[Expression | None, str]:
    """The sum over everything that reads the node."""
    found: list[Expression] = []
    for reader in see.readers(name):
        if see.seen.gradient(reader.name) is None:
            continue  # the loss does not depend on this reader
        for place in places_of(reader, name):
            expression, note = _ruled(reader, partial(_contribution, reader, place, at, see))
            if expression is None:
                return None, note
            found.append(expression)
    if not found:
        return Number(float(see.tensor(name, "gradient")[at]), "the backward pass starts here"), ""
    return (found[0] if len(found) == 1 else Sum(tuple(found))), ""


def _contribution(reader: Node, place: Place, at: tuple[int, ...], see: See) -> Expression:
    return RULES[reader.op].backward(reader, place, at, see)


def _ruled(node: Node, rule: Callable[[], Expression]) -> tuple[Expression | None, str]:
    if node.op not in RULES and node.kind != "output":
        return None, f"The op {node.op} has no rule yet: only what was recorded is shown."
    try:
        return rule(), ""
    except NoRule as why:
        return None, f"{node.name}: {why}; only what was recorded is shown."


def _without_gradient(see: See, name: str, written: str, seen: Seen) -> Why:
    if not any(seen.gradient(other) is not None for other in see.graph.nodes.names):
        if _has_loss(seen):
            note = (
                "Nothing goes back from the loss of this network: what it says changes in jumps, and a jump has no "
                "slope."
            )
            return Why(f"dloss/d {written}", None, None, note=note, seen=seen)
        raise InputError(
            "This pass has no gradients.", hint="Look with a target, so that there is a loss to go back from."
        )
    return Why(
        f"dloss/d {written}", None, None, note=f"The loss does not depend on {name}: it has no gradient.", seen=seen
    )


def _has_loss(seen: Seen) -> bool:
    """Whether the pass came as far as a loss."""
    if not seen.graph.loss:
        return False
    try:
        seen.value(seen.graph.loss)
    except InputError:  # no target was given
        return False
    return True


def _see(seen: Seen) -> See:
    if seen not in _SEES:
        _SEES[seen] = See(proxy(seen))  # else what is kept of a pass would keep the pass
    return _SEES[seen]


def _place(see: See, name: str, at: Sequence[int]) -> tuple[int, ...]:
    shape, place = see.shape(name), tuple(int(i) for i in at)
    if len(place) == len(shape) - 1 and shape[0] == 1:
        place = (0, *place)
    if len(place) != len(shape):
        raise InputError(
            f"{name} has {len(shape)} axes of sizes {list(shape)}; the unit {list(at)} has {len(place)}.",
            hint="Give one index for each axis, the image's place in the batch first.",
        )
    for axis, (index, size) in enumerate(zip(place, shape, strict=True)):
        if not 0 <= index < size:
            raise InputError(
                f"{name} has no unit {list(at)}: index {index} on axis {axis} is outside 0 to {size - 1}.",
                hint=f"Its sizes are {list(shape)}.",
            )
    return place
