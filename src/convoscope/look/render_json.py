"""Rendering: an expression as JSON's types, and back. Every part carries its value, so a reader computes nothing.

{"kind": "sum", "value": 3.0, "n_terms": 25, "terms": [largest first ...], "rest": {"n": 5, "value": 0.1}}. What
JSON cannot write is a text: "nan", "inf", "-inf".
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from convoscope.errors import InputError
from convoscope.look.expr import Apply, Choose, Expression, Number, Param, Product, Sum, Unit, take
from convoscope.look.expr_value import evaluate
from convoscope.look.render import largest

if TYPE_CHECKING:
    from convoscope.look.derive import Why

Json = dict[str, Any]


def why(opened: Why, limit: int | None = 20) -> Json:
    """A whole derivation; `limit` terms of each sum, None for all."""
    return {
        "title": opened.title,
        "note": opened.note,
        "computed": _number(opened.computed),
        "recorded": _number(opened.recorded),
        "dtype": opened.dtype,
        "gap": _number(opened.gap),
        "scale": _number(opened.scale),
        "expression": None if opened.expression is None else write(opened.expression, limit),
    }


def write(expression: Expression, limit: int | None = 20, *, within: int | None = -1) -> Json:
    """An expression; `limit` terms of each sum and options of each choice, None for all.

    Args:
        expression: What to write.
        limit: Most terms and options.
        within: Most terms of the sums in a sum; as `limit` where it is not given.
    """
    if within is not None and within < 0:
        within = limit
    match expression:
        case Unit() | Param():
            kind = "unit" if isinstance(expression, Unit) else "param"
            return {"kind": kind, "node": expression.node, "at": list(expression.at), "of": expression.of,
                    "value": _number(expression.value), "dtype": expression.dtype}  # fmt: skip
        case Number(value, meaning, dtype):
            return {"kind": "number", "value": _number(value), "meaning": meaning, "dtype": dtype}
        case Sum():
            return _sum(expression, limit, within)
        case Product(factors, meaning):
            inner = [write(factor, limit, within=within) for factor in factors]
            return {"kind": "product", "value": _value(expression), "meaning": meaning, "factors": inner}
        case Choose():
            return _choice(expression, limit)
        case Apply(function, arguments, recorded, note):
            inner = [write(argument, limit, within=within) for argument in arguments]
            return {"kind": "apply", "function": function, "value": _value(expression), "arguments": inner,
                    "recorded": _number(recorded), "note": note}  # fmt: skip
        case _:
            return write(take(expression, 0), limit, within=within)


def _sum(expression: Sum, limit: int | None, within: int | None) -> Json:
    n_terms = len(expression.terms)
    if limit is None or n_terms <= limit:
        terms, rest = [write(term, within) for term in expression.terms], None
    else:
        shown = largest(expression, limit)
        terms = [write(term, within) for _, term in shown]
        left = evaluate(expression) - float(np.sum([value for value, _ in shown]))
        rest = {"n": n_terms - limit, "value": _number(left)}
    return {"kind": "sum", "value": _value(expression), "meaning": expression.meaning, "n_terms": n_terms,
            "terms": terms, "rest": rest}  # fmt: skip


def _choice(expression: Choose, limit: int | None) -> Json:
    chosen, options = int(expression.chosen), expression.options
    shown = list(range(len(options)))
    if limit is not None and len(shown) > limit:
        shown = sorted({chosen, *shown[:limit]})
    return {"kind": "choose", "value": _value(expression), "rule": expression.rule, "n_options": len(options),
            "chosen": shown.index(chosen), "options": [write(options[k], limit) for k in shown]}  # fmt: skip


def read(written: Json) -> Expression:
    """The expression again; terms that were left out come back as one number.

    Raises:
        InputError: it is not what `write` writes.
    """
    try:
        return _read(written)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"This is not a written expression: {error}.", hint="Give what Why.json() gave.") from None


def _read(written: Json) -> Expression:
    kind = written["kind"]
    if kind in ("unit", "param"):
        made = Unit if kind == "unit" else Param
        at = tuple(int(i) for i in written["at"])
        return made(str(written["node"]), at, float(written["value"]), written["of"], str(written["dtype"]))
    if kind == "number":
        return Number(float(written["value"]), str(written["meaning"]), str(written["dtype"]))
    if kind == "sum":
        terms = [_read(term) for term in written["terms"]]
        if written["rest"]:
            terms.append(Number(float(written["rest"]["value"]), f"the other {written['rest']['n']} terms together"))
        return Sum(tuple(terms), str(written["meaning"]))
    if kind == "product":
        return Product(tuple(_read(factor) for factor in written["factors"]), str(written["meaning"]))
    if kind == "choose":
        options = tuple(_read(option) for option in written["options"])
        return Choose(options, int(written["chosen"]), str(written["rule"]))
    if kind == "apply":
        arguments = tuple(_read(argument) for argument in written["arguments"])
        recorded = None if written["recorded"] is None else float(written["recorded"])
        return Apply(str(written["function"]), arguments, recorded, str(written["note"]))
    raise ValueError(f"there is no kind {kind!r}")


def _value(expression: Expression) -> float | str | None:
    return _number(evaluate(expression))


def _number(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) else repr(float(value))
