from __future__ import annotations

import pytest
import torch
import zoo
from torch.utils.flop_counter import FlopCounterMode

from convoscope.graph.build import build
from convoscope.graph.cost import cost

torch.set_num_threads(1)


@pytest.mark.parametrize("name", [name for name in zoo.ZOO if name not in ("attention", "parts")])
def test_totals_are_torch_s_own(name: str) -> None:
    model, inputs = zoo.make(name).eval(), zoo.ZOO[name][1](3)
    with FlopCounterMode(display=False) as counter:
        model(*(tensor.clone() for tensor in inputs))
    total = cost(zoo.graph_of(name).at(3)).total
    assert total.flops == counter.get_total_flops()
    assert total.parameters == sum(parameter.numel() for parameter in model.parameters())


def test_lenet_by_hand() -> None:
    graph = build(zoo.make("lenet"), zoo.image(1, 1, 28))
    costs = cost(graph)
    assert costs.nodes["conv1"].parameters == 6 * 25 + 6
    assert costs.nodes["conv1"].flops == 2 * 25 * 6 * 28 * 28
    assert costs.nodes["conv1"].bytes == 4 * 6 * 28 * 28
    assert costs.nodes["relu"] == costs.nodes["relu"].__class__(0, 0, 4 * 6 * 28 * 28)
    assert costs.nodes["flatten"].bytes == 0  # a view
    assert cost(graph.at(5)).total.flops == 5 * costs.total.flops


def test_attention_counts_its_products() -> None:
    costs = cost(zoo.graph_of("attention").at(3))
    # 3 images, 2 heads, 5 places, 4 numbers each: scores and the weighted sum.
    assert costs.nodes["scaled_dot_product_attention"].flops == 2 * 2 * 3 * 2 * 5 * 5 * 4


def test_a_reused_layer_counts_its_weights_once() -> None:
    costs = cost(zoo.graph_of("reused"))
    assert costs.nodes["linear"].parameters == costs.nodes["linear_2"].parameters == costs.total.parameters == 42
