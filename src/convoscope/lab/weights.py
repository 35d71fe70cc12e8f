"""Weights in and out: what a run begins with from elsewhere, and a run's own as a file that others read."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

import torch
from safetensors.torch import save
from torch import Tensor

from convoscope.data.normalise import FIXED
from convoscope.errors import ConvoscopeError, InputError, ModelError, RunError, StorageError
from convoscope.lab.ready import Ready
from convoscope.lab.trainee import read_policy
from convoscope.models.matching import Built, Head, Taken, check_same, take
from convoscope.models.naming import SHARED, Library, theirs
from convoscope.models.weights import Weights, read_weights
from convoscope.runs import store
from convoscope.runs.disk import write_whole
from convoscope.runs.store import Run
from convoscope.train.checkpoint import MODEL
from convoscope.train.events import Finding
from convoscope.train.recipe import Recipe
from convoscope.version import __version__

_N_IMAGENET = 1000  # classes, by which weights that say nothing of themselves are taken for ImageNet's
_KINDS = (".safetensors", ".pt", ".pth")
_TOLD = ("class_names", "normalisation", "policy")  # of a run's data card; a file's header has them too


@dataclass(frozen=True)
class Beginning:
    """What a run began with.

    Attributes:
        card: For the run's provenance: path and sha256 of the file; None where the first weights were drawn.
        findings: What the user should know of it.
    """

    card: dict[str, str] | None = None
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True)
class _Origin:
    """What is known of a file's weights: "" and () where it is not."""

    model: str = ""
    class_names: tuple[str, ...] = ()
    normalisation: str = ""
    vocabulary: str = ""


def located(recipe: Recipe, runs: Path) -> Recipe:
    """The recipe with the whole path of the file that `init` names: a file, or a run's final weights.

    Raises:
        RunError: there is no such file and no such run, or the run has no final weights yet.
    """
    if recipe.init is None:
        return recipe
    path = Path(recipe.init).expanduser()
    if not path.is_file():
        try:
            run = store.find(runs, recipe.init)
        except RunError as error:
            raise RunError(
                f"init was given {recipe.init!r}, and there is neither a file of that name nor a run in {runs}.",
                hint=error.hint,
            ) from None
        path = run.weights_path
        if not path.is_file():
            raise RunError(
                f"init was given the run {run.name}, and it has no final weights yet.",
                hint=f"Go on with: convoscope resume {run.name}; or give one of its checkpoints' files.",
            )
    return dataclasses.replace(recipe, init=str(path.resolve()))


def begin(ready: Ready, *, promised: str | None = None) -> Beginning:
    """Gives a network that was prepared the first weights that the recipe names.

    Args:
        ready: What `prepare` gave; its model is changed in place.
        promised: The SHA-256 that the file had when the run was started, where it has been.

    Raises:
        ModelError: the file cannot be read, or holds the weights of another network.
        RunError: the file is not the one that was promised.
    """
    recipe, part = ready.recipe, ready.opened.splits.train
    findings = [_frozen(ready)] if recipe.freeze else []
    if recipe.init is None:
        return Beginning(None, findings)
    weights = _of_a_checkpoint(read_weights(Path(recipe.init)))
    if promised is not None and weights.sha256 != promised:
        raise RunError(
            f"{recipe.init} is not the file that the run was started with: its SHA-256 differs.",
            hint="Bring the same file back, or train a new run.",
        )
    origin = _origin(weights)
    _refuse_other_words(origin, ready)
    built = Built(recipe.model, part.shape, part.n_classes, recipe.model_options)
    taken = take(ready.model, built, weights, cast(Head, recipe.head))  # the recipe holds it to these
    findings += _findings(ready, weights, taken, origin)
    return Beginning({"path": recipe.init, "sha256": weights.sha256}, findings)


