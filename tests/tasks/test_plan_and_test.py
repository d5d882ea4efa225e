"""PLAN_AND_TEST: a contract that can be worked with, and tests that are red for the right reason."""

from typing import Any

import pytest

from schemas.failure import Cause, Feedback, Notes
from schemas.lite import Plan
from schemas.stateflow import State
from schemas.verdict import Status
from services.judge import Judge
from tasks.plan_and_test import plan_and_test
from tasks.stage import StageFailed
from tasks.suites import ROUNDS
from tests.tasks.builders import (
    ADDED,
    BRIEF,
    CONTRACT,
    REFUSED,
    TESTS,
    Script,
    block,
    contract_with,
    plan_answer,
    suite_answer,
    the_failure,
    work_in,
)

pytestmark = pytest.mark.services

STRAY = plan_answer(contract_with(imports=("import requests",)))


async def planned(judge: Judge, plans: list[str], tests: list[str], notes: Notes = ()) -> tuple[Plan, Script]:
    script = Script(planner=plans, test_engineer=tests)
    plan = await plan_and_test.body(work_in(State.PLAN_AND_TEST, script, judge), brief=BRIEF, feedback=notes)
    return plan, script


async def heard(judge: Judge, agent: str, **answers: list[str]) -> str:
    """What an agent is told after its first answer, when no later one is usable either."""
    script = Script(**answers)
    with pytest.raises(StageFailed):
        await plan_and_test.body(work_in(State.PLAN_AND_TEST, script, judge), brief=BRIEF, feedback=())
    first, second, _ = script.told(agent, "feedback")
    assert first == ""
    return second.partition("\n\nYour last answer")[0]


async def complaint_about_plan(judge: Judge, **changes: Any) -> str:
    """What the planner is told after a contract with these changes."""
    return await heard(judge, "planner", planner=[plan_answer(contract_with(**changes)), STRAY, STRAY])


async def complaint_about_tests(judge: Judge, bad: str) -> str:
    """What the test engineer is told after a bad answer."""
    later = [suite_answer(path="x.py")] * 2
    return await heard(judge, "test_engineer", planner=[plan_answer()], test_engineer=[bad, *later])


async def test_a_sound_plan_and_red_tests_are_the_answer(judge: Judge) -> None:
    plan, script = await planned(judge, [plan_answer()], [suite_answer()])
    assert plan.contract == CONTRACT
    assert plan.suite.tests == (REFUSED, ADDED)
    assert plan.verdict.status is Status.FAILED
    assert [t.error for t in plan.verdict.tests] == ["NotImplementedError", "NotImplementedError"]
    assert [r.agent for r in script.asked] == ["planner", "test_engineer"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"imports": ("from decimal import Decimall",)}, "cannot import name 'Decimall'"),
        ({"imports": ("import requests",)}, "import of 'requests' is not allowed"),
        (
            {"constants": ({"name": "LIMIT", "annotation": "int", "value": "1 // 0", "doc": "x"},)},
            "integer division or modulo by zero",
        ),
    ],
)
async def test_a_contract_whose_package_cannot_be_imported_goes_back_to_the_planner(
    judge: Judge, changes: dict[str, Any], reason: str
) -> None:
    assert reason in await complaint_about_plan(judge, **changes)


async def test_a_contract_that_was_corrected_is_the_answer(judge: Judge) -> None:
    plan, script = await planned(judge, [STRAY, plan_answer()], [suite_answer()])
    assert plan.contract == CONTRACT
    assert "import of 'requests' is not allowed" in script.told("planner", "feedback")[1]


