"""PLAN_AND_TEST: a short specification, a contract, and tests that are red on the stub."""

from agents.ask import Question
from agents.lite import PLANNER, TEST_ENGINEER
from schemas.answers import PlanAnswer
from schemas.base import SourceFile
from schemas.brief import Brief
from schemas.conformance import import_problems, parse_source
from schemas.contract import Contract
from schemas.failure import Cause, Notes, notes_text
from schemas.lite import Plan
from schemas.render import stub_files
from schemas.stateflow import State
from tasks.context import Work
from tasks.stage import failed, stage
from tasks.suites import ROUNDS, Target, bullets, write_suite

_PROBE = SourceFile(path="tests/test_import.py", text="")


@stage(State.PLAN_AND_TEST, agents=(PLANNER, TEST_ENGINEER), tools=True)
async def plan_and_test(work: Work, *, brief: Brief, feedback: Notes) -> Plan:
    """Plan the module and write tests that fail without it."""
    answer = await _plan(work, brief, notes_text(feedback, Cause.BAD_SPEC))
    target = Target("run", answer.srs, answer.contract)
    suite, verdict = await write_suite(work, target, notes_text(feedback))
    return Plan(srs=answer.srs, contract=answer.contract, suite=suite, verdict=verdict)


async def _plan(work: Work, brief: Brief, feedback: str) -> PlanAnswer:
    problems: list[str] = []
    for _ in range(ROUNDS):
        told = "\n\n".join(part for part in (feedback, bullets(problems)) if part)
        question = Question(PLANNER, "run", {"brief": brief.text, "feedback": told}, work.sample)
        answer = await work.desk.ask_json(question, PlanAnswer)
        problems = await plan_problems(work, answer.contract)
        if not problems:
            return answer
    raise failed(work, Cause.BAD_SPEC, f"no usable contract after {ROUNDS} tries: {problems[0]}", problems)


async def plan_problems(work: Work, *contracts: Contract) -> list[str]:
    """Why contracts cannot be worked with: they must parse, import only what is allowed, and import."""
    files, package = stub_files(*contracts), contracts[0].package
    sources = [f for f in files if f.path.endswith(".py")]
    problems = [p for _, p in map(parse_source, sources) if p]
    problems += [p for f in sources for p in import_problems(f, package, work.context.policy.allowlist)]
    if problems:
        return problems
    names = ", ".join(name for contract in contracts for name in contract.public_names())
    probe = _PROBE.model_copy(update={"text": f"from {package} import {names}\n"})
    found = await work.judge.collect(files, (probe,))
    return [f"the rendered package cannot be imported: {e}" for e in found.errors] or (
        [found.trouble] if found.trouble else []
    )
