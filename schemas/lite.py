"""What the stages of the Lite path answer."""

from typing import Literal

from schemas.base import SourceFile
from schemas.contract import Contract
from schemas.srs import SRS
from schemas.stages import Measures, StageAnswer
from schemas.verdict import Candidate, Suite, Verdict


class Plan(StageAnswer):
    """What is to be built, and tests that have been seen to fail without it."""

    outcome: Literal["red"] = "red"
    srs: SRS
    contract: Contract
    suite: Suite
    verdict: Verdict
    """The suite's verdict on the stub: every test failed for the right reason."""


class Green(StageAnswer):
    """A candidate that passes the suite."""

    outcome: Literal["green"] = "green"
    candidate: Candidate
    verdict: Verdict
    attempts: int


class Polished(StageAnswer):
    """The candidate after refactoring, and its README."""

    outcome: Literal["done"] = "done"
    candidate: Candidate
    readme: SourceFile
    refactoring: str
    """What came of the refactoring, in one line."""
    before: Measures
    after: Measures
    verdict: Verdict
    examples: Verdict
    """The README's examples, run."""
