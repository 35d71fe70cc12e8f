from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from convoscope.data import motion
from convoscope.data.augment import Augmentation
from convoscope.data.draws import Draws
from convoscope.errors import RecipeError

OLD = Augmentation(rotate=25, shift=0.2, flip=True, crop=0.5, mask=0.1)
EVERYTHING = Augmentation(
    rotate=25, shift=0.2, flip=True, crop=0.5, mask=0.1, aspect=1.5, border="reflect", brightness=0.3, contrast=0.3,
    saturation=0.4, hue=40,
)  # fmt: skip
WHOLE_PIXELS = Augmentation(shift=0.2, flip=True, alternate=True, border="edge", contrast=0.5)


def images(N: int = 12, C: int = 3, H: int = 17, W: int = 23, dtype: torch.dtype = torch.uint8) -> torch.Tensor:
    pixels = torch.randint(0, 256, (N, C, H, W), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return pixels if dtype == torch.uint8 else pixels.to(dtype)


@settings(max_examples=60, deadline=None)
@given(
    augmentation=st.sampled_from([OLD, EVERYTHING, WHOLE_PIXELS]),
    start=st.integers(0, 30),
    stop=st.integers(1, 32),
    seed=st.integers(-(2**63), 2**63),
    epoch=st.integers(0, 10**6),
    dtype=st.sampled_from([torch.uint8, torch.float32]),
)
def test_an_image_is_changed_the_same_in_every_batch(
    augmentation: Augmentation, start: int, stop: int, seed: int, epoch: int, dtype: torch.dtype
) -> None:
    x, index = images(32, dtype=dtype), torch.arange(32) * 977
    part = slice(min(start, stop), max(start, stop))
    whole = augmentation.apply(x, index, seed, epoch)
    assert torch.equal(augmentation.apply(x[part], index[part], seed, epoch), whole[part])
    order = torch.randperm(32, generator=torch.Generator().manual_seed(start))
    assert torch.equal(augmentation.apply(x[order], index[order], seed, epoch), whole[order])


def test_threads_do_not_matter() -> None:
    x, index = images(64), torch.arange(64)
    expected = EVERYTHING.apply(x, index, 1, 2)
    results: list[torch.Tensor] = []
    threads = [threading.Thread(target=lambda: results.append(EVERYTHING.apply(x, index, 1, 2))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(torch.equal(result, expected) for result in results)


@pytest.mark.parametrize("augmentation", [OLD, EVERYTHING, WHOLE_PIXELS])
def test_work_in_blocks_changes_nothing(augmentation: Augmentation, monkeypatch: pytest.MonkeyPatch) -> None:
    x, index = images(32), torch.arange(32)
    whole = augmentation.apply(x, index, 1, 2)
    for block in (1, 5000):  # one image, and four, at a time
        monkeypatch.setattr(motion, "_BLOCK", block)
        monkeypatch.setattr("convoscope.data.recolour._BLOCK", block)
        assert torch.equal(augmentation.apply(x, index, 1, 2), whole)


def test_seed_epoch_and_index_each_matter() -> None:
    x, index = images(), torch.arange(12)
    base = EVERYTHING.apply(x, index, 0, 0)
    for other in (
        EVERYTHING.apply(x, index, 1, 0),
        EVERYTHING.apply(x, index, 0, 1),
        EVERYTHING.apply(x, index + 1, 0, 0),
    ):
        assert not any(torch.equal(a, b) for a, b in zip(base, other, strict=True))


def test_off_is_the_very_same_tensor() -> None:
    x = images()
    assert Augmentation().apply(x, torch.arange(12), 0, 0) is x
    assert Augmentation(alternate=True, aspect=2, border="edge").apply(x, torch.arange(12), 0, 0) is x


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("augmentation", [OLD, EVERYTHING, WHOLE_PIXELS])
def test_shape_and_dtype_stay_and_the_input_is_not_written(dtype: torch.dtype, augmentation: Augmentation) -> None:
    for C in (1, 3) if not augmentation.hue else (3,):
        x = images(C=C, dtype=dtype)
        before = x.clone()
        y = augmentation.apply(x, torch.arange(12), 0, 0)
        assert (y.shape, y.dtype) == (x.shape, x.dtype)
        assert torch.equal(x, before)


@pytest.mark.parametrize("side", [(1, 1), (1, 9), (9, 1), (2, 2)])
def test_the_smallest_images_are_taken(side: tuple[int, int]) -> None:
    for augmentation in (OLD, EVERYTHING, WHOLE_PIXELS, Augmentation(shift=1, border="reflect")):
        x = torch.full((5, 3, *side), 100, dtype=torch.uint8)
        assert augmentation.apply(x, torch.arange(5), 0, 0).shape == x.shape


# How the first version turned, moved and cropped, written out: runs of that version resume with its bits.
FLIP, TURN, SHIFT_X, SHIFT_Y, AREA, CROP_X, CROP_Y, MASK_X, MASK_Y = range(9)


def first_version(a: Augmentation, x: torch.Tensor, index: torch.Tensor, seed: int, epoch: int) -> torch.Tensor:
    H, W = x.shape[-2:]
    draws = Draws(seed, epoch, index.numpy().astype(np.uint64))
    if a.flip:
        x = torch.where(torch.from_numpy(draws.uniform(FLIP) < 0.5)[:, None, None, None], x.flip(-1), x)
    angle, scale = np.deg2rad(a.rotate) * draws.between(TURN, -1, 1), np.sqrt(draws.between(AREA, a.crop, 1))
    at = [(1 - scale) * n / 2 * draws.between(draw, -1, 1) for n, draw in ((W, CROP_X), (H, CROP_Y))]
    by = [n * a.shift * draws.between(draw, -1, 1) for n, draw in ((W, SHIFT_X), (H, SHIFT_Y))]
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    m = np.array([[c, s, at[0] - c * by[0] - s * by[1]], [-s, c, at[1] + s * by[0] - c * by[1]]], np.float32)
    p, q = torch.arange(W, dtype=torch.float32) - (W - 1) / 2, torch.arange(H, dtype=torch.float32) - (H - 1) / 2
    t = torch.from_numpy(m)[:, :, :, None, None]
    grid = torch.stack([(t[i, 0] * p + t[i, 1] * q[:, None] + t[i, 2]) * (2 / n) for i, n in ((0, W), (1, H))], -1)
    y = F.grid_sample(x.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return y.round().to(x.dtype) if x.dtype == torch.uint8 else y


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize(
    "knobs", [{"rotate": 25.0}, {"shift": 0.2}, {"crop": 0.5}, {"rotate": 9.0, "shift": 0.1, "flip": True, "crop": 0.3}]
)
def test_the_old_knobs_give_the_bits_they_gave(knobs: dict, dtype: torch.dtype) -> None:
    x, index = images(40, dtype=dtype), torch.arange(40) * 31
    assert torch.equal(
        Augmentation(**knobs).apply(x, index, 5, 2), first_version(Augmentation(**knobs), x, index, 5, 2)
    )


def test_flip_mirrors_about_half_and_nothing_else() -> None:
    x = images(1000, 1, 3, 4)
    y = Augmentation(flip=True).apply(x, torch.arange(1000), 0, 0)
    mirrored = (y == x.flip(-1)).flatten(1).all(1)
    same = (y == x).flatten(1).all(1)
    assert bool((mirrored ^ same).all())
    assert 440 < int(mirrored.sum()) < 560


def test_flips_alternate_from_epoch_to_epoch() -> None:
    x, index = images(1000, 1, 3, 4), torch.arange(1000)
    by_turns = Augmentation(flip=True, alternate=True)
    epochs = [by_turns.apply(x, index, 7, epoch) for epoch in range(4)]
    assert torch.equal(epochs[0], epochs[2])
    assert torch.equal(epochs[1], epochs[3])
    assert torch.equal(epochs[0].flip(-1), epochs[1])
    assert 440 < int((epochs[0] == x).flatten(1).all(1).sum()) < 560
    chance = [Augmentation(flip=True).apply(x, index, 7, epoch) for epoch in range(2)]
    assert not torch.equal(chance[0].flip(-1), chance[1])


def test_rotate_turns_by_no_more_than_asked() -> None:
    # One bright pixel left of the centre of a 41 x 41 image: where it is afterwards gives the angle.
    x = torch.zeros(500, 1, 41, 41)
    x[:, 0, 19:22, 35:38] = 255
    y = Augmentation(rotate=30).apply(x, torch.arange(500), 0, 0)[:, 0]
    place = torch.arange(41.0) - 20
    weight = y.sum((1, 2))
    cx, cy = (y.sum(1) * place).sum(1) / weight, (y.sum(2) * place).sum(1) / weight
    angle = torch.rad2deg(torch.atan2(cy, cx))
    assert float(angle.abs().max()) <= 30.5
    assert float(angle.min()) < -25
    assert float(angle.max()) > 25
    assert torch.allclose(torch.hypot(cx, cy), torch.tensor(16.0), atol=0.3)


def test_rotation_is_rigid_where_height_and_width_differ() -> None:
    x = torch.zeros(200, 1, 31, 61)
    x[:, 0, 14:17, 38:41] = 255  # 9 pixels right of the centre
    y = Augmentation(rotate=180).apply(x, torch.arange(200), 0, 0)[:, 0]
    weight = y.sum((1, 2))
    cx = (y.sum(1) * (torch.arange(61.0) - 30)).sum(1) / weight
    cy = (y.sum(2) * (torch.arange(31.0) - 15)).sum(1) / weight
    assert torch.allclose(torch.hypot(cx, cy), torch.tensor(9.0), atol=0.3)
    assert float(cy.abs().max()) > 8


def test_shift_moves_by_no_more_than_asked_and_leaves_black() -> None:
    x = torch.full((500, 1, 20, 40), 100.0)
    y = Augmentation(shift=0.25).apply(x, torch.arange(500), 0, 0)[:, 0]
    black_columns = (y.amax(1) == 0).sum(1)
    black_rows = (y.amax(2) == 0).sum(1)
    assert int(black_columns.max()) in (9, 10)
    assert int(black_rows.max()) in (4, 5)
    assert float((y[:, :, 0].amax(1) == 0).float().mean()) == pytest.approx(0.45, abs=0.1)  # either way, evenly


@pytest.mark.parametrize(("border", "padding"), [("reflect", "reflect"), ("edge", "replicate")])
def test_a_shift_alone_cuts_whole_pixels_from_the_padded_image(border: str, padding: str) -> None:
    x = images(300, 3, 10, 20)
    y = Augmentation(shift=0.2, border=border).apply(x, torch.arange(300), 0, 0)
    padded = F.pad(x.float(), (4, 4, 2, 2), mode=padding).to(torch.uint8)
    windows = padded.unfold(2, 10, 1).unfold(3, 20, 1)  # (N, C, 5, 9, H, W)
    same = (windows == y[:, :, None, None]).flatten(4).all(4).all(1)  # (N, 5, 9)
    assert bool((same.sum((1, 2)) == 1).all())
    assert bool(same.any(0).all())  # every move happens
    assert float(same.sum(0).float().std()) < 6  # and evenly: 300 / 45 = 6.7 each


def test_what_comes_in_by_a_turn_is_as_asked() -> None:
    x = torch.full((50, 1, 21, 21), 200, dtype=torch.uint8)
    turned = {
        border: Augmentation(rotate=90, shift=0.3, border=border).apply(x, torch.arange(50), 0, 0)
        for border in ("black", "reflect", "edge")
    }
    assert int((turned["black"] == 0).sum()) > 1000
    assert bool((turned["reflect"] == 200).all())
    assert bool((turned["edge"] == 200).all())
    ramp = torch.arange(21.0).expand(200, 1, 21, 21) * 10  # mirrored, it never leaves its range nor stays level
    mirrored = Augmentation(shift=0.3, rotate=0.001, border="reflect").apply(ramp, torch.arange(200), 0, 0)[:, 0, 10]
    step = mirrored.diff(dim=1).abs()
    assert float(step.median()) == pytest.approx(10, abs=0.1)
    assert int((step < 9).sum(1).max()) <= 2  # the turning point alone


def test_crop_shows_a_window_of_the_image_and_no_black() -> None:
    x = torch.arange(64.0).expand(400, 1, 64, 64) + 1  # the value says the column
    y = Augmentation(crop=0.25).apply(x, torch.arange(400), 0, 0)[:, 0]
    inner = y[:, 2:-2, 2:-2]
    width = inner[:, 0, -1] - inner[:, 0, 0]  # 59 columns at scale 1, half of that at an area of 1/4
    assert float(width.min()) == pytest.approx(59 / 2, abs=1.5)
    assert float(width.max()) == pytest.approx(59, abs=1.5)
    assert float(inner.min()) >= 1


def test_crop_with_aspect_keeps_the_area_and_draws_the_shape_evenly_in_its_logarithm() -> None:
    side = torch.arange(64.0)
    x = torch.stack([side.expand(64, 64), side[:, None].expand(64, 64)]) + 1  # the values say column and row
    x = torch.cat([x, x[:1]]).expand(2000, 3, 64, 64)
    y = Augmentation(crop=0.2, aspect=2.0).apply(x, torch.arange(2000), 0, 0)[:, :, 8:-8, 8:-8]
    width, height = (y[:, 0, 0, -1] - y[:, 0, 0, 0]) / 47, (y[:, 1, -1, 0] - y[:, 1, 0, 0]) / 47
    area, ratio = width * height, (width / height).log()
    assert float(area.min()) == pytest.approx(0.2, abs=0.01)
    assert float(area.mean()) == pytest.approx(0.6, abs=0.02)
    assert float(width.max()) <= 1.001
    assert float(height.max()) <= 1.001
    small = ratio[area < 0.45]  # where every shape fits
    assert float(small.abs().max()) == pytest.approx(np.log(2), abs=0.02)
    assert float(small.mean()) == pytest.approx(0, abs=0.05)
    assert float(small.std()) == pytest.approx(np.log(4) / np.sqrt(12), abs=0.03)  # the spread of an even law
    assert float(y.min()) >= 1


def test_brightness_multiplies_every_pixel_by_one_factor() -> None:
    x = torch.rand(2000, 3, 4, 4) * 100 + 20
    factor = Augmentation(brightness=0.4).apply(x, torch.arange(2000), 0, 0) / x
    one = factor[:, :1, :1, :1]
    torch.testing.assert_close(factor, one.expand_as(factor))
    assert float(one.min()) == pytest.approx(0.6, abs=0.01)
    assert float(one.max()) == pytest.approx(1.4, abs=0.01)
    assert float(one.mean()) == pytest.approx(1, abs=0.02)


GREY = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)


def grey(x: torch.Tensor) -> torch.Tensor:
    return (x * GREY).sum(1, keepdim=True) if x.shape[1] == 3 else x


@pytest.mark.parametrize("C", [1, 3])
def test_contrast_spreads_about_the_mean_grey(C: int) -> None:
    x = torch.rand(1000, C, 5, 7) * 80 + 80
    y = Augmentation(contrast=0.5).apply(x, torch.arange(1000), 0, 0)
    mean = grey(x).mean((2, 3), keepdim=True)
    torch.testing.assert_close(grey(y).mean((2, 3), keepdim=True), mean, rtol=1e-4, atol=0)
    factor = (y - mean) / (x - mean)
    one = factor.flatten(1).median(1).values
    torch.testing.assert_close(y, mean + one[:, None, None, None] * (x - mean), rtol=1e-3, atol=0.05)
    assert float(one.min()) == pytest.approx(0.5, abs=0.02)
    assert float(one.max()) == pytest.approx(1.5, abs=0.02)


def test_saturation_keeps_each_pixels_grey_and_spreads_its_colour() -> None:
    x = torch.rand(1000, 3, 5, 7) * 80 + 80
    y = Augmentation(saturation=0.5).apply(x, torch.arange(1000), 0, 0)
    torch.testing.assert_close(grey(y), grey(x), rtol=1e-4, atol=0)
    factor = ((y - grey(y)) / (x - grey(x))).flatten(1).median(1).values
    torch.testing.assert_close(y - grey(y), factor[:, None, None, None] * (x - grey(x)), rtol=1e-2, atol=0.05)
    assert float(factor.min()) == pytest.approx(0.5, abs=0.02)
    assert float(factor.max()) == pytest.approx(1.5, abs=0.02)


def test_hue_turns_colours_about_the_grey_axis_by_no_more_than_asked() -> None:
    x = torch.rand(1000, 3, 5, 7) * 50 + 100
    y = Augmentation(hue=60).apply(x, torch.arange(1000), 0, 0)
    torch.testing.assert_close(y.mean(1), x.mean(1), rtol=1e-4, atol=0)
    a, b = x - x.mean(1, keepdim=True), y - y.mean(1, keepdim=True)
    torch.testing.assert_close(a.norm(dim=1), b.norm(dim=1), rtol=1e-3, atol=1e-3)
    axis = torch.ones(3, 1, 1) / 3**0.5
    angle = torch.atan2((torch.linalg.cross(a, b, dim=1) * axis).sum(1), (a * b).sum(1)).rad2deg().flatten(1)
    assert float(angle.std(1).max()) < 0.5  # one angle an image
    assert float(angle.median(1).values.min()) == pytest.approx(-60, abs=1)
    assert float(angle.median(1).values.max()) == pytest.approx(60, abs=1)


def test_a_turn_by_a_third_of_the_circle_makes_red_green() -> None:
    x = torch.zeros(4000, 3, 1, 1)
    x[:, 0] = 90
    y = Augmentation(hue=180).apply(x, torch.arange(4000), 0, 0)[:, :, 0, 0]
    assert float((y - torch.tensor([0.0, 90.0, 0.0])).norm(dim=1).min()) < 1
    assert float((y - torch.tensor([0.0, 0.0, 90.0])).norm(dim=1).min()) < 1


def test_colours_together_are_the_four_one_after_the_other_clipped_and_rounded_once() -> None:
    x, index = images(64, 3, 9, 9), torch.arange(64)
    knobs = {"brightness": 0.3, "contrast": 0.3, "saturation": 0.3, "hue": 30.0}
    y = Augmentation(**knobs).apply(x, index, 3, 4)  # type: ignore[arg-type]
    inside = x.float() / 16 + 100  # values that no step clips
    for name, value in knobs.items():
        inside = Augmentation(**{name: value}).apply(inside, index, 3, 4)  # type: ignore[arg-type]
    together = Augmentation(**knobs).apply(x.float() / 16 + 100, index, 3, 4)  # type: ignore[arg-type]
    torch.testing.assert_close(together, inside, rtol=1e-3, atol=0.05)
    exact = Augmentation(**knobs).apply(x.float(), index, 3, 4)  # type: ignore[arg-type]
    assert float(exact.min()) == 0
    assert float(exact.max()) == 255
    assert int((exact.round() - y.float()).abs().max()) <= 1  # the mean of whole numbers against that of their parts
    assert float((exact.round() != y).float().mean()) < 0.01


def test_grey_images_have_no_colours_to_change() -> None:
    with pytest.raises(RecipeError, match=r"saturation 0\.2 and hue 10 was asked, and the images are grey"):
        Augmentation(saturation=0.2, hue=10).apply(images(C=1), torch.arange(12), 0, 0)
    Augmentation(brightness=0.2, contrast=0.2).apply(images(C=1), torch.arange(12), 0, 0)


def test_mask_blackens_one_box_of_the_asked_area() -> None:
    x = torch.full((300, 3, 20, 40), 7, dtype=torch.uint8)
    y = Augmentation(mask=0.25).apply(x, torch.arange(300), 0, 0)
    assert set((y == 0).sum((2, 3)).flatten().tolist()) == {10 * 20}
    rows, columns = (y[:, 0] == 0).any(2), (y[:, 0] == 0).any(1)
    assert set(rows.sum(1).tolist()) == {10}
    assert set(columns.sum(1).tolist()) == {20}
    assert set(rows.int().argmax(1).tolist()) == set(range(11))  # every place, wholly inside


def test_a_knob_leaves_the_draws_of_the_others_alone() -> None:
    x, index = images(40, 1), torch.arange(40)
    alone = Augmentation(flip=True, brightness=0.3).apply(x, index, 5, 5)
    masked = Augmentation(flip=True, brightness=0.3, mask=0.1).apply(x, index, 5, 5)
    assert torch.equal(torch.where(masked == 0, 0, alone), masked)


@pytest.mark.parametrize(
    "knob",
    [
        {"rotate": -1}, {"rotate": 181}, {"shift": 1.5}, {"crop": 0}, {"crop": 1.1}, {"mask": 1}, {"aspect": 0.5},
        {"mask": float("nan")}, {"brightness": 1.5}, {"contrast": -0.1}, {"saturation": 2}, {"hue": 181},
        {"border": "white"},
    ],
)  # fmt: skip
def test_a_knob_out_of_bounds_is_named(knob: dict) -> None:
    with pytest.raises(RecipeError, match=next(iter(knob))):
        Augmentation(**knob)
