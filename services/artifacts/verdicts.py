"""A tool's verdict."""

from collections.abc import Sequence

from schemas.verdict import Confinement, Status, Verdict


def verdict_of(
    subject: str, problems: Sequence[str], good: str, confinement: Confinement | None = None
) -> Verdict:
    """Failed for the first problem, with the number of the others; else passed for what is good."""
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    status = Status.FAILED if problems else Status.PASSED
    reason = f"{problems[0]}{more}" if problems else good
    return Verdict(subject=subject, status=status, level="tool", reason=reason, confinement=confinement)


def not_run(subject: str, reason: str) -> Verdict:
    """The verdict of a check that could not be made."""
    return Verdict(subject=subject, status=Status.NOT_RUN, level="tool", reason=reason)
