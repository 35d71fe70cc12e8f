"""The state dicts of torchvision's AlexNet, VGGs and ResNets: every name and shape, in order, written down apart."""

from __future__ import annotations

from collections.abc import Iterator

Names = list[tuple[str, tuple[int, ...]]]

# Where in `features` the convolutions stand, and what each puts out.
VGG = {
    "vgg11": [0, 3, 6, 8, 11, 13, 16, 18],
    "vgg13": [0, 2, 5, 7, 10, 12, 15, 17, 20, 22],
    "vgg16": [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28],
    "vgg19": [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34],
    "vgg11_bn": [0, 4, 8, 11, 15, 18, 22, 25],
    "vgg13_bn": [0, 3, 7, 10, 14, 17, 21, 24, 28, 31],
    "vgg16_bn": [0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40],
    "vgg19_bn": [0, 3, 7, 10, 14, 17, 20, 23, 27, 30, 33, 36, 40, 43, 46, 49],
}
CHANNELS = {
    "vgg11": [64, 128, 256, 256, 512, 512, 512, 512],
    "vgg13": [64, 64, 128, 128, 256, 256, 512, 512, 512, 512],
    "vgg16": [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512],
    "vgg19": [64, 64, 128, 128, 256, 256, 256, 256, 512, 512, 512, 512, 512, 512, 512, 512],
}
ALEXNET = {
    0: (64, 3, 11, 11),
    3: (192, 64, 5, 5),
    6: (384, 192, 3, 3),
    8: (256, 384, 3, 3),
    10: (256, 256, 3, 3),
}
RESNET = {
    "resnet18": (2, 2, 2, 2),
    "resnet34": (3, 4, 6, 3),
    "resnet50": (3, 4, 6, 3),
    "resnet101": (3, 4, 23, 3),
    "resnet152": (3, 8, 36, 3),
}
DEEP = ("resnet50", "resnet101", "resnet152")
NAMES = ("alexnet", *VGG, *RESNET)


def names_of(name: str, n_classes: int = 1000) -> Names:
    """Names and shapes of torchvision's network for photographs of 3 channels."""
    family = _alexnet if name == "alexnet" else _vgg if name in VGG else _resnet
    return list(family(name, n_classes))


def _with_bias(name: str, shape: tuple[int, ...]) -> Names:
    return [(f"{name}.weight", shape), (f"{name}.bias", shape[:1])]


def _norm(name: str, channels: int) -> Names:
    own = [(f"{name}.{part}", (channels,)) for part in ("weight", "bias", "running_mean", "running_var")]
    return [*own, (f"{name}.num_batches_tracked", ())]


def _alexnet(name: str, n_classes: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    for place, shape in ALEXNET.items():
        yield from _with_bias(f"features.{place}", shape)
    yield from _with_bias("classifier.1", (4096, 9216))
    yield from _with_bias("classifier.4", (4096, 4096))
    yield from _with_bias("classifier.6", (n_classes, 4096))


def _vgg(name: str, n_classes: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    channels = 3
    for place, width in zip(VGG[name], CHANNELS[name.removesuffix("_bn")], strict=True):
        yield from _with_bias(f"features.{place}", (width, channels, 3, 3))
        if name.endswith("_bn"):
            yield from _norm(f"features.{place + 1}", width)
        channels = width
    yield from _with_bias("classifier.0", (4096, 25088))
    yield from _with_bias("classifier.3", (4096, 4096))
    yield from _with_bias("classifier.6", (n_classes, 4096))


def _resnet(name: str, n_classes: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "conv1.weight", (64, 3, 7, 7)
    yield from _norm("bn1", 64)
    wide = 4 if name in DEEP else 1
    n_inputs = 64
    for stage, depth in enumerate(RESNET[name]):
        width = 64 * 2**stage
        for block in range(depth):
            path = f"layer{stage + 1}.{block}"
            kernels = [(width, 1), (width, 3), (4 * width, 1)] if name in DEEP else [(width, 3), (width, 3)]
            inputs = n_inputs
            for number, (outputs, side) in enumerate(kernels, start=1):
                yield f"{path}.conv{number}.weight", (outputs, inputs, side, side)
                yield from _norm(f"{path}.bn{number}", outputs)
                inputs = outputs
            if n_inputs != wide * width:
                yield f"{path}.downsample.0.weight", (wide * width, n_inputs, 1, 1)
                yield from _norm(f"{path}.downsample.1", wide * width)
            n_inputs = wide * width
    yield from _with_bias("fc", (n_classes, n_inputs))
