"""The software requirements specification (ISO/IEC/IEEE 29148)."""

from typing import Annotated

from pydantic import StringConstraints, model_validator

from schemas.base import Text, Value

RequirementId = Annotated[str, StringConstraints(pattern=r"^N?FR-[1-9][0-9]{0,3}$")]
CriterionId = Annotated[str, StringConstraints(pattern=r"^N?FR-[1-9][0-9]{0,3}\.[1-9][0-9]{0,2}$")]


class Criterion(Value):
    """An acceptance criterion in EARS form (Mavin et al., 2009): WHEN … THE … SHALL …."""

    id: CriterionId
    text: Text


class Requirement(Value):
    """A functional (FR) or non-functional (NFR) requirement."""

    id: RequirementId
    text: Text
    criteria: tuple[Criterion, ...]


class SRS(Value):
    """What the software must do, and how that can be shown."""

    title: Text
    purpose: Text
    requirements: tuple[Requirement, ...]
    constraints: tuple[Text, ...]
    out_of_scope: tuple[Text, ...]
    assumptions: tuple[Text, ...]

    @model_validator(mode="after")
    def _consistent(self) -> "SRS":
        if not self.requirements:
            raise ValueError("at least one requirement is needed")
        ids = [r.id for r in self.requirements] + [c.id for r in self.requirements for c in r.criteria]
        doubles = sorted({i for i in ids if ids.count(i) > 1})
        if doubles:
            raise ValueError(f"ids occur twice: {', '.join(doubles)}")
        for requirement in self.requirements:
            if not requirement.criteria:
                raise ValueError(f"{requirement.id} has no acceptance criterion")
            strays = [c.id for c in requirement.criteria if not c.id.startswith(requirement.id + ".")]
            if strays:
                raise ValueError(f"{', '.join(strays)} must begin with '{requirement.id}.'")
        return self

    def premises(self) -> dict[str, str]:
        """The constraints as C1, C2, … and the assumptions as A1, A2, …."""
        return {f"{letter}{n}": text for letter, texts in (("C", self.constraints), ("A", self.assumptions))
                for n, text in enumerate(texts, 1)}  # fmt: skip

    def criterion_ids(self) -> tuple[str, ...]:
        """The ids of every acceptance criterion, in order."""
        return tuple(c.id for r in self.requirements for c in r.criteria)
