"""Why a weight moved as it did: the optimiser's formula, each number from its stored state.

The formulas are torch's (torch 2.13: optim/sgd.py, adam.py, adamw.py, _muon.py). The state is what the optimiser held
before the step; a state that is not there yet is 0, as torch starts it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim._muon import _zeropower_via_newtonschulz  # torch's own, so that the same bits come out

from convoscope.errors import InputError
from convoscope.look.derive import Why
from convoscope.look.expr import Apply, Expression, Number, Param, Product, Sum, one_of
from convoscope.look.expr_functions import apply
from convoscope.look.expr_value import evaluate
from convoscope.registry import Registry

At = tuple[int, ...]
# As torch.optim.Muon has them (Jordan et al. 2024).
NS_COEFFICIENTS, NS_STEPS, NS_EPS = (3.4445, -4.7750, 2.0315), 5, 1e-7
HOLD_EPS = 1e-12  # convoscope.train.optim
CLIP_EPS = 1e-6  # torch.nn.utils.clip_grads_with_norm_


@dataclass(frozen=True)
class Step:
    """One weight before one step.

    Attributes:
        settings: The optimiser's settings by torch's names; a yes or no is 1 or 0.
        state: Its state of this parameter before the step.
        weight: The parameter before the step.
        gradient: dloss/dparameter, before penalties and clipping.
        at: Which of its numbers.
        name: What the parameter is called.
    """

    settings: Mapping[str, float]
    state: Mapping[str, Tensor]
    weight: Tensor
    gradient: Tensor
    at: At
    name: str = "weight"

    def setting(self, name: str, default: float = 0.0) -> Number:
        """A setting as a number with its name."""
        return Number(float(self.settings.get(name, default)), name)

    def value(self, name: str, default: float = 0.0) -> float:
        """A setting's value."""
        return float(self.settings.get(name, default))

    def stored(self, name: str) -> Expression:
        """This weight's number in a state; 0 before the first step."""
        tensor = self.state.get(name)
        return Number(0.0, f"{name}, which starts at 0") if tensor is None else _leaf(name, tensor, self.at)

    @property
    def lr(self) -> Expression:
        """The learning rate: that of the step, times the factor of this parameter where there is one."""
        rate = self.setting("lr")
        return rate * self.setting("lr_factor") if "lr_factor" in self.settings else rate

    @property
    def w(self) -> Expression:
        """The weight before the step."""
        return _leaf(self.name, self.weight, self.at)

    @property
    def count(self) -> float:
        """Which step this is, from 1."""
        step = self.state.get("step")
        return 1.0 + (0.0 if step is None else float(step))


Formula = Callable[[Step], Expression]
UPDATES: Registry[Formula] = Registry("update rule")


def explain_update(
    rule: str,
    settings: Mapping[str, float],
    state: Mapping[str, Tensor],
    weight: Tensor,
    gradient: Tensor,
    at: Sequence[int],
    recorded_after: Tensor | float | None = None,
    *,
    name: str = "weight",
) -> Why:
    """Opens the change of one weight in one step.

    Args:
        rule: A name in `UPDATES`: sgd, momentum, nesterov, adam, adamw, muon.
        settings: torch's names (lr, momentum, dampening, weight_decay, beta1, beta2, eps, amsgrad, maximize, nesterov),
            and clip_norm with total_norm for clipping by the global norm, l1 and l2 for penalties in the loss,
            lr_factor where this parameter moves at so many times the rate lr.
        state: The state before the step by torch's names; step, momentum_buffer, exp_avg, exp_avg_sq, max_exp_avg_sq.
        weight: The parameter before the step, of any shape.
        gradient: Of the same shape, before penalties and clipping.
        at: The weight's full index.
        recorded_after: The parameter after the step, or this one number of it.
        name: What the parameter is called.

    Raises:
        UnknownName: there is no such rule.
        InputError: shapes differ, the index is out of range, or clipping lacks the total norm.
    """
    formula, place = UPDATES[rule], tuple(int(i) for i in at)
    _check(weight, gradient, state, place, settings)
    expression = formula(Step(settings, state, weight, gradient, place, name))
    after = recorded_after
    recorded = (
        float(after[place]) if isinstance(after, Tensor) and after.ndim else None if after is None else float(after)
    )
    written = f"{name}[{', '.join(map(str, place))}] after the step" if place else f"{name} after the step"
    note = _muon_note(expression)
    return Why(written, expression, recorded, str(weight.dtype).removeprefix("torch."), note)


