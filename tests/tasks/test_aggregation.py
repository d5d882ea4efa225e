"""AGGREGATION: what works from the source folder alone is not a package."""

import pytest

from schemas.failure import Cause, Evidence
from schemas.lite import Plan, Polished
from schemas.stages import Build
from schemas.stateflow import State
from schemas.verdict import Status
from services.judge import Judge
from tasks.aggregation import aggregate
from tasks.candidates import judge_candidate
from tasks.implement_and_fix import assignment_of
from tasks.stage import StageFailed
from tests.tasks.builders import CODE, a_plan, a_polished, an_assembly, the_failure, work_in

pytestmark = pytest.mark.services

AT_IMPORT = CODE + "\n\nopen('src/pairs/__init__.py').close()\n"
WHEN_CALLED = CODE.replace("    total =", "    open('src/pairs/__init__.py').close()\n    total =")


async def built(judge: Judge, polished: Polished, plan: Plan | None = None, python: str = "3.11") -> Build:
    work = work_in(State.AGGREGATION, judge=judge)
    assembly = an_assembly(polished, plan)
    return await aggregate.body(work, assembly=assembly, python=python, version="7")


async def failure_of(judge: Judge, polished: Polished, python: str = "3.11") -> Evidence:
    with pytest.raises(StageFailed) as failure:
        await built(judge, polished, python=python)
    return the_failure(failure)


async def test_a_good_tree_builds_and_its_tests_pass_on_the_installed_wheel(judge: Judge) -> None:
    build = await built(judge, a_polished())
    assert build.wheel == "pairs-7-py3-none-any.whl"
    assert (build.verdict.subject, build.verdict.status) == ("installed wheel", Status.PASSED)
    assert [t.outcome for t in build.verdict.tests] == ["passed", "passed"]
    assert {t.proves for t in build.verdict.tests} == {("FR-1.1",), ("FR-1.2",)}
    assert {f.path for f in build.files} == {
        *("src/pairs/__init__.py", "src/pairs/adding.py", "src/pairs/adding_types.py", "src/pairs/py.typed"),
        *("tests/test_adding.py", "README.md", "pyproject.toml", ".gitignore"),
    }


@pytest.mark.parametrize(
    ("code", "reason"), [(WHEN_CALLED, "FileNotFoundError"), (AT_IMPORT, "import of the wheel")]
)
async def test_a_candidate_that_works_only_from_the_source_folder_fails(
    judge: Judge, code: str, reason: str
) -> None:
    polished = a_polished(code)
    work = work_in(State.IMPLEMENT_AND_FIX, judge=judge)
    assert (await judge_candidate(work, assignment_of(a_plan()), polished.candidate)).status is Status.PASSED
    found = await failure_of(judge, polished)
    assert found.cause is Cause.BAD_CODE
    assert found.paths == (("test_adding.py",) if code == WHEN_CALLED else ())
    assert reason in f"{found.summary}\n{found.details}"


async def test_a_candidate_that_imports_its_tests_fails(judge: Judge) -> None:
    found = await failure_of(judge, a_polished(CODE + "\n\nimport tests.test_adding\n"))
    assert found.cause is Cause.BAD_CODE
    assert "No module named 'tests'" in found.summary + found.details


@pytest.mark.parametrize(
    ("polished", "python", "reason"),
    [
        (a_polished(path="OTHER.md"), "3.11", "README.md"),
        (a_polished(), "eleven", "requires-python"),
        (a_polished(), '3.11"', "build of the wheel failed"),
        (a_polished(), "3.99", "install of the wheel failed"),
    ],
)
async def test_a_tree_that_cannot_be_built_or_installed_fails_with_the_reason(
    judge: Judge, polished: Polished, python: str, reason: str
) -> None:
    found = await failure_of(judge, polished, python)
    assert found.cause is Cause.PACKAGING
    assert reason in f"{found.summary}\n{found.details}"
