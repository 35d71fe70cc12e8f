"""Activations: each as the formula it is, so that its slope follows by calculus."""

from __future__ import annotations

import math

import numpy as np

from convoscope.look.expr import Expression, Number, Places, one_of
from convoscope.look.expr_functions import apply
from convoscope.look.rules.arithmetic import value_of
from convoscope.look.rules.pointwise import Pointwise, pointwise, reached, spread
from convoscope.look.rules.rule import At

E = Expression
# Klambauer, Unterthiner, Mayr, Hochreiter: Self-Normalizing Neural Networks, 2017.
SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
SIX = 6.0


@pointwise("relu")
def relu(x: E) -> E:
    """The larger of 0 and x: -2 gives 0, 3 gives 3. Slope 0 up to 0, 1 above."""
    return one_of("x > 0", value_of(x) > 0, 0.0, x)


@pointwise("hardtanh")
def hardtanh(x: E, low: E, high: E) -> E:
    """Gives x kept within [min, max]: 7 in [0, 6] gives 6. Slope 1 inside, bounds excluded."""
    value = value_of(x)
    which = np.where(value >= value_of(high), 2, np.where(value <= value_of(low), 0, 1))
    return one_of("min < x < max", which, low, x, high)


@pointwise("leaky_relu")
def leaky_relu(x: E, negative_slope: E) -> E:
    """Gives x above 0, else slope · x: -2 with 0.1 gives -0.2."""
    return one_of("x > 0", value_of(x) > 0, negative_slope * x, x)


@pointwise("rrelu")
def rrelu(x: E, lower: E, upper: E, training: bool = False, generator: None = None) -> E:  # noqa: ARG001
    """In evaluation: x above 0, else x · (lower + upper) / 2: -2 with 0.1 and 0.3 gives -0.4."""
    return one_of("x > 0", value_of(x) > 0, 0.5 * (lower + upper) * x, x)


@pointwise("elu")
def elu(x: E, alpha: E, scale: E | float = 1.0, input_scale: E | float = 1.0) -> E:
    """Gives scale · x above 0, else scale · alpha · (exp(input_scale · x) - 1): -1 gives exp(-1) - 1 = -0.632."""
    return one_of("x > 0", value_of(x) > 0, scale * alpha * apply("expm1", input_scale * x), scale * x)


@pointwise("selu")
def selu(x: E) -> E:
    """ELU with the alpha and scale that keep mean 0 and variance 1: 1 gives 1.0507."""
    return elu(x, Number(SELU_ALPHA, "alpha"), Number(SELU_SCALE, "scale"))


def _celu_going_back(x: E, alpha: E) -> E:
    # torch's backward reads alpha in float32 whatever the model's precision (derivatives.yaml: 1.0/alpha.toFloat()).
    inverse = Number(1 / float(np.float32(value_of(alpha))), "1 / alpha, alpha in float32")
    return one_of("x > 0", value_of(x) > 0, alpha * apply("expm1", inverse * x), x)


@pointwise("celu", sloped=_celu_going_back)
def celu(x: E, alpha: E) -> E:
    """Gives x above 0, else alpha (exp(x / alpha) - 1): -1 with alpha 1 gives -0.632."""
    return one_of("x > 0", value_of(x) > 0, alpha * apply("expm1", x / alpha), x)


class ChannelPointwise(Pointwise):
    """A formula whose second argument has one number a channel (axis 1)."""

    def spread(self, places: Places, shape: At, source: At) -> Places:
        """The channel of each unit, for the argument with one axis."""
        if len(source) == 1 and len(shape) > 1:
            return spread(places, shape, (source[0], *(1,) * (len(shape) - 2)))
        return spread(places, shape, source)

    def reached(self, at: At, source: At, shape: At) -> Places:
        """All units of the channel."""
        if len(source) == 1 and len(shape) > 1:
            return reached((*at, *(0,) * (len(shape) - 2)), (source[0], *(1,) * (len(shape) - 2)), shape)
        return reached(at, source, shape)


@pointwise("prelu", kind=ChannelPointwise)
def prelu(x: E, weight: E) -> E:
    """Gives x above 0, else the channel's weight · x: -2 with 0.25 gives -0.5; the weight's slope there is x = -2."""
    return one_of("x > 0", value_of(x) > 0, weight * x, x)


