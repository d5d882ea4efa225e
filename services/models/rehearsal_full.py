"""The parts of the agents that only the full path has."""

import re
from collections.abc import Callable

from pydantic import TypeAdapter

from schemas.answers import CauseAnswer, ReviewAnswer, StrategyAnswer
from schemas.base import text_digest
from schemas.blueprint import Blueprint
from schemas.contract import Contract
from schemas.specification import Specification
from services.models import formulas, synthetic_full, synthetic_plan
from services.models.part import Part

MOST_STRATEGIES = 2
_CONTRACTS = TypeAdapter(tuple[Contract, ...])
_ITEM = re.compile(r"\bWI-[1-9]\d{0,3}\b")


def suite(part: Part, contract: Contract) -> str:
    """The test engineer's answer for an item of the larger project."""
    faults = synthetic_full.SuiteFaults(
        wrong=_wrong_place(part, len(synthetic_full.EXAMPLES)),
        vacuous=part.strikes("vacuous_test", part.options.vacuous_test),
    )
    properties = part.options.rare_code > 0
    return synthetic_full.suite(part.graph, part.srs(), contract, faults, properties=properties)


def _wrong_place(part: Part, count: int) -> int | None:
    return part.which(count) if part.strikes("bad_test", part.options.bad_test) else None


def _requirements(part: Part) -> str:
    told, feedback = part.values["statements"], part.values["feedback"].strip()
    statements = len(re.findall(r"^S[1-9]\d*: ", told, re.MULTILINE))
    settled = (f"What was asked for is settled (note {text_digest(feedback)[:8]}).",) if feedback else ()
    title = formulas.title_of(told)
    return synthetic_plan.specification(part.graph, title, statements, settled).model_dump_json()


def _architect(part: Part) -> str:
    srs = Specification.model_validate_json(part.values["specification"])
    doubted = ""
    if part.strikes("unsound", part.options.unsound):
        doubted = srs.requirements[part.which(len(srs.requirements))].id
    return synthetic_plan.blueprint(part.graph, srs.title, doubted).model_dump_json()


def _decomposition(part: Part) -> str:
    package = Blueprint.model_validate_json(part.values["blueprint"]).package
    srs = Specification.model_validate_json(part.values["specification"])
    plan = synthetic_plan.decomposition(part.graph, package, srs.premises())
    if part.strikes("bad_plan", part.options.bad_plan):
        cyclic = part.draw("cyclic") < 0.5
        plan = (
            synthetic_plan.cyclic(plan)
            if cyclic
            else synthetic_plan.uncovered(plan, part.which(len(plan.items)))
        )
    return plan.model_dump_json()


def _integration(part: Part) -> str:
    package = _CONTRACTS.validate_json(part.values["contracts"])[0].package
    index = int(part.subject.removeprefix("WI-"))
    wrong = _wrong_place(part, len(synthetic_full.CROSSINGS))
    return synthetic_full.integration(part.graph, part.srs(), package, index, wrong)


def _verification(part: Part) -> str:
    first = _ITEM.search(part.values["evidence"])
    items = (first.group(),) if first else ()
    reason = "A rehearsal's specification is right, so its code is wrong."
    return CauseAnswer(cause="bad_code", items=items, reason=reason).model_dump_json()


def _supervisor(part: Part) -> str:
    tried = [line for line in part.values["tried"].splitlines() if line.strip()]
    items = tuple(dict.fromkeys(_ITEM.findall(part.values["failures"])))
    if len(tried) > MOST_STRATEGIES:
        reason = f"{len(tried)} strategies did not help; a human should look at the faults asked for."
        return StrategyAnswer(action="give_up", items=(), strategy=reason).model_dump_json()
    strategy = f"Strategy {len(tried) + 1}: write tests and code anew, without the faults seen."
    return StrategyAnswer(action="regenerate", items=items, strategy=strategy).model_dump_json()


def _reviewer(part: Part) -> str:
    requirements = len(part.srs().requirements)
    summary = f"All {requirements} requirement(s) of the rehearsal have tests that passed."
    return ReviewAnswer(summary=summary, risks=()).model_dump_json()


PARTS: dict[str, Callable[[Part], str]] = {
    "requirements_analyst": _requirements,
    "architect": _architect,
    "decomposition": _decomposition,
    "integration_engineer": _integration,
    "verification": _verification,
    "supervisor": _supervisor,
    "reviewer": _reviewer,
}