def _of_a_checkpoint(weights: Weights) -> Weights:
    """The model's weights alone, where the file is one of our checkpoints."""
    if "progress" not in str(weights.metadata.get("convoscope")):
        return weights
    tensors = {name.removeprefix(MODEL): value for name, value in weights.tensors.items() if name.startswith(MODEL)}
    return dataclasses.replace(weights, tensors=tensors)


def _frozen(ready: Ready) -> Finding:
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in ready.model.parameters()]
    n, n_learning = sum(size for size, _ in sizes), sum(size for size, learns in sizes if learns)
    until = f", for {ready.recipe.thaw:g} epochs" if ready.recipe.thaw else ""
    message = f"Frozen{until}: {ready.recipe.freeze}. Of {n:,} parameters {n_learning:,} learn."
    if ready.recipe.init is None:
        hint = "What is frozen was drawn at random: give it weights with --init."
        return Finding("frozen-as-drawn", "warning", message, hint, 0)
    return Finding("frozen", "note", message, "", 0)


def _refuse_other_words(origin: _Origin, ready: Ready) -> None:
    """Raises ModelError where the weights were trained on texts whose words had other numbers."""
    known = ready.opened.policy.to_dict().get("vocabulary", "")
    if origin.vocabulary and origin.vocabulary != known:
        raise ModelError(
            f"{ready.recipe.init} was trained with another vocabulary than that of {ready.recipe.data}: the numbers of "
            "its words stand for other words there.",
            hint="Begin with weights that were trained on texts with the same vocabulary.",
        )


def _findings(ready: Ready, weights: Weights, taken: Taken, origin: _Origin) -> list[Finding]:
    recipe, part = ready.recipe, ready.opened.splits.train
    found = []
    if taken.drawn:
        why = "" if taken.drawn == "as was asked" else f"{taken.drawn}: "
        found.append(Finding("head-drawn-anew", "note", f"{why}{taken.head} is drawn anew.", "", 0))
    elif origin.class_names and origin.class_names != tuple(part.class_names):
        found.append(
            Finding(
                "head-of-other-classes", "note",
                f"The weights tell as many classes apart as the data have, but others: {_few(origin.class_names)}.",
                "--head new draws the last layer anew.", 0,
            )
        )  # fmt: skip
    if origin.model and origin.model != Path(recipe.model).name:
        message = f"The weights were trained as {origin.model}; in shape they fit {recipe.model} too."
        found.append(Finding("weights-of-another-model", "warning", message, f"Use --model {origin.model}.", 0))
    expected = origin.normalisation or ("imagenet" if _seems_imagenet(ready, weights, taken) else "")
    if expected and expected != ready.normalisation.method:
        said = "were trained" if origin.normalisation else "seem to have been trained"
        found.append(
            Finding(
                "normalised-otherwise", "note",
                f"The weights {said} on pixels normalised by {expected}; these are normalised by "
                f"{ready.normalisation.method}.",
                f"--normalise {expected} gives them what they know.", 0,
            )
        )  # fmt: skip
    return found


def _seems_imagenet(ready: Ready, weights: Weights, taken: Taken) -> bool:
    """Whether weights that say nothing of themselves tell a thousand classes apart in colour images."""
    shape = ready.opened.splits.train.shape
    if not isinstance(shape, tuple) or shape[0] != len(FIXED["imagenet"]):
        return False
    tensors = list(weights.tensors.values())
    return taken.head is not None and any(value.ndim == 1 and len(value) == _N_IMAGENET for value in tensors[-2:])


def _origin(weights: Weights) -> _Origin:
    """What the header says of the weights, or the run in whose folder the file lies."""
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        told = {key: json.loads(weights.metadata[key]) for key in _TOLD}
        return _as_told(weights.metadata["architecture"], told)
    for folder in list(weights.source.parents)[:2]:
        with contextlib.suppress(ConvoscopeError, KeyError, TypeError, AttributeError):
            run = Run(folder)
            return _as_told(Path(run.recipe().model).name, run.card("data", *_TOLD))
    return _Origin()


