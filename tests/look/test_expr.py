from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convoscope.errors import InputError
from convoscope.look import render_json
from convoscope.look.derive import Why
from convoscope.look.expr import (
    Apply,
    Choose,
    Column,
    Each,
    Expression,
    Number,
    Param,
    Product,
    Sum,
    Unit,
    one_of,
    take,
    total,
)
from convoscope.look.expr_functions import FUNCTIONS, apply
from convoscope.look.expr_slope import slope
from convoscope.look.expr_value import evaluate, measure
from convoscope.look.render import by_channel, digits, largest

finite = st.floats(-10, 10).filter(lambda x: abs(x) > 0.01)


def long_sum(n: int = 50, seed: int = 0) -> Sum:
    random = np.random.default_rng(seed)
    x = Column("unit", random.normal(size=n).astype(np.float32), "x", np.arange(n), (1, 5, n // 5))
    w = Column("param", random.normal(size=n).astype(np.float32), "w", np.arange(n), (1, n))
    return Sum((Each(Product((x, w)), n), Param("b", (0,), 0.5, dtype="float32")))


def test_three_numbers_by_hand() -> None:
    x, w, b = Unit("x", (0,), 2.0), Param("w", (0,), -3.0), Param("b", (), 1.0)
    assert evaluate(x * w + b) == -5
    assert float(measure(x * w + b).scale) == 7
    assert evaluate(1 / x - 2 + 3 * x) == 4.5
    assert evaluate(-x) == -2
    assert evaluate(x**3) == 8


def test_a_long_sum_is_the_sum_of_its_terms() -> None:
    written = long_sum()
    assert len(written.terms) == 51
    assert sum(evaluate(term) for term in written.terms) == pytest.approx(evaluate(written), rel=1e-14)
    assert sum(abs(evaluate(term)) for term in written.terms) == pytest.approx(float(measure(written).scale), rel=1e-14)
    term = written.terms[7]
    assert isinstance(term, Product)
    unit, param = term.factors
    assert isinstance(unit, Unit)
    assert (unit.node, unit.at) == ("x", (0, 0, 7))
    assert isinstance(param, Param)
    assert (param.node, param.at, param.dtype) == ("w", (0, 7), "float32")
    assert written.terms[-1] == Param("b", (0,), 0.5, dtype="float32")
    with pytest.raises(IndexError):
        written.terms[51]


@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_sums_within_sums_mean_the_same_one_by_one(n_rows: int, n_columns: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    outer = Column("number", random.normal(size=n_rows))
    inner = Column("number", random.normal(size=(n_rows, n_columns)))
    shared = total(Column("number", random.normal(size=3)), 3)  # the same for all rows
    row = outer * total(inner * outer + apply("tanh", inner) * shared, n_columns, level=1) + shared
    written = total(row, n_rows)
    by_hand = sum(evaluate(term) for term in written.terms)
    assert by_hand == pytest.approx(evaluate(written), rel=1e-12, abs=1e-12)
    expected = [o * sum(i * o + math.tanh(i) * evaluate(shared) for i in line) + evaluate(shared)
                for o, line in zip(outer.values, inner.values, strict=True)]  # fmt: skip
    assert sum(expected) == pytest.approx(evaluate(written), rel=1e-12, abs=1e-12)


def test_a_choice_takes_what_was_chosen() -> None:
    options = Column("unit", np.asarray([1.0, 5.0, 3.0]), "x", np.arange(3), (3,))
    choice = Choose((Each(options, 3),), 1, "the largest")
    assert evaluate(choice) == 5
    assert choice.options[2] == Unit("x", (2,), 3.0)
    rows = one_of("x > 2", options.value > 2, 0.0, options)
    assert evaluate(total(rows, 3)) == 8
    assert [evaluate(take(rows, k)) for k in range(3)] == [0, 5, 3]


@given(st.sampled_from([name for name, f in FUNCTIONS.items() if f.slopes]), st.floats(0.05, 3))
@settings(max_examples=200, deadline=None)
def test_each_functions_slope_is_its_derivative(name: str, at: float) -> None:
    x, second = Unit("x", (), at), Number(1.7)

    def value(moved: float) -> float:
        arguments = (Unit("x", (), moved), second) if name.startswith("pow") else (Unit("x", (), moved),)
        return evaluate(Apply(name, arguments))

    arguments: tuple[Expression, ...] = (x, second) if name.startswith("pow") else (x,)
    step = 1e-6
    numeric = (value(at + step) - value(at - step)) / (2 * step)
    assert evaluate(slope(Apply(name, arguments), x)) == pytest.approx(numeric, rel=1e-4, abs=1e-6)


@given(finite, finite, finite)
@settings(max_examples=50, deadline=None)
def test_slopes_follow_the_rules_of_calculus(a: float, b: float, c: float) -> None:
    x, y, z = Unit("x", (), a), Unit("y", (), b), Unit("z", (), c)
    written = x * y * x + apply("exp", x * 0.1) / y + one_of("chosen", 1, z, x * z)
    assert evaluate(slope(written, y)) == pytest.approx(a * a - math.exp(0.1 * a) / b**2, rel=1e-9)
    assert evaluate(slope(written, x)) == pytest.approx(2 * a * b + 0.1 * math.exp(0.1 * a) / b + c, rel=1e-9)
    assert evaluate(slope(written, Unit("x", (), a))) == 0  # the same address, but another object


@pytest.mark.parametrize("limit", [None, 7])
def test_json_comes_back(limit: int | None) -> None:
    chosen = one_of("rule", 0, long_sum(), 2.0)
    written = chosen * apply("exp", Number(0.3, "eps")) + Apply("newton_schulz", (Number(1.0),), 0.7, "bfloat16")
    packed = json.dumps(render_json.write(written, limit), allow_nan=False)
    back = render_json.read(json.loads(packed))
    assert evaluate(back) == pytest.approx(evaluate(written), rel=1e-14)
    assert render_json.write(back, None)["value"] == pytest.approx(evaluate(written), rel=1e-14)
    assert render_json.read(render_json.write(back, None)) == back
    assert (render_json.write(back, None)["terms"][0]["factors"][0]["n_options"]) == 2


def test_json_says_how_much_it_left_out() -> None:
    packed = render_json.write(long_sum(), 7)
    assert packed["n_terms"] == 51
    assert len(packed["terms"]) == 7
    assert packed["rest"]["n"] == 44
    shown = sum(term["value"] for term in packed["terms"])
    assert shown + packed["rest"]["value"] == pytest.approx(packed["value"], rel=1e-14)
    sizes = [abs(term["value"]) for term in packed["terms"]]
    assert sizes == sorted(sizes, reverse=True)
    assert render_json.write(Number(float("nan")))["value"] == "nan"
    with pytest.raises(InputError, match="expression"):
        render_json.read({"kind": "poem"})


def test_text_keeps_every_digit() -> None:
    third = float(np.float32(1 / 3))
    assert float(np.float32(digits(third, "float32"))) == third
    assert float(digits(0.1 + 0.2)) == 0.1 + 0.2
    assert digits(3.0, "int64") == "3"
    why = Why("y", long_sum(), evaluate(long_sum()) + 0.25)
    assert "the other 31 terms together" in why.text()
    assert "the other" not in why.text(limit=None)
    assert why.text(limit=None).count("×") == 50
    assert "gap      0.25" in why.text()


def test_all_renderings_show_the_same_terms() -> None:
    why = Why("y_1", long_sum(), 0.0)
    shown = largest(long_sum(), 20)
    for _, term in shown:
        if isinstance(term, Product):
            first = term.factors[0]
            assert isinstance(first, Unit)
            value = digits(first.value, "float32")
            assert value in why.text()
            assert value in why._repr_html_()
            assert value in why.latex()
    assert why.latex().startswith("\\begin{aligned}")
    assert why.latex().count("{") == why.latex().count("}")
    assert "y\\_1" in why.latex()
    assert "<script>" not in Why("<script>", long_sum())._repr_html_()


def test_grouping_keeps_the_sum() -> None:
    grouped = by_channel(long_sum())
    assert isinstance(grouped, Sum)
    assert len(grouped.terms) == 6  # five channels and the bias
    assert evaluate(grouped) == pytest.approx(evaluate(long_sum()), rel=1e-14)
    first = grouped.terms[0]
    assert isinstance(first, Sum)
    assert {term.factors[0].at[1] for term in first.terms} == {0}  # type: ignore[attr-defined]
