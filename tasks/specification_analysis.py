"""SPECIFICATION_ANALYSIS: a blueprint, or what stands in its way, before money is spent on building."""

from agents.ask import Question
from agents.full import ARCHITECT
from schemas.blueprint import Blueprint
from schemas.failure import Cause, Notes, notes_text
from schemas.full import Analysed
from schemas.specification import Specification
from schemas.stateflow import State
from tasks.context import Work
from tasks.stage import failed, stage
from tasks.suites import ROUNDS, bullets


@stage(State.SPECIFICATION_ANALYSIS, agents=(ARCHITECT,))
async def analyse_specification(
    work: Work, *, specification: Specification, allowlist: tuple[str, ...], feedback: Notes
) -> Analysed:
    """Look for contradictions, gaps and what cannot be tested; without any, lay out the modules."""
    inputs = {
        "specification": specification.model_dump_json(),
        "allowlist": ", ".join(allowlist) or "none: the standard library only",
    }
    problems: list[str] = []
    for _ in range(ROUNDS):
        told = "\n\n".join(part for part in (notes_text(feedback), bullets(problems)) if part)
        question = Question(ARCHITECT, "run", {**inputs, "feedback": told}, work.sample)
        blueprint = await work.desk.ask_json(question, Blueprint)
        problems = blueprint_problems(blueprint, specification, allowlist)
        if not problems:
            return Analysed(outcome="unsound" if blueprint.issues else "sound", blueprint=blueprint)
    raise failed(work, Cause.MODEL, f"no usable blueprint: {problems[0]}", problems)


def blueprint_problems(
    blueprint: Blueprint, specification: Specification, allowlist: tuple[str, ...]
) -> list[str]:
    """What is wrong with a blueprint by rules alone."""
    known = {r.id for r in specification.requirements}
    strays = {r for issue in blueprint.issues for r in issue.requirements} - known
    problems = [f"{r} is no requirement of the specification" for r in sorted(strays)]
    problems += [
        f"dependency {name!r} is not on the allowlist ({', '.join(allowlist) or 'empty'}); do without it"
        for name in blueprint.dependencies
        if name.lower() not in {a.lower() for a in allowlist}
    ]
    if blueprint.issues:
        return problems
    names = [m.module for m in blueprint.modules]
    problems += [] if names else ["without issues, at least one module is needed"]
    problems += [f"module {n} occurs twice" for n in sorted({n for n in names if names.count(n) > 1})]
    needed = {n for m in blueprint.modules for n in m.needs} - set(names)
    return problems + [f"{n} is needed and is no module of the blueprint" for n in sorted(needed)]
