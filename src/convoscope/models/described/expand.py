"""From the layers of a TOML file to a tree of layers: blocks laid out, parameters put in, every key read."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from torch import nn

from convoscope.errors import ModelError, UnknownName
from convoscope.models.activations import ACTIVATIONS
from convoscope.models.described.kinds import COUNT, FLAG, KINDS, REQUIRED, Key, one_of

Table: TypeAlias = Mapping[str, Any]

INPUT = "input"  # what `from` calls that which a list of layers is given
_MOST_LAYERS = 10_000  # blocks of blocks multiply
_PARAMETER = re.compile(r"\$(\w+)(?:\s*([*/])\s*(\d+))?")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_ATTRIBUTES = frozenset(dir(nn.Sequential()))  # what a module is called must not hide one of these
_BLOCK_KEYS = ("layers", "skip", "then", "parameters")
_PLACED = ("name", "from")  # every layer has them
_USED = ("block", "repeat", *_PLACED)  # of a block where it is used; all other keys are its parameters
_JOINS: dict[str, tuple[str, dict[str, Key]]] = {
    "residual": ('{residual = ["relu", {conv = 16, kernel = 3, padding = 1}]}', {"project": Key(FLAG, False)}),
    "branches": (
        "{branches = [[{conv = 8, kernel = 1}], [{conv = 8, kernel = 3, padding = 1}]]}",
        {"join": Key(one_of("concat", "add"), "concat")},
    ),
    "add": ('{add = "stem"}', {"project": Key(FLAG, False)}),
    "concat": ('{concat = "stem"}', {}),
}
_NOT_HERE = {
    "softmax": "The loss takes the scores as they are: leave it away.",
    "log_softmax": "The loss takes the scores as they are: leave it away.",
    "fc": "A fully connected layer is written {linear = 120}.",
    "dense": "A fully connected layer is written {linear = 120}.",
    "pool": "A pool is written {max_pool = 2} or {avg_pool = 2}.",
}


@dataclass(frozen=True)
class Layer:
    """One layer, or several joined.

    Attributes:
        kind: Its name in `KINDS`; or "residual", "branches", "add", "concat"; or "block" for layers in a row.
        name: What its module is called among those of its list.
        where: How an error names it: "layer 7 (conv, kernel 5)".
        values: What it was given, by key, defaults filled in.
        source: The layer of the same list whose output it takes; None for the one before.
        others: The layers of the same list whose outputs it adds or concatenates.
        lists: The lists of layers in it: of a residual what is on the way and what follows; of branches each.
    """

    kind: str
    name: str
    where: str
    values: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None
    others: tuple[str, ...] = ()
    lists: tuple[tuple[Layer, ...], ...] = ()


def expand(layers: object, blocks: Mapping[str, Table], options: Mapping[str, object]) -> tuple[Layer, ...]:
    """The tree of layers that a file's `layers` stand for.

    Args:
        layers: The list as TOML has it.
        blocks: The blocks it may use, as `check_blocks` has found them right.
        options: What the file's options are now, by name.

    Raises:
        ModelError: a layer that cannot be read; the message begins with which.
        UnknownName: a layer, a key, a block or a parameter that there is not; near names are in the hint.
    """
    return _Expansion(blocks, options).layers(layers, options, "")


def check_blocks(blocks: object) -> dict[str, Table]:
    """The blocks by name, none of them built of itself.

    Raises:
        ModelError: a block that is no table of layers, or a circle of blocks, named whole.
        UnknownName: a key or a block that there is not.
    """
    if not isinstance(blocks, dict) or not all(isinstance(block, dict) for block in blocks.values()):
        raise ModelError("blocks is not a table of tables.", hint="Write [blocks.NAME] and below it layers = [...].")
    for name, block in blocks.items():
        for key in block:
            if key not in _BLOCK_KEYS:
                raise unknown(f"The block {name} has a key {key!r} that no block has.", key, _BLOCK_KEYS)
        if "layers" not in block:
            raise ModelError(f"The block {name} has no layers.", hint=f"Below [blocks.{name}] write layers = [...].")
        if block.get("skip", False) not in (False, True, "project"):
            raise ModelError(f'The block {name} has skip = {block["skip"]!r}; it is true, false or "project".')
        if "then" in block and not block.get("skip", False):
            raise ModelError(f"The block {name} has then without skip: what follows a sum, and there is none.",
                             hint="Put those layers at the end of its layers, or give it skip = true.")  # fmt: skip
        _check_parameters(name, block)
    uses = {name: list(dict.fromkeys(_used(block, blocks, name))) for name, block in blocks.items()}
    fine: set[str] = set()
    for name in uses:
        _refuse_circles(name, uses, (), fine)
    return dict(blocks)


def unknown(message: str, name: str, known: Iterable[str]) -> UnknownName:
    """The error for a name that there is not: the nearest first, else all."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(known)}." if known else ""
    return UnknownName(message, hint=hint)


