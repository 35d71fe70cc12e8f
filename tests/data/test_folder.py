import io
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convoscope.data import image as image_module
from convoscope.data.folder import FolderData, read_folder
from convoscope.data.image import ImagePolicy
from convoscope.data.layout import natural_key
from convoscope.errors import BrokenImage, DataError


def save(path: Path, size: tuple[int, int] = (8, 6), colour: object = (10, 20, 30), mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)  # type: ignore[arg-type]
    return path


def two_classes(root: Path, n: int = 2) -> Path:
    for label, name in enumerate(("cat", "dog")):
        for i in range(n):
            save(root / name / f"{i}.png", colour=(label * 100, i, 0))
    return root


def names_of(data: FolderData) -> list[str]:
    return [finding.name for finding in data.findings]


def test_classes_and_files_come_in_natural_order(tmp_path: Path) -> None:
    for folder in ("class 10", "Class 9", "苹果"):
        for i in (10, 9, 1):
            save(tmp_path / folder / f"{i}.png", colour=(i, 0, 0))
    data = read_folder(tmp_path)
    assert data.train.class_names == ("Class 9", "class 10", "苹果")
    assert data.train.names[-3:] == ("苹果/1.png", "苹果/9.png", "苹果/10.png")
    assert data.train.images[:3, 0, 0, 0].tolist() == [1, 9, 10]
    assert data.train.labels.tolist() == [0] * 3 + [1] * 3 + [2] * 3
    assert (data.validation, data.test, data.findings) == (None, None, ())


def test_natural_order_takes_odd_digits_as_they_come() -> None:
    assert sorted(["a²", "a10", "a2", "A1", "٣"], key=natural_key)[:3] == ["٣", "A1", "a2"]


@pytest.mark.parametrize("validation", ["val", "Valid", "VALIDATION"])
def test_splits_are_found_in_any_case(validation: str, tmp_path: Path) -> None:
    two_classes(tmp_path / "Train", 3)
    two_classes(tmp_path / validation, 2)
    save(tmp_path / "TEST" / "dog" / "0.png")
    (tmp_path / "notes").mkdir()
    data = read_folder(tmp_path)
    assert data.validation is not None
    assert data.test is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (6, 4, 1)
    assert data.test.labels.tolist() == [1]  # numbered as in train, where cat comes first
    assert names_of(data) == ["folder-ignored"]


def test_a_class_called_train_is_a_class(tmp_path: Path) -> None:
    save(tmp_path / "train" / "0.png")
    save(tmp_path / "car" / "0.png")
    assert read_folder(tmp_path).train.class_names == ("car", "train")


def test_unlabelled_test_images_are_not_used(tmp_path: Path) -> None:
    two_classes(tmp_path / "train")
    save(tmp_path / "test" / "0.png")
    data = read_folder(tmp_path)
    assert data.test is None
    assert names_of(data) == ["folder-ignored"]


def refuse_cases(root: Path) -> dict[str, str]:
    (root / "empty").mkdir()
    (root / "table").mkdir()
    (root / "table" / "a.csv").write_text("1")
    save(root / "loose" / "0.png")
    save(root / "single" / "cat" / "0.png")
    two_classes(root / "stranger" / "train")
    save(root / "stranger" / "test" / "Cat" / "0.png")
    two_classes(root / "twice" / "train")
    two_classes(root / "twice" / "val")
    two_classes(root / "twice" / "valid")
    two_classes(root / "trainless" / "val")
    two_classes(root / "trainless" / "test")
    return {
        "empty": "0 folders and 0 files",
        "table": r"1 \.csv",
        "loose": "1 images beside each other",
        "single": "one class only, 'cat'",
        "stranger": r"test has 1 classes that train lacks \(Cat\)",
        "twice": "val and valid, which both mean validation",
        "trainless": "no train/",
        "nowhere": "No such file",
    }


