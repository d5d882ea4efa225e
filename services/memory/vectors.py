"""Vectors as bytes: 32-bit floats, little-endian."""

import math
import sys
from array import array
from collections.abc import Iterable, Sequence


def unit(values: Iterable[float]) -> list[float]:
    """The vector of length one in the same direction; the zero vector stays."""
    listed = list(values)
    length = math.sqrt(math.fsum(v * v for v in listed))
    return [v / length for v in listed] if length else listed


def pack(values: Iterable[float]) -> bytes:
    """The bytes of a vector."""
    packed = array("f", values)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def similarities(vector: bytes, others: Sequence[bytes]) -> list[int]:
    """The cosine similarities of vectors of length one, in thousandths."""
    import numpy

    if not others:
        return []
    matrix = numpy.frombuffer(b"".join(others), dtype="<f4").reshape(len(others), -1)
    products = matrix @ numpy.frombuffer(vector, dtype="<f4")
    return [max(-1000, min(1000, round(float(p) * 1000))) for p in products]
