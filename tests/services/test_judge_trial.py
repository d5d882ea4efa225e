"""A trial in the real sandbox: what each variant of the code is noticed by, and what no variant can break."""

import ast
from collections.abc import Mapping
from pathlib import Path

import pytest

from schemas.audit import CASES, Found, found_in
from schemas.base import SourceFile
from schemas.mutants import mutants_of
from schemas.verdict import Status
from services.judge import Judge, Report, Trial
from services.judge.trial import EVERY, trial_job
from services.sandbox import Limits, open_sandbox
from services.settings import read_settings
from services.toolchain import tool_environment
from tests.builders import source

pytestmark = pytest.mark.services

PATH = "src/scale/weights.py"
MODULE = '''"""Weights."""


def heavier(a: int, b: int) -> bool:
    """Whether the first weighs more."""
    return a > b


def total(weights: list[int]) -> int:
    """All together; no weight is negative."""
    whole = 0
    for weight in weights:
        if weight < 0:
            raise ValueError(f"{weight} is negative")
        whole += weight
    return whole
'''
SUITE = """import pytest
from hypothesis import given, strategies as st

from scale.weights import heavier, total


def test_heavier():
    assert heavier(2, 1) is True
    assert heavier(1, 1) is False
    assert heavier(1, 2) is False


def test_total():
    assert total([0, 1, 2]) == 3
    assert total([]) == 0


@given(st.lists(st.integers(0)))
def test_total_is_the_sum(weights):
    assert total(weights) == sum(weights)


def test_negative():
    with pytest.raises(ValueError):
        total([-1])
"""
HEAVIER, TOTAL, SUM, NEGATIVE = IDS = tuple(
    f"test_it.py::test_{name}" for name in ("heavier", "total", "total_is_the_sum", "negative")
)
CODE = (
    source("src/scale/__init__.py", '"""Scales."""\n'),
    source("src/scale/other.py", "SHARED = 5\n"),
    source(PATH, MODULE),
)


@pytest.fixture
async def judge() -> Judge:
    environment = await tool_environment(read_settings().cache)
    return Judge(await open_sandbox(), environment, Limits(memory_mb=512))


def changed(before: str, after: str) -> tuple[SourceFile, ...]:
    assert before in MODULE
    return (source(PATH, MODULE.replace(before, after)),)


async def trial(
    judge: Judge, variants: Mapping[str, tuple[SourceFile, ...]], suite: str = SUITE, *ids: str
) -> Trial:
    return await judge.trial(CODE, (source("tests/test_it.py", suite),), ids or IDS, variants)


async def test_a_good_suite_kills_the_mutants_and_names_the_right_tests(judge: Judge) -> None:
    mutants = mutants_of(CODE[2], 100)
    assert len(mutants) > 8
    variants = {f"{m.line}: {m.change}": (source(m.path, m.text),) for m in mutants}
    said = await trial(judge, variants)
    assert (said.trouble, said.base.status) == ("", Status.PASSED)
    assert said.confinement == judge.sandbox.confinement
    assert set(said.failed) == set(variants)
    assert [name for name, killers in said.failed.items() if not killers] == []
    assert said.failed["6: `a > b` became `a >= b`"] == (HEAVIER,)
    assert said.failed["15: `whole += weight` became `whole -= weight`"] == (TOTAL, SUM)
    assert said.failed["13: `if weight < 0` became `if weight <= 0`"] == (TOTAL, SUM)
    assert said.failed["16: `return whole` became `return None`"] == (TOTAL, SUM)


async def test_every_mutant_survives_a_vacuous_suite(judge: Judge) -> None:
    vacuous = "from scale.weights import heavier\n\ndef test_it():\n    assert heavier is not None\n"
    variants = {m.id: (source(m.path, m.text),) for m in mutants_of(CODE[2], 8)}
    said = await trial(judge, variants, vacuous, "test_it.py::test_it")
    assert said.trouble == ""
    assert said.failed == dict.fromkeys(variants, ())


WRECK = (
    "import os, shutil\n        for place in ('/out', '/tmp', '/dev/shm'):\n"
    "            shutil.rmtree(place, ignore_errors=True)"
)


