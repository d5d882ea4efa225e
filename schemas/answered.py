"""What each state answers: the one place that maps a stage to the form of its answer."""

from collections.abc import Iterator

from schemas import full, lite, stages
from schemas.failure import Evidence
from schemas.stages import StageAnswer
from schemas.stateflow import State
from schemas.verdict import Verdict

ANSWERS: dict[State, type[StageAnswer]] = {
    State.INITIALIZING: stages.Intake,
    State.TRIAGE: stages.Triage,
    State.REQUIREMENT_INGESTION: full.Specified,
    State.SPECIFICATION_ANALYSIS: full.Analysed,
    State.DECOMPOSITION: full.Planned,
    State.GENERATE_TESTS: full.Red,
    State.IMPLEMENT_CODE: lite.Green,
    State.AUDIT_CODE: full.Held,
    State.REFACTOR_CODE: full.Refactored,
    State.UNIT_TESTING: stages.Checked,
    State.INTEGRATION_TESTING: full.Integrated,
    State.CONSISTENCY_ANALYSIS: stages.Checked,
    State.PERFORMANCE_VALIDATION: stages.Checked,
    State.PLAN_AND_TEST: lite.Plan,
    State.IMPLEMENT_AND_FIX: lite.Green,
    State.REFACTOR_AND_DOCUMENT: lite.Polished,
    State.SECURITY_AUDIT: stages.SecurityAudit,
    State.AGGREGATION: stages.Build,
    State.FINAL_REVIEW: stages.Review,
    State.GENERATE_DEPLOYMENT_ARTIFACTS: stages.ReleaseTree,
    State.FAILURE_ANALYSIS: stages.Diagnosis,
    State.AUTOMATED_RETHINK: stages.Rethought,
}
"""A stage whose outcome is 'failed' has Evidence instead."""


def read_answer(state: State, outcome: str, body: bytes) -> StageAnswer | Evidence:
    """The answer of a stage, as it was recorded.

    Raises:
        pydantic.ValidationError: the body has another form.
    """
    form: type[StageAnswer] | type[Evidence] = Evidence if outcome == "failed" else ANSWERS[state]
    return form.model_validate_json(body)


def verdicts_of(answer: StageAnswer | Evidence) -> Iterator[Verdict]:
    """Every verdict that an answer holds, in its order."""
    for name in type(answer).model_fields:
        value = getattr(answer, name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Verdict):
                yield part
