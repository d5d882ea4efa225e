"""GENERATE_DEPLOYMENT_ARTIFACTS: a complete tree, closed by its manifest."""

import json

import pytest
import yaml

from schemas.base import SourceFile, text_digest
from schemas.failure import Cause
from schemas.project import MANIFEST_PATH, tree_digest
from schemas.stages import Build, ReleaseTree
from schemas.stateflow import State
from schemas.verdict import Status
from tasks.deployment_artifacts import generate_deployment_artifacts
from tasks.stage import StageFailed
from tests.tasks.builders import (
    ADDED,
    BRIEF,
    REFUSED,
    a_build,
    a_candidate,
    a_review,
    an_assembly,
    the_failure,
    work_in,
)


async def completed(
    build: Build | None = None, python: str = "3.11", run: str = "run-1", version: str = "1"
) -> ReleaseTree:
    return await generate_deployment_artifacts.body(
        work_in(State.GENERATE_DEPLOYMENT_ARTIFACTS, run=run),
        brief=BRIEF,
        assembly=an_assembly(),
        candidate=a_candidate().digest(),
        build=build or a_build(),
        review=a_review(),
        python=python,
        version=version,
        docs=None,
        earlier=None,
        feedback=(),
    )


async def test_the_manifest_lists_every_other_file_with_its_digest() -> None:
    tree = await completed()
    files = {f.path: f.text for f in tree.files}
    manifest = json.loads(files.pop(MANIFEST_PATH))
    assert manifest["files"] == {path: text_digest(text) for path, text in files.items()}
    assert {"README.md", "CHANGELOG.md", "pyproject.toml", ".github/workflows/test.yml"} < set(files)
    assert manifest["claims"] == {"FR-1.1": [ADDED], "FR-1.2": [REFUSED]}
    assert (manifest["project"], manifest["version"]) == ("pairs", "1")
    assert manifest["candidate"] == a_candidate().digest()


async def test_the_workflow_is_yaml_and_what_is_not_there_yet_is_not_run() -> None:
    tree = await completed()
    files = {f.path: f.text for f in tree.files}
    jobs = yaml.safe_load(files[".github/workflows/test.yml"])["jobs"]
    assert jobs["test"]["strategy"]["matrix"]["python"][0] == "3.11"
    told = {v.subject: v.status for v in tree.checks}
    assert told.pop(".github/workflows/test.yml") is Status.PASSED
    assert set(told.values()) == {Status.NOT_RUN}
    assert all(v.reason for v in tree.checks)


async def test_two_calls_in_two_runs_give_the_same_tree_in_path_order() -> None:
    first, second = await completed(), await completed(run="run-2")
    assert first == second
    assert first.digest_of_tree == tree_digest(reversed(first.files))
    assert [f.path for f in first.files] == sorted(f.path for f in first.files)


async def test_another_file_or_version_gives_another_digest() -> None:
    build = a_build()
    more = build.model_copy(update={"files": (*build.files, SourceFile(path="x.txt", text="x\n"))})
    digests = {
        t.digest_of_tree for t in (await completed(), await completed(more), await completed(version="2"))
    }
    assert len(digests) == 3


@pytest.mark.parametrize("python", ['3.11"', '3.11"]\njobs: []\nx: ["'])
async def test_a_python_version_that_breaks_the_workflow_fails(python: str) -> None:
    with pytest.raises(
        StageFailed, match=r"\.github/workflows/test\.yml: the file does not parse"
    ) as failure:
        await completed(python=python)
    assert the_failure(failure).cause is Cause.PACKAGING
