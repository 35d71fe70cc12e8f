"""Packs: tensors as bytes with a small header, which is how numbers travel to the screen.

    0-3     "CVS1"
    4-7     length of the header in bytes, uint32
    8-      the header, JSON in UTF-8: {"meta": {...}, "tensors": [{"name", "dtype", "shape", "offset"}, ...]}
    ...     from the next multiple of 8 the tensors, each at its own offset from there, a multiple of 8

All numbers are little-endian; a dtype is "uint8", "int32" or "float32"; a tensor lies row by row.
"""

from __future__ import annotations

import dataclasses
import json
import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAGIC = b"CVS1"
MEDIA_TYPE = "application/vnd.convoscope.pack"
_ALIGN = 8
_DTYPES = {"uint8": "|u1", "int32": "<i4", "float32": "<f4"}


def pack(head: Any, tensors: Mapping[str, NDArray[Any]]) -> bytes:  # noqa: ANN401 - any record
    """The bytes of a pack.

    Args:
        head: A record, which becomes "meta".
        tensors: Arrays of dtype uint8, int32 or float32, by name.

    Raises:
        KeyError: an array of another dtype.
    """
    cards, parts, offset = [], [], 0
    for name, array in tensors.items():
        content = np.ascontiguousarray(array).astype(_DTYPES[str(array.dtype)], copy=False).tobytes()
        cards.append({"name": name, "dtype": str(array.dtype), "shape": list(array.shape), "offset": offset})
        parts.append(content.ljust(_up(len(content)), b"\0"))
        offset += len(parts[-1])
    header = _written({"meta": head, "tensors": cards}).encode()
    start = header.ljust(_up(8 + len(header)) - 8)  # spaces, which JSON allows
    return b"".join((MAGIC, struct.pack("<I", len(start)), start, *parts))


def unpack(content: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The "meta" and the tensors of a pack; raises ValueError for bytes that are none."""
    if content[:4] != MAGIC or len(content) < 8:
        raise ValueError("these bytes are not a pack")
    (length,) = struct.unpack("<I", content[4:8])
    header = json.loads(content[8 : 8 + length])
    base, tensors = _up(8 + length), {}
    for card in header["tensors"]:
        n = math.prod(card["shape"])
        found = np.frombuffer(content, _DTYPES[card["dtype"]], n, base + card["offset"])
        tensors[card["name"]] = found.reshape(card["shape"])
    return header["meta"], tensors


def _written(header: dict[str, Any]) -> str:
    """A header as JSON. Its records are not copied first: that took longer than a small network's pass."""
    try:
        return json.dumps(header, ensure_ascii=False, allow_nan=False, default=_fields)
    except ValueError:  # somewhere in it is a number that is none
        return json.dumps(plain(header), ensure_ascii=False, allow_nan=False)


def _fields(record: Any) -> dict[str, Any]:  # noqa: ANN401 - any record
    return {part.name: getattr(record, part.name) for part in dataclasses.fields(record)}


def plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The value, records as dicts, with floats that JSON cannot write as texts: "nan", "inf", "-inf"."""
    if dataclasses.is_dataclass(value):
        return plain(_fields(value))
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


def quantised(maps: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Maps float32 (k, rows, columns) as uint8, 128 for 0, and the |value| (k) that 255 and 1 stand for.

    What is not finite counts as 0 in the peak and is drawn as byte 0, which no finite value has.
    """
    finite = np.isfinite(maps)
    sound = np.where(finite, maps, 0.0)
    peaks = np.abs(sound).max(axis=(1, 2), initial=0.0).astype(np.float32)
    scaled = sound / np.where(peaks > 0, peaks, 1.0)[:, None, None]
    bytes_ = (np.rint(scaled * 127.0) + 128.0).astype(np.uint8)
    bytes_[~finite] = 0
    return bytes_, peaks


def _up(n: int) -> int:
    return -(-n // _ALIGN) * _ALIGN
