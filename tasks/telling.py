"""Where a story stands: in the whole run, and in each of its work items."""

import asyncio
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.failure import Evidence
from schemas.full import ItemDone
from schemas.stages import StageAnswer
from schemas.stateflow import State, route
from schemas.wbs import WBS
from services.database import ledger
from tasks.context import RunContext

ACTOR = "phoenix"


@dataclass
class Telling:
    """Where the story stands in this execution."""

    context: RunContext
    state: State = State.INITIALIZING
    outcome: str = ""
    told: dict[str, StageAnswer | Evidence] = field(default_factory=dict)
    path: list[State] = field(default_factory=list)
    item: str = ""
    """The work item that this telling is about; empty for the whole run."""
    whole: "Telling | None" = None
    """The run's telling, of which this is an item's."""
    items: dict[str, "Telling"] = field(default_factory=dict)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    wbs: WBS | None = None
    """The work, once it is planned."""
    pages: list[str] = field(default_factory=list)
    """What stages have answered in words and is not yet shown."""
    done: dict[str, ItemDone] = field(default_factory=dict)
    """The newest accepted form of each work item."""

    def of_item(self, item: str) -> "Telling":
        """The telling of one work item, which begins and ends in the generation cycle."""
        if item not in self.items:
            cycle = State.GENERATION_CYCLE
            self.items[item] = Telling(self.context, cycle, "begin", path=[cycle], item=item, whole=self)
        return self.items[item]

    def begin(self, item: str) -> "Telling":
        """The telling of a work item that is worked on: where it is under repair, else from the start."""
        if item in self.items and self.items[item].state is not State.FAILURE_ANALYSIS:
            del self.items[item]
        return self.of_item(item)

    async def move(self, target: State, outcome: str | None = None) -> None:
        """Go to a state by the transitions that the table allows."""
        async with self.context.database.transaction() as conn:
            await self.move_in(conn, target, outcome)

    async def move_in(self, conn: AsyncConnection, target: State, outcome: str | None = None) -> None:
        """Go to a state as a transaction does; the run is in the generation cycle when an item moves."""
        if not self.path and target is self.state:
            return
        context = self.context
        for step in route(self.state, outcome or self.outcome, target):
            said = {
                "outcome": step.outcome,
                "run": context.run,
                "execution": context.execution,
                "actor": ACTOR,
            }
            if self.item:
                await ledger.item_transition(
                    conn,
                    project=context.project,
                    item=self.item,
                    origin=step.origin,
                    target=step.target,
                    **said,
                )
            else:
                await ledger.transition(conn, target=step.target, payload={}, **said)
        self.state = target

    async def enter(self, composite: State) -> None:
        """Be in a composite state whose work is done in several places at once."""
        async with self.turn:
            if self.state is not composite:
                await self.move(composite)
                self.path.append(composite)
