"""Each architecture: its size as published, the smallest image it takes, its options, and that it learns."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import nn

from convoscope.errors import ConvoscopeError, ModelError, RecipeError, UnknownName
from convoscope.models import MODELS, Architecture, build, layer_table, options_from_text
from convoscope.models.activations import ACTIVATIONS, activation
from convoscope.train.initialise import initialise
from small import RATES, SHAPES, cases, examples, fitted, is_quick, made, shape_for

Shape = tuple[int, int, int]


def n_parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_models_stand_in_the_order_of_the_fields_history() -> None:
    years = [entry.year for entry in MODELS.values()]
    assert years == sorted(years)
    assert {"linear", "mlp", "lenet5", "lstm", "textcnn"} <= {name for name in MODELS if is_quick(name)}


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 32, 32)])
def test_lenet5_has_the_maps_and_the_size_of_the_paper(shape: Shape) -> None:
    model = build("lenet5", shape, 10)
    assert n_parameters(model) == 61_706
    rows = {row.name: row for row in layer_table(model, shape)}
    assert {name: row.output for name, row in rows.items() if not name.startswith("act")} == {
        "conv1": (6, 28, 28), "pool1": (6, 14, 14), "conv2": (16, 10, 10), "pool2": (16, 5, 5), "flatten": (400,),
        "fc1": (120,), "fc2": (84,), "fc3": (10,),
    }  # fmt: skip
    sizes = {name: row.n_parameters for name, row in rows.items() if row.n_parameters}
    assert sizes == {"conv1": 156, "conv2": 2_416, "fc1": 48_120, "fc2": 10_164, "fc3": 850}
    assert sum(sizes.values()) == n_parameters(model)


@pytest.mark.parametrize(
    "shape", [(3, 32, 32), (1, 12, 12), (1, 13, 12), (1, 28, 40), (3, 64, 30), (1, 33, 31), (3, 97, 96)]
)
@pytest.mark.parametrize("n_classes", [2, 7])
def test_lenet5_takes_other_images(shape: Shape, n_classes: int) -> None:
    model = build("lenet5", shape, n_classes)
    assert model(torch.zeros(3, *shape)).shape == (3, n_classes)
    assert layer_table(model, shape)[-1].output == (n_classes,)


@pytest.mark.parametrize("shape", [(1, 11, 11), (1, 11, 40), (3, 40, 1)])
def test_lenet5_says_the_smallest_it_takes(shape: Shape) -> None:
    with pytest.raises(ModelError, match="at least 12 x 12") as raised:
        build("lenet5", shape, 10)
    assert "--image-size 12" in raised.value.hint


def test_every_image_that_lenet5_takes_leaves_it_something() -> None:
    for side in range(12, 70):
        assert min(layer_table(build("lenet5", (1, side, side), 2), (1, side, side))[5].output) >= 1


@pytest.mark.parametrize("name", [*ACTIVATIONS])
def test_every_activation_builds_and_passes_forward(name: str) -> None:
    x = torch.linspace(-2, 2, 9)
    y = activation(name)(x)
    assert y.shape == x.shape
    assert y.isfinite().all()
    for model in ("lenet5", "mlp"):
        network = build(model, (1, 16, 16), 3, {"activation": name})
        logits = network(torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(0)))
        assert logits.shape == (2, 3)
        assert logits.isfinite().all()
        assert type(activation(name)) in {type(layer) for layer in network.modules()}


@pytest.mark.parametrize(
    ("name", "at_minus_one", "at_one"),
    [
        ("sigmoid", 0.2689414, 0.7310586), ("tanh", -0.7615942, 0.7615942), ("relu", 0, 1), ("elu", -0.6321206, 1),
        ("prelu", -0.25, 1), ("leaky", -0.01, 1), ("gelu", -0.1586553, 0.8413447), ("step", 0, 1),
    ],
)  # fmt: skip
def test_activations_are_their_formulas(name: str, at_minus_one: float, at_one: float) -> None:
    y = activation(name)(torch.tensor([-1.0, 1.0]))
    assert y.tolist() == pytest.approx([at_minus_one, at_one], abs=1e-6)


def test_only_the_threshold_cannot_learn_and_it_does_not() -> None:
    assert [name for name, entry in ACTIVATIONS.items() if entry.cannot_learn] == ["step"]
    model = build("mlp", (1, 4, 4), 2, {"activation": "step"})
    model(torch.randn(5, 1, 4, 4)).square().sum().backward()
    first = model.get_submodule("fc1").weight.grad
    assert first is None or not first.any()
    assert activation("step")(torch.zeros(1)).item() == 1


def test_prelu_layers_learn_slopes_of_their_own() -> None:
    layers = [
        layer for layer in build("lenet5", (1, 28, 28), 10, {"activation": "prelu"}) if isinstance(layer, nn.PReLU)
    ]
    assert len({id(layer) for layer in layers}) == 4


def test_mlp_is_as_deep_and_wide_as_asked() -> None:
    model = build("mlp", (3, 4, 5), 7, {"hidden": (11, 6), "dropout": 0.5, "activation": "tanh"})
    assert [row.output for row in layer_table(model, (3, 4, 5)) if row.kind == "Linear"] == [(11,), (6,), (7,)]
    assert n_parameters(model) == 60 * 11 + 11 + 11 * 6 + 6 + 6 * 7 + 7
    assert [layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)] == [0.5, 0.5]
    assert not [layer for layer in build("mlp", (1, 4, 4), 2).modules() if isinstance(layer, nn.Dropout)]
    assert n_parameters(build("mlp", (1, 4, 4), 2, {"hidden": []})) == n_parameters(build("linear", (1, 4, 4), 2))


@pytest.mark.parametrize(
    "options",
    [
        {"hidden": (0,)}, {"hidden": (5, -1)}, {"dropout": 1.0}, {"dropout": -0.1}, {"dropout": float("nan")},
        {"hiden": (3,)}, {"activation": "reluu"},
    ],
)  # fmt: skip
def test_mlp_refuses(options: dict[str, object]) -> None:
    with pytest.raises(ConvoscopeError) as raised:
        build("mlp", (1, 8, 8), 3, options)
    assert raised.value.message


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mlp", {"hidden": 8}), ("mlp", {"hidden": ["8"]}), ("mlp", {"hidden": [8.5]}), ("mlp", {"hidden": "8"}),
        ("mlp", {"dropout": "0.5"}), ("mlp", {"dropout": None}), ("mlp", {"activation": 5}),
        ("lenet5", {"activation": ["relu"]}),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_kind_is_refused(name: str, options: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match=next(iter(options))):
        build(name, (1, 16, 16), 3, options)


def test_linear_is_one_template_a_class() -> None:
    model = build("linear", (3, 4, 5), 6)
    assert n_parameters(model) == 60 * 6 + 6
    weight = model.get_parameter("fc.weight")
    assert not weight.any()  # a template is what training put there, and nothing else
    initialise(model, "xavier")
    x = torch.randn(2, 3, 4, 5)
    expected = torch.einsum("kchw,nchw->nk", weight.view(6, 3, 4, 5), x) + model.get_parameter("fc.bias")
    torch.testing.assert_close(model(x), expected)
    with pytest.raises(RecipeError, match="hidden"):
        build("linear", (1, 4, 4), 2, {"hidden": (3,)})


@pytest.mark.parametrize("name", [*MODELS])
def test_one_class_is_too_few(name: str) -> None:
    for n_classes in (1, 0):
        with pytest.raises(ModelError, match="at least 2"):
            made(name, MODELS[name].takes[0], n_classes)


@pytest.mark.parametrize("name", [*MODELS])
def test_a_kind_of_input_that_it_does_not_take_is_refused_with_those_that_do(name: str) -> None:
    takes = MODELS[name].takes
    assert takes
    assert set(takes) <= set(SHAPES)
    for kind, shape in SHAPES.items():
        if kind not in takes:
            with pytest.raises(ModelError, match=f"{name} takes .*, and the data are {kind}") as raised:
                build(name, shape, 3)
            assert "tree" in raised.value.hint


def test_names() -> None:
    with pytest.raises(UnknownName, match="lenet5"):
        build("lenet", (1, 28, 28), 10)
    with pytest.raises(UnknownName, match="linear"):
        build("liner", (1, 28, 28), 10)
    with pytest.raises(UnknownName, match="Known: linear"):
        build("zzz", (1, 28, 28), 10)
    entry = MODELS["mlp"]
    with pytest.raises(ValueError, match="registered twice"):
        MODELS.add("mlp", entry)
    assert MODELS["mlp"] is entry


def test_options_from_text() -> None:
    read = options_from_text("mlp", {"hidden": "512, 256", "dropout": "0.2", "activation": "tanh"})
    assert read == {"hidden": (512, 256), "dropout": 0.2, "activation": "tanh"}
    assert options_from_text("linear", {}) == {}
    for name, given in (("mlp", {"hidden": "a"}), ("mlp", {"dropout": "much"}), ("linear", {"hidden": "3"})):
        with pytest.raises(RecipeError, match=next(iter(given))):
            options_from_text(name, given)
    with pytest.raises(UnknownName):
        options_from_text("nosuch", {})


@pytest.mark.parametrize("name", [*MODELS])
def test_every_entry_says_what_it_is(name: str) -> None:
    entry = MODELS[name]
    assert isinstance(entry, Architecture)
    for text in (entry.summary, entry.taught):
        assert text.endswith(".")
    assert 1800 < entry.year < 2030
    assert entry.paper
    assert all(item.metadata["help"] for item in dataclasses.fields(entry.options))


def of_size(name: str, kind: str) -> Any:
    """The case of a model by itself; one of millions of parameters, or of very many layers, is in the slow run."""
    slow = [] if is_quick(name) else [pytest.mark.slow, pytest.mark.timeout(600)]
    return pytest.param(name, kind, marks=slow)


@pytest.mark.parametrize(("name", "kind"), [of_size(name, kind) for name, kind in cases()])
def test_every_model_can_learn_sixteen_examples_by_heart(name: str, kind: str) -> None:
    x, labels = examples(shape_for(name, kind), 16, seed=4), torch.arange(16) % 4
    assert len(x.unique(dim=0)) == 16  # two short texts may be the same, and their labels are not
    torch.manual_seed(0)
    model = fitted(name, made(name, kind, 4), x, labels)
    initialise(model, str(MODELS[name].recipe.get("initialisation", "default")))
    for layer in model.modules():
        if isinstance(layer, nn.modules.dropout._DropoutNd):
            layer.eval()  # dropout is there against learning by heart
    moved = [parameter for parameter in model.parameters() if parameter.requires_grad]
    before = [parameter.clone() for parameter in moved]
    lr = RATES.get(name, 0.01 if is_quick(name) else 0.001)
    optimiser = torch.optim.Adam(moved, lr=lr) if moved else None
    for _ in range(200 if optimiser else 0):
        loss = nn.functional.cross_entropy(model(x), labels)
        if loss < 0.02:
            break
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert not any(map(torch.equal, before, moved))
    assert torch.equal(model(x).argmax(1), labels)


def test_the_table_leaves_the_model_as_it_was() -> None:
    model = build("mlp", (1, 4, 4), 2, {"dropout": 0.5}).train()
    layer_table(model, (1, 4, 4))
    assert model.training
    assert all(layer.training for layer in model.modules())
    assert not any(layer._forward_hooks for layer in model.modules())
