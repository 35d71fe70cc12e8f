"""The story with a ResNet: modules fold and unfold, the address remembers, and a wide layer shows all it has."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from page.conftest import Visit
from page.moves import click_unit, looked, number, opened
from page.stage import RESNET, House, train_resnet

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("page"), pytest.mark.timeout(400)]


def test_a_resnet_folds_unfolds_and_opens_to_a_number(visit: Visit, house: House) -> None:
    """From the network into one block of its last module, to one of 512 channels, and to a number with its sum."""
    if not (house.runs / RESNET).exists():
        train_resnet(house)
    page = visit(f"/runs/{RESNET}/look?open=layer1")
    looked(page)
    conv = page.get_by_role("button", name="conv2", exact=True)  # of the one block that will be open
    expect(conv).to_have_count(0)
    page.get_by_role("button", name=re.compile(r"Unfold layer4:")).click()
    expect(page).to_have_url(re.compile("layer4"))
    page.get_by_role("button", name=re.compile(r"Unfold layer4\.1:")).click()
    looked(page)
    expect(conv).to_be_visible()
    conv.click()
    expect(opened(page)).to_contain_text("512 channels")
    looked(page)
    click_unit(page, "layer4.1.conv2", 0)
    expect(page).to_have_url(re.compile(r"node=layer4\.1\.conv2&unit=\d+"))
    page.goto(re.sub(r"&unit=\d+", "&at=3,1,1", page.url))
    looked(page)
    expect(number(page)).to_contain_text("4608 terms")
    page.get_by_role("button", name=re.compile("all 4.?608 terms")).click()
    rows = number(page).locator(".terms .view li")
    expect(rows.first).to_have_attribute("aria-setsize", "4608")
    assert rows.count() < 200, "only rows in view are drawn"

    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Fold layer4", exact=True).click()
    expect(conv).to_have_count(0)
    expect(page).not_to_have_url(re.compile("layer4"))
