"""A run that reaches a cap, and the gate at which a human may raise it."""

import getpass
from collections.abc import Awaitable
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncConnection

from flows.order import Ending
from flows.remaining import remaining
from flows.shown import budget_text
from schemas.base import as_money, canonical_json
from schemas.budget import Budget, CapQuestion, Remaining, Shortfall, proposed_cap
from schemas.errors import BudgetExceeded
from services import terminal
from services.database import approvals, budgets, runs, store
from services.database.approvals import Asked
from services.settings import Settings
from tasks.telling import ACTOR, Telling

GATE = "budget"


class CapRaised(Exception):
    """A human raised the cap that stopped this execution; the next one goes on."""


async def open_run_budgets(conn: AsyncConnection, run: str, named: tuple[Budget, ...]) -> None:
    """Open a run's budgets with the caps that humans raised at its gates; a question whose cap is not the
    present one any more is withdrawn."""
    await budgets.open_budgets(conn, named)
    states = {state.scope: state for state in await budgets.budget_states(conn, named)}
    told = {budget.scope: budget.cap for budget in named}
    for asked, question in await _asked(conn, run):
        current = (question.key, question.told) == (states[question.scope].key, told[question.scope])
        cap = _raised_to(asked, question)
        if current and cap is not None:
            await budgets.raise_cap(conn, question.scope, question.key, question.told, cap)
        if not current:
            await approvals.withdraw(conn, [asked.id])


async def within_budgets(telling: Telling, settings: Settings, story: Awaitable[Ending]) -> Ending:
    """The story's ending.

    Raises:
        BudgetExceeded: a cap was reached, and nobody raised it; the gate stays open.
        CapRaised: a cap was reached, and a human raised it.
    """
    context = telling.context
    try:
        ending = await story
    except BudgetExceeded as error:
        short, rest = await _settled(telling, settings, error.short)
        if await _gate(telling, short, rest):
            raise CapRaised from None
        raise BudgetExceeded(short) from None
    async with context.database.transaction() as conn:
        await approvals.withdraw(conn, [asked.id for asked, _ in await _asked(conn, context.run)])
    return ending


async def _settled(
    telling: Telling, settings: Settings, short: Shortfall
) -> tuple[Shortfall, Remaining | None]:
    """The shortfall once the calls that were in flight have settled, and what is still to come."""
    context = telling.context
    async with context.database.transaction() as conn:
        rest = await remaining(conn, await runs.find_run(conn, context.run), settings)
        [now] = await budgets.budget_states(conn, [Budget(scope=short.scope, key=short.key)])
    short = short.model_copy(update={"spent": now.spent, "reserved": now.reserved})
    return short.model_copy(update={"wanted": proposed_cap(short, rest)}), rest


async def _gate(telling: Telling, short: Shortfall, rest: Remaining | None) -> bool:
    """Whether a human raises the cap; the question is recorded, whoever is there."""
    context = telling.context
    names = ("scope", "key", "told", "cap", "spent", "needed")
    facts = {name: getattr(short, name) for name in names}
    proposed = proposed_cap(short, rest)
    question = CapQuestion(run=context.run, **facts, remaining=rest, proposed=proposed)
    shown = budget_text(question)
    async with context.database.transaction() as conn:
        bodies = [("budget", canonical_json(question)), ("shown", shown.encode())]
        subject, shown_digest = await store.put_artifacts(conn, bodies)
        approval = await approvals.ask(
            conn,
            project=context.project,
            run=context.run,
            execution=context.execution,
            gate=GATE,
            subject_digest=subject,
            shown_digest=shown_digest,
            actor=ACTOR,
        )
        earlier = [asked.id for asked, _ in await _asked(conn, context.run) if asked.id != approval]
        await approvals.withdraw(conn, earlier)
        known = await approvals.get_approval(conn, approval)
    if known.decision is not None or context.policy.budget_gate == "auto":
        return False
    answer = await _answer(shown)
    if answer is None:
        return False
    async with context.database.transaction() as conn:
        await approvals.decide(conn, approval, answer.decision, getpass.getuser(), answer.comment)
        return _raised_to(await approvals.get_approval(conn, approval), question) is not None


async def _answer(shown: str) -> terminal.Answer | None:
    """What the person at the terminal decides; another cap has to be an amount."""
    while True:
        answer = await terminal.ask(shown)
        if answer is None or answer.decision != "revise" or as_money(answer.comment) is not None:
            return answer


def _raised_to(asked: Asked, question: CapQuestion) -> Decimal | None:
    """The cap that a decision allows; None when it allows no higher one."""
    amounts = {"approve": question.proposed, "revise": as_money(asked.comment or "")}
    cap = amounts.get(asked.decision or "")
    return cap if cap is not None and cap > question.cap else None


async def _asked(conn: AsyncConnection, run: str) -> list[tuple[Asked, CapQuestion]]:
    """The budget gates of a run with their subjects, in the order of asking."""
    asked = [a for a in await approvals.list_approvals(conn, run=run) if a.gate == GATE]
    bodies = await store.get_artifacts(conn, [a.subject for a in asked])
    return [(a, CapQuestion.model_validate_json(bodies[a.subject])) for a in asked]
