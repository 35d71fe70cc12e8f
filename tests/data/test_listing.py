import os
from pathlib import Path

import pytest

from convoscope.data import open_data
from convoscope.data.listing import list_images
from convoscope.errors import DataError

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d494844520000000100000001080200000090"
    "7753de0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)


def images(root: Path, *paths: str) -> Path:
    for name in paths:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PNG)
    return root


def two_classes(root: Path, n: int = 3) -> Path:
    return images(root, *(f"{name}/{i}.png" for name in ("cat", "dog") for i in range(n)))


def names_of(path: Path) -> list[str]:
    return [finding.name for finding in list_images(path).findings]


def test_a_folder_is_listed_by_names_alone(tmp_path: Path) -> None:
    (two_classes(tmp_path) / "cat" / "0.png").write_text("never opened")
    (tmp_path / "cat" / "notes.txt").write_text("")
    (tmp_path / "cat" / ".DS_Store").write_text("")
    (tmp_path / "dog" / "gone.png").symlink_to("nowhere")
    listing = list_images(tmp_path)
    assert (listing.layout, listing.parts(), listing.class_names) == ("folder", {"train": 6}, ("cat", "dog"))
    assert (listing.other, listing.hidden) == (("cat/notes.txt",), ("cat/.DS_Store",))
    assert listing.problems == ((tmp_path / "dog" / "gone.png", "it is a link that leads nowhere"),)
    assert [item.name for item in listing.items[:2]] == ["cat/0.png", "cat/1.png"]
    assert listing.items[1].read() == PNG


def test_files_beside_class_folders_are_told(tmp_path: Path) -> None:
    images(two_classes(tmp_path), "loose.png", "also.jpg")
    (tmp_path / "readme.txt").write_text("")
    listing = list_images(tmp_path)
    assert [finding.name for finding in listing.findings] == ["file-loose"]
    assert "(2): also.jpg, loose.png" in listing.findings[0].message
    assert listing.other == ("readme.txt",)
    images(two_classes(tmp_path / "in" / "train"), "loose.png")
    two_classes(tmp_path / "in" / "test")
    assert names_of(tmp_path / "in") == ["file-loose"]


@pytest.mark.parametrize("pair", [("Bird", "bird"), ("caf\u00e9", "cafe\u0301")])
def test_names_that_look_alike_are_told(pair: tuple[str, str], tmp_path: Path) -> None:
    images(two_classes(tmp_path), *(f"{name}/0.png" for name in pair))
    if len(list(tmp_path.iterdir())) < 4:
        pytest.skip("this file system takes the two for one")
    (finding,) = list_images(tmp_path).findings
    assert finding.name == "class-spelling"
    assert " and ".join(sorted(pair)) in finding.message


def test_one_folder_too_high_is_told_with_the_right_one(tmp_path: Path) -> None:
    two_classes(tmp_path / "photos")
    with pytest.raises(DataError, match="one class only, 'photos'") as error:
        list_images(tmp_path)
    assert f"point at {tmp_path / 'photos'}." in error.value.hint


def test_thousands_of_classes_are_listed_and_told_in_a_few_words(tmp_path: Path) -> None:
    for i in range(2_000):
        (tmp_path / f"c{i}").mkdir()
        os.link(tmp_path / "c0" / "0.png", tmp_path / f"c{i}" / "0.png") if i else images(tmp_path, "c0/0.png")
    listing = list_images(tmp_path)
    assert (len(listing.class_names), listing.class_names[2], listing.items[1_999].label) == (2_000, "c2", 1_999)
    assert listing.findings == ()


def test_what_is_judged_needs_neither_two_classes_nor_a_training_part(tmp_path: Path) -> None:
    images(tmp_path / "one", "cat/0.png")
    two_classes(tmp_path / "tested" / "test")
    images(tmp_path / "more", "train/cat/0.png", "train/dog/0.png", "test/bird/0.png")
    for name in ("one", "tested", "more"):
        with pytest.raises(DataError):
            list_images(tmp_path / name)
    assert list_images(tmp_path / "one", judged=True).parts() == {"train": 1}
    assert list_images(tmp_path / "tested", judged=True).parts() == {"test": 6}
    assert list_images(tmp_path / "more", judged=True).class_names == ("cat", "dog", "bird")
    opened = open_data(tmp_path / "tested", judged=True, validation=0.5)
    assert {name: len(part) for name, part in opened.splits.parts().items()} == {
        "train": 0, "validation": 0, "test": 6,
    }  # fmt: skip


def test_groups_in_names_that_cross_given_parts_are_told(tmp_path: Path) -> None:
    images(tmp_path, *(f"train/{c}/p{i}_{j}.png" for c in "ab" for i in range(3) for j in range(2)))
    images(tmp_path, *(f"test/{c}/p{i}_0.png" for c in "ab" for i in range(2, 4)))
    opened = open_data(tmp_path, group=r"p\d", validation=0.3)
    told = [finding for finding in opened.findings if finding.name == "group-leaked"]
    assert len(told) == 1
    assert "Groups of test that are also in train (1 of 2): p2." in told[0].message
    assert not set(opened.groups["train"]) & set(opened.groups["validation"])
    with pytest.raises(DataError, match="have no such thing"):
        open_data(tmp_path, group="patient")


def test_many_broken_files_are_not_many_findings(tmp_path: Path) -> None:
    two_classes(tmp_path)
    for i in range(60):
        (tmp_path / "cat" / f"bad{i}.png").write_text("x")
    opened = open_data(tmp_path, broken="quarantine", validation=0)
    broken = [finding for finding in opened.findings if finding.name == "image-broken"]
    assert len(broken) == 51
    assert broken[-1].message == "10 more entries are left out; all are in the list."
    assert len(opened.left_out) == 60


def test_a_folder_with_a_manifest_says_where_to_point(tmp_path: Path) -> None:
    images(tmp_path, "images/0.png", "images/1.png")
    (tmp_path / "list.csv").write_text("path,label\nimages/0.png,cat\nimages/1.png,dog\n")
    with pytest.raises(DataError, match="one class only, 'images'") as error:
        list_images(tmp_path)
    assert f"point at it: {tmp_path / 'list.csv'}." in error.value.hint
