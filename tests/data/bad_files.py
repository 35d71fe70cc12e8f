"""Two hundred kinds of image file, most of them bad, each made from good ones, and what is to become of each."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WIDTH, HEIGHT = 60, 44
_T = Image.Transpose
_TURNED_BACK = {
    2: _T.FLIP_LEFT_RIGHT, 3: _T.ROTATE_180, 4: _T.FLIP_TOP_BOTTOM, 5: _T.TRANSPOSE, 6: _T.ROTATE_90, 7: _T.TRANSVERSE,
    8: _T.ROTATE_270,
}  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """One kind of file.

    Attributes:
        name: What was done to it, unique.
        file: What the file is called.
        content: Its bytes.
        reason: A pattern that the reason must match where it is to be named as broken; "" where it is to be decoded.
        pixels: What it must be decoded to, RGB (H, W, 3), where that is known.
        tolerance: By how much pixels may differ, on average, of 255.
    """

    name: str
    file: str
    content: bytes
    reason: str = ""
    pixels: NDArray[np.uint8] | None = None
    tolerance: float = 0.0


def photo(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """A small picture that no turn or mirror leaves as it is, with some texture, and not grey in its last corner."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    red, green, blue = 40 + 200 * x, 220 - 160 * y, 60 + 90 * x * y + 60 * ((x < 0.3) & (y < 0.3))
    grain = np.random.default_rng(5).integers(0, 12, (height, width, 3))
    return Image.fromarray((np.stack([red, green, blue], -1) + grain).clip(0, 255).astype(np.uint8))


def scene(seed: int, side: int = 96) -> Image.Image:
    """A picture of a few soft shapes and some grain; other seeds are other pictures."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[0:side, 0:side] / side
    picture = np.full((side, side, 3), generator.uniform(60, 190, 3))
    for _ in range(9):
        cx, cy, spread = generator.uniform(0, 1), generator.uniform(0, 1), generator.uniform(0.004, 0.05)
        shape = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / spread)
        picture += shape[..., None] * generator.uniform(-140, 140, 3)
    return Image.fromarray((picture + generator.normal(0, 6, picture.shape)).clip(0, 255).astype(np.uint8))


def encode(image: Image.Image, format_: str, **options: object) -> bytes:
    """An image as a file of a format."""
    stream = io.BytesIO()
    image.save(stream, format_, **options)
    return stream.getvalue()


def chunk(name: bytes, body: bytes, *, check: int | None = None) -> bytes:
    """A chunk of a PNG; its checksum is right unless another is given."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", check or zlib.crc32(name + body))


