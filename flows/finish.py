"""The end of both paths: audit, aggregate, review, complete the tree."""

from dataclasses import dataclass

from flows.versions import bumped, earlier_srs, next_version, released_otherwise
from schemas.base import digest
from schemas.failure import Notes
from schemas.full import ItemDone
from schemas.stages import Assembly, Build, ReleaseTree, Review, SecurityAudit
from schemas.verdict import Verdict
from tasks.aggregation import aggregate
from tasks.deployment_artifacts import generate_deployment_artifacts
from tasks.final_review import final_review
from tasks.security_audit import security_audit
from tasks.telling import Telling


@dataclass(frozen=True)
class Checked:
    """What every check before the release tree has passed."""

    assembly: Assembly
    items: tuple[ItemDone, ...]
    audit: SecurityAudit
    verdicts: tuple[Verdict, ...]
    """What was checked before the end."""
    full: bool
    """Whether it came by the full path, which has a reviewer and all artifacts."""
    feedback: Notes


@dataclass(frozen=True)
class Finished:
    """All that a release gate shows and a release is made of."""

    parts: Checked
    build: Build
    review: Review
    tree: ReleaseTree
    version: str

    def all_verdicts(self) -> tuple[Verdict, ...]:
        """Every verdict that the release rests on."""
        return (self.build.verdict, *self.parts.verdicts, *self.parts.audit.verdicts, *self.tree.checks)


async def finish(
    telling: Telling,
    assembly: Assembly,
    items: tuple[ItemDone, ...],
    verdicts: tuple[Verdict, ...],
    *,
    full: bool,
    feedback: Notes = (),
) -> Finished:
    """Take an assembly to a complete release tree."""
    audit = await security_audit(telling, assembly=assembly, allowlist=telling.context.policy.allowlist)
    return await _versioned(telling, Checked(assembly, items, audit, verdicts, full, feedback))


async def renewed(telling: Telling, finished: Finished) -> Finished:
    """The same parts under the version that is due now."""
    telling.outcome = "renewed"
    return await _versioned(telling, finished.parts)


async def _versioned(telling: Telling, parts: Checked) -> Finished:
    candidates = tuple(item.candidate for item in parts.items)
    candidate = candidates[0].digest() if len(candidates) == 1 else digest(candidates)
    version = await next_version(telling.context, parts.assembly, candidate)
    finished = await _complete(telling, parts, candidate, version)
    if await released_otherwise(telling.context, version, finished.tree):
        # The same parts in other files, as after an upgrade: they get a version of their own.
        telling.outcome = "renewed"
        finished = await _complete(telling, parts, candidate, bumped(version))
    return finished


async def _complete(telling: Telling, parts: Checked, candidate: str, version: str) -> Finished:
    policy = telling.context.policy
    built = await aggregate(telling, assembly=parts.assembly, python=policy.python, version=version)
    review = await final_review(telling, assembly=parts.assembly, build=built, reviewed=parts.full)
    tree = await generate_deployment_artifacts(
        telling,
        brief=telling.context.brief,
        assembly=parts.assembly,
        candidate=candidate,
        build=built,
        review=review,
        python=policy.python,
        version=version,
        docs=policy.docs if parts.full else None,
        earlier=await earlier_srs(telling.context, version) if parts.full else None,
        feedback=parts.feedback,
    )
    return Finished(parts, built, review, tree, version)
