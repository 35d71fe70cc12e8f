from __future__ import annotations

from pathlib import Path

import pytest

from conftest import bars, write_idx
from convoscope import lab
from convoscope.errors import RecipeError, UnknownName
from convoscope.models import MODELS
from convoscope.train.losses import LOSSES
from convoscope.train.optim import OPTIMISERS
from convoscope.train.recipe import Recipe


def test_the_models_usual_recipe_lies_over_the_general_one_and_under_what_is_given() -> None:
    recipe = lab.make_recipe({"model": "lenet5", "seed": 4})
    assert recipe.optimiser == MODELS["lenet5"].recipe["optimiser"] != Recipe.optimiser
    assert recipe.seed == 4
    assert lab.make_recipe({"model": "lenet5", "lr": 0.5}).lr == 0.5


@pytest.mark.parametrize("model", list(MODELS))
def test_the_models_figures_go_with_the_models_choice(model: str) -> None:
    for optimiser in OPTIMISERS:
        recipe = lab.make_recipe({"model": model, "optimiser": optimiser})
        usual = MODELS[model].recipe
        assert recipe.lr == (usual.get("lr") if usual.get("optimiser", Recipe.optimiser) == optimiser else None)
    for loss in LOSSES:
        assert (
            lab.make_recipe({"model": model, "loss": loss}).loss == loss
        )  # and no label smoothing that it cannot have


def test_a_run_finds_its_images_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bars").mkdir()
    write_idx(tmp_path / "bars", "train", bars(60, 1))
    monkeypatch.chdir(tmp_path)
    recipe = lab.make_recipe({"model": "linear", "data": "bars", "epochs": 2, "device": "cpu"})
    stopped = list(lab.train(recipe, runs=tmp_path / "runs", should_stop=lambda: True))
    monkeypatch.chdir("/")
    finished = list(lab.resume("linear-bars-1", runs=tmp_path / "runs"))[-1]
    assert stopped[-1].reason == "stopped"
    assert finished.reason == "finished"


def test_what_does_not_exist_is_refused() -> None:
    with pytest.raises(UnknownName, match="lenet5"):
        lab.make_recipe({"model": "lenet"})
    with pytest.raises(RecipeError, match="no knob"):
        lab.make_recipe({"speed": 1})
