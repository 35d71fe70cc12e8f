"""A newcomer, who has read nothing, clicks from a wrong prediction to the one multiplication that mattered most."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from page.conftest import Visit
from page.moves import looked, number
from page.stage import LENET

pytestmark = pytest.mark.xdist_group("page")
MOST_STEPS = 14  # LeNet-5 has eleven ops from the logits to the pixels


@pytest.mark.parametrize("size", ["desk", "phone"])
def test_from_a_wrong_prediction_to_the_pixel_that_mattered_most(visit: Visit, size: str) -> None:
    """By nothing but links and buttons that are seen, named by what stands on them."""
    page = visit("/", size=size)
    page.get_by_role("link", name=LENET, exact=True).click()
    wrong = page.get_by_role("region", name="What it gets wrong").get_by_role("listitem").first.get_by_role("link")
    said = re.search(r"truth (\d), predicted (\d)", wrong.text_content() or "")
    assert said is not None
    assert said[1] != said[2]
    wrong.click()
    looked(page)
    why = page.get_by_role("link", name=re.compile(f"^why {said[2]}\\?"))
    if not why.is_visible():  # on a phone the input may be folded
        page.get_by_role("button", name=re.compile("Input")).click()
    why.click()

    visited = []
    for _ in range(MOST_STEPS):
        card = number(page)
        expect(card).to_have_attribute("aria-busy", "false")
        expect(card).to_have_attribute("data-recorded", re.compile("."))
        title = card.get_by_role("heading").first.inner_text()
        visited.append(title)
        most = card.locator("a.most")
        if most.count() == 0:
            break
        expect(most.first).to_be_in_viewport()
        onward = most.last  # the largest that came from the image, where the largest of all is a bias
        onward.click()
        expect(card.get_by_role("heading").first).not_to_have_text(title)
    assert visited[0].startswith("fc3")
    assert any(title.startswith("conv1 ") for title in visited), visited
    assert number(page).get_by_text(re.compile("pixel of the input|end of the way")).count() > 0, visited
