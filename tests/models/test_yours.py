"""A user's own Python file as a model: read, refused in one sentence, trained, opened again, and never from a run."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import bars, write_idx
from convoscope import lab
from convoscope.errors import ConvoscopeError, InputError, ModelError, RecipeError
from convoscope.models import architecture_of, build, options_from_text
from convoscope.runs import store
from convoscope.shape import Trees, Words
from convoscope.train.events import Event, Finished

NET = '''
"""My networks."""
from __future__ import annotations

from typing import Literal

import torch
from torch import nn

import blocks


def make(shape, n_classes, width: int = 6, act: Literal["relu", "tanh"] = "relu", sizes: tuple[int, ...] = (8,),
         drop: float | None = None, extra=print):
    """A small network.

    Args:
        width: channels of the convolution.
    """
    return Net(shape, n_classes, width, act)


class Net(nn.Module):
    def __init__(self, shape, n_classes, width: int = 4, act: str = "relu"):
        super().__init__()
        self.conv = blocks.conv(shape[0], width)
        self.act = {"relu": nn.ReLU, "tanh": nn.Tanh}[act]()
        self.noise = torch.randn(width, 1, 1)  # in no state dict
        self.fc = nn.LazyLinear(n_classes)

    def forward(self, x):
        return self.fc((self.act(self.conv(x)) + self.noise).flatten(1))


def tied(shape, n_classes):
    a = nn.Linear(shape[1] * shape[2], 8)
    b = nn.Linear(8, 8)
    model = nn.Sequential(nn.Flatten(), a, b, nn.ReLU(), nn.Linear(8, 8), nn.Linear(8, n_classes))
    model[4].weight = b.weight
    return model


def one(shape): ...
def needs(shape, n_classes, width: int): ...
def raises(shape, n_classes): return blocks.broken()
def gives(shape, n_classes): return 3
def wrong(shape, n_classes): return nn.Sequential(nn.Flatten(), nn.LazyLinear(n_classes + 1))
def pair(shape, n_classes): return Pair()
def frozen(shape, n_classes): return nn.AdaptiveAvgPool2d(1)
def double(shape, n_classes): return Net(shape, n_classes).double()
def late(shape, n_classes): return Late(shape, n_classes)
def bare(shape, n_classes): return nn.Sequential(nn.Flatten(), Bare())
def leaves(shape, n_classes): raise SystemExit(3)
def knob(shape, n_classes, lr: float = 0.1): return Net(shape, n_classes)


class Pair(nn.Module):
    def forward(self, x): return x, x


class Bare(nn.Module):
    def forward(self, x): return x[:, :4]


class Late(Net):
    def forward(self, x):
        import blocks

        return super().forward(x)


built = nn.ReLU()
number = 3
'''
BLOCKS = """
from torch import nn


def conv(n, width):
    return nn.Conv2d(n, width, 3)


def broken():
    raise ValueError("no such block\\nand more")
