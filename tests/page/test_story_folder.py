"""A folder of one's own: what suits it stands in the form, and the command that is shown trains the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from convoscope import lab
from page.conftest import Visit

pytestmark = pytest.mark.xdist_group("page")


def photos(folder: Path) -> Path:
    """Two classes of forty small photographs each."""
    for k, name in enumerate(("apple", "pear")):
        (folder / name).mkdir(parents=True)
        for i in range(40):
            Image.new("RGB", (90, 80), (5 * i, 200 * k, 30)).save(folder / name / f"{i}.png")
    return folder


def test_what_suits_a_folder_is_filled_in_until_a_model_is_chosen(visit: Visit, tmp_path: Path) -> None:
    folder = photos(tmp_path / "fruit")
    usual = lab.make_recipe({"data": str(folder)})
    page = visit("/new")
    page.get_by_role("radio", name=re.compile("^Your own")).check()
    page.get_by_role("textbox", name="Path of the folder or file").fill(str(folder))
    start, run = page.get_by_role("button", name="Start training"), page.get_by_role("complementary", name="This run")
    expect(start).to_be_disabled()
    page.keyboard.press("Tab")
    expect(start).to_be_enabled()
    expect(run).to_contain_text(usual.model)
    expect(page.get_by_text(f"For these images {usual.model} is filled in")).to_be_visible()
    expect(run).to_contain_text(f"convoscope train --data {folder}")
    expect(run).not_to_contain_text(re.compile("--(?!data)"))  # with --model the command line would take other knobs
    expect(page.get_by_role("textbox", name="epochs")).to_have_attribute("placeholder", re.compile(str(usual.epochs)))
    width = page.get_by_role("textbox", name="width")
    expect(width).to_have_attribute("placeholder", re.compile(str(usual.model_options["width"])))
    page.get_by_role("textbox", name="epochs").fill("3")
    expect(run).to_contain_text(f"--data {folder} --epochs 3")
    page.get_by_role("radio", name=re.compile("^mlp")).check()
    expect(run).to_contain_text("--model mlp --epochs 3")
