"""The house keeps its own rules: the map is true, files are short, doors are light, and the two commands exist."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "convoscope"
MODULES = sorted(path for path in SOURCE.rglob("*.py"))


def first_line(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]


def test_the_readmes_map_says_what_the_rooms_say() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"```\nsrc/convoscope/\n(.*?)```", readme, re.S)
    assert block is not None
    rows = dict(re.findall(r"^  (\S+)\s{2,}(.+)$", block[1], re.M))
    rooms = {path.parent.name + "/": path for path in SOURCE.glob("*/__init__.py")}
    rooms |= {path.name: path for path in SOURCE.glob("*.py") if not path.name.startswith("__")}
    assert rows == {name: first_line(path) for name, path in rooms.items()}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_every_module_is_short_and_says_what_it_is_for(path: Path) -> None:
    assert len(first_line(path)) >= 15
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_functions_are_short_but_for_the_loop() -> None:
    long = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.body:
                body = node.body[1:] if ast.get_docstring(node) else node.body
                n_lines = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
                if n_lines > 40:
                    long.append(f"{path.relative_to(SOURCE)}:{node.name} ({n_lines})")
    assert [name for name in long if not name.startswith("train/loop.py:train ")] == []


def test_no_vague_rooms() -> None:
    names = {path.stem for path in SOURCE.rglob("*")}
    assert not names & {"utils", "util", "helpers", "common", "core", "manager", "misc"}


@pytest.mark.parametrize("package", ["typer", "rich", "fastapi", "captum", "onnx", "matplotlib", "torch"])
def test_importing_convoscope_needs_little(package: str) -> None:
    code = f"import sys; sys.modules[{package!r}] = None; import convoscope; assert convoscope.__version__"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_missing_package_is_one_sentence_with_the_command() -> None:
    code = "import sys; sys.modules['typer'] = None; from convoscope.cli import main; main()"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert "pip install typer" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_the_process_is_prepared_before_torch() -> None:
    code = (
        "import os; os.environ.pop('GOMP_SPINCOUNT', None); os.environ['OMP_WAIT_POLICY'] = 'ACTIVE';"
        "import convoscope;"
        "print(os.environ['GOMP_SPINCOUNT'], os.environ['OMP_WAIT_POLICY'])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["5000", "ACTIVE"]  # what the user has set stands


def test_ci_calls_the_readmes_commands() -> None:
    ci, readme = (ROOT / ".ci" / "run").read_text(), (ROOT / "README.md").read_text(encoding="utf-8")
    for command in ("make check", "make test"):
        assert command in ci
        assert command in readme


def test_contributing_is_short() -> None:
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) < 60


def test_every_direct_dependency_is_pinned() -> None:
    pins = set(re.findall(r"^([A-Za-z0-9_.-]+)==", (ROOT / "constraints.txt").read_text(), re.M))
    wanted = re.findall(r'^  "([a-z0-9-]+)[>=]', (ROOT / "pyproject.toml").read_text(), re.M)
    assert {name.replace("_", "-").lower() for name in wanted} <= {pin.replace("_", "-").lower() for pin in pins}
    assert "torch" in wanted


def test_no_commit_names_a_machine() -> None:
    words = [rb"/" + rb"work/", rb"/" + rb"root/", rb"pypi" + rb".org"]
    for path in [*MODULES, *ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "Makefile", ROOT / "constraints.txt"]:
        content = path.read_bytes()
        assert not [word for word in words if word in content], path


def test_both_readmes_say_the_same() -> None:
    """The Chinese one has the English one's sections, commands, map, pictures and figures."""
    english, chinese = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md"))
    fences = [re.findall(r"```.*?```", text, re.S) for text in (english, chinese)]
    assert fences[0] == fences[1]
    assert english.count("\n## ") == chinese.count("\n## ")
    assert english.count("\n- ") == chinese.count("\n- ")
    assert re.findall(r"\]\((docs/[^)]+|[A-Z]+[^)]*)\)", english.replace("README.zh-CN.md", "README.md")) == re.findall(
        r"\]\((docs/[^)]+|[A-Z]+[^)]*)\)", chinese
    )
    rows = [re.findall(r"^\|.*\| `(\w+\.py)` \|$", text, re.M) for text in (english, chinese)]
    assert rows[0] == rows[1] != []
    figures = [
        [re.findall(r"\d(?:[\d.,]*\d)?", row) for row in re.findall(r"^\|(.*)\|$", text, re.M)]
        for text in (english, chinese)
    ]
    assert [sorted(row) for row in figures[0]] == [sorted(row) for row in figures[1]]
