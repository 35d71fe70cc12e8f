"""Where a run comes from: versions, machine, data, code and command."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from convoscope.process import processor
from convoscope.runs.log import now
from convoscope.version import __version__

_PACKAGES = ("torch", "numpy", "accelerate", "pillow", "safetensors")


def provenance(
    data_fingerprint: str, seed: int, command: Iterable[str], *, init: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The record that is kept with a run; nothing in it says who the user is.

    Args:
        data_fingerprint: Of the images, labels and class names.
        seed: The recipe's.
        command: What was typed.
        init: Path and SHA-256 of the file that the first weights were taken from; None where they were drawn.
    """
    return {
        "started": now(),
        "convoscope": __version__,
        "python": platform.python_version(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "n_cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "seed": seed,
        "data_fingerprint": data_fingerprint,
        **({"init": dict(init)} if init else {}),
        "git": _git(),
        "command": list(command),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _git() -> dict[str, Any] | None:
    """The commit of the folder the command was given in, and whether files differ from it; None outside a checkout."""
    git = shutil.which("git")
    if git is None or sys.platform == "emscripten":
        return None

    def ask(*words: str) -> str | None:
        try:
            answer = subprocess.run([git, *words], capture_output=True, text=True, timeout=5, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return answer.stdout.strip() if answer.returncode == 0 else None

    commit = ask("rev-parse", "HEAD")
    if not commit:
        return None
    return {"commit": commit, "changed": bool(ask("status", "--porcelain", "--untracked-files=no"))}
