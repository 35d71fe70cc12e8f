import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convoscope import data
from convoscope.data import DATASETS, describe, open_data
from convoscope.data.dataset import Dataset
from convoscope.data.division import Division, divide, stratified_part
from convoscope.errors import BrokenImage, DataError, RecipeError, UnknownName


def folder_of(root: Path, n: int = 10, classes: tuple[str, ...] = ("cat", "dog")) -> Path:
    generator = np.random.default_rng(len(str(root)))
    for name in classes:
        (root / name).mkdir(parents=True)
        for i in range(n):
            Image.fromarray(generator.integers(0, 256, (6, 6, 3), np.uint8)).save(root / name / f"{i}.png")
    return root


def test_the_face_has_all_it_names_and_loads_nothing_early() -> None:
    assert all(getattr(data, name) is not None for name in data.__all__)
    assert set(data.__all__) <= set(dir(data))
    code = "import sys, convoscope.data; print([m for m in ('numpy', 'PIL', 'torch') if m in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
    code = (
        "import sys, convoscope.data as d; d.open_data; d.get; print([m for m in ('PIL', 'torch') if m in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_mnist_opens_fast_and_whole() -> None:
    seconds = []
    for _ in range(3):
        start = time.process_time()
        opened = open_data("mnist")
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.4
    splits = opened.splits
    assert splits.test is not None
    assert len(splits.train) + len(splits.validation) == 60000
    assert len(splits.test) == 10000
    assert opened.findings == ()
    assert (opened.policy.channels, opened.policy.height, opened.policy.width) == (1, 28, 28)


def test_a_folder_is_split_by_class_and_seed(tmp_path: Path) -> None:
    folder_of(tmp_path)
    opened = open_data(tmp_path, validation=0.2, seed=1)
    assert opened.splits.train.class_counts().tolist() == [8, 8]
    assert opened.splits.validation.class_counts().tolist() == [2, 2]
    assert open_data(tmp_path, validation=0.2, seed=1).fingerprint == opened.fingerprint
    assert open_data(tmp_path, validation=0.2, seed=2).fingerprint != opened.fingerprint
    assert len(open_data(tmp_path, validation=0).splits.validation) == 0


def test_a_validation_part_of_its_own_is_used(tmp_path: Path) -> None:
    folder_of(tmp_path / "train")
    folder_of(tmp_path / "val", 3, ("dog",))
    opened = open_data(tmp_path)
    assert (len(opened.splits.train), len(opened.splits.validation)) == (20, 3)
    assert [finding.name for finding in opened.findings] == ["class-missing"]
    assert len(open_data(tmp_path, validation=0.5, strict=False).splits.validation) == 3  # as runs of old were begun
    for asked in ({"validation": 0.5}, {"folds": 5}):
        with pytest.raises(RecipeError, match="has a validation part of its own"):
            open_data(tmp_path, **asked)
    assert len(open_data(tmp_path, test=0.2).splits.test or ()) == 4


@pytest.mark.parametrize("asked", [{"test": 0.2}, {"test": 0.2, "folds": 3}])
def test_a_test_part_is_not_cut_where_there_is_one(asked: dict[str, float]) -> None:
    with pytest.raises(RecipeError, match="mnist has a test part of its own"):
        open_data("mnist", **asked)


@pytest.mark.parametrize("memory", ["memory", "mapped"])
def test_the_held_out_part_is_of_what_can_be_read(memory: str, tmp_path: Path) -> None:
    """As it was in runs that were begun when images were divided after they had been decoded."""
    folder_of(tmp_path)
    (tmp_path / "cat" / "3.png").write_text("no")
    (tmp_path / "dog" / "00.png").write_text("no")
    opened = open_data(tmp_path, validation=0.25, seed=2, broken="quarantine", memory=memory)
    labels = np.repeat([0, 1], [9, 10]).astype(np.int64)
    names = [f"cat/{i}.png" for i in range(10) if i != 3] + [f"dog/{i}.png" for i in range(10)]
    assert opened.splits.validation.names == tuple(names[i] for i in stratified_part(labels, 0.25, 2))
    whole = open_data(tmp_path, validation=0, broken="quarantine").splits.train
    pixels = dict(zip(whole.names, np.asarray(whole.images), strict=True))
    for part in (opened.splits.train, opened.splits.validation):
        for name, image, label in zip(part.names, np.asarray(part.images), part.labels, strict=True):
            np.testing.assert_array_equal(image, pixels[name])
            assert part.class_names[label] == name[:3]


def test_whatever_is_numbered_or_text_is_divided_too(tmp_path: Path) -> None:
    opened = open_data("mnist", folds=5, fold=2)
    assert (len(opened.splits.train), len(opened.splits.validation)) == (48_000, 12_000)
    counts = opened.splits.validation.class_counts() / (opened.splits.train.class_counts() / 4)
    np.testing.assert_allclose(counts, 1, atol=1e-3)
    with pytest.raises(RecipeError, match="the images of mnist are numbered, not named"):
        open_data("mnist", group="x")
    for label in ("good", "bad"):
        (tmp_path / label).mkdir()
        for i in range(12):
            (tmp_path / label / f"ann{i // 3}_{i}.txt").write_text(f"a {label} film of {i}")
    texts = open_data(tmp_path, test=0.25, group=r"/(\w+)_")
    assert texts.splits.test is not None
    assert not set(texts.groups["test"]) & {*texts.groups["train"], *texts.groups["validation"]}
    assert sum(len(part) for part in texts.splits.parts().values()) == 24


def test_broken_files_stop_or_are_found(tmp_path: Path) -> None:
    folder_of(tmp_path)
    (tmp_path / "cat" / "bad.jpg").write_text("no")
    with pytest.raises(BrokenImage, match=r"cat/bad\.jpg"):
        open_data(tmp_path)
    findings = open_data(tmp_path, broken="quarantine").findings
    assert findings[0].name == "image-broken"


@pytest.mark.parametrize("validation", [-0.1, 1.0, float("nan")])
def test_a_validation_part_out_of_bounds_is_refused(validation: float) -> None:
    with pytest.raises(RecipeError, match="0 to below 1"):
        open_data("mnist", validation=validation)


def test_what_is_neither_a_name_nor_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownName, match=r"Did you mean mnist.*Nor is there a folder"):
        open_data("minst")
    with pytest.raises(DataError, match="There is no folder"):
        open_data("./mnist")
    (tmp_path / "data.zip").write_text("")
    with pytest.raises(DataError, match="is a file; a dataset is a folder"):
        open_data("data.zip")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="0 folders"):
        open_data("empty")


