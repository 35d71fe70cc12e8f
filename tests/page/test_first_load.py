"""The first load is small, comes from this host alone, and is for ever in the browser's keep."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Response, expect

from page.conftest import Visit
from page.moves import looked
from page.stage import LENET

pytestmark = pytest.mark.xdist_group("page")
MOST_BYTES = 300_000


@pytest.mark.parametrize("path", ["/", f"/runs/{LENET}", f"/runs/{LENET}/look?image=test:7"])
def test_the_first_load_is_small(visit: Visit, path: str) -> None:
    """Bytes over the wire, as the browser counts them; hosts are watched by every visit."""
    page = visit("/what/is/this")
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    sizes: list[int] = []
    session.on("Network.loadingFinished", lambda event: sizes.append(int(event["encodedDataLength"])))
    page.goto(page.url.split("/what")[0] + path)
    if "/look" in path:
        looked(page)  # what is fetched ahead afterwards, for the slider, does not count
    else:
        page.wait_for_load_state("networkidle")
    assert 10_000 < sum(sizes) < MOST_BYTES, f"{sum(sizes)} bytes for {path}"


def test_what_never_changes_is_never_asked_for_again(visit: Visit) -> None:
    """Assets have their content in their name."""
    page = visit("/")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))
    page.reload()
    page.wait_for_load_state("networkidle")
    assets = [answer for answer in answers if re.search(r"/assets/", answer.url)]
    assert assets
    assert all("immutable" in (answer.header_value("cache-control") or "") for answer in assets)
