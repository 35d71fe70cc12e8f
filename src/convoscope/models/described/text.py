"""The text of a TOML file: its tables, its options, and the architecture that it describes."""

from __future__ import annotations

import dataclasses
import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from keyword import iskeyword
from pathlib import Path
from typing import Any

from torch import nn

from convoscope.errors import InputError, ModelError, RecipeError
from convoscope.models.described.assemble import assemble
from convoscope.models.described.expand import check_blocks, expand, unknown
from convoscope.models.registry import Architecture
from convoscope.shape import InputShape

SUFFIX = ".toml"
USUAL = {"optimiser": "adamw", "lr": 0.002, "weight_decay": 0.01, "schedule": "triangular", "warmup": 0.1}
"""What trains a network of which nothing else is known."""

_MOST_BYTES = 1_000_000
_KEYS = (
    "layers", "blocks", "options", "recipe", "name", "year", "paper", "summary", "taught", "shape", "classes"
)  # fmt: skip
_NOT_IN_A_RECIPE = ("data", "model", "model_options")
_OPTION_KINDS = (bool, int, float, str)


@dataclass(frozen=True)
class Described(Architecture):
    """An architecture that a text describes: nothing of it is executed.

    Attributes:
        title: What errors call the text, usually its file's name.
        text: The text, as it was read.
    """

    title: str = ""
    text: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of the text in UTF-8."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def read_file(path: Path) -> Described:
    """The architecture that a file describes.

    Raises:
        ModelError: there is no such file, it is no text, or it describes no network.
        UnknownName: it has a key or a name that there is not.
    """
    try:
        content = path.expanduser().read_bytes()
    except FileNotFoundError:
        raise ModelError(f"There is no file {path}.", hint="Look at the path; it is seen from this folder.") from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.") from None
    if len(content) > _MOST_BYTES:
        raise ModelError(f"{path} has {len(content):,} bytes; a description has at most {_MOST_BYTES:,}.")
    try:
        return read_text(content.decode("utf-8-sig"), path.name)
    except UnicodeDecodeError as error:
        raise ModelError(f"{path} is not text in UTF-8: byte {error.start} is not.") from None