@pytest.mark.parametrize("case", ["empty", "table", "loose", "single", "stranger", "twice", "trainless", "nowhere"])
def test_a_layout_that_cannot_be_used_is_explained(case: str, tmp_path: Path) -> None:
    said = refuse_cases(tmp_path)[case]
    with pytest.raises(DataError, match=said) as error:
        read_folder(tmp_path / case)
    assert str(tmp_path / case) in error.value.message


def test_every_broken_file_is_found_before_anything_is_raised(tmp_path: Path) -> None:
    two_classes(tmp_path, 3)
    whole = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(whole, "JPEG")
    (tmp_path / "cat" / "cut.jpg").write_bytes(whole.getvalue()[:-900])
    (tmp_path / "cat" / "empty.png").write_bytes(b"")
    (tmp_path / "dog" / "text.jpg").write_text("<html>")
    (tmp_path / "dog" / "nowhere.png").symlink_to(tmp_path / "gone.png")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "dog" / "pipe.png")
    with pytest.raises(BrokenImage) as error:
        read_folder(tmp_path)
    reasons = {path.name: reason for path, reason in error.value.problems}
    assert "cut" in reasons["cut.jpg"] or "truncated" in reasons["cut.jpg"]
    assert "empty" in reasons["empty.png"]
    assert "its content is" in reasons["text.jpg"]
    assert "leads nowhere" in reasons["nowhere.png"]
    assert len(reasons) == (5 if hasattr(os, "mkfifo") else 4)
    assert f"{len(reasons)} entries" in error.value.message
    assert "cat/cut.jpg" in error.value.message
    assert "and 2 more" in error.value.message

    data = read_folder(tmp_path, broken="quarantine")
    assert len(data.train) == 6
    assert data.train.names == tuple(f"{name}/{i}.png" for name in ("cat", "dog") for i in range(3))
    # The good images keep their own pixels where broken ones before them left a gap.
    assert data.train.images[:, 0, 0, 0].tolist() == [0, 0, 0, 100, 100, 100]
    assert data.train.images[:, 1, 0, 0].tolist() == [0, 1, 2, 0, 1, 2]
    assert names_of(data) == ["image-broken"] * len(reasons)


def test_nothing_but_broken_files_stops_even_where_they_are_to_be_skipped(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.jpg").write_text("no")
    with pytest.raises(BrokenImage, match="none of its 2"):
        read_folder(tmp_path, broken="quarantine")


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two_classes(tmp_path)
    save(tmp_path / "dog" / "locked" / "0.png")
    listing = Path.iterdir

    def refuse(path: Path) -> object:
        if path.name == "locked":
            raise PermissionError(13, "Permission denied")
        return listing(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(BrokenImage, match=r"dog/locked: it cannot be read \(Permission denied\)"):
        read_folder(tmp_path)


def test_hidden_and_other_files_are_counted_and_left_out(tmp_path: Path) -> None:
    two_classes(tmp_path)
    for name in (".DS_Store", "Thumbs.db", "cat/.hidden.png", "cat/notes.txt", "cat/LICENSE"):
        (tmp_path / name).write_text("x")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "cat" / "no_suffix").write_bytes((tmp_path / "cat" / "0.png").read_bytes())
    (tmp_path / "bird").mkdir()
    data = read_folder(tmp_path)
    messages = [finding.message for finding in data.findings]
    assert any("no images by name are not used (2)" in message and "LICENSE" in message for message in messages)
    assert any("system files are not used (4)" in message for message in messages)
    assert any("(1): bird" in message for message in messages)
    assert "cat/no_suffix" in data.train.names


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    two_classes(tmp_path)
    (tmp_path / "cat" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "all").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "bird").symlink_to(tmp_path / "dog", target_is_directory=True)
    data = read_folder(tmp_path)
    assert data.train.class_names == ("bird", "cat", "dog")  # a linked class is a class; a link upwards is not
    assert len(data.train) == 6
    assert {"folder-ignored", "file-ignored"} <= set(names_of(data))


