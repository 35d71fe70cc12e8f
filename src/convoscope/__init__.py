"""Convoscope: train convolutional networks on your own images and open every number into its arithmetic."""

from __future__ import annotations

from convoscope.process import prepare

__version__ = "0.1.0"

prepare()
