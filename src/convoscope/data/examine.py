"""One image file looked at once, from its first byte to its last: what it is, and a small copy to tell twins by."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from convoscope.data.colour import is_clear, is_wide, to_mode
from convoscope.data.content import DecodeError, walk_gif
from convoscope.data.image import TURNED, explained, load, opened, orientation_of, upright, upright_size
from convoscope.data.item import Item

if TYPE_CHECKING:
    from PIL import Image

SIDE = 16  # pixels of the small copy
_PIECE = 1 << 20  # bytes hashed at a time
_EASY = ("L", "RGB", "RGBA", "LA")  # modes that Pillow shrinks as they are, transparency weighed in

# Suffixes that promise a format; what is not among them promises none.
_PROMISED = {
    "JPEG": ("jpg", "jpeg", "jpe", "jfif"), "MPO": ("mpo", "jpg", "jpeg"), "PNG": ("png", "apng"), "WEBP": ("webp",),
    "BMP": ("bmp", "dib"), "DIB": ("dib", "bmp"), "GIF": ("gif",), "TIFF": ("tif", "tiff"),
    "PPM": ("ppm", "pgm", "pbm", "pnm", "pfm"), "AVIF": ("avif",), "JPEG2000": ("jp2", "j2k"), "TGA": ("tga",),
    "PCX": ("pcx",), "ICO": ("ico",),
}  # fmt: skip
_SUFFIXES = frozenset(suffix for suffixes in _PROMISED.values() for suffix in suffixes)


@dataclass(frozen=True, slots=True)
class Examined:
    """What one image file is.

    Attributes:
        format: By its content, as Pillow calls it: JPEG, PNG, MPO (a phone's JPEG with further pictures) ...
        mode: How it keeps its pixels, as Pillow calls it: RGB, L, P, RGBA, CMYK, I;16 ...
        width: Columns, in pixels, once it stands upright.
        height: Rows, likewise.
        orientation: EXIF's, 1 to 8; 1 is upright.
        n_frames: Frames or pages; the first is used.
        n_bytes: The file's length.
        wide: Whether its numbers have more than 8 bits.
        clear: Whether it has transparency.
        profile: Whether it has a colour profile (ICC), which is not applied.
        digest: SHA-256 of its bytes.
        small: The whole of it as RGB of `SIDE` x `SIDE` pixels, row by row, stretched to a square.
    """

    format: str
    mode: str
    width: int
    height: int
    orientation: int
    n_frames: int
    n_bytes: int
    wide: bool
    clear: bool
    profile: bool
    digest: bytes
    small: bytes


def examine(item: Item) -> Examined:
    """Reads, decodes and measures one image, its file from end to end.

    A JPEG is decoded at a half, a quarter or an eighth, which reads every bit of it and leaves out arithmetic alone.

    Raises:
        DecodeError: it cannot be read or decoded; the reason is said.
    """
    with opened(content_of(item)) as (image, stream):
        mode, wide, clear = image.mode, is_wide(image), is_clear(image)
        # Of a TIFF, Pillow forgets the orientation while it loads it; of a PNG, it may learn it only then.
        before, lying, standing = orientation_of(image), image.size, upright_size(image, 6)
        columns, rows = load(image, stream, SIDE)
        with explained():
            orientation = before if image.format == "TIFF" else orientation_of(image)
            width, height = standing if orientation in TURNED else lying
            small = _small(image, columns, rows)
            n_frames = walk_gif(stream)[0] if image.format == "GIF" else int(getattr(image, "n_frames", 1))
        n_bytes, digest = _digest(stream)
        format_ = image.format or ""
        profile = "icc_profile" in image.info
    facts = (orientation, n_frames, n_bytes, wide, clear, profile, digest, small)
    return Examined(format_, mode, width, height, *facts)


def content_of(item: Item) -> bytes | str:
    """What the decoder opens: a file's path, or the bytes of a member of an archive; raises DecodeError."""
    if item.offset < 0:
        return item.place
    with explained():
        return item.read()


def promises(name: str, format_: str) -> bool:
    """Whether a file's name may stand for its format; a name without a known suffix may stand for any."""
    suffix = name.rpartition(".")[2].casefold()
    return suffix not in _SUFFIXES or suffix in _PROMISED.get(format_, (suffix,))


def picture(item: Item, side: int) -> bytes:
    """A JPEG file of an image, at most `side` pixels a side, upright, as training sees its colours; b"" if broken."""
    try:
        with opened(content_of(item)) as (image, stream):
            load(image, stream, side)
            with explained():
                shown = upright(to_mode(image, "RGB"))
                shown.thumbnail((side, side))
                content = io.BytesIO()
                shown.save(content, "JPEG", quality=80)
                return content.getvalue()
    except DecodeError:
        return b""


def pixels_digest(item: Item) -> bytes:
    """SHA-256 of an image's size and upright RGB pixels; raises DecodeError."""
    with opened(content_of(item)) as (image, stream):
        load(image, stream, 1 << 16)
        with explained():
            shown = upright(to_mode(image, "RGB"))
            return hashlib.sha256(repr(shown.size).encode() + shown.tobytes()).digest()


def _small(image: Image.Image, columns: float, rows: float) -> bytes:
    """A loaded image as RGB of `SIDE` x `SIDE`, upright; its true sides may end within the last pixel."""
    from PIL import Image

    plain = image if image.mode in _EASY and not (image.mode in ("L", "RGB") and is_clear(image)) else None
    shrunk = (plain or to_mode(image, "RGB")).resize(
        (SIDE, SIDE), Image.Resampling.BILINEAR, box=(0, 0, columns, rows), reducing_gap=2.0
    )
    turned = upright(shrunk, orientation_of(image))
    return to_mode(turned, "RGB").tobytes()


def _digest(stream: BinaryIO) -> tuple[int, bytes]:
    """(length, SHA-256) of a stream from its beginning."""
    if isinstance(stream, io.BytesIO):
        content = stream.getbuffer()
        return len(content), hashlib.sha256(content).digest()
    stream.seek(0)
    digest = hashlib.sha256()
    while piece := stream.read(_PIECE):
        digest.update(piece)
    return stream.tell(), digest.digest()