"""
KNOBS: dict[str, Any] = {"epochs": 2, "batch_size": 30, "snapshots": 1, "device": "cpu", "threads": 1, "shards": 1,
                         "precision": "float32", "memory_format": "contiguous"}  # fmt: skip


@pytest.fixture
def net(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "blocks.py").write_text(BLOCKS)
    (folder / "net.py").write_text(NET)
    return folder / "net.py"


@pytest.fixture
def data(tmp_path: Path) -> str:
    (tmp_path / "bars").mkdir()
    write_idx(tmp_path / "bars", "train", bars(100, 1))
    write_idx(tmp_path / "bars", "t10k", bars(30, 2))
    return str(tmp_path / "bars")


def trained(model: str, data: str, runs: Path, **knobs: Any) -> list[Event]:
    """To its end, and no further: the graph is exported by whoever asks for more."""
    events = []
    for event in lab.train(lab.make_recipe({**KNOBS, "model": model, "data": data, **knobs}), runs=runs):
        events.append(event)
        if isinstance(event, Finished):
            break
    return events


def begun(model: str, data: str, runs: Path) -> store.Run:
    """A run that was stopped after its first step."""
    recipe = lab.make_recipe({**KNOBS, "model": model, "data": data})
    list(lab.train(recipe, runs=runs, should_stop=lambda: True))
    return store.find(runs, "latest")


def test_its_arguments_are_its_options(net: Path) -> None:
    name = f"{net}:make"
    entry = architecture_of(name)
    assert entry.summary == "A small network."
    read = options_from_text(name, {"width": "5", "act": "tanh", "sizes": "3,4", "drop": "0.5"})
    assert read == {"width": 5, "act": "tanh", "sizes": (3, 4), "drop": 0.5}
    model = build(name, (1, 12, 12), 4, read)
    assert model.conv.out_channels == 5
    assert model.training
    facts = lab.describe_model(name, (1, 12, 12), 4)
    assert {row["name"]: row["default"] for row in facts["options"]} == {
        "width": 6, "act": "relu", "sizes": (8,), "drop": None
    }  # fmt: skip
    assert facts["options"][0]["help"] == "channels of the convolution."
    for options, said in (
        ({"act": "gelu"}, "relu, tanh"),
        ({"wide": 3}, "no option"),
        ({"width": "x"}, "whole number"),
    ):
        with pytest.raises(RecipeError, match=said):
            build(name, (1, 12, 12), 4, options)


def test_a_class_is_a_factory_and_texts_and_trees_are_taken(tmp_path: Path) -> None:
    (tmp_path / "words.py").write_text(
        "import torch\nfrom torch import nn\n"
        "class Bag(nn.Module):\n"
        "    def __init__(self, shape, n_classes):\n"
        "        super().__init__()\n"
        "        self.rows = nn.Embedding(shape.n_words, n_classes)\n"
        "    def forward(self, x):\n"
        "        return self.rows(x.flatten(1)).sum(1)\n"
    )
    name = f"{tmp_path / 'words.py'}:Bag"
    for shape in (Words(7, 20), Trees(3, 4, 20)):
        assert sum(p.numel() for p in build(name, shape, 3).parameters()) == 60


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        ("mak", "nothing called 'mak'. Did you mean make"),
        ("number", "is a int, which cannot be called"),
        ("built", "is a network that is built already"),
        ("one", "takes 1 of the two arguments"),
        ("needs", "argument width of net.py:needs has no default"),
        ("raises", r"net.py:raises raised ValueError at blocks.py:10: no such block\. The line: raise"),
        ("gives", "gave a int; it has to give an nn.Module"),
        ("wrong", "puts out 2 x 5 for a batch of 2; a classifier of 4 classes has to put out 2 x 4"),
        ("pair", "puts out a tuple"),
        ("bare", "no parameters that can be trained"),
        ("frozen", "puts out 2 x 1 x 1 x 1"),
        ("double", "raised RuntimeError at blocks.py|raised RuntimeError at net.py:3"),
        ("late", "raised ModuleNotFoundError at net.py:.*blocks"),
        ("leaves", "raised SystemExit at net.py:.*: 3"),
    ],
)
def test_what_is_wrong_is_one_sentence(net: Path, factory: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        build(f"{net}:{factory}", (1, 12, 12), 4)
    assert "\n" not in str(error.value)
    assert "Traceback" not in str(error.value)


def test_files_that_are_none(net: Path) -> None:
    (net.parent / "bad.py").write_text("def make(shape, n_classes)\n    pass\n")
    for name, said in (
        (f"{net}", "names no factory.*It has: make, Net"),
        (f"{net.parent}/gone.py:make", "There is no file"),
        (f"{net.parent}/bad.py:make", "bad.py is no Python: bad.py:1: expected ':'"),
        (f"{net.parent}/net.pie:make", "There is no model"),
    ):
        with pytest.raises(ConvoscopeError, match=said):
            architecture_of(name)


def test_two_files_of_one_name_keep_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder, width in (("one", 3), ("two", 7)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "blocks.py").write_text(f"WIDTH = {width}\n")
        (tmp_path / folder / "net.py").write_text(
            "from torch import nn\nimport blocks\nprint('loaded')\n"
            "def make(shape, n_classes):\n"
            "    import blocks as again\n"
            "    assert again is blocks\n"
            "    n = blocks.WIDTH\n"
            "    return nn.Sequential(nn.Conv2d(1, n, 12), nn.Flatten(), nn.Linear(n, n_classes))\n"
        )
    paths = list(sys.path)
    for folder, width in (("one", 3), ("two", 7), ("one", 3)):
        model = build(f"{tmp_path / folder / 'net.py'}:make", (1, 12, 12), 4)
        assert model[0].out_channels == width
    assert sys.path == paths
    assert "blocks" not in sys.modules
    said = capsys.readouterr()
    assert said.out == ""  # where JSON may be read
    assert said.err.count("loaded") == 2  # each is executed once
    before = model.source_digest  # by which the layout that was measured for it is found again
    (tmp_path / "one" / "blocks.py").write_text("WIDTH = 5\n")
    model = build(f"{tmp_path / 'one' / 'net.py'}:make", (1, 12, 12), 4)
    assert model[0].out_channels == 5
    assert model.source_digest != before


def test_trained_resumed_judged_and_looked_at_from_another_folder(
    net: Path, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "runs"
    monkeypatch.chdir(net.parent)
    options = {"model_options": {"width": 5}}
    recipe = lab.make_recipe({**KNOBS, "model": "net.py:make", "data": data, **options})
    list(lab.train(recipe, runs=runs, should_stop=lambda: True))
    monkeypatch.chdir("/")
    assert next(event for event in lab.resume("net-make-bars-1", runs=runs) if isinstance(event, Finished))
    run = store.find(runs, "net-make-bars-1")
    assert run.recipe().model == "net.py:make"
    assert (run.folder / "model" / "net.py").read_text() == NET
    assert set(run.card("provenance")["model_files"]) == {"net.py", "blocks.py"}
    facts = lab.evaluate(run.name, runs=runs)
    assert facts["accuracy"] == lab.show(run.name, runs=runs)["test_accuracy"]  # its noise is drawn as it was
    assert lab.look(run.name, "test:0", runs=runs)["nodes"]
    assert lab.list_runs(runs)[0]["model"] == "net.py:make"


def test_tied_weights_are_kept_and_come_back(net: Path, data: str, tmp_path: Path) -> None:
    assert isinstance(trained(f"{net}:tied", data, tmp_path / "runs")[-1], Finished)
    model = lab.open_run("latest", runs=tmp_path / "runs").model
    assert torch.equal(model[2].weight, model[4].weight)


def test_code_is_executed_only_where_it_lies_and_as_it_was(net: Path, data: str, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    run = begun(f"{net}:make", data, runs)
    ran = tmp_path / "ran"
    (net.parent / "blocks.py").write_text(BLOCKS + f"\nopen({str(ran)!r}, 'w')\n")
    for ask in (lab.open_run, lambda name, runs: list(lab.resume(name, runs=runs)), lab.evaluate):
        with pytest.raises(ModelError, match=r"blocks\.py has changed since") as error:
            ask(run.name, runs=runs)
        assert str(run.folder / "model" / "blocks.py") in error.value.hint
    assert not ran.exists()
    assert lab.show(run.name, runs=runs)["model"] == f"{net}:make"
    (net.parent / "blocks.py").write_text(BLOCKS)
    assert lab.open_run(run.name, runs=runs, step=1)
    net.unlink()
    with pytest.raises(ModelError, match="not there any more"):
        lab.open_run(run.name, runs=runs)


def test_a_strangers_run_executes_nothing(net: Path, data: str, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    run = begun(f"{net}:make", data, runs)
    card = json.loads((run.folder / "model.json").read_text())
    beside = runs / "another"
    shutil.copytree(run.folder, beside)
    for path, files in (
        (run.folder / "model" / "net.py", card["files"]),
        (beside / "model" / "net.py", card["files"]),
        ("model/net.py", card["files"]),
        (torch.__file__, {"__init__.py": ""}),
        (str(net), {"blocks.py": card["files"]["blocks.py"]}),  # the file itself without a digest
        (str(net), {}),
        (None, None),
    ):
        (run.folder / "model.json").write_text(json.dumps({**card, "path": str(path), "files": files}))
        with pytest.raises(ModelError, match=r"no code from a run's folder|does not tell what"):
            lab.open_run(run.name, runs=runs)
    (run.folder / "model.json").unlink()
    with pytest.raises(ModelError, match="does not tell what its model"):
        lab.open_run(run.name, runs=runs)


def test_the_page_names_no_code(net: Path, data: str, tmp_path: Path) -> None:
    for name in (f"{net}:make", str(net), f"{net}:".upper()):
        with pytest.raises(ModelError, match="from the command line only"):
            lab.launch({"model": name, "data": data, "model_options": {"width": 3}}, runs=tmp_path / "runs")


def test_an_option_that_a_knob_would_hide_is_refused(net: Path) -> None:
    with pytest.raises(RecipeError, match="an option lr, which is the name of a knob"):
        lab.make_recipe({"model": f"{net}:knob"})
