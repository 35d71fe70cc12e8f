"""MNIST, whole, inside the package: 60,000 training and 10,000 test images of handwritten digits."""

from __future__ import annotations

from importlib import resources

from convoscope.data.dataset import Dataset
from convoscope.data.idx import read_idx_folder
from convoscope.errors import DataError

DIGITS = tuple("0123456789")


def mnist() -> tuple[Dataset, Dataset]:
    """The training set (60,000) and the test set (10,000), each image uint8 (1, 28, 28), white ink on black.

    Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits", CC BY-SA 3.0.

    Raises:
        DataError: The package's own copy is incomplete or damaged.
    """
    with resources.as_file(resources.files("convoscope.data") / "mnist") as folder:
        train, test = read_idx_folder(folder, class_names=DIGITS, title="MNIST (LeCun, Cortes, Burges)")
    if test is None:
        raise DataError("The package's copy of MNIST has no test set.", hint="Install convoscope again.")
    return train, test
