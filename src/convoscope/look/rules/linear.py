"""Products of matrices: each is an Einstein sum, so that one rule holds for all, forward and by each operand."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from convoscope.graph.graph import Node, Ref
from convoscope.look.expr import Each, Expression, Number, Places, Sum
from convoscope.look.expr_slope import times
from convoscope.look.rules.pointwise import reached, spread
from convoscope.look.rules.rule import RULES, At, Place, Rule, See, flat_of, name_of, referred, summed

LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Equation(NamedTuple):
    """y[out] = alpha Σ Π operand[letters] + beta · addend, with one letter for each axis.

    Attributes:
        operands: Where each factor stands among the op's arguments, and its letters.
        out: The letters of the result.
        addend: The argument that is added, "" for none.
        alpha: The factor of the sum.
        beta: The factor of the addend.
    """

    operands: tuple[tuple[Place, str], ...]
    out: str
    addend: str = ""
    alpha: float = 1.0
    beta: float = 1.0


EquationOf = Callable[[Node, See], Equation]


class EinsteinSum(Rule):
    """Forward: the result's letters are fixed, the others summed over. Backward: the operand's letters are."""

    def __init__(self, equation_of: EquationOf) -> None:
        self.equation_of = equation_of
        self.__doc__ = equation_of.__doc__

    def forward(self, node: Node, at: At, see: See) -> Expression:
        """One term for each value of the letters that the result does not have."""
        equation = self.equation_of(node, see)
        indices, count = self._indices(node, equation, see, equation.out, see.shape(node.name), at)
        columns = [see.units(referred(node, place), self._flat(node, place, letters, indices, see))
                   for place, letters in equation.operands]  # fmt: skip
        parts: list[Expression | Each] = [Each(times([Number(equation.alpha, "alpha"), *columns]), count)]
        if equation.addend:
            shape, source = see.shape(node.name), name_of(node.argument(equation.addend))
            flat = int(spread(np.asarray([flat_of(at, shape)]), shape, see.shape(source))[0])
            added = see.unit_at(source, flat)
            parts.append(times([Number(equation.beta, "beta"), added]))
        return Sum(tuple(parts))

    def backward(self, node: Node, place: Place, at: At, see: See) -> Expression:
        """dloss/dy times the other operands, for each value of the letters that this operand does not have."""
        equation = self.equation_of(node, see)
        shape = see.shape(node.name)
        if place.name == equation.addend:
            places = reached(at, see.shape(referred(node, place)), shape)
            gradients = see.gradients(node, places)
            return summed(times([Number(equation.beta, "beta"), gradients]), len(places), "no unit reads it")
        own = dict(equation.operands)[place]
        indices, count = self._indices(node, equation, see, own, see.shape(referred(node, place)), at)
        if not count:
            return summed(Number(0.0), 0, "no unit reads it")
        others = [see.units(referred(node, other), self._flat(node, other, letters, indices, see))
                  for other, letters in equation.operands if other != place]  # fmt: skip
        gradients = see.gradients(node, self._flat(node, None, equation.out, indices, see))
        product = times([Number(equation.alpha, "alpha"), gradients, *others])
        return summed(product, count, "no unit reads it")

    def _indices(
        self, node: Node, equation: Equation, see: See, fixed: str, own_shape: At, at: At
    ) -> tuple[dict[str, Places], int]:
        """For each letter its index in every term, terms row-major over the letters that are not fixed."""
        sizes = dict.fromkeys(equation.out, 1)
        operands = [(letters, see.shape(referred(node, place))) for place, letters in equation.operands]
        for letters, shape in [*operands, (equation.out, see.shape(node.name))]:
            for letter, size in zip(letters, shape, strict=True):
                sizes[letter] = max(sizes.get(letter, 1), size)
        known: dict[str, int] = {}
        for letter, index, size in zip(fixed, at, own_shape, strict=True):
            # An axis of size 1 that is broadcast is read by every index of the letter.
            if size == sizes[letter] and known.setdefault(letter, index) != index:
                return {}, 0  # off the diagonal of a repeated letter
        free = [letter for letter in sizes if letter not in known]
        meshes = np.meshgrid(*(np.arange(sizes[letter]) for letter in free), indexing="ij") if free else []
        count = int(np.prod([sizes[letter] for letter in free])) if free else 1
        indices = {letter: mesh.reshape(-1) for letter, mesh in zip(free, meshes, strict=True)}
        return indices | {letter: np.full(1, index) for letter, index in known.items()}, count

    def _flat(
        self, node: Node, place: Place | None, letters: str,
        indices: dict[str, Places], see: See,
    ) -> Places:  # fmt: skip
        shape = see.shape(node.name if place is None else referred(node, place))
        flat = np.zeros(1, np.int64)
        for letter, size in zip(letters, shape, strict=True):
            flat = flat * size + (indices[letter] if size != 1 else 0)
        return flat


def einstein(*ops: str) -> Callable[[EquationOf], EquationOf]:
    """Registers a function that gives a node's equation as the rule of each op."""

    def register(equation_of: EquationOf) -> EquationOf:
        for op in ops:
            RULES.add(op, EinsteinSum(equation_of))
        return equation_of

    return register


