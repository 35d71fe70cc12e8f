"""k nearest neighbours: nothing is learnt; an image is what most of the training images nearest to it are.

Cover, Hart: Nearest neighbor pattern classification, IEEE Transactions on Information Theory 13(1), 1967. With more and
more images the error of the single nearest neighbour comes to less than twice the least error that any rule can have.

    step        output for N training images and K classes
    distances   N      from the image to every training image, pixel by pixel
    nearest     k      the least of them; of equal ones the earlier image
    votes       K      each neighbour votes for its class, with weight 1 or 1 / distance
    logits      K      the logarithms of the shares of the votes

So softmax(logits) are the shares, and a tie of votes goes to the first class. A share of 0 counts as 1e-6, for its
logarithm to be finite: a test image whose neighbours are all of other classes has a cross-entropy of 13.8.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convoscope.errors import ModelError, RecipeError
from convoscope.models.neighbours import METRICS, Search, distances, is_whole
from convoscope.models.registry import MODELS, Architecture, Figure, Shape

WEIGHTS = ("uniform", "distance")
LEAST_SHARE = 1e-6


@dataclass(frozen=True)
class KNNOptions:
    """What can be chosen of k nearest neighbours."""

    k: int = field(default=3, metadata={"help": "how many neighbours vote"})
    metric: str = field(
        default="l2",
        metadata={
            "help": "l2: root of the sum of squared differences; l1: sum of the differences' sizes; cosine: 1 - the "
            "cosine of the angle",
            "choices": METRICS,
        },
    )
    weights: str = field(
        default="uniform",
        metadata={
            "help": "uniform: every neighbour has one vote; distance: 1 / distance votes (all votes to those at 0, "
            "where there are any)",
            "choices": WEIGHTS,
        },
    )


class NearestNeighbours(nn.Module):
    """The training images and their classes, asked for the ones nearest to an image.

    Its buffers are `images`, uint8 (N, D) where every input is a whole number from 0 to 255 and float32 otherwise, and
    `labels`, int64 (N,). It is made without any, and gives every class the same share until it holds some.

    Args:
        n_inputs: D, numbers of an image.
        n_classes: K.
        options: How many vote, how they are found, and what their votes count.
    """

    images: Tensor
    labels: Tensor

    def __init__(self, n_inputs: int, n_classes: int, options: KNNOptions) -> None:
        super().__init__()
        self.n_classes, self.options = n_classes, options
        self.register_buffer("images", torch.empty(0, n_inputs, dtype=torch.uint8))
        self.register_buffer("labels", torch.empty(0, dtype=torch.long))
        self._search: Search | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Logits float32 (n, K) of images float32 (n, D)."""
        if not len(self.images):
            return torch.zeros_like(x[:, :1]).expand(-1, self.n_classes) - math.log(self.n_classes)
        away, indices = self._written_out(x) if torch.compiler.is_exporting() else self.nearest(x)
        one_hot = F.one_hot(self.labels[indices], self.n_classes).to(torch.float64)
        votes = (one_hot * self.votes(away)[:, :, None]).sum(1)
        shares = votes / votes.sum(1, keepdim=True)
        return shares.clamp(min=LEAST_SHARE).log().to(torch.float32)

    def nearest(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The k nearest images of each, nearest first: distances float64 (n, k) and indices int64 (n, k)."""
        search = self._search
        if search is None or search.references is not self.images:
            search = self._search = Search(self.images, self.options.metric)
        return search.nearest(x, self.options.k)

    def votes(self, away: Tensor) -> Tensor:
        """What each neighbour's vote counts, by its distance: float64 (n, k) to the same shape."""
        if self.options.weights == "uniform":
            return torch.ones_like(away)
        zero = away == 0
        here = zero.to(torch.float64)
        by_distance = torch.where(zero, torch.ones_like(away), away).reciprocal()
        return torch.where(here.amax(1, keepdim=True) > 0, here, by_distance)

    def hold(self, images: Tensor, labels: Tensor) -> None:
        """Takes training images, uint8 or float32 (N, D), and labels, int64 (N,), in place of those it has.

        Raises:
            ModelError: fewer images than votes.
        """
        if len(images) < self.options.k:
            raise ModelError(
                f"knn was asked for {self.options.k} neighbours, and there are {len(images)} training images.",
                hint=f"Use --k {max(1, len(images))} or less, or more images.",
            )
        self.images, self.labels = images.contiguous(), labels

    def extra_repr(self) -> str:
        """The options."""
        return f"k={self.options.k}, metric={self.options.metric}, weights={self.options.weights}"

    def _written_out(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What `nearest` gives, from all distances in order: each step an op of the graph that is looked at."""
        # Which images are nearest changes in jumps, and a jump has no slope: nothing goes back from here.
        found = distances(x.detach(), self.images, self.options.metric)
        ordered, indices = found.sort(dim=1, stable=True)
        return ordered[:, : self.options.k], indices[:, : self.options.k]

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:  # noqa: ANN401
        """Makes room for as many images as are given, of the dtype they have; what does not fit is told by torch."""
        given = {name: state_dict.get(f"{prefix}{name}") for name in ("images", "labels")}
        for name, tensor in given.items():
            own = getattr(self, name)
            if isinstance(tensor, Tensor) and tensor.shape[1:] == own.shape[1:]:
                setattr(self, name, torch.empty_like(tensor, device=own.device))
        self._search = None
        super()._load_from_state_dict(state_dict, prefix, *rest)


def knn(shape: Shape, n_classes: int, options: KNNOptions) -> nn.Sequential:
    """k nearest neighbours for images of `shape` (C, H, W): float32 (N, C, H, W) to logits (N, n_classes).

    Raises:
        RecipeError: k below 1, or a metric or a weighting that there is not.
    """
    if options.k < 1:
        raise RecipeError(f"The option k of knn was given {options.k}; at least 1 neighbour has to vote.")
    for name, choices in (("metric", METRICS), ("weights", WEIGHTS)):
        if getattr(options, name) not in choices:
            raise RecipeError(
                f"The option {name} of knn was given {getattr(options, name)!r}; it is one of {', '.join(choices)}.",
                hint="See: convoscope models knn",
            )
    C, H, W = shape
    return nn.Sequential(OrderedDict(flatten=nn.Flatten(), neighbours=NearestNeighbours(C * H * W, n_classes, options)))


def neighbours_of(model: nn.Module) -> NearestNeighbours | None:
    """The part of a network that holds training images; None where there is none."""
    return next((part for part in model.modules() if isinstance(part, NearestNeighbours)), None)


def fit(model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Gives the network all training images; ModelError where they are fewer than the votes."""
    neighbours = neighbours_of(model)
    assert neighbours is not None
    images: list[Tensor] = []
    labels: list[Tensor] = []
    for x, own in batches:
        flat = x.flatten(1)
        images.append(flat.to(torch.uint8) if is_whole(flat) else flat)
        labels.append(own)
    if not images:
        neighbours.hold(neighbours.images[:0], neighbours.labels[:0])
        return
    if any(part.dtype != torch.uint8 for part in images):
        images = [part.float() for part in images]
    neighbours.hold(torch.cat(images), torch.cat(labels))


MODELS.add(
    "knn",
    Architecture(
        make=knn,
        options=KNNOptions,
        summary="The classes of the nearest training images vote.",
        taught="Remembering everything goes far; but distance between pixels is not distance between meanings.",
        year=1967,
        paper="Cover, Hart: Nearest neighbor pattern classification",
        recipe={"normalise": "none", "precision": "float32"},
        n_seen=0,
        fit=fit,
        published=(
            Figure("MNIST", 0.95, "LeCun et al. 1998, figure 9: K-NN Euclidean, 5.0 % wrong; k is not said"),
            Figure("MNIST, digits deslanted", 0.976, "LeCun et al. 1998, figure 9: K-NN Euclidean, 2.4 % wrong"),
        ),
        ours=(Figure("MNIST", 0.9701, "the usual recipe, 54,001 references", 3, 0.9700, 0.9702),),
    ),
)
