"""A small project in each of its stages, and models that answer from a script."""

from pathlib import Path
from typing import Any, cast

import pytest

from agents.ask import Desk
from schemas.answers import PlanAnswer
from schemas.base import SourceFile
from schemas.brief import Brief
from schemas.calls import Reply, Request
from schemas.contract import Constant, Contract, ExceptionType, Function, Raises
from schemas.failure import Cause, Evidence
from schemas.lite import Green, Plan, Polished
from schemas.policy import Policy, Tier
from schemas.project import package_tree
from schemas.render import rendered_files
from schemas.srs import SRS, Criterion, Requirement
from schemas.stages import Assembly, Build, Measures, Review
from schemas.stateflow import State
from schemas.verdict import Candidate, Confinement, Status, Suite, TestOutcome, Verdict
from services.database import Database
from services.judge import Judge
from services.models import CallScope, Models
from tasks.context import RunContext, Work
from tasks.final_review import trace
from tasks.stage import StageFailed

MODELS = {Tier.FAST: "ollama:small", Tier.STANDARD: "ollama:middle", Tier.STRONG: "ollama:large"}
PLACE = Confinement(backend="bubblewrap", level="full", missing=())


class Script:
    """Models that answer each agent from its own list, and remember what was asked."""

    def __init__(self, **answers: list[str]) -> None:
        self.answers = answers
        self.asked: list[Request] = []

    async def complete(self, scope: CallScope, request: Request) -> Reply:
        self.asked.append(request)
        waiting = self.answers.get(request.agent)
        assert waiting, f"the script has no further answer of agent {request.agent}"
        return Reply(text=waiting.pop(0), finish="stop", usage=None)

    def told(self, agent: str, name: str) -> list[str]:
        """What an agent was given under a name, question by question."""
        return [r.values[name] for r in self.asked if r.agent == agent]


def work_in(
    state: State,
    script: Script | None = None,
    judge: Judge | None = None,
    *,
    run: str = "run-1",
    sample: int = 0,
    item: str = "",
    policy: Policy | None = None,
) -> Work:
    """What a stage's body gets; a service that is not given must not be touched."""
    models = cast(Models, script or Script())
    allowed = policy or Policy(models=MODELS)
    context = RunContext(
        run=run,
        execution="execution-1",
        brief=BRIEF,
        policy=allowed,
        database=cast(Database, object()),
        desk=Desk(models, CallScope(run, "execution-1", "pairs", ()), allowed),
        judge=judge or cast(Judge, object()),
        home=Path("/nowhere"),
        cache=Path("/nowhere"),
        samples={(state, item): sample} if sample else {},
    )
    return Work(context, state, sample, item)


def the_failure(failure: pytest.ExceptionInfo[StageFailed]) -> Evidence:
    """The only evidence of a stage's failure."""
    [found] = failure.value.failures
    return found


def block(path: str, text: str) -> str:
    """A file as a code agent writes it."""
    return f'<file path="{path}">\n{text}</file>\n'


BRIEF = Brief(slug="pairs", title="Pairs", text="# Pairs\n\nAdd two whole numbers; refuse sums above 100.\n")

CONTRACT = Contract(
    package="pairs",
    module="adding",
    doc="Adds two numbers.",
    imports=(),
    constants=(Constant(name="LIMIT", annotation="int", value="100", doc="The largest sum."),),
    enums=(),
    exceptions=(ExceptionType(name="TooLarge", base="ValueError", doc="A sum is above the limit."),),
    dataclasses=(),
    functions=(
        Function(
            name="add",
            signature="(first: int, second: int) -> int",
            doc="The sum of two numbers.",
            raises=(Raises(error="TooLarge", when="the sum is above LIMIT"),),
            judge="json",
        ),
    ),
    classes=(),
    command=None,
)

SPECIFICATION = SRS(
    title="Pairs",
    purpose="Adds two whole numbers.",
    requirements=(
        Requirement(
            id="FR-1",
            text="Add two numbers.",
            criteria=(
                Criterion(id="FR-1.1", text="WHEN two numbers are given, THE function SHALL return the sum."),
                Criterion(id="FR-1.2", text="IF the sum is above 100, THEN it SHALL raise TooLarge."),
            ),
        ),
    ),
    constraints=(),
    out_of_scope=("Fractions.",),
    assumptions=("A sum of exactly 100 is allowed.",),
)

