"""All that a run needs to go on as if it had never stopped: tensors by name and a few numbers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from convoscope.train.optim import Optimiser

MODEL, OPTIMISER, AVERAGE, BEST = "model.", "optimiser.", "average.", "best."


@dataclass
class Progress:
    """Where a run stands. The order of images, augmentation and dropout follow from the seed and these numbers.

    Attributes:
        step: Updates done so far.
        seconds: Training time so far, all sittings together.
        epoch_loss: Sum of losses over the images of the epoch seen so far.
        epoch_right: How many of them were named rightly.
        epoch_balanced: The same, each counting as in the loss.
        epoch_seen: How many there were.
        best_loss: The least validation loss so far.
        epochs_since_best: Full epochs since then.
        flat_epochs: Full epochs at chance accuracy, one after another, up to now.
        ended: Why the run ends at this step before its last: "early stop", "failed", or "" while it goes on.
    """

    step: int = 0
    seconds: float = 0.0
    epoch_loss: float = 0.0
    epoch_right: float = 0.0
    epoch_seen: int = 0
    epoch_balanced: float = 0.0
    best_loss: float = math.inf
    epochs_since_best: int = 0
    flat_epochs: int = 0
    ended: str = ""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The state after `progress.step` updates.

    The tensors are the live ones, not copies: whoever wants them must take them before the loop goes on. Their names
    begin with "model.", "optimiser.", "average." (the running average of the weights) or "best.".
    """

    reason: str
    tensors: Mapping[str, Tensor]
    progress: Mapping[str, Any]

    @property
    def step(self) -> int:
        """Updates done so far."""
        return int(self.progress["step"])


@dataclass
class Memory:
    """What the loop carries from step to step."""

    model: nn.Module
    optimiser: Optimiser
    average: dict[str, Tensor]
    best: dict[str, Tensor]
    progress: Progress

    def checkpoint(self, reason: str) -> Checkpoint:
        """The state now."""
        tensors = {MODEL + name: value for name, value in self.model.state_dict().items()}
        tensors |= {OPTIMISER + name: value for name, value in self.optimiser.state().items()}
        tensors |= {AVERAGE + name: value for name, value in self.average.items()}
        tensors |= {BEST + name: value for name, value in self.best.items()}
        return Checkpoint(reason, tensors, dataclasses.asdict(self.progress))

    @torch.no_grad()
    def restore(self, checkpoint: Checkpoint) -> None:
        """Takes a checkpoint back, exactly."""
        device = next(self.model.parameters()).device

        def under(prefix: str) -> dict[str, Tensor]:
            return {
                name.removeprefix(prefix): value
                for name, value in checkpoint.tensors.items()
                if name.startswith(prefix)
            }

        self.model.load_state_dict(under(MODEL))
        self.optimiser.load_state({name: value.to(device) for name, value in under(OPTIMISER).items()})
        self.average = {name: value.to(device) for name, value in under(AVERAGE).items()}
        self.best = {name: value.to(device) for name, value in under(BEST).items()}
        self.progress = Progress(**checkpoint.progress)

    def judged_weights(self) -> dict[str, Tensor] | None:
        """The weights that are judged and kept in the end where they are not the model's own: the running average."""
        return self.average or None

    @torch.no_grad()
    def keep_best(self) -> None:
        """Copies the weights that are judged now as the best so far."""
        source = {**dict(self.model.state_dict()), **self.average}
        self.best = {name: value.detach().clone() for name, value in source.items()}

    @torch.no_grad()
    def take_final(self) -> None:
        """Loads the weights that the run ends with into the model: the best, else the average, else its own."""
        self.model.load_state_dict(self.best or {**dict(self.model.state_dict()), **self.average})
