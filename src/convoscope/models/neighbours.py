"""Exact search for nearest neighbours: every distance is computed, blocks at a time, and every tie has one answer.

Pixels are whole numbers from 0 to 255. Less 128 they are int8, so one product of int8 matrices gives every scalar
product to the last digit, and |x - r|^2 = |x|^2 + |r|^2 - 2 x.r follows exactly. Other numbers, and the cosine, go
through float32 first, which leaves a short list whose length follows from a bound on the rounding, and the distances of
the short list are then computed in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from convoscope.errors import ModelError, RecipeError

METRICS = ("l2", "l1", "cosine")

_GROUP = 64  # references that share one minimum
_SPARE = 4  # groups looked into beyond the k that are enough where no two distances are equal
_LISTED = 12  # references of the short list beyond k, where distances are rounded
_TABLE_BYTES = 64 << 20  # of one block of distances: queries times references
_PRODUCT_BYTES = 8 << 20  # of one product of matrices: what stays near the processor
_MOST_QUERIES = 512
_HALF = 128
_ROWS_AT_ONCE = 512  # whose squares are added up together
_EXACT_COLUMNS = 1024  # so many products of two numbers up to 128 add up to 2^24 at most, exact in float32
_INT32_COLUMNS = 32_768  # so many squares of numbers up to 255 stay below 2^31
_ROUNDING = 2.0**-24  # the largest relative error of one operation in float32


class Search:
    """The training images made ready to be searched.

    Args:
        references: (N, D), N and D at least 1; uint8, or float32 of finite numbers.
        metric: "l2" is the root of the sum of squared differences, "l1" the sum of the differences' sizes, "cosine"
            1 - x.r / (|x| |r|), and 1 where one of the two is all zeros.

    Raises:
        RecipeError: a metric that there is not.
        ModelError: no references.
    """

    def __init__(self, references: Tensor, metric: str = "l2") -> None:
        if metric not in METRICS:
            raise RecipeError(f"The metric {metric!r} was asked for; it is one of {', '.join(METRICS)}.")
        if references.dim() != 2 or 0 in references.shape:
            raise ModelError(
                f"A search needs at least one image of at least one number; it was given {tuple(references.shape)}."
            )
        self.references, self.metric = references, metric
        self._whole: _Whole | None = None
        self._real: _Real | None = None

    def nearest(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """The k nearest references of each query, nearest first; of equally near ones that of lower index.

        Args:
            queries: (Q, D), any real dtype, finite.
            k: 1 to N.

        Returns:
            Distances, float64 (Q, k), and indices, int64 (Q, k).

        Raises:
            ModelError: more neighbours than references, or queries of another length.
        """
        N, D = self.references.shape
        if not 1 <= k <= N:
            raise ModelError(f"{k} neighbours were asked for among {N} images.", hint=f"Ask for 1 to {N}.")
        if queries.dim() != 2 or queries.shape[1] != D:
            raise ModelError(f"Queries of {tuple(queries.shape)} were given for images of {D} numbers.")
        device = queries.device
        # Apple's GPUs have no float64, in which the distances are told.
        queries = queries.to("cpu" if self.references.device.type == "cpu" or device.type == "mps" else device)
        if not len(queries):
            return torch.zeros(0, k, dtype=torch.float64, device=device), torch.zeros(0, k, dtype=torch.long).to(device)
        with torch.no_grad(), torch.autocast(queries.device.type, enabled=False):
            found = [self._block(block, k) for block in self._blocks(queries)]
        distances, indices = (torch.cat(parts).to(device) for parts in zip(*found, strict=True))
        return distances, indices

    def _blocks(self, queries: Tensor) -> Iterator[Tensor]:
        """Few enough queries at a time for their table of distances to keep within its bound."""
        n = max(1, min(_MOST_QUERIES, _TABLE_BYTES // (4 * len(self.references))))
        return iter(torch.split(queries, n))

    def _block(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        if self.metric != "cosine" and self.references.dtype == torch.uint8 and is_whole(queries):
            return self._of_whole_numbers(queries, k)
        return self._of_real_numbers(queries, k)

    def _of_whole_numbers(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        self._whole = self._whole or _Whole.of(self.references)
        if self.metric == "l1":
            scores, offset = _sizes(queries.float(), self.references).to(torch.int32), None
        else:
            scores, offset = self._whole.scores(queries)
        found, indices = _least(scores, k)
        distances = (found + (0 if offset is None else offset)).double()
        return (distances if self.metric == "l1" else distances.sqrt()), indices

    def _of_real_numbers(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        self._real = self._real or _Real.of(self.references, self.metric)
        scores, slack = self._real.scores(queries.float())
        return _ranked(scores, slack, queries.double(), self.references, self.metric, k)


@dataclass(frozen=True, eq=False)
class _Whole:
    """References of whole numbers from 0 to 255, less 128: int8 (N, D) or float32, and their squared lengths (N,)."""

    shifted: Tensor
    squares: Tensor

    @classmethod
    def of(cls, references: Tensor) -> _Whole:
        shifted = (references ^ _HALF).view(torch.int8)  # in two's complement the top bit turned over is 128 less
        wide = torch.int32 if references.shape[1] <= _INT32_COLUMNS else torch.int64
        blocks = torch.split(shifted, _ROWS_AT_ONCE)
        return cls(shifted, torch.cat([part.to(torch.int32).square_().sum(1, dtype=wide) for part in blocks]))

    def scores(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """|r|^2 - 2 x.r for every pair, int32 or int64 (Q, N), and |x|^2 (Q, 1), int64; all less 128."""
        x = (queries.to(torch.int16) - _HALF).to(torch.int8)
        scores = torch.empty(len(x), len(self.shifted), dtype=self.squares.dtype, device=x.device)
        n = max(_GROUP, _PRODUCT_BYTES // (4 * len(x)))
        for first in range(0, len(self.shifted), n):
            part = slice(first, first + n)
            torch.sub(self.squares[part], _products(x, self.shifted[part]), alpha=2, out=scores[:, part])
        return scores, x.long().square().sum(1, keepdim=True)


def _products(x: Tensor, r: Tensor) -> Tensor:
    """x.r for int8 (Q, D) and (n, D), exact: (Q, n), int32 up to 32,768 columns and int64 above."""
    D = x.shape[1]
    # Of a single column torch makes something else.
    if 1 < D <= _INT32_COLUMNS and _has_int8_products(x.device.type):
        return torch._int_mm(x, r.t())  # noqa: SLF001 - torch's only product of int8 matrices
    wide = torch.int32 if D <= _INT32_COLUMNS else torch.int64
    total = torch.zeros(len(x), len(r), dtype=wide, device=x.device)
    for one, other in zip(torch.split(x, _EXACT_COLUMNS, 1), torch.split(r, _EXACT_COLUMNS, 1), strict=True):
        total += (one.float() @ other.float().t()).to(wide)
    return total


@cache
def _has_int8_products(kind: str) -> bool:
    """Whether torch multiplies int8 matrices quickly and exactly on devices of this kind.

    Processors without VNNI cut their sums off at 16 bits; the largest sums tell.
    """
    if kind != "cpu" or not (torch.cpu._is_vnni_supported() and torch.backends.mkldnn.is_available()):  # type: ignore[no-untyped-call]  # noqa: SLF001
        return False
    x = torch.tensor([[-_HALF], [_HALF - 1]]).expand(2, 300).to(torch.int8).contiguous()
    return torch.equal(torch._int_mm(x, x.t()).double(), x.double() @ x.double().t())  # noqa: SLF001


@dataclass(frozen=True, eq=False)
class _Real:
    """References in float32 (N, D), for the cosine each of length 1; what is added to a product; and their lengths."""

    rows: Tensor
    metric: str
    squares: Tensor
    longest: float

    @classmethod
    def of(cls, references: Tensor, metric: str) -> _Real:
        rows = references.float()
        lengths = torch.cat([part.double().norm(dim=1) for part in torch.split(rows, 4096)])
        if metric == "cosine":
            rows = rows / lengths.clamp(min=torch.finfo(torch.float64).tiny)[:, None].float().clamp(min=1e-30)
        return cls(rows, metric, lengths.square().float(), float(lengths.max()))

    def scores(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """float32 (Q, N) that grow as the distance does, and how far each may be off, float64 (Q, 1)."""
        steps = (self.rows.shape[1] + 8) * _ROUNDING
        lengths = x.double().norm(dim=1, keepdim=True)
        if self.metric == "l1":
            scores = _sizes(x, self.rows)
            return scores, steps * scores.amax(1, keepdim=True).double()
        if self.metric == "cosine":
            return -(x @ self.rows.t()), 2 * steps * lengths
        scores = torch.addmm(self.squares[None], x, self.rows.t(), alpha=-2)
        return scores, 2 * steps * (lengths + self.longest) ** 2


def _sizes(x: Tensor, r: Tensor) -> Tensor:
    """The sums of |x - r| for every pair, float32 (Q, N); whole numbers stay exact below 2^24."""
    n = max(1, _PRODUCT_BYTES // (4 * len(x)))
    return torch.cat([torch.cdist(x[None], part.float()[None], p=1.0)[0] for part in torch.split(r, n)], dim=1)


def every_distance(x: Tensor, references: Tensor, metric: str) -> Tensor:
    """The distances of images (Q, D) to all references (N, D), exact as in `Search`: float64 (Q, N)."""
    if metric != "cosine" and references.dtype == torch.uint8 and is_whole(x):
        if metric == "l1":
            return _sizes(x.float(), references).double()
        scores, offset = _Whole.of(references).scores(x)
        return (scores + offset).double().sqrt()
    x = x.double()[:, None]
    n = max(1, _PRODUCT_BYTES // (8 * x.numel()))
    return torch.cat([exact_distances(x, part.double(), metric) for part in torch.split(references, n)], dim=1)


# One op of a graph that is looked at, with a rule of its own: written out, its differences would fill gigabytes.
distances = torch.library.custom_op(
    "convoscope::distances",
    every_distance,
    mutates_args=(),
    schema="(Tensor x, Tensor references, str metric) -> Tensor",
)


@distances.register_fake
def _shape_of_distances(x: Tensor, references: Tensor, metric: str) -> Tensor:  # noqa: ARG001 - the op's signature
    return x.new_empty((x.shape[0], references.shape[0]), dtype=torch.float64)


def exact_distances(x: Tensor, r: Tensor, metric: str) -> Tensor:
    """The distances in float64 of (..., D) to (..., D), both float64: (...)."""
    if metric == "l1":
        return (x - r).abs().sum(-1)
    if metric == "l2":
        return (x - r).square().sum(-1).sqrt()
    lengths = x.square().sum(-1).sqrt() * r.square().sum(-1).sqrt()
    return 1 - (x * r).sum(-1) / torch.where(lengths == 0, 1.0, lengths)


def is_whole(x: Tensor) -> bool:
    """Whether every number is one of 0, 1, ... 255."""
    return x.dtype == torch.uint8 or bool(((x >= 0) & (x <= 255) & (x == x.round())).all())


def _group_minima(scores: Tensor) -> tuple[Tensor, int]:
    """The least score of each group, (Q, G), and G: group g has the references g, g + G, g + 2 G, ...

    Halves are compared place by place, which runs over the memory as it lies.
    """
    N = scores.shape[1]
    G = -(-N // _GROUP)
    whole = N // G
    least = scores[:, :G]
    if whole > 1:
        least = scores[:, : whole * G].view(-1, whole, G).amin(1)
    if whole * G < N:
        rest = N - whole * G
        least = torch.cat([torch.minimum(least[:, :rest], scores[:, whole * G :]), least[:, rest:]], dim=1)
    return least, G


def _candidates(scores: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor | None]:
    """The members of the groups with the least minima.

    Returns:
        Their scores and their indices, (Q, M), places past the end holding the greatest score and index N; and
        the least score of all other groups, (Q, 1), None where there is no other.
    """
    N = scores.shape[1]
    if 2 * (k + _SPARE) * _GROUP >= N:
        return scores, torch.arange(N, device=scores.device).expand(len(scores), N), None
    minima, G = _group_minima(scores)
    least, groups = minima.topk(k + _SPARE + 1, dim=1, largest=False, sorted=True)
    places = torch.arange(0, -(-N // G) * G, G, device=scores.device)
    indices = (groups[:, :-1, None] + places).flatten(1)
    held = scores.gather(1, indices.clamp(max=N - 1))
    if int(places[-1]) + G > N:
        info = torch.finfo(scores.dtype) if scores.is_floating_point() else torch.iinfo(scores.dtype)
        held, indices = held.masked_fill(indices >= N, info.max), indices.clamp(max=N)
    return held, indices, least[:, -1:]


def _least(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k least of each row, in order, of equal ones the lower index first: scores int64 (Q, k), indices (Q, k)."""
    N = scores.shape[1]
    held, indices, others = _candidates(scores, k)
    base = held.amin(1, keepdim=True).long()
    keys = (held.long() - base) * (N + 1) + indices  # no two are equal, and a tie goes to the lower index
    keys = keys.topk(k, dim=1, largest=False, sorted=True).values
    found, places = keys.div(N + 1, rounding_mode="floor") + base, keys % (N + 1)
    if others is not None:
        for row in (found[:, -1:] >= others).flatten().nonzero().flatten().tolist():
            listed = (scores[row] <= found[row, -1]).nonzero().flatten()  # in the order of their indices
            own = scores[row, listed].long()
            first = own.sort(stable=True).indices[:k]
            found[row], places[row] = own[first], listed[first]
    return found, places


