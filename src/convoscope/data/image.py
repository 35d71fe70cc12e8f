"""One image file to one array: the same answer in training and in prediction.

What happens, in order: the first frame is decoded, and the file is held to be whole (see `data.content`); EXIF
orientation is applied; wider numbers are scaled to 8 bits by their range and never clipped, transparency is laid over
white, colours become grey (0.299 R + 0.587 G + 0.114 B, ITU-R BT.601) or RGB (see `data.colour`); the largest centred
part with the target's shape is resized to it (Lanczos). An image that already has the target's size keeps its pixels.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import stat
import threading
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from convoscope.data.colour import GREY_MODES, to_mode
from convoscope.data.content import DecodeError as DecodeError
from convoscope.data.content import damage, why_unknown
from convoscope.errors import BrokenImage, DataError

if TYPE_CHECKING:
    from PIL import Image

# In the order they are tried. EPS, PDF and WMF are left out on purpose: Pillow hands the first to a separate program,
# and none of them is a raster image.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "PPM", "MPO", "AVIF", "JPEG2000", "TGA", "PCX", "ICO")
SUFFIXES = frozenset(
    f".{kind}"
    for kind in (
        *("jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "dib", "gif", "tif", "tiff", "ppm", "pgm", "pbm", "pnm"),
        *("mpo", "avif", "jp2", "j2k", "tga", "pcx", "ico"),
    )
)
MAX_PIXELS = 89_478_485  # Pillow's own line (1 GiB of 32-bit RGB / 3 / 4): above it a small file can fill the memory
MOST_IN_MEMORY = 1 << 26  # bytes of a file that are read at once; larger files are read as they are decoded
TURNED = (5, 6, 7, 8)  # EXIF orientations whose width and height change places
_EXIF_ORIENTATION = 0x0112
_EXIF_OF_PNG = frozenset({"exif", "Raw profile type exif"})
_LONGEST_REASON = 200  # characters


@dataclass(frozen=True)
class ImagePolicy:
    """What every image becomes before normalisation; kept with the run, so that prediction repeats it.

    Attributes:
        channels: 1 (grey) or 3 (red, green, blue).
        height: Rows, in pixels.
        width: Columns, in pixels.
    """

    channels: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if self.channels not in (1, 3) or not 1 <= self.height <= 4096 or not 1 <= self.width <= 4096:
            raise DataError(
                f"Images cannot become {self.channels} x {self.height} x {self.width} (channels x height x width); "
                f"channels are 1 or 3, and sides 1 to 4096 pixels."
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""
        return self.channels, self.height, self.width

    def read(self, file: str | Path | bytes) -> NDArray[np.uint8]:
        """The image in a file (or its bytes) as uint8 of shape (C, H, W), writable.

        Raises:
            BrokenImage: The file cannot be read or decoded, or has more than `MAX_PIXELS` pixels; the reason is said.
        """
        with quiet_pillow():
            try:
                return decode_image(file, self)
            except DecodeError as problem:
                path = Path("(image)") if isinstance(file, bytes) else Path(file)
                raise BrokenImage(f"{path}: {problem}.", problems=[(path, str(problem))]) from problem

    def to_dict(self) -> dict[str, int]:
        """The form that is kept with a run."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> ImagePolicy:
        """The inverse of `to_dict`; DataError where it does not describe an image."""
        try:
            return cls(int(record["channels"]), int(record["height"]), int(record["width"]))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"A kept image policy cannot be read: {record!r}.") from error


@dataclass(frozen=True)
class ImageHeader:
    """What a file says of itself before its pixels are decoded; sides in pixels, after EXIF orientation."""

    grey: bool
    height: int
    width: int


class _Quiet:
    """Pillow's warnings off while anyone decodes, in every thread, and put back when the last one is done."""

    def __init__(self) -> None:
        self._lock, self._n, self._caught = threading.Lock(), 0, warnings.catch_warnings()

    def enter(self) -> None:
        from PIL import Image

        with self._lock:
            self._n += 1
            if self._n == 1:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # `MAX_PIXELS` is checked instead

    def leave(self) -> None:
        with self._lock:
            self._n -= 1
            if self._n == 0:
                self._caught.__exit__(None, None, None)


