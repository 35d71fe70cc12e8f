"""Tar shards behind an address: streamed once, decoded as they come, and kept as decoded images in the cache.

Nothing else of them stays on the disk but a list of what they held, by which they are found again without the network.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple, cast
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from convoscope.data.cache import cache_folder
from convoscope.data.division import PARTS, grouped
from convoscope.data.download import ATTEMPTS, FIRST_WAIT, TIMEOUT, opener
from convoscope.data.image import DecodeError, ImagePolicy, decode_image, quiet_pillow
from convoscope.data.item import Item
from convoscope.data.kept import Map, Part, claim_part, images_folder, open_maps
from convoscope.data.ledger import Ledger
from convoscope.data.listing import Listing
from convoscope.data.manifest import check_classes
from convoscope.data.mapped import Rows
from convoscope.data.memory import free_bytes, processes_here
from convoscope.data.once import Request
from convoscope.data.pixels import Decoded, Progress
from convoscope.data.reading import in_order, n_workers
from convoscope.data.sample import Sample, class_names_of, sample_of
from convoscope.data.shards import MOST_BYTES, expanded, group_by_keys, members, part_of, twice_named
from convoscope.errors import DataError, DownloadError, StorageError

DEFAULT_SIDE = 64  # pixels: what the images share is not known before all have come
_MOST_IMAGE_BYTES = 1 << 30
_AT_ONCE = 16  # decoded images that are written together


class Kept(NamedTuple):
    """One sample of a stream as it is remembered; `row` is that of its pixels, -1 where there are none."""

    name: str
    label: str
    split: str
    group: str
    digest: str
    row: int
    problem: str


@dataclass(frozen=True, eq=False)
class Streamed:
    """What came out of a stream.

    Attributes:
        listing: Its images, as other sources list theirs; an item's `offset` is its row.
        rows: Their pixels, uint8 (N, C, H, W).
        policy: What they have become.
    """

    listing: Listing
    rows: Rows
    policy: ImagePolicy

    def decode(
        self,
        items: Sequence[Item],
        policy: ImagePolicy,
        *,
        memory: str = "auto",
        progress: Progress | None = None,
        source: str = "",
    ) -> Decoded:
        """The items' pixels, which are there already; stands in for `pixels.decode_items`."""
        del policy, source
        index = np.array([item.offset for item in items], np.int64)
        rows = self.rows.take(index)
        small = rows.nbytes < 0.25 * free_bytes() / processes_here()
        pixels: NDArray[np.uint8] | Rows = rows[:] if memory == "memory" or (memory == "auto" and small) else rows
        if progress:
            progress(len(items), len(items))
        return Decoded(pixels, np.arange(len(items), dtype=np.int64), ())


def open_stream(
    name: str,
    *,
    policy: ImagePolicy | None = None,
    image_size: int | None = None,
    group: str | None = None,
    judged: bool = False,
    progress: Progress | None = None,
) -> Streamed:
    """The images behind an address, out of the cache or streamed into it.

    Args:
        name: An http or https address of a tar shard; braces stand for several: https://.../train-{000..009}.tar.
        policy: What every image becomes; without it red, green and blue of `image_size` pixels a side, else of 64.
        image_size: Pixels a side.
        group: The key of each sample's record that says what belongs together, or a regular expression; see
            `listing.list_images`.
        judged: Whether the images are to be judged, not learnt from.
        progress: Called with (images so far, images so far): how many there are is not known before the end.

    Raises:
        DownloadError: a shard cannot be fetched whole.
        DataError: there is no sample with an image, or nothing to learn from.
        StorageError: the cache cannot keep the images.
        MissingPackage: webdataset is not installed.
    """
    urls = expanded(name)
    side = image_size or DEFAULT_SIDE
    policy = policy or ImagePolicy(3, side, side)
    try:
        images_folder().mkdir(parents=True, exist_ok=True)
        with Ledger(images_folder()) as ledger:
            stream = _Stream(urls, name, policy, group, ledger, progress)
            rows = stream.rows()
    except OSError as error:
        raise StorageError(
            f"The images of {name} cannot be kept in {images_folder()}: {error.strerror or error}.",
            hint="Make room there, or set CONVOSCOPE_CACHE to a folder that has it.",
        ) from error
    return Streamed(_listed(name, stream.samples, group, judged=judged), rows, policy)


