"""What a gate shows a human: at most 60 lines."""

from flows.finish import Finished
from schemas.budget import CapQuestion, Remaining, exact
from schemas.full import Planned
from schemas.policy import money
from schemas.specification import Specification
from schemas.verdict import Status
from services.database import usage
from tasks.telling import Telling

LINES = 60


def requirements_text(specification: Specification) -> str:
    """The specification: what it asks, what it assumes, and every requirement in one line."""
    lines = [f"# Requirements of {specification.title}", specification.purpose]
    lines += _list("Open questions", [f"{q.question} Assumed: {q.assumed}" for q in specification.questions])
    lines += _list("Out of scope", specification.out_of_scope)
    lines += _list("Assumptions", specification.assumptions)
    rows = [f"{r.id} ({len(r.criteria)} criteria): {r.text}" for r in specification.requirements]
    return _cut([*lines, "", "Requirements:", *rows])


async def plan_text(telling: Telling, specification: Specification, planned: Planned) -> str:
    """The plan: every item with what it builds on, and what the rest will take."""
    context = telling.context
    async with context.database.transaction() as conn:
        spent = await usage.run_usage(conn, context.run)
    calls, (less, more) = planned.estimate.calls, planned.estimate.output_tokens
    lines = [
        f"# Plan of {specification.title}: {len(planned.wbs.items)} work items",
        f"Cost so far: {money(spent.cost_usd)} in {spent.calls} calls",
        f"Still to come: {calls[0]} to {calls[1]} calls, {less} to {more} output tokens",
        "",
    ]
    for item in planned.wbs.items:
        below = f" after {', '.join(item.depends_on)}" if item.depends_on else ""
        lines.append(f"{item.id} {item.title} ({item.contract.module}, complexity {item.complexity}){below}")
    return _cut(lines)


async def release_text(telling: Telling, finished: Finished) -> str:
    """The release: its tree, its evidence, what nobody checked, and its cost."""
    context, parts, srs = telling.context, finished.parts, finished.parts.assembly.srs
    async with context.database.transaction() as conn:
        spent = await usage.run_usage(conn, context.run)
    not_run = sorted(v.subject for v in finished.all_verdicts() if v.status is Status.NOT_RUN)
    names = [name for contract in parts.assembly.contracts for name in contract.public_names()]
    lines = [
        f"# Release {finished.version} of {context.project}",
        srs.purpose,
        "",
        f"Tree {finished.tree.digest_of_tree[:12]}, {len(finished.tree.files)} files, {finished.build.wheel}",
        f"Public names: {', '.join(names[:20])}{' …' if len(names) > 20 else ''}",
        f"{len(srs.requirements)} requirements, {len(srs.criterion_ids())} criteria, all claimed by tests",
        f"Tests: {len(finished.build.verdict.tests)} passed on the installed wheel (reported, not verified)",
        *(f"Refactoring of {item.id}: {item.refactoring}" for item in parts.items[:10]),
        f"Findings accepted: {len(parts.audit.findings)}",
        f"Not run: {', '.join(not_run) or 'nothing'}",
        f"Cost: {money(spent.cost_usd)} in {spent.calls} calls, {spent.replayed} replayed",
    ]
    lines += _list("Risks", finished.review.risks)
    lines += _list("Assumptions", srs.assumptions)
    lines += _list("Out of scope", srs.out_of_scope)
    return _cut(lines)


def budget_text(question: CapQuestion) -> str:
    """A budget that is too small: where it stands, what is to come, and what each answer does."""
    lines = [
        f"# Run {question.run} has reached its budget: {question.scope} {question.key}",
        f"The cap is {exact(question.cap)}, spent {exact(question.spent)}",
        f"The next call needs up to {exact(question.needed)}",
        f"Still to come in this run: {remaining_text(question.remaining)}",
        "",
        f"approve: raise the cap to {exact(question.proposed)} and go on",
        "revise:  raise it to another amount in US dollars, and go on",
        "reject:  keep it; the run stops, and a higher cap continues it",
    ]
    return _cut(lines)


def remaining_text(rest: Remaining | None) -> str:
    """What is still to come, in one line."""
    if rest is None:
        return "not known"
    (less, more), cost = rest.calls, rest.cost_usd
    price = f"{exact(cost[0])} to {exact(cost[1])}" if cost else "at a price that is not known"
    return f"{less} to {more} calls, {price}"


def _list(title: str, items: tuple[str, ...] | list[str]) -> list[str]:
    return ["", f"{title}:", *(f"- {item}" for item in items[:15])] if items else []


def _cut(lines: list[str]) -> str:
    if len(lines) > LINES:
        lines = [*lines[: LINES - 1], f"… and {len(lines) - LINES + 1} more lines; the report has all of it"]
    return "\n".join(lines)
