"""The registry as the doors see it: counts, costs, figures and typed shapes."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from convoscope import lab
from convoscope.errors import ModelError, RecipeError, UnknownName
from convoscope.models import MODELS
from convoscope.shape import Trees, Words

ROOT = Path(__file__).parents[2]
GIGA = {
    "alexnet": 0.714, "vgg11": 7.609, "vgg13": 11.308, "vgg16": 15.47, "vgg19": 19.632, "resnet18": 1.814,
    "resnet34": 3.664, "resnet50": 4.089, "resnet101": 7.801, "resnet152": 11.514,
}  # fmt: skip
PARAMETERS = {
    "lenet5_1998": 60_000, "lenet5": 61_706, "alexnet_2012": 60_965_224, "alexnet": 61_100_840, "vgg11": 132_863_336,
    "vgg13": 133_047_848, "vgg16": 138_357_544, "vgg19": 143_667_240, "vgg16_bn": 138_365_992, "resnet18": 11_689_512,
    "resnet34": 21_797_672, "resnet50": 25_557_032, "resnet101": 44_549_160, "resnet152": 60_192_808,
}  # fmt: skip


@pytest.mark.parametrize("name", list(MODELS))
def test_every_model_is_told_whole(name: str) -> None:
    facts = json.loads(json.dumps(lab.describe_model(name)))
    assert facts["n_parameters"] == PARAMETERS.get(name, facts["n_parameters"])
    assert facts["multiply_adds"] / 1e9 == pytest.approx(GIGA.get(name, facts["multiply_adds"] / 1e9), rel=0.01)
    assert sum(row["n_parameters"] for row in facts["layers"]) == facts["n_parameters"]
    assert sum(row["n_trainable"] for row in facts["layers"]) == facts["n_trainable"]
    assert facts["layers"][-1]["output"] == [facts["n_classes"]]
    assert facts["summary"].endswith(".")
    assert facts["taught"].endswith(".")
    assert facts["paper"]
    assert facts["takes"]
    for figure in (*facts["published"], *facts["ours"]):
        assert 0 < figure["accuracy"] <= 1
        assert figure["data"]
        assert figure["source"]
        low, high = figure["low"], figure["high"]
        assert (low is None) == (high is None)
        assert low is None or low <= figure["accuracy"] <= high


def test_the_list_is_in_the_order_of_history() -> None:
    rows = lab.list_models()
    assert [row["name"] for row in rows] == list(MODELS)
    assert [row["year"] for row in rows] == sorted(row["year"] for row in rows)
    assert {row["name"]: row["n_parameters"] for row in rows}.items() >= PARAMETERS.items()


def test_a_shape_classes_and_options_of_one_s_own() -> None:
    facts = lab.describe_typed("mlp", "3x8x8", 7, {"hidden": "5,6"})
    assert facts["n_parameters"] == (192 * 5 + 5) + (5 * 6 + 6) + (6 * 7 + 7)
    assert facts["input_shape"] == [3, 8, 8]
    with pytest.raises(RecipeError, match="hiden"):
        lab.describe_typed("mlp", None, None, {"hiden": "5"})
    with pytest.raises(ModelError, match="at least 2"):
        lab.describe_typed("mlp", None, 0, {})


def test_typed_shapes() -> None:
    assert lab.read_shape("lenet5", "3x32x24") == lab.read_shape("lenet5", "3 X 32×24") == (3, 32, 24)
    assert lab.read_shape("lstm", "256") == Words(256, 20_000)
    assert lab.read_shape("textcnn", "64").length == 64  # type: ignore[union-attr]
    assert isinstance(lab.read_shape("tree", "12x20"), Trees)
    for text in ("", "256", "12x20", "0", "3x0x3", "3x-1x2", "1x2x3x4", "axb"):
        with pytest.raises(RecipeError, match="lenet5 takes channels x height x width, like 3x32x32, for images"):
            lab.read_shape("lenet5", text)
    with pytest.raises(UnknownName, match="lenet6"):
        lab.describe_model("lenet6")


def writer() -> Any:
    spec = importlib.util.spec_from_file_location("write_models", ROOT / "docs" / "write_models.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_models_is_the_registry_s() -> None:
    script = writer()
    page = script.page()
    assert script.PATH.read_text(encoding="utf-8") == page, "stale: python docs/write_models.py"
    assert all(f"\n## {name}\n" in page for name in MODELS)
