"""The rendered Dockerfile builds in a real engine without network, and the image runs as the release says.

Needs root and the Debian packages docker.io and debootstrap; select with -m e2e.
"""

from collections.abc import Iterator, Mapping

import pytest

from schemas.base import SourceFile
from schemas.deployment import render_dockerfile, render_dockerignore
from schemas.project import package_tree
from schemas.stages import Assembly
from schemas.verdict import Status
from services.artifacts import check_dockerfile
from services.settings import read_settings
from services.toolchain import tool_environment
from services.toolchain.wheelhouse import build_wheels
from tests.assemblies import small_assembly
from tests.builders import function, source
from tests.e2e.docker_engine import BASE, docker, engine

pytestmark = [pytest.mark.services, pytest.mark.e2e]

MAIN = function(name="main", signature="(argv: list[str] | None = None) -> int", raises=[], judge="cli")


@pytest.fixture(scope="module")
def host() -> Iterator[str | None]:
    with engine() as found:
        yield found


@pytest.fixture(autouse=True)
def _at_the_host(host: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if host:
        monkeypatch.setenv("DOCKER_HOST", host)


async def wheels() -> Mapping[str, bytes]:
    cache = read_settings().cache
    return await build_wheels(cache, await tool_environment(cache))


def program() -> Assembly:
    return small_assembly(command="twice", functions=[MAIN])


def tree(assembly: Assembly) -> tuple[SourceFile, ...]:
    package = package_tree(assembly, "3.11", "0.1.0")
    return (*package, source(".dockerignore", render_dockerignore()))


@pytest.mark.parametrize("assembly", [program(), small_assembly()], ids=["command", "library"])
async def test_the_dockerfile_builds_without_network_and_leaves_nothing_behind(assembly: Assembly) -> None:
    before = set(docker("image", "ls", "--all", "--quiet").split())
    rules, built = await check_dockerfile(render_dockerfile(assembly, "3.11"), tree(assembly), wheels, BASE)
    assert rules.status is Status.PASSED, rules.reason
    assert (built.status, built.reason) == (Status.PASSED, f"built on {BASE} without network")
    assert set(docker("image", "ls", "--all", "--quiet").split()) <= before


@pytest.mark.parametrize(
    ("assembly", "said"), [(program(), "42"), (small_assembly(), "twice")], ids=["command", "library"]
)
async def test_the_image_runs_what_the_release_starts_as_an_ordinary_user(
    assembly: Assembly, said: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("tree")
    files = (*tree(assembly), source("Dockerfile", render_dockerfile(assembly, "3.11")))
    contents = {f.path: f.text.encode() for f in files}
    for path, content in {**contents, **{f"wheels/{n}": c for n, c in (await wheels()).items()}}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    given = [f"BASE={BASE}", "PIP_NO_INDEX=1", "PIP_FIND_LINKS=/build/wheels"]
    arguments = [word for value in given for word in ("--build-arg", value)]
    docker("build", "--network", "none", "--tag", "phoenix-e2e-image", *arguments, str(folder))
    assert docker("run", "--rm", "--network", "none", "phoenix-e2e-image").strip() == said
    user = ["run", "--rm", "--network", "none", "--entrypoint", "id", "phoenix-e2e-image", "-u"]
    assert docker(*user).strip() == "10001"
    docker("image", "rm", "--force", "phoenix-e2e-image")


async def test_a_dockerfile_that_cannot_be_built_fails_and_says_why() -> None:
    text = render_dockerfile(small_assembly(), "3.11").replace("RUN useradd", "RUN false && useradd")
    _, built = await check_dockerfile(text, tree(small_assembly()), wheels, BASE)
    assert built.status is Status.FAILED
    assert built.reason.startswith("docker build ended with 1")
    assert "false && useradd" in built.reason


async def test_an_absent_base_image_is_not_pulled() -> None:
    assembly = small_assembly()
    _, built = await check_dockerfile(render_dockerfile(assembly, "3.11"), tree(assembly), wheels)
    assert (built.status, "none is pulled" in built.reason) == (Status.NOT_RUN, True)
