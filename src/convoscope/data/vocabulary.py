"""Words: how a text is taken apart, and the number that stands for each word.

A text is freed of HTML tags, put into Unicode's composed form (NFC), lower-cased, its curved apostrophes made straight,
and read from left to right as words of three sorts: one Chinese or Japanese character; a run of letters, digits and the
marks that belong to them, with apostrophes inside ("don't"); and any other sign that is no space, by itself ("!").
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from convoscope.shape import PADDING, UNKNOWN

FEW_TEXTS = 200  # training texts: below, a word that occurs once has its number too

# Written without spaces between words: Han (with its extensions), Hiragana, Katakana, Bopomofo.
_ALONE = (
    "\u3005-\u3007\u3040-\u30ff\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003134f"
)
# Vowel signs and accents are no letters to `\w`, and a word is torn apart without them.
_MARKS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0900-\u0963"
    "\u0981-\u09cd\u0a01-\u0a4d\u0a81-\u0acd\u0b01-\u0b4d\u0b82-\u0bcd\u0c00-\u0c4d\u0c81-\u0ccd\u0d00-\u0d4d"
    "\u0d81-\u0ddf\u0e31-\u0e4e\u0eb1-\u0ece\u0f71-\u0f87\u102b-\u103e\u17b4-\u17d3\u200c\u200d\u20d0-\u20f0"
)
_UNSEEN = "\u200b\u200e\u200f\u2060\ufe00-\ufe0f\ufeff"  # marks of layout that no reader sees
_LETTERS = rf"(?:[^\W_{_ALONE}]++|[{_MARKS}]++)++"
WORD = re.compile(rf"[{_ALONE}]|{_LETTERS}(?:'{_LETTERS})*+|[^\w\s{_UNSEEN}]|_")
_NO_UTF8 = re.compile("[\udc80-\udcff]")
_TAG = re.compile(
    r"</?[a-z][a-z0-9]*(?:\s+[\w:-]+\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s\"'<>=]+))*\s*/?>", re.IGNORECASE
)


def words_of(text: str) -> list[str]:
    """The words of a text, in order, as the module's first lines say.

    >>> words_of("Don't!<br />看电影 at 9:30")
    ["don't", '!', '看', '电', '影', 'at', '9', ':', '30']
    """
    plain = _TAG.sub(" ", text) if "<" in text else text
    found: list[str] = WORD.findall(unicodedata.normalize("NFC", plain).replace("\u2019", "'").lower())
    return found


def not_utf8(text: str) -> str:
    """Why a text read with "surrogateescape" is no UTF-8, naming its first bad byte; "" where it is."""
    bad = _NO_UTF8.search(text)
    return f"its byte 0x{ord(bad[0]) - 0xDC00:02X} is no UTF-8" if bad else ""


def first_bad(text: str) -> int:
    """Where the first such byte stands, in characters; -1 for nowhere."""
    bad = _NO_UTF8.search(text)
    return bad.start() if bad else -1


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The words that have a number of their own: `words[i]` has i + 2, after `PADDING` and `UNKNOWN`.

    Attributes:
        words: Each once, the most frequent first.
    """

    words: tuple[str, ...]

    @classmethod
    def chosen(cls, words: Sequence[str], counts: NDArray[np.int64], most: int, *, n_texts: int) -> Vocabulary:
        """The `most` frequent of `words`, those of one frequency in the order of the alphabet.

        Args:
            words: Each once.
            counts: How often each occurs in the training texts, int64 (len(words),).
            most: How many at most.
            n_texts: How many training texts there are: from `FEW_TEXTS` on a word must occur twice.
        """
        least = 1 if n_texts < FEW_TEXTS else 2
        found = sorted((-int(n), word) for word, n in zip(words, counts, strict=True) if n >= least)
        return cls(tuple(word for _, word in found[:most]))

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The number of each word."""
        return {word: number for number, word in enumerate(self.words, UNKNOWN + 1)}

    @property
    def n_words(self) -> int:
        """How many word numbers there are, padding and unknown among them."""
        return len(self.words) + UNKNOWN + 1

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hexadecimal) over the words in their order."""
        return hashlib.sha256("\n".join(self.words).encode("utf-8", "surrogatepass")).hexdigest()

    def encode(self, words: Iterable[str]) -> NDArray[np.int32]:
        """The number of each word, `UNKNOWN` for one that has none: int32 (n,)."""
        return np.fromiter((self.numbers.get(word, UNKNOWN) for word in words), np.int32)

    def word(self, number: int) -> str:
        """The word of a number; "" for padding and for the unknown word."""
        return "" if number in (PADDING, UNKNOWN) else self.words[number - UNKNOWN - 1]
