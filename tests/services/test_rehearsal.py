"""The rehearsal plays every agent of the Lite path, truly and with the faults that were asked for."""

import doctest
import json
import types
from collections.abc import Iterable
from typing import Any

import pytest

from agents import lite
from schemas.agent import Agent
from schemas.answers import PlanAnswer, SecurityAnswer, TriageAnswer
from schemas.base import SourceFile
from schemas.conformance import contract_problems, import_problems
from schemas.fileblocks import FileBlockError, parse_file_blocks
from schemas.prose import sources_text
from schemas.render import render_stub
from services.models.formulas import Formula
from services.models.names import RehearsalOptions, parse_rehearsal
from tests.services.rehearsal_builders import answered

BRIEF = "# Small Sums 2\n\nFormulas.\n"
FINDINGS = json.dumps([{"tool": "bandit"}, {"tool": "policy"}])


def plan(options: str = "") -> PlanAnswer:
    return PlanAnswer.model_validate_json(answered(options, "planner", {"brief": BRIEF, "feedback": ""}))


def values(planned: PlanAnswer, agent: Agent) -> dict[str, str]:
    known = {
        "brief": BRIEF,
        "srs": planned.srs.model_dump_json(),
        "contract": planned.contract.model_dump_json(),
        "findings": FINDINGS,
        "code": sources_text(
            (SourceFile(path=planned.contract.module_path(), text=render_stub(planned.contract)),)
        ),
    }
    return {name: known.get(name, "") for name in agent.inputs}


def module(file: SourceFile, name: str = "formulas") -> types.ModuleType:
    made = types.ModuleType(name)
    exec(compile(file.text, file.path, "exec"), made.__dict__)
    return made


def right(made: types.ModuleType, count: int) -> bool:
    return all(
        getattr(made, f"f_{i}")(v) == Formula(i).at(v) for i in range(1, count + 1) for v in range(-9, 10)
    )


def test_the_json_agents_answer_in_their_schemas() -> None:
    triage = TriageAnswer.model_validate_json(answered("size=6", "triage", {"brief": BRIEF}))
    assert (triage.size, triage.clear) == (6, True)
    planned = plan("functions=12")
    assert planned.contract.body_names() == [f"f_{i}" for i in range(1, 13)]
    assert planned.contract.package == "small_sums_2_project"
    assert planned.srs.title == "Small Sums 2"
    judged = SecurityAnswer.model_validate_json(answered("", "security", values(planned, lite.SECURITY)))
    assert [j.finding for j in judged.judgements] == [0, 1]
    listed = {"findings": "1. src/a.py:2: low: bandit B1: x\n2. src/a.py:9: low: bandit B2: y", "code": ""}
    judged = SecurityAnswer.model_validate_json(answered("", "security", listed))
    assert [j.finding for j in judged.judgements] == [1, 2]


def test_every_formula_is_another() -> None:
    seen = {tuple(Formula(i).at(v) for v in range(-9, 10)) for i in range(1, 201)}
    assert len(seen) == 200


@pytest.mark.parametrize("agent", [lite.IMPLEMENTATION, lite.REFACTORING])
def test_code_keeps_to_its_contract_and_its_doctests_are_true(agent: Agent) -> None:
    planned = plan("functions=4")
    texts = {answered("functions=4", agent.name, values(planned, agent), n) for n in range(1, 9)}
    files = [parse_file_blocks(text)[0] for text in texts if text != "NO CHANGE"]
    assert files and len(texts) == (1 if agent is lite.IMPLEMENTATION else 2)
    for file in files:
        assert file.path == planned.contract.module_path()
        assert contract_problems(planned.contract, file) == []
        assert import_problems(file, planned.contract.package, ()) == []
        made = module(file)
        assert right(made, 4)
        assert sum(run.attempted for run in doctested(made)) == 4


def doctested(made: types.ModuleType) -> Iterable[doctest.TestResults]:
    runner = doctest.DocTestRunner()
    for test in doctest.DocTestFinder().find(made, module=False, globs=made.__dict__):
        result = runner.run(test)
        assert result.failed == 0
        yield result


