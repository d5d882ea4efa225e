"""What the stages of the full path answer."""

from typing import Literal

from schemas.audit import Audit
from schemas.base import SourceFile, Text, Value
from schemas.blueprint import Blueprint
from schemas.specification import Specification
from schemas.stages import Measures, StageAnswer
from schemas.verdict import Candidate, Suite, Verdict
from schemas.wbs import WBS

UNAUDITED = Audit(properties=(), unaudited="it was accepted before there were audits")


class Specified(StageAnswer):
    """A specification that takes up every statement of the brief."""

    outcome: Literal["specified"] = "specified"
    specification: Specification
    statements: tuple[str, ...]


class Analysed(StageAnswer):
    """The blueprint, or the issues for which the specification goes back."""

    outcome: Literal["sound", "unsound"]
    blueprint: Blueprint


class Estimate(Value):
    """What the rest of the run will take, from the least to the most that the policy allows."""

    calls: tuple[int, int]
    input_tokens: tuple[int, int]
    output_tokens: tuple[int, int]


class Planned(StageAnswer):
    """The work with its contracts, or what the specification lacks."""

    outcome: Literal["planned", "gap"]
    wbs: WBS
    estimate: Estimate
    gaps: tuple[Text, ...] = ()


class Red(StageAnswer):
    """An item's suite, seen failing on the stub."""

    outcome: Literal["red"] = "red"
    suite: Suite
    verdict: Verdict


class Mutant(Value):
    """A small change of the code, and the tests that noticed it."""

    id: str
    path: str
    line: int
    change: str
    """What was changed into what."""
    killed_by: tuple[str, ...]


class Held(StageAnswer):
    """How the suite stood up to the stub and to mutants of the candidate."""

    outcome: Literal["held"] = "held"
    mutants: tuple[Mutant, ...]
    verdict: Verdict
    audit: Audit = UNAUDITED

    def score(self) -> str | None:
        """Killed over made, such as '7/8'; None when no mutant could be made."""
        killed = sum(bool(m.killed_by) for m in self.mutants)
        return f"{killed}/{len(self.mutants)}" if self.mutants else None


class Refactored(StageAnswer):
    """The candidate after refactoring."""

    outcome: Literal["done"] = "done"
    candidate: Candidate
    refactoring: str
    """What came of it, in one line."""
    before: Measures
    after: Measures
    verdict: Verdict


class ItemDone(Value):
    """An accepted item: what later stages need of it."""

    id: str
    title: str
    key: str
    suite: Suite
    candidate: Candidate
    attempts: int
    mutants: tuple[Mutant, ...]
    verdict: Verdict
    refactoring: str
    audit: Audit = UNAUDITED

    def mutation_score(self) -> float | None:
        """The share of mutants that the suite noticed; None when there are none."""
        killed = sum(bool(m.killed_by) for m in self.mutants)
        return round(killed / len(self.mutants), 2) if self.mutants else None


class Integrated(StageAnswer):
    """Tests across the edges of the dependency graph, and which edges they were seen to cross."""

    outcome: Literal["passed"] = "passed"
    suite: Suite
    verdict: Verdict
    edges: tuple[Mutant, ...]
    """One for each edge: the item below was made a stub, and these tests noticed it."""


class Documented(Value):
    """Files that are written last, each checked by a tool."""

    files: tuple[SourceFile, ...]
    checks: tuple[Verdict, ...]
