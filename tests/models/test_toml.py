"""A network described in TOML: what it becomes, the arithmetic of its shapes, and each way it cannot be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from conftest import bars, write_idx
from convoscope import lab
from convoscope.errors import ConvoscopeError, InputError, ModelError, RecipeError, UnknownName
from convoscope.graph.build import build as build_graph
from convoscope.lab.microscope import RunLoss
from convoscope.look.capture import capture
from convoscope.look.rules import RULES
from convoscope.models import architecture_of, build, options_from_text
from convoscope.models.arithmetic import arithmetic, shape_out, shortfall, windows
from convoscope.models.described import read_text
from convoscope.models.described.kinds import KINDS
from convoscope.runs import store
from convoscope.train.events import Finished
from convoscope.train.recipe import Recipe

RESIDUAL = """
name = "small"
year = 2026
layers = [
  {conv = 8, kernel = 3, padding = 1}, "relu", {max_pool = 2},
  {block = "res", repeat = 2, width = "$width*2"},
  {dropout = 0.1}, "flatten", {linear = "classes"},
]
[options]
width = {default = 6, help = "channels of a block, halved"}
[recipe]
lr = 0.005
[blocks.res]
parameters = {width = 4}
layers = [{conv = "$width", kernel = 3, padding = "same", bias = false}, "batch_norm", "relu",
          {conv = "$width", kernel = 3, padding = 1, bias = false}, "batch_norm"]
