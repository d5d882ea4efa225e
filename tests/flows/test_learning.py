"""What follows a failure, as it is written down in a real ledger."""

from pathlib import Path
from typing import Any, cast

import pytest

from agents.ask import Desk
from flows.learning import learn
from flows.lessons import Lessons
from flows.order import Ending
from schemas.answers import StrategyAnswer
from schemas.events import EventKind
from schemas.failure import Cause, Evidence, Strategy
from schemas.full import ItemDone
from schemas.policy import Policy
from schemas.stateflow import State
from schemas.verdict import Candidate
from services.database import Database, ledger, runs
from services.judge import Judge
from services.models import CallScope, Models
from tasks.context import RunContext
from tasks.failure_analysis import Path as Which
from tasks.telling import Telling
from tests.plans import BRIEF, MONEY_CODE, MONEY_FILE, money_suite, wbs
from tests.platform import Platform
from tests.tasks.builders import MODELS, Script, evidence, verdict

pytestmark = [
    pytest.mark.services,
    pytest.mark.filterwarnings("default::DeprecationWarning", "default::ResourceWarning"),
]

WRONG = evidence(state=State.IMPLEMENT_CODE, item="WI-2", summary="no candidate", details="assert 650 == 649")
IDLE = evidence(Cause.BAD_TEST, "says nothing", state=State.AUDIT_CODE, item="WI-3")
MODEL = evidence(Cause.MODEL, "no usable answer", state=State.GENERATE_TESTS, item="WI-3")
DONE = ItemDone(
    id="WI-2",
    title="The money",
    key="k",
    suite=money_suite(),
    candidate=Candidate(files=(MONEY_FILE,)),
    attempts=1,
    mutants=(),
    verdict=verdict(),
    refactoring="kept",
)


def says(action: str, *items: str) -> Script:
    answer = StrategyAnswer.model_validate({"action": action, "items": items, "strategy": "Use a table."})
    return Script(supervisor=[answer.model_dump_json()])


class Learnt:
    """The lessons or the ending, and the telling that led there."""

    def __init__(self, told: Ending | Lessons, telling: Telling, halted: list[dict[str, Any]]) -> None:
        self.told, self.telling, self.halted = told, telling, halted

    @property
    def lessons(self) -> Lessons:
        assert isinstance(self.told, Lessons)
        return self.told

    @property
    def ending(self) -> Ending:
        assert isinstance(self.told, Ending)
        return self.told


async def learnt(
    platform: Platform,
    *failures: Evidence,
    lessons: Lessons | None = None,
    script: Script | None = None,
    path: Which = "full",
    done: tuple[ItemDone, ...] = (),
) -> Learnt:
    """What a run of the shop learns from failures."""
    from prefect import flow
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.context import bind_results
    from services.local.results import REFERENCE, save_block

    async with platform.database() as database:
        telling = await _telling(database, script or Script())
        telling.done |= {item.id: item for item in done}

        @flow(persist_result=False, result_storage=REFERENCE)
        async def learning() -> Ending | Lessons:
            async with runs.executing(database, telling.context.run) as execution:
                object.__setattr__(telling.context, "execution", execution)
                return await learn(telling, lessons or Lessons(), failures, path)

        with temporary_settings({PREFECT_API_URL: platform.prefect_url}):
            await save_block()
            bind_results(database)
            told = await learning()
        async with database.transaction() as conn:
            events = await ledger.events(conn, run=telling.context.run)
    return Learnt(told, telling, [e.payload for e in events if e.kind is EventKind.HALTED])


async def _telling(database: Database, script: Script) -> Telling:
    policy = Policy(models=MODELS)
    async with database.transaction() as conn:
        run = (await runs.open_run(conn, BRIEF, policy)).id
    context = RunContext(
        run=run,
        execution="",
        brief=BRIEF,
        policy=policy,
        database=database,
        desk=Desk(cast(Models, script), CallScope(run, "", BRIEF.slug, ()), policy),
        judge=cast(Judge, object()),
        home=Path("/nowhere"),
        cache=Path("/nowhere"),
    )
    return Telling(context, wbs=wbs())


