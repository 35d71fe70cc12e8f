"""Calls: the exported program as a flat list of functional calls, before anything has a name."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.fx import Node as FxNode
from torch.fx.experimental.symbolic_shapes import free_unbacked_symbols

from convoscope.graph.graph import Argument, Ref, Size

Target: TypeAlias = Any  # torch._ops.OpOverload, or operator.getitem
Fake: TypeAlias = Any  # a FakeTensor, or a tuple of them
Raw: TypeAlias = Any  # anything that stands in an exported call's arguments


@dataclass
class Origin:
    """Where in the model a call was made.

    Attributes:
        call: The key of the innermost module call ("L__self___conv1@1" is the second call of conv1).
        module: That module's path.
        where: "file:line" of the model's own code.
    """

    call: str = ""
    module: str = ""
    where: str = ""


@dataclass
class Call:
    """One op call whose arguments are complete and whose tensors are `Ref`s to ids.

    Attributes:
        id: Unique in the program.
        target: The op overload, or operator.getitem.
        args: By position of the schema, defaults filled in.
        fake: A FakeTensor with the value's shape and dtype, or a tuple of them.
        origin: Where it was made.
    """

    id: str
    target: Target
    args: tuple[Argument, ...]
    fake: Fake
    origin: Origin = field(default_factory=Origin)

    @property
    def op(self) -> str:
        """The op's name without its overload, "getitem" for operator.getitem."""
        return "getitem" if self.target is operator.getitem else str(self.target.overloadpacket.__name__)


def argument_names(target: Target) -> tuple[str, ...]:
    """The schema's name of each argument."""
    if target is operator.getitem:
        return ("values", "index")
    return tuple(argument.name for argument in target._schema.arguments)  # noqa: SLF001 - torch's only door to it


def complete(target: Target, args: Sequence[Raw], kwargs: dict[str, Raw]) -> tuple[Raw, ...]:
    """The arguments by position of the schema, with defaults for those not given."""
    if target is operator.getitem:
        return tuple(args)
    schema = target._schema.arguments  # noqa: SLF001
    given = [*args, *(kwargs.get(argument.name, _default(argument)) for argument in schema[len(args) :])]
    names = argument_names(target)
    if "kernel_size" in names and "stride" in names and given[names.index("stride")] in ([], None):
        given[names.index("stride")] = given[names.index("kernel_size")]  # the schema says it in prose only
    return tuple(given)


def _default(argument: Raw) -> Raw:
    """An argument's default value; the schema gives a memory format as a number."""
    default = argument.default_value
    return torch.contiguous_format if str(argument.real_type) == "MemoryFormat" and default == 0 else default


def shares_memory(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors, fake ones too, lie in the same memory."""
    return bool(torch._C._is_alias_of(one, other))  # type: ignore[attr-defined]  # noqa: SLF001 - torch's only door


class SizeUnknownError(Exception):
    """A size that is no linear function of one batch size; its text is the line of the model that makes it."""


@dataclass
class Sizes:
    """Turns torch's symbolic sizes into ints and `Size`s.

    Attributes:
        batch: The batch size the program was traced with.
        symbol: The one symbol seen, once one is.
    """

    batch: int
    symbol: Any = None

    def read(self, value: Raw) -> int:
        """An int for an int, a `Size` for a SymInt; raises SizeUnknownError where it is not linear in the batch."""
        if isinstance(value, int):
            return value
        expression = value.node.expr
        if expression.is_number:
            return int(expression)
        if len(expression.free_symbols) != 1 or free_unbacked_symbols(value):
            raise SizeUnknownError(str(expression))
        (symbol,) = expression.free_symbols
        if self.symbol not in (None, symbol) or not expression.is_polynomial(symbol):
            raise SizeUnknownError(str(expression))
        self.symbol = symbol
        polynomial = expression.as_poly(symbol)
        if polynomial.degree() > 1 or not all(factor.is_integer for factor in polynomial.all_coeffs()):
            raise SizeUnknownError(str(expression))
        times, plus = (int(factor) for factor in polynomial.all_coeffs())
        return Size(self.batch, times, plus)

    def shape(self, fake: Tensor) -> tuple[int, ...]:
        """A fake tensor's shape."""
        return tuple(self.read(length) for length in fake.shape)

    def argument(self, value: Raw) -> Argument:
        """Anything an op takes, as the graph's own kinds of argument; ids of nodes must be `Ref`s already.

        Raises:
            TypeError: an argument of a kind that no op of a network takes.
        """
        if isinstance(value, (Ref, bool, float, str)) or value is None:
            return value
        if isinstance(value, (int, torch.SymInt)):
            return self.read(value)
        if isinstance(value, (list, tuple)):
            return tuple(self.argument(part) for part in value)
        if isinstance(value, (torch.dtype, torch.layout, torch.memory_format)):
            return str(value)
        if isinstance(value, torch.device):
            return None  # the graph runs where its model and input are
        raise TypeError(f"an argument of type {type(value).__name__}")


def origin_of(node: FxNode) -> Origin:
    """The innermost module call and the line of the model's own code that made an exported node."""
    stack = list(node.meta.get("nn_module_stack", {}).items())
    call, module = (stack[-1][0], stack[-1][1][0]) if stack else ("", "")
    return Origin(call, module, line_of(node.meta.get("stack_trace") or ""))


def line_of(trace: str) -> str:
    """The innermost frame of a stack trace that is not torch's or ours, as "file:line"; "" where there is none."""
    found = ""
    for line in trace.splitlines():
        text = line.strip()
        if text.startswith('File "'):
            path, _, rest = text.removeprefix('File "').partition('", line ')
            if is_users(path):
                found = f"{path}:{rest.partition(',')[0]}"
    return found


def is_users(path: str) -> bool:
    """Whether a source file belongs to the user's model: neither torch's nor this room's."""
    folders = (torch.__path__[0], __file__.rpartition("/")[0])
    return not (path.startswith((*folders, "torch/", "<")))