def test_the_suite_claims_every_criterion_and_tells_right_from_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    planned = plan()
    (suite,) = parse_file_blocks(answered("", "test_engineer", values(planned, lite.TEST_ENGINEER)))
    assert all(f'@pytest.mark.proves("{c}")' in suite.text for c in planned.srs.criterion_ids())
    code = values(planned, lite.IMPLEMENTATION)
    (good,) = parse_file_blocks(answered("", "implementation", code))
    (bad,) = parse_file_blocks(answered("bad_code=1", "implementation", code))
    assert failures(suite, module(good), planned, monkeypatch) == 0
    assert failures(suite, module(bad), planned, monkeypatch) == 1


def test_a_suite_can_be_wrong_or_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    planned = plan()
    told = values(planned, lite.TEST_ENGINEER)
    (good,) = parse_file_blocks(answered("", "implementation", values(planned, lite.IMPLEMENTATION)))
    (stub,) = (SourceFile(path="stub.py", text=render_stub(planned.contract)),)
    (wrong,) = parse_file_blocks(answered("bad_test=1", "test_engineer", told))
    (vacuous,) = parse_file_blocks(answered("vacuous_test=1", "test_engineer", told))
    assert failures(wrong, module(good), planned, monkeypatch) == 1
    assert failures(vacuous, module(good), planned, monkeypatch) == 0
    assert failures(vacuous, module(stub), planned, monkeypatch) == 3
    assert vacuous.text.count("def test_") == 4


def failures(
    suite: SourceFile, made: types.ModuleType, planned: PlanAnswer, patch: pytest.MonkeyPatch
) -> int:
    patch.setitem(__import__("sys").modules, planned.contract.package, made)
    space: dict[str, Any] = {}
    exec(suite.text.replace("@pytest.mark", "# @pytest.mark"), space)
    count = 0
    for test in [value for key, value in space.items() if key.startswith("test_")]:
        try:
            test()
        except (AssertionError, NotImplementedError):
            count += 1
    return count


def test_the_readme_is_true(monkeypatch: pytest.MonkeyPatch) -> None:
    planned = plan()
    (good,) = parse_file_blocks(answered("", "implementation", values(planned, lite.IMPLEMENTATION)))
    monkeypatch.setitem(__import__("sys").modules, planned.contract.package, module(good))
    (readme,) = parse_file_blocks(answered("", "documentation", values(planned, lite.DOCUMENTATION)))
    assert readme.path == "README.md"
    test = doctest.DocTestParser().get_doctest(readme.text, {}, "README.md", None, 0)
    result = doctest.DocTestRunner().run(test)
    assert (result.failed, result.attempted) == (0, 4)


def test_bad_code_is_drawn_for_each_attempt() -> None:
    planned = plan()
    code = values(planned, lite.IMPLEMENTATION)
    options = "bad_code=0.5"
    files = [parse_file_blocks(answered(options, "implementation", code, n))[0] for n in range(1, 41)]
    share = sum(not right(module(file), 3) for file in files)
    assert 10 <= share <= 30
    again = [parse_file_blocks(answered(options, "implementation", code, n))[0] for n in range(1, 41)]
    assert files == again
    other = [answered(options + ",seed=8", "implementation", code, n) for n in range(1, 41)]
    assert other != [answered(options, "implementation", code, n) for n in range(1, 41)]


AGENTS = [lite.TRIAGE, lite.PLANNER, lite.TEST_ENGINEER, lite.IMPLEMENTATION, lite.REFACTORING]
AGENTS += [lite.DOCUMENTATION, lite.SECURITY]


@pytest.mark.parametrize("agent", AGENTS, ids=lambda a: a.name)
def test_a_schema_violation_never_passes_for_an_answer(agent: Agent) -> None:
    planned = plan()
    for attempt in range(1, 20):
        text = answered("schema_violation=1", agent.name, values(planned, agent), attempt)
        if agent.answer:
            with pytest.raises(ValueError, match="Invalid JSON"):
                agent.answer.model_validate_json(text)
        else:
            with pytest.raises(FileBlockError):
                parse_file_blocks(text)


def test_options_have_defaults_and_no_fault_happens_unasked() -> None:
    assert parse_rehearsal("") == RehearsalOptions()
    assert RehearsalOptions().bad_code == RehearsalOptions().schema_violation == 0
