"""What a run carries from stage to stage."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.ask import Desk
from schemas.brief import Brief
from schemas.policy import Policy
from schemas.stateflow import State
from services.database import Database
from services.judge import Judge


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
    samples: Mapping[tuple[State, str], int] = field(default_factory=dict)
    """How often the run halted for a state and work item ('' for all): the index of the sample there."""
    progress: Callable[[str, Mapping[str, Any]], None] = lambda kind, facts: None

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
