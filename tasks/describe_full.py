"""What a person reads about the answers of the full path's own stages."""

from schemas.full import Analysed, Held, Integrated, Planned, Red, Refactored, Specified
from schemas.stages import Rethought
from tasks.describe import describe
from tasks.markdown import code_block, measures_table, table_of, test_names, verdicts_table

__all__ = ["describe"]


@describe.register
def _(answer: Rethought) -> str:
    return f"## {answer.outcome}: {' '.join(answer.reason.split())}"


@describe.register
def _(answer: Specified) -> str:
    spec = answer.specification
    rows = [(c.id, ", ".join(r.sources), c.text) for r in spec.requirements for c in r.criteria]
    measured = [(r.id, r.metric, r.target or "") for r in spec.requirements if r.metric]
    title = " ".join(spec.title.split())
    parts = [f"## {title}: {len(spec.requirements)} requirements, {len(rows)} criteria", spec.purpose]
    parts.append(table_of(("criterion", "from", "text"), rows))
    if measured:
        parts.append(table_of(("requirement", "metric", "target"), measured))
    lists = (
        ("Open questions", [f"{q.question} Assumed: {q.assumed}" for q in spec.questions]),
        ("Assumptions", spec.assumptions),
        ("Out of scope", spec.out_of_scope),
    )
    parts += [
        f"**{title}**\n\n" + "\n".join(f"- {line}" for line in lines) for title, lines in lists if lines
    ]
    return "\n\n".join(parts)


@describe.register
def _(answer: Analysed) -> str:
    blueprint = answer.blueprint
    if blueprint.issues:
        issues = [(i.kind, ", ".join(i.requirements), i.problem, i.proposal) for i in blueprint.issues]
        head = f"## {len(issues)} issue(s): the specification goes back"
        return f"{head}\n\n{table_of(('kind', 'requirements', 'problem', 'proposal'), issues)}"
    rows = [(m.module, m.responsibility, ", ".join(m.needs)) for m in blueprint.modules]
    parts = [f"## `{blueprint.package}`: {len(rows)} module(s)"]
    parts.append(table_of(("module", "responsibility", "needs"), rows))
    decided = [(d.title, d.choice, d.why) for d in blueprint.decisions]
    parts += [table_of(("decision", "choice", "why"), decided)] if decided else []
    return "\n\n".join(parts)


@describe.register
def _(answer: Planned) -> str:
    if answer.gaps:
        return "## The specification has gaps\n\n" + "\n".join(f"- {gap}" for gap in answer.gaps)
    items, (least, most) = answer.wbs.items, answer.estimate.calls
    rows = [
        (i.id, i.title, i.contract.module, str(i.complexity), ", ".join(i.depends_on), ", ".join(i.criteria))
        for i in items
    ]
    graph = [f'    {_node(i.id)}["{i.id} {i.contract.module}"]' for i in items]
    graph += [f"    {_node(below)} --> {_node(above)}" for above, below in answer.wbs.edges()]
    parts = [f"## {len(items)} work items, {least} to {most} calls to come"]
    parts.append(code_block("\n".join(["graph TD", *graph]), "mermaid"))
    parts.append(table_of(("item", "title", "module", "complexity", "after", "criteria"), rows))
    return "\n\n".join(parts)


def _node(item: str) -> str:
    return item.replace("-", "")


@describe.register
def _(answer: Red) -> str:
    head = f"## {len(answer.suite.tests)} tests, each seen failing on the stub"
    return "\n\n".join([head, *(code_block(f.text, "python") for f in answer.suite.files)])


@describe.register
def _(answer: Held) -> str:
    rows = [
        (m.id, f"{m.path}:{m.line}", m.change, test_names(m.killed_by) if m.killed_by else "survived")
        for m in answer.mutants
    ]
    head = f"## {answer.score() or 'No'} mutants killed; every test fails on the stub"
    audited = f"{answer.audit.told()}."
    return f"{head}\n\n{audited}\n\n{table_of(('mutant', 'place', 'change', 'killed by'), rows)}"


@describe.register
def _(answer: Refactored) -> str:
    head, measures = f"## Refactoring {answer.refactoring}", measures_table(answer.before, answer.after)
    return "\n\n".join([head, measures, *(code_block(f.text, "python") for f in answer.candidate.files)])


@describe.register
def _(answer: Integrated) -> str:
    rows = [(e.id, e.change, test_names(e.killed_by) if e.killed_by else "nobody") for e in answer.edges]
    seen = sum(bool(e.killed_by) for e in answer.edges)
    head = f"## {len(answer.suite.tests)} integration tests; {seen} of {len(rows)} lower items matter to one"
    code = [code_block(f.text, "python") for f in answer.suite.files]
    noticed = table_of(("item", "change", "noticed by"), rows)
    return "\n\n".join([head, verdicts_table(answer.verdict), noticed, *code])
