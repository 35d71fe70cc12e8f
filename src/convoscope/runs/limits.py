"""What the figures of a run do not say: few examples, missing classes, a part that was chosen on, copies, leaks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from convoscope.runs.judgement import Judgement
from convoscope.runs.report import Limit
from convoscope.train.events import Finding

LEAST = 30  # examples of a class: with fewer its recall is known to within some 18 points at best
_WIDE = 0.025  # half of the accuracy's interval
_MOST_NAMES = 12
# Findings about the data by the ends of their names, and what each means for the figures of the part it is about.
_OF_FINDINGS = {
    "group-leaked": "limit_groups",
    "-leaked": "limit_leaked",
    "-leaked-alike": "limit_alike",
    "-repeated": "limit_repeated",
    "label-conflict": "limit_conflict",
}


def limits_of(
    judged: Judgement,
    n_trained: tuple[int, ...],
    findings: Sequence[Finding],
    *,
    patience: int = 0,
    n_left_out: int = 0,
) -> Iterator[Limit]:
    """The limits of a judgement, the gravest first.

    Args:
        judged: The judgement.
        n_trained: Training examples of each class, in class order.
        findings: What was found about data and run.
        patience: The recipe's.
        n_left_out: Files that could not be read.
    """
    evaluation = judged.evaluation
    if evaluation.split == "validation":
        yield Limit("limit_no_test_patience" if patience else "limit_no_test")
    keys = [_key_of(one) for one in findings if f" {evaluation.split} " in one.message]
    yield from (Limit(key) for key in dict.fromkeys(_OF_FINDINGS.values()) if key in keys)
    rows = evaluation.per_class()
    unseen = [row["name"] for row, n in zip(rows, n_trained, strict=True) if not n]
    if unseen:
        yield Limit("limit_untrained", {"names": _few(unseen)})
    if evaluation.absent():
        yield Limit("limit_absent", {"names": _few(list(evaluation.absent()))})
    low, high = evaluation.accuracy_interval
    if high - low > 2 * _WIDE:
        yield Limit("limit_wide", {"n": f"{evaluation.n:,}", "half": f"{50 * (high - low):.1f}"})
    n_small = sum(0 < row["n"] < LEAST for row in rows)
    if n_small:
        yield Limit("limit_small", {"n": f"{n_small:,}", "K": f"{len(rows):,}", "least": str(LEAST)})
    if n_left_out:
        yield Limit("limit_left_out", {"n": f"{n_left_out:,}"})
    yield Limit("limit_one_run")


def _key_of(finding: Finding) -> str:
    return next((key for end, key in _OF_FINDINGS.items() if finding.name.endswith(end)), "")


def _few(names: list[str]) -> str:
    return ", ".join(names[:_MOST_NAMES]) + (f" … ({len(names)})" if len(names) > _MOST_NAMES else "")
