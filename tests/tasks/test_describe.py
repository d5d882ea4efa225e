"""What people read is Markdown that no model can break."""

import re

import pytest

from schemas.failure import Cause, Evidence, Route
from schemas.full import Analysed, Held, Integrated, Mutant, Planned, Red, Refactored, Specified
from schemas.stages import (
    Checked,
    Diagnosis,
    Intake,
    Measures,
    Rethought,
    Review,
    SecurityAudit,
    StageAnswer,
    Trace,
    Triage,
)
from schemas.stateflow import State
from schemas.verdict import Candidate, Finding, Judgement, Severity, Status, Verdict
from tasks.decomposition import estimate
from tasks.describe import headline
from tasks.describe_full import describe
from tests import plans
from tests.tasks.builders import (
    ADDED,
    PLACE,
    a_build,
    a_green,
    a_plan,
    a_polished,
    a_review,
    evidence,
    passed,
    verdict,
)
from tests.tasks.test_deployment_artifacts import completed

HOSTILE = "a | b \\| c ` d ``` e\r\nf\n| g |\n---|--- <script>alert(1)</script> \\\\| h"


def audit(text: str = "a quiz") -> SecurityAudit:
    finding = Finding(tool="bandit", rule=text, severity=Severity.LOW, path="src/x.py", line=1, message=text)
    return SecurityAudit(
        verdicts=(Verdict(subject=text, status=Status.NOT_RUN, level="tool", reason=text),),
        findings=(finding,),
        judgements=(Judgement(finding=1, accepted=True, reason=text),),
    )


def diagnosis(text: str = "no progress") -> Diagnosis:
    routes = (
        Route(cause=Cause.MODEL, target=None, items=(), reason=text),
        Route(cause=Cause.BAD_CODE, target=State.IMPLEMENT_CODE, items=("WI-2", text), reason=text),
    )
    return Diagnosis(outcome="halt", routes=routes, reason=text)


def a_mutant(*killed_by: str, change: str = "`a` became `b`") -> Mutant:
    return Mutant(id="M1", path="src/shop/money.py", line=3, change=change, killed_by=killed_by)


def specified(text: str = "Sum.") -> Specified:
    spec = plans.specification()
    criterion = {"id": "FR-1.1", "text": text}
    served = spec.requirements[0].model_dump() | {"criteria": [criterion]}
    measured = spec.requirements[2].model_dump() | {"metric": text, "target": text}
    return Specified(
        specification=plans.specification(title=text, requirements=[served, measured]),
        statements=(text,),
    )


def analysed(text: str = "the money", unsound: bool = False) -> Analysed:
    issue = {"kind": "gap", "requirements": ["FR-1"], "problem": text, "proposal": text}
    modules = [{"module": "money", "responsibility": text, "needs": ["units"]}]
    decisions = [{"title": text, "choice": text, "why": text}]
    made = plans.blueprint(modules=modules, decisions=decisions, issues=[issue] if unsound else [])
    return Analysed(outcome="unsound" if unsound else "sound", blueprint=made)


def planned(text: str = "The money", gaps: tuple[str, ...] = ()) -> Planned:
    one, two, three = (i.model_copy(update={"title": text}) for i in plans.ITEMS)
    wbs = plans.wbs(one, two, three)
    return Planned(outcome="gap" if gaps else "planned", wbs=wbs, estimate=estimate(wbs, 4), gaps=gaps)


MEASURES = Measures(lines=9, complexity=1, lint=0)
FULL: list[StageAnswer] = [
    Rethought(outcome="exhausted", strategy=None, reason="tried before"),
    specified(),
    analysed(),
    analysed(unsound=True),
    planned(),
    planned(gaps=("Which currency?",)),
    Red(suite=plans.money_suite(), verdict=verdict()),
    Held(mutants=(a_mutant(plans.SUMMED), a_mutant()), verdict=verdict()),
    Held(mutants=(), verdict=verdict()),
    Refactored(
        candidate=Candidate(files=(plans.MONEY_FILE,)),
        refactoring="kept as it was: clear already",
        before=MEASURES,
        after=MEASURES,
        verdict=verdict(),
    ),
    Integrated(suite=plans.receipt_suite(), verdict=verdict(), edges=(a_mutant(plans.PRINTED), a_mutant())),
    Checked(verdicts=(verdict(), Verdict(subject="x", status=Status.NOT_RUN, reason="no example"))),
]