def _check(
    weight: Tensor, gradient: Tensor, state: Mapping[str, Tensor], at: At, settings: Mapping[str, float]
) -> None:
    if gradient.shape != weight.shape:
        raise InputError(f"The gradient has shape {tuple(gradient.shape)}, the weight {tuple(weight.shape)}.")
    for name, tensor in state.items():
        if tensor.ndim and tensor.shape != weight.shape:
            raise InputError(f"The state {name} has shape {tuple(tensor.shape)}, the weight {tuple(weight.shape)}.")
    if len(at) != weight.ndim or any(not 0 <= i < n for i, n in zip(at, weight.shape, strict=False)):
        raise InputError(f"There is no weight {list(at)}: the sizes are {list(weight.shape)}, each index from 0.")
    if settings.get("clip_norm") and "total_norm" not in settings:
        raise InputError("Clipping by norm needs the norm of the whole gradient.", hint="Give it as total_norm.")


def gradient_of(step: Step, *, decay: bool) -> Expression:
    """What the optimiser takes as the gradient.

    g, plus l1 sign(w) + l2 w of the penalties l1 Σ|w| + l2/2 Σw², all times min(1, clip_norm / (total_norm + 1e-6));
    then turned round for maximising, and plus weight_decay w where the decay is part of the gradient.
    """
    g: Expression = _leaf(step.name, step.gradient, step.at, gradient=True)
    if step.value("l1"):
        sign = one_of("sign of the weight", int(torch.sign(step.weight[step.at])) + 1, -1.0, 0.0, 1.0)
        g = g + step.setting("l1") * sign
    if step.value("l2"):
        g = g + step.setting("l2") * step.w
    if step.value("clip_norm"):
        ratio = step.setting("clip_norm") / (step.setting("total_norm") + Number(CLIP_EPS))
        g = g * one_of("the smaller, so that a short gradient stays as it is", evaluate(ratio) < 1, 1.0, ratio)
    if step.value("maximize"):
        g = -g
    return g + step.setting("weight_decay") * step.w if decay and step.value("weight_decay") else g


def _named(expression: Expression, meaning: str) -> Expression:
    if isinstance(expression, (Sum, Product)):
        return type(expression)(expression.parts if isinstance(expression, Sum) else expression.factors, meaning)  # type: ignore[arg-type]
    return expression


@UPDATES.register("sgd")
def sgd(step: Step) -> Expression:
    """Moves w <- w - lr g: w 1, lr 0.1, g 2 gives 0.8.

    With momentum m: b <- m b + (1 - dampening) g, or g at the first step, and w - lr b.
    """
    g = gradient_of(step, decay=True)
    if not step.value("momentum"):
        return step.w - step.lr * g
    if "momentum_buffer" in step.state:
        share = 1.0 - step.setting("dampening") if step.value("dampening") else Number(1.0)
        buffer = step.setting("momentum") * step.stored("momentum_buffer") + share * g
    else:
        buffer = g
    buffer = _named(buffer, "momentum buffer")
    moved = _named(g + step.setting("momentum") * buffer, "gradient and momentum") if step.value("nesterov") else buffer
    return step.w - step.lr * moved


@UPDATES.register("momentum")
def momentum(step: Step) -> Expression:
    """Moves b <- m b + g, w <- w - lr b: w 1, b 1, g 2, m 0.9, lr 0.1 gives 1 - 0.1 × 2.9 = 0.71 (Polyak 1964)."""
    return sgd(step)


