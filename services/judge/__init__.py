"""The judge: an item's own suite, run in the sandbox and reported test by test."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from schemas.base import SourceFile
from schemas.verdict import Status, TestOutcome, Verdict
from services.sandbox import Job, Limits, Outcome, Sandbox

CANARY = "test_canary_must_fail.py"
CANARY_ID = f"{CANARY}::test_this_must_fail"
INI = """[pytest]
markers =
    proves(*ids): the acceptance criteria that a test shows
addopts = --strict-markers
"""
PYTHON = ("/venv/bin/python", "-P", "-s")
IMPORT_FAILED = "import of the wheel failed"
RED = frozenset({"NotImplementedError", "AssertionError", "Failed"})
"""Errors that make a test red on the stub for the right reason."""

LIMITS = Limits(wall_s=60, cpu_s=60, memory_mb=1024)


@dataclass(frozen=True)
class Judge:
    """A place to judge: a sandbox and the tools in it."""

    sandbox: Sandbox
    environment: Path
    limits: Limits = LIMITS

    async def collect(self, code: Iterable[SourceFile], tests: Iterable[SourceFile]) -> "Collection":
        """The tests that pytest finds in a suite, with what they claim to prove."""
        outcome = await self._run("collect", code, tests, ())
        report = Report.read(outcome)
        return Collection(report.proves, tuple(f"{i}: {m}" for i, m in report.collect_errors), report.trouble)

    async def judge(
        self,
        subject: str,
        code: Iterable[SourceFile],
        tests: Iterable[SourceFile],
        demanded: Iterable[str],
    ) -> Verdict:
        """The verdict of exactly the demanded tests over the code."""
        wanted = tuple(demanded)
        return _verdict(subject, await self._run("run", code, tests, (*wanted, CANARY_ID)), wanted)

    async def judge_wheel(
        self, package: str, tree: Iterable[SourceFile], tests: Iterable[SourceFile], demanded: Iterable[str]
    ) -> tuple[str, Verdict]:
        """The wheel's name and the verdict of the tests over it, installed in a clean environment."""
        wanted = tuple(demanded)
        outcome = await self.sandbox.run(
            Job(
                argv=(*PYTHON, "/tests/wheel_driver.py", package, *_places((*wanted, CANARY_ID), ())),
                code=as_bytes(tree),
                code_writable=True,
                tests={**judge_files(), **test_files(tests)},
                environment=self.environment,
                env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
                collect=("report.jsonl", "steps.json"),
                limits=self.limits,
            )
        )
        name, problem = _wheel_steps(outcome)
        if problem:
            verdict = Verdict(
                subject="installed wheel",
                status=Status.FAILED,
                reason=problem,
                confinement=outcome.confinement,
            )
            return name, verdict
        return name, _verdict("installed wheel", outcome, wanted)

    async def _run(
        self, mode: str, code: Iterable[SourceFile], tests: Iterable[SourceFile], ids: tuple[str, ...]
    ) -> Outcome:
        return await self.sandbox.run(
            Job(
                argv=(
                    *PYTHON,
                    "/tests/judge_driver.py",
                    mode,
                    "/code/src",
                    *_places(ids, tests),
                ),
                code=as_bytes(code),
                tests={**judge_files(), **test_files(tests)},
                environment=self.environment,
                env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
                collect=("report.jsonl",),
                limits=self.limits,
            )
        )


@dataclass(frozen=True)
class Collection:
    """What pytest found in a suite."""

    proves: Mapping[str, tuple[str, ...]]
    errors: tuple[str, ...]
    trouble: str


