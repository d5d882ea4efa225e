"""What a release carries is valid by the tools that know, and a broken one is found."""

import json
from datetime import date
from pathlib import Path

import pytest

from schemas.base import SourceFile
from schemas.deployment import render_ci_workflow, render_dockerfile, render_dockerignore
from schemas.documentation import DocsTool, render_docs
from schemas.sbom import render_sbom
from schemas.verdict import Status
from services.artifacts import (
    check_dockerfile,
    check_docs,
    check_gitlab_pipeline,
    check_sbom,
    check_workflow,
)
from services.sandbox import Sandbox, open_sandbox
from services.settings import read_settings
from services.toolchain import tool_environment
from tests.assemblies import NASTY, nasty_assembly, small_assembly
from tests.builders import source

TOOLS: tuple[DocsTool, ...] = ("mkdocs", "sphinx")


@pytest.fixture
async def sandbox() -> Sandbox:
    return await open_sandbox()


@pytest.fixture
async def environment() -> Path:
    return await tool_environment(read_settings().cache)


@pytest.mark.services
@pytest.mark.parametrize("tool", TOOLS)
async def test_documentation_of_any_text_builds_without_a_warning(
    tool: DocsTool, sandbox: Sandbox, environment: Path
) -> None:
    verdict = await check_docs(
        sandbox, environment, render_docs(nasty_assembly(), NASTY, "0.1.0", tool), tool
    )
    assert (verdict.status, verdict.level) == (Status.PASSED, "tool"), verdict.reason
    assert verdict.reason == f"{tool} built 4 page(s) without a warning"
    assert verdict.confinement is not None


def broken(files: tuple[SourceFile, ...], tool: DocsTool) -> tuple[SourceFile, ...]:
    """The documentation with a link on its first page that leads nowhere."""
    path, link = {
        "mkdocs": ("docs/index.md", "\n[away](nowhere.md)\n"),
        "sphinx": ("docs/index.rst", "\n:doc:`nowhere`\n"),
    }[tool]
    return tuple(source(f.path, f.text + link) if f.path == path else f for f in files)


@pytest.mark.services
@pytest.mark.parametrize("tool", TOOLS)
async def test_documentation_with_a_warning_fails_and_says_which(
    tool: DocsTool, sandbox: Sandbox, environment: Path
) -> None:
    files = broken(render_docs(small_assembly(), "Twice", "0.1.0", tool), tool)
    verdict = await check_docs(sandbox, environment, files, tool)
    assert verdict.status is Status.FAILED
    assert "nowhere" in verdict.reason


@pytest.mark.parametrize("tool", TOOLS)
def test_the_workflow_is_valid_and_a_broken_one_is_not(tool: DocsTool) -> None:
    text = render_ci_workflow(small_assembly(), "3.11", tool)
    assert check_workflow(text).reason == "valid GitHub workflow, 3 job(s)"
    wrong = check_workflow(text.replace("runs-on: ubuntu-latest", "run-on: ubuntu-latest"))
    assert wrong.status is Status.FAILED
    assert check_workflow("jobs: [").reason.startswith("the file does not parse")
    assert check_workflow("text").status is Status.FAILED


def test_a_pipeline_of_gitlab_is_checked_too() -> None:
    good = "test:\n  image: python:3.11\n  script:\n    - pytest\n    - !reference [.a, script]\n"
    assert check_gitlab_pipeline(good).status is Status.PASSED
    assert check_gitlab_pipeline("test:\n  script: {a: 1}\n").status is Status.FAILED


def test_the_bill_of_materials_is_valid_and_a_broken_one_is_not() -> None:
    text = render_sbom(small_assembly(), "twice", "0.1.0", date(2026, 3, 1), [("requests", "2.34.2")])
    assert check_sbom(text).reason == "valid CycloneDX 1.6"
    bill = json.loads(text)
    for wrong in ({**bill, "surprise": 1}, {**bill, "serialNumber": "7"}):
        verdict = check_sbom(json.dumps(wrong))
        assert (verdict.status, verdict.level) == (Status.FAILED, "tool")
    assert check_sbom("{").reason.startswith("the file does not parse")


async def test_without_an_engine_the_rules_still_say_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")

    async def none() -> dict[str, bytes]:
        raise AssertionError("the wheels are not needed")

    assembly = small_assembly()
    ignored = source(".dockerignore", render_dockerignore())
    text = render_dockerfile(assembly, "3.11")
    rules, built = await check_dockerfile(text, (*assembly.code, ignored), none)
    assert (rules.status, rules.reason) == (Status.PASSED, "every rule holds")
    assert (built.status, built.reason) == (Status.NOT_RUN, "no Docker engine answers")
