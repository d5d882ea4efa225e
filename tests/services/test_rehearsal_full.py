"""The rehearsal plays every agent of the full path, truly and with the faults that were asked for."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents import full, lite
from schemas.agent import Agent
from schemas.answers import CauseAnswer, ReviewAnswer, StrategyAnswer, TriageAnswer
from schemas.base import SourceFile
from schemas.conformance import contract_problems, import_problems
from schemas.errors import ConfigurationError
from schemas.fileblocks import FileBlockError, parse_file_blocks
from schemas.prose import interface_text, sources_text
from schemas.wbs import WBS, graph_problems
from services.models.names import parse_rehearsal
from services.models.synthetic_graph import Graph
from tests.services.rehearsal_builders import (
    EIGHT,
    SEVEN,
    STATEMENTS,
    answered,
    architect,
    code_values,
    integration_values,
    integrations,
    modules,
    plan,
    readme,
    specify,
    stubs,
    suite_values,
    suites,
)


def run(folder: Path, code: list[SourceFile], tests: list[SourceFile]) -> tuple[int, int]:
    """How many tests passed and failed; a README is run as doctest."""
    lines = [f"from {Path(f.path).parent.name}.{Path(f.path).stem} import f_{_number(f)}\n" for f in code]
    package = SourceFile(path=str(Path(code[0].path).parent / "__init__.py"), text="".join(lines))
    for file in (*code, *tests, package):
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "markers=proves"]
    command += ["-W", "error", "--tb=no", "--rootdir", ".", "--doctest-glob=*.md"]
    path = {**os.environ, "PYTHONPATH": str(folder / "src"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=folder, env=path, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed)", done.stdout)}
    return counts.get("passed", 0), counts.get("failed", 0)


def _number(file: SourceFile) -> str:
    return Path(file.path).stem.removeprefix("m_")


@pytest.mark.parametrize("items", [1, 5, 50, 200])
@pytest.mark.parametrize("rest", ["seed=7", "seed=8", "seed=9,layers=1", "seed=10,layers=12"])
def test_the_plan_has_no_problem_and_the_depth_that_was_asked_for(items: int, rest: str) -> None:
    options = f"{rest},items={items}"
    specification = specify(options)
    assert specification.uncovered(SEVEN) == []
    wbs = plan(options, specification)
    assert len(wbs.items) == items
    assert graph_problems(wbs, specification) == []
    assert {len(item.depends_on) for item in wbs.items} <= {0, 1, 2}
    assert longest(wbs) == min(items, parse_rehearsal(options).layers)


def longest(wbs: WBS) -> int:
    depth: dict[str, int] = {}
    for identity in wbs.order():
        depth[identity] = 1 + max((depth[d] for d in wbs.item(identity).depends_on), default=0)
    return max(depth.values())


def test_the_graph_is_drawn_from_the_seed() -> None:
    def drawn(seed: int) -> list[tuple[int, ...]]:
        graph = Graph(seed, 50, 4)
        return [graph.needs(index) for index in graph.indexes()]

    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)
    assert {len(needs) for needs in drawn(7)} == {0, 1, 2}


def test_items_take_the_full_path_and_none_means_five() -> None:
    def size(options: str) -> int:
        return TriageAnswer.model_validate_json(answered(options, "triage", {"brief": "# A\n\nB."})).size

    assert [size(""), size("items=1"), size("items=1,size=9")] == [3, 7, 9]
    assert len(plan("", specify("")).items) == 5


@pytest.mark.parametrize("count", [0, 1, 3, 8, 40])
def test_every_statement_is_served_however_many_there_are(count: int) -> None:
    statements = tuple(f"Add {n}." for n in range(1, count + 1))
    told = "\n".join(f"S{n}: {text}" for n, text in enumerate(statements, 1))
    assert specify(statements=told).uncovered(statements) == []


def test_the_project_passes_its_tests_and_its_readme_is_true(tmp_path: Path) -> None:
    code, tests, across = modules(), suites(), integrations()
    assert [f.path for f in tests] == [f"tests/test_m_{n}.py" for n in range(1, 9)]
    assert across
    assert all(re.fullmatch(r"tests/test_integration_m_\d\.py", f.path) for f in across)
    assert run(tmp_path, code, [*tests, *across, readme()]) == (8 * 4 + 3 * len(across) + 1, 0)


def test_every_test_is_red_on_the_stub(tmp_path: Path) -> None:
    across = integrations()
    assert run(tmp_path, stubs(), [*suites(), *across]) == (0, 8 * 4 + 3 * len(across))


def test_a_vacuous_test_passes_on_the_stub(tmp_path: Path) -> None:
    assert run(tmp_path, stubs(), suites(f"{EIGHT},vacuous_test=1")) == (8, 8 * 4)


def test_a_bad_test_fails_on_right_code(tmp_path: Path) -> None:
    wrong = f"{EIGHT},bad_test=1"
    across = integrations(wrong)
    assert run(tmp_path, modules(), [*suites(wrong), *across]) == (8 * 3 + 2 * len(across), 8 + len(across))


def test_bad_code_fails_its_suite(tmp_path: Path) -> None:
    code = [*modules()[:-1], modules(f"{EIGHT},bad_code=1")[-1]]
    assert run(tmp_path, code, suites()) == (7 * 4, 4)


def test_code_keeps_to_its_contract_and_imports_from_modules_alone() -> None:
    wbs = plan(EIGHT, specify())
    for item, file in zip(wbs.items, modules(), strict=True):
        assert file.path == item.contract.module_path()
        assert contract_problems(item.contract, file) == []
        assert import_problems(file, item.contract.package, ()) == []
        assert f"from {item.contract.package} import" not in file.text
        used = {f"WI-{n}" for n in re.findall(r"import f_(\d+)", file.text)}
        assert used == set(item.depends_on)


def test_an_attempt_differs_from_the_one_before() -> None:
    item = plan(EIGHT, specify()).items[-1]
    seen = [""]
    for attempt in range(1, 6):
        seen.append(answered(EIGHT, "implementation", code_values(item, seen[-1]), attempt, item.id))
    assert len(set(seen)) == 6


def test_refactoring_keeps_what_the_code_does(tmp_path: Path) -> None:
    better = []
    for file in modules():
        values = {"code": sources_text((file,)), "measures": ""}
        texts = {answered(EIGHT, "refactoring", values, n) for n in range(1, 9)}
        (changed,) = texts - {"NO CHANGE"}
        better += parse_file_blocks(changed)
    assert [f.path for f in better] == [f.path for f in modules()]
    assert run(tmp_path, better, suites()) == (8 * 4, 0)


@pytest.mark.parametrize("items", [1, 2, 8])
@pytest.mark.parametrize("layers", [1, 4])
def test_a_bad_plan_has_a_problem_at_rate_one_and_none_at_zero(items: int, layers: int) -> None:
    options = f"items={items},layers={layers}"
    specification = specify(options)
    found = [
        graph_problems(plan(f"{options},bad_plan=1", specification, n), specification) for n in range(1, 20)
    ]
    assert all(found)
    kinds = {"cycle" if "cycle" in problems[0] else "uncovered" for problems in found}
    assert kinds == ({"uncovered"} if items == 1 else {"cycle", "uncovered"})
    assert not any(graph_problems(plan(options, specification, n), specification) for n in range(1, 20))


def test_an_unsound_specification_goes_back_and_returns_changed() -> None:
    specification = specify()
    assert not any(architect(EIGHT, specification, n).issues for n in range(1, 20))
    known = {r.id for r in specification.requirements}
    for attempt in range(1, 20):
        blueprint = architect(f"{EIGHT},unsound=1", specification, attempt)
        (issue,) = blueprint.issues
        assert set(issue.requirements) <= known
        assert blueprint.modules == ()
    again = [specify(feedback=f"From the architect:\n{n}") for n in range(3)]
    assert len({specification, *again}) == 4
    assert all(s.requirements == specification.requirements for s in again)


def test_failures_are_judged_and_strategies_differ_until_they_end() -> None:
    def judged(evidence: str) -> CauseAnswer:
        text = answered(EIGHT, "verification", {"evidence": evidence, "contracts": "[]"})
        return CauseAnswer.model_validate_json(text)

    def supervised(tried: str) -> StrategyAnswer:
        values = {"failures": "IMPLEMENT_CODE WI-4: red\nIMPLEMENT_CODE WI-2: red\nWI-4", "tried": tried}
        return StrategyAnswer.model_validate_json(answered(EIGHT, "supervisor", values))

    assert (judged("x WI-12 of WI-3").items, judged("nothing").items) == (("WI-12",), ())
    strategies = [supervised("\n".join(f"- {n}" for n in range(count))) for count in range(4)]
    assert [s.action for s in strategies] == ["regenerate"] * 3 + ["give_up"]
    assert strategies[0].items == ("WI-4", "WI-2")
    assert len({s.strategy for s in strategies}) == 4


def test_the_reviewer_sees_no_risk() -> None:
    values = {"srs": specify().model_dump_json(), "contracts": "[]", "matrix": ""}
    assert ReviewAnswer.model_validate_json(answered(EIGHT, "reviewer", values)).risks == ()


def everyone() -> Iterator[tuple[Agent, dict[str, str], str]]:
    specification = specify()
    wbs = plan(EIGHT, specification)
    sink = wbs.sinks()[-1]
    known = {
        "statements": STATEMENTS,
        "specification": specification.model_dump_json(),
        "blueprint": architect(EIGHT, specification).model_dump_json(),
        "code": interface_text(wbs.items[0].contract),
        **code_values(wbs.item(sink)),
        **integration_values(specification, wbs, sink),
    }
    agents = [a for a in vars(full).values() if isinstance(a, Agent)]
    for agent in [*agents, lite.TEST_ENGINEER, lite.IMPLEMENTATION, lite.REFACTORING, lite.DOCUMENTATION]:
        values = {name: known.get(name, "") for name in agent.inputs}
        if agent is lite.TEST_ENGINEER:
            values = suite_values(specification, wbs, wbs.item(sink))
        yield agent, values, sink


def test_every_agent_keeps_the_form_unless_a_violation_is_asked_for() -> None:
    names = set()
    for agent, values, subject in everyone():
        names.add(agent.name)
        for attempt in range(1, 9):
            good = answered(EIGHT, agent.name, values, attempt, subject)
            assert good == answered(EIGHT, agent.name, values, attempt, subject)
            bad = answered(f"{EIGHT},schema_violation=1", agent.name, values, attempt, subject)
            if agent.answer:
                agent.answer.model_validate_json(good)
                with pytest.raises(ValueError, match="Invalid JSON"):
                    agent.answer.model_validate_json(bad)
            else:
                assert good == "NO CHANGE" or parse_file_blocks(good)
                with pytest.raises(FileBlockError):
                    parse_file_blocks(bad)
    assert len(names) == 11


def test_numbers_stay_small_and_tell_every_item_from_the_others() -> None:
    graph = Graph(7, 200, 8)
    upper = [i for i in graph.indexes() if graph.layer(i)]
    assert all(0 <= graph.at(i, v) < 1000 for i in upper for v in (-3, 5, 123456789))
    assert len({tuple(graph.at(i, v) for v in (-9, 0, 5, 41)) for i in graph.indexes()}) == 200


@pytest.mark.parametrize("option", ["item=3", "items=201", "layers=0", "bad_plan=2", "unsound=x"])
def test_a_wrong_option_is_refused_with_what_is_allowed(option: str) -> None:
    with pytest.raises(ConfigurationError, match=r"allowed: seed.*items.*unsound|must be"):
        parse_rehearsal(option)
