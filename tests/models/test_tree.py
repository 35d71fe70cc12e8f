"""The recursive network against a plain recursive function, in batches and one by one, and its edges."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convoscope.errors import ModelError, RecipeError
from convoscope.models import build, undrawn
from convoscope.shape import PADDING, Trees, Words
from small import Node, encoded, examples, random_tree

SHAPE = Trees(4, 6, 12)
CELLS = ("rnn", "lstm")


def network(shape: Any, cell: str = "rnn", **options: object) -> nn.Module:
    torch.manual_seed(0)
    model = build("tree", shape, 3, {"hidden": 7, "cell": cell, **options}).double()
    for name, parameter in model.named_parameters():
        if "embedding" not in name:
            nn.init.normal_(parameter, std=0.5)
    return model


def recursed(model: nn.Module, node: Node, leaf_of: Any) -> tuple[Tensor, Tensor]:
    """h and c of one node, by the formulas of the papers; c is of no account without a memory."""
    weights = {name.rsplit("compose.", 1)[-1]: p for name, p in model.named_parameters() if "compose" in name}
    gated = weights["pair.weight"].shape[0] != weights["pair.weight"].shape[1] // 2
    if not isinstance(node, tuple):
        x = leaf_of(node)
        if "leaf.weight" not in weights:
            return x, x
        y = weights["leaf.weight"] @ x + weights["leaf.bias"]
        if not gated:
            return y.tanh(), y
        i, o, g = y.view(3, -1)
        c = i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c
    (h_left, c_left), (h_right, c_right) = (recursed(model, child, leaf_of) for child in node)
    y = weights["pair.weight"] @ torch.cat([h_left, h_right]) + weights["pair.bias"]
    if not gated:
        return y.tanh(), y
    i, o, g, left, right = y.view(5, -1)
    c = i.sigmoid() * g.tanh() + left.sigmoid() * c_left + right.sigmoid() * c_right
    return o.sigmoid() * c.tanh(), c


def balanced(leaves: list[Any]) -> Node:
    """Neighbours in pairs, level by level, an odd last one passed on."""
    while len(leaves) > 1:
        pairs = [(leaves[k], leaves[k + 1]) for k in range(0, len(leaves) - 1, 2)]
        leaves = pairs + leaves[len(pairs) * 2 :]
    return leaves[0]


def judged(model: nn.Module, root: Node, leaf_of: Any) -> Tensor:
    y: Tensor = model.get_submodule("fc")(recursed(model, root, leaf_of)[0])
    return y


@pytest.mark.parametrize("cell", CELLS)
def test_given_trees_are_composed_as_a_recursive_function_would(cell: str) -> None:
    model = network(SHAPE, cell)
    generator = torch.Generator().manual_seed(5)
    table = model.get_parameter("tree.embedding.weight")
    roots: list[Node] = [random_tree(SHAPE, generator) for _ in range(20)]
    roots += [3, (3, 4), ((5, 6), 7), (5, (6, (7, 8))), (((5, 6), 7), ((8, 9), (10, 11)))]
    batch = torch.stack([encoded(root, SHAPE) for root in roots])
    y = model(batch)
    torch.testing.assert_close(y, torch.stack([judged(model, root, lambda k: table[k]) for root in roots]))
    torch.testing.assert_close(y, torch.cat([model(one[None]) for one in batch]))


@pytest.mark.parametrize("cell", CELLS)
def test_a_batch_may_be_cut_to_its_deepest_and_fullest_tree(cell: str) -> None:
    model = network(SHAPE, cell)
    batch = torch.stack([encoded(root, SHAPE) for root in (3, (3, 4), ((5, 6), 7))])
    torch.testing.assert_close(model(batch), model(batch[:, 1:, :3]), rtol=0, atol=0)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("length", [1, 2, 3, 5, 8, 11, 13])
def test_a_text_gets_the_balanced_tree_of_its_own_words(cell: str, length: int) -> None:
    model = network(Words(16, 40), cell)
    table = model.get_parameter("read.embedding.weight")
    text = list(range(2, 2 + length))
    expected = judged(model, balanced(text), lambda k: table[k])
    for padding in (0, 1, 2, 3, 7, 20):
        other = torch.randint(1, 40, (length + padding,))
        y = model(torch.stack([torch.tensor(text + [PADDING] * padding), other]))[0]
        torch.testing.assert_close(y, expected)


@pytest.mark.parametrize("cell", CELLS)
def test_padding_changes_no_gradient(cell: str) -> None:
    model = network(Words(16, 40), cell)
    x = torch.tensor([[2, 3, 4, 5, 6], [7, 8, 9, 0, 0]])
    found = []
    for padding in (0, 1, 6):
        model.zero_grad()
        model(nn.functional.pad(x, (0, padding))).square().sum().backward()
        found.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    torch.testing.assert_close(found[0], found[1], rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(found[0], found[2], rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("shape", [(2, 7, 3), (1, 1, 4), (1, 2, 1)], ids=str)
def test_an_image_is_a_tree_over_its_rows(cell: str, shape: tuple[int, int, int]) -> None:
    model = network(shape, cell)
    x = examples(shape, 3).double()
    expected = [judged(model, balanced(list(range(shape[1]))), lambda k, one=one: one[:, k].reshape(-1)) for one in x]
    torch.testing.assert_close(model(x), torch.stack(expected))


@pytest.mark.parametrize("cell", CELLS)
def test_a_tree_of_nothing_is_judged_by_the_last_bias_alone(cell: str) -> None:
    for shape, x in ((Words(5, 9), torch.zeros(2, 5)), (SHAPE, torch.zeros(2, *(4, 6, 3)))):
        model = network(shape, cell)
        y = model(x.long())
        assert torch.equal(y, model.get_parameter("fc.bias").expand(2, 3))
        y.sum().backward()
        assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
        with pytest.raises(ModelError, match="no place for a word"):
            model(x.long()[:, :0])


def test_left_is_not_right() -> None:
    model = network(SHAPE)
    y = model(torch.stack([encoded(root, SHAPE) for root in ((3, 4), (4, 3), ((3, 4), 5), (3, (4, 5)))]))
    assert len({tuple(row.tolist()) for row in y}) == 4


def test_sizes_and_first_weights() -> None:
    with torch.device("meta"), undrawn():
        model = build("tree", Words(56, 18_767), 2)
    assert sum(p.numel() for p in model.parameters()) == 2_435_330
    assert build("tree", SHAPE, 2, {"cell": "lstm"}).get_parameter("tree.compose.pair.bias").sum() == 2 * 128
    assert not build("tree", SHAPE, 2).get_parameter("tree.embedding.weight")[PADDING].any()


@pytest.mark.parametrize("options", [{"hidden": 0}, {"dropout": 1.0}, {"cell": "gru"}], ids=str)
def test_refusals(options: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match=next(iter(options))) as raised:
        build("tree", SHAPE, 3, options)
    assert raised.value.hint
