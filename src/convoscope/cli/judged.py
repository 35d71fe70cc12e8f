"""The figures of a judgement in words, a line each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """What stands below the accuracy: other figures, calibration, simpler ways, and the classes that are not judged.

    Args:
        facts: The figures of a judgement as JSON; of an older run some are not there.
    """
    figures = [
        f"{called} {facts[key]:.4f}{_between(facts, key)}"
        for key, called in (("balanced_accuracy", "balanced accuracy"), ("macro_f1", "macro F1"))
        if facts.get(key) is not None
    ]
    if facts.get("top_5_accuracy") is not None:
        figures.append(f"top-5 {facts['top_5_accuracy']:.4f}")
    if figures:
        yield ", ".join(figures)
    if facts.get("calibration_error") is not None:
        yield f"calibration error {facts['calibration_error']:.4f}{_calibrated(facts.get('calibration') or {})}"
    for one in facts.get("compared") or ():
        yield _beside(one)
    if facts.get("classes_absent"):
        names = facts["classes_absent"]
        shown = ", ".join(names[:12]) + (" ..." if len(names) > 12 else "")
        yield f"not judged, for want of {facts.get('kind', 'images')} ({len(names)}): {shown}; means leave them out"


def interval(accuracy: float, n: int) -> str:
    """The 95 % Wilson interval of an accuracy (0-1) over `n` examples, in brackets."""
    from convoscope.train.metrics import wilson_interval  # NumPy is not needed to print help

    low, high = wilson_interval(round(accuracy * n), n)
    return f" (95 %: {low:.4f} to {high:.4f})"


def _between(facts: Mapping[str, Any], key: str) -> str:
    low, high = facts.get(f"{key}_95_low"), facts.get(f"{key}_95_high")
    return "" if low is None or high is None else f" (95 %: {low:.4f} to {high:.4f})"


def _calibrated(found: Mapping[str, Any]) -> str:
    if found.get("why") or found.get("calibration_error") is None:
        return ""
    return f"; calibrated by the temperature {found['temperature']:.3f}: {found['calibration_error']:.4f}"


def _beside(one: Mapping[str, Any]) -> str:
    called = (
        f"always {one['class_name']}, the most frequent class of training"
        if one["name"] == "majority"
        else f"{one['k']} nearest neighbours in pixels, of {one['n_references']:,} training images"
    )
    points = [100 * one[key] for key in ("difference", "difference_95_low", "difference_95_high")]
    better = "better" if points[0] > 0 else "worse" if points[0] < 0 else "different"
    sign = -1 if points[0] < 0 else 1
    near, far = sorted(sign * bound for bound in points[1:])
    return (
        f"{called}: {one['accuracy']:.4f}; on these {one['n']:,} the network is {abs(points[0]):.1f} points {better} "
        f"(95 %: {near:.1f} to {far:.1f})"
    )
