"""GENERATE_DEPLOYMENT_ARTIFACTS: the complete release tree, closed by its manifest."""

import yaml

from schemas.base import Digest, SourceFile
from schemas.brief import Brief
from schemas.failure import Cause
from schemas.project import manifest_file, manifest_of, render_changelog, render_workflow, tree_digest
from schemas.stages import Assembly, Build, ReleaseTree, Review
from schemas.stateflow import State
from schemas.verdict import Status, Verdict
from tasks.context import Work
from tasks.stage import failed, stage

_LATER = "written by the full StateFlow, which this version does not have yet"


@stage(State.GENERATE_DEPLOYMENT_ARTIFACTS)
async def generate_deployment_artifacts(
    work: Work,
    *,
    brief: Brief,
    assembly: Assembly,
    candidate: Digest,
    build: Build,
    review: Review,
    python: str,
    version: str,
) -> ReleaseTree:
    """Complete the tree and close it with its manifest."""
    workflow = SourceFile(path=".github/workflows/test.yml", text=render_workflow(python))
    changelog = SourceFile(path="CHANGELOG.md", text=render_changelog(assembly.srs, version))
    files = (*build.files, workflow, changelog)
    manifest = manifest_of(
        slug=brief.slug,
        version=version,
        brief=brief.text,
        assembly=assembly,
        candidate=candidate,
        files=files,
        claims={row.criterion: row.tests for row in review.matrix},
    )
    whole = tuple(sorted((*files, manifest_file(manifest)), key=lambda f: f.path))
    checks = (_workflow_verdict(workflow), *_not_run())
    broken = [c.reason for c in checks if c.status is Status.FAILED]
    if broken:
        raise failed(work, Cause.PACKAGING, broken[0], broken)
    return ReleaseTree(files=whole, digest_of_tree=tree_digest(whole), checks=checks)


def _workflow_verdict(workflow: SourceFile) -> Verdict:
    try:
        jobs = yaml.safe_load(workflow.text)["jobs"]
        status, reason = Status.PASSED, f"parses, {len(jobs)} job(s)"
    except (yaml.YAMLError, KeyError, TypeError) as error:
        status, reason = Status.FAILED, f"the workflow does not parse: {error}"
    return Verdict(subject=workflow.path, status=status, level="tool", reason=reason)


def _not_run() -> tuple[Verdict, ...]:
    return tuple(
        Verdict(subject=name, status=Status.NOT_RUN, level="tool", reason=_LATER)
        for name in ("Dockerfile", "API documentation", "SBOM")
    )
