"""Every route on a run that was really trained, and what each says when something is not as it should be."""

from __future__ import annotations

import dataclasses
import errno
import gzip
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from served import PAGE, RUN, client, data, own_runs, runs, until
from starlette.testclient import TestClient

from conftest import bars
from convoscope import lab
from convoscope.errors import DownloadError, StorageError, TrainingFailed
from convoscope.lab.screen import Screen
from convoscope.lab.screen.pack import MEDIA_TYPE, unpack
from convoscope.server.bounds import JSON_BYTES, UPLOAD_BYTES
from convoscope.server.replies import as_json
from convoscope.server.wire import Launch

AT = f"/api/runs/{RUN}"
RAW = {"content-type": "application/octet-stream"}


@pytest.fixture(scope="module")
def visitor() -> Iterator[TestClient]:
    with client(runs()) as found:
        yield found


def refused(answer: Any, status: int, kind: str, words: str = "") -> None:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body.keys() == {"error", "message", "hint"}
    assert body["error"] == kind
    assert words in body["message"], body
    assert answer.headers["cache-control"] == "no-store"


def test_what_there_is(visitor: TestClient) -> None:
    health = visitor.get("/api/health").json()
    assert (health["name"], health["runs"]) == ("convoscope", str(runs()))
    assert [row["name"] for row in visitor.get("/api/runs").json()] == [RUN]
    detail = visitor.get(AT).json()
    assert detail["input_shape"] == [1, 12, 12]
    assert visitor.get("/api/runs/latest").json() == detail
    assert {knob["name"] for knob in visitor.get("/api/form").json()["knobs"]} >= {"lr", "epochs"}


