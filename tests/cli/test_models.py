"""`convoscope models`: the history, one model's table, and what is refused."""

from __future__ import annotations

import json
import re

import pytest
from typer.testing import CliRunner, Result

from convoscope.cli.app import app
from convoscope.cli.zoo import short
from convoscope.errors import ConvoscopeError, ModelError, RecipeError, UnknownName
from convoscope.models import MODELS


def say(*words: str, columns: int | None = None, monkeypatch: pytest.MonkeyPatch | None = None) -> str:
    if monkeypatch is not None and columns is not None:
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "dumb")
    answer = run(*words)
    assert answer.exit_code == 0, answer.output
    return re.sub(r"\x1b\[[0-9;]*m", "", answer.stdout)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["models", *words], catch_exceptions=True)


def told(*words: str) -> dict[str, object]:
    document: dict[str, object] = json.loads(say(*words, "--json"))
    return document


def test_the_list_reads_like_a_history() -> None:
    said = say()
    years = [int(year) for year in re.findall(r"^(\d{4})  ", said, re.M)]
    assert years == sorted(years)
    for name, entry in MODELS.items():
        assert re.search(rf"^ +{re.escape(name)} +[\d,]+ +{re.escape(entry.summary)}", said, re.M), name
        assert entry.taught in said
        assert entry.paper in said
    assert said.count(MODELS["resnet18"].taught) == 1  # once for its family
    rows = told()["models"]
    assert [row["name"] for row in rows] == list(MODELS)  # type: ignore[index, attr-defined]


def test_alexnet_as_its_paper_has_it() -> None:
    facts = told("alexnet")
    assert facts["n_parameters"] == facts["n_trainable"] == 61_100_840
    assert facts["multiply_adds"] == pytest.approx(0.714e9, rel=0.01)
    assert facts["input_shape"] == [3, 224, 224]
    assert facts["n_classes"] == 1000
    first = facts["layers"][0]  # type: ignore[index]
    assert first["output"] == [64, 55, 55]
    assert first["field"] == [11, 11]
    assert first["arithmetic"].startswith("floor((224 - 11 + 2*2)/4) + 1 = 55")


def test_one_model_in_words() -> None:
    said = say("lenet5")
    assert "For images of 1 x 28 x 28 and 10 classes: 61,706 parameters; 416.5 k multiply-adds" in said
    assert re.search(
        r"^conv2 +Conv2d +16 x 10 x 10 +2,416 +480\.0 k +14 x 14 +floor\(\(14 - 5 \+ 2\*0\)/1\) \+ 1 = 10", said, re.M
    )
    assert "--activation" in said
    assert "optimiser muon" in said


def test_in_a_narrow_terminal_the_arithmetic_stands_under_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    said = say("vgg11", columns=100, monkeypatch=monkeypatch)
    assert max(map(len, said.splitlines())) <= 100
    table, arithmetic = said.split("\nN = floor((W - F + 2P)/S) + 1")
    assert "floor(" not in table
    assert re.search(r"floor\(\(56 - 3 \+ 2\*1\)/1\) \+ 1 = 56 +features\.6 to features\.8", arithmetic)


def test_blocks_that_repeat_share_a_row() -> None:
    said, whole = say("resnet152"), say("resnet152", "--all-layers")
    assert re.search(r"^layer3\.2 to layer3\.35 +34 more such Bottlenecks +1024 x 14 x 14 +37,984,256 ", said, re.M)
    assert len(said.splitlines()) < 150
    assert len(whole.splitlines()) > 450
    assert "layer3.35.conv2" in whole
    assert "more such" not in whole


def test_a_shape_classes_and_options() -> None:
    facts = told("resnet18", "--shape", "1x28x28", "--classes", "7", "--stem", "cifar")
    assert facts["input_shape"] == [1, 28, 28]
    assert facts["layers"][0]["output"] == [64, 28, 28]  # type: ignore[index]
    assert "texts of 40 words" in say("lstm", "--shape", "40", "--classes", "2")


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        (("lenet6",), UnknownName, "lenet5"),
        (("lenet5", "--shape", "3x3"), RecipeError, "channels x height x width"),
        (("vgg16", "--shape", "3x8x8", "--classes", "10"), ModelError, ""),
        (("lenet5", "--classes", "1"), ModelError, "at least 2"),
        (("lenet5", "--nosuch", "1"), RecipeError, "nosuch"),
        (("--shape", "3x3x3"), RecipeError, "list"),
        (("--nosuch", "1"), RecipeError, ""),
    ],
)
def test_what_is_refused(words: tuple[str, ...], kind: type[ConvoscopeError], said: str) -> None:
    error = run(*words).exception
    assert isinstance(error, kind)
    assert said in f"{error} {error.hint}"


def test_counts_in_four_digits() -> None:
    counts = (0, 7, 999, 1000, 1_814_073_344, 235_000_000, 999_999_999, 12_346)
    assert [short(n) for n in counts] == ["", "7", "999", "1.000 k", "1.814 G", "235.0 M", "1.000 G", "12.35 k"]
