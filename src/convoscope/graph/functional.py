"""The pass that makes an exported program functional: no op overwrites a value, and every op stays whole.

torch's own functionalisation decomposes batch_norm and others on the way. This one only replaces the ops that write:
`relu_` becomes `relu`, and what else looks at the same memory is told. A tensor and its views share one `Storage`; a
write to a view writes back to what it is a view of (`views.undo`), and the other views are taken anew when next read.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.fx import GraphModule
from torch.fx import Node as FxNode

from convoscope.errors import ModelError
from convoscope.graph.calls import (
    Call,
    Fake,
    Origin,
    Sizes,
    SizeUnknownError,
    Target,
    argument_names,
    complete,
    origin_of,
    shares_memory,
)
from convoscope.graph.graph import Argument, Ref
from convoscope.graph.views import NoInverseError, functional, is_whole_slice, undo, undo_part, written

aten = torch.ops.aten

# Copies that export makes of the literals in the code: the literal itself says as much.
Held: TypeAlias = Any  # the Alias of a value, the list of them of an inlined region, None for what is no tensor
Known: TypeAlias = dict[FxNode, Held]

LIFTS = frozenset({"lift_fresh_copy", "lift_fresh", "lift", "detach_"})
SET_GRAD = "wrap_with_set_grad_enabled"


@dataclass
class Storage:
    """A piece of memory; `version` counts the writes to it."""

    version: int = 0


@dataclass
class Alias:
    """An exported value: the id of the call that now holds it, and what it is a view of.

    Attributes:
        id: The call's id; out of date where `seen` is behind the storage's version.
        fake: The value's fake tensor or tuple of them.
        storage: The memory it lies in.
        base: What it is a view of, None for what owns its memory.
        view: The call that makes it from `base`.
        seen: The storage's version when `id` was made.
    """

    id: str
    fake: Any
    storage: Storage = field(default_factory=Storage)
    base: Alias | None = None
    view: Call | None = None
    seen: int = 0


class Functional:
    """Translates an exported program's nodes, one by one, into functional calls.

    Args:
        sizes: Reads symbolic sizes.
    """

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes
        self.calls: list[Call] = []
        self.fakes: dict[str, Fake] = {}
        self.literals: set[str] = set()

    def placeholder(self, name: str, fake: Tensor, *, literal: bool = False) -> Alias:
        """Announces an input, parameter, buffer or constant; a literal of the code is made anew for each use."""
        self.fakes[name] = fake
        if literal:
            self.literals.add(name)
        return Alias(name, fake)

    def translate(self, module: GraphModule, known: Known) -> list[Any]:
        """Appends the calls of `module` to `calls`; returns the aliases of its outputs, None for those not tensors.

        Args:
            module: The exported graph.
            known: The alias of each placeholder.

        Raises:
            ModelError: the program has an op that cannot be told functionally.
        """
        for node in module.graph.nodes:
            if node.op == "call_function":
                known[node] = self._translate(module, node, known)
            elif node.op == "output":
                return [known.get(value) if isinstance(value, FxNode) else None for value in node.args[0]]
        return []

    def id_of(self, alias: Alias) -> str:
        """The id of the call that holds the alias's value now, made anew where a write went past it."""
        if alias.base is not None and alias.view is not None and alias.seen != alias.storage.version:
            args = (Ref(self.id_of(alias.base)), *alias.view.args[1:])
            alias.id = self._emit(alias.view.target, args, alias.fake, alias.view.origin)
            alias.seen = alias.storage.version
        return alias.id

    def _translate(self, module: GraphModule, node: FxNode, known: Known) -> Held:
        origin, target, fake = origin_of(node), node.target, node.meta.get("val")
        if isinstance(target, torch._ops.HigherOrderOperator):  # noqa: SLF001 - torch's only name for it
            return self._region(module, node, known, origin)
        if not (isinstance(fake, Tensor) or (isinstance(fake, (tuple, list)) and fake)):
            return None  # a size, or an assertion: sizes are read where they are used
        self._check_sizes(fake, origin)
        if target is operator.getitem and isinstance(known[node.args[0]], list):  # type: ignore[index]
            return known[node.args[0]][node.args[1]]  # type: ignore[index]
        if target is not operator.getitem and not isinstance(target, torch._ops.OpOverload):  # noqa: SLF001
            raise ModelError(f"{origin.where or 'The model'} calls {target}, which is no op of torch's.")
        args = complete(target, node.args, dict(node.kwargs))
        first = known.get(args[0]) if args and isinstance(args[0], FxNode) else None
        if first is not None and _name(target) in LIFTS and first.id in self.literals:
            return Alias(self.id_of(first), fake)
        if positions := written(target):
            alias = known.get(args[positions[0]])
            if len(positions) > 1 or not isinstance(alias, Alias):
                raise _unwritable(target, origin)
            self._write(alias, target, self._arguments(args, known, origin), origin)
            return alias
        return self._plain(target, args, known, fake, origin, first)

    def _check_sizes(self, fake: Fake, origin: Origin) -> None:
        """Raises SizeUnknownError, with the line at fault, where a value's shape is not known."""
        try:
            for part in fake if isinstance(fake, (tuple, list)) else (fake,):
                self.sizes.shape(part)
        except SizeUnknownError:
            raise SizeUnknownError(origin.where or "The model") from None

    def _plain(
        self,
        target: Target,
        args: tuple[Any, ...],
        known: Known,
        fake: Fake,
        origin: Origin,
        first: Alias | None,
    ) -> Alias:
        whole = first is not None and isinstance(first.fake, Tensor) and is_whole_slice(target, args, fake, first.fake)
        if first is not None and whole:
            return first
        call_id = self._emit(target, self._arguments(args, known, origin), fake, origin)
        if first is None or not _aliases(fake, first):
            return Alias(call_id, fake)
        return Alias(call_id, fake, first.storage, first, self.calls[-1], first.storage.version)

    def _region(self, module: GraphModule, node: FxNode, known: Known, origin: Origin) -> list[Any]:
        """Inlines a torch.no_grad() region: its outputs pass no gradient on."""
        name = getattr(node.target, "__name__", str(node.target))
        bodies = [getattr(module, str(a.target)) for a in node.args if isinstance(a, FxNode) and a.op == "get_attr"]
        lines = (origin_of(inner).where for body in bodies for inner in reversed(body.graph.nodes))
        origin.where = origin.where or next(filter(None, lines), "")
        if name != SET_GRAD:
            raise ModelError(
                f"{origin.where or 'The model'} is inside a {name}, which is not one op but a program of its own.",
                hint="Write that part of the model without it (autocast belongs around the model, not in it).",
            )
        enabled, _, *given = node.args
        (body,) = bodies
        places = [place for place in body.graph.nodes if place.op == "placeholder"]
        outputs = self.translate(body, {place: known.get(value) for place, value in zip(places, given, strict=True)})  # type: ignore[arg-type]
        if enabled:
            return outputs
        return [value and self._detached(value, origin) for value in outputs]

    def _detached(self, alias: Alias, origin: Origin) -> Alias:
        return Alias(self._emit(aten.detach.default, (Ref(self.id_of(alias)),), alias.fake, origin), alias.fake)

    def _write(self, alias: Alias, target: Target, args: tuple[Argument, ...], origin: Origin) -> None:
        pure = functional(target)
        if pure is None or not isinstance(alias.fake, Tensor):
            raise _unwritable(target, origin)
        new = self._overwritten(alias.fake, pure, args[: len(argument_names(pure))], origin)
        try:
            self._replace(alias, new, origin)
        except NoInverseError as view:
            raise ModelError(
                f"{origin.where or 'The model'} writes in place to a view made by {view}.",
                hint="Write it without an in-place op: y = x + 1 in place of x += 1.",
            ) from None

    def _overwritten(self, fake: Tensor, target: Target, args: tuple[Argument, ...], origin: Origin) -> str:
        """What stands in the memory after the write; a plain copy of a value is that value."""
        shape = self.sizes.shape(fake)
        sources = [self.fakes[part.node] for part in args if isinstance(part, Ref)]
        if _name(target) in ("copy", "fill") and len(sources) == 2 and sources[1].dtype == fake.dtype:
            if self.sizes.shape(sources[1]) == shape:
                return str(getattr(args[1], "node"))  # noqa: B009 - it is a Ref, as len(sources) says
            return self._emit(aten.expand.default, (args[1], shape, False), fake, origin)
        new = self._emit(target, args, fake, origin)
        if all(source.dtype in (fake.dtype, torch.bool) for source in sources):
            return new
        # An in-place op keeps its tensor's dtype where the op itself would widen it.
        return self._emit(aten.to.dtype, (Ref(new), str(fake.dtype), False, False, None), fake, origin)

    def _replace(self, alias: Alias, new: str, origin: Origin) -> None:
        """Lets the alias hold `new`, and what it is a view of hold `new` in its place."""
        base, view = alias.base, alias.view
        if base is None or view is None:
            alias.storage.version += 1
        elif view.target is operator.getitem and base.base is not None and base.view is not None:
            whole = base.base
            target, args = undo_part(base.view, int(str(view.args[1])), Ref(self.id_of(whole)), Ref(new), self.sizes)
            self._replace(whole, self._emit(target, args, whole.fake, origin), origin)
        else:
            target, args = undo(view, Ref(self.id_of(base)), Ref(new), base.fake, self.sizes)
            self._replace(base, self._emit(target, args, base.fake, origin), origin)
        alias.id, alias.seen = new, alias.storage.version

    def _arguments(self, args: tuple[Any, ...], known: Known, origin: Origin) -> tuple[Argument, ...]:
        def resolve(value: object) -> object:
            if isinstance(value, FxNode):
                alias = known.get(value)
                return Ref(self.id_of(alias)) if isinstance(alias, Alias) else value.meta["val"]
            if isinstance(value, (list, tuple)):
                return [resolve(part) for part in value]
            return value

        try:
            return tuple(self.sizes.argument(resolve(value)) for value in args)
        except TypeError as error:
            raise ModelError(
                f"{origin.where or 'The model'} calls an op with {error}, which no graph can hold."
            ) from error

    def _emit(self, target: Target, args: tuple[Argument, ...], fake: Fake, origin: Origin) -> str:
        call_id = f"{_name(target)}:{len(self.calls)}"  # no placeholder's name has a colon
        self.fakes[call_id] = fake
        self.calls.append(Call(call_id, target, args, fake, origin))
        return call_id


def _name(target: Target) -> str:
    return "getitem" if target is operator.getitem else str(target.overloadpacket.__name__)


def _aliases(fake: Fake, first: Alias) -> bool:
    """Whether a value lies in the memory of the op's first argument."""
    if isinstance(fake, (tuple, list)):
        return isinstance(first.fake, Tensor) and any(_aliases(part, first) for part in fake)
    if isinstance(first.fake, (tuple, list)):
        return first.base is not None  # a part of split, chunk or unbind
    return isinstance(fake, Tensor) and shares_memory(fake, first.fake)


def _unwritable(target: Target, origin: Origin) -> ModelError:
    return ModelError(
        f"{origin.where or 'The model'} calls {target}, which writes in place and has no form that does not.",
        hint="Write it without an in-place op.",
    )
