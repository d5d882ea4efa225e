"""How a candidate is refactored: taken only if every test stays green and no measure gets worse."""

import json
from dataclasses import dataclass

from agents.ask import Question
from agents.lite import REFACTORING
from schemas.conformance import complexity, parse_source
from schemas.errors import UnusableAnswer
from schemas.lite import Green
from schemas.prose import sources_text
from schemas.stages import Measures
from schemas.verdict import Candidate, Status, Verdict
from services.judge import as_bytes
from services.sandbox import Job, Limits
from tasks.candidates import Assignment, judge_candidate, static_problems
from tasks.context import Work

MAX_LINT_BYTES = 32_000_000
SHOWN_FINDINGS = 20
_RUFF = ("/venv/bin/ruff", "check", "--isolated", "--no-cache", "--output-format=json", "--exit-zero")


@dataclass(frozen=True)
class Refactoring:
    """What came of it."""

    candidate: Candidate
    verdict: Verdict
    story: str
    before: Measures
    after: Measures


async def refactor(
    work: Work, assignment: Assignment, green: Green, *, clear: Measures | None = None
) -> Refactoring:
    """The better candidate, or the one that was there and why.

    With `clear`, code within it is left without a call, and other code is shown with the linter's findings.
    """
    findings = await lint(work, green.candidate)
    before = measures(green.candidate, findings)
    inputs = {
        "code": sources_text(green.candidate.files),
        "measures": f"lines {before.lines}, complexity {before.complexity}, lint {before.lint}",
        "findings": "\n".join(findings[:SHOWN_FINDINGS]) if clear else "",
    }

    def kept(story: str) -> Refactoring:
        return Refactoring(green.candidate, green.verdict, story, before, before)

    if clear and not before.worse_than(clear):
        return kept("kept as it was: clear already")
    question = Question(
        REFACTORING, assignment.subject, inputs, work.sample, complexity=assignment.complexity
    )
    try:
        files = await work.desk.ask_files(question)
    except UnusableAnswer as error:
        return kept(f"kept as it was: {error}")
    if not files or files == green.candidate.files:
        return kept("kept as it was: nothing to improve")
    problems = static_problems(files, assignment.contract, work.context.policy.allowlist)
    if problems:
        return kept(f"refused: {problems[0]}")
    candidate = Candidate(files=files)
    verdict = await judge_candidate(work, assignment, candidate)
    if verdict.status is not Status.PASSED:
        return kept(f"refused: {verdict.reason}")
    after = measures(candidate, await lint(work, candidate))
    if after.worse_than(before):
        return kept("refused: a measure got worse")
    return Refactoring(candidate, verdict, "taken: tests green, no measure worse", before, after)


async def lint(work: Work, candidate: Candidate) -> list[str]:
    """What the linter finds in a candidate, a line each; it runs in the sandbox."""
    outcome = await work.judge.sandbox.run(
        Job(
            argv=(*_RUFF, "--ignore-noqa", "."),
            code=as_bytes(candidate.files),
            environment=work.judge.environment,
            limits=Limits(output_bytes=MAX_LINT_BYTES),
        )
    )
    return [f"line {f['location']['row']}: {f['code']} {f['message']}" for f in json.loads(outcome.stdout)]


def measures(candidate: Candidate, findings: list[str]) -> Measures:
    """The measures of a candidate with what the linter found in it."""
    trees = [tree for tree, _ in map(parse_source, candidate.files) if tree]
    return Measures(
        lines=sum(f.text.count("\n") for f in candidate.files),
        complexity=max(map(complexity, trees), default=0),
        lint=len(findings),
    )
