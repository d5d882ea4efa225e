"""Vectors of texts: an offline one that compares words, and those of an OpenAI-compatible server."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from services.memory.served import ServedEmbedder
from services.memory.vectors import pack, unit
from services.settings import Settings

LEXICAL = "lexical-hash-v1"
DIMENSIONS = 1024
GRAMS = (3, 4, 5)
GRAM_WEIGHT = 0.5
ENDINGS = ("ingly", "edly", "ing", "ies", "ied", "ed", "es")
LONGEST = 20_000
"""Characters of a text that are looked at."""


class Embedder(Protocol):
    """What makes vectors; those of different names are never compared."""

    @property
    def name(self) -> str:
        """The name that its vectors are stored under."""

    @property
    def offline(self) -> bool:
        """Whether it needs no network, so that it may be used inside a transaction."""

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """A vector of length one for each text: 32-bit floats, little-endian.

        Raises:
            PhoenixError: no vectors can be had.
        """


def open_embedder(settings: Settings) -> Embedder:
    """The embedder that the settings name."""
    if settings.embedding_model == LEXICAL:
        return LexicalHash()
    return ServedEmbedder(settings)


class LexicalHash:
    """Signed hashing of words and parts of words (Weinberger et al., 2009). It knows no synonyms."""

    name = LEXICAL
    offline = True

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """A vector for each text."""
        return [lexical_vector(text) for text in texts]


def lexical_vector(text: str) -> bytes:
    """The text's vector; equal texts have equal vectors on every machine."""
    sums = [0.0] * DIMENSIONS
    for word, times in Counter(words_of(text[:LONGEST]) or [text[:LONGEST]]).items():
        for feature, weight in [(f"word {word}", 1.0), *((f"part {g}", GRAM_WEIGHT) for g in _grams(word))]:
            place, sign = _place(feature)
            sums[place] += sign * weight * times
    return pack(unit(sums))


def words_of(text: str) -> list[str]:
    """The stems of the words in a text, with camelCase and snake_case taken apart."""
    plain = unicodedata.normalize("NFKC", text)
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", plain)
    return [_stem(word.casefold()) for word in re.findall(r"[^\W_]+", apart)]


@lru_cache(maxsize=50_000)
def _stem(word: str) -> str:
    for ending in ENDINGS:
        kept = word.removesuffix(ending)
        if kept != word and len(kept) >= 3:
            return f"{kept}y" if ending in ("ies", "ied") else _undoubled(kept)
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word


def _undoubled(word: str) -> str:
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiousl" else word


def _grams(word: str) -> list[str]:
    around = f"<{word}>"
    return [around[n : n + size] for size in GRAMS for n in range(len(around) - size + 1)]


@lru_cache(maxsize=200_000)
def _place(feature: str) -> tuple[int, int]:
    number = int.from_bytes(
        hashlib.blake2b(feature.encode(errors="replace"), digest_size=8).digest(), "little"
    )
    return number % DIMENSIONS, 1 if number >> 63 else -1
