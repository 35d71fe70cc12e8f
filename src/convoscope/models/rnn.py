"""The simple recurrent network: a layer that reads its own last state beside each new step.

Elman: Finding structure in time, Cognitive Science 14(2), 1990. With the states weighed as in backpropagation through
time (Werbos 1990), over all steps.

    h_t = tanh(W x_t + U h_(t-1) + b)                    h_0 = 0

    an MNIST digit, 28 rows of 28 pixels     parameters
    layer1.cell.input    W, b   128 x 28          3,712
    layer1.cell.state    U      128 x 128        16,384
    fc                          10 x 128          1,290      21,386 in all
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from convoscope.models.registry import MODELS, Architecture
from convoscope.models.sequence import Cell, RecurrentOptions, State, recurrent


class ElmanCell(Cell):
    """h = tanh(W x + U h + b): one sum a unit.

    Args:
        n_inputs: Numbers of a step.
        hidden: Units of the state.
    """

    def __init__(self, n_inputs: int, hidden: int) -> None:
        super().__init__(n_inputs, hidden, 1)
        self.output = nn.Tanh()

    def forward(self, x: Tensor, state: State) -> State:
        """Maps a step (N, n_inputs) and h (N, hidden) to the new h."""
        (h,) = state
        return (self.output(self.input(x) + self.state(h)),)


MODELS.add(
    "rnn",
    Architecture(
        make=partial(recurrent, "rnn", ElmanCell),
        options=RecurrentOptions,
        summary="Reads step by step; each state is a layer over the step and the state before.",
        taught="A network with a memory finds the structure of sequences, and forgets what lies many steps back.",
        year=1990,
        paper="Elman: Finding structure in time",
        recipe={
            "optimiser": "adamw",
            "lr": 0.002,
            "weight_decay": 0.01,
            "schedule": "triangular",
            "warmup": 0.15,
            "clip": 1.0,
        },
        n_seen=324_000,
        batch_size=128,
        takes=("images", "texts"),
    ),
)
