"""`convoscope find-lr`, as users give it."""

from __future__ import annotations

import json
from pathlib import Path

from nursery import here

from conftest import bars, write_idx
from convoscope.cli.rates import sketch

WORDS = [
    "--model", "linear", "--batch-size", "30", "--device", "cpu", "--threads", "1", "--shards", "1", "--precision",
    "float32", "--memory-format", "contiguous",
]  # fmt: skip


def test_the_command(tmp_path: Path) -> None:
    folder = tmp_path / "bars"
    folder.mkdir()
    write_idx(folder, "train", bars(200, 1))
    words = ("find-lr", "--data", str(folder), *WORDS)
    plain = here(*words, "--steps", "60", "--out", str(tmp_path / "curve.html"), cwd=tmp_path)
    assert plain.code == 0, plain.err
    assert "Suggested: --lr " in plain.out
    assert (tmp_path / "curve.html").is_file()
    told = here(*words, "--json", "--steps", "60", cwd=tmp_path)
    document = json.loads(told.out)
    assert f"{document['suggested']:.2g}" in plain.out
    assert not (tmp_path / "runs").exists()
    wider = here(*words, "--json", "--model", "mlp", "--hidden", "8", "--from", "0.001", "--to", "0.1", cwd=tmp_path)
    points = json.loads(wider.out)["points"]
    assert points[0]["lr"] == 0.001
    assert here(*words, "--from", "1", "--to", "0.1", cwd=tmp_path).code == 1


def test_a_curve_in_characters() -> None:
    lrs = [10 ** (-4 + i / 10) for i in range(41)]
    losses = [2.0 if i < 15 else 2.0 - 0.08 * (i - 15) if i < 30 else 0.8 + 2.0 ** (i - 30) for i in range(41)]
    lines = sketch(lrs, losses, 1e-2)
    assert len(lines) == 13
    assert lines[0].split()[0] == "2.39"  # a third of the fall above the start: the rest is cut off
    assert lines[-2].split()[0] == "0.88"
    assert sum("|" in line for line in lines) == 11  # in one the curve goes through it
    assert [word for word in lines[-1].split() if word.startswith("1e")] == ["1e-4", "1e-3", "1e-2", "1e-1"] + (
        ["1e0"] if "1e0" in lines[-1] else []
    )
    assert sketch([1e-3], [2.0], None) == []