def _ranked(scores: Tensor, slack: Tensor, x: Tensor, references: Tensor, metric: str, k: int) -> tuple[Tensor, Tensor]:
    """As `_least`, from scores that may each be off by `slack`: distances float64 (Q, k), indices (Q, k)."""
    held, indices, others = _candidates(scores, k)
    n = min(k + _LISTED, held.shape[1])
    values, places = held.topk(n, dim=1, largest=False, sorted=True)
    bound = values[:, k - 1 : k].double() + 2 * slack  # whoever is among the k nearest has at most this score
    listed = indices.gather(1, places).sort(dim=1).values
    distances, found = _in_order(x, references, listed.clamp(max=len(references) - 1), listed, metric, k)
    doubtful = values[:, -1:].double() <= bound if n < held.shape[1] else torch.zeros_like(bound, dtype=torch.bool)
    if others is not None:
        doubtful |= others.double() <= bound
    for row in doubtful.flatten().nonzero().flatten().tolist():
        few = (scores[row].double() <= bound[row]).nonzero().flatten()[None]
        distances[row], found[row] = (part[0] for part in _in_order(x[row : row + 1], references, few, few, metric, k))
    return distances, found


def _in_order(
    x: Tensor, references: Tensor, rows: Tensor, indices: Tensor, metric: str, k: int
) -> tuple[Tensor, Tensor]:
    """The k nearest of the listed (Q, M), whose indices ascend; an index past the end is no reference."""
    parts = []
    n = max(1, _PRODUCT_BYTES // (8 * references.shape[1] * rows.shape[1]))
    for queries, own in zip(torch.split(x, n), torch.split(rows, n), strict=True):
        wide = max(1, _PRODUCT_BYTES // (8 * references.shape[1] * len(own)))
        pieces = [
            exact_distances(queries[:, None], references[piece].double(), metric)
            for piece in torch.split(own, wide, dim=1)
        ]
        parts.append(torch.cat(pieces, dim=1))
    distances = torch.cat(parts).masked_fill(indices >= len(references), float("inf"))
    distances, order = distances.sort(dim=1, stable=True)
    return distances[:, :k], indices.gather(1, order[:, :k])