def _letters(node: Node, name: str, see: See) -> str:
    return LETTERS[: len(see.shape(name_of(node.argument(name))))]


@einstein("linear")
def linear(node: Node, see: See) -> Equation:
    """y_o = Σ x_i w_oi + b_o: x = (1, 2), w = (10, 1), b = 5 gives 17; by x_0 it is 10 dloss/dy, by w_0 1 dloss/dy."""
    lead = _letters(node, "input", see)[:-1]
    if len(see.shape(name_of(node.argument("weight")))) == 1:
        equation = ((Place("input"), lead + "z"), (Place("weight"), "z"))
        return Equation(equation, lead, "bias" if isinstance(node.argument("bias"), Ref) else "")
    equation = ((Place("input"), lead + "z"), (Place("weight"), "yz"))
    return Equation(equation, lead + "y", "bias" if isinstance(node.argument("bias"), Ref) else "")


@einstein("matmul", "mm", "bmm", "mv", "dot", "outer", "ger")
def matmul(node: Node, see: See) -> Equation:
    """y_ij = Σ_k x_ik z_kj: (1, 2) times (3, 4) upright is 11; by x_0 it is dloss/dy · 3. Axes in front are a batch."""
    first, second = node.argument_names[:2]
    a, b = len(see.shape(name_of(node.args[0]))), len(see.shape(name_of(node.args[1])))
    if node.op in ("outer", "ger"):
        return Equation(((Place(first), "x"), (Place(second), "y")), "xy")
    batch = LETTERS[: max(a, b, 2) - 2]
    left = "z" if a == 1 else batch[len(batch) - (a - 2) :] + "xz"
    right = "z" if b == 1 else batch[len(batch) - (b - 2) :] + "zy"
    out = batch + ("x" if a > 1 else "") + ("y" if b > 1 else "")
    return Equation(((Place(first), left), (Place(second), right)), out)


@einstein("addmm", "baddbmm", "addmv")
def addmm(node: Node, see: See) -> Equation:  # noqa: ARG001 - one signature
    """Gives y = beta · input + alpha · x z: input 1, x = (1, 2), z = (3, 4), beta 2, alpha 3 gives 2 + 33 = 35."""
    first, second = node.argument_names[1:3]
    forms = {"addmm": ("xz", "zy", "xy"), "baddbmm": ("axz", "azy", "axy"), "addmv": ("xz", "z", "x")}
    left, right, out = forms[node.op]
    alpha, beta = float(node.argument("alpha")), float(node.argument("beta"))  # type: ignore[arg-type]
    return Equation(((Place(first), left), (Place(second), right)), out, node.argument_names[0], alpha, beta)


@einstein("bilinear")
def bilinear(node: Node, see: See) -> Equation:
    """y_o = Σ x_i w_oij z_j + b_o: x = 2, w = 3, z = 4, b = 1 gives 25."""
    lead = _letters(node, "input1", see)[:-1]
    operands = ((Place("input1"), lead + "x"), (Place("weight"), "yxz"), (Place("input2"), lead + "z"))
    return Equation(operands, lead + "y", "bias" if isinstance(node.argument("bias"), Ref) else "")


@einstein("einsum")
def einsum(node: Node, see: See) -> Equation:
    """The sum that the equation writes: "ij,jk->ik" of (1, 2) and (3, 4) upright is 11."""
    written = str(node.argument("equation")).replace(" ", "")
    left, arrow, out = written.partition("->")
    inputs = left.split(",")
    tensors = node.argument("tensors")
    tensors = tensors if isinstance(tensors, tuple) else (tensors,)
    if not arrow:
        out = "".join(sorted(letter for letter in set(left) - {",", "."} if left.count(letter) == 1))
        out = ("..." if "..." in left else "") + out
    widths = [len(see.shape(name_of(tensor))) - len(letters.replace("...", "")) for tensor, letters in
              zip(tensors, inputs, strict=True)]  # fmt: skip
    spare = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: max(widths)]
    operands = [
        letters.replace("...", spare[len(spare) - width :]) for letters, width in zip(inputs, widths, strict=True)
    ]
    placed = tuple((Place("tensors", item), letters) for item, letters in enumerate(operands))
    return Equation(placed, out.replace("...", spare))