async def test_no_variant_breaks_the_trial_of_the_others(judge: Judge) -> None:
    line = "return a > b"
    variants = {
        "exit while imported": changed('"""Weights."""', "import os\nos._exit(0)"),
        "exit": changed(line, "import os; os._exit(0)"),
        "systemexit": changed(line, "raise SystemExit(0)"),
        "interrupt": changed(line, "raise KeyboardInterrupt"),
        "not python": changed(line, "return ("),
        "no such name": changed("def heavier", "def lighter"),
        "deletes": changed(line, f"if True:\n        {WRECK}\n    return a > b"),
        "forged": changed(line, "open('/out/2.jsonl', 'w').write('x'); return a > b"),
        "link": changed(
            line, "import os; o = '/out/' + os.listdir('/out')[0]; os.unlink(o); os.symlink('/etc', o)"
        ),
        "prints": changed(line, "print('x' * 9_000_000); return a > b"),
        "floods": changed(line, "import os\n    while True: os.write(1, b'x' * 9999)"),
        "memory": changed(line, "x = bytearray(1 << 30); return a > b"),
        "kills its group": changed(line, "import os; os.killpg(0, 9)"),
        "leaves a child": changed(
            line, "import os, time\n    if not os.fork():\n        time.sleep(60)\n    return a > b"
        ),
        "wrong": changed("a > b", "a < b"),
        "same": changed(line, line),
    }
    said = await trial(judge, variants)
    assert said.trouble == ""
    broken = ("exit while imported", "exit", "interrupt", "not python", "no such name", "kills its group")
    assert [name for name in broken if said.failed[name] != EVERY] == []
    for name in ("deletes", "systemexit", "floods", "memory", "link"):
        assert said.failed[name], name
    assert said.failed["systemexit"] in (EVERY, (HEAVIER,))
    assert said.failed["prints"] == said.failed["leaves a child"] == ()
    assert said.failed["wrong"] == (HEAVIER,)
    assert said.failed["same"] == ()


async def test_an_endless_loop_is_noticed_in_time_and_the_rest_goes_on(judge: Judge) -> None:
    loop = changed("whole += weight", "while True: pass")
    asleep = changed("return whole", "import signal; signal.pause()")
    ids = (HEAVIER, NEGATIVE)
    said = await trial(judge, {"hang": loop, "same": (CODE[2],)}, SUITE, *ids)
    assert (said.trouble, said.failed) == ("", {"hang": (), "same": ()})
    said = await trial(judge, {"hang": loop, "asleep": asleep, "wrong": changed("a > b", "a < b")})
    assert (said.trouble, said.failed) == ("", {"hang": EVERY, "asleep": EVERY, "wrong": (HEAVIER,)})


async def test_a_variant_sees_the_rest_of_the_code_and_may_add_to_it(judge: Judge) -> None:
    more = (
        *changed("return a > b", "from scale.deep.more import N; from scale.other import SHARED; return N"),
        source("src/scale/deep/__init__.py", ""),
        source("src/scale/deep/more.py", "N = 7\n"),
    )
    other = (source("src/scale/other.py", "SHARED = 6\n"),)
    suite = (
        "from scale.other import SHARED\nfrom scale.weights import heavier\n\n"
        "def test_shared():\n    assert SHARED == 5\n\n"
        "def test_heavier():\n    assert heavier(2, 1) is True\n"
    )
    ids = ("test_it.py::test_shared", "test_it.py::test_heavier")
    said = await trial(judge, {"more": more, "other": other}, suite, *ids)
    assert said.failed == {"more": ids[1:], "other": ids[:1]}


async def test_variants_of_equal_length_and_time_are_not_mistaken_for_each_other(judge: Judge) -> None:
    names = {f"{n}": (source("src/scale/other.py", f"SHARED = {n % 10}\n"),) for n in range(12)}
    suite = "from scale.other import SHARED\n\ndef test_shared():\n    assert SHARED == 5\n"
    said = await trial(judge, names, suite, "test_it.py::test_shared")
    assert [name for name, killers in said.failed.items() if not killers] == ["5"]


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("a > b", "a < b", "1 of 4 tests failed"),
        ('"""Weights."""', "import os\nos._exit(0)", "ended early in collection"),
    ],
)
async def test_a_suite_that_is_not_green_on_the_code_makes_the_trial_worthless(
    judge: Judge, before: str, after: str, why: str
) -> None:
    tests = (source("tests/test_it.py", SUITE),)
    said = await judge.trial((*CODE[:2], *changed(before, after)), tests, IDS, {"a": (CODE[2],)})
    assert said.base.status is Status.FAILED
    assert said.trouble.startswith("the unchanged code does not pass: ")
    assert why in said.trouble


