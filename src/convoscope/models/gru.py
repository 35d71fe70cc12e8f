"""The gated recurrent unit: the long short-term memory with one state and two gates.

Cho, van Merrienboer, Gulcehre, Bahdanau, Bougares, Schwenk, Bengio: Learning phrase representations using RNN
encoder-decoder for statistical machine translation, EMNLP 2014. The reset gate stands behind the state's product, as
cuDNN and torch have it: then all three products with h_(t-1) are one.

    r, z = sigmoid(W x_t + b + U h_(t-1) + d)            two gates, each with weights of its own
    n    = tanh(W x_t + b + r (U h_(t-1) + d))           what could be the new state
    h_t  = (1 - z) n + z h_(t-1)                         h_0 = 0

    an MNIST digit, 28 rows of 28 pixels     parameters
    layer1.cell.input    W, b   384 x 28         11,136
    layer1.cell.state    U, d   384 x 128        49,536
    fc                          10 x 128          1,290      61,962 in all
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from convoscope.models.registry import MODELS, Architecture
from convoscope.models.sequence import Cell, RecurrentOptions, State, Sum, recurrent


class GRUCell(Cell):
    """Three sums a unit: reset gate, update gate, candidate, in this order.

    Args:
        n_inputs: Numbers of a step.
        hidden: Units of the state.
    """

    def __init__(self, n_inputs: int, hidden: int) -> None:
        super().__init__(n_inputs, hidden, 3, state_bias=True)
        self.reset_gate = nn.Sigmoid()
        self.update_gate = nn.Sigmoid()
        self.candidate = nn.Tanh()
        self.output = Sum()

    def forward(self, x: Tensor, state: State) -> State:
        """Maps a step (N, n_inputs) and h (N, hidden) to the new h."""
        (h,) = state
        x_r, x_z, x_n = self.input(x).chunk(3, 1)
        h_r, h_z, h_n = self.state(h).chunk(3, 1)
        r, z = self.reset_gate(x_r + h_r), self.update_gate(x_z + h_z)
        n = self.candidate(x_n + r * h_n)
        return (self.output((1 - z) * n, z * h),)


MODELS.add(
    "gru",
    Architecture(
        make=partial(recurrent, "gru", GRUCell),
        options=RecurrentOptions,
        summary="Reads step by step; one gate mixes the old state with a new one, another hides the old from the new.",
        taught="Two gates and no memory apart do what the long short-term memory does, with a quarter fewer weights.",
        year=2014,
        paper="Cho et al.: Learning phrase representations using RNN encoder-decoder",
        recipe={
            "optimiser": "adamw",
            "lr": 0.005,
            "weight_decay": 0.01,
            "schedule": "triangular",
            "warmup": 0.15,
            "clip": 1.0,
        },
        n_seen=162_000,
        batch_size=128,
        takes=("images", "texts"),
    ),
)
