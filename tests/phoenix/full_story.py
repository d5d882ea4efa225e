"""A run of the full path as its ledger holds it, written by hand."""

from typing import Any

from schemas.audit import Audit, Property
from schemas.base import canonical_json
from schemas.blueprint import ArchitecturalDecision, Blueprint, ModulePlan
from schemas.brief import Brief
from schemas.events import EventKind
from schemas.failure import Cause, Evidence, Route, Strategy
from schemas.full import Analysed, Estimate, Held, Mutant, Planned, Red, Refactored, Specified
from schemas.lite import Green
from schemas.specification import SourcedRequirement, Specification
from schemas.stages import Diagnosis, Intake, Measures, Rethought, StageAnswer, Triage
from schemas.stateflow import State
from schemas.verdict import Status, Verdict
from schemas.wbs import WBS, Epic, Story, WorkItem
from services.database import Database, approvals, items, ledger, runs, store
from services.database.runs import Run
from tests.services.database_builders import POLICY
from tests.tasks.builders import CONTRACT, SPECIFICATION, a_candidate, a_plan

TITLES = ("Money and rounding", "Ledger of bookings", "Reading statements", "Monthly report", "Command line")
NEEDS: tuple[tuple[str, ...], ...] = ((), ("WI-1",), ("WI-1",), ("WI-2", "WI-3"), ("WI-4", "WI-1"))
S = State
BLUEPRINT = Blueprint(
    package="books", command=None, dependencies=(), quality=(), testing=("Freeze the date.",), issues=(),
    modules=(ModulePlan(module="money", responsibility="Amounts and rounding.", needs=()),),
    decisions=(ArchitecturalDecision(title="Amounts", choice="Decimal", why="No cent is lost."),),
)  # fmt: skip


def work(titles: tuple[str, ...] = TITLES, needs: tuple[tuple[str, ...], ...] = NEEDS) -> WBS:
    """A plan with these items, one story."""
    made = tuple(
        WorkItem(
            id=f"WI-{n}",
            title=title,
            criteria=("FR-1.1",),
            premises=(),
            contract=CONTRACT,
            depends_on=below,
            complexity=3,
        )
        for n, (title, below) in enumerate(zip(titles, needs, strict=True), 1)
    )
    return WBS(
        epics=(Epic(title="All", stories=(Story(title="All", items=tuple(i.id for i in made)),)),), items=made
    )


def verdict(subject: str = "suite", status: Status = Status.PASSED, **more: Any) -> Verdict:
    """A verdict."""
    return Verdict(subject=subject, status=status, reason="seen", **more)


class Teller:
    """Writes the events of one run in order."""

    def __init__(self, db: Database, run: Run, execution: str) -> None:
        self.db, self.run, self.execution, self.count = db, run, execution, 0

    async def event(
        self, kind: EventKind, source: State | None, target: State | None, **payload: Any
    ) -> None:
        """Append one event."""
        async with self.db.transaction() as conn:
            await ledger.append(
                conn, project=self.run.project, run=self.run.id, execution=self.execution, kind=kind,
                actor="phoenix", payload=payload, from_state=source, to_state=target,
            )  # fmt: skip

    async def move(self, outcome: str, *targets: State) -> None:
        """Move the run along the table."""
        for target in targets:
            async with self.db.transaction() as conn:
                await ledger.transition(
                    conn, run=self.run.id, execution=self.execution, outcome=outcome, target=target,
                    actor="phoenix", payload={},
                )  # fmt: skip

    async def answer(self, state: State, answer: StageAnswer | Evidence, item: str | None = None) -> None:
        """A stage's answer with the event that announces it."""
        self.count += 1
        key = f"{self.run.id}-{self.count}"
        outcome = "failed" if isinstance(answer, Evidence) else answer.outcome
        async with self.db.transaction() as conn:
            [named] = await store.put_artifacts(conn, [("answer", canonical_json(answer))])
            await store.put_result(
                conn, key, stage=state, outcome=outcome, answer_digest=named, run=self.run.id, item=item
            )
        facts = {"stage": state, "outcome": outcome, "key": key, "cached": False, "answer": named}
        await self.event(EventKind.LEFT, state, None, **facts, **({"item": item} if item else {}))

    async def visit(self, source: State, state: State, answer: StageAnswer | Evidence, item: str) -> None:
        """One stage of one item."""
        await self.event(EventKind.ENTERED, source, state, item=item, outcome="begin")
        await self.answer(state, answer, item)


async def tell(db: Database, hostile: str = "", wbs: WBS | None = None) -> Run:
    """A run that plans, makes two items, fails at the third, repairs, rethinks and halts."""
    brief = Brief(slug="bookkeeper", title=f"Bookkeeper {hostile}", text=f"Keep books. {hostile}\n")
    async with db.transaction() as conn:
        run = await runs.open_run(conn, brief, POLICY)
        execution = await runs.open_execution(conn, run.id)
    told, wbs = Teller(db, run, execution), wbs or work()
    await _plan(told, wbs, hostile)
    await _gate(told, hostile)
    await told.move("planned", S.GENERATION_CYCLE)
    for item in wbs.items[:2]:
        await _make(told, item.id)
    await _fail(told, wbs.items[2].id, hostile)
    async with db.transaction() as conn:
        rows = [
            items.PlannedItem(id=i.id, key=f"key-{i.id}", title=i.title, body=named, reason="first build")
            for i in wbs.items
            for named in await store.put_artifacts(conn, [("contract", b"{}")])
        ]
        await items.plan_items(conn, run.project, run.id, rows)
        await runs.end_execution(conn, execution, "Halted")
        return await runs.find_run(conn, run.id)


