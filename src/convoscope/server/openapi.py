"""The interface's description: `python -m convoscope.server.openapi` prints it, the page's types are made from it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from convoscope.lab.screen import records, sights
from convoscope.server.wire import LiveMessage
from convoscope.version import __version__

# Records that no JSON answer holds: they travel in the heads of packs.
HEADS = (
    sights.Atlas, sights.LayerHead, sights.UnitHead, sights.ValuesHead, records.PixelsHead, records.FiltersHead,
)  # fmt: skip
_WHERE = "#/components/schemas/{model}"
# What users send: there, a field with a default may be left out.
_SENT = {"DataQuestion", "NewRun", "Steering"}


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of the application, with the records of packs and of live messages in it too."""
    document = get_openapi(
        title="Convoscope",
        version=__version__,
        summary="Every number of a convolutional network, and the arithmetic that made it.",
        description="For the page of the same version. A run's name may be `latest`. Errors have one shape: Refusal.",
        routes=app.routes,
    )
    schemas = document["components"]["schemas"]
    adapters = [(kind, "serialization", TypeAdapter(kind)) for kind in (*HEADS, LiveMessage)]
    _, extra = TypeAdapter.json_schemas(adapters, ref_template=_WHERE)  # type: ignore[arg-type]
    schemas |= extra["$defs"]
    for unused in ("HTTPValidationError", "ValidationError"):  # refusals have a shape of their own
        schemas.pop(unused, None)
    for methods in document["paths"].values():
        for method in methods.values():
            method["responses"].pop("422", None)
    for name, schema in schemas.items():
        if "properties" in schema and name not in _SENT:  # an answer has every field, those with defaults too
            schema["required"] = list(schema["properties"])
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    info = document["info"]
    untitled: dict[str, Any] = _untitled(document)
    return untitled | {"info": info}


def _untitled(part: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Without the titles that pydantic makes from names: a reader has the names."""
    if isinstance(part, dict):
        return {key: _untitled(value) for key, value in part.items() if key != "title" or not isinstance(value, str)}
    return [_untitled(value) for value in part] if isinstance(part, list) else part


def written() -> str:
    """The document as it lies in web/openapi.json."""
    from convoscope.server.app import create_app

    return json.dumps(create_app(Path("runs")).openapi(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(written())