class _Room:
    """Pixels that all threads together may have in work: what bounds memory where every file is a large one."""

    def __init__(self, n_pixels: int) -> None:
        self._limit, self._taken, self._left = n_pixels, 0, threading.Condition()

    @contextlib.contextmanager
    def taken(self, n_pixels: int) -> Iterator[None]:
        """Waits until so many are free; one image alone is always let in."""
        with self._left:
            self._left.wait_for(lambda: not self._taken or self._taken + n_pixels <= self._limit)
            self._taken += n_pixels
        try:
            yield
        finally:
            with self._left:
                self._taken -= n_pixels
                self._left.notify_all()


_ROOM = _Room(2 * MAX_PIXELS)
_QUIET = _Quiet()


@contextlib.contextmanager
def quiet_pillow() -> Iterator[None]:
    """Keeps Pillow's remarks on odd metadata off the screen; what stops a file from being read is an error anyway."""
    _QUIET.enter()
    try:
        yield
    finally:
        _QUIET.leave()


def read_header(path: Path | bytes) -> ImageHeader:
    """Size and greyness of a file without decoding its pixels; raises DecodeError with the reason."""
    with opened(path, in_memory=False) as (image, _):
        width, height = upright_size(image, orientation_of(image))
        return ImageHeader(image.mode in GREY_MODES, height, width)


def decode_image(file: str | Path | bytes, policy: ImagePolicy) -> NDArray[np.uint8]:
    """The image as uint8 of shape (C, H, W); the one decoder of the package; raises DecodeError with the reason."""
    with opened(file) as (image, stream):
        # A JPEG can be decoded at 1/2, 1/4 or 1/8: three times the target's size leaves the resize its work.
        longest = 3 * max(policy.height, policy.width)
        load(image, stream, longest)
        with explained():
            flat = to_mode(upright(image), "L" if policy.channels == 1 else "RGB")
            pixels = np.array(_fit(flat, policy.height, policy.width))  # (H, W) or (H, W, 3)
    planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return np.ascontiguousarray(planes)


