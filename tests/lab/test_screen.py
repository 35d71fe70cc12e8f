"""The screen's facts are the engine's numbers: sheets, layers, channels, single numbers, changes and inputs."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from conftest import bars, write_idx
from convoscope import lab
from convoscope.errors import BrokenImage, InputError, RunError, UnknownName
from convoscope.lab.screen import Ask, Screen, inputs
from convoscope.lab.screen.changes import mosaic
from convoscope.lab.screen.pack import pack, quantised, unpack
from convoscope.lab.screen.records import GivenImage
from convoscope.look.render_json import read
from convoscope.train.checkpoint import MODEL

RUN = "lenet5-bars-1"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "bars"
    folder.mkdir()
    write_idx(folder, "train", bars(201, 1))
    write_idx(folder, "t10k", bars(41, 2))
    runs = tmp_path_factory.mktemp("runs")
    for model, batch_size in (("lenet5", 30), ("resnet18", 201), ("mlp", 30)):
        knobs = {
            "data": str(folder), "model": model, "epochs": 1, "batch_size": batch_size, "device": "cpu", "lr": 0.01,
            "precision": "float32", "shards": 1,
            "memory_format": "channels-last" if model == "lenet5" else "contiguous",
        }  # fmt: skip
        list(lab.train(lab.make_recipe(knobs), runs=runs))
    return runs


@pytest.fixture(scope="module")
def screen(runs: Path) -> Screen:
    return Screen(runs)


def unpacked(content: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    meta, tensors = unpack(content)
    json.dumps(meta, allow_nan=False)
    return meta, tensors


def atlas(
    screen: Screen, ask: Ask, nodes: list[str] | None = None, *, k: int = 64, tile: int = 64, run: str = RUN
) -> Any:
    return unpacked(screen.atlas(run, ask, nodes, k, 1000, tile, None))


@given(arrays(np.float32, st.tuples(*[st.integers(0, 4)] * 3)))
def test_a_pack_gives_back_what_it_holds(array: Any) -> None:
    meta, tensors = unpack(pack(GivenImage("ß"), {"a": np.arange(5, dtype=np.uint8), "数": array}))
    assert meta == {"image": "ß"}
    np.testing.assert_array_equal(tensors["数"], array)
    assert tensors["a"].tolist() == [0, 1, 2, 3, 4]


def test_what_is_no_pack_is_refused() -> None:
    with pytest.raises(ValueError, match="not a pack"):
        unpack(b"GIF89a..")


@given(arrays(np.float32, (2, 3, 4), elements=st.floats(-(2.0**99), 2.0**99, width=32)))
def test_quantised_maps_are_right_to_half_a_step(maps: Any) -> None:
    content, peaks = quantised(maps)
    assert content.min() >= 1
    back = (content.astype(np.float64) - 128) / 127 * peaks[:, None, None]
    assert (np.abs(back - maps) <= peaks[:, None, None] / 254 * (1 + 1e-5)).all()


def test_what_is_not_finite_has_a_byte_of_its_own() -> None:
    content, peaks = quantised(np.array([[[1, np.nan, -np.inf, 0]]], np.float32))
    assert content.tolist() == [[[255, 0, 0, 128]]]
    assert peaks.tolist() == [1]


@pytest.mark.parametrize("tab", ["forward", "backward"])
def test_values_are_the_engines(screen: Screen, runs: Path, tab: Any) -> None:
    seen = lab.see(RUN, "test:7", runs=runs)
    for node in ("conv2", "fc1", "fc3"):
        meta, tensors = unpacked(screen.values(RUN, Ask("test:7", tab=tab), node, [3, 1]))
        whole = seen.captured.gradient(node) if tab == "backward" else seen.captured.value(node)
        assert whole is not None
        expected = whole[0, [3, 1]].reshape(2, *([1, 1] if whole.dim() == 2 else whole.shape[2:]))
        np.testing.assert_array_equal(tensors["values"], expected.numpy())
    assert meta["sight"]["truth"] == seen.target
    assert meta["sight"]["loss"] == float(seen.captured.value("loss"))


def test_an_atlas_holds_every_op_quantised(screen: Screen) -> None:
    ask = Ask("test:3")
    meta, tensors = atlas(screen, ask)
    names = [card.name for card in screen.network(RUN, "eval").nodes if card.kind == "op"]
    assert [sheet["node"] for sheet in meta["sheets"]] == names
    for sheet in meta["sheets"]:
        exact = unpacked(screen.values(RUN, ask, sheet["node"], sheet["channels"]))[1]["values"]
        back = (tensors[sheet["node"]] - 128.0) / 127 * np.array(sheet["peaks"])[:, None, None]
        assert np.abs(back - exact).max() <= sheet["peak"] / 254 + 1e-6
        assert sheet["maximum"] == exact.max()
        assert sheet["peak"] == pytest.approx(np.abs(exact).max())


def test_the_strongest_channels_come_first_and_keep_their_places(screen: Screen) -> None:
    first, _ = atlas(screen, Ask("test:3"), ["conv2"], k=5)
    exact = unpacked(screen.values(RUN, Ask("test:3"), "conv2", list(range(16))))[1]["values"]
    order = np.argsort(-np.abs(exact).mean(axis=(1, 2)), kind="stable")[:5]
    assert first["sheets"][0]["channels"] == order.tolist()
    for ask in (Ask("test:3", 2), Ask("test:3", 2, "backward"), Ask("test:3", None, minus=0)):
        assert atlas(screen, ask, ["conv2"], k=5)[0]["sheets"][0]["channels"] == order.tolist()


def test_large_maps_are_shrunk_to_means(screen: Screen) -> None:
    meta, tensors = atlas(screen, Ask("test:3"), ["conv1"], tile=5)
    sheet = meta["sheets"][0]
    exact = unpacked(screen.values(RUN, Ask("test:3"), "conv1", [0]))[1]["values"][0]
    factor = sheet["shrunk"]
    assert factor == -(-exact.shape[0] // 5)
    corner = exact[:factor, :factor].mean()
    assert (tensors["conv1"][0, 0, 0] - 128.0) / 127 * sheet["peaks"][0] == pytest.approx(
        corner, abs=sheet["peak"] / 200
    )


def test_a_difference_of_two_steps_is_their_difference(screen: Screen) -> None:
    one, other = (unpacked(screen.values(RUN, Ask("test:3", step), "conv2", [4]))[1]["values"] for step in (None, 1))
    both = unpacked(screen.values(RUN, Ask("test:3", None, minus=1), "conv2", [4]))[1]["values"]
    np.testing.assert_allclose(both, one - other, rtol=0, atol=1e-6)
    assert np.abs(both).max() > 0
    assert not unpacked(screen.values(RUN, Ask("test:3", None, minus=-1), "conv2", [4]))[1]["values"].any()


def test_drawn_pixels_are_seen_as_an_image_of_the_data_is(screen: Screen, runs: Path) -> None:
    pixels = bars(41, 2).images[7]
    drawn, tensors = unpacked(screen.atlas(RUN, Ask("drawn"), None, 64, 1000, 64, pixels.tobytes()))
    meta, expected = atlas(screen, Ask("test:7"))
    assert drawn["sight"]["logits"] == meta["sight"]["logits"]
    assert drawn["sight"]["truth"] is None
    assert drawn["sight"]["target_is"] == "predicted"
    for name, tensor in tensors.items():
        if name != "loss" and not name.startswith("loss"):
            np.testing.assert_array_equal(tensor, expected[name])
    with pytest.raises(InputError, match="144 bytes"):
        screen.atlas(RUN, Ask("drawn"), None, 64, 1000, 64, pixels.tobytes()[1:])


def test_a_target_can_be_chosen(screen: Screen) -> None:
    sight = atlas(screen, Ask("test:7", target="2"), ["fc3"])[0]["sight"]
    assert (sight["target"], sight["target_is"]) == (2, "asked")
    with pytest.raises(UnknownName):
        atlas(screen, Ask("test:7", target="cat"))


def test_a_layer_is_told_channel_by_channel(screen: Screen) -> None:
    meta, tensors = unpacked(screen.layer(RUN, Ask("test:3"), "act2"))
    exact = unpacked(screen.values(RUN, Ask("test:3"), "act2", list(range(16))))[1]["values"].reshape(16, -1)
    gradient = unpacked(screen.values(RUN, Ask("test:3", tab="backward"), "act2", list(range(16))))[1]["values"]
    np.testing.assert_allclose(tensors["mean"], exact.mean(1), rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(tensors["maximum"], exact.max(1))
    np.testing.assert_allclose(tensors["variance"], exact.var(1), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(tensors["gradient"], np.abs(gradient).reshape(16, -1).mean(1), rtol=1e-5, atol=1e-9)
    np.testing.assert_array_equal(tensors["dead"], (exact == 0).all(1))
    assert sum(meta["counts"]) == exact.size
    assert "filters" not in tensors
    meta, tensors = unpacked(screen.layer(RUN, Ask("test:3"), "conv2"))
    assert (meta["filters"], tensors["filters"].shape) == ("conv2.weight", (16, 6, 5, 5))
    assert unpacked(screen.layer("mlp-bars-1", Ask("test:3"), "fc1"))[1]["filters"].shape[1:] == (1, 12, 12)


@pytest.mark.parametrize(("run", "node"), [(RUN, "conv2"), (RUN, "fc2"), ("resnet18-bars-1", "layer2.0.conv1")])
def test_a_channel_is_the_sum_of_what_its_sources_add(screen: Screen, run: str, node: str) -> None:
    meta, tensors = unpacked(screen.unit(run, Ask("test:3"), node, 3, 10_000))
    assert len(meta["sources"]) == meta["n_sources"]
    shares = [source["share"] for source in meta["sources"]]
    assert shares == sorted(shares, reverse=True)
    bias = sum(one["value"] for one in meta["parameters"])
    total = sum(tensors[source["partial"]].astype(np.float64) for source in meta["sources"]) + bias
    np.testing.assert_allclose(total, tensors["map"], atol=1e-4)
    strongest = meta["sources"][0]
    exact = unpacked(screen.values(run, Ask("test:3"), strongest["node"], [strongest["channel"]]))[1]["values"]
    np.testing.assert_array_equal(tensors[strongest["map"]], exact[0])


@pytest.mark.parametrize(("run", "node"), [(RUN, "pool1"), (RUN, "act3"), ("resnet18-bars-1", "layer1.1.relu1")])
def test_a_gradient_is_the_sum_of_what_its_readers_add(screen: Screen, run: str, node: str) -> None:
    meta, tensors = unpacked(screen.unit(run, Ask("test:3", tab="backward"), node, 3, 10_000))
    total = sum(tensors[source["partial"]].astype(np.float64) for source in meta["sources"])
    scale = np.abs(tensors["map"]).max()
    assert scale > 0
    np.testing.assert_allclose(total, tensors["map"], atol=1e-4 * scale + 1e-12)


def test_a_channel_without_a_sum_names_its_source_and_its_stages(screen: Screen) -> None:
    meta, _ = unpacked(screen.unit(RUN, Ask("test:3"), "conv2", 3, 8))
    assert [stage["node"] for stage in meta["then"]] == ["act2", "pool2", "flatten"]
    meta, _ = unpacked(screen.unit(RUN, Ask("test:3"), "act2", 3, 8))
    assert [(one["node"], one["channel"], one["partial"]) for one in meta["sources"]] == [("conv2", 3, "")]
    meta, _ = unpacked(screen.unit("resnet18-bars-1", Ask("test:3"), "layer2.0.add", 5, 8))
    assert {(one["node"], one["channel"]) for one in meta["sources"]} == {
        ("layer2.0.bn2", 5), ("layer2.0.downsample.1", 5),
    }  # fmt: skip
    meta, _ = unpacked(screen.unit("resnet18-bars-1", Ask("test:3"), "layer2.0.bn2", 5, 8))
    assert {one["name"].rpartition(".")[2] for one in meta["parameters"]} == {
        "weight", "bias", "running_mean", "running_var",
    }  # fmt: skip


def test_the_network_says_which_channels_a_node_reads(screen: Screen) -> None:
    cards = {card.name: card for card in screen.network(RUN, "eval").nodes}
    read = {name: [(one.node, one.channels) for one in cards[name].sources] for name in cards}
    assert read["conv2"] == [("pool1", "all")]
    assert read["act2"] == [("conv2", "same")]
    assert read["flatten"] == [("pool2", "same")]  # its maps are 1 x 1 here
    assert read["fc1"] == [("flatten", "all")]
    assert read["input"] == []
    assert cards["conv1"].field == [5, 5]
    assert cards["conv2"].field == [12, 12]  # 5 + 1 + 4 x 2 = 14, and the image ends at 12
    assert [card.name for card in cards.values() if card.is_loss][-1] == screen.network(RUN, "eval").loss
    assert sum(card.n_parameters for card in cards.values()) == screen.network(RUN, "eval").n_parameters


@pytest.mark.parametrize("tab", ["forward", "backward"])
@pytest.mark.parametrize("by", ["channel", "term"])
def test_a_number_opens_to_the_engines_arithmetic(screen: Screen, runs: Path, tab: Any, by: Any) -> None:
    for node, at in (("conv2", (5, 1, 1)), ("fc3", (2,)), ("pool1", (2, 1, 1))):
        card = screen.number(RUN, Ask("test:7", tab=tab), node, at, by, 0)
        place = f"{node}[{','.join(map(str, at))}]"
        why = lab.why(RUN, place, "test:7", runs=runs, direction=tab)
        assert (card.computed, card.recorded, card.gap, card.title) == (why.computed, why.recorded, why.gap, why.title)
        assert card.agrees is True
        assert read(card.expression) is not None  # type: ignore[arg-type]
    grouped = screen.number(RUN, Ask("test:7"), "conv2", (5, 1, 1), "channel", 2)
    assert grouped.expression["terms"][0]["meaning"].endswith("of pool1")  # type: ignore[index]
    assert len(grouped.expression["terms"][0]["terms"]) == 25  # type: ignore[index]
    assert grouped.n_terms == 151
    assert grouped.field is not None


def test_a_parameters_number_says_so(screen: Screen) -> None:
    card = screen.number(RUN, Ask("test:7"), "conv2.weight", (5, 0, 2, 2), "channel", 20)
    assert card.is_parameter
    assert card.expression is None
    assert "learned" in card.note
    with pytest.raises(InputError, match="no parameter"):
        screen.number(RUN, Ask("test:7", 1, "update"), "conv2", (5, 1, 1), "channel", 20)


def test_a_change_is_what_the_next_step_did(screen: Screen, runs: Path) -> None:
    ask = Ask("test:7", 2, "update")
    meta, tensors = unpacked(screen.unit(RUN, ask, "conv2", 5, 100))
    run = lab.open_run(RUN, runs=runs).run
    before = run.load_checkpoint(2).tensors[MODEL + "conv2.weight"]
    after = run.load_checkpoint(3).tensors[MODEL + "conv2.weight"]
    assert meta["sight"]["update_step"] == 3
    change = {one["channel"]: tensors[one["map"]] for one in meta["sources"]}
    for channel in range(6):
        np.testing.assert_array_equal(change[channel], (after - before)[5, channel].numpy())
    np.testing.assert_array_equal(tensors["map"], mosaic(after - before)[5].numpy())
    card = screen.number(RUN, ask, "conv2.weight", (5, 0, 2, 2), "channel", 20)
    assert card.recorded == float(after[5, 0, 2, 2])
    assert card.agrees is True
    sheets = {sheet["node"]: sheet for sheet in atlas(screen, ask)[0]["sheets"]}
    assert sheets["act1"]["note"]
    assert sheets["conv1"]["peak"] > 0
    assert unpacked(screen.layer(RUN, ask, "conv2"))[1]["filters"].shape == (16, 6, 5, 5)
    assert atlas(screen, Ask("test:7", None, "update"), ["conv1"])[0]["sight"]["update_step"] == 7  # the last one


def test_a_mosaic_holds_every_weight_once() -> None:
    for shape in [(2, 3, 5, 4), (3, 7), (4,), (2, 5, 3), (2, 64, 1, 1)]:
        weight = torch.arange(1, 1 + int(np.prod(shape))).float().reshape(shape)
        maps = mosaic(weight)
        assert maps.dim() == 3
        for row, whole in zip(maps, weight, strict=True):
            assert sorted(row[row > 0].tolist()) == whole.flatten().tolist()


def test_given_images_can_be_named(screen: Screen, runs: Path) -> None:
    pixels = bars(41, 2).images[7]
    kept = screen.keep(RUN, pixels.tobytes(), True).image
    assert kept == screen.keep(RUN, pixels.tobytes(), True).image
    assert atlas(screen, Ask(kept))[0]["sight"]["logits"] == atlas(screen, Ask("test:7"))[0]["sight"]["logits"]
    file = io.BytesIO()
    Image.fromarray(pixels[0]).save(file, "PNG")
    assert screen.keep(RUN, file.getvalue(), False).image == kept
    assert np.asarray(Image.open(io.BytesIO(screen.kept_png(RUN, kept[6:])))).tolist() == pixels[0].tolist()
    with pytest.raises(BrokenImage):
        screen.keep(RUN, b"not an image", False)
    with pytest.raises(InputError, match="not kept"):
        atlas(screen, Ask("input:0123456789abcdef"))
    meta, tensors = unpacked(screen.images(RUN, ["test:7", kept]))
    assert meta["labels"] == [int(bars(41, 2).labels[7]), None]
    np.testing.assert_array_equal(tensors["images"][1], pixels)


def test_the_oldest_given_images_go(screen: Screen, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "_MOST", 3)
    for level in range(5):
        newest = screen.keep(RUN, bytes([level]) * 144, True).image
    assert len(list((runs / ".inputs").iterdir())) == 3
    assert atlas(screen, Ask(newest))


@pytest.mark.parametrize(
    "image", ["test:41", "test:-1", "validation:999", "nothing", "../../etc/passwd", "input:zz", "drawn"]
)
def test_an_image_that_is_not_there_is_refused(screen: Screen, image: str) -> None:
    with pytest.raises(InputError):
        atlas(screen, Ask(image))


def test_what_is_not_there_is_refused(screen: Screen) -> None:
    for call in (
        lambda: screen.network("no-such-run", "eval"),
        lambda: atlas(screen, Ask("test:3", 999)),
        lambda: atlas(screen, Ask("test:3"), ["conv9"]),
        lambda: screen.unit(RUN, Ask("test:3"), "conv2", 16, 8),
        lambda: screen.values(RUN, Ask("test:3"), "conv2", [-1]),
        lambda: screen.number(RUN, Ask("test:3"), "conv2", (5, 99, 1), "term", 20),
    ):
        with pytest.raises(InputError):
            call()


def test_details_answers_and_lists(screen: Screen, runs: Path) -> None:
    detail = screen.detail(RUN)
    assert (detail.kind, detail.input_shape) == ("images", [1, 12, 12])
    assert detail.headline.state == "finished"
    assert detail.judged is not None
    assert sum(map(sum, detail.judged.confusion)) == 41 == detail.counts["test"]
    assert [one.name for one in screen.headlines()] == ["mlp-bars-1", "resnet18-bars-1", RUN]
    page = screen.answers(RUN, None, None, False, "index", 40, 10)
    assert [one.image for one in page.answers] == ["test:40"]
    assert page.total == 41
    meta, tensors = unpacked(screen.filters(RUN, 0))
    assert (meta["parameter"], tensors["filters"].shape) == ("conv1.weight", (6, 1, 5, 5))
    form = screen.form()
    assert {card.name for card in form.knobs} >= {"lr", "epochs", "data"}
    assert next(card for card in form.knobs if card.name == "lr").kind == "number"
    assert screen.check_data("mnist", None).facts


def test_a_run_in_the_place_of_another_is_another(screen: Screen, runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / RUN, tmp_path / RUN)
    own = Screen(tmp_path)
    before = own.version(RUN)
    assert own.network(RUN, "eval").model == "lenet5"
    shutil.rmtree(tmp_path / RUN)
    with pytest.raises(RunError):
        own.network(RUN, "eval")
    shutil.copytree(runs / "mlp-bars-1", tmp_path / RUN)
    assert own.version(RUN) != before
    assert own.network(RUN, "eval").model == "mlp"


def test_a_broken_run_says_why_and_hides_no_other(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / RUN, tmp_path / "good")
    shutil.copytree(runs / RUN, tmp_path / "bad")
    (tmp_path / "bad" / "recipe.json").write_text("{")
    lines = {one.name: one for one in Screen(tmp_path).headlines()}
    assert lines["good"].state == "finished"
    assert lines["bad"].state == "broken"
    assert lines["bad"].error
