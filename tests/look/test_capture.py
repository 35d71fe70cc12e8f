# mypy: disable-error-code="no-any-return, no-untyped-call"
from __future__ import annotations

import copy
import sys
from functools import cache
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1] / "graph"))  # the models that both rooms' tests look at
import zoo

from convoscope.errors import InputError, ModelError, UnknownName
from convoscope.graph.build import build
from convoscope.graph.graph import Graph, Mode, Nodes
from convoscope.graph.run import run
from convoscope.look.capture import capture
from convoscope.look.captured import Captured
from convoscope.look.scope import Scope

torch.set_num_threads(1)

ONE_OUTPUT = [name for name in zoo.ZOO if name != "parts"]


def total(output: Tensor, target: Tensor) -> Tensor:
    """A loss for any output: curved, so that its gradient is nowhere the same."""
    return ((output.double().flatten(1).sin() * (target[:, None] + 1)).sum() * 0.3).to(output.dtype)


@cache
def with_loss(name: str, mode: Mode) -> Graph:
    return build(zoo.make(name), zoo.ZOO[name][1](2), mode, loss=total, target=torch.tensor([0, 1]))


def looked(name: str, mode: str, n: int = 3) -> tuple[nn.Module, Graph, tuple[Tensor, ...], Tensor, Captured]:
    model, inputs, target = zoo.make(name), zoo.ZOO[name][1](n), torch.arange(n)
    graph = with_loss(name, mode)
    return model, graph, inputs, target, capture(graph, model, inputs, target, seed=5)


