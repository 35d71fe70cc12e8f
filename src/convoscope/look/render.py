"""Rendering: an expression as plain text, and the outline that all renderings share.

A long sum shows its largest terms first, says how many the rest are and what they add up to. Numbers are printed with
the shortest digits that give exactly that number back in its own precision (float32 as recorded, float64 as computed).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from convoscope.look.expr import Apply, Choose, Column, Each, Expression, Number, Param, Part, Product, Sum, Unit, take
from convoscope.look.expr_functions import FUNCTIONS
from convoscope.look.expr_value import evaluate, rows_of, term_values

if TYPE_CHECKING:
    from convoscope.look.derive import Why

SHORT = 4  # a sum of up to so many terms is written out in place
Names = dict[int, str]


def digits(value: float, dtype: str = "float64") -> str:
    """The shortest digits that are exactly this number in its own precision."""
    if dtype == "bool" or "int" in dtype:
        return str(int(value))
    if dtype == "float32":
        return str(np.float32(value))
    return repr(float(value))


def largest(expression: Sum, limit: int | None) -> list[tuple[float, Expression]]:
    """The terms with the largest |value|, largest first, each with its value; all of them where `limit` is None."""
    values = term_values(expression.parts)
    order = np.argsort(-np.abs(values), kind="stable")[:limit]
    terms = expression.terms
    return [(float(values[k]), terms[int(k)]) for k in order]


def by_channel(expression: Expression, axis: int = 1) -> Expression:
    """The same sum, its terms added up by one axis of what they read; an expression that is no long sum as it is.

    Args:
        expression: Any expression; of a product the long sum in it is grouped.
        axis: Of the first column with addresses: 1 for the channel of (N, C, H, W).
    """
    if isinstance(expression, Product):
        return replace(expression, factors=tuple(by_channel(factor, axis) for factor in expression.factors))
    if not isinstance(expression, Sum):
        return expression
    parts: list[Part] = []
    for part in expression.parts:
        parts.extend(_grouped(part, axis) if isinstance(part, Each) else [part])
    return Sum(tuple(parts), expression.meaning)


def _grouped(each: Each, axis: int) -> list[Part]:
    column = next((c for c in _columns(each.template) if c.flat is not None and len(c.shape) > axis), None)
    if column is None or column.flat is None or column.flat.ndim != 1 or len(column.flat) != each.count:
        return [each]
    keys = np.unravel_index(column.flat, column.shape)[axis]
    what = "channel" if axis == 1 else f"index {axis}"
    groups = [(int(key), np.flatnonzero(keys == key)) for key in np.unique(keys)]
    return [Sum((rows_of(each, rows),), f"{what} {key} of {column.node}") for key, rows in groups]


def _columns(expression: Expression) -> Iterator[Column]:
    match expression:
        case Column():
            yield expression
        case Product(factors):
            for factor in factors:
                yield from _columns(factor)
        case Apply(_, arguments):
            for argument in arguments:
                yield from _columns(argument)
        case Sum(parts) | Choose(parts):
            for part in parts:
                if not isinstance(part, Each):
                    yield from _columns(part)
        case _:
            return


class Writer(Protocol):
    """How one format writes each part in a line."""

    def leaf(self, leaf: Unit | Param | Number) -> str:
        """A number with its address or meaning."""

    def named(self, name: str, value: float) -> str:
        """A part that is written out further down, by its name and value."""

    def many(self, count: int, value: float) -> str:
        """A long sum inside a term, by its length and value."""

    def product(self, factors: list[str]) -> str:
        """A product."""

    def total(self, terms: list[tuple[bool, str]], *, whole: bool) -> str:
        """A short sum of terms, each with whether it is taken off; in brackets unless it is the whole."""

    def applied(self, function: str, arguments: list[str]) -> str:
        """A function."""

    def chosen(self, option: str, rule: str) -> str:
        """What was chosen, and by which rule."""

    def stands(self, written: str, value: float) -> str:
        """A function whose value was computed elsewhere, with that value."""

    def remark(self, note: str) -> str:
        """What to know about the part in front."""


@dataclass(frozen=True)
class Block:
    """One line, or one list of terms, of an outline.

    Attributes:
        name: What stands left of "=".
        value: What it comes to.
        line: The whole expression in one line, where it is no long sum.
        rows: A long sum's largest terms, each its value and its line.
        n_rest: How many terms are not shown.
        rest: What they add up to.
    """

    name: str
    value: float
    line: str = ""
    rows: tuple[tuple[float, str], ...] = ()
    n_rest: int = 0
    rest: float = 0.0


def is_long(expression: Expression) -> bool:
    """Whether a sum is written as a list."""
    return isinstance(expression, Sum) and len(expression.terms) > SHORT


def outline(expression: Expression, name: str, limit: int | None, writer: Writer) -> list[Block]:
    """The expression as blocks: itself first, then each long or named part in it, once each."""
    blocks: list[Block] = []
    waiting: list[tuple[str, Expression]] = [(name, expression)]
    known: dict[tuple[str, float], str] = {}

    def later(part: Expression, label: str) -> str:
        value = evaluate(part)
        if (label, value) not in known:
            taken = set(known.values())
            known[label, value] = next(w for w in (label, *(f"{label} ({k})" for k in range(2, 99))) if w not in taken)
            waiting.append((known[label, value], part))
        return writer.named(known[label, value], value)

    while waiting:
        name, part = waiting.pop(0)
        blocks.append(_block(part, name, limit, writer, later))
    return blocks


Later = Callable[[Expression, str], str]


def _block(expression: Expression, name: str, limit: int | None, writer: Writer, later: Later) -> Block:
    value = evaluate(expression)
    if not (isinstance(expression, Sum) and is_long(expression)):
        return Block(name, value, _inline(expression, writer, later, inside_row=False, whole=True))
    shown = largest(expression, limit)
    rows = tuple((v, _inline(term, writer, later, inside_row=True)) for v, term in shown)
    n_rest = len(expression.terms) - len(shown)
    return Block(name, value, "", rows, n_rest, value - float(np.sum([v for v, _ in shown])) if n_rest else 0.0)


def _inline(part: Expression, writer: Writer, later: Later, *, inside_row: bool, whole: bool = False) -> str:
    def again(inner: Expression) -> str:
        return _inline(inner, writer, later, inside_row=inside_row)

    meaning = str(getattr(part, "meaning", ""))
    if meaning and not whole and isinstance(part, (Sum, Product)):
        return later(part, meaning)
    match part:
        case Sum() if is_long(part):
            if inside_row:
                return writer.many(len(part.terms), evaluate(part))
            return later(part, "sum")
        case Sum():
            signs = [negated(term) for term in part.terms]
            terms = [(inner is not None, again(inner or term)) for inner, term in zip(signs, part.terms, strict=True)]
            return writer.total(terms, whole=whole)
        case Product(factors):
            return writer.product([again(factor) for factor in factors])
        case Choose(_, chosen, rule):
            return writer.chosen(again(part.options[int(chosen)]), rule)
        case Apply(function, arguments, recorded, note):
            written = writer.applied(function, [again(argument) for argument in arguments])
            if recorded is not None:
                written = writer.stands(written, recorded)
            return f"{written} {writer.remark(note)}" if note else written
        case Unit() | Param() | Number():
            return writer.leaf(part)
        case _:
            return again(take(part, 0))


def negated(term: Expression) -> Expression | None:
    """What is taken off, where a term is -1 times it."""
    if isinstance(term, Product) and term.factors[0] == Number(-1.0) and not term.meaning and len(term.factors) > 1:
        return term.factors[1] if len(term.factors) == 2 else Product(term.factors[1:])
    return None


def signed(terms: list[tuple[bool, str]], minus: str = "-") -> str:
    """The terms with their signs between."""
    (less, first), *rest = terms
    return (f"{minus} " if less else "") + first + "".join(f" {minus if off else '+'} {term}" for off, term in rest)


class Text:
    """Plain text."""

    def leaf(self, leaf: Unit | Param | Number) -> str:
        """`conv1[0, 2, 5] 1.25`, `dloss/d conv1[0, 2, 5] 1.25`, `0.5 (1 / 2)`."""
        value = digits(leaf.value, leaf.dtype)
        if isinstance(leaf, Number):
            return f"{value} ({leaf.meaning})" if leaf.meaning else value
        return f"{address(leaf)} {value}"

    def named(self, name: str, value: float) -> str:
        """`mean 0.5`."""
        return f"{name} {digits(value)}"

    def many(self, count: int, value: float) -> str:
        """`sum of 12 terms 0.5`."""
        return f"sum of {count} terms {digits(value)}"

    def product(self, factors: list[str]) -> str:
        """`a × b`."""
        return " × ".join(factors)

    def total(self, terms: list[tuple[bool, str]], *, whole: bool) -> str:
        """`(a + b - c)`."""
        written = signed(terms)
        return written if whole else f"({written})"

    def applied(self, function: str, arguments: list[str]) -> str:
        """`exp(a)`."""
        return FUNCTIONS[function].text.format(*arguments)

    def chosen(self, option: str, rule: str) -> str:
        """`a {the largest}`."""
        return f"{option} {{{rule}}}"

    def stands(self, written: str, value: float) -> str:
        """`f(a) = 0.5`, in brackets."""
        return f"({written} = {digits(value)})"

    def remark(self, note: str) -> str:
        """`[in bfloat16]`."""
        return f"[{note}]"


def address(leaf: Unit | Param) -> str:
    """`conv1[0, 2, 5]`, with dloss/d in front for a gradient."""
    place = f"{leaf.node}[{', '.join(map(str, leaf.at))}]" if leaf.at else leaf.node
    return place if leaf.of == "value" else f"dloss/d {place}"


def text(why: Why, limit: int | None = 20) -> str:
    """A whole derivation as plain text."""
    lines = [why.title]
    if why.note:
        lines.append(f"  {why.note}")
    if why.expression is not None:
        for k, block in enumerate(outline(why.expression, why.title, limit, Text())):
            lines.append(f"  = {block.line}" if k == 0 and block.line else _head(block, k))
            lines.extend(f"    {digits(value):>24}   = {line}" for value, line in block.rows)
            if block.n_rest:
                lines.append(f"    {digits(block.rest):>24}   the other {block.n_rest} terms together")
    lines.extend(verdict(why))
    return "\n".join(lines)


def _head(block: Block, k: int) -> str:
    count = len(block.rows) + block.n_rest
    if k == 0:
        return f"  = sum of {count} terms, the largest first"
    return (
        f"  {block.name} = {block.line}" if block.line else f"  {block.name} = sum of {count} terms, the largest first"
    )


def verdict(why: Why) -> list[str]:
    """Computed, recorded and the gap, as far as each is there."""
    lines = []
    if why.computed is not None:
        lines.append(f"  computed {digits(why.computed)} (float64)")
    if why.recorded is not None:
        lines.append(f"  recorded {digits(why.recorded, why.dtype)} ({why.dtype})")
    if why.gap is not None:
        of = f", {why.gap / why.scale:.1e} of the sum of |terms| {digits(why.scale)}" if why.scale else ""
        lines.append(f"  gap      {digits(why.gap)}{of}")
    return lines
