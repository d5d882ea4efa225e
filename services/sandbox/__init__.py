"""Runs programs that nobody trusts; the only place that may start generated code."""

from services.sandbox.conversation import Conversation, ConversationBroken
from services.sandbox.escape import escape
from services.sandbox.job import Job, Limits, Outcome
from services.sandbox.probe import open_sandbox
from services.sandbox.sandbox import Sandbox

__all__ = [
    "Conversation",
    "ConversationBroken",
    "Job",
    "Limits",
    "Outcome",
    "Sandbox",
    "escape",
    "open_sandbox",
]
