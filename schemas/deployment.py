"""What a release needs to be deployed: its Dockerfile and its continuous-integration workflow."""

import json
from typing import Literal

from schemas.document import one_line
from schemas.stages import Assembly

NEWEST_PYTHON = "3.14"
DOCS_COMMANDS = {
    "mkdocs": ("mkdocs>=1.6,<2", "mkdocs build --strict"),
    "sphinx": ("sphinx>=8", "sphinx-build -W -b html docs build/docs"),
}
"""For each tool what pip installs, and what builds the documentation."""

_DOCKERFILE = """ARG BASE=python:{python}-slim-bookworm

FROM ${{BASE}} AS build
ARG PIP_NO_INDEX
ARG PIP_FIND_LINKS
WORKDIR /build
COPY . .
RUN python -m venv /opt/app \\
    && /opt/app/bin/pip install --no-cache-dir --disable-pip-version-check .

FROM ${{BASE}}
LABEL org.opencontainers.image.title={title} \\
      org.opencontainers.image.description={description} \\
      org.opencontainers.image.version={version}
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin app
COPY --from=build /opt/app /opt/app
ENV PATH="/opt/app/bin:$PATH" \\
    PYTHONUNBUFFERED=1
WORKDIR /tmp
USER 10001
{start}
"""

_DOCKERIGNORE = """*
!pyproject.toml
!README.md
!src
!wheels
**/__pycache__
"""

_WORKFLOW = """name: test
on: [push, pull_request]
permissions:
  contents: read
concurrency:
  group: ${{{{ github.workflow }}}}-${{{{ github.ref }}}}
  cancel-in-progress: true
jobs:
  test:
    runs-on: ubuntu-latest
    timeout-minutes: 20
    strategy:
      fail-fast: false
      matrix:
        python: {pythons}
    steps:
      - uses: actions/checkout@v4
        with:
          persist-credentials: false
      - uses: actions/setup-python@v5
        with:
          python-version: ${{{{ matrix.python }}}}
      - run: pip install '.[test]'
      - run: pytest
  docs:
    runs-on: ubuntu-latest
    timeout-minutes: 10
    steps:
      - uses: actions/checkout@v4
        with:
          persist-credentials: false
      - uses: actions/setup-python@v5
        with:
          python-version: "{python}"
      - run: pip install '{requirement}'
      - run: {build}
  docker:
    runs-on: ubuntu-latest
    timeout-minutes: 20
    needs: test
    steps:
      - uses: actions/checkout@v4
        with:
          persist-credentials: false
      - run: docker build --tag {image} .
      - run: docker run --rm --network none --entrypoint python {image} -c 'import {package}'
"""


def render_dockerfile(assembly: Assembly, python: str, version: str = "0.1.0") -> str:
    """The release's Dockerfile: built with an index, or without network from wheels below wheels/."""
    return _DOCKERFILE.format(
        python=python,
        title=_label(assembly.srs.title),
        description=_label(assembly.srs.purpose),
        version=_label(version),
        start=_start(assembly),
    )


def render_dockerignore() -> str:
    """What the build may see: nothing but what the package is built from."""
    return _DOCKERIGNORE


def render_ci_workflow(assembly: Assembly, python: str, tool: Literal["mkdocs", "sphinx"]) -> str:
    """The release's workflow on GitHub: tests, documentation and container."""
    requirement, build = DOCS_COMMANDS[tool]
    pythons = [python, *([NEWEST_PYTHON] if _number(python) < _number(NEWEST_PYTHON) else [])]
    return _WORKFLOW.format(
        pythons=json.dumps(pythons),
        python=python,
        requirement=requirement,
        build=build,
        image=assembly.package.replace("_", "-"),
        package=assembly.package,
    )


def command_of(assembly: Assembly) -> str | None:
    """The command of the release; None for a library."""
    return next((c.command for c in assembly.contracts if c.command), None)


def _start(assembly: Assembly) -> str:
    if command := command_of(assembly):
        return f"ENTRYPOINT {json.dumps([command])}"
    hello = f"import {assembly.package}; print({assembly.package}.__name__)"
    return f"CMD {json.dumps(['python', '-c', hello])}"


def _label(text: str) -> str:
    """Text as a quoted value, in which the engine replaces nothing."""
    plain = one_line(text).replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{plain}"'


def _number(python: str) -> tuple[int, ...]:
    return tuple(int(part) for part in python.split("."))
