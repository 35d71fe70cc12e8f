"""What torchvision and timm call the tensors of the networks that we share with them.

Our names are torchvision's. timm has torchvision's too in its ResNets; its VGGs have the classifier's first two layers
as convolutions, 7x7 and 1x1, which are the same sums over the same numbers in the same order:

    torchvision and ours           timm
    classifier.0  (4096, 25088)    pre_logits.fc1  (4096, 512, 7, 7)
    classifier.3  (4096, 4096)     pre_logits.fc2  (4096, 4096, 1, 1)
    classifier.6  (classes, 4096)  head.fc         (classes, 4096)
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Literal, TypeAlias

from torch import Tensor

Library: TypeAlias = Literal["torchvision", "timm"]

# The networks that compute in the library what they compute here.
SHARED: dict[str, re.Pattern[str]] = {
    "torchvision": re.compile(r"alexnet|vgg(11|13|16|19)(_bn)?|resnet(18|34|50|101|152)"),
    "timm": re.compile(r"vgg(11|13|16|19)(_bn)?|resnet(18|34|50|101|152)"),
}
_TIMM_VGG = {"classifier.0": "pre_logits.fc1", "classifier.3": "pre_logits.fc2", "classifier.6": "head.fc"}
_KERNEL_SIDES = {"pre_logits.fc1": 7, "pre_logits.fc2": 1}
_WRAPPERS = ("module.", "_orig_mod.", "model.")  # DataParallel's, torch.compile's, and many a training script's


def ours(tensors: Mapping[str, Tensor], known: Collection[str]) -> dict[str, Tensor]:
    """A file's tensors under our names: without what wraps them all, and with timm's VGG names and kernels turned back.

    Args:
        tensors: By the file's names.
        known: The names that the network has; a prefix that they have too is no wrapper.
    """
    found = dict(tensors)
    while wrapper := next((one for one in _WRAPPERS if _is_wrapped(found, one, known)), None):
        found = {name.removeprefix(wrapper): value for name, value in found.items()}
    if "pre_logits.fc1.weight" not in found or "pre_logits.fc1.weight" in known:
        return found
    back = {theirs: own for own, theirs in _TIMM_VGG.items()}
    renamed = {}
    for name, value in found.items():
        layer, _, kind = name.rpartition(".")
        is_kernel = layer in _KERNEL_SIDES and kind == "weight"
        renamed[f"{back.get(layer, layer)}.{kind}"] = value.flatten(1) if is_kernel else value
    return renamed


def theirs(tensors: Mapping[str, Tensor], name: str, library: Library) -> dict[str, Tensor]:
    """A network's tensors under the names, and in the shapes, that `library` has for the architecture `name`."""
    if library == "torchvision" or not name.startswith("vgg"):
        return dict(tensors)
    renamed = {}
    for own, value in tensors.items():
        layer, _, kind = own.rpartition(".")
        called = _TIMM_VGG.get(layer, layer)
        side = _KERNEL_SIDES.get(called) if kind == "weight" else None
        renamed[f"{called}.{kind}"] = value.reshape(len(value), -1, side, side) if side else value
    return renamed


def _is_wrapped(found: Mapping[str, Tensor], wrapper: str, known: Collection[str]) -> bool:
    return all(name.startswith(wrapper) for name in found) and not any(name.startswith(wrapper) for name in known)