def _check_parameters(name: str, block: Table) -> None:
    given = block.get("parameters", {})
    if not isinstance(given, dict):
        raise ModelError(f"The parameters of the block {name} are no table.", hint="For example: {width = 16}.")
    for parameter in given:
        if parameter in _USED:
            raise ModelError(f"The block {name} has a parameter called {parameter}; that word is taken.")


def _used(value: object, blocks: Mapping[str, object], block: str) -> Iterator[str]:
    """The blocks that are used anywhere inside a TOML value."""
    if isinstance(value, list):
        for part in value:
            yield from _used(part, blocks, block)
    elif isinstance(value, dict):
        used = value.get("block")
        if isinstance(used, str):
            if used not in blocks:
                raise unknown(f"The block {block} uses a block {used!r} that there is not.", used, blocks)
            yield used
        for part in value.values():
            yield from _used(part, blocks, block)


def _refuse_circles(name: str, uses: Mapping[str, list[str]], path: tuple[str, ...], fine: set[str]) -> None:
    if name in fine:
        return
    if name in path:
        circle = " -> ".join((*path[path.index(name) :], name))
        raise ModelError(
            f"The block {name} is built of itself: {circle}.", hint="Take one of these uses out; repeat = 3 repeats."
        )
    for used in uses[name]:
        _refuse_circles(used, uses, (*path, name), fine)
    fine.add(name)


