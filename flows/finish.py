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
class Finished:
    """All that a release gate shows and a release is made of."""

    assembly: Assembly
    items: tuple[ItemDone, ...]
    audit: SecurityAudit
    build: Build
    review: Review
    tree: ReleaseTree
    version: str
    verdicts: tuple[Verdict, ...]
    """What was checked before the end."""

    def all_verdicts(self) -> tuple[Verdict, ...]:
        """Every verdict that the release rests on."""
        return (self.build.verdict, *self.verdicts, *self.audit.verdicts, *self.tree.checks)


async def finish(
    telling: Telling,
    assembly: Assembly,
    items: tuple[ItemDone, ...],
    verdicts: tuple[Verdict, ...],
    *,
    full: bool,
    feedback: Notes = (),
) -> Finished:
    """Take an assembly to a complete release tree; the full path has a reviewer and all its artifacts."""
    audit = await security_audit(telling, assembly=assembly, allowlist=telling.context.policy.allowlist)
    candidates = tuple(item.candidate for item in items)
    candidate = candidates[0].digest() if len(candidates) == 1 else digest(candidates)
    version = await next_version(telling.context, assembly, candidate)
    made = await _complete(telling, assembly, candidate, version, full, feedback)
    if await released_otherwise(telling.context, version, made[2]):
        # The same parts in other files, as after an upgrade: they get a version of their own.
        telling.outcome = "renewed"
        version = bumped(version)
        made = await _complete(telling, assembly, candidate, version, full, feedback)
    return Finished(assembly, items, audit, *made, version, verdicts)


async def _complete(
    telling: Telling, assembly: Assembly, candidate: str, version: str, full: bool, feedback: Notes
) -> tuple[Build, Review, ReleaseTree]:
    policy = telling.context.policy
    built = await aggregate(telling, assembly=assembly, python=policy.python, version=version)
    review = await final_review(telling, assembly=assembly, build=built, reviewed=full)
    tree = await generate_deployment_artifacts(
        telling,
        brief=telling.context.brief,
        assembly=assembly,
        candidate=candidate,
        build=built,
        review=review,
        python=policy.python,
        version=version,
        docs=policy.docs if full else None,
        earlier=await earlier_srs(telling.context, version) if full else None,
        feedback=feedback,
    )
    return built, review, tree
