"""Kim's network against its definition, text by text and kernel by kernel, and what it does at the edges."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from convoscope.errors import ModelError, RecipeError
from convoscope.models import build, undrawn
from convoscope.shape import PADDING, Trees, Words

SHAPE = Words(12, 30)


def network(**options: object) -> nn.Module:
    torch.manual_seed(0)
    return build("textcnn", SHAPE, 3, {"embedding": 5, "maps": 4, **options}).eval()


def strongest(model: nn.Module, text: list[int], width: int) -> Tensor:
    """The largest answer of each kernel over all windows that hold a word, the text widened by zeros: (maps,)."""
    table, conv = model.get_parameter("embedding.weight"), model.get_submodule(f"conv{width}")
    weight, bias = conv.weight, conv.bias
    zeros = torch.zeros(width - 1, table.shape[1])
    wide = torch.cat([zeros, table[text], zeros])
    answers = [
        (weight * wide[k : k + width].T).sum((1, 2)) + bias  # weight (maps, embedding, width)
        for k in range(len(text) + width - 1)
    ]
    return torch.stack(answers).relu().amax(0)


@pytest.mark.parametrize("widths", [(3, 4, 5), (1,), (2, 9)])
def test_the_features_are_the_strongest_answers(widths: tuple[int, ...]) -> None:
    model = network(widths=widths)
    texts = [[5], [6, 7], [8, 9, 10, 11, 12, 1, 14], list(range(2, 14))]
    x = torch.tensor([text + [PADDING] * (12 - len(text)) for text in texts])
    expected = torch.stack([torch.cat([strongest(model, text, width) for width in widths]) for text in texts])
    torch.testing.assert_close(model(x), model.get_submodule("fc")(expected), rtol=1e-5, atol=1e-6)
    for text, row in zip(texts, expected, strict=True):
        alone = model(torch.tensor([text]))[0]
        torch.testing.assert_close(alone, model.get_submodule("fc")(row), rtol=1e-5, atol=1e-6)


def test_padding_takes_no_part_even_where_it_would_win() -> None:
    model = network(dropout=0.0)
    with torch.no_grad():
        for width in (3, 4, 5):
            model.get_parameter(f"conv{width}.bias").fill_(9.0)  # a window of padding alone would answer 9
            model.get_parameter(f"conv{width}.weight").fill_(-1.0)
        model.get_parameter("embedding.weight")[1:] = 1.0
    found = []
    for padding in (0, 1, 30):
        model.zero_grad()
        y = model(torch.tensor([[2] * 7 + [PADDING] * padding, [3] * 7 + [PADDING] * padding]))
        y.square().sum().backward()
        found.append([y, *(p.grad.clone() for p in model.parameters() if p.grad is not None)])
    assert found[0][0].abs().sum() > 0
    for other in found[1:]:
        torch.testing.assert_close(found[0], other, rtol=1e-5, atol=1e-6)


def test_a_text_of_no_words_is_judged_by_the_last_bias_alone() -> None:
    model = network()
    with torch.no_grad():
        model.get_parameter("conv3.bias").fill_(5.0)
    y = model(torch.tensor([[PADDING] * 6, [4] * 6]))
    assert torch.equal(y[0], model.get_parameter("fc.bias"))
    y[0].sum().backward()
    assert not model.get_parameter("conv3.weight").grad.any()  # type: ignore[union-attr]  # it has one
    with pytest.raises(ModelError, match="no place for a word"):
        model(torch.zeros(2, 0, dtype=torch.int64))


def test_size_and_first_weights() -> None:
    with torch.device("meta"), undrawn():
        model = build("textcnn", Words(56, 18_767), 2)
    assert sum(p.numel() for p in model.parameters()) == 1_997_602
    table = network().get_parameter("embedding.weight")
    assert not table[PADDING].any()
    assert table.abs().amax() <= 0.25


@pytest.mark.parametrize(
    "options",
    [
        {"widths": ()}, {"widths": (0, 3)}, {"widths": (3, 3)}, {"maps": 0}, {"embedding": 0}, {"dropout": -0.1},
    ],
    ids=str,
)  # fmt: skip
def test_refusals(options: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match=next(iter(options))) as raised:
        network(**options)
    assert raised.value.hint


def test_it_takes_texts_alone() -> None:
    for shape, kind in (((1, 28, 28), "images"), (Trees(3, 4, 9), "trees")):
        with pytest.raises(ModelError, match=f"textcnn takes texts, and the data are {kind}"):
            build("textcnn", shape, 2)  # type: ignore[arg-type]
