"""Answers image by image: kept at a run's end, judged where they are missing, and picked."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from conftest import bars, write_idx
from convoscope import lab
from convoscope.errors import DataError, InputError, RunError
from convoscope.lab.answers import Answer, count, pick
from convoscope.runs import store
from convoscope.runs.answers import Answers, read_answers, write_answers
from convoscope.train.metrics import Evaluation

KNOBS = {"model": "mlp", "epochs": 1, "batch_size": 30, "device": "cpu", "lr": 1e-4, "threads": 1, "shards": 1}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run on data with a test part, in runs/, and those data, in data/."""
    (tmp_path / "data").mkdir()
    write_idx(tmp_path / "data", "train", bars(100, 1))
    write_idx(tmp_path / "data", "t10k", bars(41, 2))
    recipe = lab.make_recipe({**KNOBS, "data": str(tmp_path / "data")})
    for event in lab.train(recipe, runs=tmp_path / "runs"):
        if type(event).__name__ == "Finished":
            break  # without the graph
    return tmp_path


def same(one: Answers, other: Answers) -> bool:
    return all(np.array_equal(value, getattr(other, name)) for name, value in vars(one).items())


def test_they_are_the_evaluation_image_by_image(folder: Path) -> None:
    kept = lab.answers("latest", runs=folder / "runs")
    judged = lab.evaluate("latest", runs=folder / "runs")
    assert (kept.split, kept.n, kept.class_names) == ("test", 41, ("0", "1", "2", "3"))
    assert np.array_equal(kept.labels, bars(41, 2).labels)
    assert float((kept.labels == kept.predicted).mean()) == judged["accuracy"] < 1
    assert float(kept.losses.mean(dtype=np.float64)) == judged["loss"]
    assert count(kept, wrong=True) == round(41 * (1 - judged["accuracy"]))
    for truth, row in enumerate(judged["confusion"]):
        for predicted, n in enumerate(row):
            assert (
                len(pick(kept, truth=truth, predicted=predicted)) == count(kept, truth=truth, predicted=predicted) == n
            )
    hardest = [(row["image"], row["loss"], row["probability"]) for row in judged["hardest"]]
    picked = pick(kept, limit=10)
    assert [(f"test {row.index}", row.loss, row.probability) for row in picked] == hardest
    arrays = load_file(store.find(folder / "runs", "latest").answers_path)
    assert arrays["probabilities"].shape == (41, 4)
    assert [arrays[name].dtype for name in ("labels", "predicted", "losses")] == [np.int64, np.int64, np.float32]


def test_a_run_without_them_is_judged_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = store.find(folder / "runs", "latest")
    kept = lab.answers("latest", runs=folder / "runs")
    content = run.answers_path.read_bytes()
    for damage in (None, b"", content[: len(content) // 2]):
        run.answers_path.unlink()
        if damage is not None:
            run.answers_path.write_bytes(damage)
        assert same(lab.answers(run.name, runs=folder / "runs"), kept)
        assert run.answers_path.read_bytes() == content
    monkeypatch.setattr("convoscope.train.evaluate.evaluate", lambda *_, **__: pytest.fail("judged again"))
    assert same(lab.answers(run.name, runs=folder / "runs"), kept)


def test_other_images_are_no_answer(folder: Path) -> None:
    run = store.find(folder / "runs", "latest")
    run.answers_path.unlink()
    write_idx(folder / "data", "t10k", bars(41, 3))
    with pytest.raises(DataError, match="fingerprint"):
        lab.answers("latest", runs=folder / "runs")
    run.weights_path.unlink()
    with pytest.raises(RunError, match="no final weights"):
        lab.answers("latest", runs=folder / "runs")


def evaluation() -> Evaluation:
    probabilities = np.array([[0.9, 0.1, 0], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7], [0, 1, 0]], np.float32)
    losses = np.array([0.1, 2, 2, np.nan], np.float32)
    return Evaluation("validation", ("a", "b", "c"), np.array([0, 2, 0, 1]), probabilities, losses)


def test_too_many_probabilities_are_left_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = store.find(folder / "runs", "latest")
    write_answers(run, evaluation())
    whole = read_answers(run)
    monkeypatch.setattr("convoscope.runs.answers._MOST_PROBABILITIES", 11)
    write_answers(run, evaluation())
    assert "probabilities" not in load_file(run.answers_path)
    for name, value in vars(read_answers(run)).items():
        assert np.array_equal(value, getattr(whole, name), equal_nan=name == "losses")
    assert whole.probability.tolist() == pytest.approx([0.9, 0.5, 0.7, 1])
    assert whole.split == "validation"


def test_answers_of_other_classes_are_damage(folder: Path) -> None:
    run = store.find(folder / "runs", "latest")
    write_answers(run, dataclasses.replace(evaluation(), labels=np.array([0, 2, 0, 9])))
    with pytest.raises(RunError, match="do not fit"):
        read_answers(run)


def test_picking() -> None:
    judged = evaluation()
    few = Answers("test", judged.class_names, judged.labels, judged.predicted, judged.losses,
                  judged.probabilities.max(axis=1))  # fmt: skip

    def picked(**what: object) -> list[int]:
        return [row.index for row in pick(few, **what)]  # type: ignore[arg-type]

    assert picked() == [1, 2, 0, 3]  # equals in their own order, what is no number last
    assert picked(order="index") == [0, 1, 2, 3]
    assert picked(order="confidence") == [3, 0, 2, 1]
    assert picked(wrong=True, order="index") == [1, 2]
    assert picked(truth=0, order="index") == [0, 2]
    assert picked(truth=0, predicted=2) == [2]
    assert picked(truth=2, predicted=2) == picked(truth=7) == []
    assert picked(offset=1, limit=2) == [2, 0]
    assert picked(offset=9) == picked(limit=0) == []
    assert pick(few, predicted=2) == [Answer(2, 0, 2, pytest.approx(0.7), 2.0)]
    assert (count(few), count(few, wrong=True)) == (4, 2)
    for wrong in ({"order": "size"}, {"offset": -1}, {"limit": -1}):
        with pytest.raises(InputError, match="loss, index, confidence"):
            picked(**wrong)
