"""The functions an `Apply` may name: how each is computed in float64, its slope, and how it is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from convoscope.look.expr import Apply, Expression, Number
from convoscope.registry import Registry

Floats = NDArray[np.float64]
Slope = Callable[..., Expression]


@dataclass(frozen=True)
class Function:
    """A function of numbers.

    Attributes:
        compute: Its value in float64, of arrays or numbers.
        slopes: Its derivative by each argument, as an expression of the arguments; () where it is flat.
        text: How it is written, `{0}` for the first argument.
        latex: The same in LaTeX.
    """

    compute: Callable[..., Floats]
    slopes: tuple[Slope, ...]
    text: str
    latex: str


FUNCTIONS: Registry[Function] = Registry("function")


def apply(function: str, *arguments: Expression) -> Apply:
    """The named function of these arguments."""
    return Apply(function, arguments)


def _of_torch(function: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Floats], Floats]:
    def compute(x: Floats) -> Floats:
        return np.asarray(function(torch.as_tensor(np.asarray(x, np.float64))).numpy())

    return compute


def _add(name: str, compute: Callable[..., Floats], *slopes: Slope, text: str = "", latex: str = "") -> None:
    latex = latex or rf"\operatorname{{{{{name}}}}}\left({{0}}\right)"
    FUNCTIONS.add(name, Function(compute, slopes, text or f"{name}({{0}})", latex))


def _pow(base: Floats, exponent: Floats) -> Floats:
    return np.asarray(np.power(np.asarray(base, np.float64), exponent))


def _pow_log(base: Floats, exponent: Floats) -> Floats:
    # 0 where the base is 0, as torch has it; the logarithm alone would be minus infinity.
    return np.asarray(np.where(np.equal(base, 0), 0.0, _pow(base, exponent) * np.log(base)))


def _pow_by_base(base: Expression, exponent: Expression) -> Expression:
    if isinstance(exponent, Number):
        if exponent.value == 0.0:
            return Number(0.0)
        lower = exponent.value - 1
        return exponent if lower == 0 else exponent * (base if lower == 1 else apply("pow", base, Number(lower)))
    return exponent * apply("pow", base, exponent - 1.0)


_add("exp", np.exp, lambda x: apply("exp", x), latex=r"e^{{{0}}}")
_add("expm1", np.expm1, lambda x: apply("exp", x), text="(exp({0}) − 1)", latex=r"\left(e^{{{0}}} - 1\right)")
_add("log", np.log, lambda x: apply("reciprocal", x), latex=r"\ln\left({0}\right)")
_add("log1p", np.log1p, lambda x: apply("reciprocal", 1.0 + x), text="log(1 + {0})", latex=r"\ln\left(1 + {0}\right)")
_add("log2", np.log2, lambda x: (1 / np.log(2)) / x, latex=r"\log_2\left({0}\right)")
_add("log10", np.log10, lambda x: (1 / np.log(10)) / x, latex=r"\log_{{10}}\left({0}\right)")
_add("sqrt", np.sqrt, lambda x: 0.5 * apply("rsqrt", x), latex=r"\sqrt{{{0}}}")
_add(
    "rsqrt", lambda x: 1 / np.sqrt(x), lambda x: -0.5 * apply("pow", x, Number(-1.5)),
    text="1/sqrt({0})", latex=r"\frac{{1}}{{\sqrt{{{0}}}}}",
)  # fmt: skip
_add(
    "reciprocal", lambda x: 1 / np.asarray(x, np.float64), lambda x: -1.0 * apply("pow", x, Number(-2.0)),
    text="1/({0})", latex=r"\frac{{1}}{{{0}}}",
)  # fmt: skip
_add(
    "pow", _pow, _pow_by_base, lambda x, p: apply("pow_log", x, p),
    text="({0})^{1}", latex=r"\left({0}\right)^{{{1}}}",
)  # fmt: skip
_add("pow_log", _pow_log, text="({0})^{1}·log({0})", latex=r"\left({0}\right)^{{{1}}} \ln\left({0}\right)")
_add("sin", np.sin, lambda x: apply("cos", x), latex=r"\sin\left({0}\right)")
_add("cos", np.cos, lambda x: -apply("sin", x), latex=r"\cos\left({0}\right)")
_add("tan", np.tan, lambda x: 1.0 + apply("tan", x) * apply("tan", x), latex=r"\tan\left({0}\right)")
_add("tanh", np.tanh, lambda x: 1.0 - apply("tanh", x) * apply("tanh", x), latex=r"\tanh\left({0}\right)")
_add(
    "sigmoid", _of_torch(torch.sigmoid), lambda x: apply("sigmoid", x) * (1.0 - apply("sigmoid", x)),
    text="σ({0})", latex=r"\sigma\left({0}\right)",
)  # fmt: skip
_add(
    "erf", _of_torch(torch.special.erf), lambda x: 2 / np.sqrt(np.pi) * apply("exp", -(x * x)),
)  # fmt: skip
for _name, _compute in (
    ("sign", np.sign),
    ("floor", np.floor),
    ("ceil", np.ceil),
    ("round", np.round),
    ("trunc", np.trunc),
):
    _add(_name, _compute)
_add("newton_schulz", lambda x: np.asarray(x), latex=r"\operatorname{{NS}}\left({0}\right)")
