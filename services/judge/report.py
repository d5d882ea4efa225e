"""What the driver reported, read with suspicion, and the verdict that follows from it."""

import json
from dataclasses import dataclass, field
from typing import Any

from schemas.verdict import Confinement, Status, TestOutcome, Verdict
from services.judge.layout import CANARY_ID
from services.sandbox import Outcome

RED = frozenset({"NotImplementedError", "AssertionError", "Failed"})
"""Errors that make a test red on the stub for the right reason."""

NOT_RUN = "NotRun"
"""The error of a demanded test of which the session said nothing."""


@dataclass
class Report:
    """The lines that the driver wrote, read with suspicion."""

    proves: dict[str, tuple[str, ...]] = field(default_factory=dict)
    outcomes: dict[str, list[TestOutcome]] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    drawn: dict[str, tuple[int, bool]] = field(default_factory=dict)
    """Property to how many inputs were drawn for it, and whether there are no others."""
    collect_errors: list[tuple[str, str]] = field(default_factory=list)
    ended: int | None = None
    trouble: str = ""

    @classmethod
    def read(cls, outcome: Outcome) -> "Report":
        """The report of a sandbox outcome; `trouble` says why it cannot be trusted, if so."""
        why = ", ".join(outcome.limits_hit) or f"exit code {outcome.exit_code}"
        report = cls.of(outcome.collected.get("report.jsonl", b""), why)
        if report.ended is not None and (outcome.exit_code != 0 or outcome.limits_hit):
            report.trouble = f"the session ended oddly: {outcome.limits_hit or outcome.exit_code}"
        return report

    @classmethod
    def of(cls, lines: bytes, why: str) -> "Report":
        """The report in the lines; `why` is what is said of a session that has no end in them."""
        report = cls()
        for line in lines.decode(errors="replace").splitlines():
            try:
                report._take(json.loads(line))
            except (ValueError, TypeError, KeyError):
                report.trouble = "the report holds a line that the judge did not write"
        if report.ended is None:
            last = report.started[-1] if report.started else "collection"
            report.trouble = f"the session ended early in {last} ({why})"
        return report

    def _take(self, entry: dict[str, Any]) -> None:
        kind, test = entry["kind"], entry.get("id", "")
        if kind == "collected":
            self.proves[test] = tuple(entry["proves"])
        elif kind == "collect_error":
            self.collect_errors.append((test, entry["message"]))
        elif kind == "started":
            self.started.append(test)
        elif kind == "drawn":
            self.drawn[test] = int(entry["cases"]), bool(entry["every"])
        elif kind == "ended":
            self.ended = int(entry["code"])
        elif kind == "outcome":
            known = {k: entry[k] for k in ("id", "outcome", "phase", "error", "message")}
            self.outcomes.setdefault(test, []).append(TestOutcome(**known, proves=self.proves.get(test, ())))

    def outcome_of(self, test: str) -> TestOutcome:
        """The demanded test's outcome; one that never ran, or has an odd number of them, has failed."""
        found = self.outcomes.get(test, [])
        bad = [o for o in found if o.outcome != "passed"]
        if len(found) == 1 or bad:
            return (bad or found)[0]
        message = "; ".join(m for _, m in self.collect_errors) or self.trouble or "the test did not run"
        return TestOutcome(
            id=test, outcome="failed", phase="collect", error=NOT_RUN, message=message,
            proves=self.proves.get(test, ()),
        )  # fmt: skip


def verdict_of(subject: str, report: Report, wanted: tuple[str, ...], confinement: Confinement) -> Verdict:
    """The verdict of exactly the demanded tests, and of the canary beside them."""
    results = tuple(report.outcome_of(test) for test in wanted)
    bad = sum(t.outcome != "passed" for t in results)
    counted = f"{bad} of {len(results)} tests failed" if bad else f"{len(results)} tests passed"
    problem = _problem(report, results)
    return Verdict(
        subject=subject,
        status=Status.FAILED if problem or bad or not results else Status.PASSED,
        reason=problem or counted,
        tests=results,
        confinement=confinement,
    )


def _problem(report: Report, results: tuple[TestOutcome, ...]) -> str:
    if report.trouble:
        return report.trouble
    if report.outcome_of(CANARY_ID).outcome != "failed" or CANARY_ID not in report.outcomes:
        return "the canary test, which must fail, did not"
    strangers = set(report.outcomes) - {t.id for t in results} - {CANARY_ID}
    return f"tests ran that nobody asked for: {', '.join(sorted(strangers))}" if strangers else ""


def red_problems(verdict: Verdict) -> tuple[str, ...]:
    """Why tests are not red on the stub for the right reason, a line each."""
    lines = []
    for test in verdict.tests:
        if test.outcome == "passed":
            lines.append(f"{test.id}: passes on the stub, so it shows nothing about the code to be written")
        elif test.outcome == "skipped":
            lines.append(f"{test.id}: is skipped or expected to fail; neither is allowed")
        elif test.error not in RED:
            lines.append(f"{test.id}: fails for a wrong reason: {test.error or test.phase}: {test.message}")
    return tuple(lines)
