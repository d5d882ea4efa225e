"""REFACTOR_CODE: asked for only where the measures see room."""

import pytest

from schemas.base import SourceFile
from schemas.full import Refactored
from schemas.lite import Green
from schemas.stateflow import State
from schemas.verdict import Candidate
from schemas.wbs import item_spec
from services.judge import Judge
from tasks.implement_code import Foundation
from tasks.refactor_code import refactor_code
from tests.plans import MONEY, MONEY_FILE, RECEIPT_CODE, UNITS, receipt_suite, specification, wbs
from tests.tasks.builders import Script, block, verdict, work_in

pytestmark = pytest.mark.services

ROUGH = RECEIPT_CODE.replace("from shop.money", "import math\n\nfrom shop.money")


def candidate(code: str) -> Candidate:
    return Candidate(files=(SourceFile(path="src/shop/receipt.py", text=code),))


async def refactored(
    judge: Judge, code: str, *answers: str, complexity: int = 3
) -> tuple[Refactored, Script]:
    script = Script(refactoring=list(answers))
    answer = await refactor_code.body(
        work_in(State.REFACTOR_CODE, script, judge, item="WI-3"),
        item=item_spec(wbs(), specification(), "WI-3").model_copy(update={"complexity": complexity}),
        suite=receipt_suite(),
        green=Green(candidate=candidate(code), verdict=verdict(), attempts=1),
        foundation=Foundation(contracts=(UNITS, MONEY), code=(MONEY_FILE,)),
    )
    return answer, script


async def test_clear_code_asks_nobody(judge: Judge) -> None:
    found, script = await refactored(judge, RECEIPT_CODE)
    assert (found.candidate, found.refactoring) == (candidate(RECEIPT_CODE), "kept as it was: clear already")
    assert found.before == found.after
    assert script.asked == []


async def test_better_code_that_stays_green_on_the_code_below_is_taken(judge: Judge) -> None:
    found, script = await refactored(judge, ROUGH, block("src/shop/receipt.py", RECEIPT_CODE))
    assert (found.candidate, found.refactoring) == (
        candidate(RECEIPT_CODE),
        "taken: tests green, no measure worse",
    )
    assert (found.before.lint, found.after.lint) == (1, 0)
    assert [r.subject for r in script.asked] == ["WI-3"]
    assert script.told("refactoring", "findings") == ["line 5: F401 `math` imported but unused"]


async def test_a_complex_item_is_refactored_by_the_strong_tier(judge: Judge) -> None:
    _, script = await refactored(judge, ROUGH, "NO CHANGE", complexity=9)
    assert [(r.tier, r.reason) for r in script.asked] == [("strong", "complexity 9")]


async def test_code_that_behaves_otherwise_is_refused(judge: Judge) -> None:
    other = RECEIPT_CODE.replace('f"total {', 'f"sum {')
    found, _ = await refactored(judge, ROUGH, block("src/shop/receipt.py", other))
    assert (found.candidate, found.refactoring) == (candidate(ROUGH), "refused: 1 of 1 tests failed")