@UPDATES.register("nesterov")
def nesterov(step: Step) -> Expression:
    """Moves b <- m b + g, w <- w - lr (g + m b): w 1, b 1, g 2, m 0.9, lr 0.1 gives 0.539 (Nesterov 1983)."""
    settings = {**step.settings, "nesterov": 1.0}
    return sgd(dataclasses.replace(step, settings=settings))


@UPDATES.register("adam")
def adam(step: Step) -> Expression:
    """Gives w - lr m̂ / (sqrt(v̂) + eps), m = β1 m + (1-β1) g, v = β2 v + (1-β2) g², m̂ = m/(1-β1^t), v̂ = v/(1-β2^t).

    At the first step g 2 gives m̂ = 2 and sqrt(v̂) = 2: w moves by lr whatever g is (Kingma and Ba 2015).
    """
    return _adam(step, step.w, gradient_of(step, decay=True))


@UPDATES.register("adamw")
def adamw(step: Step) -> Expression:
    """Adam, but the weight first shrinks by itself: w (1 - lr weight_decay) - ... (Loshchilov and Hutter 2019)."""
    return _adam(step, _shrunk(step), gradient_of(step, decay=False))


def _shrunk(step: Step) -> Expression:
    if not step.value("weight_decay"):
        return step.w
    return step.w * _named(1.0 - step.lr * step.setting("weight_decay"), "factor of decay")


def _adam(step: Step, w: Expression, g: Expression) -> Expression:
    beta1, beta2, t = step.setting("beta1", 0.9), step.setting("beta2", 0.999), step.count
    first = _named(beta1 * step.stored("exp_avg") + _rest(beta1) * g, "first moment")
    second = _named(beta2 * step.stored("exp_avg_sq") + _rest(beta2) * g * g, "second moment")
    if step.value("amsgrad"):
        before = step.stored("max_exp_avg_sq")
        second = one_of("the larger of the two", evaluate(before) > evaluate(second), second, before)
    root = apply("sqrt", second * apply("reciprocal", _correction(beta2, t))) + step.setting("eps", 1e-8)
    corrected = first * apply("reciprocal", _correction(beta1, t))
    return w - step.lr * _named(corrected, "corrected first moment") * apply("reciprocal", root)


def _rest(beta: Number) -> Number:
    return Number(1 - beta.value, f"1 - {beta.meaning}")


def _correction(beta: Number, t: float) -> Number:
    return Number(1 - beta.value**t, f"1 - {beta.meaning}^{t:g}")


@UPDATES.register("muon")
def muon(step: Step) -> Expression:
    """Moves w <- w (1 - lr weight_decay) - lr r O, O the momentum matrix made orthogonal by Newton-Schulz.

    b <- b + (1-m)(g - b); the matrix is g + m (b - g) with Nesterov, else b.
    A kernel (D, C, kh, kw) is the matrix (D, C kh kw). r is sqrt(max(1, D / rest)), or with match_rms_adamw = 1
    0.2 sqrt(max(D, rest)). With hold = 1 the matrix is first brought to the length sqrt(D), and does not decay.
    For a row (3, 4) O is near (0.6, 0.8): its direction, of length near 1 (Jordan et al. 2024).
    """
    if step.weight.ndim < 2:
        raise InputError("Muon moves matrices and kernels; this parameter has one axis.", hint="Ask for adamw.")
    g = gradient_of(step, decay=False)
    m, before = step.setting("momentum", 0.95), step.stored("momentum_buffer")
    buffer = _named(before + _rest(m) * (g - before), "momentum buffer")
    moved = _named(g + m * (buffer - g), "gradient and momentum") if step.value("nesterov", 1.0) else buffer
    rows, rest = len(step.weight), step.weight[0].numel()
    if step.value("match_rms_adamw"):
        ratio = Number(0.2 * math.sqrt(max(rows, rest)), f"0.2 sqrt(max({rows}, {rest}))")
    else:
        ratio = Number(math.sqrt(max(1.0, rows / rest)), f"sqrt(max(1, {rows} / {rest}))")
    return _held(step) - step.lr * ratio * _orthogonal(step, moved)


