"""The StateFlow: states and the transitions between them, declared once as data."""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from schemas.errors import TransitionRefused


class State(StrEnum):
    """A state of a run."""

    INITIALIZING = "INITIALIZING"
    TRIAGE = "TRIAGE"
    REQUIREMENT_INGESTION = "REQUIREMENT_INGESTION"
    SPECIFICATION_ANALYSIS = "SPECIFICATION_ANALYSIS"
    DECOMPOSITION = "DECOMPOSITION"
    GENERATION_CYCLE = "GENERATION_CYCLE"
    GENERATE_TESTS = "GENERATE_TESTS"
    IMPLEMENT_CODE = "IMPLEMENT_CODE"
    AUDIT_CODE = "AUDIT_CODE"
    REFACTOR_CODE = "REFACTOR_CODE"
    VERIFICATION_CYCLE = "VERIFICATION_CYCLE"
    UNIT_TESTING = "UNIT_TESTING"
    INTEGRATION_TESTING = "INTEGRATION_TESTING"
    CONSISTENCY_ANALYSIS = "CONSISTENCY_ANALYSIS"
    PERFORMANCE_VALIDATION = "PERFORMANCE_VALIDATION"
    LITE_CYCLE = "LITE_CYCLE"
    PLAN_AND_TEST = "PLAN_AND_TEST"
    IMPLEMENT_AND_FIX = "IMPLEMENT_AND_FIX"
    REFACTOR_AND_DOCUMENT = "REFACTOR_AND_DOCUMENT"
    SECURITY_AUDIT = "SECURITY_AUDIT"
    AGGREGATION = "AGGREGATION"
    FINAL_REVIEW = "FINAL_REVIEW"
    GENERATE_DEPLOYMENT_ARTIFACTS = "GENERATE_DEPLOYMENT_ARTIFACTS"
    FAILURE_ANALYSIS = "FAILURE_ANALYSIS"
    AUTOMATED_RETHINK = "AUTOMATED_RETHINK"
    HALTED = "HALTED"
    COMPLETED = "COMPLETED"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"


S = State

CHILDREN: dict[State, tuple[State, ...]] = {
    S.GENERATION_CYCLE: (S.GENERATE_TESTS, S.IMPLEMENT_CODE, S.AUDIT_CODE, S.REFACTOR_CODE),
    S.VERIFICATION_CYCLE: (
        S.UNIT_TESTING,
        S.INTEGRATION_TESTING,
        S.CONSISTENCY_ANALYSIS,
        S.PERFORMANCE_VALIDATION,
    ),
    S.LITE_CYCLE: (S.PLAN_AND_TEST, S.IMPLEMENT_AND_FIX, S.REFACTOR_AND_DOCUMENT),
}
"""Composite states and the states inside them, in the order of their work."""

PER_ITEM = frozenset(CHILDREN[S.GENERATION_CYCLE])
"""States that are visited once for each work item, in parallel."""

TERMINAL = frozenset({S.COMPLETED, S.REJECTED, S.CANCELLED})
RESTING = TERMINAL | {S.HALTED}
"""States in which no process works on the run."""

STAGES = frozenset(set(State) - RESTING - set(CHILDREN))
"""States with work of their own: each visit is one Prefect task run."""


@dataclass(frozen=True)
class Transition:
    """An allowed step from one state to another, named by the outcome that takes it."""

    origin: State
    outcome: str
    target: State


def _flow(*steps: tuple[State, str, State]) -> tuple[Transition, ...]:
    return tuple(Transition(*step) for step in steps)


