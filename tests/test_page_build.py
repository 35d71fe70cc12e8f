"""The page is built into a wheel where it has to be, and one sentence says what is missing where it cannot be."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


class FakeInterface:
    """What the hook uses of hatchling, which a machine without a build has not got."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.said: list[str] = []
        self.app = SimpleNamespace(abort=self.said.append)


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Any:
    names = ["hatchling", "builders", "hooks", "plugin", "interface"]
    for depth in range(1, len(names) + 1):
        monkeypatch.setitem(sys.modules, ".".join(names[:depth]), ModuleType(names[depth - 1]))
    sys.modules[".".join(names)].BuildHookInterface = FakeInterface  # type: ignore[attr-defined]
    monkeypatch.delenv("CONVOSCOPE_SKIP_PAGE", raising=False)
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path, hook: Any) -> Path:
    """A checkout whose page was built after its sources were written."""
    for name in ("web/src/look/Look.svelte", "web/package-lock.json", "web/public/mark.svg", hook.PAGE):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (1_000, 1_000 if path.name != "index.html" else 2_000))
    return tmp_path


def touch(path: Path, seconds: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (seconds, seconds))


def test_a_page_newer_than_its_sources_is_taken(hook: Any, tree: Path) -> None:
    assert hook.is_current(tree)
    touch(tree / "web/node_modules/x/index.js", 3_000)  # a tool is no source
    assert hook.is_current(tree)


@pytest.mark.parametrize("changed", ["web/src/look/Look.svelte", "web/package-lock.json", "web/src/runs/New.svelte"])
def test_a_page_older_than_a_source_is_not(hook: Any, tree: Path, changed: str) -> None:
    touch(tree / changed, 3_000)
    assert not hook.is_current(tree)


def test_tools_are_installed_anew_for_a_new_lock_file(hook: Any, tree: Path) -> None:
    assert not hook.is_installed(tree)
    touch(tree / hook.INSTALLED, 1_500)
    assert hook.is_installed(tree)
    touch(tree / "web/package-lock.json", 1_600)
    assert not hook.is_installed(tree)


def test_without_node_a_wheel_ends_with_one_sentence(hook: Any, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / hook.PAGE).unlink()
    monkeypatch.setenv("PATH", str(tree))
    asked = hook.PageHook(tree)
    asked.initialize("standard", {})
    assert asked.said == [hook.NEEDS]


@pytest.mark.parametrize(("version", "skip"), [("editable", ""), ("standard", "1")])
def test_nothing_is_built_where_nobody_wants_it(
    hook: Any, tree: Path, monkeypatch: pytest.MonkeyPatch, version: str, skip: str
) -> None:
    (tree / hook.PAGE).unlink()
    monkeypatch.setenv("PATH", str(tree))
    monkeypatch.setenv("CONVOSCOPE_SKIP_PAGE", skip)
    asked = hook.PageHook(tree)
    asked.initialize(version, {})
    assert asked.said == []


@pytest.mark.parametrize(("said", "fits"), [("v20.19.0", True), ("v26.1.0", True), ("v20.18.9", False), ("", False)])
def test_only_a_node_that_is_new_enough_fits(hook: Any, tmp_path: Path, said: str, fits: bool) -> None:
    node = tmp_path / "node"
    node.write_text(f"#!/bin/sh\necho {said}\n")
    node.chmod(0o755)
    assert hook.fits(str(node)) is fits
