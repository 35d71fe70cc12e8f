"""What learns: one architecture a file, named in one registry."""

from __future__ import annotations

# In the order of the field's history, which is the order in which they are listed.
from convoscope.models import linear, mlp, lenet5, resnet  # isort: skip
from convoscope.models.build import architecture_of, build, options_from_text
from convoscope.models.registry import MODELS, Architecture, Figure, Shape
from convoscope.models.table import LayerRow, layer_table
from convoscope.models.undrawn import undrawn

__all__ = [
    "MODELS",
    "Architecture",
    "Figure",
    "LayerRow",
    "Shape",
    "architecture_of",
    "build",
    "layer_table",
    "lenet5",
    "linear",
    "mlp",
    "options_from_text",
    "resnet",
    "undrawn",
]