def test_images_in_deeper_folders_belong_to_the_class_and_are_remarked(tmp_path: Path) -> None:
    two_classes(tmp_path)
    save(tmp_path / "bird" / "small" / "deep" / "0.png")
    data = read_folder(tmp_path)
    assert data.train.names[0] == "bird/small/deep/0.png"
    assert names_of(data) == ["folder-nested"]


def test_size_is_the_common_one_up_to_256_else_64(tmp_path: Path) -> None:
    two_classes(tmp_path)
    assert read_folder(tmp_path).policy == ImagePolicy(3, 6, 8)
    assert read_folder(tmp_path, image_size=5).policy == ImagePolicy(3, 5, 5)
    save(tmp_path / "cat" / "wide.png", (300, 20))
    assert read_folder(tmp_path).policy == ImagePolicy(3, 64, 64)
    for path in tmp_path.glob("*/*.png"):
        save(path, (300, 300))
    assert read_folder(tmp_path).policy == ImagePolicy(3, 64, 64)
    with pytest.raises(DataError, match="1 to 4096"):
        read_folder(tmp_path, image_size=0)


def test_grey_only_where_every_image_is(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        save(tmp_path / name / "0.png", mode="L", colour=77)
    data = read_folder(tmp_path)
    assert data.train.images.shape == (2, 1, 6, 8)
    assert data.train.images.min() == data.train.images.max() == 77
    save(tmp_path / "dog" / "1.png")
    data = read_folder(tmp_path)
    assert data.train.images.shape == (3, 3, 6, 8)
    assert data.train.images[0].min() == data.train.images[0].max() == 77


def test_too_much_for_the_memory_is_told_before_it_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two_classes(tmp_path)
    monkeypatch.setattr("convoscope.data.pixels.free_bytes", lambda: 700)
    with pytest.raises(DataError, match=r"GB are free"):
        read_folder(tmp_path)


def test_prediction_reads_a_file_as_training_did(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (90, 50, 3), np.uint8)
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for i, suffix in enumerate(("jpg", "png", "webp")):
            Image.fromarray(pixels[: 90 - i]).save(tmp_path / name / f"{i}.{suffix}")
    data = read_folder(tmp_path, image_size=24)
    policy = ImagePolicy.from_dict(data.policy.to_dict())
    for pixels_then, name in zip(data.train.images, data.train.names, strict=True):
        np.testing.assert_array_equal(policy.read(tmp_path / name), pixels_then)
        np.testing.assert_array_equal(policy.read((tmp_path / name).read_bytes()), pixels_then)


def encode(image: Image.Image, format_: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format_, **options)
    return stream.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    upright = Image.new("RGB", (6, 4), "black")
    upright.putpixel((0, 0), (255, 0, 0))
    upright.putpixel((5, 0), (0, 255, 0))
    back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(back[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = ImagePolicy(3, 4, 6).read(encode(stored, "PNG", exif=exif))
    np.testing.assert_array_equal(pixels.transpose(1, 2, 0), np.asarray(upright))


def palette_image() -> Image.Image:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    return image


@pytest.mark.parametrize(
    ("content", "colour"),
    [
        (encode(Image.new("RGBA", (4, 4), (0, 0, 0, 0)), "PNG"), (255, 255, 255)),
        (encode(Image.new("RGBA", (4, 4), (100, 0, 0, 255)), "PNG"), (100, 0, 0)),
        (encode(Image.new("RGBA", (4, 4), (0, 0, 0, 51)), "PNG"), (204, 204, 204)),
        (encode(Image.new("LA", (4, 4), (0, 51)), "PNG"), (204, 204, 204)),
        (encode(palette_image(), "PNG"), (200, 100, 50)),
        (encode(palette_image(), "PNG", transparency=1), (255, 255, 255)),
        (encode(Image.new("CMYK", (4, 4), (0, 255, 255, 0)), "TIFF"), (255, 0, 0)),
        (encode(Image.new("1", (4, 4), 1), "PNG"), (255, 255, 255)),
        (encode(Image.fromarray(np.full((4, 4), 65535, np.uint16)), "PNG"), (255, 255, 255)),
        (encode(Image.fromarray(np.full((4, 4), 257 * 40, np.uint16)), "PNG"), (40, 40, 40)),
        (encode(Image.fromarray(np.full((4, 4), 0.5, np.float32)), "TIFF"), (128, 128, 128)),
    ],
)
def test_every_mode_becomes_eight_bit_rgb(content: bytes, colour: tuple[int, int, int]) -> None:
    pixels = ImagePolicy(3, 4, 4).read(content)
    assert {tuple(map(int, pixel)) for pixel in pixels.reshape(3, -1).T} == {colour}


def test_wide_numbers_are_scaled_and_never_clipped() -> None:
    ramp = np.arange(0, 65536, 1024, dtype=np.uint16).reshape(8, 8)
    pixels = ImagePolicy(1, 8, 8).read(encode(Image.fromarray(ramp), "PNG"))[0]
    np.testing.assert_array_equal(pixels, np.rint(ramp / 257).astype(np.uint8))
    beyond = np.array([[-1.0, 0.0], [1.0, 3.0]], np.float32)
    pixels = ImagePolicy(1, 2, 2).read(encode(Image.fromarray(beyond), "TIFF"))[0]
    assert pixels.tolist() == [[0, 64], [128, 255]]


def test_colours_become_grey_by_their_luma() -> None:
    for colour, grey in (((255, 0, 0), 76), ((0, 255, 0), 150), ((0, 0, 255), 29)):
        pixels = ImagePolicy(1, 2, 2).read(encode(Image.new("RGB", (2, 2), colour), "PNG"))
        assert pixels.shape == (1, 2, 2)
        assert set(pixels.ravel().tolist()) == {grey}


def test_the_centre_is_kept_and_the_shape_is_not_stretched() -> None:
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 200
    pixels = ImagePolicy(3, 5, 5).read(encode(Image.fromarray(wide), "PNG"))
    assert pixels[:, :, 1:-1].min() > 190  # the middle third alone: neither of the black sides
    tall = np.ascontiguousarray(wide.transpose(1, 0, 2))
    assert ImagePolicy(3, 20, 20).read(encode(Image.fromarray(tall), "PNG"))[:, 2:-2].min() > 190


def test_an_image_of_the_right_size_keeps_its_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    np.testing.assert_array_equal(ImagePolicy(1, 28, 28).read(encode(Image.fromarray(pixels), "PNG"))[0], pixels)


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "bomb.png", (100, 100))
    monkeypatch.setattr(image_module, "MAX_PIXELS", 9_999)
    with pytest.raises(BrokenImage, match=r"bomb\.png: it has 100 x 100 = 10,000 pixels, and the limit is 9,999"):
        ImagePolicy(3, 8, 8).read(path)


@pytest.mark.parametrize("side", [9_500, 60_000])
def test_a_bomb_by_pillows_own_count_is_refused_too(side: int) -> None:
    import struct
    import zlib

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    )
    with pytest.raises(BrokenImage, match="the limit"):
        ImagePolicy(1, 8, 8).read(b"\x89PNG\r\n\x1a\n" + chunks)


def test_postscript_never_reaches_another_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.Popen", lambda *_: pytest.fail("a program was started"))
    content = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    with pytest.raises(BrokenImage, match="its content is"):
        ImagePolicy(3, 8, 8).read(content)


def test_warnings_are_as_before_after_reading() -> None:
    before = list(warnings.filters)
    ImagePolicy(3, 4, 4).read(encode(palette_image(), "PNG"))
    assert list(warnings.filters) == before


@pytest.mark.parametrize(
    "record", [{}, {"channels": 2, "height": 4, "width": 4}, {"channels": 1, "height": 0, "width": 4}]
)
def test_a_damaged_policy_is_refused(record: dict[str, int]) -> None:
    with pytest.raises(DataError):
        ImagePolicy.from_dict(record)
