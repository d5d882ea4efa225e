"""DECOMPOSITION: work items with contracts, a sound dependency graph, and what the rest will take."""

from agents.ask import Question
from agents.full import DECOMPOSITION
from schemas.answers import DecompositionAnswer
from schemas.base import canonical_json
from schemas.blueprint import Blueprint
from schemas.failure import Cause, Notes, notes_text
from schemas.full import Estimate, Planned
from schemas.memory import HintKind
from schemas.specification import Specification
from schemas.stateflow import State
from schemas.wbs import WBS, graph_problems
from services.memory.derive import requirements_text
from tasks.context import Work
from tasks.plan_and_test import plan_problems
from tasks.stage import failed, stage
from tasks.suites import ROUNDS, bullets

_CHARS_A_TOKEN = 4


@stage(State.DECOMPOSITION, agents=(DECOMPOSITION,), tools=True)
async def decompose(
    work: Work, *, specification: Specification, blueprint: Blueprint, attempts: int, feedback: Notes
) -> Planned:
    """Plan the work; a plan that breaks a rule is shown its violations and mended, or the run stops."""
    inputs = {
        "specification": specification.model_dump_json(),
        "blueprint": blueprint.model_dump_json(),
    }
    hints = await work.hints(HintKind.PATTERN, requirements_text(specification))
    problems: list[str] = []
    for _ in range(ROUNDS):
        told = "\n\n".join(part for part in (notes_text(feedback), bullets(problems)) if part)
        question = Question(DECOMPOSITION, "run", {**inputs, "feedback": told}, work.sample, hints=hints)
        answer = await work.desk.ask_json(question, DecompositionAnswer)
        wbs = WBS(epics=answer.epics, items=answer.items)
        if answer.gaps:
            return Planned(outcome="gap", wbs=wbs, estimate=estimate(wbs, attempts), gaps=answer.gaps)
        problems = await wbs_problems(work, wbs, specification, blueprint)
        if not problems:
            return Planned(outcome="planned", wbs=wbs, estimate=estimate(wbs, attempts))
    raise failed(work, Cause.BAD_PLAN, f"no valid plan after {ROUNDS} tries: {problems[0]}", problems)


async def wbs_problems(work: Work, wbs: WBS, specification: Specification, blueprint: Blueprint) -> list[str]:
    """Every rule that a plan breaks: first those of the graph, then those of the blueprint and the stubs."""
    problems = graph_problems(wbs, specification)
    strays = [i.contract for i in wbs.items if i.contract.package != blueprint.package]
    problems += [f"{c.module}: the package is {blueprint.package}, not {c.package}" for c in strays]
    made, planned = {i.contract.module for i in wbs.items}, {m.module for m in blueprint.modules}
    problems += [f"module {m} of the blueprint is made by no item" for m in sorted(planned - made)]
    commands = {i.contract.command for i in wbs.items if i.contract.command}
    if blueprint.command and commands != {blueprint.command}:
        problems.append(f"one contract has the command {blueprint.command}; found {sorted(commands)}")
    return problems or await plan_problems(work, *wbs.contracts())


def estimate(wbs: WBS, attempts: int) -> Estimate:
    """What the rest of the run takes: every answer right at once, or every attempt used."""
    sizes = [len(canonical_json(i.contract)) // _CHARS_A_TOKEN for i in wbs.items if i.contract.body_names()]
    least, most = (
        2 * len(sizes) + len(wbs.sinks()) + 2,
        (3 + attempts + 1) * len(sizes) + 3 * len(wbs.sinks()),
    )
    tokens = sum(sizes)
    return Estimate(
        calls=(least, most + 8),
        input_tokens=(8 * tokens + 1_500 * least, 30 * tokens + 3_000 * most),
        output_tokens=(5 * tokens, 25 * tokens),
    )
