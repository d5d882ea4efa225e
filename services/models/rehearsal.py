"""The rehearsal: a deterministic player of every agent, for a synthetic project of small functions."""

import json
import re
from collections.abc import Callable

from schemas.calls import Reply, Request, Usage
from schemas.contract import Contract
from schemas.errors import ConfigurationError
from services.models import formulas, rehearsal_full, synthetic, synthetic_full
from services.models.names import RehearsalOptions
from services.models.part import Part
from services.models.synthetic_graph import item_of

Answer = Callable[[Part], str]
FULL_SIZE = 7
"""The least size that triage reports of a project with work items."""


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
    if part.strikes("schema_violation", options.schema_violation):
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
    options = part.options
    size = max(options.size, FULL_SIZE) if options.items else options.size
    reason = f"{options.items} work items" if options.items else f"{options.functions} small functions"
    return json.dumps({"size": size, "clear": True, "reasons": [f"{reason} without state"], "questions": []})


def _planner(part: Part) -> str:
    title = formulas.title_of(part.values["brief"])
    srs = synthetic.specification(title, part.options.functions)
    contract = synthetic.contract(title, part.options.functions)
    return json.dumps({"srs": srs.model_dump(mode="json"), "contract": contract.model_dump(mode="json")})


def _test_engineer(part: Part) -> str:
    contract = part.contract()
    if item_of(contract.module):
        return rehearsal_full.suite(part, contract)
    names = [f.name for f in contract.functions]
    name = names[part.which(len(names))]
    wrong = name if part.strikes("bad_test", part.options.bad_test) else ""
    vacuous = name if part.strikes("vacuous_test", part.options.vacuous_test) else ""
    return synthetic.suite(part.srs(), contract, wrong, vacuous)


def _implementation(part: Part) -> str:
    contract = part.contract()
    wrong = _wrong(part, contract)
    if item_of(contract.module):
        local = synthetic_full.next_local(part.values.get("previous", ""))
        rare = synthetic_full.RARE if part.strikes("rare_code", part.options.rare_code) else ""
        return synthetic_full.implementation(
            part.graph, contract, wrong=synthetic_full.ALWAYS if wrong else rare, local=local
        )
    return synthetic.implementation(contract, wrong, plain=True)


def _wrong(part: Part, contract: Contract) -> str:
    """The name of the function whose body is wrong this time; empty when none is."""
    names = [f.name for f in contract.functions]
    return names[part.which(len(names))] if part.strikes("bad_code", part.options.bad_code) else ""


def _refactoring(part: Part) -> str:
    code = part.values["code"]
    item = synthetic_full.contract_of(part.graph, code)
    contract = item or synthetic.contract_of(code)
    wrong = _wrong(part, contract)
    if not wrong and part.draw("idle") < 0.5:
        return "NO CHANGE"
    if item:
        return synthetic_full.implementation(part.graph, item, wrong=synthetic_full.ALWAYS if wrong else "")
    return synthetic.implementation(contract, wrong, plain=False)


def _documentation(part: Part) -> str:
    srs, code = part.srs(), part.values["code"]
    full = synthetic_full.readme(part.graph, srs, code)
    return full or synthetic.readme(srs, synthetic.contract_of(code))


def _security(part: Part) -> str:
    judgements = [
        {"finding": number, "accepted": True, "reason": "a rehearsal accepts what its own code shows"}
        for number in _numbers(part.values.get("findings", ""))
    ]
    return json.dumps({"judgements": judgements})


def _numbers(findings: str) -> list[int]:
    """The findings' numbers: as they stand in a numbered list, from 0 in a list of JSON."""
    try:
        told = json.loads(findings)
    except ValueError:
        return [int(n) for n in re.findall(r"^\s*(\d+)[.:)]\s", findings, re.MULTILINE)]
    return list(range(len(told))) if isinstance(told, list) else []


_PARTS: dict[str, Answer] = {
    "triage": _triage,
    "planner": _planner,
    "test_engineer": _test_engineer,
    "implementation": _implementation,
    "refactoring": _refactoring,
    "documentation": _documentation,
    "security": _security,
    **rehearsal_full.PARTS,
}
