"""SECURITY_AUDIT: what the scanners find, and who may accept it."""

import json

import pytest

from schemas.base import SourceFile
from schemas.failure import Cause, Evidence
from schemas.lite import Plan, Polished
from schemas.stages import SecurityAudit
from schemas.stateflow import State
from schemas.verdict import Severity, Status, Suite
from services.judge import Judge
from tasks.security_audit import security_audit
from tasks.stage import StageFailed
from tests.tasks.builders import (
    CODE,
    README,
    TESTS,
    Script,
    a_plan,
    a_polished,
    an_assembly,
    the_failure,
    work_in,
)

pytestmark = pytest.mark.services

KEY = 'KEY = "AKIA' + 'IOSFODNN7EXAMPLE"\n'
RANDOM = CODE + "\n\nimport random\n\n\ndef _pick() -> float:\n    return random.random()\n"
SHELL = "\n\nimport subprocess\n\n\ndef _run(line: str) -> int:\n    return subprocess.call(line, shell=True)"
DEEP = "\n\n_DEEP = " + " + ".join(["1"] * 2000) + "\n"


def says(*judged: tuple[int, bool]) -> str:
    return json.dumps(
        {"judgements": [{"finding": n, "accepted": yes, "reason": "a quiz"} for n, yes in judged]}
    )


async def audited(
    judge: Judge, polished: Polished, *answers: str, plan: Plan | None = None
) -> tuple[SecurityAudit, Script]:
    script = Script(security=list(answers))
    work = work_in(State.SECURITY_AUDIT, script, judge)
    answer = await security_audit.body(work, assembly=an_assembly(polished, plan), allowlist=())
    return answer, script


async def failure_of(
    judge: Judge, polished: Polished, *answers: str, plan: Plan | None = None
) -> tuple[Evidence, str]:
    with pytest.raises(StageFailed) as failure:
        await audited(judge, polished, *answers, plan=plan)
    found = the_failure(failure)
    assert found.cause is Cause.SECURITY
    return found, f"{found.summary}\n{found.details}"


async def test_clean_code_asks_no_model_and_says_what_was_not_run_and_why(judge: Judge) -> None:
    answer, script = await audited(judge, a_polished())
    assert (answer.findings, answer.judgements, script.asked) == ((), (), [])
    told = {v.subject: (v.status, v.reason) for v in answer.verdicts}
    none = "the release has no third-party dependency to look up"
    assert told == {
        "bandit": (Status.PASSED, "0 finding(s)"),
        "detect-secrets": (Status.PASSED, "0 finding(s)"),
        "import policy": (Status.PASSED, "standard library only"),
        "dependency advisories": (Status.NOT_RUN, none),
        "dependency licences": (Status.NOT_RUN, none),
    }


@pytest.mark.parametrize("silencer", ["", "  # nosec", "  # nosec B602"])
async def test_a_shell_with_a_variable_fails_even_when_the_code_silences_the_scanner(
    judge: Judge, silencer: str
) -> None:
    found, text = await failure_of(judge, a_polished(CODE + SHELL + silencer + "\n"))
    assert found.summary.startswith(
        "1 finding(s) of high severity: src/pairs/adding.py:20: high: bandit B602 "
    )
    assert "shell=True" in text
    assert found.paths == ("src/pairs/adding.py",)


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("import pickle\n\n\ndef _read(data: bytes) -> object:\n    return pickle.loads(data)\n", "B301"),
        ("def _read(text: str) -> object:\n    return eval(text)\n", "B307"),
        (KEY, "detect-secrets AWS Access Key"),
        (KEY.replace("\n", "  # pragma: allowlist secret\n"), "detect-secrets AWS Access Key"),
    ],
)
async def test_a_finding_that_is_not_accepted_fails(judge: Judge, code: str, rule: str) -> None:
    _, text = await failure_of(judge, a_polished(CODE + "\n\n" + code), says((1, False), (2, False)))
    assert "not accepted" in text
    assert rule in text


async def test_an_accepted_finding_is_in_the_answer_with_its_reason(judge: Judge) -> None:
    answer, script = await audited(judge, a_polished(RANDOM), says((1, True)))
    [finding] = answer.findings
    assert (finding.tool, finding.severity, finding.path) == ("bandit", Severity.LOW, "src/pairs/adding.py")
    assert [(j.finding, j.accepted, j.reason) for j in answer.judgements] == [(1, True, "a quiz")]
    assert [v.status for v in answer.verdicts if v.subject == "bandit"] == [Status.FAILED]
    assert script.told("security", "findings")[0].startswith("1. src/pairs/adding.py:20: low: bandit B311")


@pytest.mark.parametrize("answer", [says(), says((2, True)), says((1, False)), says((1, True), (1, False))])
async def test_a_finding_without_a_clear_acceptance_fails(judge: Judge, answer: str) -> None:
    _, text = await failure_of(judge, a_polished(RANDOM), answer)
    assert "1 finding(s) not accepted: src/pairs/adding.py:20: low: bandit B311" in text


async def test_a_high_finding_asks_nobody_although_others_could_be_accepted(judge: Judge) -> None:
    _, text = await failure_of(judge, a_polished(RANDOM + SHELL + "\n"))
    assert "B602" in text and "B311" not in text


async def test_a_secret_in_the_tests_or_the_readme_is_found_too(judge: Judge) -> None:
    suite = Suite(files=(SourceFile(path="tests/test_adding.py", text=TESTS + KEY),), tests=())
    plan = a_plan().model_copy(update={"suite": suite})
    _, text = await failure_of(judge, a_polished(readme=README + KEY), says(), plan=plan)
    assert "README.md:" in text and "tests/test_adding.py:" in text


async def test_an_import_off_the_policy_is_high(judge: Judge) -> None:
    _, text = await failure_of(judge, a_polished("import requests\n" + CODE))
    assert "src/pairs/adding.py:1: high: import policy import" in text


async def test_a_scanner_that_gave_up_fails_although_every_other_finding_is_accepted(judge: Judge) -> None:
    for code in (CODE + DEEP, CODE + DEEP + KEY):
        _, text = await failure_of(judge, a_polished(code), says((1, True)))
        assert "bandit did not end with a report" in text
