"""Every model of the registry: it exports, every op has a rule, and its numbers check, forward and backward."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
import torch

from convoscope.graph.build import build as build_graph
from convoscope.lab.microscope import RunLoss
from convoscope.look.capture import capture
from convoscope.look.rules import RULES
from convoscope.models import MODELS, build, undrawn
from convoscope.models.activations import ACTIVATIONS
from convoscope.train.losses import LOSSES
from convoscope.train.recipe import Recipe

N_UNITS = int(os.environ.get("CONVOSCOPE_UNITS", "8"))
SHAPE = (3, 20, 18)
SMOOTH = [name for name, entry in ACTIVATIONS.items() if not entry.cannot_learn]


def of_model(name: str) -> Any:
    """The case of a model by itself; one of millions of parameters, with hundreds of nodes, is in the slow run."""
    with undrawn():
        n_parameters = sum(parameter.numel() for parameter in build(name, SHAPE, 5).parameters())
    slow = [pytest.mark.slow, pytest.mark.timeout(600)] if n_parameters > 1_000_000 else []
    return pytest.param(name, {}, "cross-entropy", marks=slow)


CASES: list[Any] = [
    *map(of_model, MODELS),
    *(("lenet5", {"activation": name}, "cross-entropy") for name in SMOOTH),
    *(("mlp", {"hidden": (9, 7), "dropout": 0.4}, loss) for loss in LOSSES),
]


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize(("name", "options", "loss"), CASES, ids=str)
def test_every_op_has_a_rule_and_every_number_checks(name: str, options: dict[str, Any], loss: str, mode: Any) -> None:
    torch.manual_seed(0)
    model = build(name, SHAPE, 5, options)
    x, labels = torch.randn(2, *SHAPE), torch.tensor([1, 4])
    smoothing = 0.1 if loss == "cross-entropy" else 0.0
    goal = RunLoss(Recipe(loss=loss, label_smoothing=smoothing))
    graph = build_graph(model, x, mode, loss=goal, target=labels)
    assert {node.op for node in graph.nodes.values() if node.kind == "op"} - {"getitem"} <= set(RULES)
    generator = np.random.default_rng(0)
    for dtype, bound in ((torch.float32, 1e-5), (torch.float64, 1e-12)):
        seen = capture(graph, model, x, labels, dtype=dtype, seed=3)
        for node in graph.nodes.values():
            if node.dtype == "int64":
                continue
            for _ in range(N_UNITS):
                unit = tuple(int(generator.integers(length)) for length in node.shape)
                for direction in ("forward", "backward") if node.kind == "op" else ("backward",):
                    why = seen.why(node.name, unit, direction)  # type: ignore[arg-type]
                    if direction == "backward" and (node.kind == "buffer" or node.name in {"loss.one_hot", "loss.to"}):
                        assert why.recorded is None  # running statistics and the target: nothing is learnt about them
                        continue
                    assert why.expression is not None, (node.name, why.note)
                    assert why.gap is not None, (node.name, direction)
                    assert why.gap <= bound * why.scale + (1e-30 if dtype == torch.float64 else 1e-12), why.text()
