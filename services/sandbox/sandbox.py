"""What every backend offers."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from schemas.verdict import Confinement
from services.sandbox.conversation import Conversation
from services.sandbox.job import Job, Outcome


class Sandbox(Protocol):
    """A place that passed its probe."""

    @property
    def confinement(self) -> Confinement:
        """What the place is, and what it does not guarantee."""

    async def run(self, job: Job) -> Outcome:
        """What the job did, with every one of its processes dead."""

    def converse(self, job: Job) -> AbstractAsyncContextManager[Conversation]:
        """A line-by-line conversation with the job; Job.stdin is sent first, and the tree dies at the end."""
