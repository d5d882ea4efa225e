"""GENERATE_DEPLOYMENT_ARTIFACTS: the complete release tree, each part checked, closed by its manifest."""

from functools import partial

from agents.lite import DOCUMENTATION
from schemas.base import Digest, SourceFile
from schemas.brief import Brief
from schemas.deployment import render_ci_workflow, render_dockerfile, render_dockerignore
from schemas.documentation import DocsTool, render_docs
from schemas.failure import Cause, Notes, notes_text
from schemas.project import manifest_file, manifest_of, render_changelog, render_workflow, tree_digest
from schemas.prose import interface_text
from schemas.sbom import render_sbom
from schemas.srs import SRS
from schemas.stages import Assembly, Build, ReleaseTree, Review
from schemas.stateflow import State
from schemas.verdict import Status, Verdict
from services.artifacts import check_dockerfile, check_docs, check_sbom, check_workflow
from services.toolchain.wheelhouse import build_wheels
from tasks.context import Work
from tasks.readmes import write_readme
from tasks.scans import secrets_scan
from tasks.stage import failed, stage

WORKFLOW, SBOM = ".github/workflows/test.yml", "sbom.cdx.json"
_LITE = "the Lite path writes none"


@stage(State.GENERATE_DEPLOYMENT_ARTIFACTS, version=2, agents=(DOCUMENTATION,), tools=True)
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
    docs: DocsTool | None,
    earlier: SRS | None,
    feedback: Notes,
) -> ReleaseTree:
    """Complete the tree and close it with its manifest; `docs` is None for the few files of the Lite path."""
    changelog = SourceFile(path="CHANGELOG.md", text=render_changelog(assembly.srs, version, earlier))
    if docs is None:
        workflow = SourceFile(path=WORKFLOW, text=render_workflow(python))
        files = (*build.files, workflow, changelog)
        checks: tuple[Verdict, ...] = (check_workflow(workflow.text, WORKFLOW), *_not_run())
    else:
        readme, seen = await _readme(work, assembly, notes_text(feedback))
        whole = assembly.model_copy(update={"readme": readme})
        written = (*_rendered(whole, brief, python, version, docs), changelog)
        files = (*(f for f in build.files if f.path != readme.path), readme, *written)
        checks = (*seen, *await _check(work, files, docs))
    broken = [f"{c.subject}: {c.reason}" for c in checks if c.status is Status.FAILED]
    if broken:
        raise failed(work, Cause.PACKAGING, broken[0], broken)
    manifest = manifest_of(
        slug=brief.slug,
        version=version,
        brief=brief.text,
        assembly=assembly,
        candidate=candidate,
        files=files,
        claims={row.criterion: row.tests for row in review.matrix},
    )
    tree = tuple(sorted((*files, manifest_file(manifest)), key=lambda f: f.path))
    return ReleaseTree(files=tree, digest_of_tree=tree_digest(tree), checks=checks)


async def _readme(work: Work, assembly: Assembly, feedback: str) -> tuple[SourceFile, tuple[Verdict, ...]]:
    shown = "\n\n".join(map(interface_text, assembly.contracts))
    readme, examples = await write_readme(work, assembly.srs, shown, assembly.code, feedback)
    secrets, found = await secrets_scan(work, (readme,))
    if secrets.status is not Status.PASSED:
        lines = [f"line {f.line}: {f.message}" for f in found] or [secrets.reason]
        raise failed(work, Cause.BAD_DOCUMENT, f"README: {lines[0]}", lines)
    return readme, (examples, secrets.model_copy(update={"subject": "secrets in the README"}))


def _rendered(
    assembly: Assembly, brief: Brief, python: str, version: str, docs: DocsTool
) -> tuple[SourceFile, ...]:
    name = assembly.package.replace("_", "-")
    return (
        SourceFile(path="Dockerfile", text=render_dockerfile(assembly, python, version)),
        SourceFile(path=".dockerignore", text=render_dockerignore()),
        SourceFile(path=WORKFLOW, text=render_ci_workflow(assembly, python, docs)),
        SourceFile(path=SBOM, text=render_sbom(assembly, name, version, brief.asks.date)),
        *render_docs(assembly, brief.title, version, docs),
    )


async def _check(work: Work, files: tuple[SourceFile, ...], docs: DocsTool) -> tuple[Verdict, ...]:
    text = {f.path: f.text for f in files}
    judge = work.judge
    wheels = partial(build_wheels, work.context.cache, judge.environment)
    return (
        check_workflow(text[WORKFLOW], WORKFLOW),
        check_sbom(text[SBOM]),
        *await check_dockerfile(text["Dockerfile"], files, wheels),
        await check_docs(judge.sandbox, judge.environment, files, docs),
    )


def _not_run() -> tuple[Verdict, ...]:
    return tuple(
        Verdict(subject=name, status=Status.NOT_RUN, level="tool", reason=_LITE)
        for name in ("Dockerfile", "API documentation", "SBOM")
    )
