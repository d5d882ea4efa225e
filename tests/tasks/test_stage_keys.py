"""A stage's key covers all that can change its answer, and nothing else."""

import importlib
import inspect
import pkgutil
from dataclasses import replace
from typing import Any, get_args

import pytest
from prefect.states import exception_to_failed_state
from pydantic import TypeAdapter

import tasks
from agents.lite import SECURITY, TRIAGE
from schemas.base import canonical_json
from schemas.errors import BudgetExceeded, PhoenixError, Unreachable, UnusableAnswer
from schemas.failure import Cause, Feedback, Strategy
from schemas.policy import Policy, Tier
from schemas.stages import Assembly
from schemas.stateflow import PER_ITEM, STAGES, TRANSITIONS, State
from schemas.wbs import item_spec
from services.toolchain import environment_name
from tasks.implement_code import Foundation
from tasks.stage import DETAILS, Stage, StageFailed, _may_retry, failed
from tasks.triage import triage
from tests import plans
from tests.tasks.builders import (
    ADDED,
    BRIEF,
    CONTRACT,
    MODELS,
    SPECIFICATION,
    a_build,
    a_green,
    a_plan,
    a_review,
    an_assembly,
    evidence,
    passed,
    verdict,
    work_in,
)


def all_stages() -> list[Stage[..., Any]]:
    """Every stage that a module of tasks defines or imports."""
    modules = [importlib.import_module(f"tasks.{m.name}") for m in pkgutil.iter_modules(tasks.__path__)]
    return [s for module in modules for s in vars(module).values() if isinstance(s, Stage)]


def stages() -> dict[State, Stage[..., Any]]:
    """Every stage by its state."""
    return {found.state: found for found in all_stages()}


INPUTS = {"brief": "a" * 64, "intake": "b" * 64, "mode": "c" * 64, "lite_up_to": "d" * 64}
VALUES: dict[str, Any] = {
    "brief": BRIEF,
    "intake": None,
    "mode": "auto",
    "lite_up_to": 4,
    "plan": a_plan(),
    "green": a_green(),
    "assembly": an_assembly(killed={ADDED: ("WI-1 M1",)}),
    "candidate": "f" * 64,
    "build": a_build(),
    "review": a_review(),
    "reviewed": True,
    "specification": plans.specification(),
    "blueprint": plans.blueprint(),
    "wbs": plans.wbs(),
    "item": item_spec(plans.wbs(), plans.specification(), "WI-3"),
    "items": ("WI-1", "WI-2"),
    "suite": plans.money_suite(),
    "foundation": Foundation(contracts=(plans.UNITS, plans.MONEY), code=(plans.MONEY_FILE,)),
    "mutants": 8,
    "unit": verdict(passed(ADDED, "FR-1.1")),
    "feedback": (Feedback(source="a human", cause=None, text="shorter"),),
    "attempts": 4,
    "allowlist": ("numpy",),
    "python": "3.11",
    "version": "1",
    "docs": "mkdocs",
    "failures": (evidence(item="WI-2", paths=("test_money.py",)), evidence()),
    "earlier": (evidence(), evidence(Cause.BAD_TEST)),
    "repairs": 2,
    "rethinks": 1,
    "path": "full",
    "owners": {"WI-2": plans.MONEY},
    "tried": (Strategy(target=State.DECOMPOSITION, items=("WI-2",), text="smaller"),),
}
OTHERS: dict[tuple[State, str], Any] = {
    (State.GENERATE_DEPLOYMENT_ARTIFACTS, "earlier"): SPECIFICATION,
}
"""Values of inputs whose name means something else in this state."""


def key(of: Stage[..., Any] = triage, run: str = "run-1", sample: int = 0, **inputs: str) -> str:
    context = work_in(State.TRIAGE, run=run, sample=sample).context
    return of.key(context, INPUTS | inputs)


def test_every_state_with_work_of_its_own_has_one_stage() -> None:
    assert set(stages()) == STAGES
    assert len({id(found) for found in all_stages()}) == len(STAGES)


@pytest.mark.parametrize("state", sorted(STAGES))
def test_every_parameter_of_a_body_is_a_declared_input_by_name(state: State) -> None:
    found = stages()[state]
    work, *inputs = inspect.signature(found.body).parameters.values()
    assert work.name == "work"
    assert {p.name for p in inputs} == set(found.hints) - {"return"}
    assert {p.kind for p in inputs} == {inspect.Parameter.KEYWORD_ONLY}
    assert all(p.default is inspect.Parameter.empty for p in inputs)


@pytest.mark.parametrize("state", sorted(STAGES))
def test_every_input_comes_back_whole_from_its_digested_form(state: State) -> None:
    for name, hint in stages()[state].hints.items():
        if name not in ("return", "intake"):
            form = TypeAdapter(hint)
            value = OTHERS.get((state, name), VALUES[name])
            body = canonical_json(form.dump_python(value, mode="json"))
            assert form.validate_json(body) == value


