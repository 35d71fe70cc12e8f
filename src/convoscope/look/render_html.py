"""Rendering: an expression as HTML for a notebook: tables, a part's own table folded below it."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from convoscope.look.expr import Number, Param, Unit
from convoscope.look.render import Block, Text, address, digits, outline, verdict

if TYPE_CHECKING:
    from convoscope.look.derive import Why

CELL = 'style="text-align:right;font-family:monospace;white-space:nowrap"'
TEXT_CELL = 'style="text-align:left;font-family:monospace"'


class Html(Text):
    """As plain text, escaped, with addresses in code."""

    def leaf(self, leaf: Unit | Param | Number) -> str:
        """The number with its address or meaning."""
        value = digits(leaf.value, leaf.dtype)
        if isinstance(leaf, Number):
            return f"{value} <small>({escape(leaf.meaning)})</small>" if leaf.meaning else value
        return f"<code>{escape(address(leaf))}</code> {value}"

    def named(self, name: str, value: float) -> str:
        """The name in italics."""
        return f"<i>{escape(name)}</i> {digits(value)}"

    def remark(self, note: str) -> str:
        """The note in small."""
        return f"<small>[{escape(note)}]</small>"

    def chosen(self, option: str, rule: str) -> str:
        """The option, its rule in small."""
        return f"{option} <small>{{{escape(rule)}}}</small>"


def html(why: Why, limit: int | None = 20) -> str:
    """A whole derivation."""
    parts = [f"<b>{escape(why.title)}</b>"]
    if why.note:
        parts.append(f"<p>{escape(why.note)}</p>")
    if why.expression is not None:
        blocks = outline(why.expression, why.title, limit, Html())
        parts.extend(_block(block, opened=k == 0) for k, block in enumerate(blocks))
    parts.append("<br>".join(f"<code>{escape(line.strip())}</code>" for line in verdict(why)))
    return f"<div>{''.join(parts)}</div>"


def _block(block: Block, *, opened: bool) -> str:
    if block.line:
        return f"<div><i>{escape(block.name)}</i> = {block.line}</div>"
    rows = [f"<tr><td {CELL}>{digits(value)}</td><td {TEXT_CELL}>{line}</td></tr>" for value, line in block.rows]
    if block.n_rest:
        rest = f"the other {block.n_rest} terms together"
        rows.append(f"<tr><td {CELL}>{digits(block.rest)}</td><td {TEXT_CELL}><i>{rest}</i></td></tr>")
    head = f"<summary>{escape(block.name)} = sum of {len(block.rows) + block.n_rest} terms, the largest first</summary>"
    return f"<details{' open' if opened else ''}>{head}<table>{''.join(rows)}</table></details>"
