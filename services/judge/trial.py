"""A trial of a suite: which of its tests notice that the code was changed.

The idea is that of DeMillo, Lipton and Sayward, "Hints on test data selection" (1978).
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from schemas.audit import CASES
from schemas.base import SourceFile
from schemas.verdict import Confinement, Status, Verdict
from services.judge.layout import CANARY_ID, ENVIRONMENT, PYTHON, as_bytes, judge_files, places, test_files
from services.judge.report import Report, verdict_of
from services.sandbox import Job, Limits, Outcome

EVERY = ("*",)
"""Failed, when a session did not come to its end: not collected, too late, or broken off."""

_EACH_S, _DRAWING_S = 5, 60
_ENDED = (0, 1)
_MIB = 1 << 20


@dataclass(frozen=True)
class Trial:
    """What a suite said about variants of the code that it passes on."""

    base: Verdict
    failed: Mapping[str, tuple[str, ...]]
    """Variant to the demanded tests that failed on it; `EVERY` when there was no full session."""
    trouble: str
    """Why nothing here is to be trusted, or empty."""
    drawn: Report
    """What the properties said of inputs that were drawn for this trial."""
    confinement: Confinement


def trial_job(
    environment: Path,
    limits: Limits,
    code: Iterable[SourceFile],
    tests: Iterable[SourceFile],
    demanded: tuple[str, ...],
    variants: Mapping[str, Iterable[SourceFile]],
    seed: str = "",
) -> Job:
    """The one job that judges the code and every variant of it; with a seed, the code on drawn inputs too."""
    folders = [as_bytes(files) for files in variants.values()]
    below = {
        f"variants/{n}/{_of_src(p)}": text for n, files in enumerate(folders) for p, text in files.items()
    }
    most = min(600, 30 + 12 * len(folders) + (_DRAWING_S if seed else 0))
    longest = limits.file_mb * _MIB // (len(folders) + 1)
    wanted = places(demanded, ()), places((CANARY_ID,), ())[0]
    return Job(
        argv=(*PYTHON, "/tests/trial_driver.py"),
        code={**as_bytes(code), **below},
        tests={**judge_files(), **test_files(tests)},
        environment=environment,
        env=ENVIRONMENT,
        collect=("base.jsonl", "drawn.jsonl", *(f"{n}.jsonl" for n in range(len(folders)))),
        limits=replace(limits, wall_s=2 * most, cpu_s=most),
        stdin=json.dumps(
            [len(folders), _EACH_S, longest, *wanted, [seed, CASES, _DRAWING_S] if seed else None]
        ).encode(),
    )


def trial_of(outcome: Outcome, demanded: tuple[str, ...], names: tuple[str, ...]) -> Trial:
    """What came of a trial's job; the names are of the variants, in the order of the job."""
    why = _why(outcome)
    base = verdict_of("the unchanged code", _report(outcome, "base", why), demanded, outcome.confinement)
    known = {name: n for n, name in enumerate(names) if f"{n}.jsonl" in outcome.collected}
    failed = {name: _failed(_report(outcome, str(n), why), demanded) for name, n in known.items()}
    trouble = ""
    if outcome.exit_code != 0:
        said = outcome.stderr.decode(errors="replace").strip().splitlines()
        trouble = f"the trial ended early ({why}): {said[-1] if said else 'it said nothing'}"
    elif base.status is not Status.PASSED:
        trouble = f"the unchanged code does not pass: {base.reason}"
    elif len(known) < len(names):
        trouble = (
            f"no report of {', '.join(n for n in names if n not in known)}: {', '.join(outcome.refused)}"
        )
    return Trial(base, failed, trouble, _report(outcome, "drawn", "late, or broken off"), outcome.confinement)


def _report(outcome: Outcome, name: str, why: str) -> Report:
    return Report.of(outcome.collected.get(f"{name}.jsonl", b""), why)


def _why(outcome: Outcome) -> str:
    if outcome.exit_code == 0:
        return "late, or broken off"
    return ", ".join(outcome.limits_hit) or f"exit code {outcome.exit_code}"


def _failed(report: Report, demanded: tuple[str, ...]) -> tuple[str, ...]:
    if report.trouble or report.collect_errors or not report.outcomes:
        return EVERY
    bad = tuple(test for test in demanded if report.outcome_of(test).outcome != "passed")
    return bad if report.ended in _ENDED else EVERY


def _of_src(path: str) -> str:
    return path.removeprefix("src/")
