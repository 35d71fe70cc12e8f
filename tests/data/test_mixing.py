from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from convoscope.data.draws import Draws
from convoscope.data.mixing import Mixing
from convoscope.errors import RecipeError


def draws(n: int, seed: int = 0) -> Draws:
    return Draws(seed, 0, np.arange(n, dtype=np.uint64) * 7)


def pair(n: int, H: int = 12, W: int = 20) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randint(0, 256, (2, n, 3, H, W), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    return x[0], x[1]


def test_mixup_lays_one_over_the_other_by_its_share() -> None:
    x, other = pair(500)
    mixed, share = Mixing(mixup=0.4).mix(x, other, draws(500))
    part = share.double()[:, None, None, None]
    torch.testing.assert_close(mixed.double(), part * x + (1 - part) * other, rtol=1e-6, atol=1e-4)
    assert float(share.double().var()) == pytest.approx(1 / (4 * 1.8), rel=0.1)  # Beta(0.4, 0.4)


def test_cutmix_takes_a_box_and_counts_it() -> None:
    x, other = pair(2000)
    mixed, share = Mixing(cutmix=1.0).mix(x, other, draws(2000))
    assert mixed.dtype == torch.uint8
    taken = (mixed != x).any(1)  # (N, H, W); a pixel of the box is that of the other, and all but surely another
    assert bool(((mixed == other).all(1) | ~taken).all())
    rows, columns = taken.any(2).sum(1), taken.any(1).sum(1)
    assert torch.equal(rows * columns, taken.sum((1, 2)))  # one box
    torch.testing.assert_close(1 - taken.double().mean((1, 2)), share.double(), rtol=0, atol=1e-6)
    assert 0.55 < float(share.mean()) < 0.75  # half, and what was cut off at the border
    middle = taken.double().mean(0)
    assert float(middle[6, 10]) > float(middle[0, 0]) > 0.1  # anywhere, up to the corners


def test_both_take_one_of_the_two_by_chance() -> None:
    x, other = pair(400)
    mixed, share = Mixing(mixup=1.0, cutmix=1.0).mix(x, other, draws(400))
    boxed = ((mixed == x) | (mixed == other)).flatten(1).all(1)
    assert 150 < int(boxed.sum()) < 250
    alone, share_alone = Mixing(mixup=1.0).mix(x, other, draws(400))
    assert torch.equal(mixed[~boxed], alone[~boxed])
    assert torch.equal(share[~boxed], share_alone[~boxed])
    cut, share_cut = Mixing(cutmix=1.0).mix(x, other, draws(400))
    assert torch.equal(mixed[boxed], cut[boxed].float())
    assert torch.equal(share[boxed], share_cut[boxed])


@given(
    st.sampled_from([Mixing(mixup=0.2), Mixing(cutmix=0.7), Mixing(mixup=2.0, cutmix=1.0)]),
    st.integers(0, 30), st.integers(1, 32),
)  # fmt: skip
def test_an_image_is_mixed_the_same_in_every_batch(mixing: Mixing, start: int, stop: int) -> None:
    x, other = pair(32, 7, 5)
    index = np.arange(32, dtype=np.uint64)
    whole, shares = mixing.mix(x, other, Draws(1, 2, index))
    part = slice(min(start, stop), max(start, stop))
    if part.start < part.stop:
        mixed, share = mixing.mix(x[part], other[part], Draws(1, 2, index[part]))
        assert torch.equal(mixed.float(), whole[part].float())
        assert torch.equal(share, shares[part])


def test_work_in_blocks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x, other = pair(32)
    whole, _ = Mixing(1.0, 1.0).mix(x, other, draws(32))
    for block in (1, 4000):
        monkeypatch.setattr("convoscope.data.mixing._BLOCK", block)
        assert torch.equal(Mixing(1.0, 1.0).mix(x, other, draws(32))[0], whole)


def test_the_inputs_are_not_written() -> None:
    x, other = pair(9)
    before = x.clone(), other.clone()
    for mixing in (Mixing(mixup=1.0), Mixing(cutmix=1.0), Mixing(1.0, 1.0)):
        mixing.mix(x, other, draws(9))
    assert torch.equal(x, before[0])
    assert torch.equal(other, before[1])


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_a_share_out_of_bounds_is_named(name: str, value: float) -> None:
    with pytest.raises(RecipeError, match=name):
        Mixing(**{name: value})
