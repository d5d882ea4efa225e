"""Fixtures that every folder shares: database servers for the session, a fresh database for a test."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest

from services.database import Database
from services.local.prefect_server import client_environment, prefect_server
from services.settings import Settings
from tests.databases import KINDS, Server, serve
from tests.platform import Platform

# How long an example takes says how busy the machine is, and nothing about the code.
# The same examples in every run, so that a run tells about the change and not about luck; new ones are
# looked for with --hypothesis-profile=default.
hypothesis.settings.register_profile("phoenix", deadline=None, derandomize=True)
hypothesis.settings.load_profile("phoenix")

# Prefect reads its settings when it is first imported, which is when the tests are collected.
os.environ.update(client_environment(Path(tempfile.gettempdir()), "http://127.0.0.1:1/api"))


LONGEST_FIRST = ("phoenix", "flows", "services")
"""Folders whose tests take long: begun first, so that no process is left alone with one in the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests by how long their folder takes."""

    def place(item: pytest.Item) -> int:
        folder = item.path.parent.name
        return LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else len(LONGEST_FIRST)

    items.sort(key=place)


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[str, Server]]:
    """The servers that were asked for so far, by kind."""
    with ExitStack() as stack:
        yield _Servers(stack)


class _Servers(dict[str, Server]):
    def __init__(self, stack: ExitStack) -> None:
        super().__init__()
        self.stack = stack

    def __missing__(self, kind: str) -> Server:
        self[kind] = self.stack.enter_context(serve(kind))
        return self[kind]


@pytest.fixture
def embedded_url(servers: dict[str, Server]) -> Iterator[str]:
    """An empty database in the embedded PostgreSQL."""
    with servers["embedded"].fresh() as url:
        yield url


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, servers: dict[str, Server]) -> Iterator[str]:
    """An empty database, once in the embedded PostgreSQL and once in Debian's."""
    with servers[request.param].fresh() as url:
        yield url


@pytest.fixture(params=KINDS)
def migrated_url(request: pytest.FixtureRequest, servers: dict[str, Server]) -> Iterator[str]:
    """A migrated database, once in each PostgreSQL."""
    server = servers[request.param]
    with server.fresh(server.migrated()) as url:
        yield url


@pytest.fixture
async def database(migrated_url: str) -> AsyncIterator[Database]:
    """A migrated and opened database, once in each PostgreSQL."""
    async with await Database.open(migrated_url) as database:
        yield database


@pytest.fixture
def embedded_migrated_url(servers: dict[str, Server]) -> Iterator[str]:
    """A migrated database in the embedded PostgreSQL."""
    with servers["embedded"].fresh(servers["embedded"].migrated()) as url:
        yield url


@pytest.fixture
async def embedded(embedded_migrated_url: str) -> AsyncIterator[Database]:
    """A migrated and opened database in the embedded PostgreSQL alone."""
    async with await Database.open(embedded_migrated_url) as database:
        yield database


@pytest.fixture(scope="session")
def prefect_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API of a Prefect server that lives as long as the tests."""
    home = tmp_path_factory.mktemp("prefect")
    loop = asyncio.new_event_loop()
    server = prefect_server(Settings.model_validate({"PHOENIX_HOME": home, "PREFECT_API_URL": None}))
    running = loop.run_until_complete(server.__aenter__())
    yield running.url
    loop.run_until_complete(server.__aexit__(None, None, None))
    loop.close()


@pytest.fixture
def platform(
    prefect_url: str, embedded_migrated_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Platform:
    """Everything that a story needs, by environment variables as in production."""
    monkeypatch.setenv("PHOENIX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATABASE_URL", embedded_migrated_url)
    monkeypatch.setenv("PREFECT_API_URL", prefect_url)
    return Platform(prefect_url, embedded_migrated_url, tmp_path)
