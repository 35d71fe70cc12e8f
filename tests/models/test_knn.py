"""k nearest neighbours: every answer is that of a plain search in float64, ties included, and what is held is kept."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from convoscope.errors import ModelError, RecipeError
from convoscope.graph.build import build as build_graph
from convoscope.lab.microscope import RunLoss
from convoscope.look.capture import capture
from convoscope.models import MODELS, build, neighbours
from convoscope.models.knn import LEAST_SHARE, NearestNeighbours, fit, neighbours_of
from convoscope.models.neighbours import METRICS, Search, every_distance
from convoscope.train.recipe import Recipe

Array = NDArray[Any]


def plain(x: Array, r: Array, metric: str) -> Array:
    """All distances, float64 (Q, N)."""
    x, r = x.astype(np.float64)[:, None], r.astype(np.float64)[None]
    if metric == "l2":
        return np.sqrt(((x - r) ** 2).sum(-1))
    if metric == "l1":
        return np.abs(x - r).sum(-1)
    lengths = np.sqrt((x * x).sum(-1)) * np.sqrt((r * r).sum(-1))
    return 1 - (x * r).sum(-1) / np.where(lengths == 0, 1, lengths)


def check(x: Tensor, r: Tensor, k: int, metric: str) -> None:
    """The search gives what sorting all distances gives, equal ones in the order of their indices."""
    table = plain(x.numpy(), r.numpy(), metric)
    order = np.argsort(table, axis=1, kind="stable")[:, :k]
    found, indices = Search(r, metric).nearest(x, k)
    assert found.dtype == torch.float64
    np.testing.assert_array_equal(indices.numpy(), order)
    np.testing.assert_allclose(found.numpy(), np.take_along_axis(table, order, 1), rtol=1e-12, atol=1e-12)


def pixels(generator: torch.Generator, n: int, D: int, high: int = 256) -> Tensor:
    return torch.randint(0, high, (n, D), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("N", "D", "k"), [(1, 1, 1), (5, 3, 5), (63, 7, 3), (700, 9, 4), (1500, 49, 3), (2111, 4, 60)])
def test_whole_numbers_with_many_ties(metric: str, N: int, D: int, k: int) -> None:
    generator = torch.Generator().manual_seed(N)
    # Of one or two numbers a cosine of parallel images differs in its last digit by the order of a sum.
    high = 256 if metric == "cosine" else 3
    x, r = pixels(generator, 40, D, high), pixels(generator, N, D, high)
    if metric == "cosine":
        r[N // 2 :] = r[: N - N // 2].clone()  # equal images: equal distances to the last digit
    check(x, r, k, metric)
    check(x.float(), r, k, metric)


@pytest.mark.parametrize("metric", ["l2", "l1"])
def test_all_equal_images_come_in_their_order(metric: str) -> None:
    r = torch.full((3000, 5), 7, dtype=torch.uint8)
    found, indices = Search(r, metric).nearest(torch.zeros(3, 5), 6)
    assert indices.tolist() == [[0, 1, 2, 3, 4, 5]] * 3
    assert found.unique().tolist() == [7 * math.sqrt(5) if metric == "l2" else 35]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("spread", [1.0, 1e-3, 1e4])
def test_real_numbers(metric: str, spread: float) -> None:
    generator = torch.Generator().manual_seed(4)
    r = torch.randn(1700, 33, generator=generator) * spread + 0.5
    r[1000:1200] = r[:200]  # twice there
    x = torch.cat([torch.randn(30, 33, generator=generator) * spread, r[150:160]])
    check(x, r, 5, metric)


def test_real_numbers_far_from_zero_are_ranked_by_their_exact_distances() -> None:
    """In float32 the product of matrices has no digit of these distances left."""
    generator = torch.Generator().manual_seed(5)
    r = 3000 + torch.randn(1200, 16, generator=generator) * 0.01
    check(3000 + torch.randn(12, 16, generator=generator) * 0.01, r, 4, "l2")


def test_halves_against_pixels_and_pixels_against_real_numbers() -> None:
    generator = torch.Generator().manual_seed(6)
    r = pixels(generator, 900, 20)
    check(torch.rand(20, 20, generator=generator) * 255, r, 3, "l2")
    check(pixels(generator, 20, 20), torch.rand(900, 20, generator=generator) * 255, 3, "l2")
    check(pixels(generator, 20, 20).float() * 2, r, 3, "l2")  # whole, and above 255


@given(st.integers(1, 400), st.integers(1, 12), st.integers(0, 10_000), st.sampled_from(["l2", "l1"]), st.data())
def test_any_whole_numbers(N: int, D: int, seed: int, metric: str, data: st.DataObject) -> None:
    generator = torch.Generator().manual_seed(seed)
    k = data.draw(st.integers(1, min(N, 20)))
    check(pixels(generator, 5, D, 4) * 60, pixels(generator, N, D, 4) * 60, k, metric)


def test_without_int8_products_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_has_int8_products", lambda _: False)
    generator = torch.Generator().manual_seed(7)
    extremes = pixels(generator, 300, 2500, 2) * 255  # the largest sums that so many pixels can have
    check(pixels(generator, 9, 2500, 2) * 255, extremes, 3, "l2")


@pytest.mark.parametrize("limit", [64, 1 << 20])
def test_very_long_images_add_up_beyond_int32(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(neighbours, "_INT32_COLUMNS", limit)
    generator = torch.Generator().manual_seed(8)
    check(pixels(generator, 7, 3000, 2) * 255, pixels(generator, 200, 3000, 2) * 255, 3, "l2")


def test_blocks_do_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_TABLE_BYTES", 4 * 1000 * 3)
    monkeypatch.setattr(neighbours, "_PRODUCT_BYTES", 4 * 3 * 130)
    generator = torch.Generator().manual_seed(9)
    for metric in METRICS:
        check(pixels(generator, 10, 30), pixels(generator, 1000, 30), 3, metric)
        check(torch.randn(10, 30, generator=generator), torch.randn(1000, 30, generator=generator), 3, metric)


@pytest.mark.parametrize("metric", METRICS)
def test_an_image_of_zeros(metric: str) -> None:
    r = torch.tensor([[0, 0], [3, 4], [0, 0]], dtype=torch.uint8)
    found, indices = Search(r, metric).nearest(torch.zeros(1, 2), 3)
    away = {"l2": 5, "l1": 7, "cosine": 1}[metric]
    here = 1 if metric == "cosine" else 0
    assert indices.tolist() == ([[0, 1, 2]] if metric == "cosine" else [[0, 2, 1]])
    assert found.tolist() == [sorted([here, here, away])]


def test_every_distance_is_the_search_s_own() -> None:
    generator = torch.Generator().manual_seed(10)
    for r in (pixels(generator, 50, 12), torch.randn(50, 12, generator=generator)):
        for x in (pixels(generator, 4, 12).float(), torch.randn(4, 12, generator=generator)):
            for metric in METRICS:
                np.testing.assert_allclose(
                    every_distance(x, r, metric).numpy(), plain(x.numpy(), r.numpy(), metric), rtol=1e-12, atol=1e-12
                )


def test_what_cannot_be_searched_is_refused() -> None:
    r = torch.zeros(4, 3)
    for k in (0, 5):
        with pytest.raises(ModelError, match="among 4 images"):
            Search(r).nearest(torch.zeros(1, 3), k)
    with pytest.raises(ModelError, match="of 3 numbers"):
        Search(r).nearest(torch.zeros(1, 2), 1)
    with pytest.raises(ModelError, match="at least one image"):
        Search(torch.zeros(0, 3))
    with pytest.raises(RecipeError, match="l3"):
        Search(r, "l3")
    found, indices = Search(r).nearest(torch.zeros(0, 3), 2)
    assert found.shape == indices.shape == (0, 2)


def held(images: Tensor, labels: list[int], n_classes: int = 3, **options: Any) -> torch.nn.Module:
    """A network that holds images (N, C, H, W)."""
    model = build("knn", (images.shape[1], images.shape[2], images.shape[3]), n_classes, options)
    fit(model, [(images.float(), torch.tensor(labels))])
    return model


def part_of(model: torch.nn.Module) -> NearestNeighbours:
    found = neighbours_of(model)
    assert found is not None
    return found


LINE = torch.tensor([0.0, 10.0, 20.0, 30.0]).view(4, 1, 1, 1)


def test_the_shares_of_the_votes_are_the_probabilities() -> None:
    model = held(LINE, [2, 1, 1, 0])
    shares = model(torch.tensor([12.0]).view(1, 1, 1, 1)).softmax(1)[0]
    assert shares.tolist() == pytest.approx([0, 2 / 3, 1 / 3], abs=3 * LEAST_SHARE)
    assert model(torch.full((1, 1, 1, 1), 2.0)).softmax(1)[0].tolist() == pytest.approx([0, 2 / 3, 1 / 3], abs=1e-5)


def test_a_tie_of_votes_goes_to_the_first_class() -> None:
    model = held(LINE, [2, 1, 0, 0], k=2)
    assert int(model(torch.full((1, 1, 1, 1), 1.0)).argmax()) == 1
    assert int(model(torch.full((1, 1, 1, 1), 14.0)).argmax()) == 0


def test_distance_weighs_votes_and_an_equal_image_takes_all() -> None:
    model = held(LINE, [2, 1, 1, 0], weights="distance")
    # At 2: distances 2, 8, 18.
    shares = model(torch.full((1, 1, 1, 1), 2.0)).softmax(1)[0].tolist()
    total = 1 / 2 + 1 / 8 + 1 / 18
    assert shares == pytest.approx([0, (1 / 8 + 1 / 18) / total, 1 / 2 / total], abs=1e-5)
    assert model(torch.full((1, 1, 1, 1), 0.0)).softmax(1)[0].tolist() == pytest.approx([0, 0, 1], abs=1e-5)
    batch = model(torch.tensor([2.0, 0.0]).view(2, 1, 1, 1)).softmax(1)
    assert batch[0].tolist() == pytest.approx(shares)
    assert batch[1].tolist() == pytest.approx([0, 0, 1], abs=1e-5)


def test_without_images_every_class_has_the_same_share() -> None:
    model = build("knn", (1, 2, 2), 4)
    assert model(torch.zeros(3, 1, 2, 2)).softmax(1).tolist() == [[0.25] * 4] * 3
    assert sum(p.numel() for p in model.parameters()) == 0


def test_pixels_are_held_as_bytes_and_other_numbers_as_they_are() -> None:
    assert part_of(held(LINE, [0, 1, 2, 0])).images.dtype == torch.uint8
    assert part_of(held(LINE / 3, [0, 1, 2, 0])).images.dtype == torch.float32
    model = build("knn", (1, 1, 1), 2, {"k": 1})
    fit(model, [(LINE, torch.tensor([0, 1, 0, 1])), (LINE[1:2] + 0.5, torch.tensor([0]))])
    assert part_of(model).images.flatten().tolist() == [0, 10, 20, 30, 10.5]
    assert part_of(model).images.dtype == torch.float32


@pytest.mark.parametrize("scale", [1, 1 / 7])
def test_what_is_held_is_saved_and_loaded(scale: float) -> None:
    model = held(LINE * scale, [2, 1, 1, 0])
    again = build("knn", (1, 1, 1), 3)
    x = torch.linspace(0, 31, 9).view(9, 1, 1, 1) * scale
    again(x)
    again.load_state_dict(model.state_dict())
    assert torch.equal(again(x), model(x))
    assert part_of(again).images.dtype == part_of(model).images.dtype
    assert torch.equal(copy.deepcopy(again)(x), model(x))
    again.load_state_dict(held(LINE[:3], [0, 0, 0]).state_dict())  # fewer, in place of those it had
    assert again(x).argmax(1).unique().tolist() == [0]
    with pytest.raises(RuntimeError, match="size mismatch"):
        build("knn", (1, 2, 2), 3).load_state_dict(model.state_dict())
    with pytest.raises(RuntimeError, match="Missing key"):
        build("knn", (1, 1, 1), 3).load_state_dict({})


@pytest.mark.parametrize(
    ("options", "said"), [({"k": 0}, "at least 1"), ({"metric": "l3"}, "l2, l1, cosine"), ({"weights": "x"}, "uniform")]
)
def test_options_that_there_are_not(options: dict[str, object], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        build("knn", (1, 2, 2), 2, options)


def test_more_votes_than_images() -> None:
    with pytest.raises(ModelError, match="5 neighbours, and there are 4") as raised:
        held(LINE, [0, 1, 2, 0], k=5)
    assert "--k 4" in raised.value.hint
    with pytest.raises(ModelError, match="there are 0"):
        fit(build("knn", (1, 2, 2), 2), [])


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("scale", [1, 1 / 7])
def test_every_number_of_it_checks(metric: str, weights: str, scale: float) -> None:
    generator = torch.Generator().manual_seed(11)
    images = torch.randint(0, 256, (30, 3, 4, 5), generator=generator).float() * scale
    labels = torch.randint(0, 4, (30,), generator=generator).tolist()
    model = held(images, labels, 4, metric=metric, weights=weights)
    x = torch.cat([images[:1], torch.randint(0, 256, (1, 3, 4, 5), generator=generator).float() * scale])
    target = torch.tensor([1, 2])
    graph = build_graph(model, x, loss=RunLoss(Recipe()), target=target)
    for dtype, bound in ((torch.float32, 1e-5), (torch.float64, 1e-12)):
        seen = capture(graph, model, x, target, dtype=dtype)
        torch.testing.assert_close(seen.value(graph.outputs[0]).float(), model(x))
        for node in graph.nodes.values():
            if node.kind != "op" or node.dtype == "tuple":
                continue
            for flat in range(0, math.prod(node.shape), max(1, math.prod(node.shape) // 17)):
                at = tuple(int(i) for i in np.unravel_index(flat, node.shape)) if node.shape else ()
                why = seen.why(node.name, at)
                assert why.expression is not None, why.note
                assert why.gap is not None
                assert why.gap <= bound * why.scale + 1e-15, why.text()
        back = seen.why(graph.outputs[0], (0, 1), "backward")
        assert back.expression is None
        assert "no slope" in back.note


def test_the_registry_s_entry() -> None:
    entry = MODELS["knn"]
    assert (entry.year, entry.fit) == (1967, fit)
    assert entry.recipe["normalise"] == "none"
