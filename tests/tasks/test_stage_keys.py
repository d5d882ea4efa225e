"""A stage's key covers all that can change its answer, and nothing else."""

import importlib
import inspect
import pkgutil
from dataclasses import replace
from typing import Any

import pytest
from prefect.states import exception_to_failed_state
from pydantic import TypeAdapter

import tasks
from agents.lite import SECURITY, TRIAGE
from schemas.base import canonical_json
from schemas.errors import BudgetExceeded, PhoenixError, Unreachable, UnusableAnswer
from schemas.failure import Cause, Feedback
from schemas.policy import Tier
from schemas.stateflow import State
from services.toolchain import environment_name
from tasks.stage import Stage, StageFailed, _may_retry, failed
from tasks.triage import triage
from tests.tasks.builders import (
    BRIEF,
    CONTRACT,
    MODELS,
    a_build,
    a_green,
    a_plan,
    a_polished,
    a_review,
    evidence,
    work_in,
)


def stages() -> dict[State, Stage[..., Any]]:
    """Every stage that a module of tasks defines."""
    modules = [importlib.import_module(f"tasks.{m.name}") for m in pkgutil.iter_modules(tasks.__path__)]
    return {s.state: s for module in modules for s in vars(module).values() if isinstance(s, Stage)}


LITE = {
    *(State.INITIALIZING, State.TRIAGE, State.PLAN_AND_TEST, State.IMPLEMENT_AND_FIX),
    *(State.REFACTOR_AND_DOCUMENT, State.SECURITY_AUDIT, State.AGGREGATION, State.FINAL_REVIEW),
    *(State.GENERATE_DEPLOYMENT_ARTIFACTS, State.FAILURE_ANALYSIS),
}
INPUTS = {"brief": "a" * 64, "intake": "b" * 64, "mode": "c" * 64, "lite_up_to": "d" * 64}
VALUES: dict[str, Any] = {
    "brief": BRIEF,
    "intake": None,
    "mode": "auto",
    "lite_up_to": 4,
    "plan": a_plan(),
    "green": a_green(),
    "polished": a_polished(),
    "build": a_build(),
    "review": a_review(),
    "feedback": (Feedback(source="a human", cause=None, text="shorter"),),
    "attempts": 4,
    "allowlist": ("numpy",),
    "python": "3.11",
    "version": "1",
    "evidence": evidence(),
    "earlier": (evidence(), evidence(Cause.BAD_TEST)),
    "repairs": 2,
}


def key(of: Stage[..., Any] = triage, run: str = "run-1", sample: int = 0, **inputs: str) -> str:
    context = work_in(State.TRIAGE, run=run, sample=sample).context
    return of.key(context, INPUTS | inputs)


def test_every_state_of_the_lite_path_has_a_stage() -> None:
    assert set(stages()) == LITE


@pytest.mark.parametrize("state", sorted(LITE))
def test_every_parameter_of_a_body_is_a_declared_input_by_name(state: State) -> None:
    found = stages()[state]
    work, *inputs = inspect.signature(found.body).parameters.values()
    assert work.name == "work"
    assert {p.name for p in inputs} == set(found.hints) - {"return"}
    assert {p.kind for p in inputs} == {inspect.Parameter.KEYWORD_ONLY}
    assert all(p.default is inspect.Parameter.empty for p in inputs)


@pytest.mark.parametrize("state", sorted(LITE))
def test_every_input_comes_back_whole_from_its_digested_form(state: State) -> None:
    for name, hint in stages()[state].hints.items():
        if name not in ("return", "intake"):
            form = TypeAdapter(hint)
            body = canonical_json(form.dump_python(VALUES[name], mode="json"))
            assert form.validate_json(body) == VALUES[name]


@pytest.mark.parametrize("name", sorted(INPUTS))
def test_the_key_changes_with_each_input(name: str) -> None:
    assert key(**{name: "e" * 64}) != key()


def test_the_key_changes_with_the_inputs_name() -> None:
    context = work_in(State.TRIAGE).context
    assert triage.key(context, {"brief": "a"}) != triage.key(context, {"intake": "a"})


@pytest.mark.parametrize(
    "other",
    [
        replace(triage, version=2),
        replace(triage, state=State.INITIALIZING),
        replace(triage, tools=True),
        replace(triage, agents=()),
        replace(triage, agents=(replace(TRIAGE, prompt=SECURITY.prompt),)),
        replace(triage, agents=(replace(TRIAGE, answer=SECURITY.answer),)),
    ],
)
def test_the_key_changes_with_version_state_tools_prompt_and_answer_schema(other: Stage[..., Any]) -> None:
    assert key(other) != key()


def test_the_key_changes_with_the_sample_and_the_model_and_not_with_the_run_or_order() -> None:
    context = work_in(State.TRIAGE).context
    stronger = replace(context.desk, tiers=MODELS | {Tier.FAST: "ollama:other"})
    assert key(sample=1) != key()
    assert triage.key(replace(context, desk=stronger), INPUTS) != key()
    assert key(run="run-2") == key()
    assert triage.key(context, dict(reversed(INPUTS.items()))) == key()


def test_stages_that_run_tools_are_keyed_by_the_tool_environment() -> None:
    with_tools = {state for state, found in stages().items() if found.tools}
    assert with_tools == {
        *(State.PLAN_AND_TEST, State.IMPLEMENT_AND_FIX, State.REFACTOR_AND_DOCUMENT),
        *(State.SECURITY_AUDIT, State.AGGREGATION),
    }
    assert len(environment_name()) == 20


def test_a_failure_is_one_short_line_with_bounded_details() -> None:
    found = failed(work_in(State.TRIAGE), Cause.MODEL, "a\nb " + "c" * 999, ["d" * 9999]).evidence
    assert (found.state, found.cause) == (State.TRIAGE, Cause.MODEL)
    assert found.summary.startswith("a b c")
    assert (len(found.summary), len(found.details)) == (300, 8000)


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (ConnectionResetError("reset"), True),
        (TimeoutError(), True),
        (OSError("disk"), True),
        (StageFailed(evidence()), False),
        (PhoenixError("wrong"), False),
        (BudgetExceeded("cap"), False),
        (UnusableAnswer("bad"), False),
        (Unreachable("down"), False),
        (ValueError("bug"), False),
    ],
)
async def test_only_what_the_world_did_is_tried_again(error: Exception, again: bool) -> None:
    state = await exception_to_failed_state(error)
    run: Any = None
    assert await _may_retry(triage.task, run, state) is again


def test_the_contract_of_these_tests_is_what_they_say() -> None:
    assert CONTRACT.module_path() == "src/pairs/adding.py"
