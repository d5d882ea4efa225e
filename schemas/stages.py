"""What the stages that both paths share answer."""

from typing import Any, Literal

from schemas.base import Digest, SourceFile, Text, Value
from schemas.contract import Contract
from schemas.failure import Route, Strategy
from schemas.specification import Specification
from schemas.srs import SRS
from schemas.verdict import Finding, Judgement, Status, Suite, Verdict


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
    """Whether a mutant of the code was killed by these tests."""


class Review(StageAnswer):
    """The evidence that every criterion is met."""

    outcome: Literal["proven"] = "proven"
    matrix: tuple[Trace, ...]
    summary: Text = ""
    """The reviewer's words; empty on the Lite path."""
    risks: tuple[Text, ...] = ()


class ReleaseTree(StageAnswer):
    """The complete tree of a release, and its digest."""

    outcome: Literal["rendered"] = "rendered"
    files: tuple[SourceFile, ...]
    digest_of_tree: Digest
    checks: tuple[Verdict, ...]


class Diagnosis(StageAnswer):
    """Where the failures of a visit go: each has its route, the run has one outcome."""

    outcome: Literal["repair", "rethink", "halt"]
    routes: tuple[Route, ...]
    reason: str


class Rethought(StageAnswer):
    """A strategy that was not tried before, or that there is none."""

    outcome: Literal["replan", "regenerate", "exhausted"]
    strategy: Strategy | None
    reason: str


class Checked(StageAnswer):
    """A check of the whole tree that passed."""

    outcome: Literal["passed"] = "passed"
    verdicts: tuple[Verdict, ...]


class Assembly(Value):
    """Everything that a release is made of, before it is built."""

    srs: Specification | SRS
    contracts: tuple[Contract, ...]
    suite: Suite
    code: tuple[SourceFile, ...]
    """Everything below src/, rendered and written."""
    readme: SourceFile
    killed: dict[str, tuple[str, ...]]
    """Test to the mutants that it killed; empty when no mutant was made."""

    @property
    def package(self) -> str:
        """The package's name."""
        return self.contracts[0].package