@pytest.mark.parametrize(
    ("path", "head"),
    [
        ("/atlas?image=test:3", "sheets"),
        ("/atlas?image=test:3&tab=backward&nodes=conv1,pool1&k=3&tile=4", "sheets"),
        ("/atlas?image=test:3&step=0&minus=-1&mode=train&target=2", "sheets"),
        ("/layer?image=validation:0&node=conv2", "sheet"),
        ("/unit?image=train:3&node=conv2&channel=3&sources=2", "sources"),
        ("/values?image=test:3&node=conv2&channels=5,6", "channels"),
        ("/images?images=test:1,test:2", "labels"),
        ("/filters?step=0", "parameter"),
    ],
)
def test_packs(visitor: TestClient, path: str, head: str) -> None:
    answer = visitor.get(AT + path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == MEDIA_TYPE
    meta, tensors = unpack(answer.content)
    assert head in meta
    assert tensors


def test_pixels_and_labels_are_the_data(visitor: TestClient) -> None:
    meta, tensors = unpack(visitor.get(f"{AT}/images?images=test:1,test:7").content)
    assert np.array_equal(tensors["images"], bars(41, 2).images[[1, 7]])
    assert meta["labels"] == bars(41, 2).labels[[1, 7]].tolist()


def test_numbers_open_and_are_written(visitor: TestClient) -> None:
    where = f"{AT}/number?image=test:3&node=conv2&at=5,1,1"
    exact = unpack(visitor.get(f"{AT}/values?image=test:3&node=conv2&channels=5").content)[1]["values"][0, 1, 1]
    by_channel, by_term = visitor.get(where).json(), visitor.get(f"{where}&by=term&terms=3").json()
    assert by_channel["recorded"] == by_term["recorded"] == float(exact)
    assert by_channel["agrees"]
    assert len(by_term["expression"]["terms"]) == 3
    change = visitor.get(f"{AT}/number?image=test:3&node=conv2.weight&at=5,0,1,1&tab=update&step=2").json()
    assert change["update_step"] == 3
    text = visitor.get(f"{AT}/written?image=test:3&node=conv2&at=5,1,1").json()["text"]
    latex = visitor.get(f"{AT}/written?image=test:3&node=conv2&at=5,1,1&format=latex").json()["text"]
    assert "conv2[0, 5, 1, 1]" in text
    assert latex.startswith("\\begin")


def test_answers(visitor: TestClient) -> None:
    page = visitor.get(f"{AT}/answers?wrong=true&limit=3&offset=1").json()
    assert len(page["answers"]) == 3
    assert all(row["truth"] != row["predicted"] for row in page["answers"])
    one = visitor.get(f"{AT}/answers?truth=1&predicted=1&order=index").json()["answers"]
    assert {(row["truth"], row["predicted"]) for row in one} == {(1, 1)}


def test_a_drawn_image_is_answered_and_not_kept(tmp_path: Path) -> None:
    folder, pixels = own_runs(tmp_path), bars(41, 2).images[3].tobytes()
    with client(folder) as visitor:
        drawn = visitor.post(f"{AT}/atlas?nodes=conv2", content=pixels, headers=RAW)
        of_data = visitor.get(f"{AT}/atlas?image=test:3&nodes=conv2")
        assert unpack(drawn.content)[0]["sight"]["image"] == "drawn"
        assert np.array_equal(unpack(drawn.content)[1]["conv2"], unpack(of_data.content)[1]["conv2"])
        assert drawn.headers["cache-control"] == "no-store"
        assert not (folder / ".inputs").exists()
        given = visitor.post(f"{AT}/inputs", content=pixels, headers=RAW).json()["image"]
        png = visitor.get(f"{AT}/inputs/{given.removeprefix('input:')}.png")
        assert png.headers["content-type"] == "image/png"
        again = visitor.post(f"{AT}/inputs", content=png.content, headers={"content-type": "image/png"})
        assert again.json()["image"] == given
        meta, tensors = unpack(visitor.get(f"{AT}/atlas?image={given}&nodes=conv2").content)
        assert meta["sight"]["truth"] is None
        assert np.array_equal(tensors["conv2"], unpack(of_data.content)[1]["conv2"])


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/api/nothing", 404, "InputError"),
        ("/api", 404, "InputError"),
        ("/api/runs/nothing", 404, "RunError"),
        ("/api/runs/nothing/events", 404, "RunError"),
        ("/api/launches/0123456789abcdef", 404, "RunError"),
        ("/api/launches/..%2f..", 404, "InputError"),
        ("/api/launches/0123456789ABCDEF", 400, "InputError"),
        (f"{AT}/inputs/0123456789abcdef.png", 404, "UnknownName"),
        (f"{AT}/inputs/..%2f..%2fetc%2fpasswd.png", 404, "InputError"),
        (f"{AT}/network?mode=other", 400, "InputError"),
        (f"{AT}/layer?image=test:3&node=conv9", 404, "UnknownName"),
        (f"{AT}/layer?image=test:3&node=%00", 400, "InputError"),
        (f"{AT}/atlas", 400, "InputError"),
        (f"{AT}/atlas?image=/etc/passwd", 400, "InputError"),
        (f"{AT}/atlas?image=test:3&step=99999999999", 400, "InputError"),
        (f"{AT}/atlas?image=test:3&step=13", 400, "RunError"),
        (f"{AT}/atlas?image=test:3&target=cat", 404, "UnknownName"),
        (f"{AT}/number?image=test:3&node=conv2&at=99,1,1", 400, "InputError"),
        (f"{AT}/number?image=test:3&node=conv2&at=1,1,1,1,1,1,1,1,1", 400, "InputError"),
        (f"{AT}/values?image=test:3&node=conv2&channels={','.join('1' * 257)}", 400, "InputError"),
        (f"{AT}/images?images={','.join(['test:1'] * 257)}", 400, "InputError"),
        (f"{AT}/answers?limit=501", 400, "InputError"),
        (f"{AT}/events?from=-1", 400, "InputError"),
    ],
)
def test_what_is_not_there_or_not_so_is_said(visitor: TestClient, path: str, status: int, kind: str) -> None:
    refused(visitor.get(path), status, kind)


