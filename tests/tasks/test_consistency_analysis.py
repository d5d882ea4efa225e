"""CONSISTENCY_ANALYSIS: code, documentation and contract say the same."""

import pytest

from schemas.contract import Contract
from schemas.failure import Cause
from schemas.stages import Assembly, Checked
from schemas.stateflow import State
from schemas.verdict import Status
from services.judge import Judge
from tasks.consistency_analysis import analyse_consistency
from tasks.stage import StageFailed
from tests.plans import MONEY_CODE, RECEIPT, UNITS, USES_LINE, assembly, bodied, face
from tests.tasks.builders import the_failure, work_in

pytestmark = pytest.mark.services


def documented(example: str) -> tuple[Contract, ...]:
    """The shop's contracts, one of them with an example."""
    doc = f"The sum of the cents.\n\n{example}"
    return UNITS, face("money", imports=USES_LINE, functions=[bodied("total", doc=doc)]), RECEIPT


TRUE = documented(">>> total([Line('tea', 250)])\n250")
FALSE = documented(">>> total([Line('tea', 250)])\n251")


async def analysed(judge: Judge, whole: Assembly) -> Checked:
    return await analyse_consistency.body(work_in(State.CONSISTENCY_ANALYSIS, judge=judge), assembly=whole)


async def test_true_examples_pass_and_where_there_are_none_nothing_was_run(judge: Judge) -> None:
    found = await analysed(judge, assembly(contracts=TRUE))
    assert [(v.subject.split()[-1], v.status) for v in found.verdicts] == [
        ("contracts", Status.PASSED),
        ("units", Status.NOT_RUN),
        ("money", Status.PASSED),
        ("receipt", Status.NOT_RUN),
    ]


async def test_an_example_may_use_what_its_contract_imports(judge: Judge) -> None:
    doc = "The sum of the cents.\n\n>>> total([Line('tea', int(Decimal('2.5') * 100))])\n250"
    imports = (*USES_LINE, "from decimal import Decimal")
    money = face("money", imports=imports, functions=[bodied("total", doc=doc)])
    found = await analysed(judge, assembly(contracts=(UNITS, money, RECEIPT)))
    assert [v.status for v in found.verdicts if v.subject.endswith("of money")] == [Status.PASSED]


async def test_a_false_example_fails_and_nobody_knows_yet_who_is_wrong(judge: Judge) -> None:
    with pytest.raises(StageFailed, match="examples in the documentation of money") as failure:
        await analysed(judge, assembly(contracts=FALSE))
    found = the_failure(failure)
    assert found.cause is Cause.UNCLEAR
    assert "Expected:\n    251\nGot:\n    250" in found.details


async def test_code_that_left_its_contract_fails_with_its_file(judge: Judge) -> None:
    broken = assembly(money=MONEY_CODE.replace("lines: list[Line]", "lines: list[Line], more: int = 0"))
    with pytest.raises(StageFailed, match="contract: total has the signature") as failure:
        await analysed(judge, broken)
    found = the_failure(failure)
    assert (found.cause, found.paths) == (Cause.BAD_CODE, ("src/shop/money.py",))
