"""REFACTOR_AND_DOCUMENT: a refactoring that costs nothing, and a README whose examples hold."""

from dataclasses import replace

import pytest

from schemas.failure import Cause
from schemas.lite import Polished
from schemas.stateflow import State
from schemas.verdict import Status
from services.judge import Judge
from services.sandbox import Limits
from tasks.readmes import README_ROUNDS
from tasks.refactor_and_document import refactor_and_document
from tasks.refactoring import lint, measures
from tasks.stage import StageFailed
from tests.tasks.builders import (
    CODE,
    GREEN_VERDICT,
    README,
    Script,
    a_candidate,
    a_green,
    a_plan,
    block,
    code_answer,
    readme_answer,
    work_in,
)

pytestmark = pytest.mark.services

FALSE = README.replace("\n5\n", "\n6\n")
SHORTER = CODE.replace(
    "    if total > LIMIT:\n        raise TooLarge(total)\n    return total\n",
    "    if total <= LIMIT:\n        return total\n    raise TooLarge(total)\n",
)


async def polished(judge: Judge, refactoring: list[str], *readmes: str) -> tuple[Polished, Script]:
    script = Script(refactoring=refactoring, documentation=list(readmes))
    work = work_in(State.REFACTOR_AND_DOCUMENT, script, judge)
    answer = await refactor_and_document.body(work, plan=a_plan(), green=a_green(), feedback=())
    return answer, script


async def test_a_refactoring_that_costs_nothing_is_taken_and_the_readme_holds(judge: Judge) -> None:
    answer, script = await polished(judge, [code_answer(SHORTER)], readme_answer())
    assert answer.candidate == a_candidate(SHORTER)
    assert answer.refactoring == "taken: tests green, no measure worse"
    assert (answer.before, answer.after) == (answer.after, answer.before)
    assert (answer.examples.status, answer.examples.reason) == (Status.PASSED, "2 examples, 0 failed")
    assert answer.readme.text == README
    assert script.told("refactoring", "measures") == ["lines 13, complexity 2, lint 0"]
    assert SHORTER.strip() in script.told("documentation", "code")[0]


@pytest.mark.parametrize(
    ("answer", "story"),
    [
        ("NO CHANGE", "kept as it was: nothing to improve"),
        (code_answer(), "kept as it was: nothing to improve"),
        (code_answer(CODE.replace("first + second", "first - second")), "refused: 2 of 2 tests failed"),
        (
            code_answer(CODE.replace("__future__ import", "__future__  import") + "import os\n"),
            "a measure got",
        ),
        (
            code_answer(
                CODE.replace("    return total", "    if total < 0:\n        pass\n    return total")
            ),
            "refused: a measure got worse",
        ),
        (code_answer(CODE + "# more\n" * 9), "refused: a measure got worse"),
        (code_answer(CODE.replace("second: int)", "second: int, /)")), "refused: add has the signature"),
        (code_answer() + block("tests/test_adding.py", "x = 1\n"), "refused: return exactly one file"),
        (code_answer("import requests\n" + CODE), "refused: src/pairs/adding.py:1: import of 'requests'"),
    ],
)
async def test_a_refactoring_that_costs_something_leaves_the_candidate(
    judge: Judge, answer: str, story: str
) -> None:
    found, _ = await polished(judge, [answer], readme_answer())
    assert story in found.refactoring
    assert (found.candidate, found.verdict) == (a_candidate(), GREEN_VERDICT)
    assert found.before == found.after


async def test_a_refactorer_who_never_answers_in_files_leaves_the_candidate(judge: Judge) -> None:
    found, script = await polished(judge, ["Looks fine."] * 3, readme_answer())
    assert found.refactoring.startswith("kept as it was: agent refactoring on run: 0 block(s) opened")
    assert found.candidate == a_candidate()
    assert [r.agent for r in script.asked] == ["refactoring"] * 3 + ["documentation"]


async def test_more_linter_findings_than_a_stream_holds_are_still_counted(judge: Judge) -> None:
    candidate = a_candidate("import os\n" * 900)
    found = measures(candidate, await lint(work_in(State.REFACTOR_AND_DOCUMENT, judge=judge), candidate))
    assert found.lint >= 900


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (readme_answer(FALSE), "Expected:\n    6\nGot:\n    5"),
        (readme_answer("# Pairs\n\nAdds two numbers.\n"), "at least one example in doctest form"),
        (readme_answer(README.replace("# Pairs", "Pairs", 1).replace("## Use", "Use")), "needs a heading"),
        (readme_answer(README + "more\n" * 120), "over 120 lines"),
        (readme_answer() + block("NOTES.md", "x\n"), "return exactly one file, README.md"),
        (block("docs/README.md", README), "return exactly one file, README.md"),
        (
            readme_answer(README + "\n>>> add(1, 1)  # doctest: +SKIP\n3\n"),
            "must not hold doctest",
        ),
        (readme_answer(README + "\n>>>add(1, 1)\n2\n"), "lacks blank after >>>"),
        (readme_answer(README + "\n>>> import os; os._exit(0)\n"), "the examples ended early (exit code 0)"),
        (readme_answer(README + "\n>>> subtract(2, 1)\n1\n"), "NameError: name 'subtract' is not defined"),
    ],
)
async def test_a_readme_that_does_not_hold_goes_back_with_the_reason(
    judge: Judge, bad: str, reason: str
) -> None:
    script = Script(refactoring=["NO CHANGE"], documentation=[bad, *[block("x.md", "x\n")] * 2])
    work = work_in(State.REFACTOR_AND_DOCUMENT, script, judge)
    with pytest.raises(StageFailed):
        await refactor_and_document.body(work, plan=a_plan(), green=a_green(), feedback=())
    first, second, _ = script.told("documentation", "failures")
    assert first == ""
    assert reason in second


async def test_a_readme_that_stays_false_is_a_bad_document(judge: Judge) -> None:
    with pytest.raises(StageFailed, match="no README whose examples hold: 2 examples, 1 failed") as failure:
        await polished(
            judge, ["NO CHANGE"], *[block("x.md", "x\n")] * (README_ROUNDS - 1), readme_answer(FALSE)
        )
    assert failure.value.failures[0].cause is Cause.BAD_DOCUMENT
    assert "Expected:" in failure.value.failures[0].details


async def test_an_endless_example_is_ended_and_named(judge: Judge) -> None:
    short = replace(judge, limits=Limits(wall_s=2, cpu_s=30))
    endless = README.replace("```\n", ">>> while True: pass\n\n```\n").replace("```python\n", "", 1)
    _, script = await polished(short, ["NO CHANGE"], readme_answer(endless), readme_answer())
    assert "the examples ended early (wall)" in script.told("documentation", "failures")[1]
