"""Question and answer, line by line, with a program that may cheat, stall or die."""

import asyncio
from typing import Literal

from schemas.errors import PhoenixError
from services.sandbox.job import Outcome
from services.sandbox.session import Session

Reason = Literal["ended", "deadline", "size", "extra"]


class ConversationBroken(PhoenixError):
    """The program did not answer with exactly one line in time; nothing more can be asked."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"the program broke the conversation: {detail}")
        self.reason = reason


class Conversation:
    """A running conversation."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._broken: ConversationBroken | None = None

    @property
    def outcome(self) -> Outcome:
        """How the job ended; there after the context is left. Its stdout is what no question asked for."""
        return self._session.outcome

    async def ask(self, line: bytes, deadline_s: float, max_bytes: int = 1_000_000) -> bytes:
        """The one line, without its end, that the program answers to one line.

        Raises:
            ConversationBroken: the program ended, was late, said too much, or said something unasked.
        """
        if b"\n" in line:
            raise ValueError("a question is one line")
        if self._broken:
            raise self._broken
        try:
            return await self._answer(line, deadline_s, max_bytes)
        except ConversationBroken as error:
            self._broken = error
            raise

    async def _answer(self, line: bytes, deadline_s: float, max_bytes: int) -> bytes:
        session = self._session
        if self._said_more():
            raise ConversationBroken("extra", "it spoke without being asked")
        session.stdin.send(line + b"\n")
        try:
            async with asyncio.timeout(deadline_s):
                while (end := session.stdout.kept.find(b"\n")) < 0 and len(session.stdout.kept) <= max_bytes:
                    if session.over:
                        raise ConversationBroken("ended", "it ended without an answer")
                    session.changed.clear()
                    await session.changed.wait()
        except TimeoutError:
            raise ConversationBroken("deadline", f"no answer within {deadline_s:g} s") from None
        if end < 0 or end > max_bytes:
            raise ConversationBroken("size", f"its answer is longer than {max_bytes} bytes")
        answer = bytes(session.stdout.kept[:end])
        del session.stdout.kept[: end + 1]
        if self._said_more():
            raise ConversationBroken("extra", "it answered with more than one line")
        return answer

    def _said_more(self) -> bool:
        """Whether there is output that no question asked for, in the pipe too."""
        if not self._session.over:
            self._session.stdout.read()
        return bool(self._session.stdout.kept)