class _Expansion:
    """One laying out of a file's layers."""

    def __init__(self, blocks: Mapping[str, Table], options: Mapping[str, object]) -> None:
        self._blocks, self._options, self._n_layers = blocks, options, 0

    def layers(self, raw: object, known: Mapping[str, object], within: str) -> tuple[Layer, ...]:
        """The layers of one list; `known` are the parameters seen in it, `within` says of what it is the list."""
        if not isinstance(raw, list):
            raise ModelError(f"The layers{within} are no list.", hint='For example: layers = ["flatten", {linear = 9}]')
        names = _Names({str(item["name"]) for item in raw if isinstance(item, dict) and "name" in item})
        found: list[Layer] = []
        for number, item in enumerate(raw, start=1):
            found.extend(self._item(_put_in(item, known, f"layer {number}{within}"), number, within, names))
        _check_sources(found)
        return tuple(found)

    def _item(self, item: object, number: int, within: str, names: _Names) -> list[Layer]:
        """What one item of a list stands for: one layer, or the copies of a block."""
        self._count()
        place = f"layer {number}{within}"
        table = {item: True} if isinstance(item, str) else item
        if not isinstance(table, dict):
            raise ModelError(f"{place} is {item!r}; a layer is a name or a table.", hint="Like {conv = 16, kernel = 3}")
        kind = _kind_of(table, place, bare=isinstance(item, str))
        if kind == "block":
            return self._block(table, place, names)
        example, keys = _JOINS[kind] if kind in _JOINS else (KINDS[kind].example, dict(KINDS[kind].keys))
        where = place + _called(kind, table)
        if isinstance(item, str) and (kind in _JOINS or not KINDS[kind].stands_alone):
            raise ModelError(f"{where} lacks what it is to be.", hint=f"It is written {example}")
        for key in table:
            if key not in (kind, *keys, *_PLACED):
                raise unknown(f"{where} has a key {key!r} that {kind} does not take.", key, (*keys, *_PLACED))
        values = {key: _value(table, key, one, where, example) for key, one in keys.items()}
        lists, others = self._inside(kind, table[kind], number, within, where)
        name, source = names.take(table.get("name"), kind, where), _source(table, where)
        return [Layer(kind, name, where, values, source, others, lists)]

    def _inside(
        self, kind: str, value: object, number: int, within: str, where: str
    ) -> tuple[tuple[tuple[Layer, ...], ...], tuple[str, ...]]:
        """The lists of layers in a join, and the layers it names."""
        if kind == "residual":
            return (self.layers(value, {}, f" of the {kind} in layer {number}{within}"), ()), ()
        if kind == "branches":
            if not isinstance(value, list) or not value or not all(isinstance(part, list) for part in value):
                raise ModelError(f"{where} takes a list of lists of layers.", hint=_JOINS[kind][0])
            parts = enumerate(value, start=1)
            of = f"in layer {number}{within}"
            return tuple(self.layers(part, {}, f" of branch {k} {of}") for k, part in parts), ()
        if kind in {"add", "concat"}:
            others = value if isinstance(value, list) else [value]
            if not others or not all(isinstance(other, str) for other in others):
                raise ModelError(f"{where} takes the name of a layer before it, or a list of them.",
                                 hint=_JOINS[kind][0])  # fmt: skip
            return (), tuple(others)
        return (), ()

    def _count(self) -> None:
        self._n_layers += 1
        if self._n_layers > _MOST_LAYERS:
            raise ModelError(f"The blocks come to more than {_MOST_LAYERS:,} layers.", hint="Repeat them less often.")

    def _block(self, table: Table, place: str, names: _Names) -> list[Layer]:
        called = table["block"]
        if not isinstance(called, str) or called not in self._blocks:
            raise unknown(f"{place} uses a block {called!r} that there is not.", str(called), self._blocks)
        where, block = f"{place} (block {called})", self._blocks[called]
        repeat = table.get("repeat", 1)
        if COUNT.read(repeat) is None:
            raise ModelError(f"{where} has repeat = {repeat!r}; it takes {COUNT.words}.")
        defaults = _put_in(block.get("parameters", {}), self._options, f"the block {called}")
        takes = dict.fromkeys((*defaults, *_mentioned(block)))
        given = {key: value for key, value in table.items() if key not in _USED}
        for key in given:
            if key not in takes:
                raise unknown(f"{where} is given {key!r}, which the block does not mention.", key, (*takes, *_USED))
        known = {**self._options, **defaults, **given}
        copies = []
        for copy in range(1, repeat + 1):
            self._count()
            of = f" of block {called}, in {place}" + (f", copy {copy}" if repeat > 1 else "")
            lists: tuple[tuple[Layer, ...], ...] = (self.layers(block["layers"], known, of),)
            skip = block.get("skip", False)
            if skip:
                lists = (*lists, self.layers(block.get("then", []), known, f" after the sum{of}"))
            name = names.take(table.get("name"), called, where, numbered=repeat > 1)
            source = _source(table, where) if copy == 1 else None
            kind, values = ("residual", {"project": skip == "project"}) if skip else ("block", {})
            copies.append(Layer(kind, name, where, values, source, (), lists))
        return copies


class _Names:
    """The names of one list's modules: the one that was given, else the kind with its number.

    Args:
        given: The names that the list gives; numbered ones keep clear of them.
    """

    def __init__(self, given: set[str]) -> None:
        self._given = given
        self._taken: set[str] = set()
        self._numbers: dict[str, int] = {}

    def take(self, given: object, kind: str, where: str, *, numbered: bool = False) -> str:
        """The name of the next module; raises ModelError for one that cannot be or that is taken."""
        name = kind if given is None else _check_name(given, where)
        if given is None or numbered:
            stem, number = name, self._numbers.get(name, 0) + 1
            while f"{stem}{number}" in self._given or f"{stem}{number}" in self._taken:
                number += 1
            self._numbers[stem], name = number, f"{stem}{number}"
        if name in self._taken:
            raise ModelError(f"{where} is called {name}, as one before it.", hint="Give each a name of its own.")
        self._taken.add(name)
        return name


def _check_name(name: object, where: str) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ModelError(f"{where} has the name {name!r}; a name has letters, digits and underscores.")
    if name == INPUT or name in _ATTRIBUTES:
        raise ModelError(f"{where} has the name {name}, which is taken.", hint=f"For example: {name}1")
    return name


