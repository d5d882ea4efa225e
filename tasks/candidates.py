"""How a candidate is written: by the implementation agent, until every test is green."""

from dataclasses import dataclass

from agents.ask import Question
from agents.lite import IMPLEMENTATION
from schemas.base import SourceFile
from schemas.conformance import contract_problems, import_problems, root_import_problems
from schemas.contract import Contract
from schemas.failure import Cause
from schemas.lite import Green
from schemas.prose import sources_text
from schemas.render import rendered_files
from schemas.srs import SRS
from schemas.verdict import Candidate, Status, Suite, Verdict
from tasks.context import Work
from tasks.stage import failed
from tasks.suites import contracts_text

SHOWN_FAILURES = 12


@dataclass(frozen=True)
class Assignment:
    """A module to be written: its contract, its tests, and what it stands on."""

    subject: str
    """The work item's id, or 'run'."""
    contract: Contract
    suite: Suite
    srs: SRS | None = None
    """The requirements that the module serves; None where the contract says it all."""
    needs: tuple[Contract, ...] = ()
    """The contracts that the agent is shown."""
    contracts_below: tuple[Contract, ...] = ()
    code_below: tuple[SourceFile, ...] = ()
    """Accepted code of everything that the module builds on."""
    complexity: int | None = None
    """The work item's complexity."""

    def tree(self, candidate: Candidate) -> tuple[SourceFile, ...]:
        """The package with a candidate in its place."""
        rendered = rendered_files(*self.contracts_below, self.contract)
        return (*rendered, *self.code_below, *candidate.files)


async def write_candidate(
    work: Work, assignment: Assignment, attempts: int, feedback: str, hints: str = ""
) -> Green:
    """The first candidate that passes; each attempt is shown the failures of the one before.

    Raises:
        StageFailed: no candidate passed in the attempts that are allowed.
    """
    previous, failures = "", feedback
    seen: dict[str, Verdict | None] = {}
    problems: list[str] = ["no attempt was allowed"]
    for attempt in range(1, attempts + 1):
        question = _question(work, assignment, previous, failures, attempt, hints)
        files = await work.desk.ask_files(question)
        problems = static_problems(files, assignment.contract, work.context.policy.allowlist)
        previous = "\n".join(f.text for f in files)
        candidate = Candidate(files=files)
        if candidate.digest() in seen:
            problems = [f"attempt {attempt} repeats an earlier candidate", *failures.splitlines()]
            break
        seen[candidate.digest()] = None
        if not problems:
            verdict = await judge_candidate(work, assignment, candidate)
            if verdict.status is Status.PASSED:
                return Green(candidate=candidate, verdict=verdict, attempts=attempt)
            seen[candidate.digest()] = verdict
            problems = failure_lines(verdict)
        failures = "\n".join(problems)
    cause = _suspect(list(seen.values()))
    raise failed(work, cause, f"no candidate passed in {len(seen)} attempt(s): {problems[0]}", problems)


def _question(
    work: Work, assignment: Assignment, previous: str, failures: str, attempt: int, hints: str
) -> Question:
    inputs = {
        "contract": assignment.contract.model_dump_json(),
        "srs": assignment.srs.model_dump_json() if assignment.srs else "",
        "needs": contracts_text(assignment.needs),
        "tests": sources_text(assignment.suite.files),
        "previous": previous,
        "failures": failures,
    }
    return Question(
        IMPLEMENTATION,
        assignment.subject,
        inputs,
        work.sample,
        complexity=assignment.complexity,
        attempt=attempt,
        hints=hints,
    )


def static_problems(
    files: tuple[SourceFile, ...], contract: Contract, allowlist: tuple[str, ...]
) -> list[str]:
    """What is wrong with a candidate before it runs."""
    if [f.path for f in files] != [contract.module_path()]:
        found = ", ".join(f.path for f in files) or "nothing"
        return [f"return exactly one file, {contract.module_path()}; found {found}"]
    return [
        *contract_problems(contract, files[0]),
        *import_problems(files[0], contract.package, allowlist),
        *root_import_problems(files[0], contract.package),
    ]


async def judge_candidate(work: Work, assignment: Assignment, candidate: Candidate) -> Verdict:
    """The verdict of the suite on a candidate."""
    suite = assignment.suite
    return await work.judge.judge("candidate", assignment.tree(candidate), suite.files, suite.tests)


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
