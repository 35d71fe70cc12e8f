"""Files mutated at random go through the decoder: each is decoded or named, and memory stays where it was."""

from collections import Counter

import numpy as np
import psutil
import pytest
from bad_files import encode, good_files, photo
from PIL import Image

from convoscope.data.content import DecodeError
from convoscope.data.image import ImagePolicy, decode_image, quiet_pillow

SIDE = 24
MORE_MEMORY = 400e6  # bytes, on top of what is taken after a first few; most images here are of 60 x 44 pixels


def seeds() -> list[bytes]:
    """Good files of every format, of several modes, and films."""
    frames = [photo().rotate(90), photo().rotate(180)]
    wide = Image.fromarray(np.linspace(0, 65535, 900).astype(np.uint16).reshape(30, 30))
    return [
        *good_files().values(),
        *(encode(photo().convert(mode), format_) for mode, format_ in (
            ("L", "PNG"), ("P", "PNG"), ("RGBA", "PNG"), ("CMYK", "JPEG"), ("CMYK", "TIFF"), ("1", "TIFF"),
            ("P", "BMP"), ("RGBA", "WEBP"), ("LA", "PNG"), ("L", "JPEG2000"),
        )),
        *(encode(wide, format_) for format_ in ("PNG", "TIFF")),
        *(encode(photo(), kind, save_all=True, append_images=frames) for kind in ("GIF", "PNG", "WEBP", "TIFF", "MPO")),
        encode(photo().resize((32, 32)), "ICO"),
    ]  # fmt: skip


def mutated(content: bytes, other: bytes, generator: np.random.Generator) -> bytes:
    """A file with bits turned, bytes replaced, a piece cut out, doubled, or taken from another, or all of that."""
    data = bytearray(content)
    for _ in range(int(generator.integers(1, 5))):
        if not data:
            return b""
        at, n = int(generator.integers(len(data))), int(generator.integers(1, 64))
        match int(generator.integers(7)):
            case 0:
                data[at] ^= 1 << int(generator.integers(8))
            case 1:
                data[at : at + n] = generator.bytes(n)
            case 2:
                del data[at : at + n]
            case 3:
                data[at:at] = data[at : at + n]
            case 4:
                data[at:] = other[int(generator.integers(len(other))) :]
            case 5:
                data[at : at + 4] = [b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f"][at % 4]
            case _:
                # Headers are where sizes and counts stand.
                data[int(generator.integers(min(64, len(data))))] = int(generator.integers(256))
    return bytes(data)


def fuzz(n: int, seed: int) -> Counter[str]:
    """How many of `n` mutated files were decoded and how many named; nothing else may come of one."""
    generator, files = np.random.default_rng(seed), seeds()
    outcomes: Counter[str] = Counter()
    process, before, policy = psutil.Process(), 0, ImagePolicy(3, SIDE, SIDE)
    with quiet_pillow():
        for i in range(n):
            content = mutated(files[i % len(files)], files[int(generator.integers(len(files)))], generator)
            try:
                pixels = decode_image(content, policy)
            except DecodeError as problem:
                outcomes["named" if str(problem).isprintable() and str(problem) else "not told"] += 1
            else:
                assert pixels.shape == (3, SIDE, SIDE)
                outcomes["decoded"] += 1
            if i == len(files):
                before = process.memory_info().rss
            if i % 50 == 0 and before:
                assert process.memory_info().rss - before < MORE_MEMORY, (i, len(content))
    return outcomes


@pytest.mark.parametrize("n", [300, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_mutated_files_are_decoded_or_named(n: int) -> None:
    outcomes = fuzz(n, seed=n)
    assert outcomes["named"] + outcomes["decoded"] == n
    assert outcomes["named"] > n / 10
    assert outcomes["decoded"] > n / 10


def test_nothing_is_decoded_of_noise() -> None:
    generator = np.random.default_rng(3)
    with quiet_pillow():
        for n in (0, 1, 2, 10, 100, 10_000):
            with pytest.raises(DecodeError):
                decode_image(generator.bytes(n), ImagePolicy(3, SIDE, SIDE))