@pytest.mark.parametrize("whole", [plans.assembly(), an_assembly()])
def test_an_assembly_of_either_path_comes_back_with_its_own_kind_of_specification(whole: Assembly) -> None:
    again = Assembly.model_validate_json(canonical_json(whole))
    assert again == whole
    assert type(again.srs) is type(whole.srs)


@pytest.mark.parametrize("state", sorted(STAGES - {State.GENERATE_DEPLOYMENT_ARTIFACTS}))
def test_every_outcome_of_an_answer_leads_out_of_its_state(state: State) -> None:
    outcomes = set(get_args(stages()[state].hints["return"].model_fields["outcome"].annotation))
    assert outcomes
    assert outcomes <= {t.outcome for t in TRANSITIONS if t.origin is state}


@pytest.mark.parametrize("state", sorted(STAGES))
def test_an_input_changes_the_key_unless_it_is_declared_as_ignored(state: State) -> None:
    found, context = stages()[state], work_in(State.TRIAGE).context
    names = sorted(set(found.hints) - {"return"})
    assert set(found.ignored) <= set(names)
    inputs = {name: f"{n:064}" for n, name in enumerate(names)}
    for name in names:
        changed = found.key(context, inputs | {name: "f" * 64})
        assert (changed == found.key(context, inputs)) is (name in found.ignored), name


def test_only_the_code_below_an_item_is_ignored() -> None:
    ignored = {state: found.ignored for state, found in stages().items() if found.ignored}
    assert ignored == dict.fromkeys(
        (State.IMPLEMENT_CODE, State.AUDIT_CODE, State.REFACTOR_CODE), ("foundation",)
    )


def test_every_stage_of_an_item_takes_the_item_and_no_other_does() -> None:
    assert {state for state, found in stages().items() if "item" in found.hints} == PER_ITEM


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
    other = Policy(models=MODELS | {Tier.FAST: "ollama:other"})
    assert key(sample=1) != key()
    assert triage.key(context, INPUTS, "WI-2") == key()
    halted = replace(context, samples={(State.TRIAGE, "WI-2"): 1})
    assert triage.key(halted, INPUTS) == triage.key(halted, INPUTS, "WI-3") == key()
    assert triage.key(halted, INPUTS, "WI-2") == key(sample=1)
    assert triage.key(replace(context, policy=other), INPUTS) != key()
    assert key(run="run-2") == key()
    assert triage.key(context, dict(reversed(INPUTS.items()))) == key()


def test_a_pin_changes_the_keys_of_its_agents_stages_alone() -> None:
    context, pins = work_in(State.TRIAGE).context, Policy(models=MODELS, pins={"refactoring": "ollama:own"})
    pinned = replace(context, policy=pins)
    changed = {s for s, found in stages().items() if found.key(pinned, {}) != found.key(context, {})}
    assert changed == {State.REFACTOR_AND_DOCUMENT, State.REFACTOR_CODE}


def test_the_complexity_that_starts_at_the_strong_tier_is_in_the_keys_of_the_stages_that_it_is_for() -> None:
    context, lower = work_in(State.TRIAGE).context, Policy(models=MODELS, strong_from=5)
    other = replace(context, policy=lower)
    changed = {s for s, found in stages().items() if found.key(other, {}) != found.key(context, {})}
    assert changed == {State.GENERATE_TESTS, State.IMPLEMENT_CODE, State.REFACTOR_CODE}


def test_stages_that_run_tools_are_keyed_by_the_tool_environment() -> None:
    with_tools = {state for state, found in stages().items() if found.tools}
    assert with_tools == {
        *(State.PLAN_AND_TEST, State.IMPLEMENT_AND_FIX, State.REFACTOR_AND_DOCUMENT),
        *(State.DECOMPOSITION, *PER_ITEM),
        *(State.UNIT_TESTING, State.INTEGRATION_TESTING, State.CONSISTENCY_ANALYSIS),
        *(State.SECURITY_AUDIT, State.AGGREGATION, State.GENERATE_DEPLOYMENT_ARTIFACTS),
    }
    assert len(environment_name()) == 20


def test_a_failure_is_one_short_line_with_bounded_details() -> None:
    work = work_in(State.GENERATE_TESTS, item="WI-2")
    [found] = failed(work, Cause.MODEL, "a\nb " + "c" * 999, ["d" * 99999], ["z.py", "a.py", "z.py"]).failures
    assert (found.state, found.item, found.cause) == (State.GENERATE_TESTS, "WI-2", Cause.MODEL)
    assert found.summary.startswith("a b c")
    assert (len(found.summary), len(found.details)) == (300, DETAILS)
    assert found.paths == ("a.py", "z.py")


def test_several_failures_are_told_in_one() -> None:
    several = StageFailed(evidence(summary="one"), evidence(summary="two"))
    assert str(several) == "one; two"
    assert [f.summary for f in several.failures] == ["one", "two"]


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
