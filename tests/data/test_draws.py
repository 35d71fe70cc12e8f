from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convoscope.data.draws import Draws


def draws(n: int, epoch: int = 0) -> Draws:
    return Draws(0, epoch, np.arange(n, dtype=np.uint64))


def test_draws_are_even_and_uncorrelated() -> None:
    a, b = draws(20000).uniform(0), draws(20000).uniform(1)
    assert a.min() >= 0
    assert a.max() < 1
    assert np.histogram(a, 20, (0, 1))[0].min() > 850
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.03
    assert abs(np.corrcoef(a[1:], a[:-1])[0, 1]) < 0.03
    assert abs(np.corrcoef(a, draws(20000, epoch=1).uniform(0))[0, 1]) < 0.03


def test_draws_never_change_between_versions() -> None:
    assert Draws(1, 2, np.array([3], np.uint64)).uniform(4)[0] == 0.8334472949893438


def test_whole_numbers_below_a_bound_are_even() -> None:
    counts = np.bincount(draws(30000).below(3, 7), minlength=7)
    assert len(counts) == 7
    assert counts.min() > 4000
    each = draws(30000).below(3, np.arange(30000) % 5 + 1)
    assert (each <= np.arange(30000) % 5).all()


@pytest.mark.parametrize("a", [0.01, 0.2, 0.5, 0.51, 0.8, 1.0, 2.0, 10.0])
def test_shares_follow_the_beta_law(a: float) -> None:
    n = 20000
    # Rounded: so near to 0 and 1 as most lie for a small a, the last digits are those of the way of computing.
    ours = np.sort(draws(n).symmetric_beta(a)).round(9)
    theirs = np.sort(np.random.default_rng(1).beta(a, a, n)).round(9)
    assert ours[0] >= 0
    assert ours[-1] <= 1
    assert not np.isnan(ours).any()
    # Kolmogorov and Smirnov: two samples of one law differ by more than this once in a thousand times.
    at = np.concatenate([ours, theirs])
    gap = np.abs(np.searchsorted(ours, at, "right") - np.searchsorted(theirs, at, "right")).max() / n
    assert gap < 1.95 * np.sqrt(2 / n)
    assert ours.var() == pytest.approx(1 / (4 * (2 * a + 1)), rel=0.05)


@given(st.integers(0, 60), st.integers(1, 64), st.sampled_from([0.1, 0.5, 1.0, 3.0]))
def test_a_share_does_not_hang_on_the_batch(start: int, stop: int, a: float) -> None:
    index = np.arange(64, dtype=np.uint64) * 13
    part = slice(min(start, stop), max(start, stop))
    whole = Draws(5, 6, index).symmetric_beta(a)
    assert np.array_equal(Draws(5, 6, index[part]).symmetric_beta(a), whole[part])
