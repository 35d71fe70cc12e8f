"""Judging in several views: which they are, what each counts, and that their logits are averaged."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convoscope.data.dataset import Dataset
from convoscope.data.normalise import Normalisation
from convoscope.train.device import Machine
from convoscope.train.evaluate import evaluate, logits_of, views
from convoscope.train.feed import Feed
from convoscope.train.gradient import Plan, workers
from convoscope.train.recipe import Recipe


class Corner(nn.Module):
    """Sees one pixel, the second of the second row, and says it and its negative."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack((x[:, 0, 1, 1], -x[:, 0, 1, 1]), 1)


def judged(images: np.ndarray, tta: str, plan: Plan | None = None, model: nn.Module | None = None) -> Tensor:
    plan = plan or Plan()
    part = Dataset(images, np.zeros(len(images), np.int64), ("a", "b"), "")
    feed = Feed(part, Normalisation("none", (0.0,), (1.0,)), torch.device("cpu"))
    with workers(plan) as crew:
        return logits_of(model or Corner(), feed, Machine("cpu"), plan, crew, tta=tta)


PIXELS = np.arange(1, 26, dtype=np.uint8).reshape(1, 1, 5, 5)


def test_each_view_counts_as_it_should() -> None:
    # Rows of 1-5, 6-10, 11-15 ...: it sees 7, and in the mirror 9; moved down and right 1, its mirror 3; moved up and
    # left 13, its mirror 15.
    assert judged(PIXELS, "none")[0, 0] == 7
    assert judged(PIXELS, "mirror")[0, 0] == (7 + 9) / 2
    assert judged(PIXELS, "mirror-shift")[0, 0] == (7 + 9) / 4 + (1 + 3 + 13 + 15) / 8


def test_the_edge_is_mirrored_inwards() -> None:
    x = torch.from_numpy(PIXELS).float()
    moved = [view for view, share in views(x, "mirror-shift") if share == 0.125]
    assert moved[0][0, 0, 0].tolist() == [7, 6, 7, 8, 9]  # what came in above the first row is the second
    assert moved[2][0, 0, -1].tolist() == [17, 18, 19, 20, 19]
    assert all(torch.equal(one.flip(-1), other) for one, other in list(pairwise(moved))[::2])


@pytest.mark.parametrize("tta", ["none", "mirror", "mirror-shift"])
def test_shares_sum_to_one_and_the_memory_format_stays(tta: str) -> None:
    x = torch.randn(2, 3, 6, 4).contiguous(memory_format=torch.channels_last)
    found = list(views(x, tta))
    assert sum(share for _, share in found) == 1
    assert all(view.is_contiguous(memory_format=torch.channels_last) and view.shape == x.shape for view, _ in found)
    assert [share for _, share in views(x[..., :1], "mirror-shift")] == [0.5, 0.5]  # nothing to mirror inwards


def test_views_are_averaged_whoever_computes_them() -> None:
    images = np.random.default_rng(0).integers(0, 256, (1203, 1, 6, 6), dtype=np.uint8)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 3))
    plain = judged(images, "mirror-shift", model=model)
    assert torch.equal(plain, judged(images, "mirror-shift", Plan(shards=3), model))
    assert torch.equal(plain[:5], judged(images[:5], "mirror-shift", model=model))
    assert not torch.allclose(plain, judged(images, "none", model=model))


def test_the_recipe_says_in_which_views_a_network_is_judged() -> None:
    part = Dataset(PIXELS, np.zeros(1, np.int64), ("a", "b"), "")
    feed = Feed(part, Normalisation("none", (0.0,), (1.0,)), torch.device("cpu"))
    with workers(Plan()) as crew:
        given = (feed, Recipe(tta="mirror", epochs=1, batch_size=1), Machine("cpu"), Plan(), crew)
        both = evaluate(Corner(), *given, class_names=("a", "b"), split="test")
        alone = evaluate(Corner(), *given, class_names=("a", "b"), split="test", tta="none")
    torch.testing.assert_close(torch.from_numpy(both.losses), -torch.tensor([[8.0, -8.0]]).log_softmax(1)[:, 0])
    torch.testing.assert_close(torch.from_numpy(alone.losses), -torch.tensor([[7.0, -7.0]]).log_softmax(1)[:, 0])
