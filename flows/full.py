"""The full story: specification, analysis, plan, generation cycle, verification; then as on the Lite path."""

from flows.cycle import generation_cycle
from flows.endings import halt
from flows.finish import Finished, finish
from flows.gates import plan_gate, requirements_gate
from flows.lessons import Lessons
from flows.order import Ending
from schemas.base import SourceFile
from schemas.failure import Cause, Feedback
from schemas.full import ItemDone
from schemas.render import rendered_files
from schemas.specification import Specification
from schemas.stages import Assembly
from schemas.stateflow import State
from schemas.verdict import Suite
from schemas.wbs import WBS
from tasks.consistency_analysis import analyse_consistency
from tasks.decomposition import decompose
from tasks.integration_testing import integration_testing
from tasks.performance_validation import validate_performance
from tasks.requirement_ingestion import ingest_requirements
from tasks.specification_analysis import analyse_specification
from tasks.telling import Telling
from tasks.unit_testing import unit_testing

RETURNS = 2
"""How often analysis and plan may send the specification back before a human is asked."""


async def full(telling: Telling, lessons: Lessons) -> Finished | Ending | Lessons:
    """Specify, analyse, plan, generate every item, verify the whole, finish."""
    brief, policy = telling.context.brief, telling.context.policy
    told = lessons.to(State.REQUIREMENT_INGESTION)
    specified = await ingest_requirements(telling, brief=brief, feedback=told)
    specification = specified.specification
    decided = await requirements_gate(telling, specification)
    if decided is not None:
        return await _revised(telling, lessons, decided, State.REQUIREMENT_INGESTION)

    told = lessons.to(State.SPECIFICATION_ANALYSIS)
    analysed = await analyse_specification(
        telling, specification=specification, allowlist=policy.allowlist, feedback=told
    )
    if analysed.outcome == "unsound":
        issues = [f"{i.kind} in {', '.join(i.requirements)}: {i.problem} Proposal: {i.proposal}"
                  for i in analysed.blueprint.issues]  # fmt: skip
        return await _sent_back(telling, lessons, State.SPECIFICATION_ANALYSIS, issues)

    told = lessons.to(State.DECOMPOSITION)
    planned = await decompose(
        telling,
        specification=specification,
        blueprint=analysed.blueprint,
        attempts=policy.attempts,
        feedback=told,
    )
    if planned.outcome == "gap":
        return await _sent_back(telling, lessons, State.DECOMPOSITION, list(planned.gaps))
    telling.wbs = planned.wbs
    decided = await plan_gate(telling, specification, planned)
    if decided is not None:
        return await _revised(telling, lessons, decided, State.DECOMPOSITION)

    items = await generation_cycle(telling, planned.wbs, specification, lessons)
    return await _verify(telling, lessons, specification, planned.wbs, items)


async def _verify(
    telling: Telling,
    lessons: Lessons,
    specification: Specification,
    wbs: WBS,
    items: tuple[ItemDone, ...],
) -> Finished:
    assembly = _assembly(specification, wbs, items)
    unit = await unit_testing(telling, assembly=assembly)
    told = lessons.to(State.INTEGRATION_TESTING)
    integrated = await integration_testing(telling, wbs=wbs, assembly=assembly, feedback=told)
    whole = assembly.model_copy(update={"suite": _joined(assembly.suite, integrated.suite)})
    consistent = await analyse_consistency(telling, assembly=assembly)
    measured = await validate_performance(
        telling, specification=specification, assembly=assembly, unit=unit.verdicts[0]
    )
    verdicts = (*unit.verdicts, integrated.verdict, *consistent.verdicts, *measured.verdicts)
    told = lessons.to(State.GENERATE_DEPLOYMENT_ARTIFACTS)
    return await finish(telling, whole, items, verdicts, full=True, feedback=told)


async def _revised(
    telling: Telling, lessons: Lessons, decided: Ending | Feedback, target: State
) -> Ending | Lessons:
    """What a human's decision against the subject leads to."""
    if isinstance(decided, Ending):
        return decided
    if decided in lessons.to(target):
        message = "the revision changed nothing. Run it again for another try, or say it in the brief."
        return await halt(telling, message, again=target)
    return lessons.with_note(target, decided)


async def _sent_back(
    telling: Telling, lessons: Lessons, source: State, issues: list[str]
) -> Ending | Lessons:
    """The specification goes back with the issues; after some times a human is asked instead."""
    note = Feedback(source=source, cause=Cause.BAD_SPEC, text="\n".join(f"- {i}" for i in issues))
    told = lessons.to(State.REQUIREMENT_INGESTION)
    if note in told or sum(n.cause is Cause.BAD_SPEC for n in told) >= RETURNS:
        questions = " ".join(f"({n}) {issue}" for n, issue in enumerate(issues, 1))
        message = f"the brief leaves open what has to be known: {questions} Settle it in the brief."
        return await halt(telling, message, again=State.REQUIREMENT_INGESTION)
    return lessons.with_note(State.REQUIREMENT_INGESTION, note)


def _assembly(specification: Specification, wbs: WBS, items: tuple[ItemDone, ...]) -> Assembly:
    contracts = wbs.contracts()
    suite = Suite(files=(), tests=())
    killed: dict[str, list[str]] = {}
    for item in items:
        suite = _joined(suite, item.suite)
        for mutant in item.mutants:
            for test in item.suite.tests if mutant.killed_by == ("*",) else mutant.killed_by:
                killed.setdefault(test, []).append(f"{item.id} {mutant.id}")
    return Assembly(
        srs=specification,
        contracts=contracts,
        suite=suite,
        code=(*rendered_files(*contracts), *(f for item in items for f in item.candidate.files)),
        readme=SourceFile(path="README.md", text=f"# {specification.title}\n\n{specification.purpose}\n"),
        killed={test: tuple(found) for test, found in killed.items()},
    )


def _joined(first: Suite, second: Suite) -> Suite:
    files = tuple(sorted((*first.files, *second.files), key=lambda f: f.path))
    return Suite(files=files, tests=tuple(sorted((*first.tests, *second.tests))))
