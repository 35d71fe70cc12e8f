"""Linear regression onto the classes: least squares between the outputs and 1 for the image's class, 0 for the others.

Legendre: Nouvelles méthodes pour la détermination des orbites des comètes, 1805; Gauss: Theoria motus corporum
coelestium, 1809. The ridge: Hoerl, Kennard: Ridge regression, Technometrics 12(1), 1970.

    min over W, b of   mean over images of |W x + b - t|^2   +   ridge |W|^2,      t one-hot

The exact solution comes from the normal equations. With means taken off, so that b is not shrunk,

    (mean x x' + ridge 1) W' = mean x t',      b = mean t - W mean x

and their sums over all images are gathered in float64, a batch at a time. The outputs are the logits.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convoscope.errors import ModelError, RecipeError
from convoscope.models.registry import MODELS, Architecture, Shape

SOLVES = ("exact", "gradient")
MOST_INPUTS = 8192


@dataclass(frozen=True)
class LinearRegressionOptions:
    """What can be chosen of linear regression."""

    solve: str = field(
        default="exact",
        metadata={"help": "exact: the normal equations, at once; gradient: by steps, as networks", "choices": SOLVES},
    )
    ridge: float = field(
        default=0.1,
        metadata={"help": "what |W|^2 costs beside the mean squared error (exact only); 0 takes the smallest W"},
    )


class LeastSquares(nn.Linear):
    """A fully connected layer whose weights are solved for; solved ones are not trained any further.

    Args:
        n_inputs: D, numbers of an image.
        n_classes: K.
        options: How it is solved.
    """

    def __init__(self, n_inputs: int, n_classes: int, options: LinearRegressionOptions) -> None:
        super().__init__(n_inputs, n_classes)
        self.options = options
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)
        self.requires_grad_(options.solve == "gradient")

    @torch.no_grad()
    def fit(self, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Solves for weight and bias over all batches: images (n, D) in any shape, and labels (n,).

        Raises:
            ModelError: no images.
        """
        D, K = self.in_features, self.out_features
        # Around the first batch's mean: sums of squares far from 0 would lose the digits that matter.
        origin: Tensor | None = None
        n, sums = 0, [torch.zeros(()) for _ in range(4)]
        for x, labels in batches:
            x = x.flatten(1).cpu().double()
            t = F.one_hot(labels.cpu(), K).double()
            origin = x.mean(0) if origin is None else origin
            x = x - origin
            n += len(x)
            sums = [s + part for s, part in zip(sums, (x.t() @ x, x.t() @ t, x.sum(0), t.sum(0)), strict=True)]
        if origin is None:
            raise ModelError("linear_regression was given no training image; it needs at least one.")
        squares, products, x_mean, t_mean = (s / n for s in sums)
        squares = squares - torch.outer(x_mean, x_mean) + self.options.ridge * torch.eye(D, dtype=torch.float64)
        products = products - torch.outer(x_mean, t_mean)
        weight = _solved(squares, products).t()
        self.weight.copy_(weight)
        self.bias.copy_(t_mean - weight @ (x_mean + origin))

    def extra_repr(self) -> str:
        """Its sizes and options."""
        return f"{super().extra_repr()}, solve={self.options.solve}, ridge={self.options.ridge:g}"


def _solved(squares: Tensor, products: Tensor) -> Tensor:
    """The X of least length for which squares X = products: float64 (D, D), (D, K) -> (D, K).

    By Cholesky's way where every direction has some spread, else through the directions that have: pixels that are the
    same in all images, or fewer images than pixels, leave some without any.
    """
    factor, failed = torch.linalg.cholesky_ex(squares)
    diagonal = factor.diagonal()
    if not int(failed) and float(diagonal.min()) > 1e-6 * float(diagonal.max()):
        return torch.cholesky_solve(products, factor)
    values, directions = torch.linalg.eigh(squares)
    seen = values > values.max() * len(values) * torch.finfo(torch.float64).eps
    inverse = torch.where(seen, 1 / torch.where(seen, values, 1.0), 0.0)
    solution: Tensor = directions @ (inverse[:, None] * (directions.t() @ products))
    return solution


def linear_regression(shape: Shape, n_classes: int, options: LinearRegressionOptions) -> nn.Sequential:
    """Linear regression for images of `shape` (C, H, W): float32 (N, C, H, W) to outputs (N, n_classes).

    Raises:
        RecipeError: a way to solve that there is not, or a ridge below 0.
        ModelError: more numbers an image than the exact way takes.
    """
    if options.solve not in SOLVES:
        raise RecipeError(
            f"The option solve of linear_regression was given {options.solve!r}; it is one of {', '.join(SOLVES)}.",
            hint="See: convoscope models linear_regression",
        )
    if not 0 <= options.ridge < float("inf"):
        raise RecipeError(f"The option ridge of linear_regression was given {options.ridge}; it is 0 or more.")
    C, H, W = shape
    n_inputs = C * H * W
    if options.solve == "exact" and n_inputs > MOST_INPUTS:
        raise ModelError(
            f"linear_regression was asked for an exact solution over {n_inputs:,} numbers an image; its table of "
            f"{n_inputs:,} x {n_inputs:,} numbers is refused above {MOST_INPUTS:,}.",
            hint="Use smaller images (--image-size), or --solve gradient.",
        )
    return nn.Sequential(OrderedDict(flatten=nn.Flatten(), fc=LeastSquares(n_inputs, n_classes, options)))


def fit(model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Solves for the weights where that was asked for; does nothing where steps are to find them."""
    for layer in model.modules():
        if isinstance(layer, LeastSquares) and layer.options.solve == "exact":
            layer.fit(batches)


MODELS.add(
    "linear_regression",
    Architecture(
        make=linear_regression,
        options=LinearRegressionOptions,
        summary="The weighted sum of pixels that comes nearest to 1 for the class and 0 for the others.",
        taught="Squared errors have one least sum, and it can be written down; but a class is no quantity to hit.",
        year=1805,
        paper="Legendre: Nouvelles méthodes pour la détermination des orbites des comètes",
        recipe={"loss": "squared-error", "optimiser": "adamw", "lr": 0.0005},
        n_seen=270_000,
        fit=fit,
    ),
)