ANSWERS: list[StageAnswer | Evidence] = [
    evidence(details="a line"),
    Intake(words=3, sentences=1, features=0),
    Triage(outcome="lite", size=2, decided_by="rules", reasons=("small",)),
    Triage(outcome="unclear", size=2, decided_by="model", reasons=("?",), questions=("What?", "Why?")),
    Triage(outcome="full", size=None, decided_by="user", reasons=("the mode is full",)),
    a_plan(),
    a_green(),
    a_polished(),
    audit(),
    SecurityAudit(verdicts=(), findings=(), judgements=()),
    a_build(),
    a_review(),
    diagnosis(),
    *FULL,
]


def cells(line: str) -> list[str]:
    """The cells of a table's line: pipes that no backslash precedes divide them."""
    return re.split(r"(?<!\\)\|", line)[1:-1]


def tables(text: str) -> list[list[str]]:
    """The cells of each line that begins with a pipe, outside of code."""
    prose = re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    return [cells(line) for line in prose.splitlines() if line.startswith("|")]


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)
def test_every_answer_begins_with_a_heading_and_has_even_tables(answer: StageAnswer | Evidence) -> None:
    text = describe(answer)
    assert re.match(r"## \S", text)
    assert headline(answer) and "`" not in headline(answer) and "#" not in headline(answer)


def test_every_answer_type_is_described() -> None:
    tried = {type(answer) for answer in ANSWERS}
    assert {t for t in StageAnswer.__subclasses__()} - tried == {type_of_release()}


def type_of_release() -> type[StageAnswer]:
    return next(t for t in StageAnswer.__subclasses__() if t.__name__ == "ReleaseTree")


async def test_a_release_tree_names_its_digest_and_what_was_not_run() -> None:
    tree = await completed()
    text = describe(tree)
    title = f"{len(tree.files)} files, content digest"
    assert text.splitlines()[0] == f"## {title} `{tree.digest_of_tree[:12]}`"
    assert "| SBOM | not run |" in text
    assert headline(tree) == f"{title} {tree.digest_of_tree[:12]}"


def test_a_plain_object_has_no_description() -> None:
    with pytest.raises(TypeError, match="no description for StageAnswer"):
        describe(StageAnswer(outcome="x"))


def test_claimed_and_shown_are_told_apart() -> None:
    [_, _, first, _] = tables(describe(a_review()))
    assert [c.strip() for c in first[1:3]] == ["passed", "not run"]


def test_hostile_text_cannot_break_the_traceability_table() -> None:
    row = Trace(
        requirement="FR-1",
        criterion="FR-1.1",
        text=HOSTILE,
        tests=(f"test_x.py::test_x[{HOSTILE}]", ADDED),
        claimed=Status.PASSED,
        shown=Status.NOT_RUN,
    )
    text = describe(Review(matrix=(row, row)))
    found = tables(text)
    assert [len(line) for line in found] == [5] * 4
    assert "<script>" not in text
    assert [c.strip() for c in found[-1][1:3]] == ["passed", "not run"]
    assert found[-1][3].count("<br>") == 1


def test_hostile_text_cannot_break_the_security_tables() -> None:
    text = describe(audit(HOSTILE))
    assert [len(line) for line in tables(text)] == [5] * 3 + [4] * 3
    assert "<script>" not in text


def test_hostile_text_cannot_break_the_verdicts_or_leave_its_code_block() -> None:
    hostile = f"x = '''\n```\n````\n`````\n{HOSTILE}\n'''\n"
    green = a_green(hostile).model_copy(update={"verdict": verdict(passed(ADDED), reason=HOSTILE)})
    text = describe(green)
    assert [len(line) for line in tables(text)] == [5] * 3
    fence = re.search(r"^(`{3,})python$", text, re.MULTILINE)
    assert fence
    assert text.count(fence.group(1)) == 2
    assert text.endswith(f"\n{fence.group(1)}")


