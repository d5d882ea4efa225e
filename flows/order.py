"""What a person orders: the form of the build flows."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.brief import Brief
from schemas.policy import Policy

Executor = Literal["local", "pool"]


class BuildOrder(BaseModel):
    """A brief to build, and what is allowed."""

    model_config = ConfigDict(frozen=True)

    brief: Brief
    policy: Policy
    output: str | None = Field(
        default=None, description="folder of the git repository; a folder below PHOENIX_HOME when empty"
    )
    executor: Executor = Field(
        default="local", description="pool: the workers of a Prefect work pool develop the work items"
    )


class Ending(BaseModel):
    """How an execution of a run ended."""

    model_config = ConfigDict(frozen=True)

    run: str
    state: str
    message: str
    path: str | None = None
    """The release's folder."""