def _listed(name: str, samples: list[Kept], group: str | None, *, judged: bool) -> Listing:
    """What a stream held, as a listing."""
    usable = [sample for sample in samples if not sample.problem]
    if not usable:
        reason = f", such as {samples[0].name}: {samples[0].problem}" if samples else ""
        raise DataError(
            f"{name} has no sample with an image that can be decoded{reason}.",
            hint="A sample is KEY.jpg with its class beside it in KEY.cls, KEY.json or KEY.txt.",
        )
    class_names, label_of = class_names_of((Sample(one.name, None, one.label) for one in usable), ())
    items = [
        Item(one.name, Path(one.name), one.split, label_of[one.label], one.group, one.row, 0)
        for one in sorted(usable, key=lambda one: PARTS.index(one.split))
    ]
    check_classes(name, items, class_names, judged=judged)
    if group and not any(item.group for item in items):
        items = list(grouped(items, group))
    problems = tuple((Path(one.name), one.problem) for one in samples if one.problem)
    return Listing(Path(), name, tuple(items), class_names, problems=problems, layout="shards")


@dataclass
class _Stream:
    """Some shards to be had decoded in one way; `samples` are filled by `rows`."""

    urls: list[str]
    name: str
    policy: ImagePolicy
    group: str | None
    ledger: Ledger
    progress: Progress | None
    samples: list[Kept] = field(default_factory=list)

    def rows(self) -> Rows:
        """The pixels of all images, out of the cache where it has them, else streamed."""
        self._settings = Request((), self.policy, self.ledger, self.name, None).settings
        found = self._find()
        if found is None:
            with claim_part(self._key) as claim:
                found = self._find() if claim.waited else None
                if found is None:
                    found = self._fetch(claim.part(self.policy.shape, 0)).rows
                    self._remember()
        return found

    @property
    def _key(self) -> str:
        asked = json.dumps([self.urls, self.group, self._settings], sort_keys=True)
        return hashlib.sha256(asked.encode()).hexdigest()[:24]

    @property
    def _list(self) -> Path:
        return cache_folder() / "streams" / f"{self._key}.json"

    def _find(self) -> Rows | None:
        """The rows of every sample in the list that was kept; None where there is no list, or no file has them all."""
        try:
            self.samples = [Kept(*one) for one in json.loads(self._list.read_text("utf-8"))]
        except (OSError, ValueError, TypeError):
            return None
        kept = [one for one in self.samples if not one.problem]
        digests = np.array([bytes.fromhex(one.digest) for one in kept], "S32")
        for each in open_maps(self._settings, self.ledger):
            at = each.rows_of(digests)
            if (at >= 0).all():
                self.ledger.use_map(each.name, each.stamp)
                numbers = iter(range(len(kept)))
                self.samples = [one if one.problem else one._replace(row=next(numbers)) for one in self.samples]
                return each.rows.take(at)
        return None

    def _remember(self) -> None:
        """Keeps the list of what the shards held, whole or not at all."""
        aside = self._list.with_suffix(".aside")
        self._list.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(json.dumps(self.samples), "utf-8")
        aside.replace(self._list)

    def _fetch(self, part: Part) -> Map:
        """Every sample of every shard, decoded by several threads and written as it comes."""
        self.samples = []
        waiting: list[tuple[NDArray[np.uint8], bytes]] = []
        n = 0
        with quiet_pillow():
            for one, pixels in in_order(self._decoded, self._samples(), 4 * n_workers()):
                if pixels is not None:
                    waiting.append((pixels, bytes.fromhex(one.digest)))
                    one, n = one._replace(row=n), n + 1
                self.samples.append(one)
                if len(waiting) == _AT_ONCE:
                    part.append(np.stack([rows for rows, _ in waiting]), [digest for _, digest in waiting])
                    waiting = []
                if self.progress:
                    self.progress(len(self.samples), len(self.samples))
        if waiting:
            part.append(np.stack([rows for rows, _ in waiting]), [digest for _, digest in waiting])
        return part.finish(self._settings, [], self.name, self.ledger)

    def _samples(self) -> Iterator[tuple[Sample, str]]:
        """Each sample and its part, shard by shard; a broken line is tried again and goes on behind what has come."""
        for url in self.urls:
            done = failures = 0
            while True:
                begin = done
                try:
                    for sample in islice(_samples_of(url, self.group), begin, None):
                        done += 1
                        yield sample, part_of(Path(urlsplit(url).path))
                    break
                except _Broken as reason:
                    failures = 1 if done > begin else failures + 1
                    if failures >= ATTEMPTS:
                        raise DownloadError(
                            f"{url} could not be streamed after {ATTEMPTS} attempts: {reason}.",
                            hint="Try again later. Nothing of it was kept.",
                        ) from reason
                    time.sleep(FIRST_WAIT * 2 ** (failures - 1))

    def _decoded(self, given: tuple[Sample, str]) -> tuple[Kept, NDArray[np.uint8] | None]:
        sample, part = given
        image = sample.image if isinstance(sample.image, bytes) else b""
        digest = hashlib.sha256(image).hexdigest()
        problem, pixels = sample.problem, None
        if not problem:
            try:
                pixels = decode_image(image, self.policy)
            except DecodeError as reason:
                problem = str(reason)
        return Kept(sample.name, sample.label, part, sample.group, digest, -1, problem), pixels


