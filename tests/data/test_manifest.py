from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convoscope.data import kind_of_data, open_data
from convoscope.data.division import PARTS
from convoscope.data.listing import Listing, list_images
from convoscope.data.manifest import is_manifest
from convoscope.data.tabulate import csv_of, table_of
from convoscope.errors import BrokenImage, DataError, MissingPackage, RecipeError


def pictures(root: Path, n: int = 8) -> Path:
    """N little photos of each of two classes: images/cat_0.png ..."""
    (root / "images").mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    for name in ("cat", "dog"):
        for i in range(n):
            Image.fromarray(generator.integers(0, 256, (6, 6, 3), np.uint8)).save(root / "images" / f"{name}_{i}.png")
    return root


def rows(n: int = 8) -> list[tuple[str, str]]:
    return [(f"images/{name}_{i}.png", name) for name in ("cat", "dog") for i in range(n)]


def written(root: Path, header: str, lines: list[str], name: str = "list.csv") -> Path:
    path = root / name
    path.write_text("\n".join([header, *lines]) + "\n" if header else "\n".join(lines) + "\n", encoding="utf-8")
    return path


def plain(root: Path, header: str = "path,label", **more: str) -> Path:
    return written(pictures(root), header, [f"{path},{label}" for path, label in rows()], **more)


def names_of(listing: Listing) -> list[str]:
    return [finding.name for finding in listing.findings]


@pytest.mark.parametrize(
    "header", ["path,label", "file,class", "Filename,Species", "image,y", "img_path,diagnosis", "", "photo,what"]
)
def test_columns_are_found_by_their_usual_names_and_by_what_they_hold(header: str, tmp_path: Path) -> None:
    listing = list_images(plain(tmp_path, header))
    assert (len(listing.items), listing.class_names, listing.layout) == (16, ("cat", "dog"), "manifest")
    assert listing.items[8].label == 1
    assert listing.items[0].path == tmp_path / "images" / "cat_0.png"
    assert listing.items[0].name == "images/cat_0.png"
    assert listing.problems == ()


def test_every_column_counts_wherever_it_stands(tmp_path: Path) -> None:
    lines = [
        f"{label},x,{path},{('train', 'val', 'testing')[i % 3]},p{i % 4}" for i, (path, label) in enumerate(rows())
    ]
    listing = list_images(written(pictures(tmp_path), "label,remark,path,subset,patient", lines))
    assert listing.parts() == {"train": 6, "validation": 5, "test": 5}
    assert [item.split for item in listing.items] == sorted((item.split for item in listing.items), key=PARTS.index)
    assert {item.group for item in listing.items} == {"p0", "p1", "p2", "p3"}
    assert listing.grouped_by == "patient"
    assert list_images(tmp_path / "list.csv", group="remark").items[0].group == "x"
    assert list_images(tmp_path / "list.csv", group=r"_(\d)").items[0].group == "0"
    assert not any(item.group for item in list_images(tmp_path / "list.csv", group="").items)
    assert list_images(tmp_path / "list.csv", label_column="patient").class_names == ("p0", "p1", "p2", "p3")
    assert list_images(tmp_path / "list.csv", label_column="5").class_names == ("p0", "p1", "p2", "p3")
    with pytest.raises(DataError, match="no column 'colour'; its columns are label, remark, path, subset, patient"):
        list_images(tmp_path / "list.csv", label_column="colour")
    with pytest.raises(RecipeError, match="neither a column nor"):
        list_images(tmp_path / "list.csv", group="(")


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".pq"])
def test_every_kind_of_table_is_read_as_it_was_written(suffix: str, tmp_path: Path) -> None:
    if suffix in (".parquet", ".pq"):
        pytest.importorskip("pyarrow")
    odd = pictures(tmp_path) / "images" / 'cat, "no" 1\n苹.png'
    (tmp_path / "images" / "cat_0.png").rename(odd)
    columns = {"path": [path for path, _ in rows()], "label": [10 if label == "dog" else 9 for _, label in rows()]}
    columns["path"][0] = f"images/{odd.name}"
    path = tmp_path / f"list{suffix}"
    path.write_bytes(table_of(path, columns))
    listing = list_images(path)
    assert listing.class_names == ("9", "10")  # numbers in their order, and the same in every kind of table
    assert listing.items[0].path == odd
    assert kind_of_data(str(path)) == "images"


def test_bytes_that_are_no_text_survive_in_a_path(tmp_path: Path) -> None:
    name = b"images/caf\xe9.png".decode("utf-8", "surrogateescape")
    try:
        (pictures(tmp_path) / "images" / "cat_0.png").rename(tmp_path / name)
    except OSError:
        pytest.skip("this file system takes no such name")
    path = tmp_path / "list.csv"
    path.write_bytes(csv_of({"path": [name, "images/dog_0.png"], "label": ["cat", "dog"]}))
    assert list_images(path).items[0].path == tmp_path / name


