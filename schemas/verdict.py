"""Verdicts, and what they rest on."""

from enum import StrEnum
from typing import Literal

from schemas.base import Digest, SourceFile, Text, Value


class Status(StrEnum):
    """What a check said; not_run is never the same as passed."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not_run"


class Confinement(Value):
    """Where generated code ran, and what that place does not guarantee."""

    backend: str
    level: Literal["full", "reduced"]
    missing: tuple[str, ...]


class TestOutcome(Value):
    """What one test did."""

    __test__ = False

    id: str
    outcome: Literal["passed", "failed", "skipped"]
    phase: Literal["collect", "setup", "call", "teardown"]
    error: str
    """The exception's class name, or empty."""
    message: str
    """The assertion or error, without addresses, times and paths of a machine."""
    proves: tuple[str, ...]


class Verdict(Value):
    """What one check said about one subject, with its evidence."""

    subject: str
    status: Status
    level: Literal["reported", "verified", "tool"] = "reported"
    reason: str
    tests: tuple[TestOutcome, ...] = ()
    confinement: Confinement | None = None

    def failures(self) -> tuple[TestOutcome, ...]:
        """The tests that did not pass."""
        return tuple(test for test in self.tests if test.outcome != "passed")


class Suite(Value):
    """An item's tests, seen red on the stub."""

    files: tuple[SourceFile, ...]
    tests: tuple[str, ...]
    """The exact ids that a judge demands."""


class Candidate(Value):
    """An implementation, frozen by its digest."""

    files: tuple[SourceFile, ...]


class Severity(StrEnum):
    """How bad a finding is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Finding(Value):
    """Something that a security tool or rule objects to."""

    tool: str
    rule: str
    severity: Severity
    path: str
    line: int
    message: str


class Judgement(Value):
    """What the security analyst said about one finding."""

    finding: int
    accepted: bool
    reason: Text


class Manifest(Value):
    """What a release was made from: content digests only, so that equal answers give equal trees."""

    format: Literal[1] = 1
    project: str
    version: str
    brief: Digest
    srs: Digest
    contract: Digest
    suite: Digest
    candidate: Digest
    files: dict[str, Digest]
    """The sha-256 of every other file in the tree."""
    claims: dict[str, tuple[str, ...]]
    """Acceptance criterion to the tests that are marked with it and passed."""
