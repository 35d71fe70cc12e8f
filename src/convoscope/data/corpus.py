"""Where texts lie: a table, a folder of tables, or a folder of .txt files a class; found, read, split, numbered."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from convoscope.data import table as tables
from convoscope.data import trees
from convoscope.data.checks import DataFinding, few
from convoscope.data.dataset import Splits
from convoscope.data.image import SUFFIXES as IMAGE_SUFFIXES
from convoscope.data.layout import Scan, find_classes, natural_key
from convoscope.data.memory import memory_bytes
from convoscope.data.table import Row, Table, read_table
from convoscope.data.text import TEXT_LENGTH, VOCABULARY, TextPolicy, Texts, stacked
from convoscope.data.vocabulary import Vocabulary, first_bad, not_utf8, words_of
from convoscope.errors import DataError
from convoscope.shape import UNKNOWN

SUFFIX = ".txt"
_DEPTH = 4  # folders below the one given that are looked into for what they hold: train/CLASS/and/further
_PEEKED, _PEEKED_BYTES = 20, 1 << 18  # how many texts of a source are looked at to tell trees from rows of words
_TITLES = {"train": "training set", "validation": "validation set", "test": "test set"}
_MOST_CLASSES = 20  # however many texts there are; more must have two texts each


@dataclass(frozen=True)
class TextKnobs:
    """What of the recipe decides how texts are read; see there."""

    vocabulary: int = VOCABULARY
    length: int = TEXT_LENGTH
    text_column: str | None = None
    label_column: str | None = None


@dataclass(frozen=True)
class Corpus:
    """Texts, read: the splits that the source has, numbered by a vocabulary of all their words, and what was found.

    Attributes:
        groups: What each text of a part belongs to; no entry where nothing is grouped.
        left_out: (what a text is called, why it cannot be used).
    """

    train: Texts
    validation: Texts | None
    test: Texts | None
    findings: tuple[DataFinding, ...]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    left_out: tuple[tuple[Path | str, str], ...] = ()


@dataclass
class _Numbered:
    """Texts on their way: their values, and what was cut off.

    Attributes:
        rows: Those that can be used.
        values: Of each row, without padding.
        n_cut: Texts that are longer than what is kept.
        n_words_cut: Words beyond that.
        n_words: All words.
        labelled: Of trees, whether their brackets begin with a number.
    """

    rows: list[Row] = field(default_factory=list)
    values: list[np.ndarray[tuple[int, ...], np.dtype[np.int32]]] = field(default_factory=list)
    n_cut: int = 0
    n_words_cut: int = 0
    n_words: int = 0
    labelled: bool = False


def holds_texts(path: Path) -> bool:
    """Whether a path leads to texts: a table, or a folder of tables or .txt files with no image in it."""
    if path.is_file():
        return path.suffix.casefold() in tables.SUFFIXES
    found = False
    for root, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        at_top = Path(root) == path
        if len(Path(root).relative_to(path).parts) >= _DEPTH:
            folders.clear()
        suffixes = {Path(name).suffix.casefold() for name in names if not name.startswith(".")}
        if suffixes & IMAGE_SUFFIXES:
            return False
        found = found or (bool(suffixes.intersection(tables.SUFFIXES)) if at_top else SUFFIX in suffixes)
    return found


def peek(path: Path, knobs: TextKnobs) -> str:
    """Whether texts are "texts" or "trees", by the first of them; "texts" where they cannot be read."""
    try:
        rows = next(_by_split(path, knobs, peeked=True))[1].rows
    except DataError:
        return "texts"
    found = [trees.is_bracketed(row.text) for row in rows[:_PEEKED] if row.text.strip()]
    return "trees" if found and all(found) else "texts"


def read_texts(path: Path, knobs: TextKnobs, *, broken: str = "stop", policy: TextPolicy | None = None) -> Corpus:
    """Every text of a source, in its order, as numbers.

    Texts that all begin with a bracket are binary trees. Without a policy the vocabulary is, for now, all words there
    are; `with_vocabulary` leaves those of the training part.

    Args:
        path: A .csv or .tsv file with a text and a label a row; a folder with train.csv, validation.csv and test.csv;
            or FOLDER/CLASS/TEXT.txt, or FOLDER/train/CLASS/TEXT.txt with val/ and test/ beside train/.
        knobs: The words kept of a text, and the columns of a table.
        broken: What to do with texts that cannot be used: "stop", "quarantine" or "ignore".
        policy: How a run read its texts, where it is judged on others.

    Raises:
        DataError: there are no texts, or columns for them; texts that cannot be used, and `broken` is "stop"; one
            class only; a class of validation or test that train lacks; more trees than the machine has memory for.
    """
    if broken not in ("stop", "quarantine", "ignore"):
        raise DataError(f"Broken texts were to be treated as {broken!r}; the choices are stop, quarantine and ignore.")
    whole = Table()
    findings: list[DataFinding] = []
    for split, part in _by_split(path, knobs, findings):
        whole.rows += [row._replace(split=split or row.split or "train") for row in part.rows]
        whole.problems += part.problems
    whole.rows.sort(key=lambda row: list(_TITLES).index(row.split))  # within a split they keep their order
    read = _Reader(knobs, policy, whole)
    numbered = read.numbered()
    _report(path, whole.problems, broken, findings)
    findings += _findings_of_length(numbered, read.length)
    class_names = _classes(path, numbered.rows)
    made = _parts(path, numbered, class_names, read.policy(numbered))
    left_out = tuple(whole.problems)
    return Corpus(made["train"], made.get("validation"), made.get("test"), tuple(findings), left_out=left_out)


def with_vocabulary(splits: Splits, most: int) -> Splits:
    """The splits with the vocabulary of their training part: its `most` frequent words."""
    train = splits.train
    assert isinstance(train, Texts)
    mine = train.policy.vocabulary
    counts = np.bincount(train.numbers.reshape(-1), minlength=mine.n_words)[UNKNOWN + 1 :]
    vocabulary = Vocabulary.chosen(mine.words, counts, most, n_texts=len(train))
    policy = TextPolicy(
        vocabulary, train.policy.length, train.policy.n_levels, train.policy.width, train.policy.labelled
    )
    parts = {name: part.read_with(policy) for name, part in splits.parts().items() if isinstance(part, Texts)}
    return Splits(parts["train"], parts["validation"], parts.get("test"))


def _by_split(
    path: Path, knobs: TextKnobs, findings: list[DataFinding] | None = None, *, peeked: bool = False
) -> Iterator[tuple[str, Table]]:
    """The source's texts, file by file, with the split each file stands for; "" where its rows say it, or none is."""

    def table_of(file: Path) -> Table:
        most = _PEEKED_BYTES if peeked else None
        return read_table(file, text_column=knobs.text_column, label_column=knobs.label_column, most_bytes=most)

    if path.is_file():
        yield "", table_of(path)
        return
    found = _tables_in(path)
    for split, file in found.items():
        table = table_of(file)
        called = [row._replace(name=f"{file.name} {row.name}") for row in table.rows]
        yield split, Table(called, [(f"{file.name} {name}", why) for name, why in table.problems], table.has_splits)
    if found:
        return
    scan = Scan(path, noun="texts", suffixes=frozenset({SUFFIX}))
    for split, classes in find_classes(scan).items():
        table = Table()
        for label, files in classes.items():
            for file in files[:1] if peeked else files:
                _read_file(scan, file, label, table)
        yield split, table
    if findings is not None:
        findings += [*scan.findings, *_left_out(scan)]


