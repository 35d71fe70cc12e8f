import os
import re
import time
from pathlib import Path

import numpy as np
import pytest
from bad_files import UPRIGHT, Kind, all_kinds
from PIL import Image

from convoscope.data.checkup import CheckUp, check_up
from convoscope.data.content import DecodeError
from convoscope.data.examine import examine
from convoscope.data.folder import read_folder
from convoscope.data.image import ImagePolicy, decode_image, quiet_pillow
from convoscope.data.item import Item

KINDS = all_kinds()
SECONDS_A_FILE = 5.0  # what a file may take on a machine that is busy with other things; they take milliseconds


def test_there_are_more_than_two_hundred_kinds_and_no_two_are_called_the_same() -> None:
    assert len({kind.name for kind in KINDS}) == len({kind.file for kind in KINDS}) == len(KINDS) > 400
    assert sum(bool(kind.reason) for kind in KINDS) > 200


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_kind_is_named_with_its_reason_or_decoded_rightly(kind: Kind, tmp_path: Path) -> None:
    started = time.perf_counter()
    path = tmp_path / "file"  # names have their own test
    path.write_bytes(kind.content)
    height, width = (16, 16) if kind.pixels is None else kind.pixels.shape[:2]
    policy, item = ImagePolicy(3, height, width), Item("file", path, "train", 0)
    with quiet_pillow():
        if kind.reason:
            # The check-up and training agree, whether they are given a path or bytes.
            for read in (
                lambda: decode_image(path, policy),
                lambda: decode_image(kind.content, policy),
                lambda: examine(item),
            ):
                with pytest.raises(DecodeError) as problem:
                    read()
                assert re.search(kind.reason, str(problem.value)), problem.value
                assert "\n" not in str(problem.value)
        else:
            pixels, found = decode_image(path, policy), examine(item)
            np.testing.assert_array_equal(decode_image(kind.content, policy), pixels)
            if kind.pixels is not None:
                assert np.abs(pixels.transpose(1, 2, 0).astype(int) - kind.pixels).mean() <= kind.tolerance
                assert (found.width, found.height) == (width, height)
    assert time.perf_counter() - started < SECONDS_A_FILE


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every kind in two classes, and what no bytes can make: links, a pipe, a folder with the name of an image."""
    root = tmp_path_factory.mktemp("kinds")
    for i, kind in enumerate(KINDS):
        place = root / ("even", "odd")[i % 2] / kind.file
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(kind.content)
    (root / "even" / "circle.jpg").symlink_to(root / "even" / "circle.jpg")
    (root / "even" / "round.jpg").symlink_to(root / "even" / "about.jpg")
    (root / "even" / "about.jpg").symlink_to(root / "even" / "round.jpg")
    (root / "odd" / "nowhere.jpg").symlink_to(root / "gone.jpg")
    (root / "odd" / "linked.jpg").symlink_to(root / "even" / KINDS[0].file)
    (root / "odd" / "folder.jpg").mkdir()
    (root / "odd" / "up").symlink_to(root, target_is_directory=True)
    if hasattr(os, "mkfifo"):
        os.mkfifo(root / "odd" / "pipe.jpg")
    for name in ("Thumbs.db", ".DS_Store", "._photo.jpg", "odd/desktop.ini", "even/.hidden.png"):
        (root / name).write_bytes(b"x")
    for name in ("IMG_0001.HEIC", "DSC_1.NEF", "drawing.svg", "notes.txt"):
        (root / "odd" / name).write_bytes(b"x")
    return root


@pytest.fixture(scope="module")
def checked(folder: Path) -> CheckUp:
    return check_up(folder)


NO_FILES = {"circle.jpg", "round.jpg", "about.jpg", "nowhere.jpg"} | ({"pipe.jpg"} if hasattr(os, "mkfifo") else set())


def test_a_check_up_names_every_bad_file_and_no_good_one(checked: CheckUp) -> None:
    expected = {kind.file for kind in KINDS if kind.reason} | NO_FILES
    assert {path.name for path, _, _ in checked.broken} == expected
    assert checked.survey.good.sum() == len(KINDS) - len(expected - NO_FILES) + 1  # and the good link


def test_training_leaves_out_the_same_files(
    checked: CheckUp, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CONVOSCOPE_CACHE", str(tmp_path))
    data = read_folder(folder, image_size=8, broken="quarantine")
    good = {item.name for i, item in enumerate(checked.listing.items) if checked.survey.good[i]}
    assert set(data.train.names) == good
    assert {path for path, _ in data.left_out} == {path for path, _, _ in checked.broken}


def test_names_can_be_printed_and_sent(checked: CheckUp) -> None:
    names = [item.name for item in checked.listing.items]
    for name in ("even/图像 苹果.jpg", "odd/图像 苹果.jpg"):
        if name in names:
            break
    else:
        pytest.fail("a Chinese name is lost")
    assert any("two\nlines" in name for name in names)
    assert any("\\udcff" in name for name in names)  # bytes that are no text, as codes
    for name in names:
        name.encode()


def test_what_was_left_aside_is_counted(checked: CheckUp) -> None:
    assert sorted(checked.listing.hidden) == [
        ".DS_Store",
        "._photo.jpg",
        "Thumbs.db",
        "even/.hidden.png",
        "odd/desktop.ini",
    ]
    said = {finding.name: finding.message for finding in checked.findings if finding.name == "file-unsupported"}
    told = [finding.message for finding in checked.findings if finding.name == "file-unsupported"]
    assert said
    assert any("HEIC" in message and "IMG_0001.HEIC" in message for message in told)
    assert any("raw photos" in message for message in told)
    assert any("drawing.svg" in message for message in told)


def test_names_that_mislead_are_told_and_upper_case_ones_are_not(checked: CheckUp) -> None:
    names = {checked.name(int(i)).partition("/")[2] for i in checked.misnamed}
    expected = {kind.file for kind in KINDS if kind.name.startswith("misnamed-")}
    assert expected <= names
    assert not {name for name in names if name.startswith(("suffix-", "whole-", "exif-", "mode-", "name-chinese"))}


def test_orientations_frames_and_kinds_of_pixels_are_counted(checked: CheckUp) -> None:
    facts = checked.to_dict()
    assert all(facts["orientations"][str(k)] == 4 for k in range(2, 9))
    animated = {one["name"].partition("/")[2]: one["n_frames"] for one in facts["several_frames"] if one["animated"]}
    assert animated == {"png-animated.png": 2, "webp-animated.webp": 2, "gif-animated.gif": 4}
    pages = {one["name"].partition("/")[2]: one["n_frames"] for one in facts["several_frames"] if not one["animated"]}
    assert pages == {"tiff-pages.tif": 3}  # a phone's further pictures (MPO) are no pages
    assert facts["formats"]["MPO"] == 1
    assert facts["modes"]["CMYK"] == 3
    wide = {item.name.partition("/")[2] for i, item in enumerate(checked.listing.items) if checked.survey.wide[i]}
    assert {kind.file for kind in KINDS if re.match("wide-(?!8-bit)", kind.name) and not kind.reason} <= wide
    assert facts["n_transparent"] >= 8


def test_equal_pictures_of_all_formats_are_found_to_be_one(checked: CheckUp) -> None:
    of_whole = {i for i, item in enumerate(checked.listing.items) if "whole-" in item.name}
    alike = [set(double.members.tolist()) for double in checked.doubles if double.kind == "looks"]
    assert any(of_whole <= group for group in alike)
    lossless = {
        i for i, item in enumerate(checked.listing.items) if re.search(r"whole-(png|bmp|ppm|tga|tiff)\.", item.name)
    }
    assert any(lossless <= set(double.members.tolist()) for double in checked.doubles if double.kind == "pixels")


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "locked.png"
    Image.fromarray(UPRIGHT).save(path)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(DecodeError, match="cannot be read"):
        decode_image(path, ImagePolicy(3, 8, 8))


def test_a_large_file_is_not_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than is kept in memory: decoded from the disk, with the same answer and the same checks."""
    monkeypatch.setattr("convoscope.data.image.MOST_IN_MEMORY", 1000)
    for name, suffix in (
        ("whole-jpeg", "jpg"),
        ("whole-png", "png"),
        ("whole-tiff-lzw", "tiff"),
        ("gif-no-end", "gif"),
    ):
        kind = next(one for one in KINDS if one.name == name)
        path = tmp_path / f"{name}.{suffix}"
        path.write_bytes(kind.content)
        if kind.reason:
            with pytest.raises(DecodeError, match=kind.reason):
                examine(Item("x", path, "train", 0))
            continue
        pixels = decode_image(path, ImagePolicy(3, 44, 60))
        assert np.abs(pixels.transpose(1, 2, 0).astype(int) - UPRIGHT).mean() <= kind.tolerance
        assert examine(Item("x", path, "train", 0)).n_bytes == len(kind.content)


def test_a_sparse_file_of_gigabytes_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "huge.jpg"
    with path.open("wb") as stream:
        stream.truncate(8 << 30)
    with pytest.raises(DecodeError, match="zero bytes"):
        examine(Item("x", path, "train", 0))