def _kind_of(table: Table, place: str, *, bare: bool) -> str:
    known = (*KINDS, *_JOINS, "block")
    kinds = [key for key in table if key in known]
    if len(kinds) == 1:
        return kinds[0]
    if kinds:
        raise ModelError(f"{place} is {' and '.join(kinds)} at once.", hint="Make it a layer for each.")
    for key in table:
        if key in _NOT_HERE:
            raise UnknownName(f"{place} is {key!r}, which there is not.", hint=_NOT_HERE[key])
        if key in ACTIVATIONS:
            raise ModelError(f"{place} is {key!r}. {ACTIVATIONS[key].cannot_learn}", hint="Use sigmoid or relu.")
    said = ", ".join(map(repr, table)) or "an empty table"
    near = next((key for key in table if difflib.get_close_matches(key, known, cutoff=0.6)), next(iter(table), ""))
    raise unknown(f"{place} is {said}, which is no layer." if bare else f"{place} has no kind: {said}.", near, known)


def _called(kind: str, table: Table) -> str:
    kernel = table.get("kernel", table.get(kind) if kind in {"max_pool", "avg_pool", "depthwise"} else None)
    sides = " x ".join(map(str, kernel)) if isinstance(kernel, list) else kernel
    return f" ({kind}, kernel {sides})" if kernel is not None else f" ({kind})"


def _value(table: Table, key: str, one: Key, where: str, example: str) -> object:
    if key not in table:
        if one.default is REQUIRED:
            raise ModelError(f"{where} has no {key}.", hint=f"It is written {example}")
        return one.default
    read = one.take.read(table[key])
    if read is None:
        raise ModelError(f"{where} has {key} = {_toml(table[key])}; it takes {one.take.words}.")
    return read


def _source(table: Table, where: str) -> str | None:
    source = table.get("from")
    if source is not None and not isinstance(source, str):
        raise ModelError(f"{where} has from = {_toml(source)}; it takes the name of a layer before it.")
    return source


def _check_sources(layers: list[Layer]) -> None:
    """Refuses a layer that reads one which is not before it in its list."""
    places = {layer.name: number for number, layer in enumerate(layers)}
    for number, layer in enumerate(layers):
        for name in (*([layer.source] if layer.source else []), *layer.others):
            if name == INPUT or places.get(name, number) < number:
                continue
            if name == layer.name:
                raise ModelError(f"{layer.where} reads itself: {name} -> {name}.", hint="Name one before it.")
            if name in places:
                circle = " -> ".join([one.name for one in layers[number : places[name] + 1]] + [layer.name])
                raise ModelError(
                    f"{layer.where} reads {name}, which comes after it: {circle} is a circle.",
                    hint="A layer reads layers before it.",
                )
            before = [INPUT, *(one.name for one in layers[:number])]
            raise unknown(f"{layer.where} reads {name!r}; no layer of its list is called so.", name, before)


def _put_in(value: Any, known: Mapping[str, object], where: str) -> Any:  # noqa: ANN401 - any TOML value
    """The value with its parameters (`"$width"`, `"$width*4"`, `"$width/2"`) put in."""
    if isinstance(value, list):
        return [_put_in(part, known, where) for part in value]
    if isinstance(value, dict):
        return {key: _put_in(part, known, where) for key, part in value.items()}
    if not isinstance(value, str) or "$" not in value:
        return value
    match = _PARAMETER.fullmatch(value)
    if match is None:
        raise ModelError(f'{where} has "{value}"; a parameter is written "$width", "$width*4" or "$width/2".')
    name, sign, factor = match[1], match[2], int(match[3] or 1)
    if name not in known:
        raise unknown(f"{where} mentions ${name}, and nothing gives it a value.", name, known)
    found = known[name]
    if sign is None:
        return found
    if type(found) is not int or (sign == "/" and (factor == 0 or found % factor)):
        raise ModelError(f'{where} has "{value}" with {name} = {_toml(found)}, which gives no whole number.')
    return found * factor if sign == "*" else found // factor


def _mentioned(value: object) -> Iterator[str]:
    """The parameters that a TOML value mentions."""
    if isinstance(value, str) and (match := _PARAMETER.fullmatch(value)):
        yield match[1]
    parts: Callable[[], Iterable[object]] | None = value.values if isinstance(value, dict) else None
    for part in parts() if parts else value if isinstance(value, list) else ():
        yield from _mentioned(part)


def _toml(value: object) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value).replace("'", '"')
