"""The judge: an item's own suite, run in the sandbox and reported test by test."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from schemas.base import SourceFile
from schemas.verdict import Status, Verdict
from services.judge.layout import (
    CANARY,
    CANARY_ID,
    ENVIRONMENT,
    PYTHON,
    as_bytes,
    judge_files,
    places,
    test_files,
)
from services.judge.report import NOT_RUN, RED, Report, red_problems, verdict_of
from services.judge.trial import Trial, trial_job, trial_of
from services.sandbox import Job, Limits, Outcome, Sandbox

__all__ = [
    "CANARY_ID", "IMPORT_FAILED", "LIMITS", "NOT_RUN", "RED", "Collection", "Judge", "Report", "Trial",
    "as_bytes", "judge_files", "red_problems", "test_files",
]  # fmt: skip

IMPORT_FAILED = "import of the wheel failed"
LIMITS = Limits(wall_s=120, cpu_s=60, memory_mb=1024)
"""A busy machine takes longer for the same work, which is not the code's fault; what only sleeps ends too."""


@dataclass(frozen=True)
class Judge:
    """A place to judge: a sandbox and the tools in it."""

    sandbox: Sandbox
    environment: Path
    limits: Limits = LIMITS

    async def collect(self, code: Iterable[SourceFile], tests: Iterable[SourceFile]) -> "Collection":
        """The tests that pytest finds in a suite, with what they claim to prove."""
        return Collection.of(Report.read(await self._run("collect", code, tests, ())))

    async def first_run(
        self, subject: str, code: Iterable[SourceFile], tests: Iterable[SourceFile]
    ) -> tuple["Collection", Verdict]:
        """What pytest finds in a suite, and the verdict of all of it."""
        files = (*tests, CANARY)
        outcome = await self._run("first", code, files, ())
        report = Report.read(outcome)
        wanted = tuple(sorted(set(report.proves) - {CANARY_ID}))
        return Collection.of(report), verdict_of(subject, report, wanted, outcome.confinement)

    async def judge(
        self,
        subject: str,
        code: Iterable[SourceFile],
        tests: Iterable[SourceFile],
        demanded: Iterable[str],
    ) -> Verdict:
        """The verdict of exactly the demanded tests over the code."""
        wanted = tuple(demanded)
        outcome = await self._run("run", code, tests, (*wanted, CANARY_ID))
        return verdict_of(subject, Report.read(outcome), wanted, outcome.confinement)

    async def judge_wheel(
        self, package: str, tree: Iterable[SourceFile], tests: Iterable[SourceFile], demanded: Iterable[str]
    ) -> tuple[str, Verdict]:
        """The wheel's name and the verdict of the tests over it, installed in a clean environment."""
        wanted = tuple(demanded)
        outcome = await self.sandbox.run(
            Job(
                argv=(*PYTHON, "/tests/wheel_driver.py", package, *places((*wanted, CANARY_ID), ())),
                code=as_bytes(tree),
                code_writable=True,
                tests={**judge_files(), **test_files(tests)},
                environment=self.environment,
                env=ENVIRONMENT,
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
        return name, verdict_of("installed wheel", Report.read(outcome), wanted, outcome.confinement)

    async def trial(
        self,
        code: Iterable[SourceFile],
        tests: Iterable[SourceFile],
        demanded: Iterable[str],
        variants: Mapping[str, Iterable[SourceFile]],
        seed: str = "",
    ) -> Trial:
        """Which demanded tests fail on each variant; a variant is files that replace files of the code.

        With a seed, the properties among them are also asked about inputs that it draws.
        """
        job = trial_job(self.environment, self.limits, code, tests, tuple(demanded), variants, seed)
        return trial_of(await self.sandbox.run(job), tuple(demanded), tuple(variants))

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
                    *places(ids, tests),
                ),
                code=as_bytes(code),
                tests={**judge_files(), **test_files(tests)},
                environment=self.environment,
                env=ENVIRONMENT,
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

    @classmethod
    def of(cls, report: Report) -> "Collection":
        """What a report says of it; the canary is none of the suite's tests."""
        errors = tuple(f"{i}: {m}" for i, m in report.collect_errors)
        return cls({i: p for i, p in report.proves.items() if i != CANARY_ID}, errors, report.trouble)


def _wheel_steps(outcome: Outcome) -> tuple[str, str]:
    try:
        written = json.loads(outcome.collected.get("steps.json", b""))
        last = written["steps"][-1]
        name = str(written["wheel"])
    except (ValueError, KeyError, IndexError, TypeError):
        return "", f"the build ended early ({', '.join(outcome.limits_hit) or outcome.exit_code})"
    return name, "" if name else f"{last['step']} of the wheel failed: {last['said']}"