@pytest.mark.parametrize("name", ONE_OUTPUT)
@pytest.mark.parametrize("mode", ["eval", "train"])
def test_values_and_weights_gradients_are_the_model_s(name: str, mode: str) -> None:
    model, graph, inputs, target, seen = looked(name, mode)
    model.train(mode == "train")
    torch.manual_seed(5)
    output = model(*(tensor.clone() for tensor in inputs))
    loss = total(output, target)
    loss.backward()
    torch.testing.assert_close(seen.value(graph.outputs[0]), output.detach(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(seen.value("loss"), loss.detach(), rtol=1e-5, atol=1e-6)
    for path, parameter in model.named_parameters():
        gradient = seen.gradient(path)
        assert gradient is not None, path
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-4, atol=1e-5, msg=path)


@pytest.mark.parametrize("name", ONE_OUTPUT)
def test_every_gradient_is_the_slope_of_the_loss(name: str) -> None:
    """Each node's value is moved a little in float64, and the rest of the graph run again."""
    model, graph, inputs, target, _ = looked(name, "train", n=2)
    seen = capture(graph, model, inputs, target, dtype=torch.float64, seed=5)
    graph = seen.graph
    names = list(graph.nodes.names)
    tried = 0
    for place, node in enumerate(graph.nodes.values()):
        gradient = seen.gradient(node.name) if node.dtype != "tuple" else None
        if gradient is None:
            continue
        assert gradient.shape == seen.value(node.name).shape == torch.Size(node.shape)
        direction = torch.randn(gradient.shape, generator=torch.Generator().manual_seed(place), dtype=torch.float64)
        direction *= seen.value(node.name) != 0  # zeros that ReLU made tie in a maximum, where there is no slope
        ends = []
        for step in (1e-6, -1e-6):
            values = {name: seen._values[name] for name in names if graph.nodes[name].kind != "op"}
            values |= {name: seen._values[name] for name in names[:place]}
            values[node.name] = seen.value(node.name) + step * direction
            torch.manual_seed(5)
            with torch.no_grad():
                _rerun(graph, values, seen)
            ends.append(float(values["loss"]))
        slope = (ends[0] - ends[1]) / 2e-6
        expected = float((gradient * direction).sum())
        assert slope == pytest.approx(expected, rel=2e-5, abs=2e-6), node.name
        tried += 1
    assert tried > 3


def _rerun(graph: Graph, values: dict[str, Tensor], seen: Captured) -> None:
    """Runs what is not there yet, each dropout with the mask of the pass that was seen."""
    for node in graph.nodes.values():
        mask = seen.mask(node.name)
        if node.kind == "op" and node.name not in values:
            if mask is not None:
                values[node.name] = values[node.inputs[0]] * mask
            else:
                one = Graph(Nodes(graph.nodes[name] for name in (*node.inputs, node.name)), graph.mode, ())
                run(one, values, wide=True)


def test_masks_are_kept_even_where_nothing_went_in() -> None:
    model, graph, inputs, target, seen = looked("dropped", "train")
    mask = seen.mask("drop")
    assert mask is not None
    assert mask.unique().tolist() == pytest.approx([0, 1 / 0.6])
    dead = seen.value("relu") == 0
    assert dead.any()
    assert len(mask[dead].unique()) == 2
    assert torch.equal(seen.value("drop"), seen.value("relu") * mask)
    spatial = seen.mask("spatial")
    assert spatial is not None
    assert bool((spatial.flatten(2).amax(2) == spatial.flatten(2).amin(2)).all())
    again = capture(graph, model, inputs, target, seed=5).mask("drop")
    other = capture(graph, model, inputs, target, seed=6).mask("drop")
    assert torch.equal(mask, again)  # type: ignore[arg-type]
    assert not torch.equal(mask, other)  # type: ignore[arg-type]
    assert seen.mask("relu") is None
    assert looked("dropped", "eval")[4].mask("drop") is None


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("name", ["resnet", "dropped"])
def test_looking_changes_nothing(name: str, mode: str) -> None:
    model, graph, inputs, target, _ = looked(name, mode)
    model.train()
    state, random, given = copy.deepcopy(model.state_dict()), torch.get_rng_state(), inputs[0].clone()
    seen = capture(graph, model, inputs, target)
    assert all(torch.equal(state[key], tensor) for key, tensor in model.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())
    assert torch.equal(given, inputs[0])
    assert not inputs[0].requires_grad
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    assert all(not seen.value(node.name).requires_grad for node in seen.graph.nodes.values())


def test_inputs_written_in_place_are_left_alone() -> None:
    _, _, inputs, _, seen = looked("inplace", "eval")
    assert torch.equal(seen.value("x"), zoo.ZOO["inplace"][1](3)[0])
    assert torch.equal(inputs[0], seen.value("x"))


def test_what_the_loss_does_not_depend_on_has_no_gradient() -> None:
    seen = looked("resnet", "eval")[4]
    assert seen.gradient("target") is None
    assert seen.gradient("layer1.0.bn1.running_mean") is None
    model = zoo.make("parts")
    inputs = zoo.ZOO["parts"][1](2)
    free = capture(build(model, inputs), model, inputs, logit=1)
    assert free.gradient("exp") is None
    assert free.gradient("fc") is not None


def test_the_gradient_of_a_logit() -> None:
    model, x = zoo.make("lenet"), zoo.image(2, 1, 28)
    graph = build(model, x)
    seen = capture(graph, model, x, logit=3)
    expected = torch.zeros(2, 10)
    expected[:, 3] = 1
    assert torch.equal(seen.gradient("fc2"), expected)  # type: ignore[arg-type]
    assert capture(graph, model, x).gradient("fc2") is None
    assert capture(graph, model, x, logit=3, gradients=False).gradient("fc2") is None
    with pytest.raises(InputError, match=r"no class 10.*numbered 0 to 9"):
        capture(graph, model, x, logit=10)


def test_a_dropout_that_does_nothing_still_has_a_gradient_of_its_own() -> None:
    class Skip(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.drop = nn.Linear(3, 3), nn.Dropout()

        def forward(self, x: Tensor) -> Tensor:
            y = self.fc(x)
            return self.drop(y) * 2 + y * 5

    model, x = Skip(), torch.randn(1, 3)
    seen = capture(build(model, x), model, x, logit=0)
    assert seen.gradient("drop").tolist() == [[2, 0, 0]]  # type: ignore[union-attr]
    assert seen.gradient("fc").tolist() == [[7, 0, 0]]  # type: ignore[union-attr]


def test_float64_is_computed_in_float64() -> None:
    model, graph, inputs, target, seen = looked("attention", "eval")
    wide = capture(graph, model, inputs, target, dtype=torch.float64)
    assert {wide.value(node).dtype for node in ("norm", "mean", "loss")} == {torch.float64}
    assert wide.gradient("qkv.weight").dtype is torch.float64  # type: ignore[union-attr]
    torch.testing.assert_close(wide.value("mean").float(), seen.value("mean"), rtol=1e-4, atol=1e-5)
    assert model.get_parameter("qkv.weight").dtype is torch.float32


def test_a_checkpoint_is_looked_at_without_its_model() -> None:
    model, graph, inputs, target, seen = looked("resnet", "eval")
    other = capture(graph, model.state_dict(), inputs, target)
    assert torch.equal(other.value("fc"), seen.value("fc"))
    state = model.state_dict()
    del state["fc.weight"]
    with pytest.raises(ModelError, match=r"needs fc.weight of shape \(5, 8\); the model has no such tensor"):
        capture(graph, state, inputs, target)


def test_views_share_memory() -> None:
    seen = looked("lenet", "eval")[4]
    assert seen.value("flatten").data_ptr() == seen.value("max_pool2d").data_ptr()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (torch.randn(1, 3, 28, 28), r"x of shape N×1×28×28; this one is 1×3×28×28"),
        (torch.randn(1, 1, 32, 32), r"this one is 1×1×32×32"),
        (torch.zeros(1, 1, 28, 28, dtype=torch.uint8), "as float32; this one is uint8"),
        (torch.zeros(1, 1, 28, 28).half(), "half precision"),
        (torch.full((1, 1, 28, 28), torch.nan), "784 of 784 numbers of x are NaN"),
        ([torch.zeros(1, 1, 28, 28)] * 2, r"takes 1 inputs \(x\); 2 given"),
    ],
)
def test_bad_images_are_one_sentence(given: Tensor, says: str) -> None:
    model = zoo.make("lenet")
    with pytest.raises((ModelError, InputError), match=says):
        capture(build(model, zoo.image(1, 1, 28)), model, given)


