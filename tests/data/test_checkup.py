import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from bad_files import scene
from PIL import Image, ImageEnhance

from convoscope.data import TextKnobs
from convoscope.data.checks import DataFinding
from convoscope.data.checkup import CheckUp, check_up, holds_image_files
from convoscope.errors import DataError
from convoscope.lab import check_data


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes in train, val and test with a fault of every kind planted; the faults are told apart by name."""
    root = tmp_path_factory.mktemp("photos")
    for part, n in (("train", 24), ("val", 4), ("test", 4)):
        for k, name in enumerate(("apple", "pear", "plum")):
            if (part, name) != ("test", "plum"):
                (root / part / name).mkdir(parents=True)
            for i in range(n):
                if (part, name) != ("test", "plum"):
                    scene(1000 * k + 100 * ("train", "val", "test").index(part) + i).save(
                        root / part / name / f"{i}.png"
                    )
    train, val, test = root / "train", root / "val", root / "test"
    shutil.copy(train / "apple/3.png", test / "apple/copy.png")
    Image.open(train / "pear/5.png").save(test / "pear/other-file.bmp")
    Image.open(train / "plum/7.png").resize((64, 64)).save(val / "plum/resized.jpg", quality=80)
    ImageEnhance.Brightness(Image.open(train / "apple/9.png")).enhance(1.1).save(train / "apple/brighter.png")
    shutil.copy(train / "apple/11.png", train / "pear/mislabelled.png")
    (train / "plum/cut.png").write_bytes((train / "plum/0.png").read_bytes()[:2000])
    (train / "plum/empty.jpg").write_bytes(b"")
    shutil.copy(train / "plum/1.png", train / "plum/really-a-png.jpg")
    Image.new("RGB", (3000, 60), "red").save(train / "plum/banner.png")
    (train / "plum/IMG_1.heic").write_bytes(b"x")
    return root


@pytest.fixture(scope="module")
def found(folder: Path) -> CheckUp:
    return check_up(folder)


def named(found: CheckUp, name: str) -> list[DataFinding]:
    return [finding for finding in found.findings if finding.name == name]


def test_every_planted_fault_is_found_and_nothing_else(found: CheckUp) -> None:
    assert {finding.name for finding in found.findings} == {
        "image-broken", "image-leaked", "image-leaked-alike", "label-conflict", "image-repeated",
        "image-repeated-alike", "class-missing", "name-misleads", "size-odd", "file-unsupported",
    }  # fmt: skip
    assert [(path.name, reason.split(":")[0]) for path, reason, _ in found.broken] == [
        ("cut.png", "it is cut"), ("empty.jpg", "it is empty (0 bytes)"),
    ]  # fmt: skip
    (leak,) = named(found, "image-leaked")
    assert "of test that are also in train, pixel for pixel (2 of 10)" in leak.message
    assert "test/apple/copy.png = train/apple/3.png" in leak.message
    assert "test/pear/other-file.bmp = train/pear/5.png" in leak.message
    (alike,) = named(found, "image-leaked-alike")
    assert "val/plum/resized.jpg = train/plum/7.png" in alike.message
    assert "(1 of 13)" in alike.message
    (conflict,) = named(found, "label-conflict")
    assert "train/apple/11.png = train/pear/mislabelled.png" in conflict.message
    assert "plum/1.png = train/plum/really-a-png.jpg" in named(found, "image-repeated")[0].message
    assert "train/apple/9.png = train/apple/brighter.png" in named(found, "image-repeated-alike")[0].message
    assert "in test (1 of 3): plum" in named(found, "class-missing")[0].message
    assert "train/plum/banner.png (3000 x 60)" in named(found, "size-odd")[0].message


def test_the_facts_are_complete_and_of_json(found: CheckUp) -> None:
    facts = json.loads(json.dumps(found.to_dict()))
    assert (facts["n_files"], facts["n_images"]) == (101, 99)
    assert facts["splits"]["train"]["n_per_class"] == [25, 25, 26]
    assert facts["splits"]["test"]["n_per_class"] == [5, 5, 0]
    assert facts["formats"] == {"PNG": 97, "BMP": 1, "JPEG": 1}
    assert facts["sizes"]["width"] == {"min": 64, "median": 96.0, "max": 3000}
    assert facts["broken"][0] == {
        "name": "train/plum/cut.png", "reason": "it is cut: its data end too early", "split": "train", "class": "plum",
    }  # fmt: skip
    kinds = [(one["same"], one["across_splits"], one["labels_differ"]) for one in facts["doubles"]]
    assert sorted(kinds) == [
        ("bytes", False, False), ("bytes", False, True), ("bytes", True, False), ("looks", False, False),
        ("looks", True, False), ("pixels", True, False),
    ]  # fmt: skip


def test_files_that_cannot_be_read_fail_the_check_unless_they_are_to_be_left_out(folder: Path) -> None:
    assert check_data(str(folder))["passed"] is False
    for broken in ("quarantine", "ignore"):
        facts = check_data(str(folder), broken=broken)
        assert facts["passed"] is True
        assert len(facts["broken"]) == 2  # told all the same
    with pytest.raises(DataError, match="stop, quarantine and ignore"):
        check_data(str(folder), broken="mend")


def test_progress_comes_to_the_end(folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    check_up(folder, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (101, 101)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_the_page_is_whole_in_two_languages_and_asks_for_nothing(folder: Path, tmp_path: Path) -> None:
    page, out = tmp_path / "page.html", tmp_path / "facts.json"
    odd = folder / "train" / "apple" / "<img src=x onerror=alert(1)>.png"
    Image.open(folder / "train/apple/0.png").save(odd)
    try:
        facts = check_data(str(folder), broken="quarantine", html=page, out=out)
    finally:
        odd.unlink()
    assert json.loads(out.read_text(encoding="utf-8")) == facts
    text = page.read_text(encoding="utf-8")
    assert "<img src=x" not in text
    assert "&lt;img src=x" in text
    assert "$" not in text.partition("<body>")[2]
    assert "http://" not in text
    assert "https://" not in text
    assert text.count('lang="en"') - 1 == text.count('lang="zh-Hans"')
    assert text.count("data:image/jpeg;base64,") > 20
    for words in ("test/apple/copy.png", "跨划分", "标签不同", "3000 × 60", "it is cut"):
        assert words in text
    assert not list(tmp_path.glob("*.aside"))


def test_a_page_of_other_data_is_refused_before_it_is_asked_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="shows image files"):
        check_data("mnist", html=tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["mnist", "nowhere", "./nowhere"])
def test_other_data_and_nothing_are_no_image_files(name: str) -> None:
    assert not holds_image_files(name, TextKnobs())


def test_a_folder_of_texts_is_no_image_files(tmp_path: Path, folder: Path) -> None:
    for name in ("good", "bad"):
        (tmp_path / name).mkdir()
        for i in range(3):
            (tmp_path / name / f"{i}.txt").write_text("some words here")
    assert not holds_image_files(str(tmp_path), TextKnobs())
    assert holds_image_files(str(folder), TextKnobs())


def test_a_manifest_is_checked_as_a_folder_is(folder: Path, tmp_path: Path) -> None:
    rows = [
        f"{folder}/train/{name}/{i}.png,{name},{split}"
        for name in ("apple", "pear")
        for i, split in ((0, "train"), (1, "train"), (2, "test"))
    ]
    rows += [f"{folder}/train/apple/3.png,apple,train", f"{folder}/test/apple/copy.png,apple,test"]
    table = tmp_path / "list.csv"
    table.write_text("path,label,split\n" + "\n".join(rows) + "\n")
    found = check_up(table)
    assert found.to_dict()["layout"] == "manifest"
    assert "of test that are also in train" in named(found, "image-leaked")[0].message


def test_nothing_but_broken_files_is_told_too(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.jpg").write_text("no")
    facts = check_data(str(tmp_path))
    assert (facts["n_images"], facts["passed"], len(facts["broken"])) == (0, False, 2)
    assert {one["name"] for one in facts["findings"]} >= {"image-broken", "class-empty"}


def test_near_duplicates_across_splits_are_told_before_training(folder: Path) -> None:
    from convoscope.data.checks import check
    from convoscope.data.dataset import Splits
    from convoscope.data.folder import read_folder

    data = read_folder(folder, image_size=48, broken="quarantine")
    assert data.validation is not None
    findings = {finding.name: finding.message for finding in check(Splits(data.train, data.validation, data.test))}
    assert "val/plum/resized.jpg" in findings["image-leaked-alike"]
    assert "(1 of 13)" in findings["image-leaked-alike"]
    assert "test/apple/copy.png" in findings["image-leaked"]


def test_thirty_planted_leaks_are_all_found(tmp_path: Path) -> None:
    """As a stranger plants them: copies, resized, compressed again; among three hundred others."""
    for part, first in (("train", 0), ("test", 500)):
        for k in range(2):
            (tmp_path / part / f"class {k}").mkdir(parents=True)
            for i in range(75):
                image = scene(5000 * (k + 1) + first + i, 64)
                image.save(tmp_path / part / f"class {k}" / f"{i}.jpg", quality=90)
    for n in range(30):
        original = tmp_path / "train" / f"class {n % 2}" / f"{n}.jpg"
        target = tmp_path / "test" / f"class {n % 2}" / f"planted {n}"
        if n < 10:
            shutil.copy(original, target.with_suffix(".jpg"))
            continue
        with Image.open(original) as source:
            if n < 20:
                source.resize((48, 48)).save(target.with_suffix(".png"))
            else:
                source.save(target.with_suffix(".jpg"), quality=50)
    found = check_up(tmp_path)
    leaked = {
        found.name(int(i)) for double in found.doubles if found.crosses(double) for i in double.members
        if found.splits[i] == 2
    }  # fmt: skip
    assert len(leaked) == 30
    assert all("planted" in name for name in leaked)
    np.testing.assert_array_equal(found.counts["test"], [90, 90])
