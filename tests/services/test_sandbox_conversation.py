"""Conversations with honest and dishonest programs."""

import sys
import time
from pathlib import Path

import pytest

from services.sandbox import ConversationBroken, Job, Limits, Sandbox, open_sandbox

pytestmark = pytest.mark.services

ECHO = "import sys\nfor line in sys.stdin: print(line.upper(), end='', flush=True)"


@pytest.fixture
async def sandbox() -> Sandbox:
    return await open_sandbox()


def talker(script: str, limits: Limits | None = None) -> Job:
    argv = ("python", "-I", "-S", "-c", script)
    return Job(argv, {}, environment=Path(sys.prefix), limits=limits or Limits())


async def test_each_question_gets_its_answer(sandbox: Sandbox) -> None:
    async with sandbox.converse(talker(ECHO)) as conversation:
        for number in range(200):
            assert await conversation.ask(f"question {number}".encode(), 5) == f"QUESTION {number}".encode()
        assert await conversation.ask(b"x" * 900_000, 5) == b"X" * 900_000
    assert conversation.outcome.exit_code is None
    assert (conversation.outcome.stdout, conversation.outcome.limits_hit) == (b"", ())


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("input()", "ended"),
        ("import os; os.close(1); input()", "ended"),
        ("import time; time.sleep(60)", "deadline"),
        ("input(); print('x' * 5000, flush=True); input()", "size"),
        ("input(); print('x' * 5000, end='', flush=True); input()", "size"),
        ("input(); print('a\\nb', flush=True); input()", "extra"),
    ],
)
async def test_a_broken_rule_ends_the_conversation(sandbox: Sandbox, script: str, reason: str) -> None:
    begin = time.monotonic()
    async with sandbox.converse(talker(script)) as conversation:
        with pytest.raises(ConversationBroken) as broken:
            await conversation.ask(b"go", 1, max_bytes=1000)
        with pytest.raises(ConversationBroken):
            await conversation.ask(b"again", 1)
    assert broken.value.reason == reason
    assert time.monotonic() - begin < 5
    assert conversation.outcome.confinement == sandbox.confinement


async def test_speaking_unasked_is_noticed_at_the_next_question(sandbox: Sandbox) -> None:
    script = (
        "import time\ninput(); print('a', flush=True); time.sleep(0.1); print('b', flush=True); time.sleep(9)"
    )
    async with sandbox.converse(talker(script)) as conversation:
        assert await conversation.ask(b"go", 5) == b"a"
        time.sleep(0.4)  # noqa: ASYNC251 - the loop must not read meanwhile
        with pytest.raises(ConversationBroken, match="without being asked"):
            await conversation.ask(b"next", 0.5)
    assert conversation.outcome.stdout == b"b\n"


async def test_an_error_of_ours_still_ends_the_program(sandbox: Sandbox) -> None:
    with pytest.raises(ZeroDivisionError):
        async with sandbox.converse(talker(ECHO)) as conversation:
            assert 1 / 0
    assert conversation.outcome.exit_code is None


async def test_limits_hold_in_a_conversation(sandbox: Sandbox) -> None:
    async with sandbox.converse(talker(ECHO, Limits(wall_s=0.5))) as conversation:
        with pytest.raises(ConversationBroken):
            while True:
                await conversation.ask(b"more", 5)
    assert conversation.outcome.limits_hit == ("wall",)
    flood = "while True: print('x' * 10_000)"
    async with sandbox.converse(talker(flood, Limits(output_bytes=1000))) as conversation:
        with pytest.raises(ConversationBroken):
            while True:
                await conversation.ask(b"go", 5)
    assert len(conversation.outcome.stdout) <= 1000