def test_bad_weights_and_targets_are_one_sentence() -> None:
    model, x = zoo.make("lenet"), zoo.image(1, 1, 28)
    graph = build(model, x)
    with pytest.raises(InputError, match="has no loss"):
        capture(graph, model, x, torch.tensor([1]))
    each = build(model, x, loss=lambda out, t: F.cross_entropy(out, t, reduction="none"), target=torch.tensor([1]))
    with pytest.raises(InputError, match="mean or the sum"):
        capture(each, model, torch.cat([x, x]), torch.tensor([1, 2]))
    fixed = build(zoo.FixedBatch(), torch.randn(2, 4))
    with pytest.raises(ModelError, match="holds for 2, not 3"):
        capture(fixed, zoo.FixedBatch(), torch.randn(3, 4))
    with torch.no_grad():
        model.get_parameter("conv2.weight")[0, 0, 0, 0] = torch.nan
    with pytest.raises(ModelError, match=r"conv2\.weight holds 1 NaN"):
        capture(graph, model, x)


def test_numbers_that_went_wrong_on_their_own_can_be_looked_at() -> None:
    class Log(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x - x).log() * 0

    x = torch.randn(1, 3)
    seen = capture(build(Log(), x), Log(), x)
    assert torch.isinf(seen.value("log")).all()


def test_stats() -> None:
    conv = nn.Conv2d(1, 4, 1, bias=False)
    model, x = nn.Sequential(conv, nn.ReLU()), torch.rand(2, 1, 3, 3)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([1.0, -1.0, 2.0, -3.0]).reshape(4, 1, 1, 1))
    stats = capture(build(model, x), model, x).stats("1")
    assert (stats.minimum, stats.dead) == (0, 0.5)
    assert stats.maximum == pytest.approx(float(x.max()) * 2)
    assert stats.mean == pytest.approx(float(x.mean()) * 3 / 4)


def test_unknown_nodes_list_near_ones() -> None:
    seen = looked("resnet", "eval")[4]
    assert torch.equal(seen.value("layer1.0"), seen.value("layer1.0.relu_1"))
    with pytest.raises(UnknownName, match=r"Did you mean layer1\.0\.conv2"):
        seen.value("layer1.0.convv2")
    with pytest.raises(UnknownName):
        seen.gradient("nothing like it")
    parts = zoo.make("parts")
    x = zoo.ZOO["parts"][1](2)
    with pytest.raises(InputError, match=r"Ask for one of them: max\.values, max\.indices"):
        capture(build(parts, x), parts, x).value("max")


@pytest.fixture(scope="module")
def scope() -> Scope:
    return Scope(zoo.make("lenet"), zoo.image(1, 1, 28))