@dataclass
class Report:
    """The lines that the driver wrote, read with suspicion."""

    proves: dict[str, tuple[str, ...]] = field(default_factory=dict)
    outcomes: dict[str, list[TestOutcome]] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    collect_errors: list[tuple[str, str]] = field(default_factory=list)
    ended: int | None = None
    trouble: str = ""

    @classmethod
    def read(cls, outcome: Outcome) -> "Report":
        """The report of a sandbox outcome; `trouble` says why it cannot be trusted, if so."""
        report = cls()
        for line in outcome.collected.get("report.jsonl", b"").decode(errors="replace").splitlines():
            try:
                report._take(json.loads(line))
            except (ValueError, TypeError, KeyError):
                report.trouble = "the report holds a line that the judge did not write"
        if report.ended is None:
            last = report.started[-1] if report.started else "collection"
            why = ", ".join(outcome.limits_hit) or f"exit code {outcome.exit_code}"
            report.trouble = f"the session ended early in {last} ({why})"
        elif outcome.exit_code != 0 or outcome.limits_hit:
            report.trouble = f"the session ended oddly: {outcome.limits_hit or outcome.exit_code}"
        return report

    def _take(self, entry: dict[str, Any]) -> None:
        kind, test = entry["kind"], entry.get("id", "")
        if kind == "collected":
            self.proves[test] = tuple(entry["proves"])
        elif kind == "collect_error":
            self.collect_errors.append((test, entry["message"]))
        elif kind == "started":
            self.started.append(test)
        elif kind == "ended":
            self.ended = int(entry["code"])
        elif kind == "outcome":
            known = {k: entry[k] for k in ("id", "outcome", "phase", "error", "message")}
            self.outcomes.setdefault(test, []).append(TestOutcome(**known, proves=self.proves.get(test, ())))

    def outcome_of(self, test: str) -> TestOutcome:
        """The demanded test's outcome; one that never ran, or has an odd number of them, has failed."""
        found = self.outcomes.get(test, [])
        bad = [o for o in found if o.outcome != "passed"]
        if len(found) == 1 or bad:
            return (bad or found)[0]
        message = "; ".join(m for _, m in self.collect_errors) or self.trouble or "the test did not run"
        return TestOutcome(
            id=test, outcome="failed", phase="collect", error="NotRun", message=message,
            proves=self.proves.get(test, ()),
        )  # fmt: skip


def _verdict(subject: str, outcome: Outcome, wanted: tuple[str, ...]) -> Verdict:
    report = Report.read(outcome)
    results = tuple(report.outcome_of(test) for test in wanted)
    bad = sum(t.outcome != "passed" for t in results)
    counted = f"{bad} of {len(results)} tests failed" if bad else f"{len(results)} tests passed"
    problem = _problem(report, results)
    return Verdict(
        subject=subject,
        status=Status.FAILED if problem or bad or not results else Status.PASSED,
        reason=problem or counted,
        tests=results,
        confinement=outcome.confinement,
    )


def _wheel_steps(outcome: Outcome) -> tuple[str, str]:
    try:
        written = json.loads(outcome.collected.get("steps.json", b""))
        last = written["steps"][-1]
        name = str(written["wheel"])
    except (ValueError, KeyError, IndexError, TypeError):
        return "", f"the build ended early ({', '.join(outcome.limits_hit) or outcome.exit_code})"
    return name, "" if name else f"{last['step']} of the wheel failed: {last['said']}"


def _problem(report: Report, results: tuple[TestOutcome, ...]) -> str:
    if report.trouble:
        return report.trouble
    if report.outcome_of(CANARY_ID).outcome != "failed" or CANARY_ID not in report.outcomes:
        return "the canary test, which must fail, did not"
    strangers = set(report.outcomes) - {t.id for t in results} - {CANARY_ID}
    return f"tests ran that nobody asked for: {', '.join(sorted(strangers))}" if strangers else ""


def red_problems(verdict: Verdict) -> tuple[str, ...]:
    """Why tests are not red on the stub for the right reason, a line each."""
    lines = []
    for test in verdict.tests:
        if test.outcome == "passed":
            lines.append(f"{test.id}: passes on the stub, so it shows nothing about the code to be written")
        elif test.outcome == "skipped":
            lines.append(f"{test.id}: is skipped or expected to fail; neither is allowed")
        elif test.error not in RED:
            lines.append(f"{test.id}: fails for a wrong reason: {test.error or test.phase}: {test.message}")
    return tuple(lines)


def judge_files() -> dict[str, bytes]:
    """The judge's own files beside the tests."""
    here = files("services.judge")
    return {
        "judge_driver.py": here.joinpath("driver.py").read_bytes(),
        "wheel_driver.py": here.joinpath("wheel_driver.py").read_bytes(),
        "judge.ini": INI.encode(),
        CANARY: b"def test_this_must_fail():\n    assert False\n",
    }


def as_bytes(sources: Iterable[SourceFile]) -> dict[str, bytes]:
    """Files as the sandbox takes them."""
    return {file.path: file.text.encode() for file in sources}


def test_files(tests: Iterable[SourceFile]) -> dict[str, bytes]:
    """A suite's files as they lie below /tests."""
    return {file.path.removeprefix("tests/"): file.text.encode() for file in tests}


def _places(ids: tuple[str, ...], tests: Iterable[SourceFile]) -> tuple[str, ...]:
    return tuple(f"/tests/{i}" for i in ids or test_files(tests))
