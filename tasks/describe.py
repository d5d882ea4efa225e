"""What a person reads about a stage's answer: Markdown for the Prefect UI and the report."""

from functools import singledispatch

from schemas.failure import Evidence
from schemas.lite import Green, Plan, Polished
from schemas.stages import (
    Build,
    Checked,
    Diagnosis,
    Intake,
    ReleaseTree,
    Review,
    SecurityAudit,
    StageAnswer,
    Triage,
)
from schemas.verdict import Status
from tasks.markdown import MARKS, code_block, measures_table, table_of, test_names, verdicts_table


@singledispatch
def describe(answer: StageAnswer | Evidence) -> str:
    """A stage's answer in Markdown."""
    raise TypeError(f"no description for {type(answer).__name__}")


@describe.register
def _(answer: Evidence) -> str:
    head = f"## {answer.state} failed: {answer.summary}\n\n**Cause**: {answer.cause}"
    return f"{head}\n\n{code_block(answer.details, 'text')}"


@describe.register
def _(answer: Intake) -> str:
    figures = f"{answer.words} words, {answer.sentences} sentences, {answer.features} listed features"
    return f"## The brief has {figures}"


@describe.register
def _(answer: Triage) -> str:
    size = (
        "chosen by the user" if answer.size is None else f"size {answer.size} of 10, by {answer.decided_by}"
    )
    lines = [f"## Path: {answer.outcome}", "", size, "", *(f"- {r}" for r in answer.reasons)]
    if answer.questions:
        lines += ["", "**Questions for you**", "", *(f"{n}. {q}" for n, q in enumerate(answer.questions, 1))]
    return "\n".join(lines)


@describe.register
def _(answer: Plan) -> str:
    rows = [(c.id, c.text) for r in answer.srs.requirements for c in r.criteria]
    names = [f"`{f.name}{f.signature}`" for f in answer.contract.functions]
    names += [f"`class {c.name}`" for c in answer.contract.classes]
    names += [f"`{name}`" for name in answer.contract.type_names()]
    parts = [
        f"## {' '.join(answer.srs.title.split())}: {len(rows)} criteria, {len(answer.suite.tests)} red tests",
        answer.srs.purpose,
        table_of(("criterion", "text"), rows),
    ]
    parts.append(f"**Public face of `{answer.contract.package}`**\n\n" + "\n".join(f"- {n}" for n in names))
    for title, lines in (("Assumptions", answer.srs.assumptions), ("Out of scope", answer.srs.out_of_scope)):
        if lines:
            parts.append(f"**{title}**\n\n" + "\n".join(f"- {line}" for line in lines))
    parts.append(f"**Suite**: {len(answer.suite.tests)} tests, each seen failing on the stub.")
    parts += [code_block(f.text, "python") for f in answer.suite.files]
    return "\n\n".join(parts)


@describe.register
def _(answer: Green) -> str:
    head = f"## Green after {answer.attempts} attempt(s)"
    return "\n\n".join(
        [
            head,
            verdicts_table(answer.verdict),
            *(code_block(f.text, "python") for f in answer.candidate.files),
        ]
    )


@describe.register
def _(answer: Polished) -> str:
    head = f"## Refactoring {answer.refactoring}"
    table = measures_table(answer.before, answer.after)
    return "\n\n".join([head, table, verdicts_table(answer.verdict, answer.examples), answer.readme.text])


@describe.register
def _(answer: SecurityAudit) -> str:
    reasons = {j.finding: j.reason for j in answer.judgements}
    rows = [
        (f"{f.path}:{f.line}", f.severity.value, f"{f.tool} {f.rule}", reasons.get(n, ""))
        for n, f in enumerate(answer.findings, 1)
    ]
    parts = [
        f"## Security: {len(answer.findings)} finding(s), all accepted"
        if rows
        else "## Security: no findings"
    ]
    parts.append(verdicts_table(*answer.verdicts))
    if rows:
        parts.append(table_of(("place", "severity", "rule", "why it is accepted"), rows))
    return "\n\n".join(parts)


@describe.register
def _(answer: Build) -> str:
    files = "\n".join(f"- `{f.path}`" for f in answer.files)
    return f"## `{answer.wheel}`\n\n{verdicts_table(answer.verdict)}\n\n{files}"


@describe.register
def _(answer: Review) -> str:
    rows = [
        (row.criterion, MARKS[row.claimed], MARKS[row.shown], test_names(row.tests), row.text)
        for row in answer.matrix
    ]
    said = "\n".join([answer.summary, *(f"- risk: {risk}" for risk in answer.risks)])
    note = "*Claimed*: every test marked with the criterion passed. *Shown*: a mutant was killed by them."
    table = table_of(("criterion", "claimed", "shown", "tests", "text"), rows)
    head = f"## {len(rows)} criteria, each claimed by passed tests"
    return "\n\n".join(part for part in (head, said, table, note) if part.strip())


@describe.register
def _(answer: ReleaseTree) -> str:
    files = "\n".join(f"- `{f.path}`" for f in answer.files)
    head = f"## {len(answer.files)} files, content digest `{answer.digest_of_tree[:12]}`"
    return f"{head}\n\n{verdicts_table(*answer.checks)}\n\n{files}"


@describe.register
def _(answer: Diagnosis) -> str:
    rows = [
        (r.cause, ", ".join(r.items) or "the whole run", r.target or "a human", r.reason)
        for r in answer.routes
    ]
    table = table_of(("cause", "about", "goes to", "reason"), rows)
    return f"## {answer.outcome}: {' '.join(answer.reason.split())}\n\n{table}"


@describe.register
def _(answer: Checked) -> str:
    passed = sum(v.status is Status.PASSED for v in answer.verdicts)
    return f"## {passed} of {len(answer.verdicts)} checks passed\n\n{verdicts_table(*answer.verdicts)}"


def headline(answer: StageAnswer | Evidence) -> str:
    """A stage's answer in one line."""
    return describe(answer).splitlines()[0].lstrip("# ").replace("`", "")
