"""The judge in the real sandbox: what passes, what cannot be faked away, and what a failure says."""

import json
from dataclasses import replace

import pytest

from schemas.base import SourceFile
from schemas.project import package_tree
from schemas.render import render_stub, rendered_files
from schemas.verdict import Status, TestOutcome, Verdict
from services.judge import CANARY_ID, Judge, Report, red_problems
from services.sandbox import Limits, Outcome, open_sandbox
from services.settings import read_settings
from services.toolchain import tool_environment
from tests.builders import assembly, small_contract, source, suite

pytestmark = pytest.mark.services

CONTRACT = small_contract()
RENDERED = rendered_files(CONTRACT)
GOOD = "def double(number: int) -> int:\n    return number * 2\n"
TESTS = """import pytest
from hypothesis import given, strategies as st

from twice import double


@pytest.mark.proves("FR-1.1", "FR-1.2")
@pytest.mark.parametrize(("number", "twice"), [(0, 0), (2, 4)])
def test_examples(number, twice):
    assert double(number) == twice


@pytest.mark.proves("FR-1.1")
@given(st.integers())
def test_a_double_is_even(number):
    assert double(number) % 2 == 0
"""
IDS = (
    "test_it.py::test_examples[0-0]",
    "test_it.py::test_examples[2-4]",
    "test_it.py::test_a_double_is_even",
)


@pytest.fixture
async def judge() -> Judge:
    environment = await tool_environment(read_settings().cache)
    return Judge(await open_sandbox(), environment, Limits(wall_s=20, cpu_s=20, memory_mb=512))


def code(text: str = GOOD, *more: SourceFile) -> tuple[SourceFile, ...]:
    return (*RENDERED, source(CONTRACT.module_path(), text), *more)


def suite_files(text: str = TESTS) -> tuple[SourceFile, ...]:
    return (source("tests/test_it.py", text),)


async def verdict(
    judge: Judge, text: str = GOOD, suite: str = TESTS, *ids: str, more: tuple[SourceFile, ...] = ()
) -> Verdict:
    return await judge.judge("candidate", code(text, *more), suite_files(suite), ids or IDS)


def one(name: str, body: str, before: str = "") -> tuple[str, str]:
    """A suite of one test, and the test's id."""
    return (
        f"import os, pytest\nfrom twice import double\n{before}\ndef {name}():\n    {body}\n",
        f"test_it.py::{name}",
    )


async def test_a_good_candidate_passes_every_demanded_test(judge: Judge) -> None:
    said = await verdict(judge)
    assert (said.status, said.reason, said.level) == (Status.PASSED, "3 tests passed", "reported")
    assert [t.id for t in said.tests] == list(IDS)
    assert said.tests[0].proves == ("FR-1.1", "FR-1.2")
    assert said.confinement == judge.sandbox.confinement


async def test_a_wrong_candidate_fails_with_the_assertion(judge: Judge) -> None:
    said = await verdict(judge, GOOD.replace("* 2", "+ 2"))
    assert (said.status, said.reason) == (Status.FAILED, "2 of 3 tests failed")
    first, second, third = said.tests
    assert (first.outcome, first.phase, first.error) == ("failed", "call", "AssertionError")
    assert "assert 2 == 0" in first.message
    assert second.outcome == "passed"
    assert "Failing test case: test_a_double_is_even(\n    number=1,\n)" in third.message


async def test_a_property_fails_with_the_same_words_each_time(judge: Judge) -> None:
    broken = (
        "class Odd:\n    pass\n\ndef double(number: int) -> int:\n"
        "    assert number < 1000, Odd()\n    return number * 2\n"
    )
    one, other = await verdict(judge, broken), await verdict(judge, broken)
    assert one == other
    assert "number=1000" in one.tests[2].message
    assert "Odd object at 0x…" in one.tests[2].message


async def test_a_demanded_test_that_does_not_exist_fails(judge: Judge) -> None:
    said = await verdict(judge, GOOD, TESTS, *IDS, "test_it.py::test_gone")
    assert said.status is Status.FAILED
    gone = said.tests[-1]
    assert (gone.id, gone.outcome, gone.error) == ("test_it.py::test_gone", "failed", "NotRun")


async def test_no_demanded_test_is_no_pass(judge: Judge) -> None:
    said = await judge.judge("candidate", code(), suite_files(), ())
    assert said.status is Status.FAILED


@pytest.mark.parametrize(
    ("body", "before"),
    [
        ("pytest.skip('later')", ""),
        ("assert False", "@pytest.mark.xfail"),
        ("assert True", "@pytest.mark.xfail"),
        ("pass", "@pytest.mark.skip"),
    ],
)
async def test_a_skip_or_an_expected_failure_is_no_pass(judge: Judge, body: str, before: str) -> None:
    text, name = one("test_away", body, before)
    said = await verdict(judge, GOOD, text, name)
    assert said.status is Status.FAILED
    assert said.tests[0].outcome == "skipped"
    assert "neither is allowed" in red_problems(said)[0]


