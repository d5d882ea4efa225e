"""What a person reads about a stage's answer: Markdown for the Prefect UI and the report."""

import html
import re
from collections import Counter
from collections.abc import Sequence
from functools import singledispatch

from schemas.failure import Evidence
from schemas.lite import Green, Plan, Polished
from schemas.stages import Build, Diagnosis, Intake, ReleaseTree, Review, SecurityAudit, StageAnswer, Triage
from schemas.verdict import Status, Verdict

_MARKS = {Status.PASSED: "passed", Status.FAILED: "**failed**", Status.NOT_RUN: "not run"}


@singledispatch
def describe(answer: StageAnswer | Evidence) -> str:
    """A stage's answer in Markdown."""
    raise TypeError(f"no description for {type(answer).__name__}")


@describe.register
def _(answer: Evidence) -> str:
    head = f"## {answer.state} failed: {answer.summary}\n\n**Cause**: {answer.cause}"
    return f"{head}\n\n{_code(answer.details, 'text')}"


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
        _table(("criterion", "text"), rows),
    ]
    parts.append(f"**Public face of `{answer.contract.package}`**\n\n" + "\n".join(f"- {n}" for n in names))
    for title, lines in (("Assumptions", answer.srs.assumptions), ("Out of scope", answer.srs.out_of_scope)):
        if lines:
            parts.append(f"**{title}**\n\n" + "\n".join(f"- {line}" for line in lines))
    parts.append(f"**Suite**: {len(answer.suite.tests)} tests, each seen failing on the stub.")
    parts += [_code(f.text, "python") for f in answer.suite.files]
    return "\n\n".join(parts)


@describe.register
def _(answer: Green) -> str:
    head = f"## Green after {answer.attempts} attempt(s)"
    return "\n\n".join(
        [head, _verdicts(answer.verdict), *(_code(f.text, "python") for f in answer.candidate.files)]
    )


@describe.register
def _(answer: Polished) -> str:
    before, after = answer.before, answer.after
    rows = [
        ("lines", str(before.lines), str(after.lines)),
        ("largest complexity", str(before.complexity), str(after.complexity)),
        ("linter findings", str(before.lint), str(after.lint)),
    ]
    head = f"## Refactoring {answer.refactoring}"
    table = _table(("measure", "before", "after"), rows)
    return "\n\n".join([head, table, _verdicts(answer.verdict, answer.examples), answer.readme.text])


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
    parts.append(_verdicts(*answer.verdicts))
    if rows:
        parts.append(_table(("place", "severity", "rule", "why it is accepted"), rows))
    return "\n\n".join(parts)


@describe.register
def _(answer: Build) -> str:
    files = "\n".join(f"- `{f.path}`" for f in answer.files)
    return f"## `{answer.wheel}`\n\n{_verdicts(answer.verdict)}\n\n{files}"


@describe.register
def _(answer: Review) -> str:
    rows = [
        (row.criterion, _MARKS[row.claimed], _MARKS[row.shown], _tests(row.tests), row.text)
        for row in answer.matrix
    ]
    note = "*Claimed*: every test marked with the criterion passed. *Shown*: a mutant was killed by them."
    table = _table(("criterion", "claimed", "shown", "tests", "text"), rows)
    head = f"## {len(rows)} criteria, each claimed by passed tests"
    return f"{head}\n\n{table}\n\n{note}"


@describe.register
def _(answer: ReleaseTree) -> str:
    files = "\n".join(f"- `{f.path}`" for f in answer.files)
    head = f"## {len(answer.files)} files, content digest `{answer.digest_of_tree[:12]}`"
    return f"{head}\n\n{_verdicts(*answer.checks)}\n\n{files}"


@describe.register
def _(answer: Diagnosis) -> str:
    return f"## {answer.outcome}: {answer.reason}\n\n**Cause**: {answer.cause}"


def headline(answer: StageAnswer | Evidence) -> str:
    """A stage's answer in one line."""
    return describe(answer).splitlines()[0].lstrip("# ").replace("`", "")


def _verdicts(*verdicts: Verdict) -> str:
    rows = [
        (v.subject, _MARKS[v.status], v.level, v.reason.splitlines()[0] if v.reason else "", _where(v))
        for v in verdicts
    ]
    return _table(("subject", "verdict", "level", "reason", "ran in"), rows)


def _where(verdict: Verdict) -> str:
    place = verdict.confinement
    return f"{place.backend} ({place.level})" if place else "–"


def _tests(ids: tuple[str, ...]) -> str:
    """Test functions, each with the number of its cases where there is more than one."""
    counts = Counter(test.split("::")[-1].split("[")[0] for test in ids)
    return "<br>".join(f"`{name}`{f' × {count}' if count > 1 else ''}" for name, count in counts.items())


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
    return "\n".join(lines)


def _cell(text: str) -> str:
    """One line that a table cannot read as another cell or as HTML; only our line break stays."""
    plain = html.escape(" ".join(text.split()), quote=False).replace("&lt;br&gt;", "<br>")
    return plain.replace("\\|", "\\&#124;").replace("|", "\\|")


def _code(text: str, language: str) -> str:
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text.rstrip()}\n{fence}" if text.strip() else ""
