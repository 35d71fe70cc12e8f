"""The multi-layer perceptron: every pixel to every unit, as deep and as wide as asked.

Rumelhart, Hinton, Williams: Learning representations by back-propagating errors, Nature 323, 1986.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from torch import nn

from convoscope.errors import RecipeError
from convoscope.models.activations import LEARNABLE, activation
from convoscope.models.registry import MODELS, Architecture, Figure, Shape


@dataclass(frozen=True)
class MLPOptions:
    """What can be chosen of an MLP."""

    hidden: tuple[int, ...] = field(
        default=(256, 128), metadata={"help": "units of each hidden layer, input side first"}
    )
    activation: str = field(default="relu", metadata={"help": "after every hidden layer", "choices": LEARNABLE})
    dropout: float = field(
        default=0.0, metadata={"help": "share of hidden units set to 0 in each training step, 0 up to below 1"}
    )


def mlp(shape: Shape, n_classes: int, options: MLPOptions) -> nn.Sequential:
    """An MLP for images of `shape` (C, H, W): float32 (N, C, H, W) to logits (N, n_classes).

    Raises:
        RecipeError: a hidden layer without units, or dropout outside [0, 1).
        UnknownName: an activation that is not registered.
    """
    if any(units < 1 for units in options.hidden):
        raise RecipeError(
            f"mlp was asked for hidden layers of {options.hidden} units; each needs at least 1.",
            hint="For no hidden layer use --model linear.",
        )
    if not 0 <= options.dropout < 1:
        raise RecipeError(f"mlp was given dropout {options.dropout}; it is a share of units, 0 up to below 1.")
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    C, H, W = shape
    n_inputs = C * H * W
    for depth, units in enumerate(options.hidden, start=1):
        layers[f"fc{depth}"] = nn.Linear(n_inputs, units)
        layers[f"act{depth}"] = activation(options.activation)
        if options.dropout > 0:
            layers[f"drop{depth}"] = nn.Dropout(options.dropout)
        n_inputs = units
    layers[f"fc{len(options.hidden) + 1}"] = nn.Linear(n_inputs, n_classes)
    return nn.Sequential(layers)


MODELS.add(
    "mlp",
    Architecture(
        make=mlp,
        options=MLPOptions,
        summary="Fully connected layers with an activation between them.",
        taught="Hidden units learn features of their own when errors are propagated backwards.",
        year=1986,
        paper="Rumelhart, Hinton, Williams: Learning representations by back-propagating errors",
        recipe={"optimiser": "adamw", "lr": 0.002, "weight_decay": 0.01, "label_smoothing": 0.05},
        n_seen=540_000,
        ours=(Figure("MNIST", 0.9859, "the usual recipe", n_seeds=3, low=0.9855, high=0.9865),),
        published=(Figure("MNIST, --hidden 300,100", 0.9695, "LeCun et al. 1998, figure 9: 3.05 % wrong"),),
    ),
)