async def _plan(told: Teller, wbs: WBS, hostile: str) -> None:
    await told.answer(S.INITIALIZING, Intake(words=3, sentences=1, features=0))
    await told.move("ready", S.TRIAGE)
    triage = Triage(outcome="full", size=7, decided_by="model", reasons=("Five parts.",))
    await told.answer(S.TRIAGE, triage)
    await told.move("full", S.REQUIREMENT_INGESTION)
    await told.answer(
        S.REQUIREMENT_INGESTION, Specified(specification=specification(hostile), statements=("Keep books.",))
    )
    await told.move("specified", S.SPECIFICATION_ANALYSIS)
    await told.answer(S.SPECIFICATION_ANALYSIS, Analysed(outcome="sound", blueprint=BLUEPRINT))
    await told.move("sound", S.DECOMPOSITION)
    pair = (1, 2)
    plan = Planned(
        outcome="planned", wbs=wbs, estimate=Estimate(calls=pair, input_tokens=pair, output_tokens=pair)
    )
    await told.answer(S.DECOMPOSITION, plan)


async def _gate(told: Teller, hostile: str) -> None:
    async with told.db.transaction() as conn:
        [shown] = await store.put_artifacts(conn, [("shown", f"# The plan\n{hostile}".encode())])
        asked = await approvals.ask(
            conn, project=told.run.project, run=told.run.id, execution=told.execution, gate="plan",
            subject_digest=shown, shown_digest=shown, actor="phoenix",
        )  # fmt: skip
        await approvals.decide(conn, asked, "approve", "ada", f"Looks right. {hostile}")


def specification(hostile: str = "") -> Specification:
    """A specification with one requirement."""
    [first] = SPECIFICATION.requirements
    sourced = SourcedRequirement(
        id=first.id, text=f"{first.text} {hostile}", criteria=first.criteria, sources=("S1",), metric=None,
        target=None,
    )  # fmt: skip
    return Specification(
        title="Books", purpose="Keeps books.", requirements=(sourced,), constraints=(), out_of_scope=(),
        assumptions=(), glossary=(), unserved=(), questions=(),
    )  # fmt: skip


async def _make(told: Teller, item: str) -> None:
    seen, measures = verdict(f"suite of {item}"), Measures(lines=9, complexity=2, lint=0)
    candidate = Green(candidate=a_candidate(), verdict=seen, attempts=2)
    mutants = tuple(
        Mutant(id=f"m{n}", path="src/a.py", line=n, change="+ to -", killed_by=("t",) if n else ())
        for n in range(4)
    )
    drawn = (Property(id="t", cases=131, every=False),) if item == "WI-1" else ()
    audit = Audit(properties=drawn, unaudited="" if drawn else "its suite has no property")
    await told.visit(S.GENERATION_CYCLE, S.GENERATE_TESTS, Red(suite=a_plan().suite, verdict=seen), item)
    await told.visit(S.GENERATE_TESTS, S.IMPLEMENT_CODE, candidate, item)
    await told.visit(S.IMPLEMENT_CODE, S.AUDIT_CODE, Held(mutants=mutants, verdict=seen, audit=audit), item)
    done = Refactored(
        candidate=candidate.candidate, refactoring="kept", before=measures, after=measures, verdict=seen
    )
    await told.visit(S.AUDIT_CODE, S.REFACTOR_CODE, done, item)
    await told.event(EventKind.ENTERED, S.REFACTOR_CODE, S.GENERATION_CYCLE, item=item, outcome="done")


async def _fail(told: Teller, item: str, hostile: str) -> None:
    await told.visit(
        S.GENERATION_CYCLE, S.GENERATE_TESTS, Red(suite=a_plan().suite, verdict=verdict(item)), item
    )
    for summary in ("no candidate passed in 4 attempts", "no candidate passed in 4 attempts, again"):
        wrong = Evidence(
            state=S.IMPLEMENT_CODE, cause=Cause.BAD_CODE, summary=f"{item}: {summary} {hostile}",
            details="assert 2 == 3", item=item,
        )  # fmt: skip
        await told.visit(S.GENERATE_TESTS, S.IMPLEMENT_CODE, wrong, item)
        await told.move("failed", S.FAILURE_ANALYSIS)
        again = "again" in summary
        route = Route(cause=Cause.BAD_CODE, target=S.GENERATION_CYCLE, items=(item,), reason="it is the code")
        outcome = "rethink" if again else "repair"
        await told.answer(
            S.FAILURE_ANALYSIS, Diagnosis(outcome=outcome, routes=(route,), reason=f"{outcome} {item}")
        )
        await told.move(outcome, S.AUTOMATED_RETHINK if again else S.GENERATION_CYCLE)
    strategy = Strategy(target=S.GENERATION_CYCLE, items=(item,), text="Use a table of states.")
    await told.answer(
        S.AUTOMATED_RETHINK, Rethought(outcome="exhausted", strategy=strategy, reason="tried before")
    )
    await told.move("exhausted", S.HALTED)
    message = f"{item} cannot be made. {hostile}"
    await told.event(EventKind.HALTED, S.HALTED, None, message=message, again=None)
