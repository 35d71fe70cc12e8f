"""Long short-term memory: a state that is added to, not overwritten, behind gates that are learnt.

Hochreiter, Schmidhuber: Long short-term memory, Neural Computation 9(8), 1997; the forget gate by Gers, Schmidhuber,
Cummins: Learning to forget, Neural Computation 12(10), 2000. Without peepholes, as it is used today.

    i, f, o = sigmoid(W x_t + U h_(t-1) + b)             three gates, each with weights of its own
    g       = tanh(W x_t + U h_(t-1) + b)                what could be added
    c_t     = f c_(t-1) + i g                            c_0 = 0
    h_t     = o tanh(c_t)                                h_0 = 0

    an MNIST digit, 28 rows of 28 pixels     parameters
    layer1.cell.input    W, b   512 x 28         14,848
    layer1.cell.state    U      512 x 128        65,536
    fc                          10 x 128          1,290      81,674 in all
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from convoscope.models.registry import MODELS, Architecture, Figure
from convoscope.models.sequence import Cell, Product, RecurrentOptions, State, Sum, recurrent


class LSTMCell(Cell):
    """Four sums a unit: input gate, forget gate, candidate, output gate, in this order.

    The forget gate's bias starts at 1: a gate that starts half shut would forget all within some steps (Gers et al.
    2000; Jozefowicz, Zaremba, Sutskever 2015).

    Args:
        n_inputs: Numbers of a step.
        hidden: Units of the state.
    """

    n_states = 2

    def __init__(self, n_inputs: int, hidden: int) -> None:
        super().__init__(n_inputs, hidden, 4)
        self.input_gate = nn.Sigmoid()
        self.forget_gate = nn.Sigmoid()
        self.candidate = nn.Tanh()
        self.output_gate = nn.Sigmoid()
        self.memory = Sum()
        self.squashed = nn.Tanh()
        self.output = Product()
        nn.init.ones_(self.input.bias.detach().chunk(4)[1])

    def forward(self, x: Tensor, state: State) -> State:
        """Maps a step (N, n_inputs) and h, c (N, hidden) to the new h and c."""
        h, c = state
        i, f, g, o = (self.input(x) + self.state(h)).chunk(4, 1)
        c = self.memory(self.forget_gate(f) * c, self.input_gate(i) * self.candidate(g))
        return self.output(self.output_gate(o), self.squashed(c)), c


MODELS.add(
    "lstm",
    Architecture(
        make=partial(recurrent, "lstm", LSTMCell),
        options=RecurrentOptions,
        summary="Reads step by step; gates decide what its memory takes in, keeps and shows.",
        taught="A memory that is added to lets gradients flow back over hundreds of steps.",
        year=1997,
        paper="Hochreiter, Schmidhuber: Long short-term memory",
        recipe={
            "optimiser": "adamw",
            "lr": 0.005,
            "weight_decay": 0.01,
            "schedule": "triangular",
            "warmup": 0.15,
            "clip": 1.0,
        },
        n_seen=270_000,
        batch_size=128,
        takes=("images", "texts"),
        ours=(Figure("MNIST, row by row", 0.9896, "the usual recipe, 5 epochs", n_seeds=3, low=0.9895, high=0.9897),),
    ),
)
