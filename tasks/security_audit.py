"""SECURITY_AUDIT: scanners, import policy, and a judgement of what they found."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from agents.ask import Question
from agents.lite import SECURITY
from schemas.answers import SecurityAnswer
from schemas.base import SourceFile
from schemas.conformance import TEST_TOOLS, import_problems
from schemas.failure import Cause
from schemas.prose import sources_text
from schemas.stages import Assembly, SecurityAudit
from schemas.stateflow import State
from schemas.verdict import Finding, Severity, Status, Verdict
from services.judge import as_bytes
from services.sandbox import Job, Outcome
from tasks.context import Work
from tasks.stage import StageFailed, failed, stage

_PYTHON = ("/venv/bin/python", "-P", "-s", "-m")
_BANDIT = (*_PYTHON, "bandit", "-r", "src", "-f", "json", "-q", "--exit-zero", "--ignore-nosec")
_PRAGMAS = "detect_secrets.filters.allowlist.is_line_allowlisted"
_SECRETS = (
    *_PYTHON,
    "detect_secrets",
    "scan",
    "--all-files",
    "--no-verify",
    "--disable-filter",
    _PRAGMAS,
    ".",
)


@stage(State.SECURITY_AUDIT, agents=(SECURITY,), tools=True)
async def security_audit(work: Work, *, assembly: Assembly, allowlist: tuple[str, ...]) -> SecurityAudit:
    """Scan the code; a high finding, or one that the analyst does not accept, fails the stage."""
    code, package = assembly.code, assembly.package
    everything = (*code, *assembly.suite.files, assembly.readme)
    bandit, from_bandit = await _scan(work, "bandit", _BANDIT, everything, bandit_findings)
    secrets, from_secrets = await _scan(work, "detect-secrets", _SECRETS, everything, secret_findings)
    strays = [
        *(p for f in code if f.path.endswith(".py") for p in import_problems(f, package, allowlist)),
        *(p for f in assembly.suite.files for p in import_problems(f, package, TEST_TOOLS)),
    ]
    findings = (*from_bandit, *from_secrets, *map(_import_finding, strays))
    verdicts = (bandit, secrets, _imports_verdict(strays), *_not_run())
    scans = ((bandit, from_bandit), (secrets, from_secrets))
    broken = [v for v, found in scans if v.status is Status.FAILED and not found]
    if broken:
        raise failed(work, Cause.SECURITY, broken[0].reason, [v.reason for v in broken])
    high = [f for f in findings if f.severity is Severity.HIGH]
    if high:
        raise _refused(work, f"{len(high)} finding(s) of high severity", high)
    return await _judge(work, code, findings, verdicts)


async def _judge(
    work: Work, code: tuple[SourceFile, ...], findings: tuple[Finding, ...], verdicts: tuple[Verdict, ...]
) -> SecurityAudit:
    if not findings:
        return SecurityAudit(verdicts=verdicts, findings=(), judgements=())
    inputs = {
        "findings": "\n".join(f"{n}. {_line(f)}" for n, f in enumerate(findings, 1)),
        "code": sources_text(tuple(f for f in code if f.text)),
    }
    answer = await work.desk.ask_json(Question(SECURITY, "run", inputs, work.sample), SecurityAnswer)
    refused = {j.finding for j in answer.judgements if not j.accepted}
    accepted = {j.finding for j in answer.judgements} - refused
    open_ones = [f for n, f in enumerate(findings, 1) if n not in accepted]
    if open_ones:
        raise _refused(work, f"{len(open_ones)} finding(s) not accepted", open_ones)
    return SecurityAudit(verdicts=verdicts, findings=findings, judgements=answer.judgements)


def _refused(work: Work, what: str, findings: Sequence[Finding]) -> StageFailed:
    paths = [f.path for f in findings]
    return failed(work, Cause.SECURITY, f"{what}: {_line(findings[0])}", map(_line, findings), paths=paths)


async def _scan(
    work: Work,
    tool: str,
    argv: tuple[str, ...],
    files: tuple[SourceFile, ...],
    read: Callable[[dict[str, Any]], tuple[Finding, ...]],
) -> tuple[Verdict, tuple[Finding, ...]]:
    job = Job(argv=argv, code=as_bytes(files), environment=work.judge.environment, limits=work.judge.limits)
    outcome = await work.judge.sandbox.run(job)
    try:
        if outcome.exit_code != 0:
            raise ValueError(f"exit code {outcome.exit_code}")
        findings = read(json.loads(outcome.stdout))
    except (ValueError, KeyError, TypeError) as error:
        return _verdict(tool, Status.FAILED, f"{tool} did not end with a report: {error}", outcome), ()
    status = Status.FAILED if findings else Status.PASSED
    return _verdict(tool, status, f"{len(findings)} finding(s)", outcome), findings


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


def _verdict(subject: str, status: Status, reason: str, outcome: Outcome | None = None) -> Verdict:
    confinement = outcome.confinement if outcome else None
    return Verdict(subject=subject, status=status, level="tool", reason=reason, confinement=confinement)


def _imports_verdict(strays: list[str]) -> Verdict:
    status = Status.FAILED if strays else Status.PASSED
    return _verdict("import policy", status, strays[0] if strays else "standard library only")


def _import_finding(problem: str) -> Finding:
    path, line, _ = problem.split(":", 2) if problem.count(":") >= 2 else (problem, "0", "")
    return Finding(
        tool="import policy",
        rule="import",
        severity=Severity.HIGH,
        path=path,
        line=int(line) if line.isdigit() else 0,
        message=problem,
    )


def _not_run() -> tuple[Verdict, ...]:
    none = "the release has no third-party dependency to look up"
    return (
        _verdict("dependency advisories", Status.NOT_RUN, none),
        _verdict("dependency licences", Status.NOT_RUN, none),
    )


def _line(finding: Finding) -> str:
    return (
        f"{finding.path}:{finding.line}: {finding.severity}: {finding.tool} {finding.rule}: {finding.message}"
    )
