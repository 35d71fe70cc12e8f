"""A network described in TOML: its layers in a list, blocks, branches and sums among them, and how it is trained."""

from convoscope.models.described.text import SUFFIX, USUAL, Described, read_file, read_text

__all__ = ["SUFFIX", "USUAL", "Described", "read_file", "read_text"]
