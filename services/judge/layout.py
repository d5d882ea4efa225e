"""Where things lie when the judge works: the code below /code, the tests and the drivers below /tests."""

from collections.abc import Iterable
from importlib.resources import files

from schemas.base import SourceFile
from services.toolchain import HYPOTHESIS

CANARY = SourceFile(path="test_canary_must_fail.py", text="def test_this_must_fail():\n    assert False\n")
CANARY_ID = f"{CANARY.path}::test_this_must_fail"
INI = """[pytest]
markers =
    proves(*ids): the acceptance criteria that a test shows
addopts = --strict-markers
"""
PYTHON = ("/venv/bin/python", "-P", "-s")
ENVIRONMENT = {
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "HYPOTHESIS_STORAGE_DIRECTORY": f"/venv/{HYPOTHESIS}",
}
"""What pytest's sessions are told; Hypothesis finds its table of characters, which takes seconds to make."""


def judge_files() -> dict[str, bytes]:
    """The judge's own files beside the tests."""
    here = files("services.judge")
    return {
        "judge_driver.py": here.joinpath("driver.py").read_bytes(),
        "trial_driver.py": here.joinpath("trial_driver.py").read_bytes(),
        "wheel_driver.py": here.joinpath("wheel_driver.py").read_bytes(),
        "judge.ini": INI.encode(),
        CANARY.path: CANARY.text.encode(),
    }


def as_bytes(sources: Iterable[SourceFile]) -> dict[str, bytes]:
    """Files as the sandbox takes them."""
    return {file.path: file.text.encode() for file in sources}


def test_files(tests: Iterable[SourceFile]) -> dict[str, bytes]:
    """A suite's files as they lie below /tests."""
    return {file.path.removeprefix("tests/"): file.text.encode() for file in tests}


def places(ids: tuple[str, ...], tests: Iterable[SourceFile]) -> tuple[str, ...]:
    """What pytest is told to run: the tests by id, or every file of the suite."""
    return tuple(f"/tests/{i}" for i in ids or test_files(tests))