@lru_cache(maxsize=32)
def read_text(text: str, title: str) -> Described:
    """The architecture that a text describes.

    Args:
        text: TOML: `layers`, and as wished `blocks`, `options`, `recipe`, `name`, `year`, `paper`, `summary`, `taught`,
            `shape` and `classes`; docs/toml.md has them all.
        title: What errors call it.

    Raises:
        ModelError: it is no TOML (with line and column), or describes no network.
        UnknownName: it has a key or a name that there is not; near ones are in the hint.
    """
    try:
        document = tomllib.loads(text.replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as error:
        last = text.replace("\r\n", "\n").split("\n")
        end = f"at end of document, line {len(last)}, column {len(last[-1]) + 1}"
        said = str(error).replace("at end of document", end)
        raise ModelError(f"{title} is no TOML: {said[:1].lower()}{said[1:]}.", hint="See: https://toml.io") from None
    except RecursionError:
        raise ModelError(f"{title} nests too deep.") from None
    try:
        return _described(document, text, title)
    except RecursionError:
        raise ModelError(f"{title} nests too deep.") from None
    except InputError as error:
        raise type(error)(f"{title}: {error.message}", hint=error.hint) from None


def _described(document: Mapping[str, Any], text: str, title: str) -> Described:
    for key in document:
        if key not in _KEYS:
            raise unknown(f"it has a key {key!r} that no description has.", key, _KEYS)
    if "layers" not in document:
        raise ModelError("it has no layers.", hint='It begins with layers = ["flatten", {linear = "classes"}] or more.')
    blocks = check_blocks(document.get("blocks", {}))
    options = _options(document.get("options", {}), title)
    defaults = {item.name: item.default for item in dataclasses.fields(options)}
    expand(document["layers"], blocks, defaults)  # what is wrong in it is said before data are opened
    said = {key: _text(document, key) for key in ("name", "paper", "summary", "taught")}
    year = document.get("year", 0)
    if type(year) is not int:
        raise ModelError(f"year is {year!r}; it is a whole number.")
    return Described(
        make=partial(_make, document["layers"], blocks, title),
        options=options,
        summary=said["summary"] or f"{said['name'] + ', described' if said['name'] else 'Described'} in {title}.",
        taught=said["taught"],
        year=year,
        paper=said["paper"],
        recipe=_recipe(document.get("recipe", {})),
        native=_native(document),
        title=title,
        text=text,
    )


def _make(
    layers: object, blocks: Mapping[str, Any], title: str, shape: InputShape, n_classes: int, options: object
) -> nn.Module:
    """The network for images of `shape` (C, H, W); raises ModelError for the layer that does not fit."""
    fields = dataclasses.fields(options)  # type: ignore[arg-type]  # a dataclass made here
    values = {item.name: getattr(options, item.name) for item in fields}
    for item in fields:
        choices = item.metadata.get("choices", ())
        if choices and values[item.name] not in choices:
            raise RecipeError(
                f"The option {item.name} of {title} was given {values[item.name]!r}; it is one of {_listed(choices)}."
            )
    assert isinstance(shape, tuple)
    try:
        return assemble(expand(layers, blocks, values), shape, n_classes)
    except RecursionError:
        raise ModelError(f"{title} nests too deep.") from None
    except InputError as error:
        raise type(error)(f"{title}: {error.message}", hint=error.hint) from None


def _options(given: object, title: str) -> type:
    """The dataclass of a file's options: each with its default, or a table of default, help and choices."""
    if not isinstance(given, dict):
        raise ModelError(f"options is {given!r}; it is a table.", hint="Write [options] and below it width = 16.")
    fields: list[tuple[str, type, Any]] = []
    for name, meaning in given.items():
        table = meaning if isinstance(meaning, dict) else {"default": meaning}
        for key in table:
            if key not in ("default", "help", "choices"):
                raise unknown(f"The option {name} has a key {key!r}.", key, ("default", "help", "choices"))
        default, choices = table.get("default"), table.get("choices", [])
        if not name.isidentifier() or iskeyword(name) or type(default) not in _OPTION_KINDS:
            raise ModelError(
                f"The option {name} has the default {default!r}; it is a number, a text, or true or false.",
                hint='Write width = 16, or act = {default = "relu", choices = ["relu", "tanh"]}.',
            )
        if not isinstance(choices, list) or (choices and default not in choices):
            raise ModelError(f"The option {name} has the default {default!r}, which is not among its choices.")
        metadata = {"help": str(table.get("help", f"${name} in {title}")), "choices": tuple(choices)}
        fields.append((name, type(default), dataclasses.field(default=default, metadata=metadata)))
    return dataclasses.make_dataclass("DescribedOptions", fields, frozen=True)


def _recipe(given: object) -> dict[str, object]:
    if not isinstance(given, dict):
        raise ModelError(f"recipe is {given!r}; it is a table of knobs.", hint="Write [recipe] and below it lr = 0.01.")
    for knob in _NOT_IN_A_RECIPE:
        if knob in given:
            raise RecipeError(f"its recipe has {knob}, which a model does not decide.", hint=f"Give --{knob} instead.")
    return {**({} if "optimiser" in given else USUAL), **given}


def _native(document: Mapping[str, Any]) -> tuple[InputShape, int]:
    shape, n_classes = document.get("shape", [1, 28, 28]), document.get("classes", 10)
    if not isinstance(shape, list) or len(shape) != 3 or not all(type(side) is int and side > 0 for side in shape):
        raise ModelError(
            f"shape is {shape!r}; it is [channels, rows, columns].", hint="For example: shape = [3, 32, 32]"
        )
    if type(n_classes) is not int or n_classes < 2:
        raise ModelError(f"classes is {n_classes!r}; it is a whole number of at least 2.")
    return (shape[0], shape[1], shape[2]), n_classes


def _text(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key, "")
    if not isinstance(value, str):
        raise ModelError(f"{key} is {value!r}; it is a text.")
    return value


def _listed(names: tuple[object, ...]) -> str:
    return ", ".join(map(str, names))