skip = "project"
then = ["relu"]
"""
EVERY_KIND = """
layers = [
  {conv = 8, kernel = [3, 5], padding = "same", stride = 1, dilation = 1, name = "stem"}, "elu", {lrn = 5, k = 2},
  {depthwise = 3, padding = 1, multiplier = 2}, {group_norm = 4}, "gelu",
  {conv = 8, kernel = 3, groups = 4, padding = 2, dilation = 2, from = "stem"}, "tanh",
  {max_pool = 3, stride = 2, ceil = true},
  {branches = [[{conv = 4, kernel = 1}], [{conv = 3, kernel = 3, padding = 1}, "leaky"], []]},
  {residual = [{conv = 6, kernel = 3, stride = 2, padding = 1}, "sigmoid"], project = true},
  {avg_pool = 2, padding = 1}, "batch_norm", {upsample = 2},
  {conv_transpose = 4, kernel = 2, stride = 2, name = "up"}, "prelu",
  {upsample = 2, mode = "bilinear", from = "batch_norm1"}, {upsample = 2}, {concat = "up"}, "layer_norm",
  {adaptive_max_pool = [4, 3]},
  {branches = [[], ["identity"]], join = "add"}, {dropout = 0.2, maps = true},
  {conv = 6, kernel = 1, name = "last"}, {adaptive_avg_pool = 2}, "global_max_pool", "flatten",
  {linear = 9}, "batch_norm", "layer_norm", {residual = ["relu", {linear = 9}]}, {dropout = 0.5, name = "thin"},
  {residual = [{linear = 5}], project = true}, {add = ["thin"], project = true},
  {linear = "classes"},
]
"""


def network(layers: str, shape: tuple[int, int, int] = (3, 16, 14), n_classes: int = 5, rest: str = "") -> nn.Module:
    entry = read_text(f"layers = {layers}\n{rest}", "net.toml")
    return entry.make(shape, n_classes, entry.options())


def test_blocks_parameters_options_and_names() -> None:
    entry = read_text(RESIDUAL, "net.toml")
    assert (entry.summary, entry.year, entry.recipe["lr"]) == ("small, described in net.toml.", 2026, 0.005)
    model = entry.make((3, 16, 14), 5, entry.options(width=4))
    assert model(torch.zeros(2, 3, 16, 14)).shape == (2, 5)
    names = list(model.state_dict())
    assert names[:3] == ["conv1.weight", "conv1.bias", "res1.body.conv1.weight"]
    assert model.res1.body.conv1.weight.shape == model.res2.body.conv1.weight.shape == (8, 8, 3, 3)
    assert model.res1.project is None  # 8 channels go in and 8 come out
    assert entry.make((3, 16, 14), 5, entry.options()).res1.project is not None
    assert names == list(entry.make((3, 16, 14), 5, entry.options(width=4)).state_dict())


def test_every_kind_exports_has_rules_and_its_numbers_check() -> None:
    entry = read_text(EVERY_KIND, "net.toml")
    missing = [kind for kind in KINDS if f'"{kind}"' not in EVERY_KIND and f"{{{kind} =" not in EVERY_KIND]
    assert set(missing) <= {"relu", "global_avg_pool"}
    torch.manual_seed(0)
    model = entry.make((3, 12, 13), 5, entry.options())
    x, labels = torch.randn(2, 3, 12, 13), torch.tensor([1, 4])
    generator = np.random.default_rng(0)
    graph = build_graph(model, x, "train", loss=RunLoss(Recipe()), target=labels)
    assert {node.op for node in graph.nodes.values() if node.kind == "op"} - {"getitem"} <= set(RULES)
    assert {"stem", "concat1", "residual1.add", "branches1.cat", "residual1.project.conv"} <= {
        node.name for node in graph.nodes.values()
    }
    seen = capture(graph, model, x, labels, dtype=torch.float64, seed=3)
    for node in graph.nodes.values():
        if node.kind != "op" or node.dtype in {"int64", "tuple"} or node.name.startswith("loss"):
            continue
        unit = tuple(int(generator.integers(length)) for length in node.shape)
        for direction in ("forward", "backward"):
            why = seen.why(node.name, unit, direction)  # type: ignore[arg-type]
            assert why.gap is not None, (node.name, why.note)
            assert why.gap <= 1e-12 * why.scale + 1e-30, why.text()


def test_the_shapes_that_are_told_are_torchs() -> None:
    random = np.random.default_rng(0)
    for _ in range(300):
        k, s, p, d, H, W = (int(random.integers(*span)) for span in ((1, 5), (1, 4), (0, 3), (1, 3), (3, 12), (3, 12)))
        ceil = bool(random.integers(2))
        layers = [nn.Conv2d(2, 3, k, s, p, d), nn.ConvTranspose2d(2, 3, k, s, min(p, 1), 0, dilation=d)]
        if 2 * p <= k:
            layers += [nn.MaxPool2d(k, s, p, d, ceil_mode=ceil), nn.AvgPool2d(k, s, p, ceil)]
        for layer in layers:
            x = torch.zeros(1, 2, H, W)
            try:
                found = tuple(layer(x).shape[1:])
            except RuntimeError:
                assert shortfall(layer, (2, H, W)) or isinstance(layer, nn.ConvTranspose2d)
                continue
            line = arithmetic(layer, (2, H, W))
            assert [int(part.split(",")[0].split(";")[0]) for part in line.split(" = ")[1:]] in (
                [found[1]], [found[1], found[2]]
            )  # fmt: skip
            if windows(layer, 2):
                assert shape_out(layer, (2, H, W)) == found
                assert shortfall(layer, (2, H, W)) == ""


def test_lines_of_arithmetic() -> None:
    told = [
        (nn.Conv2d(16, 32, 3), (16, 16, 16), "floor((16 - 3 + 2*0)/1) + 1 = 14"),
        (nn.MaxPool2d(2), (6, 7, 8),
         "rows: floor((7 - 2 + 2*0)/2) + 1 = 3; columns: floor((8 - 2 + 2*0)/2) + 1 = 4, 1 row left over"),
        (nn.Conv2d(1, 1, 3, dilation=2), (1, 9, 9), "floor((9 - (2*(3 - 1) + 1) + 2*0)/1) + 1 = 5"),
        (nn.Conv2d(1, 1, 4, padding="same"), (1, 9, 9), "floor((9 - 4 + (1 + 2))/1) + 1 = 9"),
        (nn.MaxPool2d(2, ceil_mode=True), (1, 5, 5), "floor((5 - 2 + 2*0)/2) + 1 + 1 that sticks out = 3"),
        (nn.ConvTranspose2d(1, 1, 2, 2), (1, 7, 7), "(7 - 1)*2 - 2*0 + 1*(2 - 1) + 0 + 1 = 14"),
        (nn.AdaptiveAvgPool2d(1), (4, 7, 7), "7 x 7 to 1 x 1"),
        (nn.Upsample(scale_factor=2), (4, 7, 7), "7*2 = 14"),
        (nn.Flatten(), (16, 5, 5), "16*5*5 = 400"),
        (nn.ReLU(), (16, 5, 5), ""),
        (nn.Linear(4, 3), (4,), ""),
        (nn.Conv1d(4, 4, 3), (4, 10), "floor((10 - 3 + 2*0)/1) + 1 = 8"),
        (nn.Conv2d(1, 1, 3), (1,), ""),
    ]  # fmt: skip
    for layer, shape, line in told:
        assert arithmetic(layer, shape) == line


def test_a_layer_that_does_not_fit_says_which_and_by_how_much() -> None:
    for layers, said in (
        ('[{conv=2, kernel=3}, {max_pool=4}, {conv=8, kernel=5}, "flatten", {linear="classes"}]',
         r"layer 3 \(conv, kernel 5\) needs at least 5 x 5 and gets 3 x 3: 2 rows and 2 columns short"),
        ("[{conv = 2, kernel = [17, 15], padding = 0}]",
         r"layer 1 \(conv, kernel 17 x 15\) needs at least 17 x 15 and gets 16 x 14: 1 row and 1 column short"),
        ('[{conv=2, kernel=3}, {linear="classes"}]', r"layer 2 \(linear\) gets 2 x 14 x 12 = 336 numbers in maps"),
        ('["flatten", {conv=2, kernel=3}]', r"layer 2 \(conv, kernel 3\) gets 672 numbers in a row"),
        ("[{residual = [{conv = 5, kernel = 3}]}]",
         r"layer 1 \(residual\) adds 5 x 14 x 12 and 3 x 16 x 14: the second has 2 channels fewer and 2 rows more"),
        ("[{residual = [{conv = 5, kernel = 4, stride = 2}], project = true}]", "no stride of a 1x1 convolution"),
        ("[{branches = [[{max_pool = 2}], []]}]", "puts 3 x 16 x 14 behind 3 x 8 x 7: the second has 8 rows more"),
        ("[{branches = [[{conv=4, kernel=1}], []], join='add'}]", r"adds 4 x 16 x 14 and 3 x 16 x 14: .* fewer"),
        ("[{conv=4, kernel=3, groups=2}]", "groups = 2, which must divide both its 3 input channels and its 4"),
        ("[{group_norm=2}]", "2 groups, which do not divide 3 channels"),
        ("[{conv=4, kernel=2, padding='same'}]", "only an odd one leaves both ends the same"),
        ("[{max_pool=2, padding=2}]", "at most half of its kernel 2 x 2"),
        ("[{conv=4, kernel=3}]", "The last is layer 1 .* maps of 4 x 14 x 12; .* each of the 5 classes"),
        ('["flatten"]', "672 numbers; a classifier ends in one number for each of the 5"),
        ("[]", "a network without layers"),
    ):  # fmt: skip
        with pytest.raises(ModelError, match=said) as error:
            network(layers)
        assert error.value.message.startswith("net.toml: ")
        assert "\n" not in str(error.value)
    with pytest.raises(ModelError) as error:
        network("[{max_pool = 5}, {conv=2, kernel=5}]")
    assert "The layer before, max_pool1, puts out 3 x 3 x 2: rows: floor((16 - 5 + 2*0)/5) + 1 = 3" in error.value.hint


def test_an_error_in_a_block_says_where_the_block_is_used() -> None:
    with pytest.raises(ModelError) as error:
        network('["relu", {block = "a", repeat = 3}]', rest="[blocks.a]\nlayers = ['relu', {block = 'b'}]\n"
                "[blocks.b]\nlayers = [{conv = 2, kernel = 7}]")  # fmt: skip
    assert error.value.message == (
        "net.toml: layer 1 of block b, in layer 2 of block a, in layer 2, copy 3 (conv, kernel 7) needs at least 7 x 7 "
        "and gets 4 x 2: 3 rows and 5 columns short."
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("layers = [", r"net.toml is no TOML: .*at end of document, line 1, column 11"),
        ("layers = [] []", r"net.toml is no TOML: .*line 1, column 13"),
        ("layer = []", "a key 'layer' that no description has. Did you mean layers"),
        ("", "it has no layers"),
        ("layers = 3", "The layers are no list"),
        ("layers = [3]", "layer 1 is 3; a layer is a name or a table"),
        ("layers = ['rellu']", "layer 1 is 'rellu', which is no layer. Did you mean relu"),
        ("layers = ['softmax']", "layer 1 is 'softmax', which there is not. The loss takes the scores as they are"),
        ("layers = ['step']", "flat on both sides"),
        ("layers = ['conv']", r"layer 1 \(conv\) lacks what it is to be. It is written \{conv = 16, kernel = 3\}"),
        ("layers = [{}]", "layer 1 has no kind"),
        ("layers = [{conv = 3}]", "has no kernel. It is written"),
        ("layers = [{conv = 3, kernal = 3}]", "has a key 'kernal' that conv does not take. Did you mean kernel"),
        ("layers = [{conv = 0, kernel = 3}]", 'has conv = 0; it takes a whole number of at least 1, or "classes"'),
        ("layers = [{conv = true, kernel = 3}]", "has conv = true; it takes"),
        ("layers = [{conv = 3, kernel = [3]}]", "it takes a whole number of at least 1, or .rows, columns."),
        ("layers = [{dropout = 1}]", "a share, 0 up to below 1"),
        ("layers = [{conv = 3, kernel = 3, max_pool = 2}]", "layer 1 is conv and max_pool at once"),
        ("layers = [{relu = false}]", "has relu = false; it takes true"),
        ("layers = [{relu = true, name = '3x'}]", "has the name '3x'"),
        ("layers = [{relu = true, name = 'forward'}]", "the name forward, which is taken"),
        ("layers = [{relu = true, name = 'a'}, {tanh = true, name = 'a'}]", "is called a, as one before it"),
        ("layers = [{relu = true, from = 'b'}, {tanh = true, name = 'b'}]",
         "comes after it: relu1 -> b -> relu1 is a circle"),
        ("layers = [{add = 'me', name = 'me'}]", "reads itself: me -> me"),
        ("layers = [{relu = true, name = 'stem'}, {add = 'stim'}]", r"reads 'stim'; .*Did you mean stem"),
        ("layers = [{branches = []}]", "takes a list of lists of layers"),
        ("layers = []\n[blocks.a]\nlayers = [{block='b'}]\n[blocks.b]\nlayers = [{residual = [{block='a'}]}]",
         "The block a is built of itself: a -> b -> a"),
        ("layers = []\n[blocks.a]\nlayers = [{block = 'a'}]", "built of itself: a -> a"),
        ("layers = [{block = 'rez'}]\n[blocks.res]\nlayers = []", "a block 'rez' that there is not. Did you mean res"),
        ("layers = []\n[blocks.a]\nlayer = []", "a key 'layer' that no block has. Did you mean layers"),
        ("layers = []\n[blocks.a]\nlayers = []\nskip = 'yes'", 'it is true, false or "project"'),
        ("layers = []\n[blocks.a]\nlayers = []\nthen = ['relu']", "then without skip"),
        ("layers = [{block = 'a', width = 3}]\n[blocks.a]\nlayers = []", "given 'width', which the block does"),
        ("layers = [{block = 'a'}]\n[blocks.a]\nlayers = [{linear = '$wide'}]", "mentions .wide, and nothing gives it"),
        ("layers = [{linear = '$w/2'}]\n[options]\nw = 3", "which gives no whole number"),
        ("layers = [{linear = '$w+2'}]\n[options]\nw = 3", "a parameter is written"),
        ("layers = [{block = 'a', repeat = 0}]\n[blocks.a]\nlayers = []", "has repeat = 0; it takes a whole number"),
        ("layers = [{block = 'a', repeat = 1000000}]\n[blocks.a]\nlayers = []", "more than 10,000 layers"),
        ("layers = []\n[options]\nclass = 3", "The option class"),
        ("layers = []\n[options]\nact = {default = 'relu', choices = ['tanh']}", "not among its choices"),
        ("layers = []\n[recipe]\ndata = 'mnist'", "recipe has data, which a model does not decide"),
        ("layers = []\nshape = [3, 32]", "channels, rows, columns"),
        ("layers = []\nyear = 'now'", "year is 'now'"),
    ],
)  # fmt: skip
def test_a_text_that_cannot_be_read_says_why(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        read_text(text, "net.toml")
    assert error.value.message.startswith("net.toml")
    assert "\n" not in str(error.value)


def test_nesting_without_end_is_refused() -> None:
    deep = "[" + "{residual = [" * 400 + "]}" * 400 + "]"
    with pytest.raises(InputError, match=r"nests too deep|no TOML"):
        network(deep)


def test_the_manual_is_true() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "toml.md").read_text(encoding="utf-8")
    example = manual.split("```toml\n")[1].split("```")[0]
    entry = read_text(example, "net.toml")
    shape, n_classes = entry.native
    assert entry.make(shape, n_classes, entry.options())(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    assert entry.recipe["lr"] == lab.make_recipe({**entry.recipe, "model": "linear"}).lr
    for name, kind in KINDS.items():
        assert f'"{name}"' in manual or f"{{{name} = " in manual
        for key, one in kind.keys.items():
            assert key == name or f"`{key}`" in manual or f", {key} = " in kind.example, (name, key, one)
    made: dict[str, Any] = {}
    exec(manual.split("```python\n")[1].split("```")[0], made)  # noqa: S102 - the manual's own example
    assert made["make"]((1, 28, 28), 10)(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


def test_the_seams_of_the_input() -> None:
    """One channel, one pixel, a row of the image, and a list that begins twice from it."""
    assert network('["flatten", {linear = "classes"}]', (1, 1, 1), 2)(torch.zeros(1, 1, 1, 1)).shape == (1, 2)
    assert network('[{conv = "classes", kernel = [1, 14]}, "global_avg_pool", "flatten"]', (1, 1, 14), 7)(
        torch.zeros(2, 1, 1, 14)
    ).shape == (2, 7)
    wired = network(
        '[{conv=3, kernel=1}, {conv=3, kernel=1, from="input"}, {add="conv1"}, "flatten", {linear="classes"}]'
    )
    x = torch.randn(2, 3, 16, 14)
    assert torch.allclose(wired(x), wired.linear1((wired.conv2(x) + wired.conv1(x)).flatten(1)))


def test_options_choose_and_are_held_to_their_choices(tmp_path: Path) -> None:
    path = tmp_path / "net.toml"
    path.write_text(
        'layers = ["$act", "flatten", {linear = "classes"}]\n'
        '[options]\nact = {default = "relu", choices = ["relu", "tanh"], help = "between"}\n'
    )
    read = options_from_text(str(path), {"act": "tanh"})
    assert isinstance(build(str(path), (1, 4, 4), 2, read)[0], nn.Tanh)
    with pytest.raises(RecipeError, match="one of relu, tanh"):
        build(str(path), (1, 4, 4), 2, {"act": "gelu"})
    with pytest.raises(RecipeError, match="no option"):
        build(str(path), (1, 4, 4), 2, {"activation": "tanh"})
    assert lab.describe_model(str(path), (1, 4, 4), 2)["options"][0]["help"] == "between"


def test_files_that_hold_no_text(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is no file"):
        architecture_of(str(tmp_path / "gone.toml"))
    (tmp_path / "dir.toml").mkdir()
    with pytest.raises(ModelError, match="cannot be read"):
        architecture_of(str(tmp_path / "dir.toml"))
    (tmp_path / "bytes.toml").write_bytes(b"layers = ['\xff']")
    with pytest.raises(ModelError, match="not text in UTF-8: byte 11"):
        architecture_of(str(tmp_path / "bytes.toml"))
    (tmp_path / "windows.toml").write_bytes(b'\xef\xbb\xbflayers = [\r\n"flatten", {linear = "classes"}]\r\n')
    assert architecture_of(str(tmp_path / "windows.toml")).options


def test_trained_resumed_and_opened_from_the_runs_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bars").mkdir()
    write_idx(tmp_path / "bars", "train", bars(100, 1))
    write_idx(tmp_path / "bars", "t10k", bars(30, 2))
    (tmp_path / "small.toml").write_text(RESIDUAL)
    monkeypatch.chdir(tmp_path)
    runs = tmp_path / "runs"
    recipe = lab.make_recipe({
        "model": "small.toml", "model_options": {"width": 2}, "data": str(tmp_path / "bars"), "epochs": 2,
        "batch_size": 30, "snapshots": 1, "device": "cpu", "threads": 1, "shards": 1, "precision": "float32",
        "memory_format": "contiguous",
    })  # fmt: skip
    assert recipe.lr == 0.005
    list(lab.train(recipe, runs=runs, should_stop=lambda: True))
    (tmp_path / "small.toml").write_text("layers = []")  # what it is now is another network
    monkeypatch.chdir("/")
    assert next(event for event in lab.resume("small-bars-1", runs=runs) if isinstance(event, Finished))
    run = store.find(runs, "small-bars-1")
    assert lab.evaluate(run.name, runs=runs)["accuracy"] == lab.show(run.name, runs=runs)["test_accuracy"]
    assert "res1.add" in {row["node"] for row in lab.look(run.name, "test:0", runs=runs)["nodes"]}
    assert lab.why_update(run.name, "conv1.weight[0,0,0,0]", runs=runs, step=2).gap is not None
    rows = lab.list_runs(runs)
    assert {row["model"] for row in rows} == {"small.toml"}
    copy = run.folder / "model" / "small.toml"
    copy.write_text(RESIDUAL.replace("bias = false", "bias = true"))
    with pytest.raises(ModelError, match="not what the run small-bars-1 was trained with"):
        lab.open_run(run.name, runs=runs)
    card = json.loads((run.folder / "model.json").read_text())
    (run.folder / "model.json").write_text(json.dumps({**card, "files": {"../../../small.toml": "0" * 64}}))
    with pytest.raises(ConvoscopeError, match="not what the run"):  # no path leads out of the run
        lab.open_run(run.name, runs=runs)


def test_the_table_of_layers_has_the_arithmetic(tmp_path: Path) -> None:
    path = tmp_path / "net.toml"
    path.write_text(
        'shape = [3, 16, 16]\nclasses = 4\nlayers = [{conv = 2, kernel = 3}, "flatten", {linear = "classes"}]'
    )
    facts: dict[str, Any] = lab.describe_model(str(path))
    assert facts["n_classes"] == 4
    rows = {row["name"]: row for row in facts["layers"]}
    assert rows["conv1"]["arithmetic"] == "floor((16 - 3 + 2*0)/1) + 1 = 14"
    assert list(rows["conv1"]["output"]) == [2, 14, 14]
    with pytest.raises(UnknownName):
        architecture_of("net.tomls")
