"""The rehearsal: a deterministic player of every agent, for a synthetic project of small functions."""

import hashlib
import json
import re
from collections.abc import Callable

from schemas.calls import Reply, Request, Usage
from schemas.contract import Contract
from schemas.errors import ConfigurationError
from schemas.srs import SRS
from services.models import synthetic
from services.models.names import RehearsalOptions

Answer = Callable[["Part"], str]


class Part:
    """One agent's part at one attempt; every draw depends on these and the seed alone."""

    def __init__(self, options: RehearsalOptions, request: Request, attempt: int) -> None:
        self.options, self.values = options, request.values
        self._about = f"{options.seed}|{request.agent}|{request.subject}|{attempt}"

    def draw(self, what: str) -> float:
        """A number from 0 up to 1."""
        digest = hashlib.sha256(f"{self._about}|{what}".encode()).digest()
        return int.from_bytes(digest[:7]) / 2**56

    def wrong(self, contract: Contract) -> str:
        """The name of the function whose body is wrong this time; empty when none is."""
        if self.draw("bad_code") >= self.options.bad_code:
            return ""
        names = [f.name for f in contract.functions]
        return names[int(self.draw("which") * len(names))]

    def contract(self) -> Contract:
        """The declared contract, else the one that the declared code keeps."""
        if "contract" not in self.values:
            return synthetic.contract_of(self.values["code"])
        return Contract.model_validate_json(self.values["contract"])

    def srs(self) -> SRS:
        """The declared specification."""
        return SRS.model_validate_json(self.values["srs"])


def play(options: RehearsalOptions, request: Request, attempt: int) -> Reply:
    """The rehearsed reply to a request at an attempt.

    Raises:
        ConfigurationError: no part was written for the agent.
    """
    answer = _PARTS.get(request.agent)
    if answer is None:
        raise ConfigurationError(
            f"the rehearsal has no part for agent {request.agent!r}; it plays: {', '.join(_PARTS)}."
        )
    part = Part(options, request, attempt)
    text = answer(part)
    if part.draw("schema_violation") < options.schema_violation:
        text = _violating(text)
    asked = sum(len(m.content.encode()) for m in request.messages)
    usage = Usage(input_tokens=asked // 4 + 1, output_tokens=len(text.encode()) // 4 + 1)
    return Reply(text=text, finish="stop", usage=usage)


def _violating(text: str) -> str:
    """The answer with its end missing, as a model that loses the form would send it."""
    return (
        text.replace("</file>", "")[: max(1, len(text) * 2 // 3)] if text != "NO CHANGE" else '<file path="'
    )


def _triage(part: Part) -> str:
    return json.dumps(
        {
            "size": part.options.size,
            "clear": True,
            "reasons": [f"{part.options.functions} small functions without state"],
            "questions": [],
        }
    )


def _planner(part: Part) -> str:
    title = synthetic.title_of(part.values["brief"])
    srs = synthetic.specification(title, part.options.functions)
    contract = synthetic.contract(title, part.options.functions)
    return json.dumps({"srs": srs.model_dump(mode="json"), "contract": contract.model_dump(mode="json")})


def _test_engineer(part: Part) -> str:
    return synthetic.suite(part.srs(), part.contract())


def _implementation(part: Part) -> str:
    contract = part.contract()
    return synthetic.implementation(contract, part.wrong(contract), plain=True)


def _refactoring(part: Part) -> str:
    contract = part.contract()
    wrong = part.wrong(contract)
    if not wrong and part.draw("idle") < 0.5:
        return "NO CHANGE"
    return synthetic.implementation(contract, wrong, plain=False)


def _documentation(part: Part) -> str:
    return synthetic.readme(part.srs(), part.contract())


def _security(part: Part) -> str:
    judgements = [
        {"finding": index, "accepted": True, "reason": "a rehearsal accepts what its own code shows"}
        for index in range(_count(part.values.get("findings", "")))
    ]
    return json.dumps({"judgements": judgements})


def _count(findings: str) -> int:
    try:
        told = json.loads(findings)
    except ValueError:
        return len(re.findall(r"^\s*(?:\d+[.:)]|[-*])\s", findings, re.MULTILINE))
    return len(told) if isinstance(told, list) else 0


_PARTS: dict[str, Answer] = {
    "triage": _triage,
    "planner": _planner,
    "test_engineer": _test_engineer,
    "implementation": _implementation,
    "refactoring": _refactoring,
    "documentation": _documentation,
    "security": _security,
}
