"""`convoscope data split`: in words, in JSON, and when it says no."""

import json
from pathlib import Path

import numpy as np
import pytest
from nursery import here
from PIL import Image


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(10):
            image = Image.fromarray(generator.integers(0, 256, (6, 6, 3), np.uint8))
            image.save(tmp_path / "photos" / name / f"video{i // 2}-{i}.png")
    return tmp_path


def test_a_split_is_written_and_told(photos: Path) -> None:
    (photos / "photos" / "cat" / "gone.png").symlink_to("nowhere")
    said = here("data", "split", "photos", "--out", "list.csv", "--test", "0.2", "--group", "video[0-9]", cwd=photos)
    assert said.code == 0, said.err
    assert "list.csv: 20 images" in said.out
    assert "test: 4 images of 2 classes, 2 each, 1 groups" in said.out
    assert "Left out (1): cat/gone.png: it is a link that leads nowhere" in said.out
    assert "convoscope train --data list.csv" in said.out
    refused = here("data", "split", "photos", "--out", "list.csv", cwd=photos)
    assert (refused.code, refused.out) == (1, "")
    assert "list.csv is there already" in refused.err
    assert "--force" in refused.err
    facts = json.loads(
        here("data", "split", "photos", "--out", "list.csv", "--force", "--folds", "4", "--json", cwd=photos).out
    )
    assert (facts["n"], facts["folds"], facts["parts"]["train"]) == (20, [5, 5, 5, 5], {"cat": 10, "dog": 10})
    assert len(facts["left_out"]) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("mnist", "--out", "a.csv"), "mnist is no folder or manifest of image files"),
        (("photos", "--out", "a.txt"), "called as no table is"),
        (("photos", "--out", "a.csv", "--test", "1"), "it is 0 to below 1"),
        (("photos", "--out", "a.csv", "--group", "owner"), "20 of 20 names have no such thing"),
        (("nowhere", "--out", "a.csv"), "nowhere"),
    ],
)
def test_what_cannot_be_is_one_sentence(words: tuple[str, ...], said: str, photos: Path) -> None:
    ended = here("data", "split", *words, cwd=photos)
    assert ended.code == 1
    assert said in ended.err
    assert "Traceback" not in ended.err
    assert not (photos / "a.csv").exists()