def _as_told(model: str, told: Mapping[str, Any]) -> _Origin:
    names = tuple(str(name) for name in told["class_names"])
    return _Origin(model, names, str(told["normalisation"]["method"]), str(told["policy"].get("vocabulary", "")))


def save_weights(
    name: str, path: str | Path, *, runs: Path, step: int | None = None, like: Library | None = None,
    force: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Writes a run's weights to a file that other programs read: the tensors of its state dict by name.

    A .safetensors file says in its header what they are: architecture, options, class names, normalisation, and how
    every example is read. A .pt or .pth file is a plain state dict, for `model.load_state_dict(torch.load(PATH))`. The
    file is there whole or not at all.

    Args:
        name: The run.
        path: The file.
        runs: The folder of runs.
        step: The checkpoint whose weights to write; the final ones without it.
        like: Write them so that this library's network of the same name reads them; ours without it.
        force: Whether to replace a file that is there.

    Returns:
        The run, the step, the file, its kind, its size in bytes and the number of tensors and of numbers in them.

    Raises:
        InputError: a file of another kind, one that is there already, or one in the run's own folder.
        RunError: no such run, or weights that are missing or damaged.
        ModelError: the library has no such network.
        StorageError: the disk refused.
    """
    run = store.find(runs, name)
    target = _free_place(Path(path).expanduser(), run, force=force)
    recipe, card = run.recipe(), run.card("data", *_TOLD)
    tensors = {key: value.contiguous() for key, value in run.load_weights(step).items()}
    if like is not None:
        tensors = _written_like(like, run, recipe, tensors)
    about = {
        "format": "pt", "convoscope": __version__, "run": run.name, "step": "final" if step is None else str(step),
        "architecture": Path(recipe.model).name, "options": json.dumps(dict(recipe.model_options)),
        **{key: json.dumps(card[key]) for key in _TOLD},
    }  # fmt: skip
    content = save(tensors, metadata=about) if target.suffix == ".safetensors" else _torch_file(tensors)
    try:
        write_whole(target, content, "The weights")
    except StorageError as error:
        raise StorageError(error.message, hint="Choose another place for the file.") from None
    return {
        "run": run.name, "step": step, "file": str(target), "like": like or "convoscope", "n_bytes": len(content),
        "n_tensors": len(tensors), "n_numbers": sum(value.numel() for value in tensors.values()),
    }  # fmt: skip


def _free_place(path: Path, run: Run, *, force: bool) -> Path:
    if path.suffix not in _KINDS:
        raise InputError(f"The weights were to go to {path}; the file is one of {', '.join(_KINDS)}.")
    if not path.parent.is_dir():
        raise InputError(f"The weights were to go to {path}, and there is no folder {path.parent}.", hint="Make it.")
    if path.resolve().is_relative_to(run.folder.resolve()):
        raise InputError(f"{path} lies in the run's own folder, which holds what Convoscope writes there alone.")
    if path.is_dir() or (path.exists() and not force):
        raise InputError(f"{path} is there already.", hint="Choose another name, or replace a file with --force.")
    return path


def _written_like(like: Library, run: Run, recipe: Recipe, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    if like not in get_args(Library):
        raise InputError(f"like was given {like!r}; it is one of {', '.join(get_args(Library))}.")
    if not SHARED[like].fullmatch(recipe.model):
        raise ModelError(
            f"{like} has no network that computes what {recipe.model} does here.",
            hint="Leave --like away: the file then has our names.",
        )
    n_classes = len(run.card("data", "class_names")["class_names"])
    check_same(Built(recipe.model, read_policy(run).shape, n_classes, recipe.model_options), tensors, like)
    return theirs(tensors, recipe.model, like)


def _torch_file(tensors: Mapping[str, Tensor]) -> bytes:
    file = io.BytesIO()
    torch.save(dict(tensors), file)
    return file.getvalue()


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
