"""Small builders for database tests."""

import asyncio
import hashlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from schemas.brief import Brief
from schemas.calls import Message, Reply, Request, Usage
from schemas.policy import Policy, Tier
from services.database import Database
from services.database.runs import Run, open_run

POLICY = Policy(models={tier: "rehearsal:" for tier in Tier})
GOOD = Reply(text="yes\x00, naïve", finish="stop", usage=Usage(input_tokens=7, output_tokens=2))


def brief(slug: str = "word-counter", text: str = "Count words.\n") -> Brief:
    """A brief of a project."""
    return Brief(slug=slug, title=slug, text=text)


async def new_run(db: Database, slug: str = "word-counter", text: str = "Count words.\n") -> Run:
    """A committed run."""
    async with db.transaction() as conn:
        return await open_run(conn, brief(slug, text), POLICY)


def request(question: str = "why?", agent: str = "coder", subject: str = "run") -> Request:
    """A question to a model."""
    return Request(
        agent=agent,
        subject=subject,
        tier=Tier.FAST,
        model="rehearsal:",
        messages=(Message(role="user", content=question),),
        response_schema=None,
        max_output_tokens=100,
        sample=0,
        inputs=hashlib.sha256(question.encode()).hexdigest(),
        values={},
    )


@asynccontextmanager
async def process(script: str, *arguments: str, says: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A Python process that has printed a line; it is killed with SIGKILL in the end."""
    command = (sys.executable, "-c", script, *arguments)
    started = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert started.stdout is not None
        assert (await started.stdout.readline()).decode() == f"{says}\n"
        yield started
    finally:
        started.kill()
        await started.wait()
