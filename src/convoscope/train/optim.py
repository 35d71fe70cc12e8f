"""The optimisers: torch's own, put together for a recipe, with their state under the parameters' names."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections import defaultdict
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from convoscope.registry import Registry
from convoscope.train.freeze import frozen_by_recipe
from convoscope.train.gradient import Workers
from convoscope.train.recipe import Recipe

_FIRST_MOMENT, _SECOND_MOMENT = 0.9, 0.999
_NS_STEPS, _NS_STEPS_HELD = 5, 3  # of Newton-Schulz: torch's, and those of airbench94_muon (Jordan 2024)
HOLD_EPS = 1e-12  # a matrix of zeros has no length to hold


@dataclass
class Part:
    """One torch optimiser and the parameters it moves, by name.

    Attributes:
        optimiser: Torch's.
        names: The parameters, in its order.
        views: Of a kernel that is moved as a matrix, the parameter and the view of it.
        lr_factor: What the learning rate is multiplied by for these parameters.
        holds: Whether each view is brought to a length of the root of its rows before it is moved.
    """

    optimiser: torch.optim.Optimizer
    names: list[str]
    views: dict[str, tuple[nn.Parameter, nn.Parameter]]
    lr_factor: float = 1.0
    holds: bool = False

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """Moves its parameters once at `lr_factor` times this learning rate."""
        for parameter, view in self.views.values():
            assert parameter.grad is not None
            view.grad = _as_matrix(parameter.grad.to(memory_format=memory_format_of(parameter)))
            if self.holds:
                view.mul_(math.sqrt(len(view)) / view.norm().clamp(min=HOLD_EPS))
        for group in self.optimiser.param_groups:
            group["lr"] = lr * self.lr_factor
        self.optimiser.step()

    def only(self, names: Container[str], lr_factor: float = 1.0) -> Part:
        """The same rule for those of its parameters that are named, with a state of their own that is still empty."""
        optimiser = copy.copy(self.optimiser)
        (group,) = self.optimiser.param_groups
        pairs = zip(self.names, group["params"], strict=True)
        kept = [(name, parameter) for name, parameter in pairs if name in names]
        optimiser.state = defaultdict(dict)
        optimiser.param_groups = [{**group, "params": [parameter for _, parameter in kept]}]
        views = {name: view for name, view in self.views.items() if name in names}
        return Part(optimiser, [name for name, _ in kept], views, lr_factor * self.lr_factor, self.holds)


class Optimiser:
    """All parts that together move every parameter of a model once."""

    def __init__(self, parts: list[Part]) -> None:
        self.parts = [part for part in parts if part.names]

    def step(self, lr: float, crew: Workers | None = None) -> None:
        """Moves every parameter once at this learning rate, by the gradients in `.grad`.

        Parts share nothing, so a crew may move them side by side; the bits are the same.
        """
        if crew is None:
            for part in self.parts:
                part.step(lr)
        else:
            crew.map(lambda part: part.step(lr), self.parts)

    def state(self) -> dict[str, Tensor]:
        """Every tensor of the optimisers' state, keyed "parameter name.state name", in the parameter's own axes."""
        return {
            f"{name}.{key}": _as_kernel(value, part.views[name][0]) if name in part.views else value
            for part in self.parts
            for name, parameter in zip(part.names, part.optimiser.param_groups[0]["params"], strict=True)
            for key, value in part.optimiser.state.get(parameter, {}).items()
            if isinstance(value, Tensor)
        }

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Takes back what `state` gave."""
        for part in self.parts:
            for name, parameter in zip(part.names, part.optimiser.param_groups[0]["params"], strict=True):
                prefix = name + "."
                own = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
                # A parameter's name may begin another's: only keys without a further dot are its own.
                own = {key: value.clone() for key, value in own.items() if "." not in key}
                if name in part.views:
                    format_ = memory_format_of(part.views[name][0])
                    own = {key: _as_matrix(value.contiguous(memory_format=format_)) for key, value in own.items()}
                if own:
                    part.optimiser.state[parameter] = own


Named = list[tuple[str, nn.Parameter]]
OPTIMISERS: Registry[Callable[[Named, Recipe], list[Part]]] = Registry("optimiser")


def make_optimiser(model: nn.Module, recipe: Recipe) -> Optimiser:
    """The optimiser of the recipe over all parameters of the model that take gradients.

    What has thawed moves at `thaw_lr` times the rate. Which rule moves a parameter is decided with all in view that
    ever learns, and so does not change when something thaws.
    """
    thawing = set(frozen_by_recipe(model)) if recipe.thaw else set()
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad or name in thawing]
    parts = OPTIMISERS[recipe.optimiser](named, recipe)
    if thawing:
        first = {name for name, _ in named} - thawing
        thawed = {name for name, parameter in named if parameter.requires_grad} & thawing
        whole = [part for part in parts if part.names]
        parts = [part.only(first) for part in whole] + [part.only(thawed, recipe.thaw_lr) for part in whole]
    return Optimiser(parts)


def _part(kind: Callable[..., torch.optim.Optimizer], named: Named, **settings: object) -> Part:
    if not named:
        return Part(torch.optim.SGD([nn.Parameter(torch.zeros(1))]), [], {})
    return Part(kind([parameter for _, parameter in named], **settings), [name for name, _ in named], {})


@OPTIMISERS.register("sgd")
def sgd(named: Named, recipe: Recipe) -> list[Part]:
    """w <- w - lr (g + weight_decay w)."""
    return [_part(torch.optim.SGD, named, lr=recipe.peak_lr, weight_decay=recipe.weight_decay, fused=True)]


