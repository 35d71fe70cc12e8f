"""How each op makes its numbers: one rule an op, forward and backward, registered by importing this package."""

from convoscope.look.rules import (  # noqa: F401 - each registers its rules
    activation,
    arithmetic,
    attention,
    constant,
    convolution,
    distance,
    dropout,
    embedding,
    linear,
    loss,
    normalisation,
    pooling,
    reduction,
    resize,
    shape,
    softmax,
)
from convoscope.look.rules.rule import RULES, NoRule, Place, Rule, See

__all__ = ["RULES", "NoRule", "Place", "Rule", "See"]
