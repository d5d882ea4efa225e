"""SECURITY_AUDIT: scanners, import policy, and a judgement of what they found."""

from collections.abc import Sequence

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
from tasks.context import Work
from tasks.scans import bandit_scan, secrets_scan, verdict_of
from tasks.stage import StageFailed, failed, stage


@stage(State.SECURITY_AUDIT, agents=(SECURITY,), tools=True)
async def security_audit(work: Work, *, assembly: Assembly, allowlist: tuple[str, ...]) -> SecurityAudit:
    """Scan the code; a high finding, or one that the analyst does not accept, fails the stage."""
    code, package = assembly.code, assembly.package
    everything = (*code, *assembly.suite.files, assembly.readme)
    bandit, from_bandit = await bandit_scan(work, everything)
    secrets, from_secrets = await secrets_scan(work, everything)
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


def _imports_verdict(strays: list[str]) -> Verdict:
    status = Status.FAILED if strays else Status.PASSED
    return verdict_of("import policy", status, strays[0] if strays else "standard library only")


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
        verdict_of("dependency advisories", Status.NOT_RUN, none),
        verdict_of("dependency licences", Status.NOT_RUN, none),
    )


def _line(finding: Finding) -> str:
    return (
        f"{finding.path}:{finding.line}: {finding.severity}: {finding.tool} {finding.rule}: {finding.message}"
    )
