from __future__ import annotations

import copy
import inspect

import pytest
import torch
import torch.nn.functional as F
import zoo
from torch import Tensor, nn

from convoscope.errors import ModelError, UnknownName
from convoscope.graph.build import build
from convoscope.graph.graph import Graph, Ref, Size
from convoscope.graph.run import run, sources

torch.set_num_threads(1)


def computed(graph: Graph, model: nn.Module, inputs: tuple[Tensor, ...]) -> dict[str, Tensor]:
    values = sources(graph, model) | dict(zip(graph.inputs, inputs, strict=True))
    with torch.no_grad():
        run(graph.at(len(inputs[0])), values)
    return values


@pytest.mark.parametrize("name", zoo.ZOO)
@pytest.mark.parametrize("n", [1, 3])
def test_every_module_gives_what_its_node_says(name: str, n: int) -> None:
    model, inputs = zoo.make(name).eval(), zoo.ZOO[name][1](n)
    graph = zoo.graph_of(name)
    seen: dict[str, list[Tensor]] = {}
    for path, module in model.named_modules():
        if not any(module.children()):
            hook = lambda _, __, out, path=path: seen.setdefault(path, []).append(out.clone())  # noqa: E731
            module.register_forward_hook(hook)
    with torch.no_grad():
        model(*(tensor.clone() for tensor in inputs))
    values = computed(graph, model, inputs)
    for path, outputs in seen.items():
        if path not in graph.nodes and path != "cell":
            continue  # a module whose value nothing reads, or that makes several
        for call, output in enumerate(outputs):
            node = f"{path}_{call}" if call else path
            if node in graph.nodes:
                torch.testing.assert_close(values[node], output, rtol=1e-5, atol=1e-6, msg=node)
    assert graph.dynamic
    assert len(seen) > 0


@pytest.mark.parametrize("name", zoo.ZOO)
def test_no_op_writes_and_every_argument_is_there(name: str) -> None:
    for mode in ("eval", "train"):
        graph = zoo.graph_of(name, mode)
        earlier: set[str] = set()
        for node in graph.nodes.values():
            assert not node.op.endswith("_"), node
            assert len(node.args) == len(node.argument_names), node
            assert set(node.inputs) <= earlier, f"{node.name} reads what comes after it"
            earlier.add(node.name)
            if node.kind == "op":
                assert node.where.startswith(inspect.getfile(zoo)), node.where


def test_lenet_reads_as_it_is_told() -> None:
    graph = build(zoo.make("lenet"), zoo.image(1, 1, 28))
    ops = [node.name for node in graph.nodes.values() if node.kind == "op"]
    assert ops == "conv1 relu pool1 conv2 relu_1 max_pool2d flatten fc1 relu_2 fc2".split()  # noqa: SIM905
    assert graph.inputs == ("x",)
    assert graph.outputs == ("fc2",)
    conv = graph.nodes["conv1"]
    assert conv.args == (Ref("x"), Ref("conv1.weight"), Ref("conv1.bias"), (1, 1), (2, 2), (1, 1), 1)
    assert conv.argument("padding") == (2, 2)
    assert (conv.op, conv.module, conv.shape, conv.dtype) == ("conv2d", "conv1", (1, 6, 28, 28), "float32")
    assert graph.nodes["max_pool2d"].argument("stride") == (2, 2)
    assert graph.consumers["relu"] == ("pool1",)
    with pytest.raises(KeyError, match="no argument 'colour'"):
        conv.argument("colour")


def test_reused_modules_and_skips_get_suffixes() -> None:
    graph = zoo.graph_of("resnet")
    names = [node.name for node in graph.nodes.values() if node.module.startswith("layer1.0") and node.kind == "op"]
    assert names == [
        "layer1.0.conv1", "layer1.0.bn1", "layer1.0.relu", "layer1.0.conv2", "layer1.0.bn2",
        "layer1.0.downsample.0", "layer1.0.downsample.1", "layer1.0.add", "layer1.0.relu_1",
    ]  # fmt: skip
    assert graph.find("layer1.0").name == "layer1.0.relu_1"
    assert graph.find("layer1").name == "layer1.1.relu_1"
    assert graph.nodes["layer1.0.relu_1"].ordinal == 1
    with pytest.raises(UnknownName, match=r"layer1\.0\.conv1"):
        graph.find("layer1.0.conf1")