@pointwise("sigmoid")
def sigmoid(x: E) -> E:
    """1 / (1 + exp(-x)): 0 gives 0.5. Slope σ(1 - σ) = 0.25."""
    return apply("sigmoid", x)


@pointwise("tanh")
def tanh(x: E) -> E:
    """The hyperbolic tangent: 0 gives 0. Slope 1 - tanh² = 1."""
    return apply("tanh", x)


@pointwise("silu")
def silu(x: E) -> E:
    """Gives x σ(x): 1 gives 0.731 (Elfwing, Uchibe, Doya 2018)."""
    return x * apply("sigmoid", x)


@pointwise("gelu")
def gelu(x: E, approximate: str = "none") -> E:
    """Gives x Φ(x) = x/2 (1 + erf(x/√2)): 1 gives 0.841; or its tanh form (Hendrycks and Gimpel 2016)."""
    if approximate == "tanh":
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))
        return 0.5 * x * (1.0 + apply("tanh", inner))
    return 0.5 * x * (1.0 + apply("erf", x * math.sqrt(0.5)))


def _softplus(x: E) -> E:
    """log(1 + exp(x)) without overflow: the larger of x and 0, and log(1 + exp(-|x|))."""
    positive = value_of(x) > 0
    return one_of("x > 0", positive, apply("log1p", apply("exp", x)), x + apply("log1p", apply("exp", -x)))


@pointwise("softplus")
def softplus(x: E, beta: E, threshold: E) -> E:
    """log(1 + exp(beta x)) / beta, x itself where beta x is above the threshold: 0 gives log 2 = 0.693."""
    linear = value_of(beta * x) > value_of(threshold)
    return one_of("beta · x above the threshold", linear, _softplus(beta * x) / beta, x)


@pointwise("mish")
def mish(x: E) -> E:
    """Gives x tanh(log(1 + exp(x))): 1 gives 0.865 (Misra 2019)."""
    return x * apply("tanh", _softplus(x))


@pointwise("log_sigmoid")
def log_sigmoid(x: E) -> E:
    """Gives log σ(x) = -log(1 + exp(-x)): 0 gives -0.693."""
    return -_softplus(-x)


def _hardsigmoid(x: E, sixth: float) -> E:
    value = value_of(x)
    which = np.where(value >= SIX / 2, 2, np.where(value <= -SIX / 2, 0, 1))
    return one_of("-3 < x < 3", which, 0.0, x * Number(sixth, "1/6") + 0.5, 1.0)


# torch's backward has 1/6 in float32 whatever the model's precision (Activation.cpp: one_sixth(1.0f / 6.0f)).
@pointwise("hardsigmoid", sloped=lambda x: _hardsigmoid(x, float(np.float32(1 / SIX))))
def hardsigmoid(x: E) -> E:
    """x/6 + 1/2 kept within [0, 1]: 1 gives 0.667. Slope 1/6 strictly between -3 and 3."""
    return _hardsigmoid(x, 1 / SIX)


@pointwise("hardswish")
def hardswish(x: E) -> E:
    """Gives x (x + 3) / 6 between -3 and 3, 0 below, x above: 1 gives 0.667 (Howard et al. 2019)."""
    value = value_of(x)
    which = np.where(value >= SIX / 2, 2, np.where(value <= -SIX / 2, 0, 1))
    return one_of("-3 < x < 3", which, 0.0, x * (x + 3.0) * (1 / SIX), x)


@pointwise("threshold")
def threshold(x: E, limit: E, value: E) -> E:
    """Gives x above the threshold, else `value`: 0.05 with 0.1 and 0.2 gives 0.2."""
    return one_of("x above the threshold", value_of(x) > value_of(limit), value, x)


@pointwise("softshrink")
def softshrink(x: E, lambd: E) -> E:
    """Gives x moved towards 0 by lambda, 0 within it: 2 with 0.5 gives 1.5."""
    value, edge = value_of(x), value_of(lambd)
    which = np.where(value > edge, 2, np.where(value < -edge, 0, 1))
    return one_of("|x| against lambda", which, x + lambd, 0.0, x - lambd)


@pointwise("hardshrink")
def hardshrink(x: E, lambd: E) -> E:
    """x, but 0 within lambda of 0: 0.3 with 0.5 gives 0."""
    return one_of("|x| > lambda", np.abs(value_of(x)) > value_of(lambd), 0.0, x)
