"""What learns: one architecture a file, named in one registry."""

from __future__ import annotations

# In the order of the field's history, which is the order in which they are listed.
# fmt: off
# isort: off
from convoscope.models import (
    linear_regression, linear, knn, mlp, rnn, lstm, lenet5_1998, lenet5, tree, alexnet_2012, alexnet, gru,
    textcnn, vgg, resnet, resnet_cifar, resnet9, airbench,
)
# isort: on
# fmt: on
from convoscope.models.build import architecture_of, build, options_from_text
from convoscope.models.pinned import Pinned
from convoscope.models.registry import MODELS, Architecture, Figure, Shape
from convoscope.models.table import LayerRow, layer_table
from convoscope.models.undrawn import undrawn

__all__ = [
    "MODELS",
    "Architecture",
    "Figure",
    "LayerRow",
    "Pinned",
    "Shape",
    "airbench",
    "alexnet",
    "alexnet_2012",
    "architecture_of",
    "build",
    "gru",
    "knn",
    "layer_table",
    "lenet5",
    "lenet5_1998",
    "linear",
    "linear_regression",
    "lstm",
    "mlp",
    "options_from_text",
    "resnet",
    "resnet9",
    "resnet_cifar",
    "rnn",
    "textcnn",
    "tree",
    "undrawn",
    "vgg",
]
