"""A real platform for stories: one Prefect server for the session, a fresh database and home for a test."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.local.prefect_server import prefect_server
from services.settings import Settings
from tests.flows.platform import Platform


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