def png(width: int, height: int, bits: int, colour: int, rows: bytes, *more: bytes, interlaced: int = 0) -> bytes:
    """A PNG written out by hand: packed rows with their filter bytes, and further chunks before them."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced))
    body = b"".join(more) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + body


def tiff(order: str, tags: dict[int, tuple[int, int]], pixels: bytes, *, then: int = 0) -> bytes:
    """A TIFF written out by hand: tags with (type, value), one strip after them, the next page at `then`."""
    start = 8 + 2 + 12 * (len(tags) + 2) + 4
    tags = {**tags, 273: (4, start), 279: (4, len(pixels))}
    entries = b"".join(
        struct.pack(order + "HHI", tag, kind, 1)
        + struct.pack(order + ("HH" if kind == 3 else "I"), *_value(kind, value))
        for tag, (kind, value) in sorted(tags.items())
    )
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    return head + struct.pack(order + "H", len(tags)) + entries + struct.pack(order + "I", then) + pixels


def _value(kind: int, value: int) -> tuple[int, ...]:
    return (value, 0) if kind == 3 else (value,)


def plain_tags(width: int, height: int, bits: int, photometric: int = 1) -> dict[int, tuple[int, int]]:
    """The tags of a grey TIFF without compression."""
    return {
        256: (4, width),
        257: (4, height),
        258: (3, bits),
        259: (3, 1),
        262: (3, photometric),
        277: (3, 1),
        278: (4, height),
    }


def flat(colour: tuple[int, int, int], width: int = 8, height: int = 8) -> NDArray[np.uint8]:
    """An image of one colour, (H, W, 3)."""
    return np.broadcast_to(np.array(colour, np.uint8), (height, width, 3))


UPRIGHT = np.asarray(photo())
FORMATS: dict[str, tuple[str, str, dict[str, object], float]] = {
    # name: format, suffix, options, how far decoded pixels may be from the picture's, on average
    "jpeg": ("JPEG", "jpg", {"quality": 90}, 6), "jpeg-progressive": ("JPEG", "jpg", {"progressive": True}, 6),
    "jpeg-restarts": ("JPEG", "jpg", {"restart_marker_rows": 1}, 6), "png": ("PNG", "png", {}, 0),
    "webp": ("WEBP", "webp", {"quality": 90}, 6), "webp-lossless": ("WEBP", "webp", {"lossless": True}, 0),
    "gif": ("GIF", "gif", {}, 12), "tiff": ("TIFF", "tif", {}, 0),
    "tiff-lzw": ("TIFF", "tiff", {"compression": "tiff_lzw"}, 0),
    "tiff-deflate": ("TIFF", "tif", {"compression": "tiff_adobe_deflate"}, 0), "bmp": ("BMP", "bmp", {}, 0),
    "ppm": ("PPM", "ppm", {}, 0), "jpeg2000": ("JPEG2000", "jp2", {}, 1), "tga": ("TGA", "tga", {}, 0),
    "pcx": ("PCX", "pcx", {}, 0), "avif": ("AVIF", "avif", {"quality": 90}, 6),
}  # fmt: skip


def good_files() -> dict[str, bytes]:
    """The picture in every format that this Pillow writes."""
    Image.init()
    known = {name: kind for name, kind in FORMATS.items() if kind[0] in Image.SAVE}
    return {name: encode(photo(), kind[0], **kind[2]) for name, kind in known.items()}


def all_kinds() -> list[Kind]:
    """Every kind; no two have a name or a file name in common."""
    good = good_files()
    return [
        *_whole(good), *_cut(good), *_flipped(good), *_misnamed(good), *_oriented(), *_modes(), *_wide(),
        *_bad_png(good), *_bad_jpeg(good), *_bad_gif(good), *_bad_tiff(), *_bad_others(good), *_strangers(), *_bombs(),
        *_names(good),
    ]  # fmt: skip


def _whole(good: dict[str, bytes]) -> Iterator[Kind]:
    for name, content in good.items():
        _, suffix, _, tolerance = FORMATS[name]
        yield Kind(f"whole-{name}", f"whole-{name}.{suffix}", content, "", UPRIGHT, tolerance)


def _cut(good: dict[str, bytes]) -> Iterator[Kind]:
    """Cut at every tenth."""
    for name, content in good.items():
        for tenth in range(10):
            kind = f"cut-{name}-{tenth}0%"
            reason = "empty" if tenth == 0 else "cut|decoded|known format"
            yield Kind(kind, f"{kind}.{FORMATS[name][1]}", content[: len(content) * tenth // 10], reason)


def _flipped(good: dict[str, bytes]) -> Iterator[Kind]:
    """A bit turned over: in the signature; in data with a checksum; in data without, where nobody can know."""
    for name, content in good.items():
        if name not in ("tga", "pcx"):  # they have no signature
            at = 4 if name in ("jpeg2000", "avif") else 0
            turned = content[:at] + bytes([content[at] ^ 32]) + content[at + 1 :]
            yield Kind(f"signature-{name}", f"signature-{name}.{FORMATS[name][1]}", turned, "known format|cut|decoded")
    for tenth in range(1, 10):
        at = len(good["png"]) * tenth // 10
        turned = good["png"][:at] + bytes([good["png"][at] ^ 16]) + good["png"][at + 1 :]
        yield Kind(f"flip-png-{tenth}0%", f"flip-png-{tenth}0%.png", turned, "checksum|decoded|cut")
    for name in ("bmp", "tiff", "ppm", "tga"):
        at = len(good[name]) // 2
        turned = good[name][:at] + bytes([good[name][at] ^ 16]) + good[name][at + 1 :]
        yield Kind(f"flip-{name}", f"flip-{name}.{FORMATS[name][1]}", turned, "", UPRIGHT, 0.1)


def _misnamed(good: dict[str, bytes]) -> Iterator[Kind]:
    """Names that promise another format: decoded all the same, by the content."""
    for name, suffix in (
        ("jpeg", "png"), ("jpeg", "gif"), ("jpeg", "tiff"), ("jpeg", "webp"), ("jpeg", "bmp"), ("png", "jpg"),
        ("gif", "jpg"), ("webp", "jpg"), ("tiff", "jpg"), ("bmp", "png"), ("avif", "jpg"), ("ppm", "png"),
    ):  # fmt: skip
        if name in good:
            kind = f"misnamed-{name}-as-{suffix}"
            yield Kind(kind, f"{kind}.{suffix}", good[name], "", UPRIGHT, FORMATS[name][3])
    for suffix in ("JPG", "JPeG", "jfif", "jpe"):
        yield Kind(f"suffix-{suffix}", f"suffix-{suffix}.{suffix}", good["jpeg"], "", UPRIGHT, 6)


def _oriented() -> Iterator[Kind]:
    """EXIF 1 to 8: all upright."""
    for format_, suffix, tolerance in (("JPEG", "jpg", 6), ("PNG", "png", 0), ("WEBP", "webp", 8), ("TIFF", "tif", 0)):
        for orientation in range(1, 9):
            exif = Image.Exif()
            exif[0x0112] = orientation
            stored = photo().transpose(_TURNED_BACK[orientation]) if orientation > 1 else photo()
            content = encode(stored, format_, exif=exif, **({"quality": 90} if tolerance else {}))
            kind = f"exif-{format_}-{orientation}"
            yield Kind(kind, f"{kind}.{suffix}", content, "", UPRIGHT, tolerance)


def _modes() -> Iterator[Kind]:
    """Grey, palettes, transparency, inks and CIE colours."""
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 200, 100, 50])
    red = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    for name, suffix, content, colour, tolerance in (
        ("grey", "png", encode(Image.new("L", (8, 8), 77), "PNG"), (77, 77, 77), 0),
        ("one-bit", "png", encode(Image.new("1", (8, 8), 1), "PNG"), (255, 255, 255), 0),
        ("palette", "png", encode(palette, "PNG"), (200, 100, 50), 0),
        ("palette-clear", "png", encode(palette, "PNG", transparency=1), (255, 255, 255), 0),
        ("palette-half-clear", "png", encode(palette, "PNG", transparency=b"\xff\x33"), (244, 224, 214), 1),
        ("palette-4-bit", "png", encode(palette, "PNG", bits=4), (200, 100, 50), 0),
        ("palette-2-bit", "png", encode(palette, "PNG", bits=2), (200, 100, 50), 0),
        ("rgb-one-colour-clear", "png", encode(Image.new("RGB", (8, 8), (9, 9, 9)), "PNG", transparency=(9, 9, 9)),
         (255, 255, 255), 0),
        ("clear", "png", encode(Image.new("RGBA", (8, 8), (0, 0, 0, 0)), "PNG"), (255, 255, 255), 0),
        ("half-clear", "png", encode(Image.new("RGBA", (8, 8), (0, 0, 0, 51)), "PNG"), (204, 204, 204), 0),
        ("grey-half-clear", "png", encode(Image.new("LA", (8, 8), (0, 51)), "PNG"), (204, 204, 204), 0),
        ("half-clear", "webp", encode(Image.new("RGBA", (8, 8), (0, 0, 0, 51)), "WEBP", lossless=True), (204,) * 3, 0),
        ("half-clear", "tif", encode(Image.new("RGBA", (8, 8), (0, 0, 0, 51)), "TIFF"), (204, 204, 204), 0),
        ("clear", "gif", encode(palette, "GIF", transparency=1), (255, 255, 255), 0),
        ("inks-of-adobe", "jpg", encode(red, "JPEG", quality=95), (255, 0, 0), 4),
        ("inks", "tif", encode(red, "TIFF"), (255, 0, 0), 0),
        ("inks-lzw", "tif", encode(red, "TIFF", compression="tiff_lzw"), (255, 0, 0), 0),
        ("lab", "tif", encode(Image.new("LAB", (8, 8), (255, 128, 128)), "TIFF"), (255, 255, 255), 4),
        ("ycbcr", "tif", encode(Image.new("YCbCr", (8, 8), (76, 85, 255)), "TIFF"), (255, 0, 0), 3),
    ):  # fmt: skip
        yield Kind(f"mode-{name}-{suffix}", f"mode-{name}.{suffix}", content, "", flat(colour), tolerance)


def _wide() -> Iterator[Kind]:
    """More than 8 bits: scaled by their range."""
    one = b"\0" + struct.pack(">8H", *[257 * 40] * 8)
    three = b"\0" + struct.pack(">24H", *[257 * 200, 257 * 100, 257 * 50] * 8)
    four = b"\0" + struct.pack(">32H", *[0, 0, 0, 257 * 51] * 8)
    ramp = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    scaled = np.repeat(np.rint(ramp / 257).astype(np.uint8)[..., None], 3, 2)
    half = np.full((8, 8), 0.5, np.float32)
    far = np.full((8, 8), 3.0, np.float32)
    far[0, 0], nan = -1.0, half.copy()
    nan[3, 3] = np.nan
    farther = np.repeat(np.where(far < 0, 0, 255).astype(np.uint8)[..., None], 3, 2)
    twelve = tiff("<", plain_tags(8, 8, 12), b"\xff\xff\xff" * 32)
    for name, suffix, content, pixels in (
        ("grey-16", "png", png(8, 8, 16, 0, one * 8), flat((40, 40, 40))),
        ("rgb-16", "png", png(8, 8, 16, 2, three * 8), flat((200, 100, 50))),
        ("rgba-16", "png", png(8, 8, 16, 6, four * 8), flat((204, 204, 204))),
        ("ramp-16", "png", encode(Image.fromarray(ramp), "PNG"), scaled),
        ("ramp-16", "tif", encode(Image.fromarray(ramp), "TIFF"), scaled),
        ("ramp-16-deflate", "tif", encode(Image.fromarray(ramp), "TIFF", compression="tiff_adobe_deflate"), scaled),
        ("big-endian-16", "tif", tiff(">", plain_tags(8, 8, 16), ramp.astype(">u2").tobytes()), scaled),
        ("white-is-0-16", "tif", tiff("<", plain_tags(8, 8, 16, 0), ramp.tobytes()), 255 - scaled),
        ("12-bit", "tif", twelve, flat((255, 255, 255))),
        ("8-bit-big-endian", "tif", tiff(">", plain_tags(8, 8, 8), b"\x4d" * 64), flat((77, 77, 77))),
        ("8-bit-white-is-0", "tif", tiff("<", plain_tags(8, 8, 8, 0), b"\x4d" * 64), flat((178, 178, 178))),
        ("float", "tif", encode(Image.fromarray(half), "TIFF"), flat((128, 128, 128))),
        ("float-far", "tif", encode(Image.fromarray(far), "TIFF"), farther),
        ("int-32", "tif", encode(Image.fromarray(np.full((8, 8), 257 * 40, np.int32)), "TIFF"), flat((40, 40, 40))),
        ("pgm-16", "pgm", b"P5 8 8 65535\n" + struct.pack(">64H", *[257 * 40] * 64), flat((40, 40, 40))),
        ("pgm-10", "pgm", b"P5 8 8 1023\n" + struct.pack(">64H", *[1023] * 64), flat((255, 255, 255))),
    ):  # fmt: skip
        yield Kind(f"wide-{name}-{suffix}", f"wide-{name}.{suffix}", content, "", pixels, 0.6)
    yield Kind("wide-nan", "wide-nan.tif", encode(Image.fromarray(nan), "TIFF"), "NaN")
    nan[3, 3] = np.inf
    yield Kind("wide-infinite", "wide-infinite.tif", encode(Image.fromarray(nan), "TIFF"), "infinite")


def _bad_png(good: dict[str, bytes]) -> Iterator[Kind]:
    whole = good["png"]
    data = whole.index(b"IDAT") - 4
    end = whole.index(b"IEND") - 4
    rows = (b"\0" + b"\x4d" * 8) * 8
    text = chunk(b"tEXt", b"Comment\0hello", check=1)
    adam7 = b"".join((b"\0" + b"\x4d" * n) * m for n, m in ((1, 1), (1, 1), (2, 1), (2, 2), (4, 2), (4, 4), (8, 4)))
    grey = flat((77, 77, 77))
    for name, content, reason, pixels in (
        ("bad-check-of-header", whole[:29] + b"\0\0\0\0" + whole[33:], "checksum|decoded|cut", None),
        ("bad-check-of-pixels", whole[: end - 4] + b"\0\0\0\0" + whole[end:], "checksum of IDAT", None),
        ("bad-check-of-text", png(8, 8, 8, 0, rows, text), "checksum|decoded|cut", None),
        ("bad-check-of-end", whole[:-1] + b"\0", "", UPRIGHT),
        ("no-end", whole[:end], "no end", None),
        ("no-pixels", whole[:data] + whole[end:], "cut|decoded|known", None),
        ("no-width", png(0, 8, 8, 0, rows), "no pixels|cut|decoded", None),
        ("no-height", png(8, 0, 8, 0, rows), "no pixels|cut|decoded", None),
        ("huge-chunk", whole[:data] + b"\x7f\xff\xff\xff" + whole[data + 4 :], "cut|decoded", None),
        ("odd-bits", png(8, 8, 3, 0, rows), "cut|decoded|known", None),
        ("odd-filter", png(8, 8, 8, 0, (b"\x09" + b"\x4d" * 8) * 8), "decoded", None),
        ("too-few-rows", png(8, 8, 8, 0, rows[:20]), "cut|decoded", None),
        ("too-many-rows", png(8, 8, 8, 0, rows * 3), "", grey),
        ("garbage-after", whole + b"garbage" * 99, "", UPRIGHT),
        ("interlaced", png(8, 8, 8, 0, adam7, interlaced=1), "", grey),
        ("4-bit", png(8, 8, 4, 0, (b"\0" + b"\x33\x33\x33\x33") * 8), "", flat((51, 51, 51))),
        ("2-bit", png(8, 8, 2, 0, (b"\0" + b"\x55\x55") * 8), "", flat((85, 85, 85))),
        ("1-bit", png(8, 8, 1, 0, (b"\0" + b"\xff") * 8), "", flat((255, 255, 255))),
        ("bad-profile", png(8, 8, 8, 0, rows, chunk(b"iCCP", b"x\0\0garbage")), "", grey),
        ("one-pixel", png(1, 1, 8, 0, b"\0\x4d"), "", flat((77, 77, 77), 1, 1)),
        ("one-row", png(400, 1, 8, 0, b"\0" + b"\x4d" * 400), "", flat((77, 77, 77), 400, 1)),
    ):  # fmt: skip
        yield Kind(f"png-{name}", f"png-{name}.png", content, reason, pixels)
    animated = encode(photo(), "PNG", save_all=True, append_images=[photo().rotate(180)])
    yield Kind("png-animated", "png-animated.png", animated, "", UPRIGHT)
    yield Kind("png-animated-cut", "png-animated-cut.png", animated[: len(animated) * 8 // 10], "cut")


def _bad_jpeg(good: dict[str, bytes]) -> Iterator[Kind]:
    whole = good["jpeg"]
    size, scan = whole.index(b"\xff\xc0"), whole.index(b"\xff\xda")

    def sized(height: int, width: int) -> bytes:
        return whole[: size + 5] + struct.pack(">HH", height, width) + whole[size + 9 :]

    grey = encode(Image.new("RGB", (64, 64), (128, 128, 128)), "JPEG")
    half = scan + (len(whole) - scan) // 2
    restarts = good["jpeg-restarts"]
    for name, content, reason, pixels in (
        ("ends-early", whole[:half] + b"\xff\xd9", "rows", None),
        ("ends-a-little-early", whole[:-60] + b"\xff\xd9", "rows", None),
        ("ends-early-with-restarts", restarts[: len(restarts) * 3 // 4] + b"\xff\xd9", "rows", None),
        ("rest-is-zeros", whole[:half] + bytes(len(whole) - half), "cut", None),
        ("no-end", whole[:-2], "cut", None),
        ("garbage-after", whole + b"\0garbage" * 99, "", UPRIGHT),
        ("twice", whole + whole, "", UPRIGHT),
        ("garbage-before", b"\n\n" + whole, "known format", None),
        ("no-pixels", whole[:scan] + b"\xff\xd9", "cut|decoded", None),
        ("header-alone", whole[:20], "cut|decoded", None),
        ("no-height", sized(0, WIDTH), "cut|decoded|no pixels", None),
        ("no-width", sized(HEIGHT, 0), "cut|decoded|no pixels", None),
        ("taller-than-its-data", sized(8 * HEIGHT, WIDTH), "cut|rows", None),
        ("12-bit", whole[: size + 4] + b"\x0c" + whole[size + 5 :], "cut|decoded", None),
        ("bad-exif", whole[:2] + b"\xff\xe1\x00\x10Exif\0\0garbage!" + whole[2:], "", UPRIGHT),
        ("bad-profile", whole[:2] + b"\xff\xe2\x00\x18ICC_PROFILE\0\x01\x01garbage!" + whole[2:], "", UPRIGHT),
        ("long-comment", encode(photo(), "JPEG", quality=90, comment=b"x" * 60_000), "", UPRIGHT),
        ("padded-marker", whole[:2] + b"\xff\xff\xff" + whole[2:], "", UPRIGHT),
        ("all-grey", grey, "", flat((128, 128, 128), 64, 64)),
        ("several-pictures", encode(photo(), "MPO", save_all=True, append_images=[photo(), photo()], quality=90), "",
         UPRIGHT),
    ):  # fmt: skip
        yield Kind(f"jpeg-{name}", f"jpeg-{name}.jpg", content, reason, pixels, 6)
    exif = Image.Exif()
    exif[0x0112] = 99
    yield Kind("jpeg-odd-orientation", "jpeg-odd-orientation.jpg", encode(photo(), "JPEG", exif=exif), "", UPRIGHT, 6)


def _bad_gif(good: dict[str, bytes]) -> Iterator[Kind]:
    whole = good["gif"]
    film = encode(photo(), "GIF", save_all=True, append_images=[photo().rotate(90 * n) for n in (1, 2, 3)])
    for name, content, reason, pixels in (
        ("animated", film, "", UPRIGHT),
        ("cut-after-first-frame", film[: len(film) // 2], "cut (within|after)", None),
        ("cut-in-last-frame", film[:-200], "cut", None),
        ("no-end", whole[:-1], "cut after frame 1", None),
        ("garbage-after", whole + b"garbage" * 99, "", UPRIGHT),
        ("no-frame", whole[: 13 + 768] + b";", "cut|decoded|known", None),
        ("unknown-block", whole[:-1] + b"\x99\x01\x01\x00;", "damaged", None),
        ("huge", whole[:6] + b"\xff\xff\xff\xff" + whole[10:], "limit", None),
    ):
        yield Kind(f"gif-{name}", f"gif-{name}.gif", content, reason, pixels, 12)


def _bad_tiff() -> Iterator[Kind]:
    tags, pixels = plain_tags(8, 8, 8), b"\x4d" * 64
    pages = encode(photo(), "TIFF", save_all=True, append_images=[photo(), photo()])
    grey = flat((77, 77, 77))
    for name, content, reason, expected in (
        ("pages", pages, "", UPRIGHT),
        ("pages-cut", pages[: len(pages) * 6 // 10], "cut|damaged|counted", None),
        ("loop", tiff("<", tags, pixels, then=8), "", grey),
        ("next-page-beyond", tiff("<", tags, pixels, then=99_999), "damaged|cut", None),
        ("strip-beyond", tiff("<", tags, pixels)[:-30], "cut", None),
        ("huge", tiff("<", {**tags, 256: (4, 50_000), 257: (4, 50_000)}, pixels), "limit", None),
        ("no-width", tiff("<", {**tags, 256: (4, 0)}, pixels), "no pixels|cut|decoded|known", None),
        ("odd-compression", tiff("<", {**tags, 259: (3, 999)}, pixels), "cut|decoded", None),
        ("odd-bits", tiff("<", {**tags, 258: (3, 77)}, pixels), "cut|decoded", None),
        ("one-pixel", tiff("<", plain_tags(1, 1, 8), b"\x4d"), "", flat((77, 77, 77), 1, 1)),
        ("header-alone", b"II*\0\x08\0\0\0", "cut|decoded", None),
    ):
        yield Kind(f"tiff-{name}", f"tiff-{name}.tif", content, reason, expected)


def _bad_others(good: dict[str, bytes]) -> Iterator[Kind]:
    """WebP, BMP, PPM, TGA, ICO."""
    webp, bmp = good["webp-lossless"], good["bmp"]
    film = encode(photo(), "WEBP", save_all=True, append_images=[photo().rotate(180)], lossless=True)
    down = struct.pack("<i", -HEIGHT)
    flipped = np.ascontiguousarray(UPRIGHT[::-1])
    for name, suffix, content, reason, pixels in (
        ("animated", "webp", film, "", UPRIGHT),
        ("animated-cut", "webp", film[: len(film) // 2], "cut|decoded", None),
        ("garbage-after", "webp", webp + b"garbage" * 9, "", UPRIGHT),
        ("shorter-than-it-says", "webp", webp[:4] + b"\xff\xff\xff\x7f" + webp[8:], "cut|decoded", None),
        ("header-alone", "webp", webp[:12], "cut|decoded", None),
        ("huge", "bmp", bmp[:18] + struct.pack("<ii", 60_000, 60_000) + bmp[26:], "limit", None),
        ("upside-down", "bmp", bmp[:22] + down + bmp[26:], "", flipped),
        ("no-width", "bmp", bmp[:18] + struct.pack("<i", 0) + bmp[22:], "no pixels|cut|decoded|known", None),
        ("palette", "bmp", encode(Image.new("P", (8, 8), 0), "BMP"), "", None),
        ("one-bit", "bmp", encode(Image.new("1", (8, 8), 1), "BMP"), "", flat((255, 255, 255))),
        ("plain", "ppm", b"P3 2 1 255\n200 100 50 200 100 50\n", "", flat((200, 100, 50), 2, 1)),
        ("plain", "pbm", b"P1 2 1\n0 0\n", "", flat((255, 255, 255), 2, 1)),
        ("plain-cut", "ppm", b"P3 2 1 255\n200 100 50 200", "cut|decoded", None),
        ("huge", "ppm", b"P6 99999 99999 255\n" + bytes(99), "limit", None),
        ("negative", "ppm", b"P6 -8 8 255\n" + bytes(192), "known|cut|decoded", None),
        ("packed", "tga", encode(photo(), "TGA", compression="tga_rle"), "", UPRIGHT),
        ("icon", "ico", encode(photo().resize((32, 32)), "ICO", sizes=[(32, 32), (16, 16)]), "", None),
    ):
        yield Kind(f"{suffix}-{name}", f"{suffix}-{name}.{suffix}", content, reason, pixels)


def _strangers() -> Iterator[Kind]:
    """What is no image here, under the name of one."""
    noise = np.random.default_rng(7).bytes(3000)
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + noise
    for name, content, reason in (
        ("one-byte", b"\xff", "known format"), ("zeros", bytes(2000), "zero bytes"), ("noise", noise, "known format"),
        ("text", b"not an image\n" * 20, "known format"), ("html", b"<!DOCTYPE html><html>404</html>", "web page"),
        ("svg", b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        ("pdf", b"%PDF-1.7\n" + noise, "PDF"), ("zip", b"PK\x03\x04" + noise, "ZIP"),
        ("gzip", b"\x1f\x8b\x08" + noise, "gzip"), ("heic", heic, "HEIC"), ("psd", b"8BPS\0\x01" + noise, "Photoshop"),
        ("eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n", "PostScript"),
        ("video", b"\0\0\0\x18ftypisom\0\0\0\0isomavc1" + noise, "video"), ("jxl", b"\xff\x0a" + noise, "JPEG XL"),
        ("lfs", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "Git LFS"),
        ("program", b"\x7fELF\x02\x01\x01" + bytes(99), "known format"), ("newline", b"\n", "known format"),
        ("apple-double", b"\0\x05\x16\x07\0\x02\0\0Mac OS X" + bytes(99), "known format"),
    ):  # fmt: skip
        yield Kind(f"stranger-{name}", f"stranger-{name}.jpg", content, reason)


def _bombs() -> Iterator[Kind]:
    """Small files that ask for much: refused by their header, or read without giving them what they ask for."""
    rows = (b"\0" + b"\x4d" * 8) * 8
    million = zlib.compress(bytes(80_000_000), 9)
    for name, content, reason, pixels in (
        ("100-megapixels", png(10_000, 10_000, 8, 2, b""), "limit", None),
        ("4-gigapixels", png(65_535, 65_535, 1, 0, b""), "limit", None),
        ("2-billion-columns", png(2**31 - 1, 2**31 - 1, 8, 6, b""), "limit", None),
        ("compressed-text", png(8, 8, 8, 0, rows, chunk(b"zTXt", b"x\0\0" + million)), "cut|decoded", None),
        ("international-text", png(8, 8, 8, 0, rows, chunk(b"iTXt", b"x\0\x01\0\0\0" + million)), "cut|decoded", None),
        ("profile", png(8, 8, 8, 0, rows, chunk(b"iCCP", b"x\0\0" + million)), "decoded", None),
        ("pixels", png(8, 8, 8, 0, rows + bytes(80_000_000)), "", flat((77, 77, 77))),
    ):
        yield Kind(f"bomb-{name}", f"bomb-{name}.png", content, reason, pixels)


def _names(good: dict[str, bytes]) -> Iterator[Kind]:
    """Good images under names that trip programs up."""
    for name, file in (
        ("chinese", "图像 苹果.jpg"), ("newline", "two\nlines.jpg"), ("tab", "a\tb.jpg"), ("long", "n" * 246 + ".jpg"),
        ("quotes", "\"'`$(x).jpg"), ("markup", "[bold]<b>&amp;.jpg"), ("percent", "100%s{0}.jpg"), ("dash", "-rf.jpg"),
        ("escape", "\x1b[31mred.jpg"), ("emoji", "🍎.jpg"), ("combining", "é́.jpg"), ("right-to-left", "\u202egpj.jpg"),
        ("undecodable", "\udcff\udcfe.jpg"), ("dots", "a..b...jpg.jpg"), ("spaces", "  a  .jpg"),
        ("backslash", "a\\b.jpg"),
    ):  # fmt: skip
        yield Kind(f"name-{name}", file, good["jpeg"], "", UPRIGHT, 6)