def png_of(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG file of an image, uint8 (C, H, W), grey for one channel and RGB for three."""
    from PIL import Image

    content = io.BytesIO()
    rows = pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
    Image.fromarray(np.ascontiguousarray(rows)).save(content, "PNG")
    return content.getvalue()


@functools.cache
def _known_formats() -> tuple[str, ...]:
    """Those of `FORMATS` that the installed Pillow can open."""
    from PIL import Image

    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


@contextlib.contextmanager
def opened(file: str | Path | bytes, *, in_memory: bool = True) -> Iterator[tuple[Image.Image, BinaryIO]]:
    """A file opened by Pillow, its format and its size checked, and its bytes as a stream of their own.

    Args:
        file: A path, or the bytes of a file.
        in_memory: Whether the whole file is read at once (where it is not too large), as whoever decodes it wants.

    Raises:
        DecodeError: it is no ordinary file, no image, or too large; the reason is said.
    """
    from PIL import Image

    with _stream(file, in_memory) as stream:
        try:
            image = Image.open(stream, formats=_known_formats())
        except Exception as error:
            raise DecodeError(_open_reason(stream, error)) from error
        with image:
            n_pixels = image.width * image.height
            if n_pixels > MAX_PIXELS:
                raise DecodeError(
                    f"it has {image.width} x {image.height} = {n_pixels:,} pixels, and the limit is {MAX_PIXELS:,}"
                )
            if n_pixels == 0:
                raise DecodeError("it has no pixels")
            with _ROOM.taken(n_pixels if in_memory else 0):
                yield image, stream


def load(image: Image.Image, stream: BinaryIO, longest: int) -> tuple[float, float]:
    """Decodes an opened image, a JPEG at the least scale with sides of `longest`, and holds the file to be whole.

    Returns:
        (columns, rows) of the image at that scale, in pixels and their fractions: the last may be there in part only.

    Raises:
        DecodeError: it cannot be decoded, or something of it is missing; the reason is said.
    """
    with explained():
        scaled = image.draft(None, (longest, longest))
        image.load()
        at = stream.tell()
        reason = damage(stream, image)
        stream.seek(at)
    if reason:
        raise DecodeError(reason)
    return scaled[1][2:] if scaled else image.size


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turns whatever a decoder raises on a damaged file, which is nearly anything, into a DecodeError."""
    try:
        yield
    except DecodeError:
        raise
    except Exception as error:
        raise DecodeError(_reason(error)) from error


@contextlib.contextmanager
def _stream(file: str | Path | bytes, in_memory: bool) -> Iterator[BinaryIO]:
    """A file's bytes from the beginning; DecodeError where it is no ordinary file, or cannot be read."""
    if isinstance(file, bytes):
        yield io.BytesIO(file)
        return
    try:
        found = os.stat(file)  # noqa: PTH116 - a Path would take as long to make as the file to open
        if not stat.S_ISREG(found.st_mode):  # a pipe would be waited for without end
            raise DecodeError("it is no ordinary file")
        stream = open(file, "rb")  # noqa: PTH123, SIM115 - it is closed below
    except (OSError, ValueError) as error:
        nowhere = isinstance(error, FileNotFoundError) and Path(file).is_symlink()
        raise DecodeError("it is a link that leads nowhere" if nowhere else _reason(error)) from error
    with stream:
        small = in_memory and found.st_size <= MOST_IN_MEMORY
        with explained():
            content = io.BytesIO(stream.read()) if small else None
        yield content or stream


def _open_reason(stream: BinaryIO, error: Exception) -> str:
    """Why a file did not open, in a clause."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, Image.DecompressionBombError):
        return f"it has more than {MAX_PIXELS:,} pixels, the limit"
    if isinstance(error, UnidentifiedImageError) or "decoder object" in str(error):  # the latter: of WebP
        with explained():
            return why_unknown(stream)
    return _reason(error)


def _reason(error: Exception) -> str:
    """An exception's own words as a clause."""
    if isinstance(error, OSError) and error.strerror:
        return f"it cannot be read ({error.strerror})"
    if isinstance(error, MemoryError):
        return "it does not fit in memory"
    said = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    if "truncated" in said.casefold():
        return "it is cut: its data end too early"
    return f"it cannot be decoded ({said[:_LONGEST_REASON]})"


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none or the metadata is damaged (the pixels still count).

    A PNG's may stand after its pixels: it is known once they are loaded, and Pillow is not to load them here, where an
    error would go unheard.
    """
    if image.format == "PNG" and getattr(image, "tile", None) and not image.info.keys() & _EXIF_OF_PNG:
        return 1
    try:
        orientation = int(image.getexif().get(_EXIF_ORIENTATION, 1))
        return orientation if orientation in range(1, 9) else 1
    except Exception:  # noqa: BLE001 - damaged metadata must not cost a good image
        return 1


def upright_size(image: Image.Image, orientation: int) -> tuple[int, int]:
    """(width, height) of an opened file's image once it stands upright; Pillow tells it so of TIFF alone."""
    width, height = image.size
    turned = orientation in TURNED and image.format != "TIFF"
    return (height, width) if turned else (width, height)


def upright(image: Image.Image, orientation: int | None = None) -> Image.Image:
    """The image turned and mirrored as an EXIF orientation says: its own, where none is given."""
    from PIL import Image

    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(orientation_of(image) if orientation is None else orientation)
    return image if turn is None else image.transpose(turn)


def _fit(image: Image.Image, height: int, width: int) -> Image.Image:
    """The largest centred part with the shape height : width, resized to it; untouched where the size is right."""
    from PIL import Image

    if image.size == (width, height):
        return image
    scale = min(image.width / width, image.height / height)
    left, top = (image.width - scale * width) / 2, (image.height - scale * height) / 2
    box = (max(left, 0.0), max(top, 0.0), min(image.width - left, image.width), min(image.height - top, image.height))
    return image.resize((width, height), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)
