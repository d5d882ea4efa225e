"""The rehearsal's larger project as a graph: items in layers, whose functions call those just below."""

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache

from services.models.formulas import Formula

MODULUS = 1000
SMALL = 10


@dataclass(frozen=True)
class Graph:
    """Which item builds on which, and what its function computes: the same for the same three numbers."""

    seed: int
    items: int
    layers: int

    def indexes(self) -> range:
        """The items' numbers."""
        return range(1, self.items + 1)

    def depth(self) -> int:
        """How many layers there are."""
        return min(self.layers, self.items)

    def layer(self, index: int) -> int:
        """The layer of an item, from 0."""
        return (index - 1) * self.depth() // self.items

    def members(self, layer: int) -> range:
        """The items of a layer."""
        first, last = (-(-k * self.items // self.depth()) for k in (layer, layer + 1))
        return range(first + 1, last + 1)

    def needs(self, index: int) -> tuple[int, ...]:
        """The one or two items that an item builds on; none for the lowest layer."""
        layer = self.layer(index)
        if layer == 0:
            return ()
        below = self.members(layer - 1)
        about = f"{self.seed}|{self.items}|{self.layers}|{index}"
        first, second = hashlib.sha256(about.encode()).digest()[:2]
        return tuple(sorted({below[first % len(below)], below[second % len(below)]}))

    def text(self, index: int) -> str:
        """What an item's function returns, as a Python expression of `value`."""
        own, needs = Formula(index).text(), self.needs(index)
        if not needs:
            return own
        calls = " + ".join(f"f_{needed}(value % {SMALL})" for needed in needs)
        return f"({own} + {calls}) % {MODULUS}"

    def at(self, index: int, value: int) -> int:
        """What an item's function returns for a value."""
        return _result(self, index, value)


@lru_cache(maxsize=10_000)
def _result(graph: Graph, index: int, value: int) -> int:
    own, needs = Formula(index).at(value), graph.needs(index)
    if not needs:
        return own
    return (own + sum(_result(graph, needed, value % SMALL) for needed in needs)) % MODULUS


def module_of(index: int) -> str:
    """The module that an item makes."""
    return f"m_{index}"


def item_of(module: str) -> int:
    """The item that makes a module; 0 when the module is none of the larger project."""
    match = re.fullmatch(r"m_([1-9]\d*)", module)
    return int(match.group(1)) if match else 0
