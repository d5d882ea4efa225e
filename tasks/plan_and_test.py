"""PLAN_AND_TEST: a short specification, a contract, and tests that are red on the stub."""

import re
from collections.abc import Mapping

from agents.ask import Question
from agents.lite import PLANNER, TEST_ENGINEER
from schemas.answers import PlanAnswer
from schemas.base import SourceFile
from schemas.brief import Brief
from schemas.conformance import TEST_TOOLS, import_problems, parse_source
from schemas.contract import Contract
from schemas.failure import Cause, Notes, notes_text
from schemas.lite import Plan
from schemas.render import render_stub, rendered_files
from schemas.stateflow import State
from schemas.verdict import Suite, Verdict
from services.judge import Collection, red_problems
from tasks.context import Work
from tasks.stage import failed, stage

ROUNDS = 3
_PROBE = SourceFile(path="tests/test_import.py", text="")


@stage(State.PLAN_AND_TEST, agents=(PLANNER, TEST_ENGINEER), tools=True)
async def plan_and_test(work: Work, *, brief: Brief, feedback: Notes) -> Plan:
    """Plan the module and write tests that fail without it."""
    answer = await _plan(work, brief, notes_text(feedback, Cause.BAD_SPEC))
    suite, verdict = await _tests(work, answer, notes_text(feedback))
    return Plan(srs=answer.srs, contract=answer.contract, suite=suite, verdict=verdict)


async def _plan(work: Work, brief: Brief, feedback: str) -> PlanAnswer:
    problems: list[str] = []
    for _ in range(ROUNDS):
        told = "\n\n".join(part for part in (feedback, _bullets(problems)) if part)
        question = Question(PLANNER, "run", {"brief": brief.text, "feedback": told}, work.sample)
        answer = await work.desk.ask_json(question, PlanAnswer)
        problems = await plan_problems(work, answer.contract)
        if not problems:
            return answer
    raise failed(work, Cause.BAD_SPEC, f"no usable contract after {ROUNDS} tries: {problems[0]}", problems)


async def plan_problems(work: Work, contract: Contract) -> list[str]:
    """Why a contract cannot be worked with: it must parse, import only what is allowed, and import itself."""
    files = stub_files(contract)
    sources = [f for f in files if f.path.endswith(".py")]
    problems = [p for _, p in map(parse_source, sources) if p]
    problems += [
        p for f in sources for p in import_problems(f, contract.package, work.context.policy.allowlist)
    ]
    if problems:
        return problems
    names = ", ".join(contract.public_names())
    probe = _PROBE.model_copy(update={"text": f"from {contract.package} import {names}\n"})
    found = await work.judge.collect(files, (probe,))
    return [f"the rendered package cannot be imported: {e}" for e in found.errors] or (
        [found.trouble] if found.trouble else []
    )


def stub_files(contract: Contract) -> tuple[SourceFile, ...]:
    """The package with every body missing."""
    return (*rendered_files(contract), SourceFile(path=contract.module_path(), text=render_stub(contract)))


async def _tests(work: Work, plan: PlanAnswer, feedback: str) -> tuple[Suite, Verdict]:
    stub = stub_files(plan.contract)
    inputs = {"srs": plan.srs.model_dump_json(), "contract": plan.contract.model_dump_json()}
    problems: list[str] = []
    written: tuple[SourceFile, ...] = ()
    for _ in range(ROUNDS):
        told = _retry_text(problems, written) or feedback
        question = Question(TEST_ENGINEER, "run", {**inputs, "feedback": told}, work.sample)
        written = await work.desk.ask_files(question)
        problems = static_test_problems(written, plan.contract)
        if problems:
            continue
        found = await work.judge.collect(stub, written)
        problems = collection_problems(found, plan.srs.criterion_ids())
        if problems:
            continue
        suite = Suite(files=tuple(sorted(written, key=lambda f: f.path)), tests=tuple(sorted(found.proves)))
        verdict = await work.judge.judge("stub", stub, suite.files, suite.tests)
        problems = list(red_problems(verdict))
        if not problems:
            return suite, verdict
    raise failed(work, Cause.BAD_TEST, f"no usable tests after {ROUNDS} tries: {problems[0]}", problems)


def static_test_problems(files: tuple[SourceFile, ...], contract: Contract) -> list[str]:
    """What is wrong with test files before anything runs."""
    if not files:
        return ["no test file was given"]
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
    problems += [f"{c} is claimed but is not a criterion" for c in sorted(claimed - set(criteria))]
    return problems + [f"{t}: claims no criterion" for t in _unmarked(found.proves)]


def _unmarked(proves: Mapping[str, tuple[str, ...]]) -> list[str]:
    return sorted(test for test, claims in proves.items() if not claims)


def _bullets(problems: list[str]) -> str:
    return "Problems of your last answer:\n" + "\n".join(f"- {p}" for p in problems[:20]) if problems else ""


def _retry_text(problems: list[str], written: tuple[SourceFile, ...]) -> str:
    if not problems:
        return ""
    files = "\n".join(f'<file path="{f.path}">\n{f.text}</file>' for f in written)
    return f"{_bullets(problems)}\n\nYour last answer, to be corrected and returned whole:\n{files}"
