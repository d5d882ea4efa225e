"""What a run carries from stage to stage."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.ask import Desk
from schemas.base import digest
from schemas.brief import Brief
from schemas.memory import HintKind
from schemas.policy import Policy
from schemas.stateflow import State
from services.database import Database
from services.judge import Judge
from services.memory import Memory

HINTS = 2
HINT_CHARS = 2_000
NEAR = 500
"""The least similarity, in thousandths, at which an entry is a hint."""


@dataclass(frozen=True)
class RunContext:
    """A run's identity, its policy, and the services that its stages use."""

    run: str
    execution: str
    brief: Brief
    policy: Policy
    database: Database
    desk: Desk
    judge: Judge
    home: Path
    cache: Path
    """Where tools that are named by their digest are kept."""
    memory: Memory | None = None
    """What earlier work can hint at; None where nothing is to be remembered or recalled."""
    samples: Mapping[tuple[State, str], int] = field(default_factory=dict)
    """How often the run halted for a state and work item ('' for all): the index of the sample there."""
    progress: Callable[[str, Mapping[str, Any]], None] = lambda kind, facts: None
    audit_key: str = ""
    """What the seeds of audits come from; no agent is told."""
    pool: bool = False
    """Whether the workers of a work pool develop the items, instead of this process."""
    crashes: int = 0
    """How often in a row the flow run that carries the run has died without getting any further."""

    def sample(self, state: State, item: str = "") -> int:
        """The index of the sample to ask for in a state, for a work item or the whole run."""
        return self.samples.get((state, item), 0)

    @property
    def project(self) -> str:
        """The project's slug."""
        return self.brief.slug


@dataclass(frozen=True)
class Work:
    """What a stage's body gets beside its inputs."""

    context: RunContext
    state: State
    sample: int
    item: str = ""
    """The work item; empty for a stage of the whole run."""

    @property
    def desk(self) -> Desk:
        """Where agents are asked."""
        return self.context.desk

    @property
    def judge(self) -> Judge:
        """Where generated code is judged."""
        return self.context.judge

    def seed(self, *subject: str) -> str:
        """What inputs for a subject are drawn by: the same whenever the run asks, and told to no agent."""
        return digest([self.context.audit_key, *subject])

    async def hints(self, kind: HintKind, text: str) -> str:
        """What memory recalls, the same for every try of this visit; empty when nothing is near enough."""
        memory = self.context.memory
        if memory is None:
            return ""
        key = f"{self.context.run}/{self.state}/{self.item}/{self.sample}"
        found = await memory.pinned(key, lambda: memory.recall(kind, text, HINTS))
        near = [hint for hint in found if hint.score >= NEAR]
        return "\n\n".join(f"From {h.source.project}:\n{h.body[:HINT_CHARS]}" for h in near)
