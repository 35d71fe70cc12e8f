"""The report: every figure drawn and embedded, nothing executed, nothing fetched, both languages complete."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources
from itertools import repeat
from pathlib import Path
from string import Formatter
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from convoscope.errors import StorageError
from convoscope.runs import curves, figures, report
from convoscope.runs import drawing as drawing_room
from convoscope.runs.baseline import Baseline
from convoscope.runs.drawing import DARK, LIGHT
from convoscope.runs.phrases import OF_TEXTS, PHRASES
from convoscope.runs.report import HardImage, Limit, Named, PartFacts, ReportFacts, Suspect
from convoscope.train.metrics import Reliability
from convoscope.train.temperature import Calibration

NAN = float("nan")
VOID = {"meta", "input", "img", "source", "br", "link"}


class Page(HTMLParser):
    """Collects tags, attributes and visible text, and insists that every tag is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join(data for tag, data in self.texts if tag not in {"style", "script"})


def _per_class(counts: NDArray[np.int64], names: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "n": int(counts[k].sum()),
            "precision": NAN if k == 0 else 0.5,
            "recall": k / len(names),
            "f1": 0.5,
        }
        for k, name in enumerate(names)
    ]


def _facts(K: int = 3, n_steps: int = 40, shape: tuple[int, int, int] = (1, 8, 8), n_hard: int = 2) -> ReportFacts:
    random = np.random.default_rng(0)
    names = tuple(f"kind {k}" for k in range(K))
    counts = np.eye(K, dtype=np.int64) * 9
    counts[0, K - 1] = 4
    step = [float(n) for n in range(1, n_steps + 1)]
    return ReportFacts(
        title="run one",
        summary={"model": "lenet5", "own fact": "7"},
        recipe={"lr": 0.007, "augment": {"rotate": 10.0}},
        provenance={"seed": 0},
        class_names=names,
        steps={
            "step": step,
            "loss": [2 / n for n in step],
            "accuracy": [1 - 0.9 / n for n in step],
            "lr": [0.01 for _ in step],
        },
        epochs={
            "step": [float(n_steps)],
            "epoch": [1.0],
            "train_loss": [0.3],
            "train_accuracy": [0.9],
            "validation_loss": [NAN],
            "validation_accuracy": [NAN],
        },
        evaluated_on="test",
        accuracy=0.9123,
        loss=0.25,
        n_images=int(counts.sum()),
        majority_accuracy=0.4,
        accuracy_interval=(0.85, 0.95),
        confusion=counts,
        per_class=_per_class(counts, names),
        hardest=[
            HardImage(random.integers(0, 256, shape, dtype=np.uint8), f"test {i}", 0, K - 1, 0.8, 0.01, 4.6)
            for i in range(n_hard)
        ],
        filters=random.normal(0, 1, (4, 1, 3, 3)).astype(np.float32),
        filters_name="conv1",
        findings=[],
        **_judged_facts(names, counts, shape),
    )


def _undrawn(facts: ReportFacts) -> ReportFacts:
    """Without the pictures that take longest."""
    return replace(facts, steps={}, epochs={}, filters=None)