def test_a_name_goes_before_a_folder_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder_of(tmp_path / "mnist")
    assert open_data("mnist").splits.train.n_classes == 10
    assert open_data("./mnist").splits.train.n_classes == 2


def test_what_is_not_fetched_yet_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVOSCOPE_CACHE", str(tmp_path))
    with pytest.raises(DataError, match="convoscope data get cifar10"):
        open_data("cifar10")


def test_a_fixed_size_is_not_resized() -> None:
    with pytest.raises(DataError, match="only image folders are resized"):
        open_data("mnist", image_size=32)


def test_every_named_dataset_has_one_sentence() -> None:
    assert list(DATASETS) == ["mnist", "fashion-mnist", "cifar10"]
    assert all(entry.description.endswith(".") for entry in DATASETS.values())


def test_a_description_is_json_and_agrees_with_numpy(tmp_path: Path) -> None:
    opened = open_data(folder_of(tmp_path))
    told = json.loads(json.dumps(describe(opened)))
    assert told["shape"] == {"channels": 3, "height": 6, "width": 6}
    assert told["splits"]["train"]["n_per_class"] == [9, 9]
    assert "test" not in told["splits"]
    np.testing.assert_allclose(told["train_mean"], opened.splits.train.images.mean((0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(told["train_deviation"], opened.splits.train.images.std((0, 2, 3)), rtol=1e-12)
    assert told["fingerprint"] == opened.fingerprint


def test_the_held_out_part_is_stratified_and_nothing_is_lost() -> None:
    labels = np.repeat([0, 1, 2, 3], [100, 10, 2, 1]).astype(np.int64)
    part = stratified_part(labels, 0.1, 0)
    assert np.bincount(labels[part], minlength=4).tolist() == [10, 1, 1, 0]
    parts = divide(labels, Division())
    assert parts["validation"].tolist() == part.tolist()
    assert sorted([*parts["train"], *parts["validation"]]) == list(range(113))


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        (np.zeros((2, 1, 2, 2), np.float32), [0, 1], "must be uint8"),
        (np.zeros((2, 2, 2), np.uint8), [0, 1], "must be uint8"),
        (np.zeros((2, 1, 2, 2), np.uint8), [0], "2 images and 1 labels"),
        (np.zeros((2, 1, 2, 2), np.uint8), [0, 2], "image 1 has the label 2"),
        (np.zeros((2, 1, 2, 2), np.uint8), [-1, 0], "image 0 has the label -1"),
    ],
)
def test_a_dataset_that_contradicts_itself_is_refused(images: np.ndarray, labels: list[int], said: str) -> None:
    with pytest.raises(DataError, match=said):
        Dataset(images, np.array(labels, np.int64), ("a", "b"), "here")