async def test_each_failure_is_told_to_the_state_and_item_that_can_mend_it(platform: Platform) -> None:
    found = await learnt(platform, WRONG, IDLE, done=(DONE,))
    [note] = found.lessons.to(State.IMPLEMENT_CODE, "WI-2")
    assert (note.source, note.cause) == (State.IMPLEMENT_CODE, Cause.BAD_CODE)
    assert "no candidate\nassert 650 == 649" in note.text
    assert MONEY_CODE in note.text, "the accepted code is shown to the one who mends it"
    assert [n.cause for n in found.lessons.to(State.GENERATE_TESTS, "WI-3")] == [Cause.BAD_TEST]
    assert found.lessons.failures == (WRONG, IDLE)
    assert found.telling.state is State.FAILURE_ANALYSIS
    states = {name: (item.state, item.outcome) for name, item in found.telling.items.items()}
    assert states == dict.fromkeys(("WI-2", "WI-3"), (State.FAILURE_ANALYSIS, "repair"))


async def test_the_same_failure_again_is_thought_over_and_the_item_begins_anew(platform: Platform) -> None:
    found = await learnt(
        platform, WRONG, lessons=Lessons(failures=(WRONG,)), script=says("regenerate", "WI-2")
    )
    for state in (State.GENERATE_TESTS, State.IMPLEMENT_CODE):
        assert [n.text for n in found.lessons.to(state, "WI-2")] == ["Use a table."]
    assert not found.lessons.about("WI-3")
    assert found.lessons.failures == ()
    assert [s.items for s in found.lessons.tried] == [("WI-2",)]
    item = found.telling.items["WI-2"]
    assert (item.state, item.outcome) == (State.GENERATION_CYCLE, "begin")


async def test_a_new_plan_is_told_to_the_decomposition_alone(platform: Platform) -> None:
    found = await learnt(platform, WRONG, lessons=Lessons(failures=(WRONG,)), script=says("replan"))
    assert [n.text for n in found.lessons.to(State.DECOMPOSITION)] == ["Use a table."]
    assert not found.lessons.about("WI-2")
    assert (found.telling.state, found.telling.outcome) == (State.AUTOMATED_RETHINK, "replan")


async def test_a_supervisor_who_gives_up_halts_the_run_for_the_item_to_be_sampled_anew(
    platform: Platform,
) -> None:
    found = await learnt(platform, WRONG, lessons=Lessons(failures=(WRONG,)), script=says("give_up"))
    assert found.ending.state == State.HALTED
    assert "IMPLEMENT_CODE WI-2: no candidate" in found.ending.message
    assert "no progress; Use a table." in found.ending.message
    [halted] = found.halted
    assert (halted["again"], halted["items"]) == (State.IMPLEMENT_CODE, ["WI-2"])


async def test_without_a_rethink_left_the_run_halts_without_asking(platform: Platform) -> None:
    tried = Strategy(target=State.DECOMPOSITION, items=(), text="smaller")
    found = await learnt(platform, WRONG, lessons=Lessons(failures=(WRONG,), tried=(tried,)))
    assert "no progress" in found.ending.message


async def test_a_failure_that_needs_a_human_halts_and_names_the_first_of_several(platform: Platform) -> None:
    found = await learnt(platform, MODEL, WRONG)
    assert found.ending.message == (
        "GENERATE_TESTS WI-3: no usable answer (and 1 more) (a model failure needs a human)"
    )
    assert (found.halted[0]["again"], found.halted[0]["items"]) == (State.GENERATE_TESTS, ["WI-3"])


async def test_the_lite_path_repairs_the_whole_run(platform: Platform) -> None:
    failure = evidence(details="assert 1 == 2")
    found = await learnt(platform, failure, path="lite")
    assert [n.cause for n in found.lessons.to(State.IMPLEMENT_AND_FIX)] == [Cause.BAD_CODE]
    assert found.telling.items == {}
