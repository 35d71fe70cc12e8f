"""One image file to one array: the same answer in training and in prediction.

What happens, in order: the first frame is decoded; EXIF orientation is applied; wider numbers are scaled to 8 bits by
their range and never clipped; transparency is laid over white; colours become grey (0.299 R + 0.587 G + 0.114 B, ITU-R
BT.601) or RGB; the largest centred part with the target's shape is resized to it (Lanczos). An image that already has
the target's size keeps its pixels.
"""

from __future__ import annotations

import contextlib
import functools
import io
import threading
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

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
GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N"})
_TURNED = (5, 6, 7, 8)  # EXIF orientations whose width and height change places
_EXIF_ORIENTATION = 0x0112


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


class DecodeError(Exception):
    """Why one file gives no image, in a clause; inside the data room only."""


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


_QUIET = _Quiet()


@contextlib.contextmanager
def quiet_pillow() -> Iterator[None]:
    """Keeps Pillow's remarks on odd metadata off the screen; what stops a file from being read is an error anyway."""
    _QUIET.enter()
    try:
        yield
    finally:
        _QUIET.leave()


def read_header(path: Path) -> ImageHeader:
    """Size and greyness of a file without decoding its pixels; raises DecodeError with the reason."""
    with _opened(path) as image:
        width, height = image.size
        turned = _orientation(image) in _TURNED
        return ImageHeader(image.mode in GREY_MODES, *((width, height) if turned else (height, width)))


def decode_image(file: str | Path | bytes, policy: ImagePolicy) -> NDArray[np.uint8]:
    """The image as uint8 of shape (C, H, W); the one decoder of the package; raises DecodeError with the reason."""
    with _opened(file) as image:
        try:
            # A JPEG can be decoded at 1/2, 1/4 or 1/8: three times the target's size leaves the resize its work.
            longest = 3 * max(policy.height, policy.width)
            image.draft(None, (longest, longest))
            image.load()
            upright = _upright(image)
            flat = _to_mode(upright, "L" if policy.channels == 1 else "RGB")
            pixels = np.array(_fit(flat, policy.height, policy.width))  # (H, W) or (H, W, 3)
        except DecodeError:
            raise
        except Exception as error:  # Pillow's decoders raise nearly anything on a damaged file
            raise DecodeError(_reason(error)) from error
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
def _opened(file: str | Path | bytes) -> Iterator[Image.Image]:
    """A file opened by Pillow, its format and its size checked; raises DecodeError."""
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(file) if isinstance(file, bytes) else file, formats=_known_formats())
    except Exception as error:  # see decode_image
        raise DecodeError(_open_reason(file, error)) from error
    with image:
        n_pixels = image.width * image.height
        if n_pixels > MAX_PIXELS:
            raise DecodeError(
                f"it has {image.width} x {image.height} = {n_pixels:,} pixels, and the limit is {MAX_PIXELS:,}"
            )
        if n_pixels == 0:
            raise DecodeError("it has no pixels")
        yield image


def _open_reason(file: str | Path | bytes, error: Exception) -> str:
    """Why a file did not open, in a clause."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, Image.DecompressionBombError):
        return f"it has more than {MAX_PIXELS:,} pixels, the limit"
    if isinstance(error, UnidentifiedImageError):
        n_bytes = len(file) if isinstance(file, bytes) else Path(file).stat().st_size
        return "it is empty (0 bytes)" if n_bytes == 0 else "its content is no image of a known format"
    return _reason(error)


def _reason(error: Exception) -> str:
    """An exception's own words as a clause."""
    if isinstance(error, OSError) and error.strerror:
        return f"it cannot be read ({error.strerror})"
    if isinstance(error, MemoryError):
        return "it does not fit in memory"
    return f"it cannot be decoded ({str(error).strip().rstrip('.') or type(error).__name__})"


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none or the metadata is damaged (the pixels still count)."""
    try:
        return int(image.getexif().get(_EXIF_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - damaged metadata must not cost a good image
        return 1


def _upright(image: Image.Image) -> Image.Image:
    """The image turned and mirrored as its EXIF orientation says."""
    from PIL import Image

    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(_orientation(image))
    return image if turn is None else image.transpose(turn)


def _to_mode(image: Image.Image, mode: str) -> Image.Image:
    """The image as 8-bit `mode` ("L" or "RGB"), transparency laid over white."""
    from PIL import Image

    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = Image.fromarray(_to_bytes(np.asarray(image)))
    if "transparency" in image.info or image.mode in ("RGBA", "RGBa", "LA", "La", "PA"):
        over = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", over.size, (255, 255, 255, 255)), over).convert("RGB")
    if image.mode not in ("1", "L", "RGB"):
        image = image.convert("RGB")
    return image if image.mode == mode else image.convert(mode)


def _to_bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Numbers wider than a byte (H, W) scaled to 0-255 by the range of their kind; never clipped.

    16 bits: 0 to 65,535, for the image and its neighbours alike. Fractions: 0 to 1. Anything outside such a range has
    no range but its own, so its smallest value becomes 0 and its largest 255.
    """
    numbers = values.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise DecodeError("it has pixels that are NaN or infinite")
    low, high = float(numbers.min()), float(numbers.max())
    full = 1.0 if values.dtype.kind == "f" else 65535.0
    if low < 0 or high > full:
        return np.rint((numbers - low) * (255.0 / (high - low or 1.0))).astype(np.uint8)
    return np.rint(numbers * (255.0 / full)).astype(np.uint8)


def _fit(image: Image.Image, height: int, width: int) -> Image.Image:
    """The largest centred part with the shape height : width, resized to it; untouched where the size is right."""
    from PIL import Image

    if image.size == (width, height):
        return image
    scale = min(image.width / width, image.height / height)
    left, top = (image.width - scale * width) / 2, (image.height - scale * height) / 2
    box = (max(left, 0.0), max(top, 0.0), min(image.width - left, image.width), min(image.height - top, image.height))
    return image.resize((width, height), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)