@OPTIMISERS.register("momentum")
def momentum(named: Named, recipe: Recipe) -> list[Part]:
    """v <- momentum v + g; w <- w - lr v (Polyak 1964, in torch's form)."""
    settings = {
        "lr": recipe.peak_lr,
        "momentum": recipe.kept_momentum,
        "weight_decay": recipe.weight_decay,
        "fused": True,
    }
    return [_part(torch.optim.SGD, named, **settings)]


@OPTIMISERS.register("nesterov")
def nesterov(named: Named, recipe: Recipe) -> list[Part]:
    """v <- momentum v + g; w <- w - lr (g + momentum v) (Nesterov 1983, in torch's form)."""
    settings = {
        "lr": recipe.peak_lr,
        "momentum": recipe.kept_momentum,
        "weight_decay": recipe.weight_decay,
        "fused": True,
    }
    # torch refuses Nesterov without momentum, where it would be plain SGD.
    return [_part(torch.optim.SGD, named, nesterov=recipe.kept_momentum > 0, **settings)]


@OPTIMISERS.register("adam")
def adam(named: Named, recipe: Recipe) -> list[Part]:
    """Steps of lr times mean gradient over root mean square gradient (Kingma and Ba 2015)."""
    betas = (_FIRST_MOMENT, _SECOND_MOMENT)
    return [
        _part(torch.optim.Adam, named, lr=recipe.peak_lr, betas=betas, weight_decay=recipe.weight_decay, fused=True)
    ]


@OPTIMISERS.register("adamw")
def adamw(named: Named, recipe: Recipe) -> list[Part]:
    """Adam with the weights shrunk apart from the gradient (Loshchilov and Hutter 2019)."""
    betas = (_FIRST_MOMENT, _SECOND_MOMENT)
    return [
        _part(torch.optim.AdamW, named, lr=recipe.peak_lr, betas=betas, weight_decay=recipe.weight_decay, fused=True)
    ]


@OPTIMISERS.register("muon")
def muon(named: Named, recipe: Recipe) -> list[Part]:
    """Momentum whose matrices are made orthogonal before each step (Jordan et al. 2024); another rule moves the rest.

    Kernels (D, C, kh, kw) are moved as matrices (D, C kh kw). The last layer, biases and norms are AdamW's, or what the
    recipe names. The step is scaled to AdamW's usual size (Liu et al. 2025, section 2.2), so that one learning rate
    serves both; or, where the recipe holds matrices at their length, it is lr times as long as they are (Jordan 2024).
    """
    matrices = [(name, parameter) for name, parameter in named if parameter.ndim > 1]
    moved = dict(matrices[:-1])
    parts = [_muon_part(name, parameter, recipe) for name, parameter in moved.items()]
    # The largest first: side by side they are then done at about the same time.
    parts.sort(key=lambda part: -sum(view.numel() for _, view in part.views.values()))
    left = [(name, parameter) for name, parameter in named if name not in moved]
    last = matrices[-1][0].rpartition(".")[0] if matrices else ""
    head = [(name, parameter) for name, parameter in left if name.rpartition(".")[0] == last]
    others = [(name, parameter) for name, parameter in left if name.rpartition(".")[0] != last]
    head_lr = recipe.rest_lr if recipe.head_lr is None else recipe.head_lr
    for some, factor in ((others, recipe.rest_lr), (head, head_lr)):
        parts += [dataclasses.replace(part, lr_factor=factor) for part in OPTIMISERS[recipe.rest](some, recipe)]
    return parts


def _muon_part(name: str, parameter: nn.Parameter, recipe: Recipe) -> Part:
    """One matrix alone: making it orthogonal takes long enough to be worth a thread."""
    view = nn.Parameter(_as_matrix(parameter.data))
    part = _part(
        torch.optim.Muon,
        [(name, view)],
        lr=recipe.peak_lr,
        momentum=recipe.kept_momentum,
        weight_decay=0.0 if recipe.hold else recipe.weight_decay,
        adjust_lr_fn="original" if recipe.hold else "match_rms_adamw",
        ns_steps=ns_steps(recipe),
    )
    return dataclasses.replace(part, views={name: (parameter, view)}, holds=recipe.hold)


def ns_steps(recipe: Recipe) -> int:
    """How many Newton-Schulz steps make a matrix orthogonal enough."""
    return _NS_STEPS_HELD if recipe.hold else _NS_STEPS


def _as_matrix(kernel: Tensor) -> Tensor:
    """A view (D, everything else) of a kernel; columns follow the memory, whose order Muon does not see."""
    if kernel.is_contiguous():
        return kernel.view(kernel.shape[0], -1)
    return kernel.movedim(1, -1).view(kernel.shape[0], -1)


def _as_kernel(matrix: Tensor, kernel: Tensor) -> Tensor:
    """The view of a matrix that `_as_matrix` made, back in the axes of the kernel (D, C, kh, kw)."""
    if kernel.is_contiguous():
        return matrix.view(kernel.shape)
    D, C, *sides = kernel.shape
    return matrix.view(D, *sides, C).movedim(-1, 1)


def memory_format_of(tensor: Tensor) -> torch.memory_format:
    """The order in which the axes of a kernel (D, C, kh, kw), or of anything else, lie in memory."""
    if tensor.ndim == 4 and not tensor.is_contiguous():
        return torch.channels_last
    return torch.contiguous_format
