"""What a file is by its bytes, and whether all of it is there: what a decoder that returns pixels does not say."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from PIL import Image

# How files begin: what is an image here, and what people take for one.
_BEGINNINGS = (
    (b"\xff\xd8\xff", "JPEG"), (b"\x89PNG\r\n\x1a\n", "PNG"), (b"GIF8", "GIF"), (b"II*\0", "TIFF"), (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"), (b"MM\0+", "TIFF"), (b"RIFF", "WebP"), (b"\0\0\0\x0cjP  ", "JPEG 2000"),
)  # fmt: skip
_STRANGERS = (
    (b"%PDF", "a PDF document", "Save its pages as PNG"), (b"PK\x03\x04", "a ZIP archive", "Unpack it"),
    (b"\x1f\x8b", "a gzip archive", "Unpack it"), (b"7z\xbc\xaf", "a 7-Zip archive", "Unpack it"),
    (b"Rar!", "a RAR archive", "Unpack it"), (b"8BPS", "a Photoshop file", "Save it as PNG"),
    (b"%!PS", "a PostScript file", "Save it as PNG"), (b"\xff\x0a", "a JPEG XL photo", "Convert it to JPEG or PNG"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL photo", "Convert it to JPEG or PNG"), (b"\x1aE\xdf\xa3", "a video", "Save frames"),
    (b"FUJIFILMCCD-RAW", "a raw photo", "Convert it to JPEG or PNG"), (b"IIRO", "a raw photo", "Convert it to JPEG"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "Fetch the file with `git lfs pull`"),
)  # fmt: skip
_HEIF = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"heif")
_PIECE = 1 << 20  # bytes read at a time
_FILLER = b"\x35" * 4096  # bits that mean something to nearly every Huffman table, and hold no marker
_GREY = (127, 128)  # what libjpeg paints where the data ended: zero in every component, and its negative in CMYK


class DecodeError(Exception):
    """Why one file gives no image, in a clause; inside the data room only."""


def why_unknown(stream: BinaryIO) -> str:
    """Why no reader took a file, in a clause, by how it begins."""
    stream.seek(0)
    head = stream.read(4096)
    if not head:
        return "it is empty (0 bytes)"
    if not head.strip(b"\0"):
        return "it begins with nothing but zero bytes: a copy of it was cut off"
    for begin, name in _BEGINNINGS:
        if head.startswith(begin) and (name != "WebP" or head[8:12] == b"WEBP"):
            return f"it begins as {name}, and is cut or damaged"
    what, remedy = _stranger(head)
    if what:
        return f"its content is {what}, which is not read here: {remedy[0].lower()}{remedy[1:]}"
    return "its content is no image of a known format"


def _stranger(head: bytes) -> tuple[str, str]:
    """What a file that is no image here is, and what to do with it; empty where that is not known."""
    for begin, name, remedy in _STRANGERS:
        if head.startswith(begin):
            return name, remedy
    if head[4:8] == b"ftyp":
        if head[8:12] in _HEIF:
            return "a HEIC photo (as phones take them)", "Convert it to JPEG, or let the phone save JPEG"
        if head[8:12] in (b"avif", b"avis"):
            return "an AVIF image, cut or damaged or of a kind unknown", "Convert it to PNG"
        return "a video", "Save frames of it as JPEG or PNG"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:512].lower()
    if start.startswith(b"<svg") or (start.startswith(b"<?xml") and b"<svg" in start):
        return "an SVG drawing", "Draw it to PNG"
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page", "Download the image again"
    return "", ""


def damage(stream: BinaryIO, image: Image.Image) -> str:
    """What is missing or wrong in a file whose pixels were decoded all the same, in a clause; "" where it is whole.

    Decoders give pixels of files that end too early: JPEG with a grey rest, PNG whatever its checksums say, the first
    frame of a GIF whose others are cut off.

    Args:
        stream: The file, at any position.
        image: The image opened from it, its pixels loaded.
    """
    if image.format in ("JPEG", "MPO"):
        return _damage_of_jpeg(stream, image)
    if image.format == "PNG":
        return _damage_of_png(stream)
    if image.format == "GIF":
        return walk_gif(stream)[1]
    if image.format == "TIFF":
        return _damage_of_tiff(stream, image)
    return ""


def _damage_of_jpeg(stream: BinaryIO, image: Image.Image) -> str:
    """No end after the beginning of the pixels; or data that end before the last block, which libjpeg paints grey."""
    stream.seek(0)
    content = stream.read()
    end = content.rfind(b"\xff\xd9")
    if end < _begin_of_scan(content):
        return "it is cut: it has no end marker"
    corner = image.getpixel((image.width - 1, image.height - 1))
    if any(value not in _GREY for value in (corner if isinstance(corner, tuple) else (corner,))):
        return ""
    # A corner may be grey by itself. Where the pixels are all there, more data after them change nothing.
    from PIL import Image

    with Image.open(io.BytesIO(content[:end] + _FILLER + content[end:]), formats=("JPEG", "MPO")) as filled:
        filled.draft(None, image.size)
        filled.load()
        same = filled.size == image.size and filled.tobytes() == image.tobytes()
    return "" if same else "it is cut: its pixels end before its last rows, which would be grey"


def _begin_of_scan(content: bytes) -> int:
    """Where a JPEG's pixels begin: after its header, whose thumbnail may have an end marker of its own."""
    at = 2
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xDA:
            return at
        # A marker may be padded with 0xFF; those of 0xD0 to 0xD7 and 0x01 have no length.
        at += 1 if marker == 0xFF else 2 if marker == 0x01 or 0xD0 <= marker <= 0xD7 else 2 + _big(content, at + 2)
    return at


