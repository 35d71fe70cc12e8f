"""Labels to look at again: wrong ones come first, of every part; what could not be judged is said."""

from __future__ import annotations

import dataclasses
import json
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import bars, write_idx
from convoscope import lab
from convoscope.data import Dataset
from convoscope.errors import DataError, InputError, RunError
from convoscope.runs import store

KNOBS = {
    "model": "mlp", "model_options": {"hidden": (16,)}, "epochs": 8, "batch_size": 20, "device": "cpu", "lr": 0.01,
    "threads": 1, "shards": 1, "precision": "float32", "memory_format": "contiguous", "validation": 0.2,
}  # fmt: skip
WRONG = (3, 40, 77, 120, 199)  # of the training set as it stands in its file
WRONG_TEST = (0, 33)


def with_wrong(dataset: Dataset, wrong: tuple[int, ...]) -> Dataset:
    labels = dataset.labels.copy()
    for i in wrong:
        labels[i] = (labels[i] + 1) % dataset.n_classes
    return dataclasses.replace(dataset, labels=labels)


def trained(folder: Path, **knobs: Any) -> Path:
    """The folder of runs with one run on data with wrong labels, in data/ beside it; without a report and its graph."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("convoscope.lab.ending.write_report", lambda *_, **__: None)
        return reported(folder, **knobs)


def reported(folder: Path, **knobs: Any) -> Path:
    (folder / "data").mkdir(exist_ok=True)
    write_idx(folder / "data", "train", with_wrong(bars(200, 1), WRONG))
    write_idx(folder / "data", "t10k", with_wrong(bars(60, 2), WRONG_TEST))
    recipe = lab.make_recipe({**KNOBS, "data": str(folder / "data"), **knobs})
    for event in lab.train(recipe, runs=folder / "runs"):
        if type(event).__name__ == "Finished":
            break  # without the graph
    return folder / "runs"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reported(tmp_path_factory.mktemp("suspects"))


def test_wrong_labels_come_first_in_every_part(runs: Path) -> None:
    found = lab.suspects("latest", runs=runs)
    assert found["n_judged"] == {"train": 161, "validation": 39, "test": 60}
    rows = found["suspects"]
    wrong = rows[: len(WRONG) + len(WRONG_TEST)]
    assert {row["index"] for row in wrong if row["split"] == "test"} == set(WRONG_TEST)
    assert sum(row["split"] != "test" for row in wrong) == len(WRONG)
    truth = bars(60, 2).labels
    for row in wrong:
        assert -1 <= row["margin"] < 0
        if row["split"] == "test":
            assert (row["name"], row["suggested"]) == (f"test {row['index']}", str(truth[row["index"]]))
            assert row["label"] == str((truth[row["index"]] + 1) % 4)
    for learnt in (True, False):
        own = [row["margin"] for row in rows if (row["split"] == "train") == learnt]
        assert own == sorted(own)
    assert found["n_doubted"] == len(rows)


def test_they_are_kept_with_the_run_and_judged_once(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = lab.suspects("latest", runs=runs)
    module = import_module("convoscope.lab.suspects")  # the lab's function has its name
    monkeypatch.setattr(module, "find_doubts", lambda *_: pytest.fail("judged again"))
    assert lab.suspects("latest", runs=runs) == first
    kept = json.loads((store.find(runs, "latest").folder / "suspects.json").read_text())
    assert kept["suspects"] == first["suspects"]
    assert lab.suspects("latest", runs=runs, top=2)["suspects"] == first["suspects"][:2]


def test_the_checkpoints_that_were_asked_are_told(runs: Path) -> None:
    found = lab.suspects("latest", runs=runs)
    run = store.find(runs, "latest")
    assert len(found["steps"]) == 3  # a quarter of eight epochs, and the last
    assert max(found["steps"][:-1]) <= max(run.checkpoint_files()) / 2  # before labels are learnt by heart
    assert set(found["steps"]) <= set(run.checkpoint_files())
    assert found["steps"][-1] == max(run.checkpoint_files())


def test_the_report_shows_them(runs: Path) -> None:
    page = store.find(runs, "latest").report_path.read_text()
    assert "Labels to look at again" in page
    assert lab.suspects("latest", runs=runs)["suspects"][0]["name"] in page


def test_as_a_table(runs: Path, tmp_path: Path) -> None:
    table = tmp_path / "again.csv"
    rows = lab.suspects("latest", runs=runs, top=3, table=table)["suspects"]
    lines = table.read_text().splitlines()
    assert lines[0] == "split,index,name,label,suggested,margin,probability"
    assert [line.split(",")[2] for line in lines[1:]] == [row["name"] for row in rows]
    with pytest.raises(InputError, match="is there already"):
        lab.suspects("latest", runs=runs, table=table)
    lab.suspects("latest", runs=runs, top=1, table=table, force=True)
    assert len(table.read_text().splitlines()) == 2
    with pytest.raises(InputError, match="called as no table"):
        lab.suspects("latest", runs=runs, table=tmp_path / "again.txt")


def test_a_short_training_is_judged_when_it_is_asked(tmp_path: Path) -> None:
    runs = trained(tmp_path, epochs=3, keep="last")
    run = store.find(runs, "latest")
    kept = json.loads((run.folder / "suspects.json").read_text())
    assert set(kept["n_judged"]) == {"validation", "test"}
    assert not kept["whole"]
    assert "too short" in kept["notes"][0]
    found = lab.suspects("latest", runs=runs)
    assert set(found["n_judged"]) == {"train", "validation", "test"}
    assert json.loads((run.folder / "suspects.json").read_text())["whole"]
    assert "final weights alone" in found["notes"][0]  # keep=last leaves no earlier ones
    assert len(found["steps"]) == 1


def test_a_training_that_leaves_them_is_judged_when_it_is_asked(tmp_path: Path) -> None:
    runs = trained(tmp_path, epochs=1, suspects=False)
    run = store.find(runs, "latest")
    assert not (run.folder / "suspects.json").exists()
    assert set(lab.suspects("latest", runs=runs)["n_judged"]) == {"train", "validation", "test"}
    assert (run.folder / "suspects.json").exists()


def test_neighbours_alone_hold_no_training_label_in_doubt(tmp_path: Path) -> None:
    knobs = {"model": "knn", "model_options": {}, "epochs": None, "batch_size": None, "lr": None}
    found = lab.suspects("latest", runs=trained(tmp_path, **knobs))
    assert set(found["n_judged"]) == {"validation", "test"}
    assert {row["index"] for row in found["suspects"] if row["split"] == "test"} >= set(WRONG_TEST)
    assert "holds its training images" in found["notes"][0]


def test_other_data_and_damage_are_refused(runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "all"
    shutil.copytree(runs.parent, folder)
    run = store.find(folder / "runs", "latest")
    recipe = (run.folder / "recipe.json").read_text().replace(str(runs.parent), str(folder))
    (run.folder / "recipe.json").write_text(recipe)
    path = run.folder / "suspects.json"
    path.write_text("{}")
    with pytest.raises(RunError, match="does not hold what a run writes there"):
        lab.suspects("latest", runs=folder / "runs")
    path.unlink()
    write_idx(folder / "data", "t10k", bars(60, 3))
    with pytest.raises(DataError, match="fingerprint"):
        lab.suspects("latest", runs=folder / "runs")


def test_an_early_wrong_label_is_found_though_it_was_learnt_by_heart(tmp_path: Path) -> None:
    """The final weights have learnt every label; those on the way had not."""
    runs = trained(tmp_path, epochs=40, model_options={"hidden": (256,)}, lr=0.003, validation=0.0)
    rows = lab.suspects("latest", runs=runs)["suspects"]
    assert lab.evaluate("latest", runs=runs, split="train")["accuracy"] == 1
    assert {row["index"] for row in rows if row["split"] == "train"} == set(WRONG)


def test_features_of_any_width_are_held_in_few_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = trained(tmp_path)
    monkeypatch.setattr("convoscope.lab.doubting._MOST_FEATURES", 12)  # the network's last layer is given 16
    searched: list[int] = []
    search = import_module("convoscope.lab.doubting").Search

    def watched(references: Any, metric: str) -> Any:
        searched.append(references.shape[1])
        return search(references, metric)

    monkeypatch.setattr("convoscope.lab.doubting.Search", watched)
    (runs / "mlp-data-1" / "suspects.json").unlink()
    rows = lab.suspects("latest", runs=runs)["suspects"]
    assert searched
    assert set(searched) == {6}
    assert {row["index"] for row in rows[:7] if row["split"] == "test"} == set(WRONG_TEST)


def test_texts_have_labels_too(tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    fill = ["a", "film", "with", "music", "and", "people"]
    lines, wrong = ["text,label,split"], (5, 30, 71)
    for i in range(120):
        words = [*draw.choice(fill, 4), ("poor", "great")[i % 2]]
        label = ("no", "yes")[i % 2 if i not in wrong else 1 - i % 2]
        lines.append(f"{' '.join(draw.permutation(words))},{label},{'test' if i >= 100 else 'train'}")
    (tmp_path / "texts.csv").write_text("\n".join(lines) + "\n")
    knobs = {"epochs": 8, "batch_size": 10, "lr": 0.02, "device": "cpu", "shards": 1, "threads": 1, "validation": 0.0}
    options = {"embedding": 8, "maps": 8, "widths": (1,)}
    data = str(tmp_path / "texts.csv")
    recipe = lab.make_recipe({**knobs, "data": data, "model_options": options, "precision": "float32"})
    finished = next(event for event in lab.train(recipe, runs=tmp_path / "runs") if type(event).__name__ == "Finished")
    rows = lab.suspects("latest", runs=tmp_path / "runs")["suspects"]
    assert {row["index"] for row in rows[:3]} == set(wrong)
    assert {row["split"] for row in rows[:3]} == {"train"}
    page = Path(finished.report).read_text()
    assert all(row["name"] in page for row in rows)
