"""The recurrent networks: torch's own cells to the last digits, padding that changes nothing, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convoscope.errors import ModelError, RecipeError
from convoscope.graph.build import build as build_graph
from convoscope.models import build, undrawn
from convoscope.shape import PADDING, Trees, Words
from small import examples, made, shape_for

TORCHS: dict[str, type[nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
N_PARAMETERS = {"rnn": 21_386, "lstm": 81_674, "gru": 61_962}  # as their files have them
TEXT = Words(9, 30)


def text_network(name: str, **options: object) -> nn.Module:
    return build(name, TEXT, 3, {"hidden": 6, "embedding": 5, **options})


def texts(*lengths: int) -> Tensor:
    """Texts of these lengths, padded to the longest."""
    generator = torch.Generator().manual_seed(4)
    x = torch.randint(1, TEXT.n_words, (len(lengths), max(lengths)), generator=generator)
    return x.masked_fill(torch.arange(max(lengths)) >= torch.tensor(lengths)[:, None], PADDING)


def likeness(name: str, n_inputs: int, hidden: int, model: nn.Module, n_layers: int) -> nn.RNNBase:
    """torch's module with the weights of ours; the biases of ours stand in the first of torch's two."""
    theirs = TORCHS[name](n_inputs, hidden, n_layers, batch_first=True, dtype=model.get_parameter("fc.weight").dtype)
    ours = dict(model.named_parameters())
    with torch.no_grad():
        for k in range(n_layers):
            for part, letters in (("input", "ih"), ("state", "hh")):
                path = f"layer{k + 1}.cell.{part}"
                theirs.get_parameter(f"weight_{letters}_l{k}").copy_(ours[f"{path}.weight"])
                bias = ours.get(f"{path}.bias", torch.zeros(()))
                theirs.get_parameter(f"bias_{letters}_l{k}").copy_(bias)
    return theirs


@pytest.mark.parametrize("name", TORCHS)
@pytest.mark.parametrize("layers", [1, 2])
def test_the_cells_are_torchs(name: str, layers: int) -> None:
    torch.manual_seed(0)
    model = build(name, (2, 11, 4), 3, {"hidden": 7, "layers": layers}).double()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)  # biases too, which start at 0
    theirs = likeness(name, 8, 7, model, layers)
    x = torch.randn(5, 2, 11, 4, dtype=torch.float64)
    rows = torch.stack([torch.cat([image[0, k], image[1, k]]) for image in x for k in range(11)]).view(5, 11, 8)
    expected = model.get_submodule("fc")(theirs(rows)[0][:, -1])
    y = model(x)
    torch.testing.assert_close(y, expected, rtol=1e-12, atol=1e-12)
    ours = torch.autograd.grad(y.square().sum(), model.get_parameter("layer1.cell.state.weight"))
    wanted = torch.autograd.grad(expected.square().sum(), theirs.get_parameter("weight_hh_l0"))
    torch.testing.assert_close(ours, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", TORCHS)
@pytest.mark.parametrize("pool", ["last", "mean", "max"])
def test_a_text_is_read_as_torch_reads_it_packed(name: str, pool: str) -> None:
    torch.manual_seed(1)
    model = text_network(name, pool=pool).double()
    lengths = (9, 1, 4, 9, 2)
    x = texts(*lengths)
    packed = nn.utils.rnn.pack_padded_sequence(
        model.get_parameter("read.embedding.weight")[x], torch.tensor(lengths), batch_first=True, enforce_sorted=False
    )
    states, _ = nn.utils.rnn.pad_packed_sequence(likeness(name, 5, 6, model, 1)(packed)[0], batch_first=True)
    pooled = torch.stack(
        [
            {"last": own[n - 1], "mean": own[:n].mean(0), "max": own[:n].amax(0)}[pool]
            for own, n in zip(states, lengths, strict=True)
        ]
    )
    torch.testing.assert_close(model(x), model.get_submodule("fc")(pooled), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", TORCHS)
@pytest.mark.parametrize("options", [{"pool": "last", "layers": 2}, {"pool": "mean"}, {"pool": "max"}], ids=str)
@pytest.mark.parametrize("n_texts", [1, 7])
def test_more_padding_changes_no_bit_of_the_answer_or_of_the_gradient(
    name: str, options: dict[str, Any], n_texts: int
) -> None:
    torch.manual_seed(2)
    model = build(name, Words(60, 30), 3, {"hidden": 33, "embedding": 21, **options})
    x = texts(*range(2, 2 + n_texts))

    def answer(x: Tensor) -> list[Tensor]:
        model.zero_grad()
        y = model(x)
        y.square().sum().backward()
        return [y, *(parameter.grad for parameter in model.parameters() if parameter.grad is not None)]

    first = answer(x)
    for more in (1, 6, 40):
        padded = answer(nn.functional.pad(x, (0, more)))
        assert all(map(torch.equal, first, padded))
    # A batch's texts do not know of each other.
    alone = torch.cat([model(text[None, : int((text != PADDING).sum())]) for text in x])
    torch.testing.assert_close(alone, first[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", TORCHS)
@pytest.mark.parametrize("pool", ["last", "mean", "max"])
def test_a_text_of_no_words_is_judged_by_the_last_bias_alone(name: str, pool: str) -> None:
    model = text_network(name, pool=pool)
    y = model(torch.tensor([[PADDING] * 4, [5, 6, PADDING, PADDING]]))
    assert torch.equal(y[0], model.get_parameter("fc.bias"))
    assert not torch.equal(y[1], y[0])
    y[0].sum().backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None and name != "fc.bias"}
    assert all(not gradient.any() for gradient in gradients.values())  # no NaN either
    with pytest.raises(ModelError, match="no place for a word"):
        model(torch.zeros(3, 0, dtype=torch.int64))


@pytest.mark.parametrize("name", TORCHS)
def test_order_matters_and_the_unknown_word_is_a_word(name: str) -> None:
    torch.manual_seed(0)
    model = text_network(name)
    y = model(torch.tensor([[5, 6, 7], [7, 6, 5], [5, 6, 1], [5, 6, 0]]))
    assert len({tuple(row.tolist()) for row in y}) == 4


@pytest.mark.parametrize("name", TORCHS)
def test_sizes_and_first_weights(name: str) -> None:
    model = build(name, (1, 28, 28), 10)
    assert sum(parameter.numel() for parameter in model.parameters()) == N_PARAMETERS[name]
    for part in model.get_parameter("layer1.cell.state.weight").detach().split(128):
        torch.testing.assert_close(part @ part.T, torch.eye(128), rtol=0, atol=1e-5)
    biases = [p for path, p in model.named_parameters() if "cell" in path and path.endswith("bias")]
    assert sum(float(bias.detach().sum()) for bias in biases) == (128 if name == "lstm" else 0)
    table = text_network(name).get_parameter("read.embedding.weight")
    assert not table[PADDING].any()
    assert 0.1 < table[1:].abs().amax() <= 0.25


def test_the_forget_gate_alone_starts_open() -> None:
    i, f, g, o = build("lstm", (1, 4, 4), 2).get_parameter("layer1.cell.input.bias").chunk(4)
    assert f.eq(1).all()
    assert not torch.cat([i, g, o]).any()


@pytest.mark.parametrize("name", TORCHS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (4, 1, 9), (3, 9, 1), Words(1, 2)], ids=str)
def test_odd_shapes(name: str, shape: Any) -> None:
    for pool in ("last", "mean", "max"):
        y = build(name, shape, 2, {"hidden": 1, "embedding": 1, "pool": pool})(examples(shape, 3))
        assert y.shape == (3, 2)
        assert y.isfinite().all()
    with torch.device("meta"), undrawn():
        assert build(name, shape, 2).get_parameter("fc.weight").shape == (2, 128)


def test_each_step_goes_by_its_number_in_the_graph() -> None:
    graph = build_graph(made("lstm", "images"), examples(shape_for("lstm", "images"), 2), "eval")
    names = set(graph.nodes.names)
    for part in ("input", "state", "input_gate", "forget_gate", "candidate", "output_gate", "memory", "output"):
        steps = {f"layer1.cell.{part}", *(f"layer1.cell.{part}_{k}" for k in range(1, 3))}
        assert steps <= names
        assert f"layer1.cell.{part}_3" not in names


def test_dropout_stands_between_layers_and_before_the_classifier() -> None:
    model = build("gru", TEXT, 3, {"layers": 2, "dropout": 0.3})
    drops = [path for path, layer in model.named_modules() if isinstance(layer, nn.Dropout)]
    assert drops == ["read.drop", "layer1.drop", "drop"]
    model.eval()
    assert torch.equal(model(texts(4)), model(texts(4)))
    assert not any(isinstance(layer, nn.Dropout) for layer in build("gru", TEXT, 3, {"layers": 2}).modules())


@pytest.mark.parametrize(
    "options",
    [{"hidden": 0}, {"layers": 0}, {"embedding": -1}, {"dropout": 1.0}, {"dropout": float("nan")}, {"pool": "first"}],
    ids=str,
)
@pytest.mark.parametrize("name", TORCHS)
def test_refusals(name: str, options: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match=next(iter(options))) as raised:
        build(name, TEXT, 3, options)
    assert name in raised.value.message
    assert raised.value.hint
    with pytest.raises(ModelError, match=f"{name} takes images and texts, and the data are trees"):
        build(name, Trees(3, 4, 9), 3)
