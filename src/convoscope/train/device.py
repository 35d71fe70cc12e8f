"""Where training runs: device, number format and processes, carried by Accelerate."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from convoscope.errors import RecipeError

if torch.distributed.is_available():
    # These functions' default argument is the group there is when they are imported, held as long as the process lives.
    # Here there is none yet; torch would import them with the first optimiser, when there is one.
    import torch.distributed.nn.functional


class Machine:
    """This process among its peers: which device it computes on, its rank, and sums over all of them.

    Args:
        device: "auto", "cpu", "cuda" or "mps".

    Raises:
        RecipeError: a device that this machine does not have.
    """

    def __init__(self, device: str = "auto") -> None:
        present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
        if device != "auto" and not present[device]:
            there = ", ".join(name for name, here in present.items() if here)
            raise RecipeError(
                f"The device {device} was asked for, and torch finds none on this machine; it finds: {there}.",
                hint="Use --device auto.",
            )
        # Accelerate holds one precision for the whole process; bfloat16 is a ceiling here, for plans that ask for it.
        self.has_bfloat16 = not torch.cuda.is_available() or device == "cpu" or torch.cuda.is_bf16_supported()
        # Told to use the CPU, Accelerate joins the processes of a CPU-only machine; left to itself it overlooks them.
        on_cpu = device == "cpu" or not (present["cuda"] or present["mps"])
        self._accelerator = Accelerator(cpu=on_cpu, mixed_precision="bf16" if self.has_bfloat16 else "no")
        self.device: torch.device = self._accelerator.device
        if self.n_processes > 1:
            atexit.register(self.close)  # an error may end the process on a way where nobody closes

    @property
    def rank(self) -> int:
        """This process's number, 0 up to below `n_processes`; 0 is the one that writes."""
        return int(self._accelerator.process_index)

    @property
    def n_processes(self) -> int:
        """How many processes train together (started by torchrun or accelerate launch); 1 alone."""
        return int(self._accelerator.num_processes)

    @property
    def n_cores(self) -> int:
        """As the function of this name."""
        return n_cores()

    def autocast(self, precision: str) -> AbstractContextManager[None]:
        """The context of a forward pass at "float32" or "bfloat16"; RecipeError where the device has no bfloat16."""
        if precision == "float32":
            return nullcontext()
        if not self.has_bfloat16:
            raise RecipeError(
                f"bfloat16 was asked for, and {self.device} does not have it.", hint="Use --precision float32."
            )
        context: AbstractContextManager[None] = self._accelerator.autocast()
        return context

    def prepare(self, model: nn.Module) -> nn.Module:
        """Moves the model to the device; batch norm of several GPU processes takes its figures over all of them."""
        if self.n_processes > 1 and self.device.type == "cuda":
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        return model.to(self.device)

    def sum_tensors(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Each tensor summed over all processes, in one message; the tensors themselves when there is one process."""
        if self.n_processes == 1:
            return list(tensors)
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        total = self._accelerator.reduce(flat, reduction="sum")
        parts = total.split([tensor.numel() for tensor in tensors])
        return [part.view_as(tensor) for part, tensor in zip(parts, tensors, strict=True)]

    def sum_numbers(self, numbers: Iterable[float]) -> list[float]:
        """Each number summed over all processes."""
        values = list(numbers)
        if self.n_processes == 1:
            return values
        total: list[float] = self._accelerator.reduce(
            torch.tensor(values, dtype=torch.float64, device=self.device), reduction="sum"
        ).tolist()
        return total

    def broadcast(self, value: object) -> object:
        """The value that rank 0 gave, on every process."""
        if self.n_processes == 1:
            return value
        box = [value]
        torch.distributed.broadcast_object_list(box, src=0)
        return box[0]

    def seed(self, number: int) -> None:
        """Sets torch's generators of this device for what comes next (dropout), differently on each process."""
        number = (number * 1_000_003 + self.rank) % 2**63
        torch.default_generator.manual_seed(number)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(number)

    def close(self) -> None:
        """Leaves the group of processes; a second call does nothing.

        The group's threads end with the last reference to it. One that still runs when the interpreter ends may abort
        the process: it asks the interpreter for leave to free a tensor.
        """
        if self.n_processes > 1 and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def n_cores() -> int:
    """The cores this process may use, its peers on the same machine having an equal share each."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, here // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