def _tables_in(folder: Path) -> dict[str, Path]:
    """The tables of a folder by the split they are called after; one alone, however it is called, is ""."""
    try:
        files = sorted(p for p in folder.iterdir() if p.suffix.casefold() in tables.SUFFIXES and p.name[0] != ".")
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror}).") from None
    found: dict[str, Path] = {}
    for file in files:
        split = tables.SPLIT_OF.get(file.stem.casefold())
        if split in found:
            raise DataError(
                f"{folder} has {found[split].name} and {file.name}, which both mean {split}; one is needed."
            )
        if split:
            found[split] = file
    if not found and len(files) == 1:
        return {"": files[0]}
    if files and "train" not in found:
        raise DataError(
            f"{folder} has the tables {few([file.name for file in files])}, and none is called train.csv.",
            hint="Call them train.csv, validation.csv and test.csv, or point at one of them.",
        )
    return found


def _read_file(scan: Scan, file: Path, label: str, table: Table) -> None:
    name = scan.relative(file)
    try:
        if not file.is_file():  # a pipe would be waited for without end
            raise OSError(0, "it is no ordinary file")
        text = file.read_bytes().removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    except OSError as error:
        table.problems.append((name, f"it cannot be read ({error.strerror})"))
        return
    problem = not_utf8(text)
    if problem:
        line = text.count("\n", 0, first_bad(text)) + 1
        table.problems.append((name, f"{problem} (line {line})"))
    else:
        table.rows.append(Row(text, label, "", name))


