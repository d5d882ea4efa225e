"""What people read is Markdown that no model can break."""

import re

import pytest

from schemas.failure import Evidence
from schemas.stages import Diagnosis, Intake, Measures, Review, SecurityAudit, StageAnswer, Trace, Triage
from schemas.verdict import Finding, Judgement, Severity, Status, Verdict
from tasks.describe import describe, headline
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
    Diagnosis(outcome="halt", cause=evidence().cause, target=None, reason="no progress"),
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
