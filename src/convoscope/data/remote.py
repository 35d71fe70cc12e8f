"""Which datasets can be fetched: their official addresses, and the checksums of their content.

The SHA-256 sums are of the uncompressed files. They were computed from real copies and agree with sums that others
published independently of us: torchvision-rb for CIFAR-10's batches, and several projects that derived Fashion-MNIST's
from archives with the publisher's own MD5 sums.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path

from convoscope.data.cifar import CLASS_NAMES as CIFAR_CLASSES
from convoscope.data.cifar import FOLDER as CIFAR_FOLDER
from convoscope.data.idx import GZIP_MAGIC
from convoscope.errors import DataError
from convoscope.registry import Registry


@dataclass(frozen=True)
class Content:
    """One file of a dataset.

    Attributes:
        name: Its published name; a name in `.gz` also stands for the same file without it.
        n_bytes: Its uncompressed size.
        sha256: Of its uncompressed bytes, hexadecimal.
    """

    name: str
    n_bytes: int
    sha256: str

    @property
    def most_bytes(self) -> int:
        """The most a right file can take, compressed or not: gzip adds at most 5 bytes each 16 kB, and its frame."""
        return self.n_bytes + self.n_bytes // 1000 + 1024

    def find(self, folder: Path) -> Path | None:
        """The file in `folder`, compressed or not; None without one."""
        names = (self.name, self.name.removesuffix(".gz"))
        return next((folder / name for name in names if (folder / name).is_file()), None)

    def check(self, path: Path) -> None:
        """Raises DataError where the file is missing, unreadable, or has other content than was published."""
        found = digest(path, self.n_bytes)
        if found != self.sha256:
            raise DataError(
                f"{path} does not have the published content: its SHA-256 is {found or 'not computable'}, and "
                f"{self.sha256} is right.",
                hint="Fetch it again, or take it from another copy.",
            )


@dataclass(frozen=True)
class Address:
    """A URL and the size of what it gives, in bytes; the last part of the URL is a file's name, or an archive's."""

    url: str
    n_bytes: int


@dataclass(frozen=True)
class Remote:
    """A dataset that can be fetched.

    Attributes:
        name: Its name everywhere in Convoscope.
        title: What people call it.
        addresses: Where its files are; together they give all `contents`.
        contents: The files it consists of.
        class_names: Its classes in label order.
        folder: The folder its files may lie in below one a user names.
        places: Folders in which an operating system's package puts it.
    """

    name: str
    title: str
    addresses: tuple[Address, ...]
    contents: tuple[Content, ...]
    class_names: tuple[str, ...]
    folder: str = ""
    places: tuple[Path, ...] = ()

    def files_in(self, folder: Path) -> list[Path]:
        """The dataset's files in `folder`, in the order of `contents`; empty unless all are there."""
        found = [content.find(folder) for content in self.contents]
        return [path for path in found if path is not None] if None not in found else []

    def check(self, folder: Path) -> None:
        """Raises DataError where a file is missing in `folder` or does not have the published content."""
        missing = [content.name for content in self.contents if content.find(folder) is None]
        if missing:
            raise DataError(
                f"{folder} has not all of {self.title}: {', '.join(missing)} missing.",
                hint=f"Its files are {', '.join(content.name for content in self.contents)}.",
            )
        for content, path in zip(self.contents, self.files_in(folder), strict=True):
            content.check(path)


def digest(path: Path, n_bytes: int) -> str:
    """SHA-256 (hexadecimal) of a file's uncompressed bytes; empty where it is damaged or has not `n_bytes` of them."""
    try:
        with path.open("rb") as raw:
            is_gzip = raw.read(2) == GZIP_MAGIC
        found, n = hashlib.sha256(), 0
        with gzip.open(path, "rb") if is_gzip else path.open("rb") as stream:
            while n <= n_bytes and (block := stream.read(1 << 20)):
                found.update(block)
                n += len(block)
    except (EOFError, zlib.error, OSError):  # gzip's BadGzipFile is an OSError
        return ""
    return found.hexdigest() if n == n_bytes else ""


REMOTES: Registry[Remote] = Registry("dataset to fetch")

_FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
REMOTES.add(
    "fashion-mnist",
    Remote(
        name="fashion-mnist",
        title="Fashion-MNIST",
        addresses=(
            Address(_FASHION + "train-images-idx3-ubyte.gz", 26_421_880),
            Address(_FASHION + "train-labels-idx1-ubyte.gz", 29_515),
            Address(_FASHION + "t10k-images-idx3-ubyte.gz", 4_422_102),
            Address(_FASHION + "t10k-labels-idx1-ubyte.gz", 5_148),
        ),
        contents=(
            Content(
                "train-images-idx3-ubyte.gz",
                47_040_016,
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            ),
            Content(
                "train-labels-idx1-ubyte.gz",
                60_008,
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            ),
            Content(
                "t10k-images-idx3-ubyte.gz",
                7_840_016,
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            ),
            Content(
                "t10k-labels-idx1-ubyte.gz",
                10_008,
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            ),
        ),
        class_names=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        places=(Path("/usr/share/datasets/fashion-mnist"),),
    ),
)

_CIFAR_SHA256 = {
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}
REMOTES.add(
    "cifar10",
    Remote(
        name="cifar10",
        title="CIFAR-10",
        addresses=(Address("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", 170_052_171),),
        contents=tuple(Content(name, 30_730_000, sha256) for name, sha256 in _CIFAR_SHA256.items()),
        class_names=CIFAR_CLASSES,
        folder=CIFAR_FOLDER,
    ),
)