def _held(step: Step) -> Expression:
    """The weight before the step moves it: shrunk by decay, or with its matrix at the length that is held."""
    if not step.value("hold"):
        return _shrunk(step)
    rows, length = len(step.weight), float(step.weight.detach().norm())
    factor = math.sqrt(rows) / max(length, HOLD_EPS)
    return step.w * Number(factor, f"sqrt({rows}) / the matrix's length, {length:.6g}")


def _orthogonal(step: Step, moved: Expression) -> Apply:
    """The orthogonalised number: it depends on the whole matrix, so it stands as computed, with how exact it is."""
    matrix = _muon_matrix(step)
    coefficients = (step.value("ns_a", NS_COEFFICIENTS[0]), step.value("ns_b", NS_COEFFICIENTS[1]),
                    step.value("ns_c", NS_COEFFICIENTS[2]))  # fmt: skip
    steps, eps = int(step.value("ns_steps", NS_STEPS)), step.value("eps", NS_EPS)
    place = (step.at[0], _column(step))
    value = float(_zeropower_via_newtonschulz(matrix, coefficients, steps, eps)[place])
    exact = float(_newton_schulz(matrix.double(), coefficients, steps, eps)[place])
    note = (
        f"{steps} Newton-Schulz steps over the whole {matrix.shape[0]} x {matrix.shape[1]} matrix in bfloat16, "
        f"which has 3 digits: the same steps in float64 give {exact!r}"
    )
    return Apply("newton_schulz", (moved,), value, note)


def _muon_matrix(step: Step) -> Tensor:
    """The matrix that is made orthogonal, in the weight's own precision, as torch computes it."""
    g = step.gradient.detach().clone()
    if step.value("l1"):
        g = g + step.value("l1") * step.weight.detach().sign()
    if step.value("l2"):
        g = g + step.value("l2") * step.weight.detach()
    if step.value("clip_norm"):
        g = g * min(1.0, step.value("clip_norm") / (step.value("total_norm") + CLIP_EPS))
    g = -g if step.value("maximize") else g
    before = step.state.get("momentum_buffer")
    buffer = torch.zeros_like(g) if before is None else before.detach()
    m = step.value("momentum", 0.95)
    buffer = buffer.lerp(g, 1 - m)
    moved = g.lerp(buffer, m) if step.value("nesterov", 1.0) else buffer
    return _as_matrix(moved)


def _as_matrix(kernel: Tensor) -> Tensor:
    # Columns follow the memory: a channels_last kernel is (D, kh kw C), as the optimiser was given it.
    return kernel.reshape(len(kernel), -1) if kernel.is_contiguous() else kernel.movedim(1, -1).reshape(len(kernel), -1)


def _column(step: Step) -> int:
    shape = step.weight.shape[1:]
    places = torch.arange(math.prod(shape)).view(1, *shape)
    if not step.gradient.is_contiguous():
        places = places.movedim(1, -1)
    own = torch.arange(math.prod(shape)).view(shape)[step.at[1:]]
    return int((places.reshape(-1) == own).nonzero()[0])


def _newton_schulz(matrix: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """X <- a X + (b A + c A²) X with A = X Xᵀ, X of length 1 at first, in the matrix's own precision."""
    a, b, c = coefficients
    turned = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if turned else matrix
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    found: Tensor = x.T if turned else x
    return found


def _muon_note(expression: Expression) -> str:
    """The note of the one part that was not computed in float64, so that the whole says so too."""
    found: list[str] = []

    def walk(part: object) -> None:
        if isinstance(part, Apply) and part.note:
            found.append(part.note)
        for inner in (*getattr(part, "parts", ()), *getattr(part, "factors", ()), *getattr(part, "arguments", ())):
            walk(inner)

    walk(expression)
    return f"One factor is not recomputed in float64: {found[0]}." if found else ""


def _leaf(name: str, tensor: Tensor, at: At, *, gradient: bool = False) -> Param:
    value = tensor[at]
    dtype = str(tensor.dtype).removeprefix("torch.")
    return Param(name, at, float(value), "gradient" if gradient else "value", dtype)
