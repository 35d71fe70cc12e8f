import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convoscope.data.bins import fold_of_groups, held_out_groups
from convoscope.data.division import Division, codes_of, divide, fold_of, groups_of, stratified_part
from convoscope.errors import DataError, RecipeError

LABELS = np.repeat([0, 1, 2], [60, 30, 12]).astype(np.int64)


def test_the_validation_part_is_the_one_that_earlier_runs_were_given() -> None:
    """Runs are resumed on the data that they were begun on, so these indices never change."""
    assert stratified_part(np.repeat([0, 1], [10, 5]).astype(np.int64), 0.2, 3).tolist() == [2, 8, 10]
    parts = divide(LABELS, Division(0.2, seed=3))
    assert parts["validation"].tolist() == stratified_part(LABELS, 0.2, 3).tolist()


@pytest.mark.parametrize(
    ("asked", "sizes"),
    [
        ({}, {"train": 92, "validation": 10}),
        ({"validation": 0.0}, {"train": 102, "validation": 0}),
        ({"test": 0.5}, {"train": 45, "validation": 6, "test": 51}),
        ({"folds": 3}, {"train": 68, "validation": 34}),
        ({"folds": 3, "test": 0.5, "fold": 2}, {"train": 34, "validation": 17, "test": 51}),
    ],
)
def test_parts_are_disjoint_together_all_and_each_class_has_its_share(
    asked: dict[str, float], sizes: dict[str, int]
) -> None:
    parts = divide(LABELS, Division(**asked))  # type: ignore[arg-type]
    assert {part: len(index) for part, index in parts.items()} == sizes
    assert sorted(np.concatenate(list(parts.values()))) == list(range(102))
    for index in parts.values():
        counts = np.bincount(LABELS[index], minlength=3)
        np.testing.assert_allclose(counts, len(index) * np.array([60, 30, 12]) / 102, atol=1.01)


def test_folds_are_each_the_validation_part_once_and_equal_in_every_class() -> None:
    held = [divide(LABELS, Division(folds=5, fold=i))["validation"] for i in range(1, 6)]
    assert sorted(np.concatenate(held)) == list(range(102))
    counts = np.array([np.bincount(LABELS[index], minlength=3) for index in held])
    assert (np.ptp(counts, axis=0) <= 1).all()
    assert np.ptp(counts.sum(1)) <= 1
    again = divide(LABELS, Division(folds=5, fold=2))["validation"]
    assert again.tolist() == held[1].tolist()
    assert divide(LABELS, Division(folds=5, fold=2, seed=1))["validation"].tolist() != held[1].tolist()


def test_the_sources_own_parts_are_not_cut_again() -> None:
    assert list(divide(LABELS, Division(test=0.2), own=("test",))) == ["train", "validation"]
    assert len(divide(LABELS, Division(), own=("validation",))["train"]) == 102


def test_folds_that_the_source_has_are_used_or_refused() -> None:
    told = np.tile([1, 2, 3], 34).astype(np.int64)
    parts = divide(LABELS, Division(folds=3, fold=2), folds=told)
    assert parts["validation"].tolist() == list(range(1, 102, 3))
    with pytest.raises(DataError, match=r"4 folds were asked, and the manifest has the folds \[1, 2, 3\]"):
        divide(LABELS, Division(folds=4), folds=told)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"folds": 1}, "2 or more"),
        ({"fold": 2}, "no folds were asked"),
        ({"folds": 3, "fold": 4}, "folds is 3"),
        ({"folds": 3, "validation": 0.3}, "one of them is the validation part"),
        ({"test": 1.0}, "0 to below 1"),
        ({"validation": float("nan")}, "0 to below 1"),
    ],
)
def test_knobs_that_contradict_each_other_are_refused(asked: dict[str, float], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        Division(**asked)  # type: ignore[arg-type]


def test_too_few_examples_or_groups_are_told() -> None:
    with pytest.raises(DataError, match="4 folds were asked, and there are 3"):
        fold_of(np.array([0, 1, 1]), Division(folds=4))
    labels = np.array([0, 0, 1, 1])
    with pytest.raises(DataError, match="3 folds were asked in whole groups, and there are 2"):
        fold_of_groups(labels, np.array([0, 0, 1, 1]), 3, 0)
    with pytest.raises(DataError, match=r"each \(2\) holds all that there is of some class"):
        held_out_groups(labels, np.array([0, 0, 1, 1]), 0.5, 0)


@settings(max_examples=60)
@given(st.data())
def test_no_group_is_ever_cut_and_every_class_is_left_to_learn(data: st.DataObject) -> None:
    n = data.draw(st.integers(2, 80))
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    labels = generator.integers(0, data.draw(st.integers(1, 5)), n)
    codes = generator.integers(0, data.draw(st.integers(2, 20)), n)
    share = data.draw(st.sampled_from([0.05, 0.1, 0.3, 0.5]))
    try:
        held = held_out_groups(labels, codes, share, 1)
    except DataError:
        for code in np.unique(codes):  # none could be held out: each has some class's last examples
            assert set(labels[codes == code]) - set(labels[codes != code])
        return
    rest = np.setdiff1d(np.arange(n), held)
    assert not set(codes[held]) & set(codes[rest])
    assert set(labels[rest]) == set(labels)
    assert held.tolist() == held_out_groups(labels, codes, share, 1).tolist()
    k = len(np.unique(codes))
    folds = fold_of_groups(labels, codes, k, 1)
    assert len(np.unique(folds)) == k  # as many folds as groups: one each


def test_groups_are_dealt_so_that_each_class_has_its_share() -> None:
    generator = np.random.default_rng(0)
    codes = np.repeat(np.arange(200), generator.integers(1, 30, 200))
    labels = np.repeat(generator.integers(0, 4, 200), np.bincount(codes))  # each group is of one class
    held = held_out_groups(labels, codes, 0.2, 0)
    shares = np.bincount(labels[held]) / np.bincount(labels)
    assert np.abs(shares - 0.2).max() < 0.005
    folds = fold_of_groups(labels, codes, 5, 0)
    counts = np.array([np.bincount(labels[folds == fold], minlength=4) for fold in range(5)])
    assert (np.abs(counts / np.bincount(labels) - 0.2).max()) < 0.01


def test_a_class_of_two_groups_is_judged_and_learnt() -> None:
    labels = np.repeat([0, 0, 1, 1], [50, 50, 5, 5])
    codes = np.concatenate([np.arange(50).repeat(2), np.repeat([50, 51], 5)])
    held = held_out_groups(labels, codes, 0.1, 0)
    assert np.bincount(labels[held], minlength=2)[1] == 5


def test_an_example_of_no_group_stands_for_itself() -> None:
    assert codes_of(["a", "", "a", "", "b"]).tolist() == [0, -2, 0, -4, 1]


def test_groups_are_found_in_names() -> None:
    names = ["cat/p12_001.png", "cat/p12_002.png", "dog/p7_001.png"]
    assert groups_of(names, r"p(\d+)_") == ["12", "12", "7"]
    assert groups_of(names, r"p\d+") == ["p12", "p12", "p7"]
    assert groups_of(names, r"(p12)|(p7)") == ["p12", "p12", "p7"]
    with pytest.raises(DataError, match=r"1 of 3 names have no such thing: dog/p7_001\.png"):
        groups_of(names, "cat")
    with pytest.raises(RecipeError, match="neither a column nor a regular expression"):
        groups_of(names, "p(")