def test_a_pipe_after_backslashes_divides_no_cell_under_either_reading() -> None:
    measured = a_polished().model_copy(
        update={
            "before": Measures(lines=1, complexity=1, lint=0),
            "verdict": verdict(reason="odd \\| even \\\\| end"),
        }
    )
    line = next(line for line in describe(measured).splitlines() if "odd" in line)
    assert not re.search(r"\\\\+\|", line)
    assert len(cells(line)) == 5


def test_the_place_of_a_verdict_is_shown() -> None:
    assert f"| {PLACE.backend} ({PLACE.level}) |" in describe(a_green())


def test_a_title_of_several_lines_stays_one_heading() -> None:
    plan = a_plan()
    srs = plan.srs.model_copy(update={"title": "Pairs\n| and | more"})
    assert headline(plan.model_copy(update={"srs": srs})) == "Pairs | and | more: 2 criteria, 2 red tests"


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (diagnosis(), "halt: no progress"),
        (specified(), "Sum.: 2 requirements, 2 criteria"),
        (analysed(), "shop: 1 module(s)"),
        (analysed(unsound=True), "1 issue(s): the specification goes back"),
        (planned(gaps=("Which currency?",)), "The specification has gaps"),
        (
            Held(mutants=(a_mutant(ADDED), a_mutant()), verdict=verdict()),
            "1/2 mutants killed; every test",
        ),
        (Held(mutants=(), verdict=verdict()), "No mutants killed"),
        (FULL[-2], "1 integration tests; 1 of 2 lower items matter to one"),
        (FULL[-1], "1 of 2 checks passed"),
    ],
)
def test_a_headline_says_what_came_of_it(answer: StageAnswer, line: str) -> None:
    assert headline(answer).startswith(line)


def test_a_plan_shows_its_items_and_what_builds_on_what() -> None:
    text = describe(planned())
    assert headline(planned()).startswith("3 work items, ")
    edges = [line.strip() for line in text.splitlines() if "-->" in line]
    assert edges == ["WI1 --> WI2", "WI1 --> WI3", "WI2 --> WI3"]
    assert [c.strip() for c in tables(text)[4][:5]] == ["WI-3", "The money", "receipt", "2", "WI-1, WI-2"]


def test_survivors_and_idle_edges_are_named() -> None:
    held, integrated = (next(a for a in FULL if isinstance(a, kind)) for kind in (Held, Integrated))
    said = [line[-1].strip() for line in tables(describe(held))][2:]
    assert said == ["`test_cents_are_summed`", "survived"]
    said = [line[-1].strip() for line in tables(describe(integrated)) if len(line) == 3][2:]
    assert said == ["`test_a_receipt_ends_in_the_total`", "nobody"]


@pytest.mark.parametrize(
    ("answer", "widths"),
    [
        (diagnosis(HOSTILE), [4] * 4),
        (specified(HOSTILE), [3] * 7),
        (analysed(HOSTILE), [3] * 6),
        (analysed(HOSTILE, unsound=True), [4] * 3),
        (planned(HOSTILE), [6] * 5),
        (Held(mutants=(a_mutant(HOSTILE, change=HOSTILE),), verdict=verdict()), [4] * 3),
        (
            Integrated(
                suite=plans.receipt_suite(),
                verdict=verdict(reason=HOSTILE),
                edges=(a_mutant(change=HOSTILE),),
            ),
            [5] * 3 + [3] * 3,
        ),
        (Checked(verdicts=(verdict(reason=HOSTILE),)), [5] * 3),
    ],
    ids=lambda value: type(value).__name__,
)
def test_hostile_text_breaks_no_table_of_the_full_path(answer: StageAnswer, widths: list[int]) -> None:
    assert [len(line) for line in tables(describe(answer))] == widths


@pytest.mark.parametrize(
    "answer",
    [specified(HOSTILE), diagnosis(HOSTILE), Rethought(outcome="exhausted", strategy=None, reason=HOSTILE)],
)
def test_a_heading_of_several_lines_stays_one_line(answer: StageAnswer) -> None:
    text = " ".join(HOSTILE.split())
    assert text in describe(answer).splitlines()[0]
