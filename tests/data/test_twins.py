import io
import time

import numpy as np
import pytest
from bad_files import scene
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from convoscope.data import twins
from convoscope.data.twins import SIDE, grouped, groups_of_twins, shrink, signs_of


def small(image: Image.Image) -> NDArray[np.uint8]:
    return shrink(np.asarray(image.convert("RGB")).transpose(2, 0, 1)[None])[0]


def again(image: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(stream)


CHANGES = {
    "half the size": lambda image: image.resize((48, 48)),
    "twice the size": lambda image: image.resize((192, 192)),
    "another shape": lambda image: image.resize((120, 80)),
    "compressed": lambda image: again(image, 30),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.85),
    "flatter": lambda image: ImageEnhance.Contrast(image).enhance(0.85),
    "all of it": lambda image: again(ImageEnhance.Brightness(image.resize((64, 64))).enhance(0.92), 60),
}


@pytest.fixture(scope="module")
def scenes() -> NDArray[np.uint8]:
    return np.stack([small(scene(seed)) for seed in range(200)])


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found_and_no_stranger_is(change: str, scenes: NDArray[np.uint8]) -> None:
    copies = np.stack([small(CHANGES[change](scene(seed))) for seed in range(0, 200, 5)])
    groups = [tuple(group) for group in groups_of_twins(np.concatenate([scenes, copies]))]
    assert groups == [(5 * n, 200 + n) for n in range(40)]


def test_strangers_are_strangers(scenes: NDArray[np.uint8]) -> None:
    assert groups_of_twins(scenes) == []


def test_mirrored_turned_and_recoloured_pictures_are_other_pictures() -> None:
    image = scene(1)
    red, green, blue = image.split()
    others = [
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        image.rotate(90),
        Image.merge("RGB", (blue, red, green)),
    ]
    assert groups_of_twins(np.stack([small(one) for one in (image, *others)])) == []


def test_blank_pictures_are_not_alike_by_looks() -> None:
    """A hash of nothing is noise; equal files and equal pixels are found otherwise."""
    blank = np.full((6, SIDE, SIDE, 3), 250, np.uint8)
    blank[::2, 3, 3] = 249
    assert groups_of_twins(blank) == []


def test_copies_of_copies_are_one_group_with_its_least_first(scenes: NDArray[np.uint8]) -> None:
    groups = groups_of_twins(np.concatenate([scenes[:3], scenes[:1], scenes[2:], scenes[:1]]))
    assert [0, 3, len(scenes) + 2] in [group.tolist() for group in groups]
    assert all((np.diff(group) > 0).all() for group in groups)
    assert [group[0] for group in groups] == sorted(group[0] for group in groups)


def test_where_all_are_alike_only_the_nearest_are_twins() -> None:
    """Drawings of one kind, which differ in little: a copy among them is found, and they are not all called copies."""
    generator = np.random.default_rng(0)
    base = np.zeros((300, SIDE, SIDE, 3), np.uint8)
    base[:, 3:13, 7:9] = 220
    for i in range(300):
        base[i, 3:13, 5:11] = np.clip(base[i, 3:13, 5:11] + generator.integers(-60, 60, (10, 6, 1)), 0, 255)
    base[299] = np.clip(base[17].astype(int) + generator.integers(-2, 3, base[17].shape), 0, 255)
    groups = groups_of_twins(base)
    assert [17, 299] in [group.tolist() for group in groups]
    assert sum(map(len, groups)) < 20


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_images_are_no_trouble(n: int, scenes: NDArray[np.uint8]) -> None:
    assert [group.tolist() for group in groups_of_twins(np.repeat(scenes[:1], n, 0))] == ([[0, 1]] if n == 2 else [])


def test_twenty_thousand_images_take_seconds_and_a_flood_of_equal_ones_too() -> None:
    """Everything compared with everything would be 200 million pairs."""
    generator = np.random.default_rng(1)
    coarse = generator.integers(0, 256, (20_000, 5, 5, 3)).astype(np.uint8)
    many = coarse.repeat(4, 1).repeat(4, 2)[:, :SIDE, :SIDE]
    many[10_000:] = many[:1]
    many[10_000:, 0, 0, 0] = np.arange(10_000) % 7
    started = time.process_time()
    groups = groups_of_twins(many)
    assert time.process_time() - started < 30
    assert [len(group) for group in groups] == [10_001]


def test_grey_images_are_shrunk_as_the_same_image_in_colour_is() -> None:
    grey = np.random.default_rng(2).integers(0, 256, (3, 1, 40, 60)).astype(np.uint8)
    np.testing.assert_array_equal(shrink(grey), shrink(np.repeat(grey, 3, 1)))
    assert shrink(np.full((1, 3, 5, 7), 9, np.uint8)).tolist() == np.full((1, SIDE, SIDE, 3), 9).tolist()


def test_bits_are_counted_with_an_old_numpy_too(monkeypatch: pytest.MonkeyPatch, scenes: NDArray[np.uint8]) -> None:
    words = np.packbits(signs_of(scenes), axis=1).view(">u8").ravel().astype(np.uint64)
    expected = [int(word).bit_count() for word in words.tolist()]
    assert twins.n_bits(words).tolist() == expected
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    assert twins.n_bits(words).tolist() == expected


def test_grouping_by_key() -> None:
    assert [group.tolist() for group in grouped(np.array([4, 1, 4, 2, 1, 4]))] == [[0, 2, 5], [1, 4]]
