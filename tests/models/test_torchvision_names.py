"""AlexNet, the VGGs and the ResNets are torchvision's: names and shapes, parameters, multiply-adds."""

from __future__ import annotations

import pytest
from hollow import hollow, n_multiply_adds, n_parameters, shapes_of
from torchvision_names import NAMES, names_of

from convoscope.models import MODELS

N_PARAMETERS = {
    "alexnet": 61_100_840, "vgg11": 132_863_336, "vgg11_bn": 132_868_840, "vgg13": 133_047_848, "vgg13_bn": 133_053_736,
    "vgg16": 138_357_544, "vgg16_bn": 138_365_992, "vgg19": 143_667_240, "vgg19_bn": 143_678_248,
    "resnet18": 11_689_512, "resnet34": 21_797_672, "resnet50": 25_557_032, "resnet101": 44_549_160,
    "resnet152": 60_192_808,
}  # fmt: skip
# As torchvision's table of weights has them, in thousands of millions, three digits after the point at most.
GIGA_MULTIPLY_ADDS = {
    "alexnet": 0.714, "vgg11": 7.609, "vgg13": 11.308, "vgg16": 15.47, "vgg19": 19.632, "resnet18": 1.814,
    "resnet34": 3.664, "resnet50": 4.089, "resnet101": 7.801, "resnet152": 11.514,
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_state_dict_is_torchvisions_and_the_size_the_papers(name: str) -> None:
    shape, n_classes = MODELS[name].native
    assert (shape, n_classes) == ((3, 224, 224), 1000)
    model = hollow(name, (3, 224, 224), 1000)
    assert shapes_of(model) == names_of(name)
    assert n_parameters(model) == N_PARAMETERS[name]
    # Images of another size leave every shape as it is, and a class more or less only the last layer's.
    assert shapes_of(hollow(name, (3, 97, 130), 7, stem="imagenet")) == names_of(name, 7)


@pytest.mark.parametrize(("name", "giga"), GIGA_MULTIPLY_ADDS.items())
def test_multiply_adds_are_torchvisions(name: str, giga: float) -> None:
    assert n_multiply_adds(hollow(name, (3, 224, 224), 1000), (3, 224, 224)) / 1e9 == pytest.approx(giga, rel=0.01)


def test_the_papers_first_stride_costs_less_and_weighs_the_same() -> None:
    shape = (3, 224, 224)
    ours, papers = hollow("resnet50", shape, 1000), hollow("resnet50_v1", shape, 1000)
    assert shapes_of(ours) == shapes_of(papers)
    # Table 1 of the paper says 3.8 thousand million.
    assert n_multiply_adds(papers, shape) / 1e9 == pytest.approx(3.858, abs=0.001)
    assert n_multiply_adds(ours, shape) / 1e9 == pytest.approx(4.089, abs=0.001)
