"""What a log of the observed command says about its bill: which calls were made, made again, paid again."""

import itertools
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

PRICE = (Decimal("0.000001"), Decimal("0.000004"))
"""Of one token in and out: what the rehearsal pretends to cost, as its bill would say."""


@dataclass
class Ask:
    """One question that the provider got."""

    life: int
    at: float
    end: str = "cut off"
    """'refused' (a 429 or 500), 'answered', or 'cut off'."""
    settled: bool = False
    """Whether its answer is known to have been committed."""


@dataclass
class Tally:
    """The provider's side of a build, life by life."""

    asks: dict[str, list[Ask]] = field(default_factory=lambda: defaultdict(list))
    tokens: dict[str, tuple[int, int]] = field(default_factory=dict)
    struck: list[tuple[str, str]] = field(default_factory=list)
    """The kinds of durable writes at which the plug was pulled, each with 'before' or 'after'."""
    writes: list[str] = field(default_factory=list)
    first_calls: dict[int, float] = field(default_factory=dict)
    """By life: when its first new call was made."""
    modules: list[str] = field(default_factory=list)

    def completed_and_paid_again(self, answered_at: dict[str, float]) -> list[str]:
        """Questions that were asked although their answers were known, or twice without any cut between."""
        wrong = []
        for digest, asks in self.asks.items():
            known = answered_at.get(digest)
            for before, ask in _pairs(asks):
                kept = before.settled or (known is not None and ask.at > known)
                if kept or (before.end == "answered" and before.life == ask.life):
                    wrong.append(digest)
        return wrong

    def cut_off(self) -> int:
        """Calls that were in flight, or answered and not recorded, when their life ended."""
        return sum(ask.end != "refused" and not ask.settled for asks in self.asks.values() for ask in asks)

    def made_again(self) -> int:
        """Calls that followed on one that was cut off."""
        return sum(1 for asks in self.asks.values() for _ in _pairs(asks))

    def bill(self) -> Decimal:
        """What a provider would charge that charges also for what was cut off."""
        total = Decimal(0)
        for digest, asks in self.asks.items():
            spent = zip(PRICE, self.tokens.get(digest, (0, 0)), strict=True)
            total += sum(p * n for p, n in spent) * sum(a.end != "refused" for a in asks)
        return total


def _pairs(asks: list[Ask]) -> Iterable[tuple[Ask, Ask]]:
    """Each call that was really made, with the one before it."""
    made = [ask for ask in asks if ask.end != "refused"]
    return itertools.pairwise(made)


def read(log: Path) -> Tally:
    """The log as the observed processes left it."""
    tally, life, open_asks = Tally(), -1, dict[str, Ask]()
    for text in log.read_text().splitlines():
        line: dict[str, Any] = json.loads(text)
        what, digest = line["what"], line.get("digest", "")
        if what == "began":
            life, open_asks = life + 1, {}
        elif what == "first":
            tally.first_calls[life] = line["t"]
            tally.modules = line["modules"] or tally.modules
        elif what == "asked":
            open_asks[digest] = Ask(life, line["t"])
            tally.asks[digest].append(open_asks[digest])
        elif what == "fault":
            open_asks[digest].end = "refused"
        elif what == "answered":
            open_asks[digest].end = "answered"
            tally.tokens[digest] = tuple(line["tokens"])
        elif what == "settled":
            open_asks[digest].settled = True
        elif what == "write":
            tally.writes.append(line["kind"])
        elif what == "struck":
            tally.struck.append((line["kind"], line["side"]))
    return tally