def _judged_facts(names: tuple[str, ...], counts: NDArray[np.int64], shape: tuple[int, int, int]) -> dict[str, Any]:
    bins = np.zeros(15, np.int64)
    bins[[3, 14]] = 2, 20
    sure = np.where(bins, np.linspace(0.03, 0.97, 15), NAN)
    n = int(counts.sum())
    return {
        "more_figures": (Named("balanced_accuracy", 0.7654, (0.71, 0.81)), Named("calibration_error", 0.0321)),
        "baselines": (
            Baseline("majority", n, 0.4, 0.9123, 0.5123, 0.45, 0.57, class_name=names[0]),
            Baseline("knn", n, 0.95, 0.9123, -0.0377, -0.08, 0.004, k=5, k_from="usual", n_references=77, side=8),
        ),
        "pairs": ({"classes": [names[0], names[-1]], "n": [4, 0], "shares": [4 / 13, None]},),
        "reliability": Reliability(bins, sure, sure),
        "calibrated": Reliability(bins, sure, sure / 2),
        "calibration": Calibration(1.25, "validation", 321, 0.5, 0.4),
        "parts": (PartFacts("train", 900, len(names), "how_rest"), PartFacts("test", n, 2, "how_own")),
        "n_trained": tuple(300 + k for k in range(len(names))),
        "left_out": (("bad.jpg", "it ends early"),),
        "limits": (Limit("limit_absent", {"names": names[1]}), Limit("limit_one_run")),
        "suspects": tuple(
            Suspect(np.full(shape, 40 * i, np.uint8), f"train {i}", "train", 0, 1, -0.9 + 0.01 * i) for i in range(3)
        ),
    }