NAMES = [
    "..", ".", "%2e%2e", "..%2f..", "%2fetc", "%2Ftmp", "a%00b", "%5c..%5c", ".launches", ".inputs", "", "x" * 300,
    "lenet5-bars-1%2fgraph", "lenet5-bars-1%2f", "LENET5-BARS-1", "lenet5-bars-1%20", "%C0%AE%C0%AE", "~", "*",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rest", ["", "/network", "/report/", "/events", "/filters"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str, rest: str) -> None:
    shutil.copy(runs() / RUN / "recipe.json", tmp_path)  # the folder above looks like a run
    folder = tmp_path / "runs"
    (folder / ".launches").mkdir(parents=True)
    (folder / RUN).symlink_to(runs() / RUN)
    with client(folder) as visitor:
        answer = visitor.get(f"{PAGE}/api/runs/{name}{rest}")
    if answer.status_code == 200:  # what a client or the router tidied up: the list of runs, or the one run
        assert rest == ""
        assert name in {"", ".", f"{RUN}%2f"}
        assert RUN in answer.text
    else:
        assert answer.status_code in {404, 400}, answer.text
        assert answer.json()["error"] in {"RunError", "InputError"}


def test_methods(visitor: TestClient) -> None:
    refused(visitor.delete("/api/runs"), 405, "InputError")
    refused(visitor.put(AT), 405, "InputError")
    assert visitor.delete("/").status_code == 405
    for path in ("/api/runs", AT, f"{AT}/filters", f"{AT}/report/"):
        head, whole = visitor.head(path), visitor.get(path)
        assert head.status_code == 200
        assert head.content == b""
        assert head.headers["content-length"] == whole.headers["content-length"]
        assert head.headers.get("etag") == whole.headers.get("etag")


def chunks(n_bytes: int) -> Iterator[bytes]:
    for _ in range(-(-n_bytes // 10_000)):
        yield bytes(10_000)


@pytest.mark.parametrize(
    ("path", "n_bytes"),
    [("/api/runs", JSON_BYTES), ("/api/data", JSON_BYTES), (f"{AT}/steer", JSON_BYTES), (f"{AT}/inputs", UPLOAD_BYTES)],
)
@pytest.mark.parametrize("says_its_size", [True, False])
def test_what_is_too_large_is_refused(visitor: TestClient, path: str, n_bytes: int, says_its_size: bool) -> None:
    kind = {"content-type": "image/png" if path.endswith("inputs") else "application/json"}
    content = bytes(n_bytes + 1) if says_its_size else chunks(n_bytes + 10_000)
    refused(visitor.post(path, content=content, headers=kind), 413, "InputError")


def test_pixels_are_as_many_as_an_image_has(visitor: TestClient) -> None:
    for path in ("atlas", "inputs"):
        refused(visitor.post(f"{AT}/{path}", content=bytes(145), headers=RAW), 413, "InputError")
        refused(visitor.post(f"{AT}/{path}", content=chunks(100_000), headers=RAW), 413, "InputError")
        refused(visitor.post(f"{AT}/{path}", content=bytes(143), headers=RAW), 400, "InputError")
    refused(visitor.post(f"{AT}/inputs", content=b"GIF89a", headers={"content-type": "image/gif"}), 400, "BrokenImage")
    refused(visitor.post(f"{AT}/inputs", content=b"", headers={"content-type": "image/gif"}), 400, "InputError")
    refused(visitor.post(f"{AT}/inputs", content=b"x", headers={"content-type": "text/plain"}), 400, "InputError")


def test_an_image_of_too_many_pixels_is_refused(visitor: TestClient) -> None:
    header = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (60_000).to_bytes(4, "big") * 2 + b"\x08\0\0\0\0"
    bomb = header + b"\0\0\0\0" + b"\0\0\0\0IDAT" + b"\0\0\0\0"
    answer = visitor.post(f"{AT}/inputs", content=bomb, headers={"content-type": "image/png"})
    refused(answer, 400, "BrokenImage")


def test_bodies_that_are_no_question(visitor: TestClient) -> None:
    for content in (b"", b"{", b"[]", b'{"name": ""}', b'{"name": "a\\u0000b"}', b'{"nome": "mnist"}', b"\xff"):
        refused(
            visitor.post("/api/data", content=content, headers={"content-type": "application/json"}), 400, "InputError"
        )
    for nowhere in ("/nothing/here", "/" + "long" * 100):
        refused(visitor.post("/api/data", json={"name": nowhere}), 400, "DataError")
    report = visitor.post("/api/data", json={"name": str(data())}).json()
    assert report["facts"]


def test_a_glance_tells_what_a_run_without_knobs_would_take(visitor: TestClient, tmp_path: Path) -> None:
    for k, name in enumerate(("apple", "pear")):
        (tmp_path / name).mkdir()
        for i in range(20):
            Image.new("RGB", (90, 80), (i, 100 * k, 0)).save(tmp_path / name / f"{i}.png")
    seen = visitor.post("/api/glance", json={"name": str(tmp_path)}).json()
    assert (seen["name"], seen["kind"]) == (str(tmp_path), "images")
    untouched = asdict(lab.make_recipe({"data": str(tmp_path)}))
    assert untouched["model"] == "resnet9"
    assert {name: untouched[name] for name in seen["knobs"]} == seen["knobs"]
    assert asdict(lab.make_recipe({"data": str(tmp_path), **seen["knobs"]})) == untouched


def test_a_glance_at_what_has_a_usual_model_or_is_not_there(visitor: TestClient) -> None:
    for name in (str(data()), "/nothing/here", "/" + "long" * 100):
        seen = visitor.post("/api/glance", json={"name": name}).json()
        assert seen == {"name": name, "kind": "images", "knobs": {}}


def test_what_may_be_kept_and_for_how_long(visitor: TestClient) -> None:
    version = visitor.get(AT).json()["version"]
    for path in ("network", "filters", "atlas?image=test:1", "answers", "number?image=test:3&node=fc3&at=1"):
        joint = "&" if "?" in path else "?"
        for_ever = visitor.get(f"{AT}/{path}{joint}v={version}")
        assert for_ever.headers["cache-control"] == "private, max-age=31536000, immutable"
        for old in ("", f"{joint}v=of-another"):
            answer = visitor.get(f"{AT}/{path}{old}")
            assert answer.headers["cache-control"] == "private, no-cache"
            known = visitor.get(f"{AT}/{path}{old}", headers={"if-none-match": answer.headers["etag"]})
            assert (known.status_code, known.content) == (304, b"")
    refused(visitor.get(f"{AT}/layer?image=test:3&node=conv9&v={version}"), 404, "UnknownName")


def test_a_run_without_final_weights_is_asked_each_time(tmp_path: Path) -> None:
    folder = own_runs(tmp_path)
    (folder / RUN / "weights.safetensors").unlink()
    with client(folder) as visitor:
        version = visitor.get(AT).json()["version"]
        answer = visitor.get(f"{AT}/filters?v={version}")
        assert answer.headers["cache-control"] == "private, no-cache"


def test_long_answers_are_compressed_where_that_is_taken(visitor: TestClient) -> None:
    plain = visitor.get("/api/form", headers={"accept-encoding": "identity"})
    packed = visitor.get("/api/form", headers={"accept-encoding": "br, gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.json() == plain.json()
    assert int(packed.headers["content-length"]) < len(plain.content) / 3
    assert plain.headers["etag"] != packed.headers["etag"]
    assert "content-encoding" not in visitor.get(f"{AT}/atlas?image=test:1").headers
    assert gzip.compress(b"") != b""


def test_the_report_is_a_page_that_reaches_nothing(visitor: TestClient) -> None:
    answer = visitor.get(f"{AT}/report/")
    rules = answer.headers["content-security-policy"]
    assert rules.startswith("sandbox allow-scripts; default-src 'none'")
    assert "allow-same-origin" not in rules
    assert "x-frame-options" not in answer.headers  # our own page may show it
    assert "<html" in answer.text


def test_a_broken_run_hinders_no_other(tmp_path: Path) -> None:
    folder = own_runs(tmp_path)
    for name, content in (("garbled", "{"), ("empty", ""), ("list", "[]")):
        (folder / name).mkdir()
        (folder / name / "recipe.json").write_text(content)
    newer = json.loads((folder / RUN / "recipe.json").read_text())
    shutil.copytree(folder / RUN, folder / "newer")
    (folder / "newer" / "recipe.json").write_text(json.dumps(newer | {"schema": 99}))
    with client(folder) as visitor:
        states = {row["name"]: row for row in visitor.get("/api/runs").json()}
        assert {name: row["state"] for name, row in states.items()} == {
            RUN: "finished", "garbled": "broken", "empty": "broken", "list": "broken", "newer": "broken",
        }  # fmt: skip
        assert all(row["error"] for row in states.values() if row["state"] == "broken")
        for path in ("", "/garbled", "/newer", "/nothing", "/latest/events"):
            assert str(folder) not in visitor.get(f"/api/runs{path}").text, "where the folder of runs lies is not told"
        for name in ("garbled", "empty", "list", "newer"):
            for rest in ("", "/network", "/atlas?image=test:1", "/filters"):
                refused(visitor.get(f"/api/runs/{name}{rest}"), 400, "RunError")
        refused(visitor.get("/api/runs/newer"), 400, "RunError", "newer Convoscope")
        assert visitor.get(f"{AT}/network").status_code == 200


@pytest.mark.parametrize("name", ["events.jsonl", "data.json", "plan.json", "weights.safetensors", "provenance.json"])
@pytest.mark.parametrize("damage", ["removed", "garbled"])
def test_a_damaged_file_is_a_designed_message(tmp_path: Path, name: str, damage: str) -> None:
    folder = own_runs(tmp_path)
    if damage == "removed":
        (folder / RUN / name).unlink()
    else:
        (folder / RUN / name).write_bytes(b"\xff{garbled")
    with client(folder) as visitor:
        assert visitor.get("/api/runs").status_code == 200
        for rest in ("", "/events", "/network", "/atlas?image=test:1", "/answers", "/filters", "/images?images=test:1"):
            answer = visitor.get(AT + rest)
            assert answer.status_code in {200, 400, 404}, answer.text
            if answer.status_code != 200:
                assert answer.json()["hint"]


def test_a_run_that_vanishes_while_it_is_looked_at(tmp_path: Path) -> None:
    folder = own_runs(tmp_path)
    with client(folder) as visitor:
        assert visitor.get(f"{AT}/atlas?image=test:1").status_code == 200
        shutil.rmtree(folder / RUN)
        for rest in ("", "/atlas?image=test:1", "/events", "/network", "/report/"):
            refused(visitor.get(AT + rest), 404, "RunError")
        assert visitor.get("/api/runs").json() == []


def test_a_folder_of_runs_that_is_not_there_is_empty(tmp_path: Path) -> None:
    with client(tmp_path / "none") as visitor:
        assert visitor.get("/api/runs").json() == []
        refused(visitor.get("/api/runs/latest"), 404, "RunError")


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (
            StorageError("The image could not be written: the disk is full.", hint="Free some space."),
            507,
            "StorageError",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), 507, "StorageError"),
        (FileNotFoundError(errno.ENOENT, "No such file"), 404, "RunError"),
        (DownloadError("It cannot be fetched."), 424, "DownloadError"),
        (TrainingFailed("The loss is NaN."), 409, "TrainingFailed"),
        (ZeroDivisionError("division by zero"), 500, "Fault"),
    ],
)
def test_what_goes_wrong_inside_has_a_status_and_words(
    tmp_path: Path, error: Exception, status: int, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    class Failing(Screen):
        def keep(self, *_: Any) -> Any:
            raise error

    folder = own_runs(tmp_path)
    with client(folder, screen=Failing(folder)) as visitor:
        answer = visitor.post(f"{AT}/inputs", content=bytes(144), headers=RAW)
        refused(answer, status, kind)
        assert visitor.get("/api/health").status_code == 200
    said = capfd.readouterr().err
    assert ("test_routes.py" in said) == (status == 500)


def test_a_full_disk_refuses_to_keep_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = own_runs(tmp_path)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with client(folder) as visitor:
        assert visitor.get(f"{AT}/atlas?image=test:1").status_code == 200
        monkeypatch.setattr(os, "fsync", full)
        refused(visitor.post(f"{AT}/inputs", content=bytes(144), headers=RAW), 507, "StorageError", "disk is full")
        refused(visitor.post("/api/runs", json={"values": {"data": str(data())}}), 507, "StorageError", "disk is full")
        assert visitor.get(f"{AT}/atlas?image=test:2").status_code == 200


def test_starting_steering_and_resuming_a_run(tmp_path: Path) -> None:
    values = {"data": str(data()), "model": "linear", "epochs": 3000, "flat_epochs": 0, "snapshots": 0, "keep": "last"}
    with client(tmp_path) as visitor:
        refused(visitor.post("/api/runs", json={"values": {"lrate": 1}}), 400, "RecipeError")
        refused(visitor.post("/api/runs", json={"values": {"model": "lenet6"}}), 404, "UnknownName")
        nowhere = visitor.post("/api/runs", json={"values": {"data": str(tmp_path / "none")}}).json()["id"]
        started = visitor.post("/api/runs", json={"values": values | {"threads": 1}})
        assert started.status_code == 202
        launch = Launch(**started.json())

        def state(identity: str) -> dict[str, Any]:
            found: dict[str, Any] = visitor.get(f"/api/launches/{identity}").json()
            return found

        until(lambda: state(launch.id)["state"] != "starting", 60)
        assert state(launch.id) | {"id": ""} == {
            "id": "",
            "state": "started",
            "run": "linear-bars-1",
            "error": "",
            "hint": "",
        }
        until(lambda: state(nowhere)["state"] == "failed", 60)
        assert state(nowhere)["error"]

        def is_now(wanted: str) -> bool:
            found: str = visitor.get("/api/runs/latest").json()["headline"]["state"]
            return found == wanted

        steer = "/api/runs/linear-bars-1/steer"
        assert visitor.post(steer, json={"wish": "pause"}).json()["launch"] is None
        until(lambda: is_now("paused"))
        refused(visitor.post(steer, json={"wish": "resume"}), 409, "RunError")
        assert visitor.post(steer, json={"wish": "step"}).status_code == 200
        assert visitor.post(steer, json={"wish": "stop"}).status_code == 200
        until(lambda: is_now("stopped"))
        refused(visitor.post(steer, json={"wish": "go"}), 409, "RunError")
        refused(visitor.post(steer, json={"wish": "fly"}), 400, "InputError")
        resumed = visitor.post(steer, json={"wish": "resume"}).json()["launch"]
        until(lambda: state(resumed)["state"] == "started", 60)
        visitor.post(steer, json={"wish": "stop"})
        until(lambda: is_now("stopped"))


def test_numbers_that_json_has_no_word_for() -> None:
    @dataclasses.dataclass(frozen=True)
    class Facts:
        name: str
        value: float
        parts: tuple[float, ...] = ()

    found = as_json([Facts("NaN", float("nan"), (float("inf"), 1.5)), Facts("Infinity", -float("inf"))])
    assert json.loads(found) == [
        {"name": "NaN", "value": "nan", "parts": ["inf", 1.5]},
        {"name": "Infinity", "value": "-inf", "parts": []},
    ]
