"""What the command line says and takes: help, JSON, options of models, wrong values, completion, pipes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from nursery import ANY_SHELL, NO_REPORT, Ended, command, here, make_idx, own_copy, room, trained
from PIL import Image

from convoscope.train.recipe import Recipe, knobs

COMMANDS = (
    "train", "resume", "runs", "show", "evaluate", "predict", "look", "why", "neighbours", "weights", "models", "data",
    "find-lr",
)  # fmt: skip
RECIPE = ("train", "--data", "data", "--model", "mlp", "--epochs", "1")


def refused(ended: Ended) -> tuple[str, str]:
    """The sentence and the hint of a command that failed as it should."""
    assert ended.code == 1, ended
    lines = [line for line in ended.err.splitlines() if line]
    assert len(lines) == 2, ended.err
    assert lines[0].startswith("convoscope: ")
    return lines[0], lines[1]


def test_help_of_every_command_imports_nothing_that_computes() -> None:
    words = [
        ["--help"],
        ["-h"],
        ["--version"],
        [],
        ["--show-completion", "bash"],
        *([name, "--help"] for name in COMMANDS),
    ]
    script = f"""
import sys
from convoscope.cli import main
for words in {words!r}:
    sys.argv = ["convoscope", *words]
    try:
        main()
    except SystemExit as end:
        assert end.code == 0, words
