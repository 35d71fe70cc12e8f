"""Every model of the registry: it exports, every op has a rule, and its numbers check, forward and backward."""

from __future__ import annotations

import itertools
import os
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from convoscope.graph.build import build as build_graph
from convoscope.graph.graph import Graph
from convoscope.graph.places import NOTHING
from convoscope.lab.microscope import RunLoss
from convoscope.look.capture import capture
from convoscope.look.rules import RULES
from convoscope.models import MODELS, undrawn
from convoscope.models.activations import ACTIVATIONS
from convoscope.train.losses import LOSSES
from convoscope.train.recipe import Recipe
from small import cases, examples, fitted, is_quick, made, shape_for

N_UNITS = int(os.environ.get("CONVOSCOPE_UNITS", "8"))
SMOOTH = [name for name, entry in ACTIVATIONS.items() if not entry.cannot_learn]
# A network with the same few ops at every step is opened at fewer numbers of each.
MOST_TRIED = 40 * N_UNITS
OTHER_IN_TRAINING = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd, nn.RReLU)
FLAT = {"detach", *NOTHING}


def in_modes(name: str, kind: str, options: dict[str, Any], loss: str = "cross-entropy") -> list[Any]:
    """A model's cases: in evaluation, and in training where that is another graph.

    One of millions of parameters, or with hundreds of nodes, is in the slow run.
    """
    with undrawn():
        layers = list(made(name, kind, **options).modules())
    modes = ["eval", "train"] if any(isinstance(layer, OTHER_IN_TRAINING) for layer in layers) else ["eval"]
    slow = [] if is_quick(name) else [pytest.mark.slow, pytest.mark.timeout(600)]
    return [pytest.param(name, kind, options, loss, mode, marks=slow) for mode in modes]


CASES = [
    *(in_modes(name, kind, {}) for name, kind in cases()),
    *(in_modes("lenet5", "images", {"activation": name}) for name in SMOOTH),
    *(in_modes("mlp", "images", {"hidden": (9, 7), "dropout": 0.4}, loss) for loss in LOSSES),
    in_modes("lstm", "images", {"pool": "mean"}),
    in_modes("gru", "images", {"pool": "max"}),
    in_modes("rnn", "texts", {"pool": "last", "layers": 2, "dropout": 0.4}),
    in_modes("lstm", "texts", {"pool": "mean"}),
    *(in_modes("tree", kind, {"cell": "lstm", "dropout": 0.4}) for kind in MODELS["tree"].takes),
    in_modes("textcnn", "texts", {"dropout": 0.5, "widths": (1, 7)}, "hinge"),
]


def learnt(graph: Graph) -> set[str]:
    """The nodes that a gradient must reach: made of what is learnt or of an image, and on a smooth way to the loss."""
    made_of: set[str] = set()
    for node in graph.nodes.values():
        smooth = node.kind == "op" and node.op not in FLAT and made_of & set(node.inputs)
        if node.kind in ("parameter", "input") or smooth:
            made_of |= {node.name} if node.dtype.startswith("float") or node.dtype == "tuple" else set()
    wanted = {graph.loss}
    for node in reversed(tuple(graph.nodes.values())):
        if node.name in wanted & made_of:
            wanted.update(node.inputs)
    return made_of & wanted


@pytest.mark.parametrize(("name", "kind", "options", "loss", "mode"), [*itertools.chain(*CASES)], ids=str)
def test_every_op_has_a_rule_and_every_number_checks(
    name: str, kind: str, options: dict[str, Any], loss: str, mode: Any
) -> None:
    torch.manual_seed(0)
    x, labels = examples(shape_for(name, kind), 2), torch.tensor([1, 4])
    model = fitted(name, made(name, kind, **options), x, labels)
    smoothing = 0.1 if loss == "cross-entropy" else 0.0
    goal = RunLoss(Recipe(loss=loss, label_smoothing=smoothing))
    graph = build_graph(model, x, mode, loss=goal, target=labels)
    assert {node.op for node in graph.nodes.values() if node.kind == "op"} - {"getitem"} <= set(RULES)
    generator = np.random.default_rng(0)
    nodes = [node for node in graph.nodes.values() if node.dtype != "tuple"]
    n_units = max(1, min(N_UNITS, MOST_TRIED // len(nodes)))
    back = learnt(graph)
    for dtype, bound in ((torch.float32, 1e-5), (torch.float64, 1e-12)):
        seen = capture(graph, model, x, labels, dtype=dtype, seed=3)
        for node in nodes:
            assert (seen.gradient(node.name) is not None) == (node.name in back), node.name
            directions = ["forward"] * (node.kind == "op") + ["backward"] * (node.name in back)
            for _ in range(n_units):
                unit = tuple(int(generator.integers(length)) for length in node.shape)
                for direction in directions:
                    why = seen.why(node.name, unit, direction)  # type: ignore[arg-type]
                    assert why.expression is not None, (node.name, why.note)
                    assert why.gap is not None, (node.name, direction)
                    assert why.gap <= bound * why.scale + (1e-30 if dtype == torch.float64 else 1e-12), why.text()
