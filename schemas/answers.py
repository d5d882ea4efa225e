"""What the agents answer in JSON."""

from typing import Literal

from pydantic import Field, model_validator

from schemas.base import Text, Value
from schemas.contract import Contract
from schemas.srs import SRS
from schemas.verdict import Judgement
from schemas.wbs import Epic, ItemId, WorkItem


class TriageAnswer(Value):
    """How large the work is, and whether the brief can be worked on."""

    size: int = Field(ge=1, le=10)
    clear: bool
    reasons: tuple[Text, ...]
    questions: tuple[Text, ...]

    @model_validator(mode="after")
    def _asks_when_unclear(self) -> "TriageAnswer":
        if not self.clear and not self.questions:
            raise ValueError("an unclear brief needs at least one question")
        return self


class PlanAnswer(Value):
    """A short specification and the contract of the one module that meets it."""

    srs: SRS
    contract: Contract

    @model_validator(mode="after")
    def _has_bodies(self) -> "PlanAnswer":
        if not self.contract.body_names():
            raise ValueError("contract: a contract needs at least one function or class")
        return self


class SecurityAnswer(Value):
    """A judgement of each finding."""

    judgements: tuple[Judgement, ...]


class DecompositionAnswer(Value):
    """The work, or what the specification lacks for it."""

    epics: tuple[Epic, ...]
    items: tuple[WorkItem, ...]
    gaps: tuple[Text, ...] = Field(
        description="what the specification leaves open so that no plan can be made; usually empty"
    )


class CauseAnswer(Value):
    """Who is wrong, judged from the specification and what was seen."""

    cause: Literal["bad_code", "bad_test", "bad_plan", "bad_spec"]
    items: tuple[ItemId, ...]
    reason: Text


class StrategyAnswer(Value):
    """What to do differently after repairs did not help."""

    action: Literal["replan", "regenerate", "give_up"]
    items: tuple[ItemId, ...]
    strategy: Text


class ReviewAnswer(Value):
    """What a reviewer says about a release's evidence."""

    summary: Text
    risks: tuple[Text, ...]
