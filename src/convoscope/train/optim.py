"""The optimisers: torch's own, put together for a recipe, with their state under the parameters' names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from convoscope.registry import Registry
from convoscope.train.recipe import Recipe

_FIRST_MOMENT, _SECOND_MOMENT = 0.9, 0.999


@dataclass
class Part:
    """One torch optimiser and the parameters it moves, by name. `views` holds matrix views of kernels, or nothing."""

    optimiser: torch.optim.Optimizer
    names: list[str]
    views: dict[str, tuple[nn.Parameter, nn.Parameter]]


class Optimiser:
    """All parts that together move every parameter of a model once."""

    def __init__(self, parts: list[Part]) -> None:
        self.parts = [part for part in parts if part.names]

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """Moves every parameter once at this learning rate, by the gradients in `.grad`."""
        for part in self.parts:
            for parameter, view in part.views.values():
                assert parameter.grad is not None
                view.grad = _as_matrix(parameter.grad.to(memory_format=memory_format_of(parameter)))
            for group in part.optimiser.param_groups:
                group["lr"] = lr
            part.optimiser.step()

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
    """The optimiser of the recipe over all parameters of the model that take gradients."""
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    return Optimiser(OPTIMISERS[recipe.optimiser](named, recipe))


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
    """Momentum whose matrices are made orthogonal before each step (Jordan et al. 2024); AdamW moves the rest.

    Kernels (D, C, kh, kw) are moved as matrices (D, C kh kw). The last layer, biases and norms are AdamW's. The step is
    scaled to AdamW's usual size (Liu et al. 2025, section 2.2), so that one learning rate serves both.
    """
    matrices = [(name, parameter) for name, parameter in named if parameter.ndim > 1]
    moved = dict(matrices[:-1])
    views = {name: (parameter, nn.Parameter(_as_matrix(parameter.data))) for name, parameter in moved.items()}
    part = _part(
        torch.optim.Muon,
        [(name, view) for name, (_, view) in views.items()],
        lr=recipe.peak_lr,
        momentum=recipe.kept_momentum,
        weight_decay=recipe.weight_decay,
        adjust_lr_fn="match_rms_adamw",
    )
    part.views = views
    return [part, *adamw([(name, parameter) for name, parameter in named if name not in moved], recipe)]


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
