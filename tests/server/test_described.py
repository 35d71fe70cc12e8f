"""Whatever the description allows, and much that it does not: nothing breaks, and every answer is as described."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis import checks
from served import PAGE, RUN, room, runs

from convoscope.server.app import create_app

# These start processes or read any folder of this machine; test_routes.py asks them by hand.
DANGEROUS = ("/api/runs", "/api/data", "/api/glance", "/api/runs/{run}/steer")
HELD = [
    checks.not_a_server_error, checks.status_code_conformance, checks.content_type_conformance,
    checks.response_schema_conformance,
]  # fmt: skip
# Chance finds no run, image or node: most questions are given ones that are there.
KNOWN = st.fixed_dictionaries(
    {
        "image": st.sampled_from(["test:0", "test:40", "test:41", "validation:3", "train:7", "input:0123456789abcdef"]),
        "images": st.sampled_from(["test:0", "test:0,train:3,validation:9", "test:99"]),
        "node": st.sampled_from(["input", "conv1", "conv2", "pool1", "fc3", "loss", "conv2.weight", "fc1.bias"]),
        "nodes": st.sampled_from(["conv1", "conv2,fc3", "nothing", "loss"]),
        "at": st.sampled_from(["", "0", "3,1,1", "0,0,0", "5,0,2,2", "9,9,9", "1,1"]),
        "channel": st.integers(0, 6),
        "channels": st.sampled_from(["0", "1,2", "0,0,99"]),
        "step": st.sampled_from([0, 1, 7, 13, 14, 15]),
        "minus": st.sampled_from([-1, 0, 14, 13]),
        "target": st.sampled_from(["0", "3", "4"]),
    }
)


def interface() -> Any:
    app = create_app(room() / "runs")
    found = schemathesis.openapi.from_dict(app.openapi())
    found.app = app
    return found.exclude(path=list(DANGEROUS), method="POST")


schema = interface()


def ask(case: Any, known: dict[str, Any] | None) -> None:
    runs()
    if known is not None:
        if "run" in (case.path_parameters or {}):
            case.path_parameters["run"] = RUN
        case.query = {**(case.query or {}), **{k: v for k, v in known.items() if k in (case.query or {})}}
    case.call_and_validate(base_url=PAGE, checks=HELD)


@schema.given(known=st.one_of(st.none(), KNOWN, KNOWN, KNOWN))
@schema.parametrize()
@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
def test_nothing_breaks(case: Any, known: dict[str, Any] | None) -> None:
    ask(case, known)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@schema.given(known=st.one_of(st.none(), KNOWN, KNOWN, KNOWN))
@schema.parametrize()
@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
def test_nothing_breaks_at_length(case: Any, known: dict[str, Any] | None) -> None:
    ask(case, known)
