"""Building a network whose first weights are about to be replaced, without drawing them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_DRAWS = frozenset({torch.Tensor.normal_, torch.Tensor.uniform_, torch.Tensor.bernoulli_, torch.Tensor.random_})


@contextmanager
def undrawn() -> Iterator[None]:
    """Within it, on this thread, nothing is drawn into weights: they hold whatever their memory held.

    Nearly all of the time that building a ResNet-50 takes goes into drawing. torch's own way round it, the meta device,
    costs a fresh process more than it saves, and leaves buffers that are in no state dict without numbers.
    """
    with _Undrawn():
        yield


class _Undrawn(TorchFunctionMode):
    """Hands a tensor back as it is where it was to be filled."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - what any function of torch gives
        named = kwargs or {}
        if function in _DRAWS or getattr(function, "__module__", "") == torch.nn.init.__name__:
            return args[0] if args else named["tensor"]
        return function(*args, **named)
