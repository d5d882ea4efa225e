"""One judge for all tests of the stages."""

import asyncio

import pytest

from services.judge import Judge
from services.sandbox import open_sandbox
from services.settings import read_settings
from services.toolchain import tool_environment


@pytest.fixture(scope="session")
def judge() -> Judge:
    """A judge over the real sandbox and tool environment."""

    async def opened() -> Judge:
        return Judge(await open_sandbox(), await tool_environment(read_settings().cache))

    return asyncio.run(opened())
