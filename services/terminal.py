"""The terminal: what a person sees of a run, and what they answer at a gate."""

import asyncio
import sys
from dataclasses import dataclass

from schemas.events import Decision

_WORDS: dict[str, Decision] = {
    "a": "approve",
    "approve": "approve",
    "v": "revise",
    "revise": "revise",
    "r": "reject",
    "reject": "reject",
}


@dataclass(frozen=True)
class Answer:
    """A decision given at a gate."""

    decision: Decision
    comment: str


async def ask(shown: str) -> Answer | None:
    """The decision of the person at the terminal; None when nobody is there."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    return await asyncio.to_thread(_ask, shown)


def _ask(shown: str) -> Answer | None:
    sys.stderr.write(f"\n{shown}\n\n")
    try:
        while True:
            word = _read("approve, revise or reject? ").lower()
            if word not in _WORDS:
                continue
            decision = _WORDS[word]
            comment = "" if decision == "approve" else _read("what should change, or why? ")
            if decision != "revise" or comment:
                return Answer(decision, comment)
    except EOFError:
        return None


def _read(prompt: str) -> str:
    sys.stderr.write(prompt)
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.strip()
