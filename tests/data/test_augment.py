import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convoscope.data.augment import Augmentation, _Draws
from convoscope.errors import RecipeError

EVERYTHING = Augmentation(rotate=25, shift=0.2, flip=True, crop=0.5, mask=0.1)


def images(N: int = 12, C: int = 3, H: int = 17, W: int = 23, dtype: torch.dtype = torch.uint8) -> torch.Tensor:
    pixels = torch.randint(0, 256, (N, C, H, W), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return pixels if dtype == torch.uint8 else pixels.to(dtype)


@settings(max_examples=40, deadline=None)
@given(
    start=st.integers(0, 30),
    stop=st.integers(1, 32),
    seed=st.integers(-(2**63), 2**63),
    epoch=st.integers(0, 10**6),
    dtype=st.sampled_from([torch.uint8, torch.float32]),
)
def test_an_image_is_changed_the_same_in_every_batch(
    start: int, stop: int, seed: int, epoch: int, dtype: torch.dtype
) -> None:
    x, index = images(32, dtype=dtype), torch.arange(32) * 977
    part = slice(min(start, stop), max(start, stop))
    whole = EVERYTHING.apply(x, index, seed, epoch)
    assert torch.equal(EVERYTHING.apply(x[part], index[part], seed, epoch), whole[part])
    order = torch.randperm(32, generator=torch.Generator().manual_seed(start))
    assert torch.equal(EVERYTHING.apply(x[order], index[order], seed, epoch), whole[order])


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


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("C", [1, 3])
def test_shape_and_dtype_stay_and_the_input_is_not_written(dtype: torch.dtype, C: int) -> None:
    x = images(C=C, dtype=dtype)
    before = x.clone()
    y = EVERYTHING.apply(x, torch.arange(12), 0, 0)
    assert (y.shape, y.dtype) == (x.shape, x.dtype)
    assert torch.equal(x, before)


def test_flip_mirrors_about_half_and_nothing_else() -> None:
    x = images(1000, 1, 3, 4)
    y = Augmentation(flip=True).apply(x, torch.arange(1000), 0, 0)
    mirrored = (y == x.flip(-1)).flatten(1).all(1)
    same = (y == x).flatten(1).all(1)
    assert bool((mirrored ^ same).all())
    assert 440 < int(mirrored.sum()) < 560


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


def test_crop_shows_a_window_of_the_image_and_no_black() -> None:
    x = torch.arange(64.0).expand(400, 1, 64, 64) + 1  # the value says the column
    y = Augmentation(crop=0.25).apply(x, torch.arange(400), 0, 0)[:, 0]
    inner = y[:, 2:-2, 2:-2]
    width = inner[:, 0, -1] - inner[:, 0, 0]  # 59 columns at scale 1, half of that at an area of 1/4
    assert float(width.min()) == pytest.approx(59 / 2, abs=1.5)
    assert float(width.max()) == pytest.approx(59, abs=1.5)
    assert float(inner.min()) >= 1


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
    alone = Augmentation(flip=True).apply(x, index, 5, 5)
    masked = Augmentation(flip=True, mask=0.1).apply(x, index, 5, 5)
    assert torch.equal(torch.where(masked == 0, 0, alone), masked)


def test_draws_are_even_and_uncorrelated() -> None:
    draws = _Draws(0, 0, np.arange(20000, dtype=np.uint64))
    a, b = draws.uniform(0), draws.uniform(1)
    assert a.min() >= 0
    assert a.max() < 1
    assert np.histogram(a, 20, (0, 1))[0].min() > 850
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.03
    assert abs(np.corrcoef(a[1:], a[:-1])[0, 1]) < 0.03
    assert abs(np.corrcoef(a, _Draws(0, 1, np.arange(20000, dtype=np.uint64)).uniform(0))[0, 1]) < 0.03


def test_draws_never_change_between_versions() -> None:
    assert _Draws(1, 2, np.array([3], np.uint64)).uniform(4)[0] == 0.8334472949893438


@pytest.mark.parametrize(
    "knob",
    [{"rotate": -1}, {"rotate": 181}, {"shift": 1.5}, {"crop": 0}, {"crop": 1.1}, {"mask": 1}, {"mask": float("nan")}],
)
def test_a_knob_out_of_bounds_is_named(knob: dict[str, float]) -> None:
    with pytest.raises(RecipeError, match=next(iter(knob))):
        Augmentation(**knob)  # type: ignore[arg-type]
