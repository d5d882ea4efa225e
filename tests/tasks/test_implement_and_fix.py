"""IMPLEMENT_AND_FIX: a candidate for which every test is green, or the reason why there is none."""

from dataclasses import replace

import pytest

from schemas.failure import Cause, Evidence, Feedback
from schemas.lite import Green, Plan
from schemas.policy import Tier
from schemas.stateflow import State
from schemas.verdict import Status
from services.judge import Judge
from services.sandbox import Limits
from tasks.implement_and_fix import implement_and_fix
from tasks.stage import StageFailed
from tests.tasks.builders import (
    ADDED,
    CODE,
    MODELS,
    TESTS,
    Script,
    a_plan,
    block,
    code_answer,
    the_failure,
    work_in,
)

pytestmark = pytest.mark.services

WRONG = CODE.replace("return total", "return total + 1")


def variant(number: int) -> str:
    """A wrong candidate that differs from every other one."""
    return WRONG.replace("total + 1", f"total + {number}")


async def implemented(
    judge: Judge, *answers: str, plan: Plan | None = None, attempts: int = 4, text: str = ""
) -> tuple[Green, Script]:
    script = Script(implementation=list(answers))
    notes = (Feedback(source="a human", cause=None, text=text),) if text else ()
    work = work_in(State.IMPLEMENT_AND_FIX, script, judge)
    green = await implement_and_fix.body(work, plan=plan or a_plan(), attempts=attempts, feedback=notes)
    return green, script


async def failure_of(judge: Judge, *answers: str, plan: Plan | None = None, attempts: int = 4) -> Evidence:
    with pytest.raises(StageFailed) as failure:
        await implemented(judge, *answers, plan=plan, attempts=attempts)
    return the_failure(failure)


async def test_a_right_candidate_is_green_at_once(judge: Judge) -> None:
    green, script = await implemented(judge, code_answer(), text="keep it short")
    assert (green.attempts, green.verdict.status) == (1, Status.PASSED)
    assert [t.outcome for t in green.verdict.tests] == ["passed", "passed"]
    assert green.verdict.confinement == judge.sandbox.confinement
    assert "keep it short" in script.told("implementation", "failures")[0]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (code_answer(path="src/pairs/other.py"), "return exactly one file, src/pairs/adding.py"),
        (code_answer() + block("tests/test_adding.py", "x = 1\n"), "found src/pairs/adding.py, tests/test_"),
        (code_answer() + block("conftest.py", "x = 1\n"), "found src/pairs/adding.py, conftest.py"),
        (code_answer() + block("tests/conftest.py", "x = 1\n"), "found src/pairs/adding.py, tests/conftest"),
        ("NO CHANGE", "found nothing"),
        (code_answer(CODE.replace("def add", "def plus")), "def add(first: int, second: int) -> int is miss"),
        (
            code_answer(CODE.replace("second: int)", "second: int = 0)")),
            "add has the signature (first: int, second: int=0), the contract says",
        ),
        (code_answer(CODE.replace("def add", "async def add")), "add must be a plain function, not async"),
        (code_answer("import requests\n" + CODE), "adding.py:1: import of 'requests' is not allowed"),
        (code_answer("import test_adding\n" + CODE), "import of 'test_adding' is not allowed"),
        (code_answer(CODE + "def (:\n"), "not Python (line 14)"),
        (code_answer(CODE + "\n\nclass TooLarge(ValueError):\n    pass\n"), "TooLarge must be imported from"),
        (code_answer(WRONG), "assert 6 == 5"),
        (code_answer(CODE.replace("total > LIMIT", "False")), "DID NOT RAISE"),
        (code_answer(CODE + "\nraise RuntimeError('at import')\n"), "RuntimeError: at import"),
        (code_answer(CODE + "\nimport os\nos._exit(0)\n"), "the session ended early in collection"),
    ],
)
async def test_a_bad_candidate_is_refused_and_the_next_attempt_sees_why(
    judge: Judge, bad: str, reason: str
) -> None:
    script = Script(implementation=[bad, code_answer(path="x.py")])
    work = work_in(State.IMPLEMENT_AND_FIX, script, judge)
    with pytest.raises(StageFailed):
        await implement_and_fix.body(work, plan=a_plan(), attempts=2, feedback=())
    first, second = script.told("implementation", "failures")
    assert first == ""
    assert reason in second


