"""Files of a run that are cut short, flipped, garbled or gone: told in a sentence, and nothing good is lost."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from nursery import NO_REPORT, Ended, command, here, own_copy, trained

from convoscope.runs.store import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(own_copy(tmp_path) / "runs" / "mlp-data-1")


def unfinish(run: Run) -> None:
    """Makes of a finished run one that was killed after its last checkpoint but one."""
    lines = run.log_path.read_text().splitlines()
    last = max(i for i, line in enumerate(lines) if '"event": "saved"' in line)
    run.log_path.write_text("\n".join(lines[:last]) + "\n")
    run.weights_path.unlink()
    run.checkpoint_files()[max(run.checkpoint_files())].unlink()


def resume(run: Run) -> Ended:
    return command("resume", run.name, cwd=run.folder.parent.parent, before=NO_REPORT)


def ask(run: Run, *words: str) -> Ended:
    return here(*words, cwd=run.folder.parent.parent)


def refused(ended: Ended) -> str:
    """The sentence of a command that failed as it should."""
    assert ended.code == 1, ended
    assert "Traceback" not in ended.err
    lines = [line for line in ended.err.splitlines() if line]
    assert len(lines) == 2, ended.err
    assert lines[0].startswith("convoscope: ")
    return lines[0]


def same_weights(run: Run) -> bool:
    good = trained() / "runs" / "mlp-data-1" / "weights.safetensors"
    return run.weights_path.read_bytes() == good.read_bytes()


def test_an_unfinished_run_goes_on(run: Run) -> None:
    unfinish(run)
    assert "interrupted" in ask(run, "runs").out
    assert resume(run).code == 0
    assert same_weights(run)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.97])
def test_a_log_that_is_cut_short(run: Run, share: float) -> None:
    content = run.log_path.read_bytes()
    run.log_path.write_bytes(content[: int(len(content) * share)])
    run.weights_path.unlink()
    for words in (("runs",), ("show", run.name), ("runs", "--json"), ("show", run.name, "--json")):
        assert ask(run, *words).code == 0
    assert resume(run).code == 0
    assert same_weights(run)
    assert "finished" in ask(run, "runs").out


@pytest.mark.parametrize(
    "junk", [b"\0" * 100, b'{"event": "step", "step": "x"}\n[]\n7\nnull\n\xff\xfe\n', b'{"event": "epo']
)
def test_a_log_with_junk_at_its_end_and_in_its_middle(run: Run, junk: bytes) -> None:
    unfinish(run)
    content = run.log_path.read_bytes()
    middle = content.index(b"\n", len(content) // 2) + 1
    run.log_path.write_bytes(content[:middle] + junk + content[middle:] + junk)
    for words in (("runs",), ("show", run.name), ("show", run.name, "--json")):
        ended = ask(run, *words)
        assert ended.code == 0, ended.err
    ended = resume(run)
    assert ended.code == 0, ended.err
    assert same_weights(run)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) * 3 // 4] ^= 1
    path.write_bytes(content)


def remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("damage", [cut, empty, flip, remove])
def test_a_damaged_checkpoint_is_passed_over_and_told(run: Run, damage: Callable[[Path], None]) -> None:
    unfinish(run)
    newest = max(run.checkpoint_files())
    before = sorted(run.checkpoint_files())[-2]
    damage(run.checkpoint_files()[newest])
    ended = resume(run)
    assert ended.code == 0, ended.err
    assert ("no checkpoint at step" if damage is remove else "is damaged") in ended.out
    assert f"Going on from step {before} instead." in ended.out
    assert same_weights(run)
    refused_words = (
        ask(run, "evaluate", run.name, "--step", str(newest)) if newest not in run.checkpoint_files() else None
    )
    assert refused_words is None or "no checkpoint at step" in refused(refused_words)


def test_with_every_checkpoint_damaged_a_run_starts_over(run: Run) -> None:
    unfinish(run)
    for path in run.checkpoint_files().values():
        flip(path)
    ended = resume(run)
    assert ended.code == 0, ended.err
    assert "Starting over instead." in ended.out
    assert same_weights(run)


def test_with_no_checkpoints_folder_a_run_starts_over(run: Run) -> None:
    unfinish(run)
    shutil.rmtree(run.folder / "checkpoints")
    assert ask(run, "show", run.name).code == 0
    assert resume(run).code == 0
    assert same_weights(run)


@pytest.mark.parametrize("damage", [cut, empty, remove])
def test_damaged_weights_are_told_and_made_again(run: Run, damage: Callable[[Path], None]) -> None:
    damage(run.weights_path)
    for words in (("evaluate", run.name), ("predict", run.name, "nothing.png")):
        ended = ask(run, *words)
        assert "weights" in refused(ended)
        assert "convoscope resume" in ended.err
    assert ask(run, "show", run.name).code == 0
    ended = resume(run)
    assert ended.code == 0, ended.err
    assert same_weights(run)


def test_weights_of_another_network(run: Run) -> None:
    path = run.folder / "recipe.json"
    path.write_text(path.read_text().replace('"hidden": [\n        8\n', '"hidden": [\n        9\n'))
    assert run.recipe().model_options == {"hidden": [9]}
    assert "do not fit" in refused(ask(run, "evaluate", run.name))


GARBAGE = ["", "{", "[]", "7", "null", '{"recipe": 3}', "\0\0\0", '{"schema": "x", "recipe": {}}']


@pytest.mark.parametrize("garbage", GARBAGE)
def test_a_garbled_recipe(run: Run, garbage: str) -> None:
    (run.folder / "recipe.json").write_text(garbage)
    listed = ask(run, "runs")
    assert listed.code == 0
    assert "broken" in listed.out
    assert json.loads(ask(run, "runs", "--json").out)["runs"][0]["state"] == "broken"
    for words in (("show",), ("resume",), ("evaluate",), ("predict", "x.png")):
        refused(ask(run, words[0], run.name, *words[1:]))


@pytest.mark.parametrize("values", [{"lr": "fast"}, {"epochs": "3"}, {"data": 5}, {"flip": "no"}, {"model_options": []},
                                    {"model": ["mlp"]}, {"knob_of_tomorrow": 1}, {"epochs": 1.5}])  # fmt: skip
def test_a_recipe_with_a_wrong_value(run: Run, values: dict[str, object]) -> None:
    path = run.folder / "recipe.json"
    card = json.loads(path.read_text())
    card["recipe"] |= values
    path.write_text(json.dumps(card))
    assert "broken" in ask(run, "runs").out
    assert next(iter(values)).split("_")[0] in refused(ask(run, "resume", run.name))
    refused(ask(run, "show", run.name))


def test_a_run_of_a_newer_version(run: Run) -> None:
    path = run.folder / "recipe.json"
    card = json.loads(path.read_text())
    path.write_text(json.dumps(card | {"schema": 99}))
    assert "newer Convoscope" in refused(ask(run, "resume", run.name))
    ended = ask(run, "show", run.name)
    assert "newer Convoscope" in refused(ended)
    assert "pip install --upgrade" in ended.err
    assert "broken" in ask(run, "runs").out
    assert "newer Convoscope" in ask(run, "runs").out


@pytest.mark.parametrize("name", ["plan", "data", "provenance"])
@pytest.mark.parametrize("garbage", ["", "{}", "[1]", None])
def test_garbled_cards(run: Run, name: str, garbage: str | None) -> None:
    unfinish(run)
    path = run.folder / f"{name}.json"
    if garbage is None:
        path.unlink()
    else:
        path.write_text(garbage)
    assert name in refused(ask(run, "resume", run.name))
    for words in (("runs",), ("show", run.name), ("show", run.name, "--json")):
        ended = ask(run, *words)
        assert ended.code == 0, ended.err


@pytest.mark.parametrize(
    ("name", "card"),
    [
        ("plan", {"precision": 5, "memory_format": "contiguous", "shards": 1, "threads": 1}),
        ("plan", {"precision": "float32", "memory_format": "contiguous", "shards": "1", "threads": 1}),
        ("data", {"source": "", "class_names": 5, "policy": {}, "normalisation": {}}),
        ("data", {"source": "", "class_names": ["a"], "policy": [], "normalisation": 3}),
    ],
)
def test_cards_with_a_wrong_value(run: Run, name: str, card: dict[str, object]) -> None:
    (run.folder / f"{name}.json").write_text(json.dumps(card))
    assert name in refused(ask(run, "evaluate", run.name))
    assert ask(run, "show", run.name).code == 0


def test_a_log_that_is_a_folder(run: Run) -> None:
    run.log_path.unlink()
    run.log_path.mkdir()
    assert "broken" in ask(run, "runs").out
    refused(ask(run, "show", run.name))
    refused(ask(run, "resume", run.name))


def test_one_broken_run_hides_no_other(run: Run) -> None:
    folder = run.folder.parent
    for i, content in enumerate(GARBAGE):
        (folder / f"broken-{i}").mkdir()
        (folder / f"broken-{i}" / "recipe.json").write_text(content)
    (folder / "not-a-run").mkdir()
    (folder / "a-file").write_text("")
    (folder / "recipe.json").write_text("")
    rows = json.loads(ask(run, "runs", "--json").out)["runs"]
    assert sorted(row["state"] for row in rows) == ["broken"] * len(GARBAGE) + ["finished"]


def test_a_run_that_another_process_trains(run: Run) -> None:
    unfinish(run)
    weights = {path: path.read_bytes() for path in run.checkpoint_files().values()}
    with (run.folder / "writer.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "being trained by another process" in refused(ask(run, "resume", run.name))
        assert "training" in ask(run, "runs").out
        assert ask(run, "show", run.name).code == 0
    assert {path: path.read_bytes() for path in run.checkpoint_files().values()} == weights
    assert resume(run).code == 0
    assert same_weights(run)


def test_a_finished_run_does_not_go_on(run: Run) -> None:
    content = run.log_path.read_bytes()
    assert "has finished" in refused(ask(run, "resume", run.name))
    assert run.log_path.read_bytes() == content


def test_other_images_than_those_it_began_with(run: Run) -> None:
    unfinish(run)
    path = run.folder.parent.parent / "data" / "train-images-idx3-ubyte"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert "fingerprint differs" in refused(ask(run, "resume", run.name))


@pytest.mark.parametrize("more", [("--lr", "1000", "--optimiser", "sgd"), ("--lr", "0", "--batch-size", "2")])
def test_a_run_that_failed_stays_failed(run: Run, more: tuple[str, ...]) -> None:
    """The loss blows up, or nothing is learnt."""
    words = ("train", "--data", "data", "--model", "mlp", "--epochs", "4", "--initialisation", "normal", *more)
    ended = command(*words, cwd=run.folder.parent.parent)
    assert ended.code == 1, ended
    assert "--lr" in ended.err
    assert "failed" in ask(run, "runs").out
    failed = Run(run.folder.parent / "mlp-data-2")
    assert "failed, and would fail again" in refused(ask(run, "resume", failed.name))
    # Killed before it could say that it failed: the same failure, not a finished run.
    lines = failed.log_path.read_text().splitlines()
    assert '"trained"' in lines.pop()
    failed.log_path.write_text("\n".join(lines) + "\n")
    assert "failed" not in refused(ask(run, "resume", failed.name))
    assert not failed.weights_path.exists()