async def test_an_exit_while_the_candidate_is_imported_fails(judge: Judge) -> None:
    said = await verdict(judge, "import os\nos._exit(0)\n")
    assert (said.status, said.reason) == (
        Status.FAILED,
        "the session ended early in collection (exit code 0)",
    )
    assert {t.error for t in said.tests} == {"NotRun"}


async def test_an_exit_inside_a_test_fails_and_names_it(judge: Judge) -> None:
    said = await verdict(judge, "import os\ndef double(number: int) -> int:\n    os._exit(0)\n")
    assert said.status is Status.FAILED
    assert said.reason == f"the session ended early in {IDS[0]} (exit code 0)"


async def test_a_candidate_that_raises_systemexit_or_keyboardinterrupt_fails(judge: Judge) -> None:
    for error in ("SystemExit(0)", "KeyboardInterrupt()"):
        said = await verdict(judge, f"def double(number: int) -> int:\n    raise {error}\n")
        assert said.status is Status.FAILED
        assert not any(t.outcome == "passed" for t in said.tests)


async def test_an_endless_loop_hits_the_wall_and_is_named(judge: Judge) -> None:
    quick = replace(judge, limits=Limits(wall_s=2.5, cpu_s=20, memory_mb=512))
    said = await verdict(
        quick, "def double(number: int) -> int:\n    while number:\n        pass\n    return 0\n"
    )
    assert said.status is Status.FAILED
    assert said.reason == f"the session ended early in {IDS[1]} (wall)"
    assert [t.outcome for t in said.tests] == ["passed", "failed", "failed"]


HOOK = (
    "def pytest_runtest_makereport(item, call):\n    raise SystemExit(0)\n\n"
    "def pytest_collection_modifyitems(items):\n    items.clear()\n"
)


async def test_what_a_candidate_configures_is_ignored(judge: Judge) -> None:
    more = (
        source("conftest.py", HOOK),
        source("src/conftest.py", HOOK),
        source("tests/conftest.py", HOOK),
        source("sitecustomize.py", "import os\nos._exit(0)\n"),
        source("usercustomize.py", "import os\nos._exit(0)\n"),
        source("pytest.ini", "[pytest]\naddopts = --collect-only\n"),
        source("pyproject.toml", "[tool.pytest.ini_options]\naddopts = '--collect-only'\n"),
        source("pytest.py", "raise SystemExit(0)\n"),
    )
    assert (await verdict(judge, more=more)).status is Status.PASSED


async def test_a_candidate_cannot_delete_or_edit_the_tests(judge: Judge) -> None:
    attack = (
        "import os, pathlib\n\ndef double(number: int) -> int:\n"
        "    for act in (lambda: os.remove('/tests/test_it.py'),\n"
        "                lambda: pathlib.Path('/tests/test_it.py').write_text('def test_a(): pass')):\n"
        "        try:\n            act()\n        except OSError:\n            continue\n"
        "        return 2 * number\n    return 7\n"
    )
    said = await verdict(judge, attack)
    assert (said.status, said.reason) == (Status.FAILED, "3 of 3 tests failed")


async def test_a_suite_that_makes_every_test_pass_is_caught_by_the_canary(judge: Judge) -> None:
    patch = (
        "import _pytest.runner as r\nfrom _pytest.reports import TestReport\n\n"
        "_make = TestReport.from_item_and_call\n\n"
        "def green(item, call):\n    call.excinfo = None\n    return _make(item, call)\n\n"
        "TestReport.from_item_and_call = staticmethod(green)\n\n"
        "def double(number: int) -> int:\n    return 7\n"
    )
    said = await verdict(judge, patch)
    assert (said.status, said.reason) == (Status.FAILED, "the canary test, which must fail, did not")


async def test_a_test_that_nobody_asked_for_is_told(judge: Judge) -> None:
    said = await verdict(judge, GOOD, TESTS, "test_it.py::test_examples")
    assert said.status is Status.FAILED
    assert "tests ran that nobody asked for" in said.reason


async def test_the_stub_is_red_for_the_right_reason(judge: Judge) -> None:
    said = await verdict(judge, render_stub(CONTRACT))
    assert said.status is Status.FAILED
    assert red_problems(said) == ()
    assert {t.error for t in said.tests} == {"NotImplementedError"}


async def test_a_test_that_is_not_red_or_red_for_a_wrong_reason_is_told(judge: Judge) -> None:
    suite = (
        "import pytest\nfrom twice import double\n\n"
        "def test_passes():\n    assert True\n\n"
        "def test_skips():\n    pytest.skip('x')\n\n"
        "def test_wrong():\n    {}['a']\n\n"
        "def test_right():\n    with pytest.raises(ValueError):\n        double(1)\n\n"
        "def test_expects_another():\n    with pytest.raises(NotImplementedError):\n"
        "        double(1)\n    pytest.fail('x')\n\n"
        "@pytest.fixture\ndef broken():\n    raise RuntimeError('no')\n\n"
        "def test_setup(broken):\n    pass\n"
    )
    names = ("passes", "skips", "wrong", "right", "expects_another", "setup")
    said = await verdict(judge, render_stub(CONTRACT), suite, *(f"test_it.py::test_{n}" for n in names))
    passes, skips, wrong, setup = red_problems(said)
    assert passes.startswith("test_it.py::test_passes: passes on the stub")
    assert skips == "test_it.py::test_skips: is skipped or expected to fail; neither is allowed"
    assert wrong == "test_it.py::test_wrong: fails for a wrong reason: KeyError: 'a'"
    assert setup == "test_it.py::test_setup: fails for a wrong reason: RuntimeError: no"


