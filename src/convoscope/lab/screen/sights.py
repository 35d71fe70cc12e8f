"""What the screen is told of a network, one frozen record each: nodes, sheets, layers, channels and numbers.

`shape`s leave the batch axis out; `at` is an index without it. The first axis of a shape is the *channel*, whatever
follows are *rows* and *columns*: (C, H, W) as it is, (K,) as K channels of 1 x 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from convoscope.lab.screen.parts import Figure, Part

Tab: TypeAlias = Literal["forward", "backward", "update"]
Mode: TypeAlias = Literal["eval", "train"]


@dataclass(frozen=True)
class Parameter:
    """A learned or stored tensor that a node reads."""

    name: str
    kind: Literal["parameter", "buffer", "constant"]
    shape: list[int]


@dataclass(frozen=True)
class Source:
    """A value that a node reads; `channels` says which of its channels one channel of the node depends on."""

    node: str
    channels: Literal["same", "all", "some"]


@dataclass(frozen=True)
class NodeCard:
    """One node of the network as the screen draws it.

    Attributes:
        name: Unique in the network.
        op: The aten op; "" for the input.
        module: The path of the module it was computed in, "" for the root; folding groups by its parts.
        kind: "input", or "op".
        shape: Without the batch axis.
        n_channels: Of the first axis.
        rows: Of one channel.
        columns: Of one channel.
        sources: The values it reads, parameters left out, in order.
        parameters: The parameters, buffers and constants it reads.
        n_parameters: Learned numbers it reads.
        flops: Of one image.
        field: Rows and columns of the input that its middle unit sees; [] where that is not known.
        settings: What the op was told, as pairs of name and text: ["stride", "2 × 2"].
        is_loss: Whether it is computed after the logits: part of the loss.
    """

    name: str
    op: str
    module: str
    kind: Literal["input", "op"]
    shape: list[int]
    n_channels: int
    rows: int
    columns: int
    sources: list[Source]
    parameters: list[Parameter]
    n_parameters: int
    flops: int
    field: list[int]
    settings: list[list[str]]
    is_loss: bool


@dataclass(frozen=True)
class Network:
    """The network of a run in one mode, in the order it is computed."""

    run: str
    version: str
    mode: Mode
    model: str
    class_names: list[str]
    nodes: list[NodeCard]
    input: str
    logits: str
    loss: str
    n_parameters: int
    flops: int
    counted: str


@dataclass(frozen=True)
class Sight:
    """Whose values are shown: the head of every pack.

    Attributes:
        run: The run.
        step: The checkpoint, None for the final weights.
        minus: The checkpoint whose values were taken off, None for none; -1 for the final weights.
        image: Which image.
        tab: "forward" values, "backward" dloss/dvalue, "update" the change of the weights by the step after `step`.
        mode: Of the network.
        truth: The image's label, None where it has none.
        target: The class that the loss is computed against.
        target_is: "label", "asked", or "predicted": where the target comes from.
        predicted: The class of greatest probability.
        logits: One for each class, as recorded (float32).
        probabilities: softmax of the logits.
        loss: Of this image.
        update_step: Of the tab "update", the step shown; None elsewhere.
    """

    run: str
    step: int | None
    minus: int | None
    image: str
    tab: Tab
    mode: Mode
    truth: int | None
    target: int
    target_is: Literal["label", "asked", "predicted"]
    predicted: int
    logits: list[Figure]
    probabilities: list[Figure]
    loss: Figure | None
    update_step: int | None = None


@dataclass(frozen=True)
class NodeSheet:
    """The channels of one node that an atlas holds; the pack's tensor of that name is uint8 (k, rows, columns).

    Attributes:
        node: The node, which is also the tensor's name.
        channels: Which channels, in the order shown: all by number, or the strongest first where they are too many.
        n_channels: How many there are in all.
        peaks: For each channel shown the largest |value|, which 255 (and 1, negative) stands for; 128 is 0.
        peak: The largest |value| of the whole node.
        rows: Of a channel as sent.
        columns: Of a channel as sent.
        shrunk: How many rows and columns of the node one of the sheet's stands for (their mean); 1 where none is lost.
        minimum: Of the node.
        mean: Of the node.
        maximum: Of the node.
        note: Why there is nothing to show ("The loss does not depend on it."), "" else; the tensor is then absent.
    """

    node: str
    channels: list[int]
    n_channels: int
    peaks: list[float]
    peak: float
    rows: int
    columns: int
    shrunk: int
    minimum: Figure
    mean: Figure
    maximum: Figure
    note: str = ""


@dataclass(frozen=True)
class Atlas:
    """The head of the pack that draws the network: the sight, and a sheet for each node asked for."""

    sight: Sight
    sheets: list[NodeSheet]


@dataclass(frozen=True)
class LayerHead:
    """The head of a layer's pack.

    Tensors: "maps" uint8 (C, rows, columns), quantised by "peaks" float32 (C); "mean", "minimum", "maximum",
    "variance", "gradient" (mean |dloss/dvalue|; absent without) float32 (C); "dead" uint8 (C), 1 where a channel is 0
    everywhere; "filters" float32 (D, C, kh, kw) where the layer has kernels or rows of weights, with "filter_channels"
    int32 (D).

    Attributes:
        sight: Whose values.
        sheet: As in the atlas, for all channels; its tensor is "maps".
        edges: Of the histogram's bins, one more than there are counts.
        counts: Values in each bin.
        filters: The parameter that "filters" shows, "" for none.
        filter_shape: The whole parameter's shape; "filters" may hold its first input channels only.
        update: Whether maps and filters show changes of weights.
    """

    sight: Sight
    sheet: NodeSheet
    edges: list[float]
    counts: list[int]
    filters: str
    filter_shape: list[int]


@dataclass(frozen=True)
class Contribution:
    """What one channel of a source gives to a channel.

    Attributes:
        node: The source.
        channel: Its channel.
        share: Mean |partial result| over the channel's units, in the value's own unit; ranks the sources.
        map: The tensor with the source's values, float32 (rows, columns).
        kernel: The tensor with the weights between the two, float32 (kh, kw); "" where there are none.
        partial: The tensor with what it adds to each unit, float32 (rows, columns); "" where it is not a sum.
    """

    node: str
    channel: int
    share: float
    map: str
    kernel: str
    partial: str


@dataclass(frozen=True)
class Stage:
    """The same channel further on: after the norm, the activation, the pool; `map` is its tensor."""

    node: str
    channel: int
    map: str


@dataclass(frozen=True)
class ParameterValue:
    """One number of a parameter that belongs to the channel (its bias, its scale); opens by name and index."""

    name: str
    at: list[int]
    value: Figure
    kind: Literal["parameter", "buffer", "constant"]


@dataclass(frozen=True)
class UnitHead:
    """The head of a channel's pack: its map, what it is made of, and what becomes of it.

    Attributes:
        sight: Whose values.
        node: The node.
        channel: The channel.
        map: The tensor with its values, float32 (rows, columns).
        sources: The strongest first, at most as many as asked for.
        n_sources: How many there are.
        parameters: The single numbers that belong to the channel.
        then: What is computed from it channel by channel, in order.
        update_of: In the tab "update": the parameter whose change is shown; "" elsewhere.
    """

    sight: Sight
    node: str
    channel: int
    map: str
    sources: list[Contribution]
    n_sources: int
    parameters: list[ParameterValue]
    then: list[Stage]
    update_of: str = ""


@dataclass(frozen=True)
class Box:
    """The pixels of the input that a unit sees: first and last row and column, both included."""

    rows: tuple[int, int]
    columns: tuple[int, int]
    exact: bool


@dataclass(frozen=True)
class NumberCard:
    """One number, opened.

    Attributes:
        title: What it is: "conv2[0, 5, 4, 3]", "dloss/d conv2[0, 5, 4, 3]".
        node: The node or parameter.
        at: Its index, without the batch axis for a node.
        tab: Which of its numbers: value, gradient, or (a parameter's) change.
        is_parameter: Whether it is a parameter's number: then the tab "update" exists.
        expression: Its arithmetic, None where there is none, and then `note` says why.
        computed: The expression's value in float64.
        recorded: What the pass, or the optimiser, had there.
        dtype: How many digits `recorded` has.
        gap: |computed - recorded|.
        scale: The sum of the |terms|, which rounding is measured by.
        agrees: Whether the gap is within the rounding of `dtype`; None where there is no gap.
        note: What to know about it.
        n_terms: How many terms its (longest) sum has.
        field: What it sees of the input, None where that is not known or it is a parameter.
        update_step: Of an update the step that made it.
    """

    title: str
    node: str
    at: list[int]
    tab: Tab
    is_parameter: bool
    expression: Part | None
    computed: Figure | None
    recorded: Figure | None
    dtype: str
    gap: Figure | None
    scale: Figure
    agrees: bool | None
    note: str
    n_terms: int
    field: Box | None
    update_step: int | None = None


@dataclass(frozen=True)
class ValuesHead:
    """The head of exact values: the tensor "values" is float32 (n, rows, columns) for `channels` of `node`."""

    sight: Sight
    node: str
    channels: list[int]