async def test_a_canary_that_passes_makes_the_trial_worthless(judge: Judge) -> None:
    patch = (
        "import _pytest.runner as r\nfrom _pytest.reports import TestReport\n"
        "_make = TestReport.from_item_and_call\n"
        "def green(item, call):\n    call.excinfo = None\n    return _make(item, call)\n"
        "TestReport.from_item_and_call = staticmethod(green)\n"
    )
    code = (*CODE[:2], source(PATH, MODULE + patch))
    said = await judge.trial(code, (source("tests/test_it.py", SUITE),), IDS, {})
    assert "the canary test, which must fail, did not" in said.trouble


async def test_a_trial_that_was_cut_off_says_so(judge: Judge) -> None:
    attack = changed("return a > b", "import os; os.kill(os.getppid(), 9)")
    said = await trial(judge, {"attack": attack, "after": (CODE[2],)})
    assert said.trouble.startswith("the trial ended early (exit code 137)")
    assert said.base.status is Status.PASSED


def test_the_time_of_a_trial_grows_with_its_variants() -> None:
    def seconds(count: int) -> float:
        variants = {str(n): (CODE[2],) for n in range(count)}
        return trial_job(Path("env"), Limits(), CODE, (), IDS, variants).limits.cpu_s

    assert [seconds(n) for n in (0, 8, 100)] == [30, 126, 600]


async def test_tests_that_lean_on_one_another_fail_in_reverse_order(judge: Judge) -> None:
    leaning = "from scale.weights import heavier\n\nseen = []\n\n"
    leaning += "def test_one():\n    seen.append(heavier(2, 1))\n    assert seen == [True]\n\n"
    leaning += "def test_two():\n    assert seen and not heavier(1, 2)\n"
    ids = ("test_it.py::test_one", "test_it.py::test_two")
    files = (source("tests/test_it.py", leaning),)
    assert (await judge.judge("in order", CODE, files, ids)).status is Status.PASSED
    said = await judge.trial(CODE, files, ids, {})
    assert [t.id for t in said.base.failures()] == ["test_it.py::test_two"]


async def drawn(judge: Judge, module: str = MODULE, suite: str = SUITE) -> Report:
    code = (*CODE[:2], source(PATH, module))
    names = ast.parse(suite).body
    ids = [f"test_it.py::{f.name}" for f in names if isinstance(f, ast.FunctionDef)]
    said = await judge.trial(code, (source("tests/test_it.py", suite),), ids, {}, "a seed")
    assert said.trouble == ""
    return said.drawn


async def test_properties_and_no_other_tests_are_asked_about_fresh_inputs(judge: Judge) -> None:
    said = await drawn(judge)
    assert (said.trouble, said.drawn) == ("", {SUM: (CASES, False)})
    assert said.outcome_of(SUM).outcome == "passed"


async def test_what_no_example_shows_fresh_inputs_do_and_the_least_of_them_is_named(judge: Judge) -> None:
    rare = MODULE.replace("return whole", "return whole + (whole > 5000)")
    said = await drawn(
        judge,
        rare,
        SUITE.replace("@given", "@settings(max_examples=1)\n@given").replace(
            "import given", "import given, settings"
        ),
    )
    bad = said.outcome_of(SUM)
    assert (bad.outcome, bad.error) == ("failed", "AssertionError")
    assert found_in(SUM, bad.message) == Found(test=SUM, arguments=(("weights", "[5001]"),))


async def test_few_inputs_are_counted_and_a_suite_without_properties_has_none(judge: Judge) -> None:
    two = SUITE.replace("st.lists(st.integers(0))", "st.sampled_from([[1], [2, 3]])")
    assert (await drawn(judge, suite=two)).drawn == {SUM: (2, True)}
    none = SUITE.replace("@given(st.lists(st.integers(0)))\n", "").replace("(weights):", "(weights=(1,)):")
    assert (await drawn(judge, suite=none)).drawn == {}
