from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import get_type_hints

import pytest

from convoscope.data.normalise import FIXED, METHODS
from convoscope.errors import RecipeError
from convoscope.train.initialise import INITIALISATIONS
from convoscope.train.losses import LOSSES
from convoscope.train.optim import OPTIMISERS
from convoscope.train.recipe import Recipe, from_dict, knobs
from convoscope.train.schedules import SCHEDULES


@pytest.mark.parametrize(
    ("knob", "registry"),
    [
        ("loss", LOSSES),
        ("optimiser", OPTIMISERS),
        ("schedule", SCHEDULES),
        ("initialisation", INITIALISATIONS),
        ("normalise", {**METHODS, **FIXED}),
    ],
)
def test_names_in_the_help_are_the_names_in_the_registry(knob: str, registry: dict[str, object]) -> None:
    assert knobs()[knob].choices == tuple(registry)


@pytest.mark.parametrize("name", [name for name, knob in knobs().items() if knob.low is not None])
def test_each_number_knows_its_bounds(name: str) -> None:
    knob = knobs()[name]
    kind = int if "int" in str(get_type_hints(Recipe)[name]) else float
    with pytest.raises(RecipeError, match=name.replace("_", "-")):
        Recipe(**{name: kind(knob.low - 1)})
    with pytest.raises(RecipeError, match="number"):
        Recipe(**{name: True})
    if knob.high is not None:
        with pytest.raises(RecipeError, match=r"must be"):
            Recipe(**{name: kind(knob.high if knob.open_high else knob.high + 1)})
    if kind is float:
        with pytest.raises(RecipeError):
            Recipe(**{name: float("nan")})
    else:
        with pytest.raises(RecipeError, match="whole number"):
            Recipe(**{name: 1.5})


@pytest.mark.parametrize("name", [name for name, knob in knobs().items() if knob.choices])
def test_each_name_is_one_of_its_choices(name: str) -> None:
    with pytest.raises(RecipeError, match="one of"):
        Recipe(**{name: "adamm"})


def test_every_knob_says_what_it_means() -> None:
    for name, knob in knobs().items():
        assert len(knob.help) > 15, name
        assert knob.help[0].isupper(), name
        assert knob.help.endswith("."), name


def test_what_costs_time_memory_or_disk_says_so() -> None:
    costly = ("epochs", "batch_size", "image_size", "validation", "rotate", "flip", "clip", "ema", "patience",
              "optimiser", "precision", "shards", "threads", "snapshots", "keep", "statistics_every")  # fmt: skip
    for name in costly:
        assert knobs()[name].cost, name
    for name, knob in knobs().items():
        assert not knob.cost or (knob.cost.endswith(".") and len(knob.cost) > 15), name
    assert not knobs()["seed"].cost


def test_contradictions_are_refused() -> None:
    with pytest.raises(RecipeError, match="label_smoothing"):
        Recipe(loss="hinge", label_smoothing=0.1)
    with pytest.raises(RecipeError, match="patience"):
        Recipe(patience=2, validation=0)


def test_a_recipe_survives_its_dictionary() -> None:
    recipe = Recipe(model="mlp", model_options={"hidden": [3]}, lr=0.1234567890123, epochs=3, flip=True)
    assert from_dict(recipe.to_dict()) == recipe
    with pytest.raises(RecipeError, match="no knob 'lrr'"):
        from_dict({"lrr": 1})


def test_open_counts_follow_the_size_of_the_data() -> None:
    big = Recipe().settled(54_000, n_seen=108_000, batch_size=512)
    assert (big.epochs, big.batch_size) == (2, 512)
    small = Recipe().settled(675, n_seen=108_000, batch_size=512)
    assert (small.epochs, small.batch_size) == (60, 32)  # 160 epochs would be a very long time for 675 images
    given = Recipe(epochs=7, batch_size=9).settled(675, n_seen=1, batch_size=512)
    assert given.counts() == (7, 9)
    with pytest.raises(RecipeError, match="leaves them open"):
        Recipe().counts()


def test_a_recipe_needs_no_torch() -> None:
    code = "import convoscope.train.recipe, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Recipe().lr = 1.0  # type: ignore[misc]


def test_every_optimiser_has_a_usual_learning_rate() -> None:
    for name in OPTIMISERS:
        assert Recipe(optimiser=name).peak_lr > 0
    assert Recipe(optimiser="sgd", lr=0.0).peak_lr == 0.0
    assert Recipe(optimiser="muon").settled(100, n_seen=100, batch_size=10).lr == Recipe(optimiser="muon").peak_lr