heavy = {{"torch", "numpy", "PIL", "matplotlib", "accelerate", "safetensors", "convoscope.lab"}} & set(sys.modules)
assert not heavy, heavy
"""
    environment = os.environ | ANY_SHELL | {"COLUMNS": "200"}
    answer = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    for name in COMMANDS:
        assert f"Usage: convoscope {name}" in answer.stdout


def test_help_says_of_every_knob_what_it_means() -> None:
    said = " ".join(command("train", "--help", cwd=room(), env={"COLUMNS": "1000"}).out.split())
    for name, knob in knobs().items():
        if name == "model_options":
            continue
        assert f"--{name.replace('_', '-')}" in said
        for part in (knob.help, knob.bounds, knob.source, knob.unit):
            assert " ".join(part.split()) in said, (name, part)
        default = getattr(Recipe, name)
        if default is not None and not isinstance(default, bool):
            shown = f"{default:.4g}" if isinstance(default, float) else default
            assert f"default {shown}" in said, name
    for spelling in ("--optimizer", "--initialization", "--normalize", "--no-flip"):
        assert spelling in said


def test_no_words_at_all_show_the_help() -> None:
    ended = command(cwd=room())
    assert ended.code == 0
    assert "Usage: convoscope" in ended.out


@pytest.mark.parametrize("width", [40, 80])
def test_help_fits_a_narrow_terminal(width: int) -> None:
    said = command("--help", cwd=room(), env={"COLUMNS": str(width)}).out
    assert max(map(len, said.splitlines())) <= width


@pytest.mark.parametrize(
    "words",
    [
        ("runs",), ("show", "latest"), ("evaluate", "latest"), ("evaluate", "latest", "--split", "train"), ("models",),
        ("models", "lenet5"), ("models", "mlp", "--shape", "3x32x32", "--classes", "7"), ("data",), ("data", "data"),
        ("evaluate", "latest", "--step", "0"), ("evaluate", "latest", "--data", "data"),
    ],
)  # fmt: skip
def test_json_is_one_document(words: tuple[str, ...]) -> None:
    ended = here(*words, "--json", cwd=trained())
    assert ended.code == 0, ended.err
    assert ended.err == ""
    assert len(ended.out.splitlines()) == 1
    document = json.loads(ended.out, parse_constant=lambda name: pytest.fail(name))
    assert isinstance(document, dict)
    plain = here(*words, cwd=trained())
    assert plain.code == 0, plain.err
    assert plain.out.strip()


def test_json_of_predict(tmp_path: Path) -> None:
    Image.new("L", (12, 12), 200).save(tmp_path / "good.png")
    words = ("predict", "latest", str(tmp_path / "good.png"), str(tmp_path / "none.png"), "--json", "--top", "2")
    ended = command(*words, cwd=trained())
    assert ended.code == 1
    good, none = json.loads(ended.out)["predictions"]
    assert good["error"] is None
    assert len(good["top"]) == 2
    assert good["top"][0]["probability"] >= good["top"][1]["probability"]
    assert none["predicted"] is None
    assert "No such file" in none["error"]


def test_json_of_train_is_a_line_an_event_and_the_last_has_the_test_accuracy(tmp_path: Path) -> None:
    make_idx(tmp_path / "data")
    ended = command(*RECIPE, "--json", cwd=tmp_path, before=NO_REPORT)
    assert ended.code == 0, ended.err
    events = ended.events
    assert [events[0]["event"], events[-1]["event"]] == ["started", "finished"]
    assert 0 <= events[-1]["test_accuracy"] <= 1
    assert Path(events[-1]["weights"]).is_file()
    log = (tmp_path / "runs" / "mlp-data-1" / "events.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in log] == events


@pytest.mark.parametrize(
    "words",
    [
        ("show", "nosuch"), ("train", "--data", "nosuch"), ("train", "--epochs", "abc"), ("train", "--epochs", "-1"),
        ("nosuch",), ("runs", "--nosuch"), ("models", "nosuch"), ("data", "get", "nosuch"), ("data", "get"),
        ("predict",), ("evaluate", "latest", "--split", "nosuch"), ("models", "mlp", "--shape", "3x3"),
        ("models", "lenet5", "--classes", "1"),
        ("models", "lenet5", "--shape", "1x8x8"), ("data", "a", "b"), ("evaluate", "latest", "--step", "99"),
    ],
)  # fmt: skip
def test_errors_in_json(words: tuple[str, ...]) -> None:
    ended = here(*words, "--json", cwd=trained())
    assert ended.code == 1
    document = json.loads(ended.out)
    assert set(document) == {"event", "error", "message", "hint"}
    assert document["event"] == "error"
    assert document["message"].endswith((".", "?"))
    assert f"convoscope: {document['message']}" in ended.err
    assert "Traceback" not in ended.err


# Words.
@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("--epoch", "2"), "--epochs"),
        (("--epochs=2", "--batchsize", "2"), "--batch-size"),
        (("--hiden", "5"), "--hidden"),
        (("--drop-out", "0.5"), "--dropout"),
        (("--learning-rate", "0.1"), "See: convoscope train --help"),
        (("--no-such-thing=4",), "See: convoscope train --help"),
    ],
)
def test_an_unknown_option_lists_the_near_ones(words: tuple[str, ...], hint: str) -> None:
    sentence, said = refused(here(*RECIPE, *words, cwd=trained()))
    assert words[-2 if len(words) > 1 else -1].partition("=")[0] in sentence
    assert hint in said


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--epochs", "abc"), "'--epochs'"),
        (("--epochs", "1.5"), "'--epochs'"),
        (("--epochs", "-1"), "epochs was given -1; it must be 0 to 100,000 epochs."),
        (("--batch-size", "0"), "batch-size was given 0; it must be 1 to 1,000,000 images."),
        (("--lr", "fast"), "'--lr'"),
        (("--lr", "nan"), "lr was given nan"),
        (("--lr", "inf"), "lr was given inf"),
        (("--ema", "1"), "ema was given 1.0; it must be 0 to below 1."),
        (("--save-seconds", "0"), "save-seconds was given 0.0; it must be at least 0.01 seconds."),
        (("--optimiser", "adamm"), "optimiser was given 'adamm'; it is one of sgd,"),
        (("--optimizer", "ADAM"), "optimiser was given 'ADAM'"),
        (("--flip", "yes"), "'yes'"),
        (("--flip=yes",), "'--flip'"),
        (("--model", "resnett"), "no model called 'resnett'"),
        (("--data", "mnits"), "no dataset called 'mnits'"),
        (("--data", "./nowhere"), "no folder nowhere"),
        (("--hidden", "12,x"), "hidden"),
        (("--hidden", "0"), "at least 1"),
        (("--hidden", ""), "no value"),
        (("--hidden",), "no value"),
        (("--dropout", "1"), "dropout"),
        (("--dropout", "--flip"), "no value"),
        (("--activation", "relo"), "no activation called 'relo'"),
        (("--activation", "step"), "every gradient behind it is 0"),
        (("--model", "linear", "--hidden", "3"), "--hidden"),
        (("--label-smoothing", "0.1", "--loss", "hinge"), "label_smoothing"),
        (("mnist",), "'mnist' is no option"),
        (("-x",), "'-x' is no option"),
        (("--model", "lenet5", "--image-size", "20"), "image size"),
    ],
)
def test_wrong_values_are_told_in_a_sentence(words: tuple[str, ...], sentence: str) -> None:
    ended = here(*RECIPE, *words, cwd=trained())
    assert ended.code == 1, ended.out
    assert sentence in ended.err.splitlines()[0]
    assert "Traceback" not in ended.err
    assert len(ended.err.splitlines()) <= 2
    assert len(list((trained() / "runs").iterdir())) == 1


def test_options_of_the_model(tmp_path: Path) -> None:
    make_idx(tmp_path / "data")
    words = ("--hidden=12,7", "--dropout", "0.25", "--activation", "tanh", "--optimizer", "sgd", "--no-flip")
    assert command(*RECIPE, *words, cwd=tmp_path, before=NO_REPORT).code == 0
    facts = json.loads(command("show", "latest", "--json", cwd=tmp_path).out)
    assert facts["recipe"]["model_options"] == {"hidden": [12, 7], "dropout": 0.25, "activation": "tanh"}
    assert facts["recipe"]["optimiser"] == "sgd"
    assert facts["provenance"]["command"][0] == "train"


def test_near_names_of_commands_datasets_and_runs(tmp_path: Path) -> None:
    assert "train" in refused(here("trian", cwd=tmp_path))[0]
    assert "mnist" in refused(here("data", "mnits", cwd=tmp_path))[1]
    assert "fashion-mnist" in refused(here("data", "get", "fashion", cwd=tmp_path))[1]
    assert "lenet5" in refused(here("models", "lenet", cwd=tmp_path))[1]
    assert "mlp-data-1" in refused(here("show", "mlp-data-11", cwd=trained()))[1]
    assert "convoscope train" in refused(here("show", "latest", cwd=tmp_path))[1]


def test_a_run_by_its_folder() -> None:
    assert here("show", "runs/mlp-data-1", "--runs", "elsewhere", cwd=trained()).code == 0
    assert here("show", str(trained() / "runs" / "mlp-data-1"), cwd=room()).code == 0


def test_no_runs_yet(tmp_path: Path) -> None:
    ended = here("runs", cwd=tmp_path)
    assert ended.code == 0
    assert "convoscope train" in ended.out
    assert json.loads(here("runs", "--json", cwd=tmp_path).out) == {"runs": []}


def test_data_that_cannot_be_fetched(tmp_path: Path) -> None:
    """No network, and no copy on the disk."""
    before = """