def test_labels_that_are_numbers_have_their_order(tmp_path: Path) -> None:
    labels = ["10", "9", "-1", "2.5"] * 4
    lines = [f"{path},{label}" for (path, _), label in zip(rows(), labels, strict=True)]
    assert list_images(written(pictures(tmp_path), "path,label", lines)).class_names == ("-1", "2.5", "9", "10")


def test_what_cannot_be_used_is_named_and_the_rest_is_there(tmp_path: Path) -> None:
    lines = [f"{path},{label},train" for path, label in rows()]
    lines[3] = "images/cat_3.png,,train"
    lines[4] = "images/gone.png,cat,train"
    lines[5] = ",cat,train"
    lines[6] = "images,cat,train"
    lines[7] = "images/cat_7.png,cat"
    lines += ["https://there/0.png,cat,train", "images/cat_0.png,dog,train", "images/dog_0.png,dog,test"]
    lines += ["images/dog_1.png,dog,train", f"images/{'x' * 300}.png,dog,train"]
    listing = list_images(written(pictures(tmp_path), "path,label,split", lines))
    reasons = {(path.name, reason) for path, reason in listing.problems}
    assert reasons == {
        ("cat_3.png", "row 5: its label is empty"),
        ("gone.png", "row 6: there is no such file"),
        ("list.csv", "row 7: its path is empty"),
        ("images", "row 8: it is no ordinary file"),
        ("cat_7.png", "row 9: it has 2 fields, and the first row has 3"),
        ("list.csv", "row 18: its path is a web address, and only files are read"),
        ("cat_0.png", "rows 2 and 19 say different things of it: the label 'cat', and 'dog'"),
        ("dog_0.png", "rows 10 and 20 say different things of it: the split 'train', and 'test'"),
        (f"{'x' * 300}.png", "row 22: there is no such file"),
    }
    assert names_of(listing) == ["file-repeated"]
    assert "images/dog_1.png (row 21)" in listing.findings[0].message
    assert [item.name for item in listing.items][:3] == ["images/cat_1.png", "images/cat_2.png", "images/dog_1.png"]
    with pytest.raises(BrokenImage, match="9 entries cannot be read"):
        open_data(tmp_path / "list.csv")
    opened = open_data(tmp_path / "list.csv", broken="quarantine", validation=0)
    assert len(opened.splits.train) == len(listing.items)
    assert len(opened.left_out) == 9
    told = open_data(tmp_path / "list.csv", broken="ignore", validation=0).findings
    assert [finding.message for finding in told if finding.name == "image-broken"] == [
        "Entries that cannot be read as images are left out: 9."
    ]


