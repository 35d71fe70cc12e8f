"""Every phrase that the engine puts beside a number has a Chinese one in the page's table.

The phrases are collected from the sources by their syntax: the meaning of a number, the rule of a choice, why there is
nothing, a note. A place for a value stands as "{}", so that "1 / 25 units" is looked up as "1 / {} units".
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import torch

from convoscope.look.expr_functions import FUNCTIONS
from convoscope.look.rules import RULES

ROOT = Path(__file__).parents[2]
LOOK = ROOT / "src" / "convoscope" / "look"
SCREEN = ROOT / "src" / "convoscope" / "lab" / "screen"
TABLE = json.loads((ROOT / "web" / "src" / "number" / "engine.json").read_text("utf-8"))
SOURCES = [*sorted((LOOK / "rules").glob("*.py")), LOOK / "update.py", LOOK / "derive.py", LOOK / "render.py"]
# Where each call keeps words that a reader sees: the place among its arguments, or the keyword.
WORDS_AT: dict[str, tuple[int | str, ...]] = {
    "Number": (1, "meaning"),
    "Column": ("meaning",),
    "one_of": (0,),
    "Choose": (2,),
    "Apply": (3, "note"),
    "Sum": (1,),
    "Product": (1,),
    "total": (2, "meaning"),
    "summed": (2,),
    "none": (0,),
    "NoRule": (0,),
    "_named": (1,),
    "Why": (4, "note"),
    "setting": (0,),
}
WORD = re.compile(r"[A-Za-z]{2,}")
Scope = ast.FunctionDef | ast.Module


def test_every_phrase_of_the_engine_has_a_chinese_one() -> None:
    """A new rule's phrase fails here until the table has it."""
    missing = {
        phrase: path.name
        for path in SOURCES
        for phrase in phrases(ast.parse(path.read_text("utf-8")))
        if WORD.search(phrase.replace("{}", "")) and not TABLE["phrases"].get(phrase)
    }
    assert not missing, f"web/src/number/engine.json has no Chinese for: {json.dumps(missing, indent=1)}"


def test_every_note_of_the_screen_has_a_chinese_one() -> None:
    """Why a sheet is empty stands in a constant of the screen's room."""
    found = notes()
    assert "The loss does not depend on it." in found
    assert sorted(found - set(TABLE["phrases"])) == [], "web/src/number/engine.json has no Chinese for them"


def test_every_setting_of_an_op_has_a_chinese_name() -> None:
    """What the box of a node and the head of a number list: every argument, besides tensors, of an op with a rule."""
    asked = set[str]()
    for op in sorted(set(RULES) - {"output"}):
        packet = getattr(torch.ops.aten if hasattr(torch.ops.aten, op) else torch.ops.convoscope, op)
        for schema in (getattr(packet, overload)._schema for overload in packet.overloads()):
            kinds = [(argument.name, str(argument.type)) for argument in schema.arguments]
            if any("Tensor" in str(result.type) for result in schema.returns):
                asked |= {name for name, kind in kinds if "Tensor" not in kind and name != "out"}
    assert "kernel_size" in asked
    assert sorted(asked - set(TABLE["settings"])) == [], "web/src/number/engine.json has no Chinese for them"
    assert sorted(set(TABLE["settings"]) - asked) == []


def test_no_phrase_is_left_that_the_engine_does_not_say() -> None:
    """A phrase that a rule gave up goes from the table too; its parts, which fill places, are listed apart."""
    said = {phrase for path in SOURCES for phrase in phrases(ast.parse(path.read_text("utf-8")))}
    assert sorted(set(TABLE["phrases"]) - said - notes()) == []


def test_a_translation_has_as_many_places_as_its_phrase() -> None:
    """A place that is lost would hide a number."""
    for phrase, chinese in TABLE["phrases"].items():
        assert len(re.findall(r"\{\d?\}", chinese)) == phrase.count("{}"), phrase


def test_the_page_writes_each_function_as_the_engine_does() -> None:
    """The notation of exp, sqrt, tanh ... is the engine's own."""
    assert TABLE["functions"] == {name: FUNCTIONS[name].text for name in sorted(FUNCTIONS)}


def notes() -> set[str]:
    """The sentences that the screen's room keeps as constants."""
    found = set[str]()
    for path in sorted(SCREEN.glob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))) if name.isupper():
                    found |= {text} if text.endswith(".") else set()
    return found


def phrases(module: ast.Module) -> set[str]:
    """All texts of a module that a reader may see, values as "{}"."""
    found: set[str] = set()
    for scope, node in _scoped(module):
        if isinstance(node, ast.Call):
            for expression in _words_of(node):
                found.update(_texts(expression, scope))
        elif isinstance(node, ast.Return) and node.value is not None and _is_note(scope, node.value):
            note = node.value.elts[-1] if isinstance(node.value, ast.Tuple) else node.value
            found.update(_texts(note, scope))
    return {text for text in found if text.strip("{} ")}


def _scoped(module: ast.Module) -> Iterator[tuple[Scope, ast.AST]]:
    """Each node with the innermost function that holds it."""
    waiting: list[tuple[Scope, ast.AST]] = [(module, node) for node in module.body]
    while waiting:
        scope, node = waiting.pop()
        yield scope, node
        inside = node if isinstance(node, ast.FunctionDef) else scope
        waiting.extend((inside, child) for child in ast.iter_child_nodes(node))


def _words_of(call: ast.Call) -> Iterator[ast.expr]:
    name = getattr(call.func, "id", getattr(call.func, "attr", ""))
    for place in WORDS_AT.get(name, ()):
        if isinstance(place, int) and place < len(call.args):
            yield call.args[place]
        yield from (keyword.value for keyword in call.keywords if keyword.arg == place)


def _is_note(scope: Scope, value: ast.expr) -> bool:
    """Whether a function gives this back as what to know about a number: an expression with its note, or a note."""
    if isinstance(value, ast.Tuple):
        first = value.elts[0] if value.elts else None
        return isinstance(first, ast.Constant) and first.value is None
    return isinstance(scope, ast.FunctionDef) and scope.name.endswith("_note")


def _texts(expression: ast.expr | None, scope: Scope) -> set[str]:
    """What an expression may come to as text; {"{}"} where only a run tells."""
    match expression:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.JoinedStr(values=parts):
            choices = [_texts(part, scope) for part in parts]
            return {"".join(picked) for picked in product(*choices)}
        case ast.FormattedValue(value=inner, format_spec=None):
            return _texts(inner, scope)
        case ast.IfExp(body=body, orelse=other):
            return _texts(body, scope) | _texts(other, scope)
        case ast.BinOp(left=left, op=ast.Add(), right=ast.BinOp(left=maybe, op=ast.Mult())):
            # f"..." + f"..." * condition: with it, or without.
            return {a + b for a in _texts(left, scope) for b in ({""} | _texts(maybe, scope))}
        case ast.Name(id=name):
            return _assigned(name, scope) or {"{}"}
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="get"), args=[_, default]):
            return _assigned(name, scope) | _texts(default, scope)
        case ast.Dict(values=values):
            return set().union(*(_texts(value, scope) for value in values))
        case _:
            return {"{}"}


def _assigned(name: str, scope: Scope) -> set[str]:
    values = [
        node.value
        for node in ast.walk(scope)
        if isinstance(node, ast.Assign) and any(getattr(target, "id", "") == name for target in node.targets)
    ]
    return set().union(*(_texts(value, scope) for value in values)) if values else set()
