"""INTEGRATION_TESTING: tests across the edges of the dependency graph, each edge seen to be crossed."""

import asyncio

from agents.ask import Question
from agents.full import INTEGRATION
from schemas.base import SourceFile
from schemas.conformance import TEST_TOOLS, import_problems
from schemas.failure import Cause, Notes, notes_text
from schemas.full import Integrated, Mutant
from schemas.prose import sources_text
from schemas.render import render_stub
from schemas.srs import SRS
from schemas.stages import Assembly
from schemas.stateflow import State
from schemas.verdict import Status, Suite, Verdict
from schemas.wbs import WBS
from services.judge import Collection
from tasks.candidates import failure_lines
from tasks.context import Work
from tasks.stage import failed, stage
from tasks.suites import bullets, contracts_text

ROUNDS = 2


@stage(State.INTEGRATION_TESTING, agents=(INTEGRATION,), tools=True)
async def integration_testing(work: Work, *, wbs: WBS, assembly: Assembly, feedback: Notes) -> Integrated:
    """Write tests from each topmost item down and see that every edge matters to one of them."""
    told = notes_text(feedback)
    suites = await asyncio.gather(*(_suite(work, wbs, assembly, sink, told) for sink in wbs.sinks()))
    suite = Suite(
        files=tuple(f for s in suites for f in s.files), tests=tuple(t for s in suites for t in s.tests)
    )
    if not suite.tests:
        nothing = "no item builds on another"
        verdict = Verdict(subject="integration tests", status=Status.NOT_RUN, reason=nothing)
        return Integrated(suite=suite, verdict=verdict, edges=())
    edges = _edges(wbs)
    variants = {name: (stub,) for name, (_, stub) in edges.items()}
    trial = await work.judge.trial(assembly.code, suite.files, suite.tests, variants)
    if trial.trouble or trial.base.status is not Status.PASSED:
        reason = trial.trouble or trial.base.reason
        raise failed(work, Cause.UNCLEAR, f"integration: {reason}", failure_lines(trial.base))
    crossed = tuple(
        Mutant(id=name, path=stub.path, line=1, change=change, killed_by=trial.failed[name])
        for name, (change, stub) in edges.items()
    )
    return Integrated(suite=suite, verdict=trial.base, edges=crossed)


def _edges(wbs: WBS) -> dict[str, tuple[str, SourceFile]]:
    """For each item that others build on and that has bodies: its name, and the stub that takes its place."""
    needed = {below for _, below in wbs.edges()}
    return {
        item.id: (
            f"{item.contract.module} became a stub",
            SourceFile(path=item.contract.module_path(), text=render_stub(item.contract)),
        )
        for item in wbs.items
        if item.id in needed and item.contract.body_names()
    }


async def _suite(work: Work, wbs: WBS, assembly: Assembly, sink: str, feedback: str) -> Suite:
    """The integration tests of one topmost item; what fails in the last round is left to failure analysis."""
    module = wbs.item(sink).contract.module
    path = f"tests/test_integration_{module}.py"
    inputs = _inputs(wbs, assembly.srs, sink)
    written: tuple[SourceFile, ...] = ()
    problems: list[str] = []
    last: Verdict | None = None
    for _ in range(ROUNDS):
        told = _retry(problems, written) or feedback
        question = Question(INTEGRATION, sink, {**inputs, "feedback": told}, work.sample)
        written = await work.desk.ask_files(question)
        problems = _static(written, path, assembly.package)
        if problems:
            continue
        found, verdict = await work.judge.first_run("integration", assembly.code, written)
        problems = _collected(found, assembly.srs)
        if problems:
            continue
        if verdict.status is Status.PASSED:
            return Suite(files=written, tests=tuple(sorted(found.proves)))
        last = verdict
        problems = failure_lines(verdict)
    if last is not None:
        details = [*failure_lines(last), "", "The tests:", sources_text(written)]
        raise failed(work, Cause.UNCLEAR, f"integration of {sink}: {last.reason}", details)
    raise failed(work, Cause.MODEL, f"no usable integration tests of {sink}: {problems[0]}", problems)


def _inputs(wbs: WBS, srs: SRS, sink: str) -> dict[str, str]:
    cone = (*wbs.below(sink), sink)
    contracts = tuple(wbs.item(i).contract for i in cone)
    served = {c for i in cone for c in wbs.item(i).criteria}
    part = srs.model_copy(
        update={"requirements": tuple(r for r in srs.requirements if {c.id for c in r.criteria} & served)}
    )
    names = {i: wbs.item(i).contract.module for i in cone}
    edges = [f"{names[a]} uses {names[b]}" for a, b in wbs.edges() if a in names]
    return {
        "srs": part.model_dump_json(),
        "contracts": contracts_text(contracts),
        "edges": "\n".join(edges),
    }


def _static(written: tuple[SourceFile, ...], path: str, package: str) -> list[str]:
    if [f.path for f in written] != [path]:
        return [f"return exactly one file, {path}"]
    return [p for f in written for p in import_problems(f, package, TEST_TOOLS)]


def _collected(found: Collection, srs: SRS) -> list[str]:
    problems = [*found.errors, *([found.trouble] if found.trouble else [])]
    strays = {c for claims in found.proves.values() for c in claims} - set(srs.criterion_ids())
    problems += [f"{c} is claimed but is not a criterion" for c in sorted(strays)]
    return problems or ([] if found.proves else ["pytest found no test"])


def _retry(problems: list[str], written: tuple[SourceFile, ...]) -> str:
    if not problems:
        return ""
    last = sources_text(written)
    return f"{bullets(problems)}\n\nYour last answer, to be corrected and returned whole:\n{last}"
