"""Texts: taken apart into words, numbered by a vocabulary of the training part, read from every layout there is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from convoscope import data as data_room
from convoscope.data import TextKnobs, TextPolicy, Texts
from convoscope.data.normalise import Normalisation
from convoscope.data.source import Opened
from convoscope.data.vocabulary import FEW_TEXTS, Vocabulary, words_of
from convoscope.errors import DataError
from convoscope.shape import UNKNOWN, Words
from convoscope.train.feed import Feed

ROWS = [("A good film, good!", "yes"), ("bad, bad film", "no"), ("so good", "yes"), ("so bad so long a film", "no")]


def table(path: Path, rows: list[tuple[str, ...]], header: tuple[str, ...] = ("text", "label")) -> Path:
    lines = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in [header, *rows] if row]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def opened(path: Path, **more: object) -> Opened:
    return data_room.open_data(path, **({"validation": 0.0} | more))


def texts_of(part: object) -> Texts:
    assert isinstance(part, Texts)
    return part


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't!<br />Stop", ["don't", "!", "stop"]),
        ("it’s 9:30", ["it's", "9", ":", "30"]),
        ("看电影 and こん", ["看", "电", "影", "and", "こ", "ん"]),
        ("हिन्दी cafe\u0301", ["हिन्दी", "caf\u00e9"]),
        ("a<b and c>d", ["a", "<", "b", "and", "c", ">", "d"]),
        ('<a href="x">y</a>', ["y"]),
        ("snake_case 'quoted'", ["snake", "_", "case", "'", "quoted", "'"]),
        (" \n\ufeff\u200b", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@pytest.mark.parametrize("text", ["<" * 50_000, "<a " * 20_000, "a'" * 50_000, "<a " + "b=c " * 20_000])
def test_no_text_takes_long(text: str) -> None:
    words_of(text)  # the suite's timeout is the test


def test_a_word_needs_two_occurrences_where_there_are_many_texts() -> None:
    words, counts = ["rare", "b", "a"], np.array([1, 5, 5])
    assert Vocabulary.chosen(words, counts, 9, n_texts=FEW_TEXTS - 1).words == ("a", "b", "rare")
    assert Vocabulary.chosen(words, counts, 9, n_texts=FEW_TEXTS).words == ("a", "b")
    assert Vocabulary.chosen(words, counts, 1, n_texts=FEW_TEXTS).words == ("a",)


def test_the_vocabulary_is_the_training_parts_alone(tmp_path: Path) -> None:
    rows = [(text, label, "train") for text, label in ROWS] + [("good unheard words", "yes", "test")]
    found = opened(table(tmp_path / "t.csv", rows, ("text", "label", "split")))
    policy, test = found.policy, texts_of(found.splits.test)
    assert isinstance(policy, TextPolicy)
    assert "unheard" not in policy.vocabulary.words
    assert test.tokens[0, :3].tolist() == [policy.vocabulary.numbers["good"], UNKNOWN, UNKNOWN]
    assert found.splits.train.class_names == ("no", "yes")
    assert found.splits.train.shape == Words(256, policy.vocabulary.n_words)
    # What is held out for validation is not learnt from either.
    held = opened(table(tmp_path / "u.csv", [(f"only{i} word", str(i % 2)) for i in range(8)]), validation=0.25)
    assert isinstance(held.policy, TextPolicy)
    known = {word for word in held.policy.vocabulary.words if word.startswith("only")}
    assert known == {text.split()[0] for text in texts_of(held.splits.train).originals}
    assert len(held.splits.validation) == 2


def test_tokens_are_trimmed_to_the_batch_and_cut_at_the_length(tmp_path: Path) -> None:
    found = opened(table(tmp_path / "t.csv", ROWS), texts=TextKnobs(length=4))
    train = texts_of(found.splits.train)
    assert train.lengths.tolist() == [4, 4, 2, 4]
    assert [finding.name for finding in found.findings if finding.name == "text-cut"] == ["text-cut"]
    feed = Feed(train, Normalisation("none", (0.0,), (1.0,)), torch.device("cpu"))
    x, labels = feed.batch(torch.tensor([2]), 0)
    assert x.shape == (1, 2)
    assert x.dtype == torch.int64
    assert labels.tolist() == [1]
    both, _ = feed.batch(torch.tensor([2, 0]), 0)
    assert both.shape == (2, 4)
    assert both[0].tolist() == [*x[0].tolist(), 0, 0]
    assert torch.equal(both, torch.from_numpy(train.tokens[[2, 0]]).long())


def test_fingerprints_tell_texts_and_vocabularies_apart(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", ROWS)
    once = opened(path).fingerprint
    assert once == opened(path).fingerprint
    assert once != opened(path, texts=TextKnobs(vocabulary=3)).fingerprint
    assert once != opened(table(path, [*ROWS[:-1], ("so dull", "no")])).fingerprint


def test_a_policy_reads_other_texts_with_its_own_vocabulary_and_comes_back_whole(tmp_path: Path) -> None:
    policy = opened(table(tmp_path / "t.csv", ROWS)).policy
    assert isinstance(policy, TextPolicy)
    again = TextPolicy.from_dict(policy.to_dict(), policy.vocabulary.words)
    assert again.to_dict() == policy.to_dict()
    assert again.read("GOOD film").tolist() == policy.read("good FILM").tolist()
    other = opened(table(tmp_path / "o.csv", [("strange film", "no"), ("good", "yes")]), policy=policy)
    assert texts_of(other.splits.train).tokens[0].tolist() == [UNKNOWN, policy.vocabulary.numbers["film"]]
    with pytest.raises(DataError, match="not the one that the network was trained with"):
        TextPolicy.from_dict(policy.to_dict(), [*policy.vocabulary.words[:-1], "other"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        (" \n ", "is empty"),
        ("\u200b<br/>", "has no word in it"),
        ("zzz qqq", "none of its 2 words is in the vocabulary"),
        ("zzz", "its one word is not in the vocabulary"),
        ("good \udce9", "byte 0xE9 is no UTF-8"),
    ],
)
def test_a_text_that_says_nothing_is_refused(tmp_path: Path, text: str, said: str) -> None:
    policy = opened(table(tmp_path / "t.csv", ROWS)).policy
    assert isinstance(policy, TextPolicy)
    with pytest.raises(DataError, match=said):
        policy.read(text)


def test_folders_of_texts_and_of_tables(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for label in ("10", "9"):
            (tmp_path / "c" / split / label).mkdir(parents=True)
            for i in range(3):
                (tmp_path / "c" / split / label / f"{i}.txt").write_text(f"text {label} {i}\nmore", encoding="utf-8")
    found = opened(tmp_path / "c")
    assert found.splits.train.class_names == ("9", "10")
    assert found.splits.train.names[0] == "train/9/0.txt"
    assert len(texts_of(found.splits.test)) == 6
    (tmp_path / "d").mkdir()
    table(tmp_path / "d" / "train.csv", ROWS)
    table(tmp_path / "d" / "dev.csv", ROWS[:2])
    found = opened(tmp_path / "d")
    assert (len(found.splits.train), len(found.splits.validation), found.splits.test) == (4, 2, None)
    assert found.splits.validation.names == ("dev.csv row 2", "dev.csv row 3")
    table(tmp_path / "d" / "valid.csv", ROWS[:2])
    with pytest.raises(DataError, match=r"dev\.csv and valid\.csv, which both mean validation"):
        opened(tmp_path / "d")


def test_images_go_before_texts_that_lie_among_them(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "notes.txt").write_text("a note")
    (tmp_path / "a" / "x.png").write_bytes(b"")
    table(tmp_path / "train.csv", ROWS)
    assert data_room.kind_of_data(str(tmp_path)) == "images"
    (tmp_path / "a" / "x.png").unlink()
    assert data_room.kind_of_data(str(tmp_path)) == "texts"


def test_findings(tmp_path: Path) -> None:
    rows = [("good film", "yes", "train"), ("good film", "no", "train"), ("bad film", "no", "train")]
    rows += [("bad film", "no", "test"), ("zzz qqq", "yes", "test")]
    found = opened(table(tmp_path / "t.csv", rows, ("text", "label", "split")))
    names = {finding.name for finding in found.findings}
    assert {"text-repeated", "label-conflict", "text-leaked", "text-unknown"} <= names
    assert data_room.describe(found)["text"]["coverage"]["test"] == 0.5


def test_an_image_size_with_texts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds texts"):
        opened(table(tmp_path / "t.csv", ROWS), image_size=32)
