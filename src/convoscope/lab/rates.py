"""The learning-rate finder: a range test of a recipe, what its curve says, and its picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from convoscope.errors import InputError, RecipeError, StorageError
from convoscope.lab.ready import prepare
from convoscope.lab.weights import begin, located
from convoscope.runs.disk import write_whole
from convoscope.runs.rates import FORMS, Curve, draw
from convoscope.train.calibrate import make_plan
from convoscope.train.feed import training_feed
from convoscope.train.rates import N_STEPS, Found, Tried, range_test, usual_range
from convoscope.train.recipe import Recipe

_FEWEST_STEPS = 20


@dataclasses.dataclass(frozen=True)
class Rates:
    """What a learning-rate range test came to.

    Attributes:
        data: The data of the recipe.
        model: Its model.
        optimiser: Its optimiser.
        lr: Its own peak learning rate.
        batch_size: Images, or texts, a step.
        steps: Every step in order.
        found: What they say.
        picture: The file of the curve; None where none was asked for.
    """

    data: str
    model: str
    optimiser: str
    lr: float
    batch_size: int
    steps: tuple[Tried, ...]
    found: Found
    picture: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON; each point has the smoothed loss beside its own."""
        told = dataclasses.asdict(self)
        found, steps = told.pop("found"), told.pop("steps")
        smoothed = found.pop("smoothed")
        # A loss that is not finite, the last one, has no neighbours to be averaged with.
        points = [{**step, "smoothed": smoothed[i] if i < len(smoothed) else None} for i, step in enumerate(steps)]
        return {**told, **found, "points": points}


def find_lr(
    recipe: Recipe, *, runs: Path, n_steps: int = N_STEPS, low: float | None = None, high: float | None = None,
    picture: Path | None = None, force: bool = False,
) -> Iterator[Tried | Rates]:  # fmt: skip
    """Tries learning rates on a fresh network: real steps of the recipe at a rate that rises (see `train.rates`).

    No run is made, and nothing is kept but the picture. Of several processes only rank 0 tells anything.

    Args:
        recipe: What would be trained; its own learning rate, schedule, averages and number of epochs play no part, and
            what it freezes stays frozen.
        runs: The folder of runs, where `init` may name one.
        n_steps: How many steps, 20 or more.
        low: The first learning rate; a hundred-thousandth of the optimiser's usual one without it.
        high: The last; a thousand times the usual one without it.
        picture: A file for the curve, .png, .svg or .html.
        force: Whether to replace a file that is there.

    Yields:
        Each step as it is made, then what came of all.

    Raises:
        InputError: data, a model or a recipe that cannot be used; or a picture of another kind, or one that is there.
        RecipeError: the model learns in no steps, or a range that is none.
        StorageError: the disk refused the picture.
    """
    if picture is not None:
        _check_place(picture, force=force)
    low, high = _range(recipe, n_steps, low, high)
    ready = prepare(located(recipe, runs))
    if not any(parameter.requires_grad for parameter in ready.model.parameters()):
        raise RecipeError(
            f"{recipe.model} is found from the data in one go: it takes no steps, and has no learning rate.",
            hint="Choose a model that is trained in steps (see: convoscope models).",
        )
    begin(ready)
    recipe, part = ready.recipe, ready.opened.splits.train
    try:
        feed = training_feed(part, ready.normalisation, recipe, ready.machine.device)
        plan = make_plan(ready.model, feed, recipe, ready.machine)
        del feed
        steps: list[Tried] = []
        for told in range_test(
            ready.model, ready.opened.splits, ready.normalisation, recipe, ready.machine, plan,
            low=low, high=high, n_steps=n_steps,
        ):  # fmt: skip
            if isinstance(told, Found):
                found = told
                break
            steps.append(told)
            if ready.machine.rank == 0:
                yield told
    finally:
        ready.machine.close()
    if ready.machine.rank > 0:
        return
    rates = Rates(
        recipe.data, recipe.model, recipe.optimiser, recipe.peak_lr, recipe.counts()[1], tuple(steps), found,
        str(picture) if picture else None,
    )  # fmt: skip
    if picture is not None:
        _keep(rates, picture)
    yield rates


def _range(recipe: Recipe, n_steps: int, low: float | None, high: float | None) -> tuple[float, float]:
    """The range that was asked for, or the usual one."""
    usual_low, usual_high = usual_range(recipe)
    low, high = low or usual_low, high or usual_high
    if not 0 < low < high or n_steps < _FEWEST_STEPS:
        raise RecipeError(
            f"{n_steps} learning rates from {low:g} to {high:g} were asked; they rise, and are {_FEWEST_STEPS} or more."
        )
    return low, high


def _keep(rates: Rates, picture: Path) -> None:
    curve = Curve(
        title=f"{Path(rates.model).name} on {Path(rates.data).name}, {rates.optimiser}, batches of {rates.batch_size}",
        lrs=[step.lr for step in rates.steps], losses=[step.loss for step in rates.steps],
        smoothed=list(rates.found.smoothed), steepest=rates.found.steepest, least=rates.found.least,
        suggested=rates.found.suggested, own=rates.lr,
    )  # fmt: skip
    try:
        write_whole(picture, draw(curve, picture.suffix.casefold()), "The curve")
    except StorageError as error:
        raise StorageError(error.message, hint="Choose another place for the file.") from None


def _check_place(path: Path, *, force: bool) -> None:
    if path.suffix.casefold() not in FORMS:
        raise InputError(f"The curve was to go to {path}; the file is one of {', '.join(FORMS)}.")
    if not path.parent.is_dir():
        raise InputError(f"The curve was to go to {path}, and there is no folder {path.parent}.", hint="Make it.")
    if path.is_dir() or (path.exists() and not force):
        raise InputError(f"{path} is there already.", hint="Choose another name, or replace a file with --force.")
