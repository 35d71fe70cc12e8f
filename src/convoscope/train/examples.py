"""The recipe's first half: which examples a network is given, and how they are changed on the way."""

from __future__ import annotations

from dataclasses import dataclass

from convoscope.train.knob import knob


@dataclass(frozen=True)
class ExampleKnobs:
    """The knobs of data and augmentation; `Recipe` has them all."""

    # data
    data: str = knob(
        "mnist", "A bundled or fetched dataset by name; or a path: a folder of images or texts, a table of texts, a "
        "manifest of images (path, label, split, group), or tar shards.", "data",
    )  # fmt: skip
    image_size: int | None = knob(
        None,
        "Side of the square a folder's images are resized and cropped to; without it the size they share, else 64.",
        "data",
        unit="pixels",
        low=1,
        high=4096,
        cost="Time and memory grow with its square.",
    )
    broken: str = knob(
        "stop", "What to do about images and texts that cannot be read: name them all and stop; go on without them and "
        "keep their list with the run; or go on without them and only count them.",
        "data", choices=("stop", "quarantine", "ignore"),
    )  # fmt: skip
    validation: float = knob(
        0.1,
        "Share of the training images, equal in every class, held out to choose knobs on; left alone, a validation "
        "part that the data have themselves is used.",
        "data",
        low=0,
        high=0.9,
        cost="Fewer images to learn from, and a pass over the held-out ones after every epoch.",
    )
    test: float = knob(
        0.0, "Share of the examples, equal in every class, held out for the final judgement; for data without a test "
        "part of their own.", "data", low=0, high=0.9,
    )  # fmt: skip
    group: str | None = knob(
        None, "What belongs together (a patient, a video) and is never cut apart: the column of a manifest, a key of "
        "the shards' records, or a regular expression found in a file's path, whose first bracket is the group.",
        "data",
    )  # fmt: skip
    folds: int = knob(
        0, "The training images are cut into so many parts, equal in every class, and one of them is the validation "
        "part (see fold); 0 is off; a manifest's own folds are taken as they are.", "data", low=0, high=1000,
        cost="A run for each fold, where all are wanted.",
    )  # fmt: skip
    fold: int = knob(1, "Which of the folds is the validation part, from 1.", "data", low=1, high=1000)
    memory: str = knob(
        "auto", "Where decoded images lie while training: in memory, or in a file of the cache that is mapped into it; "
        "auto takes memory where they fill less than a quarter of what is free.", "data",
        choices=("auto", "memory", "mapped"),
        cost="Mapped costs a little time, and more where the disk is slow; memory costs as many bytes as pixels.",
    )  # fmt: skip
    vocabulary: int = knob(
        20_000, "Words of texts that have a number of their own: the most frequent of the training texts; one that "
        "occurs only once has none.", "data", unit="words", low=1, high=10_000_000,
        cost="The word vectors grow in proportion, in memory and in each snapshot.",
    )  # fmt: skip
    text_length: int = knob(
        256, "Words kept of a text, the first ones.", "data", unit="words", low=1, high=100_000,
        cost="Time and memory grow with the longest text of a batch, up to this.",
    )  # fmt: skip
    text_column: str | None = knob(
        None, "The column of texts in a table: its name in the header, or its number from 1; without it one called as "
        "texts usually are, else the first.", "data",
    )  # fmt: skip
    label_column: str | None = knob(
        None, "The column of labels in a table or manifest: its name in the header, or its number from 1; without it "
        "one called as labels usually are, else the second.", "data",
    )  # fmt: skip
    normalise: str = knob(
        "z-score", "How pixels are scaled, per channel, by figures taken from the training images alone; imagenet: by "
        "ImageNet's, which weights from torchvision and timm expect.",
        "data", choices=("z-score", "min-max", "decimal", "none", "imagenet"), source="LeCun, Bottou, Orr, Müller 1998",
    )  # fmt: skip
    # augmentation
    rotate: float = knob(
        0.0, "Each image is turned by an angle drawn evenly from minus to plus this.", "augmentation",
        unit="degrees", low=0, high=180, source="Simard, Steinkraus, Platt 2003",
        cost="Every image is resampled in every epoch: one resampling, shared with shift and crop.",
    )  # fmt: skip
    shift: float = knob(
        0.0, "Each image is moved by up to this share of its side, in each direction.", "augmentation",
        low=0, high=0.5, source="Simard, Steinkraus, Platt 2003",
        cost="Every image is resampled in every epoch: one resampling, shared with rotate and crop. Alone, and with a "
        "border that is not black, it moves whole pixels and costs next to nothing.",
    )  # fmt: skip
    flip: bool = knob(
        False, "Each image is mirrored left to right with probability 1/2.", "augmentation",
        source="Krizhevsky et al. 2012, section 4.1", cost="One pass over the images of each batch.",
    )  # fmt: skip
    alternate: bool = knob(
        False, "With flip: each image is mirrored in every other epoch instead of by chance; chance decides only which "
        "comes first.", "augmentation", source="Jordan 2024 (airbench)",
    )  # fmt: skip
    crop: float = knob(
        1.0, "Each image is cut to a random part of at least this share of its area and enlarged again; 1 is off.",
        "augmentation", low=0.05, high=1, source="Szegedy et al. 2015",
        cost="Every image is resampled in every epoch: one resampling, shared with rotate and shift.",
    )  # fmt: skip
    aspect: float = knob(
        1.0, "With crop: the part may be up to this many times wider than high, or higher than wide, drawn evenly in "
        "its logarithm; 1 keeps the shape.", "augmentation", low=1, high=4, source="Szegedy et al. 2015",
    )  # fmt: skip
    border: str = knob(
        "black", "What rotate and shift bring into an image from outside: black, its mirror image, or its edge "
        "drawn out; with these two a shift alone is by whole pixels.", "augmentation",
        choices=("black", "reflect", "edge"),
    )  # fmt: skip
    brightness: float = knob(
        0.0, "All pixels are multiplied by a factor drawn evenly from 1 minus to 1 plus this.", "augmentation",
        low=0, high=1, source="Howard 2013", cost="One pass over the images of each batch, for all four of colour.",
    )  # fmt: skip
    contrast: float = knob(
        0.0, "Differences from the image's mean grey are multiplied by a factor drawn evenly from 1 minus to 1 plus "
        "this.", "augmentation", low=0, high=1, source="Howard 2013",
        cost="Two passes over the images of each batch.",
    )  # fmt: skip
    saturation: float = knob(
        0.0, "Differences of a colour from its grey are multiplied by a factor drawn evenly from 1 minus to 1 plus "
        "this; colour images only.", "augmentation", low=0, high=1, source="Howard 2013",
        cost="One pass over the images of each batch, for all four of colour.",
    )  # fmt: skip
    hue: float = knob(
        0.0, "Colours are turned about the grey axis by an angle drawn evenly from minus to plus this; colour images "
        "only.", "augmentation", unit="degrees", low=0, high=180, source="Dosovitskiy et al. 2014",
        cost="One pass over the images of each batch, for all four of colour.",
    )  # fmt: skip
    mask: float = knob(
        0.0, "A random square of this share of each image's area is erased.", "augmentation",
        low=0, high=0.9, source="Zhong et al. 2017; DeVries and Taylor 2017",
        cost="One pass over the images of each batch.",
    )  # fmt: skip
    grow: float = knob(
        1.0, "Images are shrunk at first to this share of their side and grow by eighths of it from epoch to epoch; 1 "
        "is off.", "augmentation", low=0.1, high=1,
        source="Howard 2018 (progressive resizing); Tan and Le 2021, section 4",
        cost="An epoch takes the square of its share of the time. The network must take images of several sizes; the "
        "validation part is seen whole, and known badly at first.",
    )  # fmt: skip
    grow_until: float = knob(
        0.8, "With grow: after this share of the epochs images are whole.", "augmentation", low=0, high=1,
    )  # fmt: skip
    tta: str = knob(
        "none", "Views of an image whose logits are averaged when the trained network is judged or asked: the image "
        "alone; it and its mirror image; or these, half of the weight on the same moved by a pixel up and left, and "
        "down and right.", "augmentation", choices=("none", "mirror", "mirror-shift"),
        source="Krizhevsky et al. 2012, section 4.1; Jordan 2024, section 3.5",
        cost="Judging and predicting take twice the time, or six times; figures after each epoch are of the image "
        "alone.",
    )  # fmt: skip
    mixup: float = knob(
        0.0, "Each image is laid over another of the training images, and so are their labels; the share is drawn from "
        "Beta(this, this); 0 is off. Training accuracy is then told against the label of the larger share.",
        "augmentation", low=0, high=10, source="Zhang et al. 2018",
        cost="Two images are gathered and changed for each one.",
    )  # fmt: skip
    cutmix: float = knob(
        0.0, "A box of each image is taken from another one, and the label in proportion; the share is drawn from "
        "Beta(this, this); 0 is off. With mixup too, chance takes one of the two.", "augmentation", low=0, high=10,
        source="Yun et al. 2019", cost="Two images are gathered and changed for each one.",
    )  # fmt: skip