def test_scope_looks_at_an_image_or_a_batch(scope: Scope) -> None:
    alone = scope.look(zoo.image(1, 1, 28)[0], 3)
    assert alone.value("fc2").shape == (1, 10)
    batch = scope.look(zoo.image(4, 1, 28), [1, 2, 3, 4])
    assert batch.graph.batch == 4
    assert batch.gradient("conv1").shape == (4, 6, 28, 28)  # type: ignore[union-attr]
    assert scope.look(zoo.image(1, 1, 28)).gradient("conv1") is None
    assert list(scope.graph.nodes.names) == [name for name in alone.graph.nodes.names if name not in ("target", "loss")]


def test_scope_knows_three_losses_and_takes_any(scope: Scope) -> None:
    x = zoo.image(2, 1, 28)
    logits = scope.look(x).value("fc2")
    goal = torch.tensor([1, 2])
    correct = logits.gather(1, goal[:, None])
    hinge = ((1 - correct + logits).clamp(min=0).sum(1) - 1).mean()
    assert float(scope.look(x, goal, "hinge").value("loss")) == pytest.approx(float(hinge), rel=1e-5)
    square = (logits - F.one_hot(goal, 10)).square().sum(1).mean()
    assert float(scope.look(x, goal, "squared_error").value("loss")) == pytest.approx(float(square), rel=1e-5)
    own = scope.look(x, torch.zeros(2, 10), F.l1_loss)
    assert float(own.value("loss")) == pytest.approx(float(logits.abs().mean()), rel=1e-5)
    with pytest.raises(UnknownName, match="cross_entropy, hinge"):
        scope.look(x, goal, "hing")  # type: ignore[arg-type]


def test_scope_refuses_what_does_not_fit(scope: Scope) -> None:
    x = zoo.image(1, 1, 28)
    with pytest.raises(InputError, match="Class 10 of a model with 10 classes"):
        scope.look(x, 10)
    with pytest.raises(InputError, match="2 targets for 1 images"):
        scope.look(x, [1, 2])
    with pytest.raises(ModelError, match="this one is 1×3×28×28"):
        scope.look(torch.randn(3, 28, 28), 1)
    seen = scope.look(x, 1)
    with pytest.raises(InputError, match=r"no unit \(6, 0, 0\)"):
        seen.why("conv1", (6, 0, 0))
    with pytest.raises(InputError, match="no direction"):
        seen.why("conv1", (0, 0, 0), "sideways")  # type: ignore[arg-type]
    with pytest.raises(UnknownName, match="conv1"):
        seen.why("conv11", (0, 0, 0))


def test_scope_takes_models_of_a_fixed_batch_and_of_train_mode() -> None:
    special = Scope(zoo.OneIsSpecial(), torch.randn(2, 3))
    x = torch.randn(1, 3)
    assert torch.equal(special.look(x).value(special.look(x).graph.outputs[0]), (x * 2).squeeze())
    assert torch.equal(special.look(torch.cat([x, x])).value("add"), torch.cat([x, x]) + 1)
    trained = Scope(zoo.make("resnet"), zoo.image(2, 3, 16)).look(zoo.image(3, 3, 16), [0, 1, 2], mode="train")
    normal = trained.value("layer1.0.bn1").transpose(0, 1).flatten(1)
    weight, bias = trained.value("layer1.0.bn1.weight"), trained.value("layer1.0.bn1.bias")
    torch.testing.assert_close(normal.mean(1), bias, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(normal.std(1, correction=0), weight, rtol=1e-3, atol=1e-4)


def test_why_takes_a_unit_with_or_without_the_batch_axis(scope: Scope) -> None:
    seen = scope.look(zoo.image(1, 1, 28), 3)
    for unit in ((5, 4, 3), (0, 5, 4, 3)):
        why = seen.why("conv2", unit)
        assert why.recorded == float(seen.value("conv2")[0, 5, 4, 3])
        assert why.computed == pytest.approx(why.recorded, rel=1e-4)
    back = seen.why("conv2.weight", (5, 0, 2, 2), "backward")
    assert back.recorded == float(seen.gradient("conv2.weight")[5, 0, 2, 2])  # type: ignore[index]
    assert seen.why("loss").recorded == float(seen.value("loss"))