async def test_the_second_attempt_sees_the_failing_test_with_its_criterion_and_the_code(judge: Judge) -> None:
    green, script = await implemented(judge, code_answer(WRONG), code_answer())
    assert green.attempts == 2
    assert f"{ADDED} [FR-1.1]: AssertionError: assert 6 == 5" in script.told("implementation", "failures")[1]
    assert script.told("implementation", "previous") == ["", WRONG]


async def test_the_tier_rises_at_the_third_attempt(judge: Judge) -> None:
    answers = [code_answer(path=f"{n}.py") for n in (1, 2, 3)]
    green, script = await implemented(judge, *answers, code_answer())
    tiers = [Tier.STANDARD, Tier.STANDARD, Tier.STRONG, Tier.STRONG]
    assert green.attempts == 4
    assert [r.tier for r in script.asked] == tiers
    assert [r.model for r in script.asked] == [MODELS[tier] for tier in tiers]


async def test_an_endless_loop_is_ended_and_named(judge: Judge) -> None:
    short = replace(judge, limits=Limits(wall_s=60, cpu_s=2))
    endless = CODE.replace("    total =", "    while True:\n        pass\n    total =")
    found = await failure_of(short, code_answer(endless), attempts=1)
    assert found.cause is Cause.BAD_CODE
    assert "the session ended early in test_adding.py::test_" in found.summary


async def test_the_same_candidate_twice_stops_early_and_keeps_its_failures(judge: Judge) -> None:
    found = await failure_of(judge, code_answer(WRONG), code_answer(WRONG))
    assert found.cause is Cause.BAD_CODE
    assert "attempt 2 repeats an earlier candidate" in found.summary
    assert f"{ADDED} [FR-1.1]: AssertionError: assert 6 == 5" in found.details


async def test_when_every_attempt_is_wrong_the_code_is_bad(judge: Judge) -> None:
    answers = [code_answer(variant(n)) for n in (1, 2)]
    found = await failure_of(judge, *answers, attempts=2)
    assert (found.state, found.cause) == (State.IMPLEMENT_AND_FIX, Cause.BAD_CODE)
    assert "no candidate passed in 2 attempt(s): 1 of 2 tests failed" in found.summary
    assert "assert 7 == 5" in found.details


async def test_the_same_few_failures_of_many_make_the_tests_suspect(judge: Judge) -> None:
    cases = '@pytest.mark.parametrize(("a", "total"), [(1, 2), (2, 3), (3, 5), (4, 5)])'
    odd = f"""import pytest

from pairs import add


@pytest.mark.proves("FR-1.1", "FR-1.2")
{cases}
def test_sums(a, total):
    assert add(a, 1) == total
"""
    ids = tuple(f"test_adding.py::test_sums[{a}-{t}]" for a, t in [(1, 2), (2, 3), (3, 5), (4, 5)])
    answers = [code_answer(CODE + f"# try {n}\n") for n in (1, 2)]
    found = await failure_of(judge, *answers, plan=a_plan(odd, ids), attempts=2)
    assert found.cause is Cause.BAD_TEST
    assert "test_sums[3-5] [FR-1.1, FR-1.2]: AssertionError: assert 4 == 5" in found.details


async def test_a_candidate_cannot_pass_a_test_that_it_skips_or_takes_away(judge: Judge) -> None:
    skipping = CODE.replace("total = ", "import sys; sys.modules['pytest'].skip('no'); total = ")
    found = await failure_of(judge, code_answer(skipping), attempts=1)
    assert "2 of 2 tests failed" in found.summary


async def test_an_import_that_hides_from_the_import_policy_is_refused(judge: Judge) -> None:
    for hidden in ("import importlib", '__import__("os")'):
        found = await failure_of(judge, code_answer(f"{CODE}\n\n{hidden}\n"), attempts=1)
        assert "is not allowed" in found.summary


async def test_a_demanded_test_that_does_not_exist_is_not_passed(judge: Judge) -> None:
    plan = a_plan(TESTS, (ADDED, "test_adding.py::test_of_nobody"))
    found = await failure_of(judge, code_answer(), plan=plan, attempts=1)
    assert found.cause is Cause.BAD_CODE
    assert "test_of_nobody" in found.details