def _left_out(scan: Scan) -> Iterator[DataFinding]:
    for path, reason in scan.problems:
        yield DataFinding("file-ignored", f"{path} is left out: {reason}.")
    if scan.other:
        message = f"Files that are no texts by name are not used ({len(scan.other)}): {few(scan.other)}."
        yield DataFinding("file-ignored", message)
    if scan.hidden:
        yield DataFinding(
            "file-ignored", f"Hidden and system files are not used ({len(scan.hidden)}): {few(scan.hidden)}."
        )


class _Reader:
    """From rows to numbers: by a run's policy, or by a number for each word as it comes.

    Attributes:
        length: Words kept of a text.
    """

    def __init__(self, knobs: TextKnobs, policy: TextPolicy | None, whole: Table) -> None:
        self._given, self._whole = policy, whole
        self.length = policy.length if policy else knobs.length
        self._words: defaultdict[str, int] = defaultdict()
        self._words.default_factory = lambda: len(self._words) + UNKNOWN + 1
        texts = [row.text for row in whole.rows if row.text.strip()]
        self._is_tree = policy.is_tree if policy else bool(texts) and all(map(trees.is_bracketed, texts))

    def numbered(self) -> _Numbered:
        """All rows that have words; the others join the problems."""
        if self._given:
            known = self._given.vocabulary.numbers
            number: Callable[[str], int] = lambda word: known.get(word, UNKNOWN)  # noqa: E731
        else:
            number = self._words.__getitem__
        return self._trees(number) if self._is_tree else self._rows(number)

    def policy(self, found: _Numbered) -> TextPolicy:
        """How they were read."""
        if self._given:
            return self._given
        vocabulary = Vocabulary(tuple(self._words))
        if not self._is_tree:
            return TextPolicy(vocabulary, self.length)
        n_levels = max((len(tree) for tree in found.values), default=1)
        width = max((tree.shape[1] for tree in found.values), default=1)
        return TextPolicy(vocabulary, self.length, n_levels, width, found.labelled)

    def _rows(self, number: Callable[[str], int]) -> _Numbered:
        found = _Numbered()
        for row in self._whole.rows:
            words = words_of(row.text)
            if not words:
                self._whole.problems.append(
                    (row.name, "its text has no word" if row.text.strip() else "its text is empty")
                )
                continue
            found.rows.append(row)
            found.values.append(np.fromiter(map(number, words[: self.length]), np.int32))
            found.n_words += len(words)
            found.n_words_cut += max(0, len(words) - self.length)
            found.n_cut += len(words) > self.length
        return found

    def _trees(self, number: Callable[[str], int]) -> _Numbered:
        found, parsed = _Numbered(), []
        for row in self._whole.rows:
            try:
                parsed.append((row, trees.parse(row.text)))
            except trees.TreeError as problem:
                self._whole.problems.append((row.name, f"{problem}" if row.text.strip() else "its text is empty"))
        every = all(trees.is_labelled(tree) for _, tree in parsed)
        found.labelled = self._given.labelled if self._given else bool(parsed) and every
        for row, tree in parsed:
            try:
                levels = trees.levels_of(tree, labelled=found.labelled and (every or trees.is_labelled(tree)))
            except trees.TreeError as problem:
                self._whole.problems.append((row.name, str(problem)))
                continue
            found.rows.append(row)
            found.values.append(trees.encode(levels, number))
        return found


