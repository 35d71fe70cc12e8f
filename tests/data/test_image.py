import io
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from bad_files import encode, photo, png
from PIL import Image

from convoscope.data import image as image_module
from convoscope.data.content import DecodeError, damage, why_unknown
from convoscope.data.image import ImagePolicy, decode_image, orientation_of, read_header
from convoscope.errors import BrokenImage


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("there are no pipes here")
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(BrokenImage, match="no ordinary file"):
        ImagePolicy(3, 8, 8).read(tmp_path / "pipe.jpg")


@pytest.mark.parametrize("name", ["no\0name.jpg", "n" * 5000])
def test_a_path_that_cannot_be_is_named(name: str) -> None:
    with pytest.raises(DecodeError):
        decode_image(name, ImagePolicy(3, 8, 8))


def test_an_orientation_after_the_pixels_of_a_png_counts_and_hides_no_error() -> None:
    """Pillow finds it only by loading the pixels, which must not happen where errors are swallowed."""
    exif = Image.Exif()
    exif[0x0112] = 6
    whole = encode(photo(), "PNG", exif=exif)
    at = whole.index(b"eXIf") - 4
    chunk = whole[at : at + 12 + int.from_bytes(whole[at : at + 4], "big")]
    end = whole.index(b"IEND") - 4
    moved = whole[:at] + whole[at + len(chunk) : end] + chunk + whole[end:]
    np.testing.assert_array_equal(
        decode_image(moved, ImagePolicy(3, 60, 44)), decode_image(whole, ImagePolicy(3, 60, 44))
    )
    data = moved.index(b"IDAT") + 40
    with pytest.raises(DecodeError):
        decode_image(moved[:data] + bytes([moved[data] ^ 255]) + moved[data + 1 :], ImagePolicy(3, 60, 44))


def test_a_header_is_read_without_decoding_and_stands_upright(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for format_, suffix in (("JPEG", "jpg"), ("PNG", "png"), ("TIFF", "tif"), ("WEBP", "webp")):
        exif = Image.Exif()
        exif[0x0112] = 6
        path = tmp_path / f"turned.{suffix}"
        photo().save(path, format_, exif=exif)
        if format_ in ("JPEG", "PNG"):
            monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("the pixels were decoded"))
        header = read_header(path)
        assert (header.height, header.width, header.grey) == (60, 44, False)
        monkeypatch.undo()


def test_damaged_or_absurd_orientations_are_upright() -> None:
    exif = Image.Exif()
    for value in (0, 9, 99):
        exif[0x0112] = value
        with Image.open(io.BytesIO(encode(photo(), "JPEG", exif=exif))) as image:
            assert orientation_of(image) == 1


def test_a_grey_corner_alone_is_no_sign_of_a_cut() -> None:
    """Mid-grey is what libjpeg paints where data are missing, and what a wall may look like."""
    for mode, colour in (("RGB", (128, 128, 128)), ("L", 128), ("CMYK", (127, 127, 127, 127))):
        for options in ({}, {"progressive": True}, {"restart_marker_rows": 1}):
            content = encode(Image.new(mode, (70, 50), colour), "JPEG", **options)
            assert decode_image(content, ImagePolicy(1, 8, 8)).shape == (1, 8, 8)


@pytest.mark.parametrize("side", [8, 64, 1000])
def test_an_early_end_is_noticed_at_every_scale_of_decoding(side: int) -> None:
    whole = encode(photo(640, 480), "JPEG", quality=80)
    scan = whole.index(b"\xff\xda")
    for share in (0.2, 0.6, 0.97):
        cut = whole[: scan + int((len(whole) - scan) * share)] + b"\xff\xd9"
        with pytest.raises(DecodeError, match="rows"):
            decode_image(cut, ImagePolicy(3, side, side))
    assert decode_image(whole, ImagePolicy(3, side, side)).shape == (3, side, side)


def test_large_images_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many threads decode, only so many pixels are in work; one image alone always goes ahead."""
    room = image_module._Room(100)
    most, now, lock = 0, 0, threading.Lock()

    def work(n: int) -> None:
        nonlocal most, now
        with room.taken(n):
            with lock:
                now += n
                most = max(most, now)
            time.sleep(0.002)
            with lock:
                now -= n

    threads = [threading.Thread(target=work, args=(n,)) for n in (60, 60, 30, 250, 40, 40, 10, 90, 60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert now == 0
    assert most == 250  # the one that is larger than the room, and it was alone


def test_reasons_are_one_clause_whatever_a_decoder_says(monkeypatch: pytest.MonkeyPatch) -> None:
    def shout(_: object) -> None:
        raise ValueError("one\ntwo  three.\n" * 100)

    monkeypatch.setattr(Image.Image, "load", shout)
    with pytest.raises(DecodeError) as problem:
        decode_image(png(1, 1, 8, 0, b"\0\0"), ImagePolicy(1, 1, 1))
    assert "\n" not in str(problem.value)
    assert len(str(problem.value)) < 300


def test_what_is_not_looked_into_counts_as_whole() -> None:
    content = encode(photo(), "BMP")
    stream = io.BytesIO(content)
    with Image.open(stream) as image:
        image.load()
        assert damage(stream, image) == ""
    assert "known format" in why_unknown(io.BytesIO(b"RIFF0000WAVE"))