async def test_a_contract_that_stays_bad_is_a_bad_specification(judge: Judge) -> None:
    with pytest.raises(StageFailed, match="no usable contract after 3 tries") as failure:
        await planned(judge, [STRAY] * ROUNDS, [])
    assert the_failure(failure).cause is Cause.BAD_SPEC
    assert "import of 'requests'" in the_failure(failure).details


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (suite_answer(path="src/test_adding.py"), "src/test_adding.py: tests are files such as"),
        (suite_answer(path="tests/conftest.py"), "tests/conftest.py: tests are files such as"),
        (suite_answer(path="tests/test_canary_must_fail.py"), "this name is reserved"),
        (suite_answer("import requests\n" + TESTS), "test_adding.py:1: import of 'requests' is not allowed"),
        (suite_answer("import numpy\n" + TESTS), "import of 'numpy' is not allowed"),
        (suite_answer(TESTS + "def broken(:\n"), "not Python (line 15)"),
        (suite_answer(TESTS + "\nfrom pairs import subtract\n"), "cannot import name 'subtract'"),
        (suite_answer(TESTS + "\n\nSUM = add(1, 2)\n"), "cannot be collected: test_adding.py: "),
        (suite_answer(TESTS + "\n\n@pytest.mark.slow\ndef test_x():\n    add(1, 2)\n"), "'slow' not found"),
        (suite_answer("import pairs\n"), "pytest found no test"),
        (suite_answer(TESTS.replace("FR-1.2", "FR-1.1")), "no test claims FR-1.2"),
        (suite_answer(TESTS.replace('"FR-1.2"', '"FR-1.2", "FR-7.1"')), "FR-7.1 is claimed but is not"),
        (
            suite_answer(TESTS.replace("add(2, 3) == 5", "2 + 3 == 5")),
            f"{ADDED}: passes on the stub",
        ),
        (
            suite_answer(TESTS.replace("raises(TooLarge)", "raises(Exception)")),
            f"{REFUSED}: passes on the stub",
        ),
        (
            suite_answer(TESTS.replace("assert add", "assert ad")),
            f"{ADDED}: fails for a wrong reason: NameError: name 'ad' is not defined",
        ),
        (
            suite_answer(TESTS.replace("assert add", "pytest.skip('later')\n    assert add")),
            f"{ADDED}: is skipped or expected to fail",
        ),
        (
            suite_answer("import pytest\n" + TESTS.replace("@", "@pytest.mark.xfail\n@", 1)),
            f"{ADDED}: is skipped or expected to fail",
        ),
    ],
)
async def test_unusable_tests_go_back_with_the_reason(judge: Judge, bad: str, reason: str) -> None:
    assert reason in await complaint_about_tests(judge, bad)


async def test_tests_green_on_the_stub_are_rewritten_with_the_last_answer_in_view(judge: Judge) -> None:
    bad = suite_answer(TESTS.replace("add(2, 3) == 5", "2 + 3 == 5"))
    plan, script = await planned(judge, [plan_answer()], [bad, suite_answer()])
    first, second = script.told("test_engineer", "feedback")
    assert first == ""
    assert f"{ADDED}: passes on the stub, so it shows nothing" in second
    assert bad.strip() in second
    assert plan.suite.tests == (REFUSED, ADDED)


async def test_tests_that_stay_unusable_are_bad_tests(judge: Judge) -> None:
    green = suite_answer(TESTS.replace("add(2, 3) == 5", "2 + 3 == 5"))
    with pytest.raises(StageFailed, match="no usable tests after 3 tries") as failure:
        await planned(judge, [plan_answer()], [suite_answer(path="x.py")] * (ROUNDS - 1) + [green])
    assert the_failure(failure).cause is Cause.BAD_TEST
    assert ADDED in the_failure(failure).details
    assert "passes on the stub" in the_failure(failure).details


async def test_the_planner_hears_humans_and_bad_specifications_and_the_test_engineer_all(
    judge: Judge,
) -> None:
    notes = (
        Feedback(source="a human", cause=None, text="use bytes"),
        Feedback(source="PLAN_AND_TEST", cause=Cause.BAD_SPEC, text="no contract"),
        Feedback(source="IMPLEMENT_AND_FIX", cause=Cause.BAD_TEST, text="wrong sum"),
    )
    _, script = await planned(judge, [plan_answer()], [suite_answer()], notes)
    [planner], [engineer] = script.told("planner", "feedback"), script.told("test_engineer", "feedback")
    assert "use bytes" in planner and "no contract" in planner and "wrong sum" not in planner
    assert "use bytes" in engineer and "wrong sum" in engineer


async def test_files_and_odd_parameters_keep_their_ids(judge: Judge) -> None:
    odd = """import pytest

from pairs import add


@pytest.mark.proves("FR-1.2")
@pytest.mark.parametrize("text", ["", "a b", "é", "a\\nb", "::", "[", "]", "a/b", "-k", "..", "\\x00", "|"])
def test_odd(text):
    assert add(1, 2) == text
"""
    plan, _ = await planned(judge, [plan_answer()], [block("tests/test_z.py", odd) + suite_answer()])
    assert [f.path for f in plan.suite.files] == ["tests/test_adding.py", "tests/test_z.py"]
    assert len(plan.suite.tests) == 14
    assert {t.error for t in plan.verdict.tests} == {"NotImplementedError"}