def _report(path: Path, problems: list[tuple[str, str]], broken: str, findings: list[DataFinding]) -> None:
    """Turns texts that were left out into a finding; raises DataError where there are any and `broken` is "stop"."""
    if not problems:
        return
    named = few([f"{name}: {why}" for name, why in problems], 3, joint="; ")
    if broken == "stop":
        n = len(problems)
        raise DataError(
            f"{path}: {n:,} {'text' if n == 1 else 'texts'} cannot be used: {named}.",
            hint="Mend or remove them, or leave them out (--broken quarantine).",
        )
    findings.append(DataFinding("text-broken", f"Texts that cannot be used are left out ({len(problems):,}): {named}."))


def _findings_of_length(found: _Numbered, length: int) -> Iterator[DataFinding]:
    if found.n_cut:
        yield DataFinding(
            "text-cut",
            f"Texts with more than {length:,} words ({found.n_cut:,} of {len(found.rows):,}) are cut after the first "
            f"{length:,}: {found.n_words_cut / found.n_words:.1%} of all words are not read.",
            "Read more of each with --text-length, in proportionate time.",
        )


def _classes(path: Path, rows: list[Row]) -> tuple[str, ...]:
    """The classes of the training part, numbers in their order and names in the alphabet's.

    Raises:
        DataError: there is no training part, it has one class only or nearly as many as texts, or lacks one.
    """
    labels = [row.label for row in rows if row.split == "train"]
    known = tuple(sorted(set(labels), key=natural_key))
    if not labels:
        raise DataError(f"{path} has no text to train on.", hint="Mark some rows as train, or leave the column out.")
    if len(known) == 1:
        raise DataError(
            f"{path} has one class only, {known[0]!r}; telling classes apart needs at least two.",
            hint="Add texts of other classes, or say which column is the label (--label-column NAME).",
        )
    if len(known) > max(_MOST_CLASSES, len(labels) / 2):
        raise DataError(
            f"{path} has {len(known):,} different labels for {len(labels):,} training texts, such as "
            f"{few([repr(name[:40]) for name in known], 3)}.",
            hint="Is that the column of labels? Say which it is: --label-column NAME.",
        )
    strangers = sorted({row.label for row in rows} - set(known), key=natural_key)
    if strangers:
        where = next(row for row in rows if row.label == strangers[0])
        raise DataError(
            f"{path}: {where.split} has {len(strangers)} classes that train lacks ({few(strangers)}); a network only "
            "answers with classes it was trained on.",
            hint=f"Rename or remove them, or add training texts. Train has: {few(list(known), 12)}.",
        )
    return known


def _parts(path: Path, found: _Numbered, class_names: tuple[str, ...], policy: TextPolicy) -> dict[str, Texts]:
    """The splits, views of one array: all texts of a source are padded to one length."""
    if policy.is_tree:
        size = max(len(tree) for tree in found.values) * max(tree.shape[1] for tree in found.values)
        n_bytes, memory = len(found.values) * size * 12, memory_bytes()
        if memory and n_bytes > 0.5 * memory:
            raise DataError(
                f"{path}: its trees need {n_bytes / 1e9:.1f} GB, since each has room for the deepest and the fullest, "
                f"and this machine has {memory / 1e9:.1f} GB.",
                hint="Leave the largest trees out.",
            )
    values = stacked(found.values, tree=policy.is_tree)
    number = {name: label for label, name in enumerate(class_names)}
    made = {}
    for split, title in _TITLES.items():
        at = [i for i, row in enumerate(found.rows) if row.split == split]
        if not at:
            continue
        rows = found.rows[at[0] : at[-1] + 1]
        made[split] = Texts(
            values[at[0] : at[-1] + 1], np.array([number[row.label] for row in rows], np.int64), class_names,
            f"{path}, {title}", tuple(row.text for row in rows), policy, tuple(row.name for row in rows),
        )  # fmt: skip
    return made
