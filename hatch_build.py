"""Builds the page into the wheel, so that who installs Convoscope needs no Node.

A wheel or an sdist takes the page as it is where it is newer than its sources; otherwise `npm` builds it in `web/`.
An editable install leaves it alone: there `make web` builds it. CONVOSCOPE_SKIP_PAGE=1 takes what is there, or nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PAGE = Path("src", "convoscope", "server", "page", "index.html")
WEB = Path("web")
INSTALLED = WEB / "node_modules" / ".ready"  # the Makefile's stamp
SOURCES = ("src", "public", "plugins")
NEEDS = (
    "The page of Convoscope has to be built, and this needs Node 20.19 or newer with npm 10 or 11: install them and "
    "try again, or set CONVOSCOPE_SKIP_PAGE=1 for a Convoscope with the command line alone."
)


def sources(web: Path) -> Iterator[Path]:
    """Every file that the built page depends on."""
    yield from (path for path in web.iterdir() if path.is_file())
    for folder in SOURCES:
        yield from (path for path in (web / folder).rglob("*") if path.is_file())


def is_current(root: Path) -> bool:
    """Whether the page is built, and none of its sources is newer."""
    page, web = root / PAGE, root / WEB
    if not page.is_file():
        return False
    if not web.is_dir():
        return True
    built = page.stat().st_mtime_ns
    return all(path.stat().st_mtime_ns <= built for path in sources(web))


def is_installed(root: Path) -> bool:
    """Whether `npm ci` has run since the lock file was last changed."""
    stamp, lock = root / INSTALLED, root / WEB / "package-lock.json"
    return stamp.is_file() and stamp.stat().st_mtime_ns >= lock.stat().st_mtime_ns


def fits(node: str) -> bool:
    """Whether this Node is new enough for the page's tools."""
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    major, _, rest = said.strip().lstrip("v").partition(".")
    minor = rest.partition(".")[0]
    return major.isdigit() and minor.isdigit() and (int(major), int(minor)) >= (20, 19)


class PageHook(BuildHookInterface):  # type: ignore[type-arg]  # its parameter is a class of hatchling's own
    """Builds the page before hatchling collects the files."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Build the page where one is needed and not there; end with one sentence where it cannot be built."""
        root = Path(self.root)
        if version == "editable" or os.environ.get("CONVOSCOPE_SKIP_PAGE") == "1" or is_current(root):
            return
        node, npm = shutil.which("node"), shutil.which("npm")
        if node is None or npm is None or not fits(node) or not (root / WEB).is_dir():
            self.app.abort(NEEDS)
            return
        steps = [["run", "build"]] if is_installed(root) else [["ci"], ["run", "build"]]
        for step in steps:
            if subprocess.run([npm, *step], cwd=root / WEB, check=False).returncode:
                self.app.abort(
                    f"The page of Convoscope was not built: `npm {' '.join(step)}` failed in web/, see above."
                )
            if step == ["ci"]:
                (root / INSTALLED).touch()