TESTS = """import pytest

from pairs import TooLarge, add


@pytest.mark.proves("FR-1.1")
def test_two_numbers_are_added():
    assert add(2, 3) == 5


@pytest.mark.proves("FR-1.2")
def test_a_sum_above_the_limit_is_refused():
    with pytest.raises(TooLarge):
        add(100, 1)
"""
ADDED = "test_adding.py::test_two_numbers_are_added"
REFUSED = "test_adding.py::test_a_sum_above_the_limit_is_refused"

CODE = '''"""Adds two numbers."""

from __future__ import annotations

from pairs.adding_types import LIMIT, TooLarge


def add(first: int, second: int) -> int:
    """The sum of two numbers."""
    total = first + second
    if total > LIMIT:
        raise TooLarge(total)
    return total
'''

README = """# Pairs

Adds two whole numbers.

## Use

```python
>>> from pairs import add
>>> add(2, 3)
5
```
"""


def plan_answer(contract: Contract = CONTRACT, srs: SRS = SPECIFICATION) -> str:
    """What a planner returns."""
    return PlanAnswer(srs=srs, contract=contract).model_dump_json()


def contract_with(**changes: Any) -> Contract:
    """The contract with some parts replaced."""
    return Contract.model_validate({**CONTRACT.model_dump(), **changes})


def suite_answer(text: str = TESTS, path: str = "tests/test_adding.py") -> str:
    """What a test engineer returns."""
    return block(path, text)


def code_answer(text: str = CODE, path: str = "src/pairs/adding.py") -> str:
    """What an implementer or refactorer returns."""
    return block(path, text)


def readme_answer(text: str = README) -> str:
    """What a technical writer returns."""
    return block("README.md", text)


def passed(test: str, *proves: str) -> TestOutcome:
    """A test that passed."""
    return TestOutcome(id=test, outcome="passed", phase="call", error="", message="", proves=proves)


def verdict(*tests: TestOutcome, reason: str = "2 tests passed") -> Verdict:
    """A passed verdict."""
    return Verdict(subject="candidate", status=Status.PASSED, reason=reason, tests=tests, confinement=PLACE)


GREEN_VERDICT = verdict(passed(ADDED, "FR-1.1"), passed(REFUSED, "FR-1.2"))


def a_plan(tests: str = TESTS, ids: tuple[str, ...] = (REFUSED, ADDED)) -> Plan:
    """A plan with the given suite."""
    suite = Suite(files=(SourceFile(path="tests/test_adding.py", text=tests),), tests=ids)
    return Plan(srs=SPECIFICATION, contract=CONTRACT, suite=suite, verdict=verdict())


def a_candidate(code: str = CODE) -> Candidate:
    """A candidate with the given module."""
    return Candidate(files=(SourceFile(path="src/pairs/adding.py", text=code),))


def a_green(code: str = CODE) -> Green:
    """A candidate that is said to be green."""
    return Green(candidate=a_candidate(code), verdict=GREEN_VERDICT, attempts=1)


def a_polished(code: str = CODE, readme: str = README, path: str = "README.md") -> Polished:
    """A candidate that is said to be polished."""
    measures = Measures(lines=13, complexity=2, lint=0)
    return Polished(
        candidate=a_candidate(code),
        readme=SourceFile(path=path, text=readme),
        refactoring="kept as it was: nothing to improve",
        before=measures,
        after=measures,
        verdict=GREEN_VERDICT,
        examples=verdict(reason="2 examples, 0 failed"),
    )


def an_assembly(
    polished: Polished | None = None,
    plan: Plan | None = None,
    killed: dict[str, tuple[str, ...]] | None = None,
) -> Assembly:
    """All that the small project's release is made of."""
    made, plan = polished or a_polished(), plan or a_plan()
    return Assembly(
        srs=plan.srs,
        contracts=(plan.contract,),
        suite=plan.suite,
        code=(*rendered_files(plan.contract), *made.candidate.files),
        readme=made.readme,
        killed=killed or {},
    )


def a_build(of: Verdict = GREEN_VERDICT) -> Build:
    """A tree that is said to build and pass."""
    tree = package_tree(an_assembly(), "3.11", "1")
    return Build(files=tree, wheel="pairs-1-py3-none-any.whl", verdict=of)


def a_review() -> Review:
    """The matrix of the small project."""
    return Review(matrix=trace(SPECIFICATION, GREEN_VERDICT, {}))


def evidence(
    cause: Cause = Cause.BAD_CODE,
    summary: str = "no candidate passed",
    details: str = "",
    *,
    state: State = State.IMPLEMENT_AND_FIX,
    item: str = "",
    paths: tuple[str, ...] = (),
) -> Evidence:
    """A failure, of the implementation state when no other is named."""
    return Evidence(state=state, cause=cause, summary=summary, details=details, item=item, paths=paths)