class _Broken(Exception):
    """The line broke, or the server is busy: another attempt may help."""


class _Counted:
    """The body of an answer, counted: a line that breaks between two members looks like an archive's end."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response
        length = response.headers.get("Content-Length", "")
        self._due = int(length) if length.isdecimal() else None
        self._n = 0

    def read(self, n: int = -1) -> bytes:
        """The next bytes."""
        found = self._response.read(n)
        self._n += len(found)
        return found

    def drain(self) -> None:
        """Reads what is left; raises _Broken where less has come than was promised."""
        while self.read(1 << 18):
            pass
        if self._due is not None and self._n < self._due:
            raise _Broken(f"the connection ended after {self._n:,} of {self._due:,} bytes")


def _samples_of(url: str, group: str | None) -> Iterator[Sample]:
    """The samples of one shard as they arrive.

    Raises:
        DownloadError: the server refuses.
        DataError: what it sends is no tar archive.
    """
    headers = {"User-Agent": "convoscope", "Accept-Encoding": "identity"}
    shard = Path(urlsplit(url).path).name
    try:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - http or https alone, see `shards.is_address`
        with opener().open(request, timeout=TIMEOUT) as response:
            body = _Counted(response)
            yield from _in_archive(body, url, shard, group)
            body.drain()
    except urllib.error.HTTPError as error:
        if error.code >= 500 or error.code in (http.HTTPStatus.REQUEST_TIMEOUT, http.HTTPStatus.TOO_MANY_REQUESTS):
            raise _Broken(f"the server answers {error.code} {error.reason}") from error
        raise DownloadError(f"{url} could not be streamed: the server answers {error.code} {error.reason}.") from error
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise _Broken(f"{type(error).__name__}, {getattr(error, 'reason', None) or error}") from error


def _in_archive(body: _Counted, url: str, shard: str, group: str | None) -> Iterator[Sample]:
    """The samples of an archive that is read from beginning to end."""
    doubled: list[str] = []
    begun = False

    def twice(error: Exception) -> bool:
        doubled.append(twice_named(error))
        return True

    try:
        with tarfile.open(fileobj=cast("IO[bytes]", body), mode="r|*") as archive:

            def take(info: tarfile.TarInfo, kind: str) -> bytes:
                most = _MOST_IMAGE_BYTES if kind == "image" else MOST_BYTES
                member: IO[bytes] | None = archive.extractfile(info) if info.size <= most else None
                return member.read() if member else b""

            for raw in group_by_keys()(members(archive, url, take, lambda *_: None), handler=twice):
                begun = True
                yield sample_of(raw, f"{shard}/{raw['__key__']}", group)
            yield from (Sample(shard, None, problem=problem) for problem in doubled)
    except (tarfile.TarError, EOFError, ValueError) as error:
        body.drain()
        if begun:
            raise _Broken(f"the archive breaks off ({error})") from error
        raise DataError(f"{url} is no tar archive ({error}).", hint="Give the address of a .tar file.") from error
