"""How a suite is written: by the test engineer, collected, and seen red on the stub."""

import re
from dataclasses import dataclass

from agents.ask import Question
from agents.lite import TEST_ENGINEER
from schemas.base import SourceFile, canonical_json
from schemas.conformance import TEST_TOOLS, import_problems
from schemas.contract import Contract
from schemas.failure import Cause
from schemas.render import stub_files
from schemas.srs import SRS
from schemas.verdict import Suite, Verdict
from services.judge import Collection, red_problems
from tasks.context import Work
from tasks.stage import failed

ROUNDS = 3


@dataclass(frozen=True)
class Target:
    """What tests are written for."""

    subject: str
    """The work item's id, or 'run'."""
    srs: SRS
    contract: Contract
    needs: tuple[Contract, ...] = ()
    """What the module builds on; the tests see their stubs."""
    path: str | None = None
    """The one file to write; None leaves names and number to the agent."""
    complexity: int | None = None
    """The work item's complexity."""


async def write_suite(work: Work, target: Target, feedback: str, hints: str = "") -> tuple[Suite, Verdict]:
    """Tests that claim every criterion and fail on the stub, and their verdict there.

    Raises:
        StageFailed: no usable tests came in the rounds that are allowed.
    """
    stub = stub_files(*target.needs, target.contract)
    inputs = {
        "srs": target.srs.model_dump_json(),
        "contract": target.contract.model_dump_json(),
        "needs": contracts_text(target.needs),
    }
    problems: list[str] = []
    written: tuple[SourceFile, ...] = ()
    for attempt in range(1, ROUNDS + 1):
        told = _retry_text(problems, written) or feedback
        question = Question(
            TEST_ENGINEER,
            target.subject,
            {**inputs, "feedback": told},
            work.sample,
            complexity=target.complexity,
            attempt=attempt,
            hints=hints,
        )
        written = await work.desk.ask_files(question)
        problems = static_test_problems(written, target.contract, target.path)
        if problems:
            continue
        found, verdict = await work.judge.first_run("stub", stub, written)
        problems = collection_problems(found, target.srs.criterion_ids()) or list(red_problems(verdict))
        if not problems:
            files = tuple(sorted(written, key=lambda f: f.path))
            return Suite(files=files, tests=tuple(sorted(found.proves))), verdict
    raise failed(work, Cause.BAD_TEST, f"no usable tests after {ROUNDS} tries: {problems[0]}", problems)


def contracts_text(contracts: tuple[Contract, ...]) -> str:
    """Contracts as a declared input; empty when there are none."""
    return canonical_json(contracts).decode() if contracts else ""


def static_test_problems(
    files: tuple[SourceFile, ...], contract: Contract, path: str | None = None
) -> list[str]:
    """What is wrong with test files before anything runs."""
    if not files:
        return ["no test file was given"]
    if path and [f.path for f in files] != [path]:
        return [f"return exactly one file, {path}; found {', '.join(f.path for f in files)}"]
    strays = [f.path for f in files if not re.fullmatch(r"tests/test_[a-z0-9_]+\.py", f.path)]
    problems = [f"{path}: tests are files such as tests/test_name.py" for path in strays]
    problems += [p for f in files for p in import_problems(f, contract.package, TEST_TOOLS)]
    reserved = [f.path for f in files if f.path.endswith("test_canary_must_fail.py")]
    return problems + [f"{path}: this name is reserved" for path in reserved]


def collection_problems(found: Collection, criteria: tuple[str, ...]) -> list[str]:
    """What is wrong with a suite once pytest has collected it."""
    problems = [f"cannot be collected: {error}" for error in found.errors]
    if found.trouble:
        problems.append(found.trouble)
    if problems:
        return problems
    if not found.proves:
        return ["pytest found no test"]
    claimed = {c for claims in found.proves.values() for c in claims}
    problems += [f"no test claims {c}" for c in criteria if c not in claimed]
    return problems + [f"{c} is claimed but is not a criterion" for c in sorted(claimed - set(criteria))]


def bullets(problems: list[str]) -> str:
    """Problems as an agent reads them; empty when there are none."""
    return "Problems of your last answer:\n" + "\n".join(f"- {p}" for p in problems[:20]) if problems else ""


def _retry_text(problems: list[str], written: tuple[SourceFile, ...]) -> str:
    if not problems:
        return ""
    files = "\n".join(f'<file path="{f.path}">\n{f.text}</file>' for f in written)
    return f"{bullets(problems)}\n\nYour last answer, to be corrected and returned whole:\n{files}"
