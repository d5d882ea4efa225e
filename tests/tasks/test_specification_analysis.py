"""SPECIFICATION_ANALYSIS: a blueprint by the rules, or issues for which the specification goes back."""

from typing import Any

import pytest

from schemas.blueprint import Blueprint
from schemas.failure import Cause
from schemas.full import Analysed
from schemas.stateflow import State
from tasks.specification_analysis import analyse_specification, blueprint_problems
from tasks.stage import StageFailed
from tasks.suites import ROUNDS
from tests.plans import blueprint, specification
from tests.tasks.builders import Script, the_failure, work_in

ISSUE = {"kind": "gap", "requirements": ["FR-1"], "problem": "No currency.", "proposal": "Say cents."}
HEAVY = blueprint(dependencies=["pandas"])


async def analysed(*answers: Blueprint, allowlist: tuple[str, ...] = ()) -> tuple[Analysed, Script]:
    script = Script(architect=[a.model_dump_json() for a in answers])
    work = work_in(State.SPECIFICATION_ANALYSIS, script)
    spec = specification()
    answer = await analyse_specification.body(work, specification=spec, allowlist=allowlist, feedback=())
    return answer, script


def module(name: str, *needs: str) -> dict[str, Any]:
    return {"module": name, "responsibility": "It works.", "needs": needs}


async def test_a_blueprint_without_issues_is_sound() -> None:
    found, script = await analysed(blueprint())
    assert (found.outcome, found.blueprint) == ("sound", blueprint())
    assert script.told("architect", "allowlist") == ["none: the standard library only"]


async def test_issues_make_the_specification_unsound() -> None:
    found, _ = await analysed(blueprint(issues=[ISSUE], modules=[]))
    assert found.outcome == "unsound"


async def test_a_dependency_off_the_allowlist_is_shown_and_mended() -> None:
    found, script = await analysed(HEAVY, blueprint(), allowlist=("numpy",))
    assert found.blueprint == blueprint()
    assert "dependency 'pandas' is not on the allowlist (numpy)" in script.told("architect", "feedback")[1]


async def test_a_dependency_on_the_allowlist_is_taken_in_any_case_of_letters() -> None:
    found, _ = await analysed(HEAVY, allowlist=("Pandas",))
    assert found.blueprint.dependencies == ("pandas",)


async def test_a_blueprint_that_stays_unusable_fails() -> None:
    with pytest.raises(StageFailed, match="no usable blueprint: dependency 'pandas'") as failure:
        await analysed(*[HEAVY] * ROUNDS)
    assert the_failure(failure).cause is Cause.MODEL


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"modules": []}, "without issues, at least one module is needed"),
        ({"modules": [module("money"), module("money")]}, "module money occurs twice"),
        ({"modules": [module("money", "units")]}, "units is needed and is no module of the blueprint"),
        ({"dependencies": ["pandas"]}, "dependency 'pandas' is not on the allowlist (empty); do without it"),
        ({"issues": [{**ISSUE, "requirements": ["FR-9"]}]}, "FR-9 is no requirement of the specification"),
    ],
)
def test_a_blueprint_that_breaks_a_rule_is_named(changes: dict[str, Any], problem: str) -> None:
    assert blueprint_problems(blueprint(**changes), specification(), ()) == [problem]


def test_a_good_blueprint_has_no_problem() -> None:
    assert blueprint_problems(blueprint(), specification(), ()) == []
    assert blueprint_problems(blueprint(issues=[ISSUE], modules=[]), specification(), ()) == []
