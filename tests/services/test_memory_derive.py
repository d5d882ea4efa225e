"""What is derived from accepted items, and that rebuilding does it from PostgreSQL alone."""

from pathlib import Path

import pytest

from schemas.base import Value, canonical_json
from schemas.failure import Cause, Evidence
from schemas.full import Specified
from schemas.lite import Plan
from schemas.memory import HintKind, Source
from schemas.specification import Specification
from schemas.srs import SRS
from schemas.stateflow import State
from schemas.verdict import Candidate, Status, Suite, Verdict
from schemas.wbs import WorkItem
from services.database import Database, items, store
from services.memory import Memory
from services.memory.derive import contract_text, failure_entry, item_entries, requirements_text
from tests import builders
from tests.services.database_builders import new_run
from tests.services.memories import remember, settings

SOURCE = Source(project="word-counter", run="r", item="k")
VERDICT = Verdict(subject="tests", status=Status.PASSED, reason="")


def weights() -> tuple[SRS, Candidate, Suite]:
    return (
        builders.srs(),
        builders.candidate(builders.source("src/weights/parsing.py", "def parse(text): ...\n")),
        builders.suite(),
    )


async def accept(
    database: Database, body: Value, plan: Plan | Specified | None = None, key: str = "k" * 64
) -> str:
    """A run with one accepted item."""
    run = await new_run(database, text=f"Count {key[0]}.\n")
    _, candidate, suite = weights()
    bodies = [("item", body), ("suite", suite), ("candidate", candidate), ("verdict", VERDICT)]
    async with database.transaction() as conn:
        named = await store.put_artifacts(conn, [(kind, canonical_json(v)) for kind, v in bodies])
        planned = items.PlannedItem(
            id=f"WI-{ord(key[0])}", key=key, title="Weights", body=named[0], reason="new"
        )
        await items.plan_items(conn, run.project, run.id, [planned])
        done = items.Accepted(
            project=run.project, key=key, suite=named[1], candidate=named[2], evidence=named[3], run=run.id
        )
        await items.accept(conn, done)
        if plan:
            [answer] = await store.put_artifacts(conn, [("answer", canonical_json(plan))])
            stage = "PLAN_AND_TEST" if isinstance(plan, Plan) else "REQUIREMENT_INGESTION"
            told = {"stage": stage, "outcome": plan.outcome, "run": run.id, "item": None}
            await store.put_result(conn, key, answer_digest=answer, **told)  # type: ignore[arg-type]
    return run.id


def specified(srs: SRS) -> Specified:
    """The full path's answer with the same requirements."""
    sourced = [
        {**r.model_dump(mode="json"), "sources": ["S1"], "metric": None, "target": None}
        for r in srs.requirements
    ]
    told = {
        **srs.model_dump(mode="json"),
        "requirements": sourced,
        "glossary": [],
        "unserved": [],
        "questions": [],
    }
    return Specified(specification=Specification.model_validate(told), statements=("Weights.",))


def test_an_item_is_found_by_its_requirements_and_by_its_names() -> None:
    srs, candidate, _ = weights()
    pattern, code = item_entries(SOURCE, builders.contract(), srs, candidate)
    assert (pattern.kind, code.kind) == (HintKind.PATTERN, HintKind.CODE)
    assert pattern.text == requirements_text(srs)
    assert "parse" in pattern.body
    assert code.text == contract_text(builders.contract())
    assert all(file.text in code.body for file in candidate.files)


def test_an_item_without_requirements_or_code_has_no_entry_of_that_kind() -> None:
    assert item_entries(SOURCE, builders.contract(), None, Candidate(files=())) == ()


def test_a_failure_is_found_by_what_was_seen_and_shows_the_repair() -> None:
    evidence = Evidence(
        state=State.IMPLEMENT_CODE, cause=Cause.BAD_CODE, summary="2 failed", details="IndexError"
    )
    made = failure_entry(SOURCE, evidence, "- a[i]\n+ a[i - 1]")
    assert "IndexError" in made.text
    assert "+ a[i - 1]" in made.body


@pytest.mark.services
async def test_rebuilding_derives_the_entries_of_both_paths_once(embedded: Database, tmp_path: Path) -> None:
    srs, _, suite = weights()
    contract = builders.contract()
    await accept(embedded, contract, Plan(srs=srs, contract=contract, suite=suite, verdict=VERDICT))
    other = contract.model_copy(update={"doc": "Weights of another module."})
    item = WorkItem(
        id="WI-1", title="W", criteria=("FR-1.1",), premises=(), contract=other, depends_on=(), complexity=1
    )
    await accept(embedded, item, specified(srs), key="s" * 64)
    async with Memory(settings(tmp_path), embedded) as memory:
        assert (await memory.rebuild()).derived == 4
        assert (await memory.rebuild()).derived == 0
        [pattern, served] = await memory.recall(HintKind.PATTERN, requirements_text(srs))
        [code, _] = await memory.recall(HintKind.CODE, contract_text(contract))
        assert (served.source.item, served.text.splitlines()[0]) == ("s" * 64, "W")
        assert (pattern.score, code.score, pattern.source.item) == (1000, 1000, "k" * 64)
        await memory.expire(code.entry)
        assert (await memory.rebuild()).derived == 0
        assert len(await memory.recall(HintKind.CODE, contract_text(contract))) == 1


@pytest.mark.services
async def test_what_a_run_remembered_is_not_derived_again(embedded: Database, tmp_path: Path) -> None:
    srs, candidate, _ = weights()
    run = await accept(embedded, builders.contract())
    source = Source(project="word-counter", run=run, item="k" * 64)
    async with Memory(settings(tmp_path), embedded) as memory:
        await remember(embedded, memory, *item_entries(source, builders.contract(), srs, candidate))
        rebuilt = await memory.rebuild()
    assert (rebuilt.derived, rebuilt.entries) == (0, 2)


@pytest.mark.services
async def test_an_item_that_cannot_be_read_is_left_out(embedded: Database, tmp_path: Path) -> None:
    await accept(embedded, VERDICT)
    async with Memory(settings(tmp_path), embedded) as memory:
        assert (await memory.rebuild()).entries == 0
