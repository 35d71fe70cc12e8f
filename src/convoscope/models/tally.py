"""One pass of a network, watched: which layers run, what they are given and put out, what they cost and see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry
from torch.utils.weak import WeakTensorKeyDictionary

from convoscope.models.sight import Sight, followed

aten = torch.ops.aten


@dataclass
class Visit:
    """What one module did in the pass.

    Attributes:
        n_calls: How often it ran.
        input: The shape of the tensor that it was given, without the batch axis; of its last call.
        output: The shape of the tensor that it put out, likewise; None where that is no tensor.
        flops: Of the ops in its own code, the modules inside left out.
        sight: What its output sees.
    """

    n_calls: int = 0
    input: tuple[int, ...] = ()
    output: tuple[int, ...] | None = None
    flops: int = 0
    sight: Sight | None = None


def watch(model: nn.Module, x: Tensor, sight: Sight | None) -> dict[str, Visit]:
    """Runs the model, in its evaluation form, on `x`, and tells what each module did, in order of first calls.

    Convolutions and matrix products are counted and not carried out: zeros of the right shape stand for them. So nearly
    all of a pass is saved, and none of the weights' memory is touched.

    Args:
        model: Any network.
        x: A batch of one.
        sight: What each dimension of `x` stands for; None where that is not to be followed.
    """
    tally = _Tally()
    if sight is not None:
        tally.sights[x] = sight
    was_training, n_threads = [module for module in model.modules() if module.training], torch.get_num_threads()
    try:
        torch.set_num_threads(1)  # what is left of the pass is so little that threads would wait for one another
        with _hooked(model, tally), torch.no_grad(), tally:
            model.eval()(x)
    finally:
        torch.set_num_threads(n_threads)
        for module in was_training:
            module.training = True
    return tally.visits


class _Tally(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own has no types
    """Counts each op's FLOPs for the module that it is in, and follows what its value sees."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.visits: dict[str, Visit] = {}
        self.sights: Any = WeakTensorKeyDictionary()
        self.within: list[str] = []

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401 - torch._ops.OpOverload
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - what any op of torch gives
        y = _stand_in(func, args)
        if y is None:
            y = func(*args, **(kwargs or {}))
        count = flop_registry.get(func.overloadpacket)
        if count is not None and self.within:
            self.visits[self.within[-1]].flops += int(count(*args, **(kwargs or {}), out_val=y))
        parts = [part for part in (y if isinstance(y, (tuple, list)) else [y]) if isinstance(part, Tensor)]
        if parts and (seen := followed(func, args, parts[0], self.sights.get)) is not None:
            for part in parts:
                self.sights[part] = seen
        return y

    def enter(self, name: str, given: Sequence[Any]) -> None:
        """A module is called."""
        visit = self.visits.setdefault(name, Visit())
        visit.n_calls += 1
        x = _tensor(given)
        visit.input = () if x is None else tuple(x.shape[1:])
        self.within.append(name)

    def leave(self, name: str, put_out: object) -> None:
        """It is done."""
        self.within.pop()
        y = _tensor(put_out)
        if y is not None:
            self.visits[name].output, self.visits[name].sight = tuple(y.shape[1:]), self.sights.get(y)


def _tensor(value: object) -> Tensor | None:
    """The first tensor of a value."""
    if isinstance(value, (tuple, list)):
        return next((found for part in value if (found := _tensor(part)) is not None), None)
    return value if isinstance(value, Tensor) else None


def _stand_in(func: Any, args: Sequence[Any]) -> Tensor | None:  # noqa: ANN401 - torch._ops.OpOverload
    """Zeros in place of a sum of products; None where there is none, or where it would not fit: torch says so best."""
    if func is aten.convolution.default:
        x, weight, _, stride, padding, dilation, is_transposed, _, groups = args
        n = weight.ndim - 2
        if is_transposed or x.ndim != weight.ndim or x.shape[1] != weight.shape[1] * groups:
            return None
        spans = [d * (k - 1) + 1 for d, k in zip(_each(dilation, n), weight.shape[2:], strict=True)]
        room = [side + 2 * p - span for side, p, span in zip(x.shape[2:], _each(padding, n), spans, strict=True)]
        sides = [free // s + 1 for free, s in zip(room, _each(stride, n), strict=True)]
        return x.new_zeros(x.shape[0], weight.shape[0], *sides) if min(room) >= 0 else None
    if func in (aten.mm.default, aten.addmm.default):
        one, other = args[-2:]
        fits = one.ndim == other.ndim == 2 and one.shape[1] == other.shape[0]
        return one.new_zeros(one.shape[0], other.shape[1]) if fits else None
    return None


def _each(values: Sequence[int], n: int) -> list[int]:
    return list(values) * (n // len(values))


@contextmanager
def _hooked(model: nn.Module, tally: _Tally) -> Iterator[None]:
    def enter(module: nn.Module, given: Any) -> None:  # noqa: ANN401
        tally.enter(names[module], given)

    def leave(module: nn.Module, _: object, put_out: object) -> None:
        tally.leave(names[module], put_out)

    names = {module: name for name, module in reversed(list(model.named_modules()))}
    hooks = [
        hook
        for module in names
        for hook in (module.register_forward_pre_hook(enter), module.register_forward_hook(leave))
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
