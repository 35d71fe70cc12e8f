"""Parts of a network that a step leaves as they are: no gradient, no update, and the statistics of their batch norms.

What is frozen shows in the parameters' own `requires_grad`: whoever trains a step asks the network. Which of them the
recipe froze, and may thaw, the network keeps beside it: what took no gradient before never thaws.
"""

from __future__ import annotations

import difflib

from torch import nn

from convoscope.errors import RecipeError
from convoscope.models.matching import head_of
from convoscope.train.recipe import Recipe

BACKBONE = "backbone"  # all but the last layer, where the network has no module of that name
_FROZEN = "frozen_by_recipe"  # the attribute of a network that names them


def freeze(model: nn.Module, asked: str, n_classes: int) -> list[str]:
    """Freezes parameters of a network, besides those that are frozen already.

    Args:
        model: The network.
        asked: Paths of modules with commas between ("features,classifier.0"), each with all that is in it;
            "backbone" is all but the last layer; "" is nothing.
        n_classes: How many classes it tells apart, by which its last layer is known.

    Returns:
        The names of the parameters that it freezes.

    Raises:
        RecipeError: a module that there is not (near names are listed) or that has no parameters, or nothing is left
            to learn.
    """
    paths = [path.strip() for path in asked.split(",") if path.strip()]
    if asked and not paths:
        raise RecipeError(f"freeze was given {asked!r}, which names no module.", hint="Name one, or leave it out.")
    names = dict.fromkeys(name for path in paths for name in _parameters_of(model, path, n_classes))
    parameters = dict(model.named_parameters())
    if names and not any(parameter.requires_grad for name, parameter in parameters.items() if name not in names):
        raise RecipeError(
            f"freeze was given {asked!r}, which is all that the network could learn with.",
            hint="Leave at least the last layer free: --freeze backbone.",
        )
    newly = [name for name in names if parameters[name].requires_grad]
    setattr(model, _FROZEN, tuple(dict.fromkeys((*frozen_by_recipe(model), *newly))))
    for name in names:
        parameters[name].requires_grad_(False)
        parameters[name].grad = None  # of a step in which it learned
    return list(names)


def frozen_by_recipe(model: nn.Module) -> tuple[str, ...]:
    """The names of the parameters that `freeze` froze, whether they have thawed since or not."""
    return getattr(model, _FROZEN, ())


def thaw(model: nn.Module) -> list[str]:
    """Lets what `freeze` froze learn; returns the names of those parameters. What was frozen before it stays so."""
    names = frozen_by_recipe(model)
    for name in names:
        model.get_parameter(name).requires_grad_(True)
    return list(names)


def thaws_after(recipe: Recipe, steps_per_epoch: int) -> int | None:
    """After how many updates what is frozen begins to learn; None where it never does.

    A share of an epoch is rounded to whole steps; at least one step is frozen and one is not, where there are two.
    """
    if not recipe.thaw:
        return None
    n_steps = recipe.counts()[0] * steps_per_epoch
    return max(0, min(max(1, round(recipe.thaw * steps_per_epoch)), n_steps - 1))


def freeze_as_at(model: nn.Module, recipe: Recipe, n_classes: int, step: int, steps_per_epoch: int) -> None:
    """Freezes a network as update `step` (from 0) of a run finds it; raises RecipeError as `freeze` does."""
    freeze(model, recipe.freeze, n_classes)
    after = thaws_after(recipe, steps_per_epoch)
    if after is not None and step >= after:
        thaw(model)


def set_learning(model: nn.Module) -> None:
    """Puts a network into training mode, but for the modules whose every parameter is frozen: they work as when judged.

    So batch norms there keep their running figures, and nothing is dropped out. What has thawed is in training mode as
    all else: its batch norms take each batch's figures and go on averaging them from where the first weights had them.
    """
    model.train()
    for module in model.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()


def _parameters_of(model: nn.Module, path: str, n_classes: int) -> list[str]:
    modules = dict(model.named_modules())
    if path in modules:
        names = [f"{path}.{name}" for name, _ in modules[path].named_parameters()]
        if not names:
            raise RecipeError(f"freeze was given {path!r}, a {type(modules[path]).__name__} without parameters.")
        return names
    if path != BACKBONE:
        raise _unknown(path, model)
    last = head_of(model, n_classes)
    if last is None:
        raise RecipeError(
            f"freeze was given {BACKBONE!r}, all but the last layer, and no layer of the network ends in the classes.",
            hint="Name the modules, with commas between (see: convoscope models).",
        )
    return [name for name, _ in model.named_parameters() if not name.startswith(f"{last}.")]


def _unknown(path: str, model: nn.Module) -> RecipeError:
    known = [name for name, module in model.named_modules() if name and any(True for _ in module.parameters())]
    near = difflib.get_close_matches(path, known, n=3, cutoff=0.5) or [name for name in known if name.startswith(path)]
    top = [name for name in known if "." not in name]
    guess = f"Did you mean {' or '.join(near[:3])}? " if near else ""
    return RecipeError(
        f"freeze was given {path!r}, and the network has no module of that name.",
        hint=f"{guess}It has {', '.join(top[:12])}{' ...' if len(top) > 12 else ''}; {BACKBONE} is all but the last.",
    )
