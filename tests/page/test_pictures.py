"""Every screen in every size, theme and language: photographed, searched for faults of layout, and given to axe-core.

The pictures go to the folder that CONVOSCOPE_SHOTS names, to be looked at by a person.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from convoscope import lab
from page.conftest import Visit
from page.moves import looked
from page.seeing import faults_of_access, faults_of_layout, settle
from page.stage import LENET, RESNET, House, train_resnet, until

pytestmark = pytest.mark.xdist_group("page")
LOOK = f"/runs/{LENET}/look?image=test:7"
ALL = [
    pytest.param(size, theme, language, id=f"{size}-{theme}-{language}", marks=pytest.mark.slow)
    for size in ("desk", "tablet", "phone")
    for theme in ("light", "dark")
    for language in ("en", "zh")
]
FULL = {"runs", "new", "run", "live", "gallery"}  # screens that scroll: photographed whole
SCREENS = {
    "runs": "/",
    "new": "/new",
    "run": f"/runs/{LENET}",
    "gallery": f"/runs/{LENET}?split=test",
    "look": LOOK,
    "backward": f"{LOOK}&tab=backward&scope=network",
    "update": f"{LOOK}&tab=update&step=3",
    "difference": f"{LOOK}&step=46&minus=0",
    "layer": f"{LOOK}&node=conv2",
    "unit": f"{LOOK}&node=conv2&unit=5",
    "number": f"{LOOK}&node=conv2&at=5,4,3",
    "logit": f"{LOOK}&node=fc3&unit=9&at=9",
    "weight": f"{LOOK}&node=conv2.weight&at=5,0,2,2&tab=update",
    "pool": f"{LOOK}&node=pool1&at=0,5,5",
    "gone": "/runs/nothing-1",
    "gone-look": "/runs/nothing-1/look",
    "broken": "/runs/lenet5-torn-1",
    "nowhere": "/what/is/this",
    "loading": LOOK,
    "offline": f"/runs/{LENET}",
    "empty": "/",
}
LOADING_SHOWS = 1000  # milliseconds: it comes slowly, so that what is there at once does not flicker
ALLOWED = r"status of 40|ERR_FAILED|WebSocket"


def prepare(page: Page, name: str) -> list[Route]:
    """What must be so before the screen is visited; returns what waits for an answer that is not given."""
    waiting: list[Route] = []
    if name == "loading":
        page.route(re.compile("/network"), lambda route: waiting.append(route))
    if name == "offline":
        page.route(re.compile("/api/"), lambda route: route.abort())
    if name == "empty":
        page.route(re.compile("/api/runs$"), lambda route: route.fulfill(json=[]))
    return waiting


def ready(page: Page, name: str, path: str) -> None:
    """Waits until the screen is as it will stay."""
    if name == "loading":
        expect(page.get_by_role("status")).to_be_visible()
        page.wait_for_timeout(LOADING_SHOWS)
        return
    if "/look" in path and name != "gone-look":
        looked(page)
    settle(page)


@pytest.fixture(scope="module")
def torn(house: House) -> Iterator[None]:
    """A run that cannot be read, among the others."""
    folder = house.runs / "lenet5-torn-1"
    shutil.copytree(house.runs / LENET, folder)
    (folder / "recipe.json").write_text("{")
    yield
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def paused(house: House) -> Iterator[str]:
    """A run that is being trained and has been paused: it looks the same in every picture."""
    values = {"data": str(house.digits), "model": "lenet5", "epochs": 60, "batch_size": 30, "device": "cpu"}
    launch = lab.launch(values, runs=house.runs)
    until(lambda: lab.launched(launch, runs=house.runs).state == "started", 90)
    run = str(lab.launched(launch, runs=house.runs).run)
    until(lambda: lab.show(run, runs=house.runs)["step"] > 60, 60)
    lab.steer(run, "pause", runs=house.runs)
    yield run
    lab.steer(run, "stop", runs=house.runs)
    until(lambda: lab.show(run, runs=house.runs)["state"] == "stopped", 60)


@pytest.fixture(scope="module")
def resnet(house: House) -> str:
    """A ResNet, with modules to fold."""
    if not (house.runs / RESNET).exists():
        train_resnet(house)
    return RESNET


@pytest.mark.parametrize(("size", "theme", "language"), ALL)
@pytest.mark.timeout(600)
def test_every_screen(
    visit: Visit, shots: Path, torn: None, paused: str, resnet: str, size: str, theme: str, language: str
) -> None:
    """Nothing is cut, nothing lies over anything else, everything can be hit, and axe-core finds nothing serious."""
    inside = f"/runs/{resnet}/look?open=layer1,layer4,layer4.1"
    screens = SCREENS | {"live": f"/runs/{paused}", "resnet": inside, "wide": f"{inside}&node=layer4.1.conv2"}
    faults = look_at(visit, shots, screens, size, theme, language)
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(("size", "theme", "language"), [("phone", "dark", "zh")])  # where room is short
def test_the_main_screens(visit: Visit, shots: Path, size: str, theme: str, language: str) -> None:
    """The same for those that everybody sees."""
    screens = {name: SCREENS[name] for name in ("runs", "new", "run", "look", "number")}
    faults = look_at(visit, shots, screens, size, theme, language)
    assert not faults, "\n".join(faults)


def look_at(visit: Visit, shots: Path, screens: dict[str, str], size: str, theme: str, language: str) -> list[str]:
    """Photographs screens and returns what is wrong with them."""
    faults: list[str] = []
    page = visit("/what/is/this", size=size, theme=theme, language=language, allowed=ALLOWED, bypass_csp=True)
    home = page.url.split("/what")[0]
    for name, path in screens.items():
        waiting = prepare(page, name)
        page.goto(home + path)
        ready(page, name, path)
        picture = shots / f"{name}-{size}-{theme}-{language}.png"
        page.screenshot(path=picture, full_page=name in FULL)
        # What axe-core sees is the same on a tablet as on a desk, and it takes its time.
        checks: list[Callable[[Page], list[str]]] = [
            faults_of_layout,
            *([faults_of_access] if size != "tablet" else []),
        ]
        faults += [f"{name}, {size}, {theme}, {language}: {fault}" for check in checks for fault in check(page)]
        for route in waiting:
            route.abort()
        page.unroute_all()
    return faults
