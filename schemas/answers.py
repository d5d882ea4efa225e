"""What the agents of the Lite path answer in JSON."""

from pydantic import Field, model_validator

from schemas.base import Text, Value
from schemas.contract import Contract
from schemas.srs import SRS
from schemas.verdict import Judgement


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


class SecurityAnswer(Value):
    """A judgement of each finding."""

    judgements: tuple[Judgement, ...]
