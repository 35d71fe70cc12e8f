import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from convoscope.data.normalise import METHODS, Normalisation, histograms
from convoscope.errors import DataError, UnknownName

IMAGES = hnp.arrays(np.uint8, st.tuples(*(st.integers(1, n) for n in (5, 3, 6, 7))))


@given(images=IMAGES)
def test_histograms_count_every_pixel(images: np.ndarray) -> None:
    expected = [np.bincount(images[:, c].ravel(), minlength=256) for c in range(images.shape[1])]
    np.testing.assert_array_equal(histograms(images), expected)


def test_histograms_over_several_blocks() -> None:
    images = np.random.default_rng(0).integers(0, 256, (300, 3, 61, 67)).astype(np.uint8)
    expected = [np.bincount(images[:, c].ravel(), minlength=256) for c in range(3)]
    np.testing.assert_array_equal(histograms(images), expected)


@given(images=IMAGES, method=st.sampled_from(list(METHODS)))
def test_the_figures_do_what_the_method_promises(images: np.ndarray, method: str) -> None:
    n = Normalisation.fit(method, images)
    x = images.astype(np.float64)
    y = (x - np.reshape(n.offset, (-1, 1, 1))) / np.reshape(n.scale, (-1, 1, 1))
    for c in range(images.shape[1]):
        constant = np.ptp(images[:, c]) == 0
        if method == "z-score":
            assert y[:, c].mean() == pytest.approx(0, abs=1e-12)
            assert y[:, c].std() == pytest.approx(0 if constant else 1, abs=1e-12)
        elif method == "min-max":
            assert (y[:, c].min(), y[:, c].max()) == (0, 0 if constant else 1)
        elif method == "decimal":
            assert y[:, c].max() < 1
            assert n.scale[c] == 1 or x[:, c].max() * 10 / n.scale[c] >= 1  # the smallest power that does
        else:
            np.testing.assert_array_equal(y, x)


def test_z_score_of_two_values_by_hand() -> None:
    images = np.array([1, 3], np.uint8).reshape(2, 1, 1, 1)
    assert Normalisation.fit("z-score", images) == Normalisation("z-score", (2.0,), (1.0,))


def test_imagenets_figures_are_fixed_and_for_three_channels() -> None:
    images = np.full((2, 3, 4, 4), 255, np.uint8)
    n = Normalisation.fit("imagenet", images)
    white = [(1 - mean) / deviation for mean, deviation in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))]
    assert [(255 - offset) / scale for offset, scale in zip(n.offset, n.scale, strict=True)] == pytest.approx(white)
    assert Normalisation.fit("imagenet", images // 2) == n
    with pytest.raises(DataError, match="figures for 3 channels, and the images have 1"):
        Normalisation.fit("imagenet", images[:, :1])
    with pytest.raises(DataError, match="0 training images"):
        Normalisation.fit("imagenet", images[:0])


@pytest.mark.parametrize(("largest", "scale"), [(0, 1), (9, 10), (10, 100), (99, 100), (100, 1000), (255, 1000)])
def test_decimal_scaling_by_hand(largest: int, scale: float) -> None:
    images = np.array([0, largest], np.uint8).reshape(2, 1, 1, 1)
    assert Normalisation.fit("decimal", images).scale == (scale,)


def test_it_survives_json() -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 5, 5)).astype(np.uint8)
    n = Normalisation.fit("z-score", images)
    assert Normalisation.from_dict(json.loads(json.dumps(n.to_dict()))) == n


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"method": "z-score", "offset": [0], "scale": [0]},
        {"method": "z-score", "offset": [0], "scale": [1, 2]},
        {"method": "z-score", "offset": ["x"], "scale": [1]},
        {"method": "z-score", "offset": [float("nan")], "scale": [1]},
    ],
)
def test_a_damaged_record_is_refused(record: dict[str, object]) -> None:
    with pytest.raises(DataError, match="normalisation"):
        Normalisation.from_dict(record)


def test_unknown_methods_and_no_images() -> None:
    with pytest.raises(UnknownName, match="z-score"):
        Normalisation.fit("zscore", np.zeros((1, 1, 1, 1), np.uint8))
    with pytest.raises(DataError, match="0 training images"):
        Normalisation.fit("z-score", np.zeros((0, 1, 2, 2), np.uint8))