@pytest.mark.parametrize(
    ("header", "line", "said"),
    [
        ("path,label,split", "images/cat_0.png,cat,trainn", r"list\.csv, row 18: its split is 'trainn'; it is train"),
        ("path,label,split", "images/cat_0.png,cat,", r"row 18: it is in no part"),
        ("path,label,fold", "images/cat_0.png,cat,one", r"row 18: its fold is 'one'; it is a whole number"),
        ("path,label,fold", "images/dog_0.png,dog,", r"row 17: it has no fold|row 18: it has no fold|rows"),
    ],
)
def test_an_unknown_part_is_told_with_its_row(header: str, line: str, said: str, tmp_path: Path) -> None:
    word = "train" if header.endswith("split") else "1"
    lines = [f"{path},{label},{word}" for path, label in rows()[1:]] + [f"images/cat_0.png,cat,{word}", line]
    if "dog_0" in line:
        lines = [one for one in lines if "dog_0" not in one or one == line]
    with pytest.raises(DataError, match=said):
        list_images(written(pictures(tmp_path), header, lines))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("path,label\n", "a header and no rows below it"),
        ("path,label\nelsewhere/cat_0.png,cat\nelsewhere/dog_0.png,dog\n", "none of the files it lists is there"),
        ("path,label\nimages/cat_0.png,cat\nimages/cat_1.png,cat\n", "one class only, 'cat'"),
        ("path,label,split\nimages/cat_0.png,cat,val\nimages/dog_0.png,dog,val\n", "no image to train on"),
        (
            "path,label,split\nimages/cat_0.png,cat,train\nimages/dog_0.png,dog,train\nimages/dog_1.png,bird,test\n",
            r"test has 1 classes that train lacks \(bird\)",
        ),
        (
            "path,a,b\nimages/cat_0.png,cat,1\nimages/dog_0.png,dog,2\n",
            "no column that is called as labels usually are",
        ),
        ("a,b\n1,2\n", "no column of paths"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_explained(text: str, said: str, tmp_path: Path) -> None:
    path = pictures(tmp_path) / "list.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=said) as error:
        list_images(path)
    assert "list.csv" in error.value.message
    if "none of" in said:
        assert "There is images/cat_0.png." in error.value.hint


def test_a_column_of_names_is_not_taken_for_labels(tmp_path: Path) -> None:
    lines = [f"{path},{i}" for i, (path, _) in enumerate(rows(20))]
    with pytest.raises(DataError, match="40 different labels in label for 40 training images"):
        list_images(written(pictures(tmp_path, 20), "path,label", lines))


@pytest.mark.parametrize(
    ("text", "holds_images"),
    [
        ("text,label\na good film,1\nsee my cat.jpg,0\n", False),
        ("text,image,label\na caption,images/cat_0.png,1\n", False),  # texts come first in it
        ("image,text,label\nimages/cat_0.png,a caption,1\n", True),
        ("a good film,1\na bad one,0\n", False),
        ("images/cat_0.png,cat\n", True),
        ("image_id,label\n0001,cat\n", True),
        ("review,sentiment\n" + '"quoted, with a comma",1\n', False),
    ],
)
def test_a_table_of_texts_remains_one(text: str, holds_images: bool, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(text)
    assert is_manifest(path) is holds_images
    assert kind_of_data(str(path)) == ("images" if holds_images else "texts")
    assert is_manifest(path, text_column="text") is False


def test_paths_may_be_absolute_lead_out_or_come_from_windows(tmp_path: Path) -> None:
    pictures(tmp_path)
    (tmp_path / "lists").mkdir()
    lines = [f"{tmp_path}/images/cat_0.png,cat", "../images/dog_0.png,dog", "..\\images\\dog_1.png,dog"]
    listing = list_images(written(tmp_path / "lists", "path,label", lines))
    assert [item.path.resolve().name for item in listing.items] == ["cat_0.png", "dog_0.png", "dog_1.png"]
    assert listing.problems == ()


def test_folds_of_a_manifest_are_those_that_are_trained_on(tmp_path: Path) -> None:
    lines = [f"{path},{label},{i % 4}" for i, (path, label) in enumerate(rows())]
    path = written(pictures(tmp_path), "path,label,fold", lines)
    assert list_images(path).folds[:5] == (1, 2, 3, 4, 1)  # counted from 0 there
    opened = open_data(path, folds=4, fold=3)
    assert opened.splits.validation.names == tuple(f"images/{name}_{i}.png" for name in ("cat", "dog") for i in (2, 6))
    assert opened.splits.validation.source.endswith("list.csv, fold 3 of 4")
    assert [finding.name for finding in open_data(path).findings] == ["folds-unused", "class-tiny"]
    with pytest.raises(DataError, match="5 folds were asked"):
        open_data(path, folds=5)
    words = [f"{path},{label},{('train', 'test')[i % 2]}" for i, (path, label) in enumerate(rows())]
    assert list_images(written(tmp_path, "path,label,fold", words)).parts() == {"train": 8, "test": 8}


def test_groups_stay_together_and_it_is_told(tmp_path: Path) -> None:
    lines = [f"{path},{label},p{i // 2}" for i, (path, label) in enumerate(rows())]
    path = written(pictures(tmp_path), "path,label,patient", lines)
    opened = open_data(path, validation=0.25)
    assert not set(opened.groups["train"]) & set(opened.groups["validation"])
    assert len(opened.splits.validation) == 4
    assert [finding.name for finding in opened.findings if finding.name.startswith("group")] == ["group-kept"]
    assert not open_data(path, validation=0.25, group="").groups
    given = [f"{line},{('train', 'test')[i % 2]}" for i, line in enumerate(lines)]
    leaking = open_data(written(tmp_path, "path,label,patient,split", given), validation=0)
    assert [finding.name for finding in leaking.findings][:1] == ["group-leaked"]
    assert "(8 of 8)" in leaking.findings[0].message


def test_parquet_is_text_numbers_and_nothing(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    pictures(tmp_path)
    paths = [path for path, _ in rows()]
    labels = pyarrow.array([1.0, 2.0] * 7 + [1.0, None])  # as pandas writes whole numbers where one is missing
    parquet.write_table(pyarrow.table({"image": paths, "label": labels}), tmp_path / "list.parquet")
    listing = list_images(tmp_path / "list.parquet")
    assert listing.class_names == ("1", "2")
    assert [reason for _, reason in listing.problems] == ["row 16: its label is empty"]
    whole = [{"bytes": b"x", "path": path} for path in paths]
    parquet.write_table(pyarrow.table({"image": whole, "label": [1, 2] * 8}), tmp_path / "whole.parquet")
    with pytest.raises(DataError, match="holds images or records themselves in its column image"):
        list_images(tmp_path / "whole.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"bad\.parquet cannot be read as Parquet"):
        list_images(tmp_path / "bad.parquet")


def test_without_pyarrow_one_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    (tmp_path / "list.parquet").write_bytes(b"PAR1")
    with pytest.raises(MissingPackage, match=r'pip install "convoscope\[tables\]"'):
        list_images(tmp_path / "list.parquet")


def test_a_column_is_asked_of_tables_alone(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no table"):
        list_images(tmp_path, label_column="label")