@pytest.mark.parametrize("name", ["resnet", "dropped", "unet"])
def test_names_are_the_same_in_both_modes(name: str) -> None:
    assert list(zoo.graph_of(name, "eval").nodes.names) == list(zoo.graph_of(name, "train").nodes.names)


def test_nodes_go_by_place_and_by_name() -> None:
    nodes = zoo.graph_of("lenet").nodes
    assert [node.name for node in nodes] == list(nodes.names) == [name for name, _ in nodes.items()]
    assert nodes[0] is nodes[next(iter(nodes.names))] is nodes.values()[0] is nodes[:1][0]
    assert "conv1" in nodes
    assert nodes["conv1"] in nodes
    assert "conv9" not in nodes
    with pytest.raises(KeyError):
        nodes["conv9"]


def test_parts_are_named_by_the_schema() -> None:
    graph = zoo.graph_of("parts")
    assert {"max.values", "max.indices", "split_with_sizes.0"} <= set(graph.nodes.names)
    assert graph.nodes["max"].dtype == "tuple"
    assert graph.nodes["max.indices"].dtype == "int64"
    assert "fc_1" not in graph.nodes  # what nothing reads is left out


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_building_leaves_the_model_as_it_was(mode: str) -> None:
    model = zoo.make("resnet")
    model.train()
    model.get_submodule("layer1.0.bn1").eval()
    before, state, random = (
        [m.training for m in model.modules()],
        copy.deepcopy(model.state_dict()),
        torch.get_rng_state(),
    )
    build(model, zoo.image(2, 3, 16), mode)  # type: ignore[arg-type]
    assert [m.training for m in model.modules()] == before
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_another_batch_size_takes_the_same_graph() -> None:
    graph = build(zoo.make("recurrent"), zoo.image(4, 1, 3)[:, 0])
    zeros = graph.nodes["zeros"]
    assert zeros.argument("size") == (4, 4)
    assert isinstance(zeros.shape[0], Size)
    other = graph.at(7)
    assert other.nodes["zeros"].argument("size") == (7, 4)
    assert other.nodes["fc"].shape == (7, 2)
    assert other.at(4).nodes["fc"].shape == (4, 2)
    assert graph.nodes["fc.weight"].shape == (2, 4)


def test_a_model_that_fixes_its_batch_is_built_for_it_alone() -> None:
    graph = build(zoo.FixedBatch(), torch.randn(2, 4))
    assert not graph.dynamic
    with pytest.raises(ValueError, match="batch of 2"):
        graph.at(3)


@pytest.mark.parametrize("model", [zoo.ThreesAreSpecial(), zoo.ManyAreSpecial(), zoo.PairsOfImages()])
@pytest.mark.parametrize("n", [4, 6])
def test_a_model_that_decides_by_its_batch_size_is_built_for_one_size(model: nn.Module, n: int) -> None:
    x = torch.randn(n, 3)
    graph = build(model, x)
    assert not graph.dynamic
    assert torch.equal(computed(graph, model, (x,))[graph.outputs[0]], model(x))


@pytest.mark.parametrize("n", [1, 2])
def test_a_batch_of_one_that_is_special_stays_special(n: int) -> None:
    model, x = zoo.OneIsSpecial(), torch.randn(n, 3)
    graph = build(model, x)
    assert not graph.dynamic
    assert torch.equal(computed(graph, model, (x,))[graph.outputs[0]], model(x))


