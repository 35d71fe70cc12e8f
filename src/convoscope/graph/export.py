"""torch.export, its quirks, and its errors in the words of the model's author."""

from __future__ import annotations

import contextlib
import inspect
import logging
import re
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode
from torch.utils._sympy.numbers import int_oo

from convoscope.errors import ModelError
from convoscope.graph.calls import is_users
from convoscope.graph.graph import Mode

Loss = Callable[[Any, Tensor], Tensor]
SAME_BATCH = re.compile(r"(\S+\.size\(\)\[0\]) == (\S+\.size\(\)\[0\])")


class WithLoss(nn.Module):
    """A model and the loss of its output, as one module: (*inputs, target) to (output, loss)."""

    def __init__(self, model: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.model = model
        self.loss = loss

    def forward(self, *inputs: Tensor) -> tuple[Any, Tensor]:
        """The model's output, and the loss of it against the last input."""
        output = self.model(*inputs[:-1])
        return output, self.loss(output, inputs[-1])


@dataclass(frozen=True)
class Exported:
    """What torch.export gave, and what it was given.

    Attributes:
        program: The exported program.
        batch: The batch size it was traced with.
        dynamic: Whether its batch axis is symbolic.
    """

    program: ExportedProgram
    batch: int
    dynamic: bool


def export(module: nn.Module, inputs: tuple[Tensor, ...], *, dynamic: bool) -> Exported:
    """Exports a module in the mode it is in; its weights and statistics stay as they are.

    Args:
        module: The model, with or without its loss.
        inputs: What it is called with; where `dynamic`, a batch of one is doubled, as torch takes a length of one for a
            constant.
        dynamic: Whether the first axis of each input is left open.

    Raises:
        ModelError: torch cannot export it; names the model's own line at fault.
    """
    batch = batch_of(inputs)
    shapes: tuple[Any, ...] | None = None
    if dynamic:
        inputs = tuple(doubled(tensor) for tensor in inputs) if batch == 1 else inputs
        shapes = tuple({0: Dim.AUTO} if tensor.dim() else {} for tensor in inputs)
        shapes = (shapes,) if isinstance(module, WithLoss) else shapes  # its inputs are one *inputs
    try:
        with quiet(), torch.enable_grad():  # a torch.no_grad() in the model is seen only where gradients are on
            program = torch.export.export(module, inputs, strict=False, dynamic_shapes=shapes)
    except Exception as error:
        raise explained(error, inputs) from error
    return Exported(program, batch_of(inputs), dynamic)


def holds_for_any_batch(program: ExportedProgram) -> bool:
    """Whether the model took no decision on its batch size that another size would take otherwise.

    torch keeps what it decided on as guards, texts such as "L['x'].size()[0] > 4"; that two inputs have the same batch
    size is the one that is no restriction. Guards on strides are about memory, not about what is computed.
    """
    ranges = program.range_constraints.values()
    guards = [guard for guard in getattr(program, "_guards_code", ()) if ".size()[0]" in guard]
    return all(bounds.lower <= 2 and bounds.upper == int_oo for bounds in ranges) and all(
        SAME_BATCH.fullmatch(guard) for guard in guards
    )


def batch_of(inputs: tuple[Tensor, ...]) -> int:
    """The batch size: the first axis of the first input."""
    return int(inputs[0].shape[0]) if inputs[0].dim() else 1


def doubled(tensor: Tensor) -> Tensor:
    """The batch followed by itself."""
    return torch.cat([tensor, tensor]) if tensor.dim() else tensor


def input_name(model: nn.Module, position: int) -> str:
    """What the model's forward calls its input at a position; "x", "x1" ... where it takes *inputs."""
    parameters = list(inspect.signature(model.forward).parameters.values())
    named = [parameter.name for parameter in parameters if parameter.kind is not inspect.Parameter.VAR_POSITIONAL]
    return named[position] if position < len(named) else f"x{position or ''}"


@contextlib.contextmanager
def in_mode(model: nn.Module, mode: Mode) -> Iterator[None]:
    """Puts the model in a mode, and each of its modules back in the one it was in.

    A model that is in training already stays as it is: frozen modules of it may work as in evaluation.
    """
    before = {module: module.training for module in model.modules()}
    if mode == "eval" or not model.training:
        model.train(mode == "train")
    try:
        yield
    finally:
        for module, training in before.items():
            module.training = training


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps torch's own report of an export off the screen: the error that is raised says it."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the model's own warnings come again when the graph is held against it
            yield
    finally:
        logging.disable(before)


def explained(error: Exception, inputs: tuple[Tensor, ...]) -> ModelError:
    """The error in the words of the model's author: which line, what is wrong there, what to change."""
    # The caller of build is a user's frame too: the model's own frames are those below torch's first.
    frames = [frame for frame in _below_torch(error) if is_users(frame.filename)]
    frame = frames[-1] if frames else None
    place = f"{frame.filename}:{frame.lineno} ({(frame.line or '').strip()})" if frame else "The model"
    if isinstance(error, GuardOnDataDependentSymNode) or "data-dependent" in str(error):
        return ModelError(
            f"{place}: what the model does there depends on the numbers in the image, so it has no one graph.",
            hint="Replace the if, loop or index by tensor ops that do the same for every image: torch.where, a mask.",
        )
    shapes = ", ".join("×".join(map(str, tensor.shape)) for tensor in inputs)
    said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if isinstance(error, (RuntimeError, ValueError, IndexError)) and _is_about_shapes(said):
        return ModelError(
            f"{place}: the model does not take an input of shape {shapes} (N×C×H×W for images): {said}",
            hint="Give images of the size and the number of channels that the model was made for.",
        )
    return ModelError(
        f"{place}: torch.export cannot follow the model there: {said}",
        hint="Write that line with torch's own ops on tensors (no NumPy, no .item(), no data from outside).",
    )


def _below_torch(error: Exception) -> list[traceback.FrameSummary]:
    frames = list(traceback.extract_tb(error.__traceback__))
    first = next((place for place, frame in enumerate(frames) if "torch" in frame.filename.split("/")[:-1]), 0)
    return frames[first:]


def _is_about_shapes(said: str) -> bool:
    words = ("shape", "size", "channels", "dimension", "must match", "broadcast", "reduction dim", "expanded")
    return any(word in said.lower() for word in words)
