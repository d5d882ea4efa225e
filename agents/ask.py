"""How an agent is asked: its prompt rendered, its answer parsed, at most two repairs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TypeVar

import jinja2
from pydantic import BaseModel, TypeAdapter, ValidationError

from schemas.agent import Agent
from schemas.base import SourceFile, digest, text_digest
from schemas.calls import Message, Reply, Request
from schemas.contract import Contract
from schemas.errors import UnusableAnswer
from schemas.fileblocks import FileBlockError, parse_file_blocks
from schemas.policy import Policy, Tier
from schemas.prose import face_text, interface_text, srs_text
from schemas.specification import Specification
from schemas.srs import SRS
from services.models import CallScope, Models, lift_json, model_identity, schema_for

T = TypeVar("T", bound=BaseModel)
_CONTRACTS = TypeAdapter(tuple[Contract, ...])
_SPECIFICATION: TypeAdapter[SRS] = TypeAdapter(Specification | SRS)
REPAIRS = 2
NO_CHANGE = "NO CHANGE"
_STOPPED = {"refused": "the model refused", "length": "the answer was cut off, also with twice the length"}


@dataclass(frozen=True)
class Question:
    """One question to one agent about one subject."""

    agent: Agent
    subject: str
    inputs: Mapping[str, str]
    sample: int = 0
    complexity: int | None = None
    """The complexity of the work item that it is about; None for the whole run."""
    attempt: int = 1
    """How often its subject was tried: more than 1 after failed checks, never after a lost connection."""
    hints: str = ""
    """What memory recalled: shown to the agent, and no part of what its answer is recorded under."""


@dataclass(frozen=True)
class Desk:
    """Where agents are asked: the models, who pays, and the policy that chooses among models."""

    models: Models
    scope: CallScope
    policy: Policy

    async def ask_json(self, question: Question, answer: type[T]) -> T:
        """The agent's answer in its schema.

        Raises:
            UnusableAnswer: the answer was refused, cut off, or invalid after two repairs.
        """
        text = await self._ask(question, lambda reply: _read_json(answer, reply))
        return answer.model_validate_json(lift_json(text))

    async def ask_files(self, question: Question) -> tuple[SourceFile, ...]:
        """The agent's files; empty when it answered that there is nothing to change.

        Raises:
            UnusableAnswer: the answer was refused, cut off, or invalid after two repairs.
        """
        text = await self._ask(question, _read_files)
        return () if text.strip() == NO_CHANGE else parse_file_blocks(text)

    async def _ask(self, question: Question, problem_in: Callable[[str], str]) -> str:
        request = self._request(question)
        problem = ""
        for _ in range(1 + REPAIRS):
            reply = await self._complete(request)
            problem = _STOPPED.get(reply.finish) or problem_in(reply.text)
            if not problem:
                return reply.text
            if reply.finish != "stop":
                break
            request = _with_repair(request, reply.text, problem)
        raise UnusableAnswer(f"agent {question.agent.name} on {question.subject}: {problem}")

    async def _complete(self, request: Request) -> Reply:
        reply = await self.models.complete(self.scope, request)
        if reply.finish != "length":
            return reply
        longer = request.model_copy(update={"max_output_tokens": request.max_output_tokens * 2})
        return await self.models.complete(self.scope, longer)

    def _request(self, question: Question) -> Request:
        agent = question.agent
        inputs = {k: v for k, v in question.inputs.items() if v or k not in agent.optional}
        missing = set(agent.inputs) ^ (set(inputs) - set(agent.optional))
        if missing:
            raise ValueError(f"agent {agent.name} declares the inputs {agent.inputs}; differs: {missing}")
        named = digest({"agent": agent.name, "inputs": inputs})
        system, user = render_prompt(agent, inputs, named[:8], question.hints)
        choice = self.policy.choice(agent.name, agent.tier, question.complexity, question.attempt)
        return Request(
            agent=agent.name,
            subject=question.subject,
            tier=choice.tier,
            model=choice.model,
            reason=choice.reason,
            messages=(Message(role="system", content=system), Message(role="user", content=user)),
            response_schema=schema_for(agent.answer) if agent.answer else None,
            max_output_tokens=agent.max_output_tokens,
            sample=question.sample,
            inputs=named,
            values=inputs,
        )


def _read_json(answer: type[BaseModel], text: str) -> str:
    try:
        answer.model_validate_json(lift_json(text))
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)[:10]
        return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'answer'}: {e['msg']}" for e in found)
    except ValueError as error:
        return f"not JSON: {error}"
    return ""


def _read_files(text: str) -> str:
    if text.strip() == NO_CHANGE:
        return ""
    try:
        parse_file_blocks(text)
    except FileBlockError as error:
        return str(error)
    return ""


def _with_repair(request: Request, answer: str, problem: str) -> Request:
    notes = (
        Message(role="assistant", content=answer[:4000]),
        Message(role="user", content=f"The answer breaks a rule: {problem}\nReturn the whole answer again."),
    )
    return request.model_copy(update={"messages": (*request.messages, *notes)})


@cache
def prompt_text(name: str) -> str:
    """A prompt file's text."""
    return files("agents").joinpath("prompts", name).read_text(encoding="utf-8")


class Fenced(str):
    """Data between fences; the only thing that a prompt's request may hold beside its own words."""


def render_prompt(agent: Agent, inputs: Mapping[str, str], fence: str, hints: str = "") -> tuple[str, str]:
    """The system and user messages; data stands between fences that it cannot close.

    Raises:
        jinja2.UndefinedError: the prompt names an input that is missing.
        TypeError: the prompt shows data without a fence.
    """
    system, _, request = prompt_text(agent.prompt).partition("<!-- request -->\n")
    prompt = jinja2.Environment(undefined=jinja2.StrictUndefined, finalize=only_fenced, autoescape=False)  # nosec B701
    views = {
        "fence": lambda name, text: _fenced(name, text, fence),
        "interface": lambda text: interface_text(Contract.model_validate_json(str(text))),
        "interfaces": lambda text: "\n\n".join(map(face_text, _CONTRACTS.validate_json(str(text) or "[]"))),
        "requirements": lambda text: srs_text(_SPECIFICATION.validate_json(str(text))) if text else "",
    }
    shown = {**dict.fromkeys(agent.optional, ""), **inputs}
    request = prompt.from_string(request).render(**views, **shown).strip()
    return system.strip(), f"{request}\n\n{_fenced('hints', hints, fence)}".strip()


def only_fenced(value: object) -> object:
    """A value that a prompt shows.

    Raises:
        TypeError: it is data without a fence.
    """
    if isinstance(value, str) and not isinstance(value, Fenced):
        raise TypeError("a prompt shows data without a fence")
    return value


def _fenced(name: str, text: str, fence: str) -> Fenced:
    if not str(text).strip():
        return Fenced("")
    return Fenced(f"<{name}-{fence}>\n{text.replace(fence, '-').rstrip()}\n</{name}-{fence}>")


def fingerprint(agent: Agent, policy: Policy) -> str:
    """The digest of all about an agent that can change its answers: prompt, schema, and its models."""
    schema = schema_for(agent.answer) if agent.answer else None
    models = {tier.value: model_identity(policy.choice(agent.name, tier).model) for tier in Tier}
    return digest({"prompt": text_digest(prompt_text(agent.prompt)), "schema": schema, "models": models})