def test_the_loss_is_part_of_the_graph() -> None:
    model, x, target = zoo.make("lenet"), zoo.image(2, 1, 28), torch.tensor([1, 2])
    weight = torch.rand(10)
    for loss in (nn.CrossEntropyLoss(weight), lambda out, t: (F.log_softmax(out, 1) * F.one_hot(t, 10)).sum() * -0.5):
        graph = build(model, x, loss=loss, target=target)
        assert graph.inputs == ("x", "target")
        assert (graph.target, graph.loss, graph.outputs) == ("target", "loss", ("fc2",))
        values = computed(graph, model, (x, target))
        assert torch.equal(values["loss"], loss(model(x), target))
        assert graph.nodes["conv1.weight"].kind == "parameter"


def test_literals_and_hidden_buffers_are_constants_of_the_graph() -> None:
    graph = zoo.graph_of("inplace")
    assert set(graph.constants) == {"constant", "constant_1", "offset", "hidden"}
    assert graph.nodes["scale"].kind == graph.nodes["hidden"].kind == "buffer"


def test_a_region_without_gradients_passes_none_on() -> None:
    model, x, graph = zoo.make("parts"), zoo.ZOO["parts"][1](2), zoo.graph_of("parts")
    values = sources(graph, model) | {"x": x[0].clone().requires_grad_()}
    run(graph, values)
    assert not values["detach"].requires_grad


class Branch(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.sum() > 0:
            return x
        return -x


class Masked(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[x > 0].sum()


class ThroughNumpy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.from_numpy(x.detach().numpy() + 1)


class Autocast(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu"):
            return x @ x


class Expanded(nn.Module):
    """Writes to a place that a view of the whole batch shares."""

    def forward(self, x: Tensor) -> Tensor:
        y = x.unfold(1, 2, 2)
        y.mul_(2)
        return x * 1


@pytest.mark.parametrize(
    ("model", "line", "says"),
    [
        (Branch(), "if x.sum() > 0:", "torch.where"),
        (ThroughNumpy(), "torch.from_numpy", "no NumPy"),
        (Masked(), "return x[x > 0]", "mask that keeps the shape"),
        (Autocast(), "x @ x", "autocast belongs around the model"),
        (Expanded(), "y.mul_(2)", "without an in-place op"),
    ],
)
def test_what_cannot_be_exported_names_the_line(model: nn.Module, line: str, says: str) -> None:
    with pytest.raises(ModelError) as caught:
        build(model, torch.randn(4, 4))
    source, first = inspect.getsourcelines(type(model))
    if line:
        number = first + next(at for at, text in enumerate(source) if line in text)
        assert f"{__file__}:{number}" in str(caught.value)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("shape", [(1, 3, 28, 28), (1, 1, 32, 32), (1, 1, 3, 3)])
def test_a_wrong_image_is_one_sentence(shape: tuple[int, ...], capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelError, match="×".join(map(str, shape))) as caught:
        build(zoo.make("lenet"), torch.randn(shape))
    assert "zoo.py" in str(caught.value)
    assert capfd.readouterr().err == ""


def test_unusable_models_and_inputs_are_refused() -> None:
    lenet, x = zoo.make("lenet"), zoo.image(1, 1, 28)
    with pytest.raises(ModelError, match=r"half precision: conv1.weight is bfloat16"):
        build(zoo.make("lenet").bfloat16(), x)
    with pytest.raises(ModelError, match="input is in half precision"):
        build(lenet, x.half())
    with pytest.raises(ModelError, match="example of the target"):
        build(lenet, x, loss=F.cross_entropy)
    with pytest.raises(ModelError, match="not a tensor"):
        build(lenet, [[1, 2]])  # type: ignore[list-item]
    with pytest.raises(ModelError, match="empty"):
        build(lenet, x[:0])
    with torch.no_grad():
        lenet.get_parameter("fc1.weight")[3, 4:6] = torch.nan
    with pytest.raises(ModelError, match=r"fc1.weight holds 2 NaN of 48000"):
        build(lenet, x)


class SecondOfTheBatch(nn.Module):
    """Reads one image of the batch by its number, so that no other size will do."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x)[1] * 2


def test_a_model_that_indexes_the_batch_has_a_graph_for_that_size() -> None:
    graph = build(SecondOfTheBatch(), torch.randn(2, 3))
    assert not graph.dynamic
    assert graph.batch == 2
