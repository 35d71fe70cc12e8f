"""The folder of a run: what is written stays, what cannot be read is told, and one process writes at a time."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from convoscope.errors import RunError, StorageError
from convoscope.runs import store
from convoscope.runs.log import read_log
from convoscope.runs.store import Run, Writer
from convoscope.train.checkpoint import Checkpoint, Progress
from convoscope.train.events import Event, Finding, Saved, Thinned, Trained
from convoscope.train.gradient import Plan
from convoscope.train.recipe import Recipe

CARDS = {"provenance": {"data_fingerprint": "x"}, "data": {"source": "bars"}, "plan": vars(Plan(shards=2))}


def checkpoint(step: int, reason: str = "epoch") -> Checkpoint:
    tensors = {"model.w": torch.full((3, 2), float(step)), "optimiser.w": torch.arange(4, dtype=torch.int64)}
    return Checkpoint(reason, tensors, vars(Progress(step=step, epoch_loss=0.1 * step)))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return store.create(tmp_path / "runs", "mlp-bars", Recipe(model="mlp"), CARDS)


def save(run: Run, *checkpoints: Checkpoint, keep: str = "all") -> list[Event]:
    writer = Writer(run, keep)
    told = list(writer.record(iter(checkpoints)))
    writer.close()
    return told


def test_a_new_run_reads_back(run: Run) -> None:
    assert run.name == "mlp-bars-1"
    assert run.recipe() == Recipe(model="mlp")
    assert run.plan() == Plan(shards=2)
    assert run.card("data") == CARDS["data"]
    assert run.events() == []
    assert run.finished() is None
    assert run.checkpoint_files() == {}
    assert run.latest_checkpoint() == (None, [])


def test_numbers_go_up_past_gaps_and_strangers(tmp_path: Path) -> None:
    for name in ("mlp-3", "mlp-x", "mlp-bars-9"):
        (tmp_path / name).mkdir()
    assert [store.create(tmp_path, "mlp", Recipe(), {}).name for _ in range(2)] == ["mlp-4", "mlp-5"]


def test_two_that_begin_at_once_have_folders_of_their_own(tmp_path: Path) -> None:
    made: list[str] = []
    threads = [
        threading.Thread(target=lambda: made.append(store.create(tmp_path, "m", Recipe(), {}).name)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [f"m-{i}" for i in range(1, 9)]


def test_checkpoints_come_back_bit_for_bit(run: Run) -> None:
    told = save(run, checkpoint(0), checkpoint(7))
    assert [type(event) for event in told] == [Saved, Saved]
    back, passed_over = run.latest_checkpoint()
    assert back is not None
    assert passed_over == []
    assert dict(back.progress) == dict(checkpoint(7).progress)
    assert {name: value.dtype for name, value in back.tensors.items()} == {
        "model.w": torch.float32,
        "optimiser.w": torch.int64,
    }
    assert torch.equal(back.tensors["model.w"], torch.full((3, 2), 7.0))
    assert run.load_weights(0).keys() == {"w"}


@pytest.mark.parametrize(("keep", "kept"), [("all", [0, 1, 2, 5, 10, 13]), ("epochs", [0, 5, 10, 13]), ("last", [13])])
def test_what_is_thinned_is_told(run: Run, keep: str, kept: list[int]) -> None:
    reasons = {
        0: "epoch",
        1: "snapshot",
        2: "snapshot",
        3: "safety",
        5: "epoch",
        7: "stopped",
        10: "epoch",
        13: "safety",
    }
    told = save(run, *(checkpoint(step, reason) for step, reason in reasons.items()), keep=keep)
    assert [*run.checkpoint_files()] == kept
    gone = [event for event in told if isinstance(event, Thinned)]
    assert sorted(event.step for event in gone) == sorted(reasons.keys() - set(kept))
    assert all(event.why and event.file.endswith(".safetensors") for event in gone)
    assert [event for _, event in read_log(run.log_path)] == told
    # A file is removed only after the log has the newer one.
    for event in gone:
        assert any(isinstance(old, Saved) and old.step > event.step for old in told[: told.index(event)])


def test_a_checkpoint_that_the_log_never_mentions_is_good(run: Run) -> None:
    """Killed after the rename and before the line."""
    save(run, checkpoint(3))
    run.log_path.write_bytes(b"")
    back, passed_over = run.latest_checkpoint()
    assert back is not None
    assert (back.step, passed_over) == (3, [])


def test_a_flipped_bit_is_seen(run: Run) -> None:
    save(run, checkpoint(3), checkpoint(5))
    path = run.checkpoint_files()[5]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(RunError, match="not what the log says"):
        run.load_checkpoint(5)
    back, passed_over = run.latest_checkpoint()
    assert back is not None
    assert back.step == 3
    assert len(passed_over) == 1


def test_a_missing_checkpoint_is_told_unless_it_was_thinned(run: Run) -> None:
    save(run, checkpoint(3), checkpoint(5, "safety"), checkpoint(7), checkpoint(9))
    run.checkpoint_files()[9].unlink()
    back, passed_over = run.latest_checkpoint()
    assert back is not None
    assert back.step == 7
    assert len(passed_over) == 1
    assert "step 9" in passed_over[0]


@pytest.mark.parametrize("content", [b"", b"\0" * 8, b"\xff" * 100, b"PK\x03\x04 a pickle it may be"])
def test_a_file_that_is_no_checkpoint(run: Run, content: bytes) -> None:
    path = run.folder / "checkpoints" / store.checkpoint_name(4)
    path.write_bytes(content)
    with pytest.raises(RunError, match="damaged"):
        run.load_checkpoint(4)
    with pytest.raises(RunError, match="no checkpoint at step 5") as raised:
        run.load_checkpoint(5)
    assert "It has: 4" in raised.value.hint


def test_a_second_writer_is_refused_and_the_first_is_seen(run: Run) -> None:
    assert not store.is_being_written(run)
    writer = Writer(run)
    assert store.is_being_written(run)
    with pytest.raises(RunError, match="another process"):
        Writer(run)
    writer.close()
    assert not store.is_being_written(run)
    Writer(run).close()


def test_someone_who_looks_does_not_keep_a_writer_out(run: Run) -> None:
    Writer(run).close()
    handle = store._lock(run.folder / "writer.lock", run.name)  # as `is_being_written` holds it while it looks

    def let_go() -> None:
        time.sleep(0.05)
        os.close(handle)

    thread = threading.Thread(target=let_go)
    thread.start()
    Writer(run).close()
    thread.join()


def test_what_a_killed_process_was_writing_is_swept_away(run: Run) -> None:
    (run.folder / "checkpoints" / "step-00000001.safetensors.aside").write_bytes(b"half")
    (run.folder / "plan.json.aside").write_bytes(b"half")
    Writer(run).close()
    assert not list(run.folder.rglob("*.aside"))
    assert run.checkpoint_files() == {}


def test_a_run_that_cannot_be_made_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match="the disk is full"):
        store.create(tmp_path / "runs", "mlp", Recipe(), CARDS)
    assert list((tmp_path / "runs").iterdir()) == []


def test_runs_are_found_by_name_by_path_and_as_the_latest(run: Run, tmp_path: Path) -> None:
    root = run.folder.parent
    time.sleep(0.01)
    second = store.create(root, "mlp-bars", Recipe(), CARDS)
    assert store.all_runs(root) == [second, run]
    assert store.find(root, "latest") == second
    assert store.find(root, "mlp-bars-1") == run
    assert store.find(tmp_path / "elsewhere", str(run.folder)) == run
    for place, hint in ((root, "mlp-bars-2, mlp-bars-1"), (tmp_path / "elsewhere", "convoscope train")):
        with pytest.raises(RunError, match="no run 'nosuch'") as raised:
            store.find(place, "nosuch")
        assert hint in raised.value.hint


def test_why_a_run_failed(run: Run) -> None:
    def events() -> Iterator[Event]:
        yield Finding("odd", "warning", "Odd.", "", 1)
        yield Finding("loss-not-finite", "fatal", "It broke.", "Try less.", 2)
        yield Trained(2, "failed", 1.0)

    writer = Writer(run)
    assert len(list(writer.record(events()))) == 3
    writer.close()
    failure = run.failure()
    assert failure is not None
    assert failure.message == "It broke."


def test_a_newer_layout_is_told(run: Run) -> None:
    path = run.folder / "recipe.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": store.SCHEMA + 1}))
    with pytest.raises(RunError, match="newer Convoscope"):
        run.recipe()