_MAIN = _flow(
    (S.INITIALIZING, "ready", S.TRIAGE),
    (S.TRIAGE, "full", S.REQUIREMENT_INGESTION),
    (S.TRIAGE, "lite", S.LITE_CYCLE),
    (S.TRIAGE, "unclear", S.HALTED),
    (S.REQUIREMENT_INGESTION, "specified", S.SPECIFICATION_ANALYSIS),
    (S.SPECIFICATION_ANALYSIS, "sound", S.DECOMPOSITION),
    (S.SPECIFICATION_ANALYSIS, "unsound", S.REQUIREMENT_INGESTION),
    (S.DECOMPOSITION, "planned", S.GENERATION_CYCLE),
    (S.DECOMPOSITION, "gap", S.REQUIREMENT_INGESTION),
    (S.GENERATION_CYCLE, "begin", S.GENERATE_TESTS),
    (S.GENERATE_TESTS, "red", S.IMPLEMENT_CODE),
    (S.IMPLEMENT_CODE, "green", S.AUDIT_CODE),
    (S.AUDIT_CODE, "repair", S.IMPLEMENT_CODE),
    (S.AUDIT_CODE, "held", S.REFACTOR_CODE),
    (S.REFACTOR_CODE, "done", S.GENERATION_CYCLE),
    (S.GENERATION_CYCLE, "generated", S.VERIFICATION_CYCLE),
    (S.VERIFICATION_CYCLE, "begin", S.UNIT_TESTING),
    (S.UNIT_TESTING, "passed", S.INTEGRATION_TESTING),
    (S.INTEGRATION_TESTING, "passed", S.CONSISTENCY_ANALYSIS),
    (S.CONSISTENCY_ANALYSIS, "passed", S.PERFORMANCE_VALIDATION),
    (S.PERFORMANCE_VALIDATION, "passed", S.VERIFICATION_CYCLE),
    (S.VERIFICATION_CYCLE, "verified", S.SECURITY_AUDIT),
    (S.LITE_CYCLE, "begin", S.PLAN_AND_TEST),
    (S.PLAN_AND_TEST, "red", S.IMPLEMENT_AND_FIX),
    (S.IMPLEMENT_AND_FIX, "green", S.REFACTOR_AND_DOCUMENT),
    (S.REFACTOR_AND_DOCUMENT, "done", S.LITE_CYCLE),
    (S.LITE_CYCLE, "generated", S.SECURITY_AUDIT),
    (S.SECURITY_AUDIT, "safe", S.AGGREGATION),
    (S.AGGREGATION, "built", S.FINAL_REVIEW),
    (S.FINAL_REVIEW, "proven", S.GENERATE_DEPLOYMENT_ARTIFACTS),
    (S.GENERATE_DEPLOYMENT_ARTIFACTS, "renewed", S.AGGREGATION),
    (S.GENERATE_DEPLOYMENT_ARTIFACTS, "approve", S.COMPLETED),
    (S.GENERATE_DEPLOYMENT_ARTIFACTS, "revise", S.LITE_CYCLE),
    (S.GENERATE_DEPLOYMENT_ARTIFACTS, "revise", S.REQUIREMENT_INGESTION),
    (S.REQUIREMENT_INGESTION, "revise", S.REQUIREMENT_INGESTION),
    (S.DECOMPOSITION, "revise", S.DECOMPOSITION),
    (S.AUTOMATED_RETHINK, "replan", S.DECOMPOSITION),
    (S.AUTOMATED_RETHINK, "regenerate", S.GENERATION_CYCLE),
    (S.AUTOMATED_RETHINK, "exhausted", S.HALTED),
    (S.FAILURE_ANALYSIS, "rethink", S.AUTOMATED_RETHINK),
    (S.FAILURE_ANALYSIS, "halt", S.HALTED),
)

WORKING = tuple(s for s in State if s in STAGES and s not in (S.FAILURE_ANALYSIS, S.AUTOMATED_RETHINK))

_FAILURES = _flow(*((s, "failed", S.FAILURE_ANALYSIS) for s in (*WORKING, S.GENERATION_CYCLE)))

_REPAIRS = _flow(
    *((S.FAILURE_ANALYSIS, "repair", s) for s in WORKING if s is not S.INITIALIZING),
    *((S.FAILURE_ANALYSIS, "repair", s) for s in (S.GENERATION_CYCLE, S.LITE_CYCLE)),
)

_HALTS = _flow(*((s, "halt", S.HALTED) for s in (*WORKING, S.GENERATION_CYCLE, S.AUTOMATED_RETHINK)))

_GATES = _flow(
    *(
        (s, "reject", S.REJECTED)
        for s in (S.REQUIREMENT_INGESTION, S.DECOMPOSITION, S.GENERATE_DEPLOYMENT_ARTIFACTS, S.HALTED)
    )
)

_CONTINUED = _flow(*((s, "again", S.INITIALIZING) for s in State if s not in TERMINAL))

_CANCELLED = _flow(*((s, "cancel", S.CANCELLED) for s in State if s not in TERMINAL))

TRANSITIONS = frozenset(_MAIN + _FAILURES + _REPAIRS + _HALTS + _GATES + _CONTINUED + _CANCELLED)


def allowed(origin: State, outcome: str, target: State) -> bool:
    """Whether the table holds this transition."""
    return Transition(origin, outcome, target) in TRANSITIONS


@lru_cache
def route(origin: State, outcome: str, target: State) -> tuple[Transition, ...]:
    """The transitions that lead from a state, left with an outcome, to a target: direct, or in and out
    of composite states. Who enters a composite state goes on inside it; who leaves it, outside.

    Raises:
        TransitionRefused: the table has no such way.
    """
    paths: list[tuple[Transition, ...]] = [
        (t,) for t in sorted(TRANSITIONS, key=str) if t.origin == origin and t.outcome == outcome
    ]
    while paths:
        path = paths.pop(0)
        here = path[-1].target
        if here == target:
            return path
        if here in CHILDREN and len(path) < 3:
            leaving = path[-1].origin in CHILDREN[here]
            onward = [t for t in _MAIN if t.origin == here]
            paths += [(*path, t) for t in onward if leaving is not (t.target in CHILDREN[here])]
    raise TransitionRefused(f"StateFlow has no transition {origin} --{outcome}--> {target}")


def mermaid(path: tuple[State, ...] = ()) -> str:
    """The diagram of the main transitions, with the states of a path marked."""
    lines = ["stateDiagram-v2"]
    lines += [f"    {t.origin} --> {t.target}: {t.outcome}" for t in _MAIN]
    lines.append("    classDef taken fill:#cde8cd")
    lines += [f"    class {state} taken" for state in dict.fromkeys(path)]
    return "\n".join(lines)
