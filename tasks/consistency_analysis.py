"""CONSISTENCY_ANALYSIS: code, docstrings and contracts agree (the triangle of Clover; Sun et al., 2024)."""

from schemas.base import SourceFile
from schemas.conformance import contract_problems
from schemas.contract import Contract
from schemas.failure import Cause
from schemas.stages import Assembly, Checked
from schemas.stateflow import State
from schemas.verdict import Status, Verdict
from tasks.context import Work
from tasks.readmes import run_examples
from tasks.stage import failed, stage


@stage(State.CONSISTENCY_ANALYSIS, version=2, tools=True)
async def analyse_consistency(work: Work, *, assembly: Assembly) -> Checked:
    """Compare every module with its contract, and run the examples in its documentation."""
    code = {f.path: f for f in assembly.code}
    problems = {
        c.module_path(): found
        for c in assembly.contracts
        if (found := contract_problems(c, code[c.module_path()]))
    }
    if problems:
        lines = [line for found in problems.values() for line in found]
        raise failed(work, Cause.BAD_CODE, f"contract: {lines[0]}", lines, paths=problems)
    faces = Verdict(
        subject="signatures and types as in the contracts",
        status=Status.PASSED,
        level="tool",
        reason=f"{len(assembly.contracts)} module(s)",
    )
    examples = [await _examples(work, assembly, c) for c in assembly.contracts]
    wrong = [v for v in examples if v.status is Status.FAILED]
    if wrong:
        details = [f"{v.subject}: {v.reason}" for v in wrong]
        raise failed(work, Cause.UNCLEAR, f"{wrong[0].subject}: {details[0].splitlines()[0]}", details)
    return Checked(verdicts=(faces, *examples))


async def _examples(work: Work, assembly: Assembly, contract: Contract) -> Verdict:
    subject = f"examples in the documentation of {contract.module}"
    docs = [e.doc for e in (*contract.functions, *contract.classes, *contract.dataclasses)]
    docs += [m.doc for c in contract.classes for m in c.methods]
    shown = [doc for doc in docs if ">>> " in doc]
    if not shown:
        return Verdict(subject=subject, status=Status.NOT_RUN, reason="it has no examples")
    names = (
        "\n".join(f">>> {line}" for line in (f"from {assembly.package} import *", *contract.imports)) + "\n"
    )
    page = SourceFile(path="examples.md", text="\n\n".join([names, *shown]) + "\n")
    return (await run_examples(work, assembly.code, page)).model_copy(update={"subject": subject})