def _big(content: bytes, at: int) -> int:
    return int.from_bytes(content[at : at + 2], "big")


def _damage_of_png(stream: BinaryIO) -> str:
    """A chunk whose checksum is not its own, or a file that ends before its last chunk."""
    stream.seek(8)
    while True:
        head = stream.read(8)
        if len(head) < 8:
            return "it is cut: it has no end (IEND)"
        (length, name), check = struct.unpack(">I4s", head), zlib.crc32(head[4:])
        while length:
            piece = stream.read(min(length, _PIECE))
            if not piece:
                return f"it is cut within {name.decode('latin-1')}"
            check, length = zlib.crc32(piece, check), length - len(piece)
        if name == b"IEND":  # nothing hangs on the last checksum, and writers are careless with it
            return ""
        if stream.read(4) != check.to_bytes(4, "big"):
            return f"it is damaged: the checksum of {name.decode('latin-1')} is wrong"


def walk_gif(stream: BinaryIO) -> tuple[int, str]:
    """How many frames a GIF has, and what is wrong with its blocks; see `damage`."""
    stream.seek(10)
    flags = stream.read(3)
    if len(flags) < 3:
        return 0, "it is cut within its header"
    stream.seek(_n_colours(flags[0]) * 3, io.SEEK_CUR)
    n_frames = 0
    while (kind := stream.read(1)) != b";":
        if kind == b",":
            n_frames += 1
            head = stream.read(9)
            if len(head) < 9:
                return n_frames, "it is cut within a frame"
            stream.seek(_n_colours(head[8]) * 3 + 1, io.SEEK_CUR)
        elif kind == b"!":
            stream.seek(1, io.SEEK_CUR)
        else:
            return n_frames, f"it {'is cut' if not kind else 'is damaged'} after frame {n_frames}"
        if not all(_sub_blocks(stream)):
            return n_frames, f"it is cut within frame {n_frames}"
    return n_frames, ""


def _n_colours(flags: int) -> int:
    """Entries of a GIF's colour table, which is there where the highest bit says so."""
    return 2 << (flags & 7) if flags & 0x80 else 0


def _sub_blocks(stream: BinaryIO) -> Iterator[bool]:
    """Whether each of a GIF's pieces of data is there, up to the empty one that ends them."""
    while True:
        length = stream.read(1)
        if not length:
            yield False
            return
        if length == b"\0":
            return
        yield len(stream.read(length[0])) == length[0]


def _damage_of_tiff(stream: BinaryIO, image: Image.Image) -> str:
    """A page that cannot be read, or whose pixels lie beyond the end of the file."""
    n_bytes = stream.seek(0, io.SEEK_END)
    page = 1
    try:
        for page in range(1, getattr(image, "n_frames", 1) + 1):
            if page > 1:
                image.seek(page - 1)
            tags = image.tag_v2  # type: ignore[attr-defined]
            starts, lengths = tags.get(273) or tags.get(324) or (), tags.get(279) or tags.get(325) or ()
            if any(start + length > n_bytes for start, length in zip(starts, lengths, strict=False)):
                return f"it is cut: pixels of page {page} lie beyond its end"
    except Exception as error:  # noqa: BLE001 - Pillow's readers raise nearly anything on a damaged file
        said = re.sub(r"\s+", " ", str(error)).strip().rstrip(".") or type(error).__name__
        return f"it is damaged: its pages cannot be counted ({said})"
    return ""
