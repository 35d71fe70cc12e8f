"""Rendering: an expression as LaTeX, ready for KaTeX: one aligned environment."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from convoscope.look.expr import Number, Param, Unit
from convoscope.look.expr_functions import FUNCTIONS
from convoscope.look.render import digits, outline, signed

if TYPE_CHECKING:
    from convoscope.look.derive import Why


class Latex:
    """LaTeX: each number with its address under a brace."""

    def leaf(self, leaf: Unit | Param | Number) -> str:
        """The number, its address or meaning below it."""
        value = number(leaf.value, leaf.dtype)
        if isinstance(leaf, Number):
            return _under(value, words(leaf.meaning)) if leaf.meaning else value
        place = words(f"{leaf.node}[{','.join(map(str, leaf.at))}]" if leaf.at else leaf.node)
        return _under(value, place if leaf.of == "value" else rf"\partial L/\partial {place}")

    def named(self, name: str, value: float) -> str:
        """The value over its name."""
        return _under(number(value), words(name))

    def many(self, count: int, value: float) -> str:
        """The value over "sum of n terms"."""
        return _under(number(value), words(f"sum of {count} terms"))

    def product(self, factors: list[str]) -> str:
        """Factors with dots between."""
        return r" \cdot ".join(factors)

    def total(self, terms: list[tuple[bool, str]], *, whole: bool) -> str:
        """Terms in brackets."""
        written = signed(terms)
        return written if whole else rf"\left({written}\right)"

    def applied(self, function: str, arguments: list[str]) -> str:
        """The function as mathematics writes it."""
        return FUNCTIONS[function].latex.format(*arguments)

    def stands(self, written: str, value: float) -> str:
        """The value over the function."""
        return rf"\underset{{{written}}}{{{number(value)}}}"

    def remark(self, note: str) -> str:
        """The note as words."""
        return words(f"[{note}]")

    def chosen(self, option: str, rule: str) -> str:
        """The option, its rule below it."""
        return _under(option, words(rule))


def latex(why: Why, limit: int | None = 20) -> str:
    """A whole derivation."""
    lines = []
    if why.expression is not None:
        for block in outline(why.expression, why.title, limit, Latex()):
            lines.append(rf"{words(block.name)} &= {block.line or number(block.value)}")
            lines.extend(rf"&\quad {_signed(line, first=k == 0)}" for k, (_, line) in enumerate(block.rows))
            if block.n_rest:
                rest = _under(number(block.rest), words(f"the other {block.n_rest} terms together"))
                lines.append(rf"&\quad {_signed(rest, first=not block.rows)}")
        lines.append(rf"&= {number(why.computed or 0.0)} \quad {words('computed in float64')}")
    if why.note:
        lines.append(rf"& {words(why.note)}")
    if why.recorded is not None:
        lines.append(rf"& {number(why.recorded, why.dtype)} \quad {words(f'recorded in {why.dtype}')}")
    if why.gap is not None:
        lines.append(rf"& {number(why.gap)} \quad {words('gap')}")
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


def number(value: float, dtype: str = "float64") -> str:
    """A number's digits, its exponent as a power of ten."""
    written = digits(value, dtype)
    special = {"nan": r"\mathrm{NaN}", "inf": r"\infty", "-inf": r"-\infty"}
    if written in special:
        return special[written]
    mantissa, _, exponent = written.partition("e")
    written = mantissa if not exponent else rf"{mantissa} \cdot 10^{{{int(exponent)}}}"
    return rf"\left({written}\right)" if written.startswith("-") else written


def words(written: str) -> str:
    """Text inside mathematics, with LaTeX's own signs escaped."""
    escaped = re.sub(r"([&%$#_{}])", r"\\\1", written.replace("\\", r"\textbackslash "))
    escaped = escaped.replace("^", r"\textasciicircum ").replace("~", r"\textasciitilde ")
    return rf"\text{{{escaped}}}"


def _under(above: str, below: str) -> str:
    return rf"\underset{{{below}}}{{{above}}}"


def _signed(line: str, *, first: bool) -> str:
    return line if first else f"+ {line}"
