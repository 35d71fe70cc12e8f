"""Weights in and out of files: what is read, what is refused and in which words, and other libraries' names."""

from __future__ import annotations

import argparse
import os
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from convoscope.errors import ModelError
from convoscope.models import build, undrawn
from convoscope.models.matching import Built, check_same, head_of, take
from convoscope.models.naming import ours, theirs
from convoscope.models.weights import Weights, read_weights

SMALL = Built("lenet5", (1, 28, 28), 10)


def network(built: Built) -> nn.Module:
    return build(built.name, built.shape, built.n_classes, built.options)


def state(built: Built, fill: float = 0.5) -> dict[str, Tensor]:
    """The tensors of such a network, every number the same: drawing them takes long."""
    with undrawn():
        tensors = {name: value.detach().clone() for name, value in network(built).state_dict().items()}
    return {name: value.fill_(fill) if value.is_floating_point() else value for name, value in tensors.items()}


def weights(tensors: dict[str, Tensor]) -> Weights:
    return Weights(Path("given.safetensors"), tensors, {}, "")


@pytest.fixture
def tensors() -> dict[str, Tensor]:
    return {name: torch.randn_like(value) for name, value in network(SMALL).state_dict().items()}


class Runs:
    """Unpickled by anybody who is not careful, it makes a folder."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("pwned",)


# Reading


WRITERS: dict[str, Callable[[dict[str, Tensor], Path], None]] = {
    "safetensors": lambda tensors, path: save_file(tensors, path),
    "torch": lambda tensors, path: torch.save(tensors, path),
    "old torch": lambda tensors, path: torch.save(tensors, path, _use_new_zipfile_serialization=False),
    "under state_dict": lambda tensors, path: torch.save({"state_dict": tensors, "epoch": 3}, path),
    "under model": lambda tensors, path: torch.save({"epoch": 3, "model": tensors}, path),
    "twice inside": lambda tensors, path: torch.save({"model": {"state_dict": tensors, "best": 0.1}}, path),
    "of DataParallel": lambda tensors, path: torch.save({f"module.{k}": v for k, v in tensors.items()}, path),
    "compiled": lambda tensors, path: torch.save({f"module._orig_mod.{k}": v for k, v in tensors.items()}, path),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_every_kind_of_file_fills_the_network(writer: str, tensors: dict[str, Tensor], tmp_path: Path) -> None:
    WRITERS[writer](tensors, tmp_path / "weights.bin")
    model = network(SMALL)
    taken = take(model, SMALL, read_weights(tmp_path / "weights.bin"))
    assert (taken.head, taken.drawn) == ("fc3", "")
    for name, value in model.state_dict().items():
        assert torch.equal(value, tensors[name])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_cast(dtype: torch.dtype, tensors: dict[str, Tensor]) -> None:
    model = network(SMALL)
    take(model, SMALL, weights({name: value.to(dtype) for name, value in tensors.items()}))
    for name, value in model.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, tensors[name].to(dtype).float())


def test_the_header_of_a_safetensors_file_is_read(tensors: dict[str, Tensor], tmp_path: Path) -> None:
    save_file(tensors, tmp_path / "w.safetensors", metadata={"architecture": "lenet5"})
    found = read_weights(tmp_path / "w.safetensors")
    assert found.metadata == {"architecture": "lenet5"}
    assert len(found.sha256) == 64


def _bad(path: Path) -> dict[str, str]:
    """Files that cannot be used, and what is said of each."""
    plain = nn.Linear(3, 2)
    torch.save(plain.state_dict(), path / "whole.pt")
    torch.save(plain, path / "module.pt")
    torch.save({"weight": Runs()}, path / "code.pt")
    torch.save({"state_dict": plain.state_dict(), "args": argparse.Namespace(lr=1)}, path / "args.pt")
    torch.save([torch.ones(2)], path / "list.pt")
    torch.save({"lr": 0.1}, path / "number.pt")
    torch.save({}, path / "nothing.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(plain).save(str(path / "script.pt"))
    (path / "pickle.pt").write_bytes(pickle.dumps(Runs()))
    (path / "cut.pt").write_bytes((path / "whole.pt").read_bytes()[:700])
    save_file(plain.state_dict(), path / "whole.safetensors")
    (path / "cut.safetensors").write_bytes((path / "whole.safetensors").read_bytes()[:-3])
    (path / "page.pt").write_text("<html>Not found</html>")
    (path / "empty.pt").touch()
    (path / "folder.pt").mkdir()
    return {
        "module.pt": r"brings code of its own .*Linear", "code.pt": r"brings code of its own .*mkdir",
        "args.pt": r"brings code of its own .*argparse.Namespace", "list.pt": "no tensors by name, but one list",
        "number.pt": "under 'lr' no tensor, but float", "nothing.pt": "holds no tensors",
        "script.pt": "TorchScript program", "pickle.pt": "damaged, or was not written", "cut.pt": "damaged",
        "cut.safetensors": "damaged", "page.pt": "no file of weights", "empty.pt": "is empty",
        "folder.pt": "Is a directory", "absent.pt": "No such file",
    }  # fmt: skip


def test_what_cannot_be_used_is_one_sentence_and_nothing_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, said in _bad(tmp_path).items():
        with pytest.raises(ModelError, match=said) as caught:
            read_weights(tmp_path / name)
        assert "\n" not in str(caught.value)
        assert name in caught.value.message
    assert not (tmp_path / "pwned").exists()


# Matching


def test_the_first_difference_is_named_and_all_are_counted() -> None:
    built = Built("resnet18", (3, 64, 64), 10)
    model = network(built)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ModelError) as caught:
        take(model, built, weights(state(Built("resnet50", (3, 64, 64), 10))))
    said = caught.value.message
    assert "layer1.0.conv1.weight is (64, 64, 1, 1) in the file and (64, 64, 3, 3) in resnet18" in said
    assert "122 tensors 24 have another shape and 0 are missing; 198 are in the file alone" in said
    assert "--model resnet50" in caught.value.hint
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_missing_and_an_extra_tensor_are_named(tensors: dict[str, Tensor]) -> None:
    without = {name: value for name, value in tensors.items() if name != "conv2.bias"}
    with pytest.raises(ModelError, match=r"conv2.bias \(16\) is not in the file.* 1 are missing"):
        take(network(SMALL), SMALL, weights(without))
    with pytest.raises(ModelError, match=r"the file has extra \(2, 3\), which lenet5 lacks.* 1 are in the file alone"):
        take(network(SMALL), SMALL, weights({**tensors, "extra": torch.ones(2, 3)}))


@pytest.mark.parametrize(
    ("given", "built", "hint"),
    [
        (Built("resnet18", (3, 64, 64), 7), Built("resnet18", (3, 32, 32), 7), "They fit with --stem imagenet."),
        (
            Built("resnet18", (3, 32, 32), 7), Built("resnet18", (3, 64, 64), 14), "They fit with --stem cifar.",
        ),
        (Built("resnet18", (3, 64, 64), 7), Built("resnet18", (3, 16, 16), 7), "--stem imagenet and larger images"),
        (Built("resnet18", (3, 64, 64), 7), Built("resnet18", (1, 64, 64), 7), "3 channels and the data have 1"),
        (Built("resnet18", (3, 64, 64), 7), Built("resnet18", (1, 28, 28), 7), "images of 3 x 224 x 224"),
        (Built("resnet34", (3, 64, 64), 7), Built("resnet18", (3, 64, 64), 7), "--model resnet34"),
    ],
)  # fmt: skip
def test_what_would_fit_is_said(given: Built, built: Built, hint: str) -> None:
    with pytest.raises(ModelError) as caught:
        take(network(built), built, weights(state(given)))
    assert hint in caught.value.hint


def test_the_counters_of_old_batch_norms_may_be_missing() -> None:
    built = Built("resnet18", (3, 32, 32), 10)
    given = {name: value for name, value in state(built).items() if "num_batches" not in name}
    model = network(built)
    take(model, built, weights(given))
    assert float(model.state_dict()["layer4.1.bn2.running_var"][0]) == 0.5
    assert int(model.state_dict()["layer4.1.bn2.num_batches_tracked"]) == 0


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(wrong: float, tensors: dict[str, Tensor]) -> None:
    tensors["fc1.weight"][3, 5] = wrong
    model = network(SMALL)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ModelError, match=r"of fc1.weight's [\d,]+ numbers 1 are NaN or infinite"):
        take(model, SMALL, weights(tensors))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_quantised_weights_are_refused(tensors: dict[str, Tensor]) -> None:
    with pytest.raises(ModelError, match=r"holds fc1\.weight as int8"):
        take(network(SMALL), SMALL, weights({**tensors, "fc1.weight": tensors["fc1.weight"].to(torch.int8)}))


# The last layer


def test_another_number_of_classes_draws_the_last_layer_anew(tensors: dict[str, Tensor]) -> None:
    built = Built("lenet5", (1, 28, 28), 14)
    model = network(built)
    drawn = model.state_dict()["fc3.weight"].clone()
    taken = take(model, built, weights(tensors))
    assert taken.drawn == "The weights tell 10 classes apart and the data have 14"
    assert torch.equal(model.state_dict()["fc3.weight"], drawn)
    assert torch.equal(model.state_dict()["fc2.weight"], tensors["fc2.weight"])
    with pytest.raises(ModelError, match="tell 10 classes apart and the data have 14: fc3 cannot be kept"):
        take(model, built, weights(tensors), "keep")


def test_a_new_head_is_drawn_where_it_would_fit_too(tensors: dict[str, Tensor]) -> None:
    model = network(SMALL)
    drawn = model.state_dict()["fc3.weight"].clone()
    assert take(model, SMALL, weights(tensors), "new").drawn == "as was asked"
    assert torch.equal(model.state_dict()["fc3.weight"], drawn)


def test_weights_without_a_head_are_a_backbone(tensors: dict[str, Tensor]) -> None:
    given = {name: value for name, value in tensors.items() if not name.startswith("fc3")}
    assert take(network(SMALL), SMALL, weights(given)).drawn == "The weights have no fc3"
    with pytest.raises(ModelError, match="have no fc3: fc3 cannot be kept"):
        take(network(SMALL), SMALL, weights(given), "keep")


def test_a_last_layer_of_another_width_is_a_misfit(tensors: dict[str, Tensor]) -> None:
    given = {**tensors, "fc3.weight": torch.ones(10, 99)}
    with pytest.raises(ModelError, match=r"fc3.weight is \(10, 99\) in the file and \(10, 84\) in lenet5"):
        take(network(SMALL), SMALL, weights(given))


def test_the_head_is_the_last_layer_with_a_row_for_each_class() -> None:
    assert head_of(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 3), nn.Dropout()), 3) == "2"
    assert head_of(nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 5)), 3) is None
    assert head_of(nn.ReLU(), 3) is None


# Other libraries


@pytest.mark.parametrize("name", ["vgg11", "vgg16_bn"])
def test_timms_vgg_is_ours_both_ways(name: str) -> None:
    with torch.device("meta"), undrawn():
        own = build(name, (3, 224, 224), 7).state_dict()
    timm = theirs(own, name, "timm")
    assert tuple(timm["pre_logits.fc1.weight"].shape) == (4096, 512, 7, 7)
    assert tuple(timm["pre_logits.fc2.weight"].shape) == (4096, 4096, 1, 1)
    assert tuple(timm["head.fc.weight"].shape) == (7, 4096)
    assert {key for key in timm if key.startswith(("pre_logits", "head"))} == {
        f"{layer}.{kind}" for layer in ("pre_logits.fc1", "pre_logits.fc2", "head.fc") for kind in ("weight", "bias")
    }
    back = ours(timm, own)
    assert [(key, value.shape) for key, value in back.items()] == [(key, value.shape) for key, value in own.items()]


def test_timms_kernel_sums_what_the_row_of_a_linear_layer_sums() -> None:
    rows = torch.randn(2, 512 * 49)
    kernel = theirs({"classifier.0.weight": rows}, "vgg16", "timm")["pre_logits.fc1.weight"]
    x = torch.randn(2, 512, 7, 7)
    convolved = nn.functional.conv2d(x, kernel).flatten(1)
    torch.testing.assert_close(convolved, nn.functional.linear(x.flatten(1), rows), rtol=1e-4, atol=1e-3)


def test_timms_resnets_have_our_names() -> None:
    given = {"fc.weight": torch.ones(2, 2)}
    assert theirs(given, "resnet50", "timm") == given


def test_what_a_library_could_not_read_is_refused() -> None:
    built = Built("resnet18", (3, 32, 32), 10)
    with pytest.raises(ModelError, match=r"conv1.weight is \(64, 3, 3, 3\) here and \(64, 3, 7, 7\) in torchvision's"):
        check_same(built, state(built), "torchvision")
    large = Built("resnet18", (3, 64, 64), 10)
    check_same(large, state(large), "torchvision")
