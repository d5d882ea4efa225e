"""IMPLEMENT_AND_FIX: a candidate for which every test is green."""

from agents.ask import Question
from agents.lite import IMPLEMENTATION
from schemas.base import SourceFile
from schemas.conformance import contract_problems, import_problems
from schemas.contract import Contract
from schemas.failure import Cause, Notes, notes_text
from schemas.lite import Green, Plan
from schemas.policy import Tier
from schemas.prose import sources_text
from schemas.render import rendered_files
from schemas.stateflow import State
from schemas.verdict import Candidate, Status, Verdict
from tasks.context import Work
from tasks.stage import failed, stage

STANDARD_ATTEMPTS = 2
"""Attempts on the agent's own tier before it rises."""
SHOWN_FAILURES = 12


@stage(State.IMPLEMENT_AND_FIX, agents=(IMPLEMENTATION,), tools=True)
async def implement_and_fix(work: Work, *, plan: Plan, attempts: int, feedback: Notes) -> Green:
    """Write the bodies; show the failures to the next attempt."""
    previous, failures = "", notes_text(feedback)
    seen: dict[str, Verdict | None] = {}
    problems: list[str] = ["no attempt was allowed"]
    for attempt in range(1, attempts + 1):
        files = await work.desk.ask_files(_question(work, plan, previous, failures, attempt))
        problems = static_problems(files, plan.contract, work.context.policy.allowlist)
        previous = "\n".join(f.text for f in files)
        candidate = Candidate(files=files)
        if candidate.digest() in seen:
            problems = [f"attempt {attempt} repeats an earlier candidate", *failures.splitlines()]
            break
        seen[candidate.digest()] = None
        if not problems:
            verdict = await judge_candidate(work, plan, candidate)
            if verdict.status is Status.PASSED:
                return Green(candidate=candidate, verdict=verdict, attempts=attempt)
            seen[candidate.digest()] = verdict
            problems = failure_lines(verdict)
        failures = "\n".join(problems)
    cause = _suspect(list(seen.values()))
    raise failed(work, cause, f"no candidate passed in {len(seen)} attempt(s): {problems[0]}", problems)


def _question(work: Work, plan: Plan, previous: str, failures: str, attempt: int) -> Question:
    inputs = {
        "contract": plan.contract.model_dump_json(),
        "tests": sources_text(plan.suite.files),
        "previous": previous,
        "failures": failures,
    }
    tier = IMPLEMENTATION.tier if attempt <= STANDARD_ATTEMPTS else Tier.STRONG
    return Question(IMPLEMENTATION, "run", inputs, work.sample, tier)


def static_problems(
    files: tuple[SourceFile, ...], contract: Contract, allowlist: tuple[str, ...]
) -> list[str]:
    """What is wrong with a candidate before it runs."""
    if [f.path for f in files] != [contract.module_path()]:
        found = ", ".join(f.path for f in files) or "nothing"
        return [f"return exactly one file, {contract.module_path()}; found {found}"]
    return contract_problems(contract, files[0]) + import_problems(files[0], contract.package, allowlist)


async def judge_candidate(work: Work, plan: Plan, candidate: Candidate) -> Verdict:
    """The verdict of the plan's suite on a candidate."""
    code = (*rendered_files(plan.contract), *candidate.files)
    return await work.judge.judge("candidate", code, plan.suite.files, plan.suite.tests)


def failure_lines(verdict: Verdict) -> list[str]:
    """The failures of a verdict as an agent reads them."""
    bad = verdict.failures()
    lines = [f"{t.id} [{', '.join(t.proves)}]: {t.error}: {t.message}" for t in bad[:SHOWN_FAILURES]]
    more = len(bad) - len(lines)
    return [verdict.reason, *lines, *([f"and {more} more failures"] if more > 0 else [])]


def _suspect(verdicts: list[Verdict | None]) -> Cause:
    """The tests are suspected when the last candidates failed the same few of many."""
    failing = [frozenset(t.id for t in v.failures()) for v in verdicts if v is not None]
    total = max((len(v.tests) for v in verdicts if v is not None), default=0)
    if len(failing) >= 2 and failing[-1] == failing[-2] and 0 < len(failing[-1]) * 4 <= total:
        return Cause.BAD_TEST
    return Cause.BAD_CODE
