"""When something is wrong: a message of its own in its place, with what to do, and the rest goes on working."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from convoscope import lab
from page.conftest import Visit
from page.moves import looked
from page.stage import LENET, House, until

pytestmark = pytest.mark.xdist_group("page")
NOT_FOUND = "status of 404"


def copied(house: House, name: str) -> Path:
    """A copy of the trained run under another name."""
    folder = house.runs / name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(house.runs / LENET, folder)
    return folder


def list_works(page: Page) -> None:
    """The list of runs shows the good ones, whatever the others are."""
    page.get_by_role("link", name="runs", exact=True).click()
    expect(page.get_by_role("link", name=f"Look inside {LENET}")).to_be_visible()


def test_a_run_that_is_not_there(visit: Visit) -> None:
    """Which one was asked, which there are, and a way on."""
    page = visit("/runs/nothing-1", allowed=NOT_FOUND)
    expect(page.get_by_text("There is no run 'nothing-1'")).to_be_visible()
    page.get_by_role("link", name="To the list of runs").click()
    list_works(page)
    page = visit("/runs/nothing-1/look", allowed=NOT_FOUND)
    expect(page.get_by_text("There is no run 'nothing-1'")).to_be_visible()
    list_works(page)


def test_an_address_that_leads_nowhere(visit: Visit) -> None:
    """Says so, and leads back."""
    page = visit("/what/is/this")
    expect(page.get_by_text("There is no such page")).to_be_visible()
    page.get_by_role("link", name="To the list of runs").click()
    list_works(page)


@pytest.mark.parametrize(
    ("name", "schema", "why"), [("lenet5-broken-1", "?", "recipe"), ("lenet5-newer-1", "99", "newer Convoscope")]
)
def test_a_broken_run_and_one_of_a_newer_version(visit: Visit, house: House, name: str, schema: str, why: str) -> None:
    """Each is listed as unreadable with the reason, its page says what to do, and the others open."""
    recipe = copied(house, name) / "recipe.json"
    changed, n = re.subn(r'"schema": \d+', f'"schema": {schema}', recipe.read_text())
    assert n == 1
    recipe.write_text(changed)
    try:
        page = visit("/", allowed="status of 40[04]")
        row = page.get_by_role("listitem").filter(has_text=name)
        expect(row).to_contain_text("unreadable")
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_text("This run cannot be used")).to_be_visible()
        expect(page.locator("main")).to_contain_text(why)
        list_works(page)
    finally:
        shutil.rmtree(recipe.parent)


def test_a_run_that_vanishes_while_it_is_looked_at(visit: Visit, house: House) -> None:
    """What is shown stays; the next question is answered in words."""
    folder = copied(house, "lenet5-vanishing-1")
    page = visit("/runs/lenet5-vanishing-1/look?image=test:7", allowed=NOT_FOUND)
    looked(page)
    shutil.rmtree(folder)
    page.get_by_role("button", name="Next image").click()
    problem = page.get_by_role("alert").filter(has_text="lenet5-vanishing-1")
    expect(problem.first).to_be_visible()
    list_works(page)
    expect(page.get_by_text("lenet5-vanishing-1", exact=True)).to_have_count(0)


@pytest.mark.timeout(240)
def test_a_trainer_that_died_is_told_and_can_be_taken_up_again(visit: Visit, house: House) -> None:
    """Killed without a word: the page says so by itself, and Go on goes on."""
    values = {"data": str(house.digits), "model": "lenet5", "epochs": 300, "batch_size": 30, "device": "cpu"}
    launch = lab.launch(values, runs=house.runs)
    until(lambda: lab.launched(launch, runs=house.runs).state == "started", 90)
    run = str(lab.launched(launch, runs=house.runs).run)
    page = visit(f"/runs/{run}")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    until(lambda: checkpoints(house, run) > 3, 60)
    os.kill(trainer(house, run), signal.SIGKILL)
    expect(page.get_by_text("interrupted", exact=True).first).to_be_visible(timeout=30_000)
    expect(page.get_by_text("ended without a word")).to_be_visible()
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("button", name="Stop")).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("stopped", exact=True).first).to_be_visible(timeout=60_000)


def checkpoints(house: House, run: str) -> int:
    """How many are on the disk."""
    return len(list((house.runs / run / "checkpoints").glob("*.safetensors")))


def trainer(house: House, run: str) -> int:
    """The process that trains a run, by what it was started with; never our own."""
    import psutil

    launches = [
        path.parent.name
        for path in (house.runs / ".launches").glob("*/outcome.json")
        if json.loads(path.read_text()).get("run") == run
    ]
    found = [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if any(name in " ".join(process.info["cmdline"] or ()) for name in launches) and process.pid != os.getpid()
    ]
    assert len(found) >= 1, "no process trains the run"
    return int(found[0])


def test_a_full_disk_is_told_where_it_was_met(visit: Visit) -> None:
    """Faked at the door, since a disk of ours is hard to fill: the start of a run, and an image to keep."""
    page = visit("/new", allowed="status of 507")
    refusal = {"error": "StorageError", "message": "The disk is full.", "hint": "Make room, then try again."}
    page.route(
        re.compile(r"/api/runs$"),
        lambda route: route.fulfill(status=507, json=refusal) if route.request.method == "POST" else route.continue_(),
    )
    page.get_by_role("button", name="Start training").click()
    problem = page.get_by_role("complementary", name="This run")
    expect(problem).to_contain_text("The disk is full.")
    expect(problem).to_contain_text("Make room, then try again.")
    expect(page.get_by_role("button", name="Start training")).to_be_enabled()
    list_works(page)
