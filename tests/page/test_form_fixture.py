"""The form that the page's own tests fill in is the one that the server answers.

After a change of knobs, models or datasets write it anew: `python tests/page/test_form_fixture.py`.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from convoscope.lab.ready import make_recipe
from convoscope.lab.screen.facts import form
from convoscope.models import MODELS, build
from convoscope.train.recipe import Recipe, knobs

FIXTURE = Path(__file__).parents[2] / "web" / "src" / "runs" / "form" / "form.fixture.json"
RENEW = "write it anew: python tests/page/test_form_fixture.py"


def _form() -> dict[str, Any]:
    """The answer of GET /api/form, as JSON has it."""
    found: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(form())))
    return found


def _without_place(found: dict[str, Any]) -> dict[str, Any]:
    """What does not depend on the machine: whether a dataset has been fetched does."""
    datasets = [{**one, "here": None} for one in found["datasets"]]
    return {**found, "datasets": datasets}


def test_the_fixture_is_the_form() -> None:
    told = json.loads(FIXTURE.read_text(encoding="utf-8"))
    assert _without_place(told) == _without_place(_form()), RENEW


def test_a_figure_goes_with_the_choice_that_takes_it_back() -> None:
    """What a card says of `goes_with` is what a recipe does."""
    names = {knob.name: knob for knob in form().knobs}
    suits = MODELS["mlp"].recipe
    other = {"optimiser": "sgd", "loss": "hinge"}
    for choice, value in other.items():
        recipe = make_recipe({"model": "mlp", choice: value})
        for figure in suits:
            if figure == choice:
                continue
            general = getattr(Recipe, figure)
            wanted = general if choice in names[figure].goes_with else suits[figure]
            assert getattr(recipe, figure) == wanted, (choice, figure)


def test_every_choice_of_an_option_makes_a_network() -> None:
    """A name on the form is one that the architecture takes, and its default is among them."""
    for model in form().models:
        for option in model.options:
            assert (option.kind == "choice") == bool(option.choices), option.name
            if option.choices:
                assert option.default in option.choices
            for choice in option.choices if model.name in ("lenet5", "mlp", "resnet18") else ():
                build(model.name, (3, 32, 32), 10, {option.name: choice})
    assert set(knobs()) == {knob.name for knob in form().knobs}


if __name__ == "__main__":
    here = {one["name"]: one["here"] for one in json.loads(FIXTURE.read_text(encoding="utf-8"))["datasets"]}
    now = _form()
    now["datasets"] = [{**one, "here": here.get(one["name"], False)} for one in now["datasets"]]
    FIXTURE.write_text(json.dumps(now, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
