"""The scanners of the security audit, run in the sandbox."""

import json
from collections.abc import Callable
from typing import Any

from schemas.base import SourceFile
from schemas.verdict import Finding, Severity, Status, Verdict
from services.judge import as_bytes
from services.sandbox import Job, Outcome
from tasks.context import Work

_PYTHON = ("/venv/bin/python", "-P", "-s", "-m")
BANDIT = (*_PYTHON, "bandit", "-r", "src", "-f", "json", "-q", "--exit-zero", "--ignore-nosec")
_PRAGMAS = "detect_secrets.filters.allowlist.is_line_allowlisted"
SECRETS = (
    *_PYTHON,
    "detect_secrets",
    "scan",
    "--all-files",
    "--no-verify",
    "--disable-filter",
    _PRAGMAS,
    ".",
)


async def scan(
    work: Work,
    tool: str,
    argv: tuple[str, ...],
    files: tuple[SourceFile, ...],
    read: Callable[[dict[str, Any]], tuple[Finding, ...]],
) -> tuple[Verdict, tuple[Finding, ...]]:
    """What one scanner finds in files."""
    job = Job(argv=argv, code=as_bytes(files), environment=work.judge.environment, limits=work.judge.limits)
    outcome = await work.judge.sandbox.run(job)
    try:
        if outcome.exit_code != 0:
            raise ValueError(f"exit code {outcome.exit_code}")
        findings = read(json.loads(outcome.stdout))
    except (ValueError, KeyError, TypeError) as error:
        return verdict_of(tool, Status.FAILED, f"{tool} did not end with a report: {error}", outcome), ()
    status = Status.FAILED if findings else Status.PASSED
    return verdict_of(tool, status, f"{len(findings)} finding(s)", outcome), findings


def bandit_findings(report: dict[str, Any]) -> tuple[Finding, ...]:
    """The findings in bandit's JSON report.

    Raises:
        ValueError: bandit could not read a file.
    """
    if report["errors"]:
        raise ValueError(f"cannot read {report['errors'][0]['filename']}")
    return tuple(
        Finding(
            tool="bandit",
            rule=f"{r['test_id']} {r['test_name']}",
            severity=Severity(r["issue_severity"].lower())
            if r["issue_severity"] != "UNDEFINED"
            else Severity.LOW,
            path=r["filename"].removeprefix("./"),
            line=r["line_number"],
            message=r["issue_text"],
        )
        for r in report["results"]
    )


def secret_findings(report: dict[str, Any]) -> tuple[Finding, ...]:
    """The findings in detect-secrets' JSON report; the secret itself is not in them."""
    return tuple(
        Finding(
            tool="detect-secrets",
            rule=hit["type"],
            severity=Severity.MEDIUM,
            path=path.removeprefix("./"),
            line=hit["line_number"],
            message=f"looks like a secret: {hit['type']}",
        )
        for path, hits in sorted(report["results"].items())
        for hit in hits
    )


def verdict_of(subject: str, status: Status, reason: str, outcome: Outcome | None = None) -> Verdict:
    """A tool's verdict."""
    confinement = outcome.confinement if outcome else None
    return Verdict(subject=subject, status=status, level="tool", reason=reason, confinement=confinement)


async def bandit_scan(work: Work, files: tuple[SourceFile, ...]) -> tuple[Verdict, tuple[Finding, ...]]:
    """What bandit finds."""
    return await scan(work, "bandit", BANDIT, files, bandit_findings)


async def secrets_scan(work: Work, files: tuple[SourceFile, ...]) -> tuple[Verdict, tuple[Finding, ...]]:
    """What looks like a secret."""
    return await scan(work, "detect-secrets", SECRETS, files, secret_findings)
