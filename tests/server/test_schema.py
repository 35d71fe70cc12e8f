"""The interface's description and the page's types: neither is older than the records they are made from."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from convoscope.lab.screen import records
from convoscope.server.openapi import written
from convoscope.server.wire import EVENT_MODELS
from convoscope.train import events

WEB = Path(__file__).parents[2] / "web"
RENEW = "python -m convoscope.server.openapi > web/openapi.json && npm --prefix web run types"


def schemas() -> dict[str, Any]:
    import json

    found: dict[str, Any] = json.loads(written())["components"]["schemas"]
    return found


def test_the_description_is_not_stale() -> None:
    assert (WEB / "openapi.json").read_text(encoding="utf-8") == written(), f"renew it: {RENEW}"


@pytest.mark.skipif(not (WEB / "node_modules").is_dir(), reason="node_modules is not there: npm --prefix web ci")
def test_the_types_of_the_page_are_not_stale(tmp_path: Path) -> None:
    shutil.copy(WEB / "openapi.json", tmp_path)
    shutil.copy(WEB / ".prettierrc.json", tmp_path)
    tools, made = WEB / "node_modules" / ".bin", tmp_path / "schema.ts"
    generate = [str(tools / "openapi-typescript"), "openapi.json", "--output", str(made)]
    subprocess.run(generate, cwd=tmp_path, check=True, capture_output=True)
    tidy = [str(tools / "prettier"), "--config", str(tmp_path / ".prettierrc.json"), "--no-plugin-search", str(made)]
    tidy.remove("--no-plugin-search")
    plain = subprocess.run(tidy, cwd=WEB, check=True, capture_output=True, text=True, encoding="utf-8").stdout
    assert (WEB / "src" / "wire" / "schema.ts").read_text(encoding="utf-8") == plain, f"renew them: {RENEW}"


def test_every_record_is_published_under_its_own_name_with_all_its_fields() -> None:
    published = schemas()
    for record in vars(records).values():
        if dataclasses.is_dataclass(record):
            fields = [item.name for item in dataclasses.fields(record)]
            assert list(published[record.__name__]["properties"]) == fields
            assert published[record.__name__]["required"] == fields
            assert published[record.__name__]["description"]


def test_every_event_is_published_with_its_name() -> None:
    published = schemas()
    assert len(EVENT_MODELS) == len(events.Event.__args__)  # type: ignore[attr-defined]
    for record in events.Event.__args__:  # type: ignore[attr-defined]
        schema = published[record.__name__]
        fields = [item.name for item in dataclasses.fields(record)]
        assert list(schema["properties"]) == schema["required"] == ["event", *fields]
        name = schema["properties"]["event"]["const"]
        assert events.from_json({"event": name, **dict.fromkeys(fields)}) == record(**dict.fromkeys(fields))
    assert published["LiveMessage"]["items"] == {"$ref": "#/components/schemas/Told"}


def test_it_can_be_read_at_its_address(tmp_path: Path) -> None:
    from served import client

    guest: TestClient = client(tmp_path)
    assert guest.get("/api/openapi.json").json()["components"]["schemas"].keys() == schemas().keys()