import socket, time
time.sleep = lambda seconds: None
from convoscope.data import cache
def refuse(*rest, **named):
    raise OSError(101, "Network is unreachable")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
import dataclasses
cache.REMOTES._entries = {name: dataclasses.replace(remote, places=()) for name, remote in cache.REMOTES.items()}
"""
    env = {"CONVOSCOPE_CACHE": str(tmp_path / "cache")}
    sentence, hint = refused(command("data", "get", "fashion-mnist", cwd=tmp_path, before=before, env=env))
    assert "fashion" in (sentence + hint).lower()
    assert "--from" in hint
    ended = command("data", "get", "fashion-mnist", "--from", "nowhere", cwd=tmp_path, before=before, env=env)
    assert ended.code == 1
    assert "nowhere" in ended.err.splitlines()[0]
    assert "Traceback" not in ended.err


# Pictures.
def test_predict_reads_any_name_and_says_what_it_cannot_read(tmp_path: Path) -> None:
    names = [
        "数字 三.png",
        "two\nlines.png",
        "[red]not markup[bold].png",
        "tab\tand\x1b[31mcolour.png",
        ":cat:.png",
        "-dash.png",
    ]
    for name in names:
        Image.new("L", (20, 14), 90).save(tmp_path / name)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing more")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    words = [*(str(tmp_path / name) for name in (*names, "broken.png", "empty.png", "none.png", "folder"))]
    ended = here("predict", "latest", *words, cwd=trained())
    assert ended.code == 1
    lines = ended.out.splitlines()
    assert len(lines) == len(names)
    shown = [
        "数字 三.png",
        r"two\nlines.png",
        "[red]not markup[bold].png",
        r"tab\tand\x1b[31mcolour.png",
        ":cat:.png",
        "-dash.png",
    ]
    for line, name in zip(lines, shown, strict=True):
        assert line.startswith(f"{tmp_path}/{name}: ")
        assert line.count(" 0.") + line.count(" 1.") == 3
    errors = ended.err.splitlines()
    assert len(errors) == 4
    for line, name in zip(errors, ("broken.png", "empty.png", "none.png", "folder"), strict=True):
        assert line.startswith(str(tmp_path / name))
        assert line.endswith(".")


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff\xfe.png"
    Image.new("L", (12, 12)).save(tmp_path / "x.png")
    (tmp_path / "x.png").rename(os.fsdecode(name))
    for more in ((), ("--json",)):
        ended = command("predict", "latest", os.fsdecode(name), *more, cwd=trained())
        assert ended.code == 0, ended.err
        assert r"\udcff\udcfe.png" in ended.out


def test_names_that_the_terminal_cannot_show(tmp_path: Path) -> None:
    Image.new("L", (12, 12)).save(tmp_path / "数字.png")
    before = "import sys; sys.stdout.reconfigure(encoding='ascii')"
    ended = command("predict", "latest", str(tmp_path / "数字.png"), cwd=trained(), before=before)
    assert ended.code == 0, ended.err
    assert r"\u6570\u5b57.png" in ended.out


def test_class_names_are_no_markup(tmp_path: Path) -> None:
    classes = ["[red]", "[bold]x[/bold]", ":smile:", "back\\", "[/]"]
    for part, n in (("train", 12), ("test", 3)):
        for k, name in enumerate(classes):
            folder = tmp_path / "data" / part / (name.replace("/", "_") + f" {k}")
            folder.mkdir(parents=True)
            for i in range(n):
                Image.new("L", (8, 8), 40 * k + i).save(folder / f"{i}.png")
    names = [name.replace("/", "_") + f" {k}" for k, name in enumerate(classes)]
    ended = command(
        "train",
        "--data",
        "data",
        "--model",
        "linear",
        "--epochs",
        "1",
        "--flat-epochs",
        "0",
        cwd=tmp_path,
        before=NO_REPORT,
    )
    assert ended.code == 0, ended.err
    picture = f"data/test/{names[0]}/0.png"
    for words in (("data", "data"), ("evaluate", "latest"), ("predict", "latest", picture, "--top", "5")):
        ended = command(*words, cwd=tmp_path)
        assert ended.code == 0, ended.err
        for name in names:
            assert name in ended.out, words


def test_evaluate_on_other_classes(tmp_path: Path) -> None:
    copy = own_copy(tmp_path)
    make_idx(copy / "three", n_classes=3)
    said = here("evaluate", "latest", "--data", "three", cwd=copy)  # some of the run's, matched by name
    assert (said.code, json.loads(command("evaluate", "latest", "--data", "three", "--json", cwd=copy).out)["n"]) == (
        0,
        40,
    )
    make_idx(copy / "five", n_classes=5)
    sentence, hint = refused(here("evaluate", "latest", "--data", "five", cwd=copy))
    assert "five" in sentence
    assert "has 1 classes that the run" in sentence
    assert "lacks: 4;" in sentence
    assert "The run has: 0, 1, 2, 3." in hint
    make_idx(copy / "larger", side=16)
    ended = command("evaluate", "latest", "--data", "larger", cwd=copy)
    assert ended.code in (0, 1)
    assert "Traceback" not in ended.err


# The microscope.
def test_look_and_why(tmp_path: Path) -> None:
    copy = own_copy(tmp_path)
    facts = json.loads(command("look", "latest", "--image", "test:3", "--json", cwd=copy).out)
    said = command("look", "latest", "--image", "test:3", cwd=copy).out
    assert all(row["node"] in said for row in facts["nodes"])
    fc1 = ("why", "latest", "--image", "test:3", "--at", "fc1[2]")
    opened = json.loads(command(*fc1, "--json", cwd=copy).out)
    assert opened["gap"] <= 1e-5 * opened["scale"]
    assert "recorded" in command(*fc1, "--terms", "3", cwd=copy).out
    assert "\\" in command(*fc1, "--latex", "--backward", cwd=copy).out
    update = ("why", "latest", "--at", "fc1.weight[2,5]", "--update")
    said = command(*update, "--step", "3", cwd=copy).out
    assert "fc1.weight[2, 5] after the step" in said
    for words in (update, (*update, "--step", "3", "--backward"), ("why", "latest", "--at", "fc9[1]")):
        ended = command(*words, cwd=copy)
        assert ended.code == 1
        assert "Traceback" not in ended.err


# The shell.
def test_completion() -> None:
    for shell in ("bash", "zsh", "fish"):
        said = command("--show-completion", shell, cwd=room())
        assert said.code == 0, said.err
        assert "_CONVOSCOPE_COMPLETE" in said.out

    def complete(*words: str) -> list[str]:
        env = {"_CONVOSCOPE_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(("convoscope", *words))}
        ended = command(cwd=room(), env=env | {"COMP_CWORD": str(len(words))})
        return ended.out.split()

    assert complete("sh") == ["show"]
    assert complete("train", "--opt") == ["--optimiser", "--optimizer"]
    assert complete("train", "--optimiser", "ada") == ["adam", "adamw"]
    assert complete("train", "--broken", "s") == ["stop"]


@pytest.mark.parametrize("words", [("models",), ("runs", "--json"), (*RECIPE, "--json"), RECIPE])
def test_a_reader_that_has_gone(tmp_path: Path, words: tuple[str, ...]) -> None:
    make_idx(tmp_path / "data")
    before = "import os, sys; reading, writing = os.pipe(); os.close(reading); sys.stdout = os.fdopen(writing, 'w')"
    ended = command(*words, cwd=tmp_path, before=before)
    assert ended.code == 1
    assert ended.err == ""


@pytest.mark.slow
@pytest.mark.parametrize("words", ["models", "train --data data --model linear --epochs 2 --json"])
def test_a_pipe_that_closes(tmp_path: Path, words: str) -> None:
    make_idx(tmp_path / "data")
    line = f"set -o pipefail; {sys.executable} -m convoscope {words} | head -c 1"
    answer = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert len(answer.stdout) == 1
    assert answer.stderr == ""


def test_output_that_nobody_can_take(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    before = "import os; os.dup2(os.open('/dev/full', os.O_WRONLY), 1)"
    sentence, hint = refused(command("models", cwd=tmp_path, before=before))
    assert "No space left" in sentence
    assert hint