def _images(page: Page) -> Iterator[Image.Image]:
    for image in page.all("img"):
        kind, _, content = str(image["src"]).partition(";base64,")
        assert kind in {"data:image/png", "data:image/jpeg"}
        yield Image.open(io.BytesIO(base64.b64decode(content, validate=True)))


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves the drawing out where only the writing is tested."""
    monkeypatch.setattr(curves, "curves", lambda *_: b"picture")
    for name in ("confusion", "reliability", "hardest", "filters"):
        monkeypatch.setattr(figures, name, lambda *_, **__: b"picture")
    monkeypatch.setattr(report, "page", lambda facts: facts.title)


def test_write_leaves_every_figure_and_a_page_and_nothing_else(tmp_path: Path) -> None:
    facts = _facts()
    facts = replace(facts, hardest=[replace(facts.hardest[0], name="no text: \udcff.png")])
    page = report.write(tmp_path / "report", facts)
    assert page == tmp_path / "report" / "index.html"
    names = {path.name for path in page.parent.iterdir()}
    assert names == {"curves.png", "confusion.png", "reliability.png", "hardest.png", "filters.png", "index.html"}
    for name in names - {"index.html"}:
        picture = np.asarray(Image.open(page.parent / name).convert("RGB"))
        assert min(picture.shape[:2]) > 150
        assert picture.std() > 1, f"{name} is blank"


def test_every_figure_is_embedded_and_described() -> None:
    facts = _facts()
    page = Page(report.page(facts))
    assert facts.filters is not None
    assert len(list(_images(page))) == 4 + len(facts.hardest) + len(facts.suspects) + len(facts.filters)
    # three curves and the reliability; the confusion is a table
    assert all(image["alt"] and image["data-zh"] and image["data-en"] == image["alt"] for image in page.all("img"))
    assert len(page.all("source")) == 4  # for a dark page
    cells = [a for a in page.all("td") if "--t" in str(a.get("style"))]
    assert len(cells) == 9
    assert "91.23 %" in page.text
    assert "85.00 %" in page.text
    assert "kind 2" in page.text
    assert "augment.rotate" in page.text
    assert "—" in page.text  # the precision that would divide by zero


def test_small_images_are_embedded_pixel_by_pixel() -> None:
    facts = _facts(shape=(3, 8, 10))
    pictures = list(_images(Page(report.page(facts))))
    assert any(np.array_equal(np.asarray(one), facts.hardest[0].image.transpose(1, 2, 0)) for one in pictures)


def test_the_page_asks_no_network_and_refuses_to() -> None:
    text = report.page(_facts())
    assert not re.search(r"https?:|//\w|@import|url\(", re.sub(r"base64,[\w+/=]+", "", text))
    page = Page(text)
    assert all(str(a.get("src", "data:")).startswith("data:") for _, a in page.tags)
    assert not page.all("link")
    assert "src" not in page.all("script")[0]
    assert any("default-src 'none'" in str(a.get("content")) for a in page.all("meta"))


def test_text_from_outside_is_never_markup() -> None:
    evil = '<script>alert("x")</script>$title\'"&'
    facts = _facts()
    names = (evil, "b", "c")
    facts = replace(
        facts,
        title=evil,
        summary={evil: evil},
        recipe={evil: {evil: [evil]}},
        provenance={evil: evil},
        class_names=names,
        per_class=_per_class(facts.confusion, names),
        evaluated_on=evil,
        filters_name=evil,
        suspects=tuple(replace(one, name=evil, split=evil) for one in facts.suspects),
        left_out=((evil, evil),),
        parts=(PartFacts(evil, 1, 1, "how_own"),),
        limits=(Limit("limit_absent", {"names": evil}),),
        pairs=({"classes": [evil, "b"], "n": [1, 0], "shares": [0.5, 0.0]},),
        baselines=tuple(replace(one, class_name=evil) for one in facts.baselines),
        hardest=[replace(facts.hardest[0], name=evil + "\udcff")],
        findings=[{"name": evil, "message": evil, "hint": evil}],
    )
    page = Page(report.page(facts))
    assert len(page.all("script")) == 1
    assert page.text.count(evil) >= 10
    assert all(not name.startswith("on") for _, attributes in page.tags for name in attributes)


def test_what_is_said_of_texts_stands_in_the_place_of_a_phrase() -> None:
    assert set(OF_TEXTS) <= set(PHRASES)


@pytest.mark.parametrize(("key", "phrases"), [*zip(PHRASES, repeat(PHRASES)), *zip(OF_TEXTS, repeat(OF_TEXTS))])
def test_every_phrase_stands_in_both_languages(key: str, phrases: dict[str, tuple[str, str]]) -> None:
    english, chinese = phrases[key]
    assert re.search(r"[A-Za-z]", english)
    assert not re.search(r"[\u4e00-\u9fff]", english)
    assert re.search(r"[\u4e00-\u9fff]", chinese), f"{key} is not translated"
    fields = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in (english, chinese)]
    assert fields[0] == fields[1]


def test_every_phrase_of_the_table_is_used() -> None:
    folder = Path(report.__file__).parent
    written = (path.read_text(encoding="utf-8") for path in folder.glob("*.py") if path.name != "phrases.py")
    sources = "".join(written)
    template = resources.files("convoscope.runs").joinpath("report.html").read_text(encoding="utf-8")
    unused = [key for key in PHRASES if not re.search(rf"""["']{key}["']""", sources) and f"$say_{key}" not in template]
    composed = {key for key in unused if key.startswith(("fact_", "split_", "why_"))}
    assert set(unused) - composed <= {"loss", "accuracy", "learning_rate", "train_epoch", "validation_epoch"}


def test_the_page_has_no_text_in_one_language_alone() -> None:
    page = report.page(_facts())
    template = re.sub(r"<(style|script|code)[^>]*>.*?</\1>", "", page, flags=re.S)
    spans = re.findall(r'<span lang="(en|zh-Hans)">', template)
    assert spans[0::2] == ["en"] * (len(spans) // 2)
    assert spans[1::2] == ["zh-Hans"] * (len(spans) // 2)
    source = resources.files("convoscope.runs").joinpath("report.html").read_text(encoding="utf-8")
    body = re.sub(r"<(script|code)[^>]*>.*?</\1>", "", source.split("<body>")[1], flags=re.S)
    words = re.findall(r"[A-Za-z]{2,}", re.sub(r"<[^>]*>|\$\w+", " ", body))
    assert words == ["convo", "scope", "EN"], "words written straight into the template are in one language only"


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_confusion_colours_errors_more_than_the_diagonal(theme: drawing_room.Theme) -> None:
    counts = np.array([[990, 10], [0, 1000]], np.int64)
    pixels = figures._confusion_pixels(counts, theme).astype(int)
    paper = pixels[1, 0]
    assert np.abs(pixels[0, 1] - paper).sum() > np.abs(pixels[0, 0] - paper).sum() > 0
    assert pixels[0, 1, 0] > pixels[0, 1, 2]  # orange
    assert pixels[0, 0, 2] > pixels[0, 0, 0]  # blue


def test_a_lone_error_among_a_thousand_classes_stays_visible() -> None:
    counts = np.eye(1000, dtype=np.int64) * 50
    counts[700, 3] = 50  # alone among the 16 pairs of its cell, yet stronger than a cell full of small errors
    counts[400:404, 800:804] = 10
    pixels = figures._confusion_pixels(counts, LIGHT)
    assert pixels.shape == (250, 250, 3)
    strength = 255 - pixels[..., 2].astype(int)
    assert strength[175, 0] == strength.max() > strength[100, 200] > 0


def test_envelope_keeps_every_spike_and_smoothing_skips_what_is_not_finite() -> None:
    y = np.zeros(100_000)
    y[[12_345, 67_890]] = 9, -9
    y[500] = np.nan
    x, low, high = curves.envelope(np.arange(100_000.0), y)
    assert len(x) <= curves.MAX_BUCKETS
    assert (low.min(), high.max()) == (-9, 9)
    values = np.array([1.0, np.nan, 3.0, np.inf, np.nan, np.nan])
    np.testing.assert_allclose(curves.smooth(values, 3), [1, 2, 3, 3, np.nan, np.nan])


def test_filters_zero_is_neutral_and_signs_differ() -> None:
    weights = np.array([[[[-2.0, 0.0, 2.0, np.nan]]]], np.float32)
    (row,) = figures.filter_pixels(weights)[0].astype(int)
    assert figures.filter_limit(weights) == 2
    assert np.ptp(row[1]) < 5
    assert np.array_equal(row[3], row[1])
    assert row[0, 1] < min(row[0, 0], row[0, 2])  # purple
    assert row[2, 1] > max(row[2, 0], row[2, 2])  # green
    assert figures.filter_pixels(np.zeros((2, 3, 5, 5), np.float32))[0].tolist()[0][0] == [128, 128, 128]
    assert figures.filter_pixels(np.zeros((1, 6, 5, 5), np.float32))[0].shape == (11, 17, 3)


def test_accuracy_axis_zooms_in_only_when_the_run_is_good() -> None:
    facts = _facts()
    good = replace(facts, steps=facts.steps | {"accuracy": [0.97] * 40}, epochs={})
    poor = replace(facts, steps=facts.steps | {"accuracy": [0.1] * 40}, epochs={})
    assert curves.accuracy_floor(good) == 0.95
    assert curves.accuracy_floor(poor) == 0


def test_chinese_class_names_never_warn_and_fall_back_to_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("猫", "狗", "鸟 $x_1$")
    facts = _facts()
    facts = replace(facts, class_names=names, per_class=_per_class(facts.confusion, names))
    figures.confusion(facts.confusion, names, LIGHT, words=True)  # warnings are errors here
    figures.hardest(facts.hardest, names)
    assert "猫" in Page(report.page(facts)).text
    monkeypatch.setattr(drawing_room, "CJK_FAMILIES", ())
    assert drawing_room.drawable(names) == (["0", "1", "2"], ["DejaVu Sans"], True)
    figures.confusion(facts.confusion, names, LIGHT, words=True)


def test_an_empty_run_still_has_a_report(tmp_path: Path) -> None:
    facts = replace(
        _facts(n_hard=0),
        steps={},
        epochs={},
        filters=None,
        accuracy=NAN,
        loss=NAN,
        n_images=0,
        majority_accuracy=NAN,
        accuracy_interval=(NAN, NAN),
        confusion=np.zeros((3, 3), np.int64),
        summary={},
        recipe={},
        provenance={},
        more_figures=(),
        baselines=(),
        pairs=(),
        reliability=None,
        calibrated=None,
        calibration=Calibration(why="no-part"),
        parts=(),
        n_trained=(),
        left_out=(),
        limits=(),
        suspects=(),
    )
    page = Page(report.write(tmp_path, facts).read_text(encoding="utf-8"))
    assert not page.all("img")
    assert not (tmp_path / "filters.png").exists()
    hidden = {a.get("id") for a in page.all("section") if "hidden" in a}
    assert hidden == {"filters", "voters", "suspects", "reliability", "compared", "data", "limits"}


def test_a_loss_that_is_not_a_number_is_marked() -> None:
    facts = _facts()
    broken = replace(facts, steps=facts.steps | {"loss": [NAN] * 40})
    assert PHRASES["not_a_number"][0] in Page(report.page(broken)).text
    assert PHRASES["not_a_number"][0] not in Page(report.page(facts)).text


def test_a_large_run_stays_a_small_page(tmp_path: Path) -> None:
    facts = _facts(K=1000, n_steps=100_000, shape=(3, 224, 224), n_hard=60)
    page = report.write(tmp_path, facts)
    assert page.stat().st_size < 4 * 2**20
    shown = Page(page.read_text(encoding="utf-8"))
    assert "12 more are in the run" in shown.text
    assert "4 × 4" in shown.text


@pytest.mark.usefixtures("undrawn")
def test_a_refusing_disk_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "report").write_text("a file stands where the folder should")
    with pytest.raises(StorageError) as caught:
        report.write(tmp_path / "report", _facts())
    assert str(tmp_path) in caught.value.message
    assert caught.value.hint


@pytest.mark.usefixtures("undrawn")
def test_a_failed_write_leaves_the_older_report_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = report.write(tmp_path, _facts())
    before = page.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError):
        report.write(tmp_path, replace(_facts(), title="second"))
    assert page.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 6


def test_how_good_it_is_stands_beside_what_costs_nothing() -> None:
    text = Page(report.page(_undrawn(_facts()))).text
    assert "always kind 0, the most frequent of training" in text
    assert "5 neighbours, not chosen for these data, among 77 training images" in text
    assert "−3.8 (−8.0 to +0.4)" in text  # worse than its neighbours: the sign is told
    assert "76.54 %" in text
    assert "71.00 % – 81.00 %" in text


def test_the_temperature_and_what_it_was_found_on_are_told() -> None:
    facts = _undrawn(_facts())
    text = Page(report.page(facts)).text
    assert "T = 1.250, found on 321 validation examples" in text
    assert "a little too good" not in text
    assert "a little too good" in Page(report.page(replace(facts, evaluated_on="validation"))).text
    kept = replace(facts, calibration=Calibration(why="all-right"))
    page = Page(report.page(kept))
    assert "every validation example is right" in page.text
    assert not any(a.get("class") == "dots_after" for a in page.all("li"))  # nothing is calibrated


def test_every_reason_for_no_temperature_has_words() -> None:
    from convoscope.train.temperature import WHY

    assert {f"why_{key.replace('-', '_')}" for key in WHY} == {key for key in PHRASES if key.startswith("why_")}


def test_labels_to_look_at_again_are_shown_with_both_classes() -> None:
    facts = _undrawn(_facts())
    many = tuple(facts.suspects[0] for _ in range(43))
    page = Page(report.page(replace(facts, suspects=many, hardest=[])))
    cards = [a for a in page.all("img") if "looks like" in str(a["alt"])]
    assert len(cards) == 40
    assert cards[0]["alt"] == "train 0: labelled kind 0, looks like kind 1"
    assert "3 more are in the run" in page.text


def test_what_was_left_out_is_listed_up_to_a_bound() -> None:
    facts = replace(_undrawn(_facts()), left_out=tuple((f"bad {i}.jpg", "it ends early") for i in range(25)))
    text = Page(report.page(facts)).text
    assert "25 files that could not be read were left out" in text
    assert "bad 19.jpg" in text
    assert "bad 20.jpg" not in text
    assert "5 more stand in quarantine.json" in text