async def test_a_suite_is_collected_with_what_it_claims(judge: Judge) -> None:
    found = await judge.collect(code(render_stub(CONTRACT)), suite_files())
    assert set(found.proves) == set(IDS)
    assert found.proves[IDS[2]] == ("FR-1.1",)
    assert (found.errors, found.trouble) == ((), "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def test_a(:\n", "SyntaxError: invalid syntax"),
        ("from twice import triple\n", "ImportError: cannot import name 'triple' from 'twice'"),
        ("import numpy\n", "ModuleNotFoundError: No module named 'numpy'"),
        ("import pytest\n@pytest.mark.prove('FR-1')\ndef test_a(): pass\n", "'prove' not found in `markers`"),
    ],
)
async def test_a_suite_that_cannot_be_collected_says_why(judge: Judge, text: str, said: str) -> None:
    found = await judge.collect(code(), suite_files(text))
    assert found.proves == {}
    (error,) = found.errors
    assert error.startswith("test_it.py: ")
    assert said in error


async def wheel(judge: Judge, *pieces: SourceFile) -> tuple[str, Verdict]:
    readme = source("README.md", "# Twice\n")
    made = assembly(contracts=(CONTRACT,), suite=suite(*suite_files(), tests=IDS), code=pieces, readme=readme)
    tree = package_tree(made, "3.11", "0.1.0")
    return await judge.judge_wheel("twice", tree, suite_files(), IDS)


async def test_an_installed_wheel_is_judged(judge: Judge) -> None:
    name, said = await wheel(judge, *code())
    assert name == "twice-0.1.0-py3-none-any.whl"
    assert (said.status, said.reason, said.subject) == (Status.PASSED, "3 tests passed", "installed wheel")
    assert said.confinement == judge.sandbox.confinement


async def test_a_wheel_without_its_module_is_refused_at_the_import(judge: Judge) -> None:
    name, said = await wheel(judge, *RENDERED)
    assert (name, said.status) == ("", Status.FAILED)
    assert said.reason.startswith("import of the wheel failed: ")
    assert "No module named 'twice.doubling'" in said.reason


def outcome_of(judge: Judge, *lines: object, exit_code: int | None = 0) -> Outcome:
    report = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    return Outcome(
        exit_code,
        None,
        b"",
        b"",
        False,
        (),
        1,
        1,
        1,
        {"report.jsonl": report.encode()},
        (),
        judge.sandbox.confinement,
    )


@pytest.mark.parametrize(
    "line", ["", "x", "[]", "1", "null", "{}", '"kind"', '{"kind": "collected", "proves": 1}']
)
async def test_a_line_that_the_judge_did_not_write_spoils_the_report(judge: Judge, line: str) -> None:
    report = Report.read(outcome_of(judge, {"kind": "ended", "code": 0}, line or "-"))
    assert "did not write" in report.trouble


async def test_two_outcomes_of_one_test_are_not_a_pass(judge: Judge) -> None:
    passed = {"kind": "outcome", "id": "a", "outcome": "passed", "phase": "call", "error": "", "message": ""}
    report = Report.read(outcome_of(judge, passed, passed, {"kind": "ended", "code": 1}))
    assert report.outcome_of("a").outcome == "failed"
    failed = {**passed, "outcome": "failed"}
    assert Report.read(outcome_of(judge, passed, failed)).outcome_of("a").outcome == "failed"
    assert CANARY_ID not in report.outcomes
    assert isinstance(report.outcomes["a"][0], TestOutcome)


async def test_hypothesis_finds_the_tables_that_take_seconds_to_make(judge: Judge) -> None:
    """They are in the environment, and whoever runs in the sandbox may read them."""
    body = "[charmap_file(name).read_bytes() for name in ('charmap', 'codec-v2-utf-8')]"
    suite, test = one("test_tables", body, "from hypothesis.internal.charmap import charmap_file")
    said = await verdict(judge, GOOD, suite, test)
    assert said.status is Status.PASSED, said.tests[0].message


async def test_what_fails_on_a_candidate_is_explained_and_what_fails_on_a_stub_is_not(judge: Judge) -> None:
    """To explain takes Hypothesis many more examples, and on a stub all fail for the same reason."""
    suite = "from hypothesis import given, strategies as st\nfrom twice import double\n\n"
    suite += "@given(st.integers(), st.integers())\ndef test_sums(a, b):\n    assert double(a) < 3\n"
    said = await verdict(judge, GOOD, suite, "test_it.py::test_sums")
    assert "# or any other generated value" in said.tests[0].message
    _, said = await judge.first_run("stub", code(), suite_files(suite))
    assert said.tests[0].message
    assert "# or any other" not in said.tests[0].message
