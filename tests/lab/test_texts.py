"""A run on texts through the whole house: trained, resumed, judged, asked, looked into and shown."""

from __future__ import annotations

import itertools
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from convoscope import lab
from convoscope.errors import ConvoscopeError, InputError, ModelError, RecipeError, RunError
from convoscope.lab.screen import Ask, Screen
from convoscope.train.events import Finished

GOOD, BAD = ("good", "great", "fine"), ("bad", "poor", "dull")
FILL = ("a", "film", "with", "music", "and", "people", ",")
BASE = {
    "epochs": 4,
    "batch_size": 20,
    "lr": 0.03,
    "snapshots": 2,
    "statistics_every": 0,
    "device": "cpu",
    "shards": 1,
    "threads": 1,
    "precision": "float32",
    "memory_format": "contiguous",
}
SMALL = {"embedding": 8, "maps": 8, "widths": (3,)}
RUN = "textcnn-texts-1"


def sentences(n: int, n_least: int = 3) -> Iterator[tuple[str, str]]:
    chance = random.Random(3)  # noqa: S311 - no secret
    for i in range(n):
        words = [chance.choice(FILL) for _ in range(chance.randint(n_least, 8))]
        words.insert(chance.randrange(len(words) + 1), chance.choice((BAD, GOOD)[i % 2]))
        yield " ".join(words), ("no", "yes")[i % 2]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """texts.csv, trees.csv and runs/ with a run on each."""
    folder = tmp_path_factory.mktemp("texts")
    rows = list(sentences(100))
    lines = [f'"{text}",{label},{"test" if i >= 80 else "train"}' for i, (text, label) in enumerate(rows)]
    (folder / "texts.csv").write_text("\n".join(["text,label,split", *lines]) + "\n")
    nested = [f"(({words[0]} {words[1]}) ({words[2]} {words[3]}))" for words in (t.split() for t, _ in rows)]
    lines = [f'"{text}",{label}' for text, (_, label) in zip(nested, rows, strict=True)]
    (folder / "trees.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    for name, model, options in (("texts", "textcnn", SMALL), ("trees", "tree", {"hidden": 8})):
        recipe = lab.make_recipe({"data": str(folder / f"{name}.csv"), **BASE, "model_options": options})
        assert recipe.model == model  # none was named
        finished = [event for event in lab.train(recipe, runs=folder / "runs") if isinstance(event, Finished)]
        assert finished
    return folder


def test_what_is_kept(place: Path) -> None:
    folder = place / "runs" / RUN
    policy = json.loads((folder / "data.json").read_text())["policy"]
    words = json.loads((folder / "vocabulary.json").read_text())["words"]
    assert policy["kind"] == "texts"
    assert policy["n_words"] == len(words) + 2
    assert {*GOOD, *BAD} <= set(words)
    page = (folder / "report" / "index.html").read_text()
    assert "<blockquote>" in page
    assert "texts are right" in page
    assert "Hardest texts" in page
    assert "Hardest images" not in page


def test_a_stopped_run_resumes_to_the_same_bits(place: Path, tmp_path: Path) -> None:
    recipe = lab.make_recipe({"data": str(place / "texts.csv"), **BASE, "model_options": SMALL})
    steps = itertools.count()
    list(lab.train(recipe, runs=tmp_path, should_stop=lambda: next(steps) == 4))
    assert not (tmp_path / RUN / "weights.safetensors").exists()
    list(lab.resume("latest", runs=tmp_path))
    ours, theirs = (lab.open_run(RUN, runs=runs).model.state_dict() for runs in (tmp_path, place / "runs"))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    # Another text in the data is another run.
    (tmp_path / "changed").mkdir()
    changed = tmp_path / "changed" / "texts.csv"
    changed.write_text((place / "texts.csv").read_text().replace("film", "music", 1))
    list(
        lab.train(
            lab.make_recipe({"data": str(changed), **BASE, "model_options": SMALL}),
            runs=tmp_path,
            should_stop=lambda: True,
        )
    )
    changed.write_text((place / "texts.csv").read_text())
    with pytest.raises(ConvoscopeError, match=r"texts in .* are not those"):
        list(lab.resume("latest", runs=tmp_path))


def test_judged_on_other_texts_with_its_own_vocabulary(place: Path, tmp_path: Path) -> None:
    own = lab.evaluate(RUN, runs=place / "runs")
    assert (own["n"], own["kind"]) == (20, "texts")
    assert own["accuracy"] > 0.8
    assert own["hardest"][0]["text"]
    other = tmp_path / "other.csv"
    other.write_text("review,class\nunheard good,yes\nunheard bad,no\n")
    judged = lab.evaluate(RUN, runs=place / "runs", data=str(other))
    assert (judged["split"], judged["n"]) == ("all", 2)
    with pytest.raises(InputError, match="holds no texts"):
        lab.evaluate(RUN, runs=place / "runs", data="mnist")


def test_predictions(place: Path, tmp_path: Path) -> None:
    table, alone = tmp_path / "t.csv", tmp_path / "one.txt"
    table.write_text("text\na good film\nqqq\n")
    alone.write_bytes(b"caf\xe9")
    texts = ["a great film", "zzz", "", "dull " * 400]
    rows = list(lab.predict(RUN, [table, alone], texts=texts, runs=place / "runs"))
    assert [row["path"] for row in rows[:3]] == [f"{table} row 2", f"{table} row 3", str(alone)]
    told = [row["predicted"] or row["error"] for row in rows]
    assert (told[0], told[3], told[6]) == ("yes", "yes", "no")
    for i, said in ((1, "is not in the vocabulary"), (2, "UTF-8"), (4, "is not in the vocabulary"), (5, "is empty")):
        assert said in told[i]
    alone_rows = list(lab.predict(RUN, [], texts=["a great film"], runs=place / "runs"))
    assert alone_rows[0]["probability"] == pytest.approx(rows[3]["probability"], abs=1e-6)  # padding changes nothing


@pytest.mark.parametrize(
    ("name", "text"), [(RUN, "a good unheard film"), ("tree-trees-1", "((a good) (unheard film))")]
)
def test_look_and_why(place: Path, name: str, text: str) -> None:
    facts = lab.look(name, "", text=text, runs=place / "runs")
    assert facts["words"] == ["a", "good", "unheard", "film"]
    assert facts["unknown"] == ["unheard"]
    last = next(row["node"] for row in reversed(facts["nodes"]) if row["shape"] == [2] and row["module"])
    for direction in ("forward", "backward"):
        found = lab.why(name, f"{last}[1]", "", text=text, direction=direction, runs=place / "runs")
        assert found.gap is not None
        assert found.gap <= 1e-5 * found.scale + 1e-12
    kept = {path.name for path in (place / "runs" / name / "graph").glob("*.json")}
    assert ("eval-4.json" if name == RUN else "eval-3x4.json") in kept
    lab.look(name, "test:1" if name == RUN else "validation:1", runs=place / "runs")
    with pytest.raises(InputError, match=r"in the vocabulary|binary tree"):
        lab.look(name, "", text="zzz", runs=place / "runs")


def test_what_does_not_go_together(place: Path) -> None:
    data = str(place / "texts.csv")
    for given, kind, said in (
        ({"model": "lenet5"}, ModelError, "holds texts"),
        ({"model": "textcnn", "data": "mnist"}, ModelError, "holds images"),
        ({"flip": True}, RecipeError, "--flip was given; it is for images"),
        ({"model": "mlp", "data": "mnist", "vocabulary": 5}, RecipeError, "--vocabulary was given; it is for texts"),
    ):
        recipe = lab.make_recipe({"data": data, **BASE, **given})
        with pytest.raises(kind, match=said):
            next(iter(lab.train(recipe, runs=place / "none")))
    assert not (place / "none").exists()


def test_a_vocabulary_that_is_not_the_runs_is_refused(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "runs" / RUN, tmp_path / RUN)
    path = tmp_path / RUN / "vocabulary.json"
    words = json.loads(path.read_text())["words"]
    path.write_text(json.dumps({"words": [words[1], words[0], *words[2:]]}))
    with pytest.raises(RunError, match="vocabulary"):
        lab.open_run(RUN, runs=tmp_path)


@pytest.mark.parametrize("name", [RUN, "tree-trees-1"])
def test_the_screen(place: Path, name: str) -> None:
    screen = Screen(place / "runs")
    detail = screen.detail(name)
    assert detail.kind == ("texts" if name == RUN else "trees")
    split = "test" if name == RUN else "validation"
    page = screen.texts(name, [f"{split}:0", f"{split}:1"])
    assert [card.image for card in page.texts] == [f"{split}:0", f"{split}:1"]
    kept = screen.keep_text(name, b"a good unheard film" if name == RUN else b"((a good) (unheard film))").image
    (card,) = screen.texts(name, [kept]).texts
    assert [(word.word, word.known) for word in card.words] == [
        ("a", True), ("good", True), ("unheard", False), ("film", True),
    ]  # fmt: skip
    assert screen.kept_text(name, kept.removeprefix("input:")).decode() == card.text
    network = screen.network(name, "eval", kept)
    node = next(one for one in network.nodes if one.name == network.input)
    assert node.shape == ([4] if name == RUN else [3, 4, 3])
    ask = Ask(kept)
    opened = screen.number(name, ask, network.logits, (0,), "term", 5)
    assert opened.agrees
    for one in network.nodes:
        assert screen.layer(name, ask, one.name)
        assert screen.unit(name, ask, one.name, 0, 4)
    assert screen.atlas(name, Ask(kept, tab="backward"), None, 12, 96, 64, None)
    for wrong in (lambda: screen.images(name, [kept]), lambda: screen.keep(name, b"x", raw=True)):
        with pytest.raises(InputError):
            wrong()
