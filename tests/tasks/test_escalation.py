"""What raises the tier: checks that failed, and never a lost connection; the ledger says which and why."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from agents.ask import Desk
from schemas.errors import Unreachable
from schemas.lite import Green
from schemas.policy import Policy, Tier
from schemas.stateflow import State
from services.database import Database, usage
from services.judge import Judge
from services.models import CallScope, Models
from services.settings import Settings
from tasks.context import Work
from tasks.implement_and_fix import implement_and_fix
from tests import model_server as play
from tests.model_server import ModelServer, Play
from tests.services.database_builders import new_run
from tests.tasks.builders import a_plan, code_answer, work_in

pytestmark = pytest.mark.services

MODELS = {Tier.FAST: "openai:small", Tier.STANDARD: "openai:middle", Tier.STRONG: "openai:large"}
OWN, THIRD = "agent's own tier", "attempt 3 after failed checks"


@asynccontextmanager
async def working(
    database: Database, judge: Judge, *answers: Play, run: str = "", **policy: Any
) -> AsyncIterator[Work]:
    """The implementation state's work with real models behind a server that plays these answers."""
    run = run or (await new_run(database)).id
    allowed = Policy(models=MODELS, **policy)
    with ModelServer(*answers) as server:
        asked = {"OPENAI_BASE_URL": server.url, "PHOENIX_FREE_MODELS": "openai:*", "PHOENIX_MODEL_TIMEOUT": 2}
        config = Settings.model_validate(asked)
        async with Models(config, database, first_pause=0.01) as models:
            work = work_in(State.IMPLEMENT_AND_FIX, judge=judge, run=run, policy=allowed)
            desk = Desk(models, CallScope(run, "", "word-counter", ()), allowed)
            yield replace(work, context=replace(work.context, desk=desk))


async def implemented(work: Work) -> Green:
    return await implement_and_fix.body(work, plan=a_plan(), attempts=4, feedback=())


async def choices(database: Database, run: str) -> list[tuple[int, str | None, str | None, str | None]]:
    """Attempt, tier, model and reason of each call of a run."""
    async with database.transaction() as conn:
        asked = await usage.asked(conn, run)
    assert {(a.agent, a.subject) for a in asked} == {("implementation", "run")}
    return [(a.attempt, a.tier, a.model, a.reason) for a in asked]


def bad(number: int) -> Play:
    return play.answer(code_answer(path=f"{number}.py"))


async def test_the_tier_rises_after_failed_checks_and_not_after_transport_errors(
    embedded: Database, judge: Judge
) -> None:
    faults = (play.status(429, retry_after="0"), play.status(503), play.reset, play.cut)
    answers = (
        *faults,
        bad(1),
        play.status(500),
        play.trickle,
        bad(2),
        play.reset,
        play.answer(code_answer()),
    )
    async with working(embedded, judge, *answers) as work:
        assert (await implemented(work)).attempts == 3
    assert await choices(embedded, work.context.run) == [
        (1, "standard", "openai:middle", OWN),
        (2, "standard", "openai:middle", OWN),
        (3, "strong", "openai:large", THIRD),
    ]


async def test_a_call_that_got_no_answer_at_all_is_made_again_at_the_same_tier(
    embedded: Database, judge: Judge
) -> None:
    async with working(embedded, judge, *[play.status(503)] * 5) as work:
        with pytest.raises(Unreachable):
            await implemented(work)
    run = work.context.run
    async with working(embedded, judge, play.answer(code_answer()), run=run) as work:
        assert (await implemented(work)).attempts == 1
    assert await choices(embedded, run) == [(1, "standard", "openai:middle", OWN)]


async def test_a_pinned_agent_stays_with_its_model(embedded: Database, judge: Judge) -> None:
    answers = (bad(1), bad(2), play.answer(code_answer()))
    async with working(embedded, judge, *answers, pins={"implementation": "openai:own"}) as work:
        await implemented(work)
    told = await choices(embedded, work.context.run)
    assert [(model, reason) for _, _, model, reason in told] == [("openai:own", "pinned by policy")] * 3
