"""The files of a release that are rendered from templates."""

import json
from collections.abc import Iterable
from typing import Any

from schemas.base import Digest, SourceFile, digest, text_digest
from schemas.srs import SRS, Requirement
from schemas.stages import Assembly
from schemas.verdict import Manifest

MANIFEST_PATH = ".phoenix/manifest.json"

_GITIGNORE = "__pycache__/\n*.pyc\n.pytest_cache/\n.hypothesis/\n.venv/\nbuild/\ndist/\n*.egg-info/\n"

_WORKFLOW = """name: test
on: [push, pull_request]
permissions:
  contents: read
jobs:
  test:
    runs-on: ubuntu-latest
    strategy:
      matrix:
        python: ["{python}", "3.13"]
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: ${{{{ matrix.python }}}}
      - run: pip install '.[test]'
      - run: pytest
"""


def render_pyproject(assembly: Assembly, python: str, version: str) -> str:
    """The release's pyproject.toml."""
    property_tests = any("hypothesis" in f.text for f in assembly.suite.files)
    tools = ["pytest>=8"] + (["hypothesis>=6"] if property_tests else [])
    purpose = " ".join(assembly.srs.purpose.replace("\x7f", " ").split())
    script = "".join(
        f'\n[project.scripts]\n{c.command} = "{c.package}.{c.module}:main"\n'
        for c in assembly.contracts
        if c.command
    )
    return f"""[project]
name = "{assembly.package.replace("_", "-")}"
version = "{version}"
description = {json.dumps(purpose, ensure_ascii=False)}
readme = "README.md"
requires-python = ">={python}"
dependencies = []

[project.optional-dependencies]
test = {json.dumps(tools)}
{script}
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[tool.hatch.build.targets.wheel]
packages = ["src/{assembly.package}"]

[tool.pytest.ini_options]
testpaths = ["tests"]
addopts = "--strict-markers"
markers = ["proves(*ids): the acceptance criteria that a test shows"]
"""


def render_changelog(srs: SRS, version: str, earlier: SRS | None = None) -> str:
    """The release's changelog: what this version can do, or what changed since an earlier specification."""
    lines = _changes(earlier, srs) if earlier else [_change(r) for r in srs.requirements]
    return f"# Changelog\n\n## {version}\n\n" + "\n".join(lines) + "\n"


def _changes(old: SRS, new: SRS) -> list[str]:
    before, after = ({r.id: r for r in s.requirements} for s in (old, new))
    groups = {
        "Added": [r for r in new.requirements if r.id not in before],
        "Changed": [r for r in new.requirements if r.id in before and _said(r) != _said(before[r.id])],
        "Removed": [r for r in old.requirements if r.id not in after],
    }
    parts = [[f"### {title}", "", *map(_change, found), ""] for title, found in groups.items() if found]
    return [line for part in parts for line in part][:-1] or ["No requirement changed."]


def _change(requirement: Requirement) -> str:
    return f"- {' '.join(requirement.text.split())} ({requirement.id})"


def _said(requirement: Requirement) -> dict[str, Any]:
    """What a requirement demands, wherever in the brief it comes from."""
    return requirement.model_dump(exclude={"sources"}, exclude_none=True)


def render_workflow(python: str) -> str:
    """The release's continuous-integration workflow."""
    return _WORKFLOW.format(python=python)


def package_tree(assembly: Assembly, python: str, version: str) -> tuple[SourceFile, ...]:
    """What can be built and tested: package, tests, README and pyproject."""
    return (
        *assembly.code,
        *assembly.suite.files,
        assembly.readme,
        SourceFile(path="pyproject.toml", text=render_pyproject(assembly, python, version)),
        SourceFile(path=".gitignore", text=_GITIGNORE),
    )


def manifest_of(
    *,
    slug: str,
    version: str,
    brief: str,
    assembly: Assembly,
    candidate: Digest,
    files: Iterable[SourceFile],
    claims: dict[str, tuple[str, ...]],
) -> Manifest:
    """The release's manifest: content digests, and nothing that differs between machines."""
    contracts = assembly.contracts
    return Manifest(
        project=slug,
        version=version,
        brief=text_digest(brief),
        srs=assembly.srs.digest(),
        contract=contracts[0].digest() if len(contracts) == 1 else digest(contracts),
        suite=assembly.suite.digest(),
        candidate=candidate,
        files={f.path: text_digest(f.text) for f in sorted(files, key=lambda f: f.path)},
        claims=claims,
    )


def manifest_file(manifest: Manifest) -> SourceFile:
    """The manifest as it lies in the tree."""
    text = json.dumps(manifest.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False)
    return SourceFile(path=MANIFEST_PATH, text=text + "\n")


def tree_digest(files: Iterable[SourceFile]) -> str:
    """The digest of a whole tree: paths and contents, in any order."""
    lines = sorted(f"{text_digest(f.text)}  {f.path}\n" for f in files)
    return text_digest("".join(lines))
