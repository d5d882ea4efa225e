"""What each stage of the Lite path answers."""

from typing import Any, Literal

from schemas.base import Digest, SourceFile, Value
from schemas.contract import Contract
from schemas.failure import Cause
from schemas.srs import SRS
from schemas.stateflow import State
from schemas.verdict import Candidate, Finding, Judgement, Status, Suite, Verdict


class StageAnswer(Value):
    """A stage's answer; its outcome names the transition that leaves the state."""

    outcome: Any


class Intake(StageAnswer):
    """A brief that was taken in."""

    outcome: Literal["ready"] = "ready"
    words: int
    sentences: int
    features: int


class Triage(StageAnswer):
    """The path that a brief takes, and why."""

    outcome: Literal["lite", "full", "unclear"]
    size: int | None
    """None when the user chose the path."""
    decided_by: Literal["user", "rules", "model"]
    reasons: tuple[str, ...]
    questions: tuple[str, ...] = ()


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


class Measures(Value):
    """How readable a module is."""

    lines: int
    complexity: int
    """The largest cyclomatic complexity of a function."""
    lint: int
    """Findings of the linter."""

    def worse_than(self, other: "Measures") -> bool:
        """Whether any measure got worse; up to a tenth more lines is not."""
        return (
            self.complexity > other.complexity
            or self.lint > other.lint
            or self.lines > other.lines * 11 // 10
        )


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


class SecurityAudit(StageAnswer):
    """What the security tools found, and what was accepted."""

    outcome: Literal["safe"] = "safe"
    verdicts: tuple[Verdict, ...]
    findings: tuple[Finding, ...]
    judgements: tuple[Judgement, ...]


class Build(StageAnswer):
    """A tree that builds, installs and passes its tests as an installed wheel."""

    outcome: Literal["built"] = "built"
    files: tuple[SourceFile, ...]
    wheel: str
    verdict: Verdict


class Trace(Value):
    """One line of the traceability matrix."""

    requirement: str
    criterion: str
    text: str
    tests: tuple[str, ...]
    claimed: Status
    shown: Status
    """Whether a mutant of the code was killed by these tests; not run in this version."""


class Review(StageAnswer):
    """The evidence that every criterion is met."""

    outcome: Literal["proven"] = "proven"
    matrix: tuple[Trace, ...]


class ReleaseTree(StageAnswer):
    """The complete tree of a release, and its digest."""

    outcome: Literal["rendered"] = "rendered"
    files: tuple[SourceFile, ...]
    digest_of_tree: Digest
    checks: tuple[Verdict, ...]


class Diagnosis(StageAnswer):
    """A failure's cause, and where the run goes."""

    outcome: Literal["repair", "halt"]
    cause: Cause
    target: State | None
    reason: str
