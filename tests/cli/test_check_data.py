import json
from pathlib import Path

import numpy as np
import pytest
from nursery import here
from PIL import Image


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of a dozen photos each, and names that would be markup."""
    generator = np.random.default_rng(0)
    for name in ("[red]apple", "pear"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(12):
            pixels = generator.integers(0, 256, (20, 24, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{i}.png")
    return tmp_path


def test_good_photos_pass(folder: Path) -> None:
    ended = here("data", "photos", cwd=folder)
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[0] == "photos: 24 images in 2 classes (train 24), 0.0 MB"
    assert lines[1] == "all 24 x 20 pixels; PNG 24; RGB 24"
    assert any(line.startswith("[red]apple") for line in lines)
    assert lines[-1] == "Nothing suspicious was found."


def test_broken_ones_are_all_told_before_the_exit_says_no(folder: Path) -> None:
    for i in range(9):
        (folder / "photos" / "pear" / f"cut {i}.png").write_bytes((folder / "photos/pear/0.png").read_bytes()[: 99 + i])
    ended = here("data", "photos", cwd=folder)
    assert ended.code == 1
    assert "pear/cut 0.png: it is cut" in ended.out
    assert "and 4 more" in ended.out
    document = here("data", "photos", "--json", cwd=folder)
    assert (document.code, document.err) == (1, "")
    facts = json.loads(document.out)
    assert [row["name"] for row in facts["broken"]] == [f"pear/cut {i}.png" for i in range(9)]
    assert facts["passed"] is False
    for broken in ("quarantine", "ignore"):
        ended = here("data", "photos", "--broken", broken, cwd=folder)
        assert ended.code == 0
        assert "pear/cut 0.png" in ended.out


def test_files_are_written_beside_the_words(folder: Path) -> None:
    ended = here("data", "photos", "--out", "facts.json", "--html", "page.html", cwd=folder)
    assert ended.code == 0
    assert json.loads((folder / "facts.json").read_text(encoding="utf-8"))["n_images"] == 24
    assert "[red]apple" in (folder / "page.html").read_text(encoding="utf-8")


def test_a_file_that_cannot_be_written_is_refused_before_the_work(folder: Path) -> None:
    ended = here("data", "photos", "--out", "nowhere/facts.json", cwd=folder)
    assert ended.code == 1
    assert ended.out == ""
    assert "there is no folder nowhere" in ended.err


def test_data_of_a_fixed_size_are_described_as_ever(folder: Path) -> None:
    ended = here("data", "mnist", "--out", "facts.json", cwd=folder)
    assert ended.code == 0
    assert "1 x 28 x 28" in ended.out
    assert json.loads((folder / "facts.json").read_text())["n_classes"] == 10
