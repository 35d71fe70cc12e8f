"""Growth: the side of images in each epoch, and that a smaller image is the mean of what it covers."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from convoscope.data.growth import Growth, shrink


def test_sides_grow_by_eighths_and_the_last_epochs_are_whole() -> None:
    growth = Growth(0.5, 0.8, 10)
    assert [growth.side(32, epoch) for epoch in range(10)] == [16, 20, 20, 24, 24, 28, 28, 32, 32, 32]
    assert growth.sizes(32, 16)[:3] == [(16, 8), (20, 10), (24, 12)]
    assert growth.sizes(32, 16)[-1] == (32, 16)
    assert not growth.is_off


@pytest.mark.parametrize("until", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("n_epochs", [1, 2, 7])
def test_the_last_epoch_is_whole_however_long_images_grow(until: float, n_epochs: int) -> None:
    growth = Growth(0.3, until, n_epochs)
    assert growth.side(33, n_epochs - 1) == 33
    sides = [growth.side(33, epoch) for epoch in range(n_epochs)]
    assert sides == sorted(sides)
    assert growth.is_off == (until == 0 or n_epochs == 1)


def test_without_a_smaller_share_images_are_the_very_same() -> None:
    images = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    assert Growth(1.0, 0.8, 9).is_off
    assert Growth(1.0, 0.8, 9).apply(images, 0) is images
    assert Growth(0.5, 0.8, 9).apply(images, 8) is images
    assert Growth(0.1, 1.0, 3).side(4, 0) == 1  # never none


def test_a_pixel_is_the_mean_of_what_it_covers() -> None:
    torch.manual_seed(0)
    images = torch.randint(0, 256, (2, 3, 12, 18), dtype=torch.uint8)
    torch.testing.assert_close(shrink(images, 6, 6), F.avg_pool2d(images.float(), (2, 3)))
    torch.testing.assert_close(shrink(images, 12, 18), images.float())


def test_a_pixel_across_an_edge_counts_by_its_part() -> None:
    row = torch.tensor([[[[1.0, 2.0, 4.0]]]])
    torch.testing.assert_close(shrink(row, 1, 2), torch.tensor([[[[(1 + 0.5 * 2) / 1.5, (0.5 * 2 + 4) / 1.5]]]]))


@pytest.mark.parametrize(("height", "width"), [(18, 22), (31, 1), (7, 32)])
def test_the_mean_of_the_image_stays(height: int, width: int) -> None:
    torch.manual_seed(0)
    images = torch.rand(2, 1, 32, 32)
    torch.testing.assert_close(shrink(images, height, width).mean((2, 3)), images.mean((2, 3)))
